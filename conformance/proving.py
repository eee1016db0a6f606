"""Proving the harness: every seeded defect must be caught, and rated on the right side of what is
minor; the clean twin must be silent.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from conformance.document import InvalidDocument, meant
from conformance.home import HOME
from conformance.loading import load
from conformance.server import ending_with_parent
from conformance.triage import SEVERITIES

_TARGET = HOME / "fixtures" / "targets" / "hospital"
_INDEX = HOME / "fixtures" / "hospital" / "defects" / "index.yaml"
_START_SECONDS = 60.0
_RUN_SECONDS = 900.0
AT_ONCE = 2
FINDINGS_ENOUGH = 5
_TIMED = {"load"}
"""Suites that measure how fast the target is, so that nothing else may be under way."""

_MINOR = SEVERITIES[-1]
State = Literal["caught", "rated wrong", "not caught"]
_SHOWN = {
    "caught": ("yes", "green"),
    "rated wrong": ("RATED WRONG", "bold red"),
    "not caught": ("NO", "bold red"),
}


@dataclass(frozen=True)
class Seeded:
    """One seeded defect in one variant, how grave it is, and the suites that ought to catch it."""

    id: str
    variant: str
    title: str
    suites: tuple[str, ...]
    severity: str

    @property
    def name(self) -> str:
        """What the hospital's --defect takes."""
        return self.id if self.variant == "main" else f"{self.id}.{self.variant}"

    @property
    def minor(self) -> bool:
        """Whether it is an inconvenience and nothing more."""
        return self.severity == _MINOR


@dataclass(frozen=True)
class Proof:
    """What a run said of one build: the rules that failed, and how grave each finding is."""

    seeded: Seeded | None
    code: int
    by: tuple[str, ...]
    suites: tuple[str, ...]
    severities: tuple[str, ...]
    seconds: float
    problem: str | None = None

    @property
    def findings(self) -> int:
        """How many there are."""
        return len(self.severities)

    @property
    def state(self) -> State:
        """Whether the defect was caught, and rated on the side of the line on which it is.

        No finding about a minor defect may be graver than it; about any other, one must be graver
        than minor.
        """
        if self.code != 1 or not self.findings:
            return "not caught"
        minor = self.seeded is not None and self.seeded.minor
        graver = any(severity != _MINOR for severity in self.severities)
        return "rated wrong" if graver == minor else "caught"


def catalogue() -> list[Seeded]:
    """Every seeded defect of the hospital, in the order of its catalogue."""
    data = yaml.safe_load(_INDEX.read_text(encoding="utf-8"))
    return [
        Seeded(row["id"], row["variant"], row["title"], tuple(row["suites"]), row["severity"])
        for row in data["defects"]
    ]


def choose(names: Iterable[str], suites: Iterable[str]) -> list[Seeded]:
    """The defects of those names (D-001 means all its variants) that those suites should catch."""
    known, names, suites = catalogue(), list(names), set(suites)
    for name in names:
        if not any(name in {one.id, one.name} for one in known):
            there = {one.name for one in known}
            raise InvalidDocument(f"there is no seeded defect {name!r}{meant(name, there)}")
    return [
        one
        for one in known
        if (not names or {one.id, one.name} & set(names))
        and (not suites or suites & set(one.suites))
    ]


def prove(names: list[str], suites: list[str], file: Path | None, console: Console) -> int:
    """0 if every chosen defect was caught and rated right and the clean twin was silent, else 1."""
    chosen = choose(names, suites)
    everything = sorted(suites or {suite for one in chosen for suite in one.suites})
    environ = {**os.environ, **load(_TARGET).generated}
    paths = [str(HOME), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    with (
        tempfile.TemporaryDirectory(prefix="wardproof-prove-") as folder,
        _service(["postgres"], Path(folder) / "postgres", environ) as database,
        Progress(console=Console(stderr=True), transient=True) as progress,
        ThreadPoolExecutor(1 if _TIMED & set(everything) else AT_ONCE) as pool,
    ):
        task = progress.add_task("proving", total=len(chosen) + 1)
        done: list[Proof] = []

        def one(seeded: Seeded | None) -> Proof:
            wanted = everything
            if seeded is not None:
                wanted = [suite for suite in seeded.suites if not suites or suite in suites]
            place = Path(folder) / (seeded.name if seeded else "clean")
            proof = _run(seeded, wanted, place, database, environ)
            if proof.state == "rated wrong" and seeded is not None and not seeded.minor:
                # The first few findings may be the least of them.
                proof = _run(seeded, wanted, place / "whole", database, environ, whole=True)
            progress.advance(task)
            return proof

        for proof in pool.map(one, [None, *chosen]):
            done.append(proof)
            progress.console.print(Text(_line(proof)))
            if file is not None:
                text = json.dumps(_record(done[0], done[1:]), indent=2)
                file.write_text(text + "\n", encoding="utf-8")
    clean, rest = done[0], done[1:]
    _show(clean, rest, console)
    silent = clean.code == 0
    return 0 if silent and all(proof.state == "caught" for proof in rest) else 1


def _line(proof: Proof) -> str:
    """One proof as it comes; the table at the end says more."""
    if proof.seeded is None:
        said = "silent" if proof.code == 0 else f"NOT SILENT (exit code {proof.code})"
        return f"clean twin: {said}, {proof.seconds:.0f} s"
    said = {
        "caught": "caught",
        "rated wrong": f"RATED WRONG ({_graveness(proof)})",
        "not caught": f"NOT CAUGHT (exit code {proof.code})",
    }[proof.state]
    return f"{proof.seeded.name}: {said}, {proof.seconds:.0f} s"


def _graveness(proof: Proof) -> str:
    """How grave the defect is, and how grave its findings were said to be."""
    assert proof.seeded is not None
    found = [severity for severity in SEVERITIES if severity in proof.severities]
    return f"{proof.seeded.severity}, found as {', '.join(found)}"


@contextlib.contextmanager
def _service(arguments: list[str], place: Path, environ: dict[str, str]) -> Iterator[str]:
    """The URL of a hospital process that is ended afterwards."""
    place.mkdir(parents=True, exist_ok=True)
    ready = place / "ready.json"
    with (place / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "fixtures.hospital", *arguments, "--ready-file", str(ready)],
            env=environ,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            preexec_fn=ending_with_parent,  # noqa: PLW1509
        )
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    tail = (place / "service.log").read_text(errors="replace")[-800:]
                    raise InvalidDocument(f"the hospital did not start: {tail}")
                time.sleep(0.05)
            yield str(json.loads(ready.read_text(encoding="utf-8"))["url"])
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _run(
    seeded: Seeded | None,
    suites: list[str],
    place: Path,
    database: str,
    environ: dict[str, str],
    whole: bool = False,
) -> Proof:
    started = time.monotonic()
    if seeded is not None:
        # In the environment, so that copies that the run starts for itself have it too.
        environ = {**environ, "HOSPITAL_DEFECT": seeded.name}
    # Not as an argument, which everybody on the machine can read.
    served = {**environ, "HOSPITAL_DATABASE_URL": database}
    try:
        with _service([], place, served) as url:
            command = [sys.executable, "-m", "conformance", "run", "--target", str(_TARGET)]
            command += ["--base-url", url, "--out", str(place / "run"), "--no-allure"]
            command += ["--seed", "1", "-n", "1"]
            if seeded is not None and not seeded.minor and not whole:
                # Enough to say by which rules it is caught. The clean twin is walked to its end,
                # and so is what is minor: a graver finding may come last.
                command += ["--stop-after", str(FINDINGS_ENOUGH)]
            command += [*(f"--suite={suite}" for suite in suites)]
            done = subprocess.run(
                command,
                env=environ,
                capture_output=True,
                text=True,
                timeout=_RUN_SECONDS,
                preexec_fn=ending_with_parent,
            )
    except (InvalidDocument, subprocess.TimeoutExpired) as error:
        return Proof(seeded, 4, (), (), (), time.monotonic() - started, str(error))
    summary = place / "run" / "summary.json"
    if not summary.exists():
        problem = (done.stderr or done.stdout)[-600:]
        return Proof(seeded, done.returncode, (), (), (), time.monotonic() - started, problem)
    found = json.loads(summary.read_text(encoding="utf-8"))["findings"]
    return Proof(
        seeded,
        done.returncode,
        tuple(sorted({one["rule"] for one in found})),
        tuple(sorted({one["suite"] for one in found})),
        tuple(one["severity"] for one in found),
        time.monotonic() - started,
    )


def _show(clean: Proof, proofs: list[Proof], console: Console) -> None:
    table = Table(title="Seeded defects", title_justify="left")
    for name in ("defect", "what", "caught", "by"):
        table.add_column(name, overflow="fold")
    table.add_column("seconds", justify="right")
    for proof in proofs:
        assert proof.seeded is not None
        said, style = _SHOWN[proof.state]
        by = ", ".join((*proof.suites, *proof.by)) or proof.problem or f"exit code {proof.code}"
        if proof.state == "rated wrong":
            by = f"{by}: {_graveness(proof)}"
        seconds = f"{proof.seconds:.0f}"
        caught = Text(said, style=style)
        table.add_row(proof.seeded.name, Text(proof.seeded.title), caught, Text(by), seconds)
    console.print(table)
    quiet = "silent" if clean.code == 0 else f"NOT SILENT (exit code {clean.code})"
    console.print(
        f"clean twin: {quiet}, {clean.findings} false alarms"
        + (f"; {clean.problem}" if clean.problem else ""),
        markup=False,
    )
    states = [proof.state for proof in proofs]
    wrong = states.count("rated wrong")
    console.print(
        f"{len(states) - states.count('not caught')} of {len(states)} defects caught"
        + (f", {wrong} of them RATED WRONG" if wrong else "")
    )


def _record(clean: Proof, proofs: list[Proof]) -> dict[str, Any]:
    """Schema 1 of the JSON result."""
    return {
        "schema": 1,
        "defects": [
            {
                "id": proof.seeded.id,
                "variant": proof.seeded.variant,
                "caught": proof.state != "not caught",
                "state": proof.state,
                "severity": proof.seeded.severity,
                "severities": sorted(set(proof.severities), key=SEVERITIES.index),
                "by": list(proof.by),
                "seconds": round(proof.seconds, 1),
            }
            for proof in proofs
            if proof.seeded is not None
        ],
        "false_alarms": clean.findings,
        "clean_exit_code": clean.code,
    }
