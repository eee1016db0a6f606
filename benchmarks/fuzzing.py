"""Requests per second of a campaign's engine over the harness's wire, and of `schemathesis run`.

Both send the coverage phase of the same operations of the reference hospital, with one identity:
`python -m benchmarks.fuzzing [OPERATIONS]`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from conformance import run, sources, trials
from conformance.cases import Profile, stamp
from conformance.fuzz.campaign import Campaign
from conformance.fuzz.driver import Driver, Told
from conformance.fuzz.matching import known
from conformance.home import HOME
from conformance.loading import load
from conformance.model import Message

PERSONA = "nurse.north"
OPERATIONS = 20


def _ours(harness: Any, document: dict[str, Any], labels: list[str], base: str) -> float:
    cases = sources.fuzz.campaigns(harness.target, Profile.GATE)
    case = stamp(next(one for one in cases if one.persona == PERSONA), "fuzz", "benchmark", "")
    campaign = Campaign(harness.world, case, known(harness.target, document), 7)
    driver = Driver(document, base, campaign.credentials(), (), 7, campaign, 5)
    started = time.perf_counter()
    driver.run(("coverage",), labels, None, Told())
    return campaign.requests / (time.perf_counter() - started)


def _theirs(
    document: dict[str, Any], labels: list[str], base: str, credentials: dict[str, str]
) -> float:
    with tempfile.TemporaryDirectory() as made:
        file = Path(made) / "openapi.json"
        file.write_text(json.dumps(document), encoding="utf-8")
        command = [sys.executable, "-m", "schemathesis.cli", "run", str(file), "--url", base]
        command += ["--phases", "coverage", "--workers", "1", "--seed", "7", "--no-color"]
        command += ["--continue-on-failure"]
        for name, value in credentials.items():
            command += ["--header", f"{name}: {value}"]
        for label in labels:
            command += ["--include-name", label]
        started = time.perf_counter()
        said = subprocess.run(command, cwd=made, capture_output=True, text=True, check=False).stdout
        seconds = time.perf_counter() - started
    cases = [int(one) for one in re.findall(r"(\d+) generated", said)]
    return sum(cases) / seconds if cases else float("nan")


def main() -> None:
    """Print both figures and their ratio."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else OPERATIONS
    loaded = load(HOME / "fixtures" / "targets" / "hospital")
    with tempfile.TemporaryDirectory() as made, run.started(loaded, Path(made) / "log") as place:
        opened = run.connect(loaded, place)
        harness = run.harness(loaded, opened, 7, Path(made) / "log")
        message = Message("GET", f"{place.base_url}{loaded.target.system.openapi}", (), b"")
        answer = opened.wire.send(message, "anonymous", "document").answer
        assert answer is not None
        document = json.loads(answer.body)
        labels = [
            one.label
            for one in known(loaded.target, document)
            if one.method == "GET" and trials.fuzz.granted(loaded.target, PERSONA, one)
        ][:wanted]
        credentials = opened.sessions[PERSONA].credentials()
        theirs = _theirs(document, labels, place.base_url, credentials)
        ours = _ours(harness, document, labels, place.base_url)
        print(f"schemathesis run {theirs:6.1f} requests/s (start-up included)")
        print(f"campaign         {ours:6.1f} requests/s ({ours / theirs:.2f} times)")


if __name__ == "__main__":
    main()
