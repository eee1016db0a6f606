"""What it costs to turn a large ledger into an answer.

    .venv/bin/python benchmarks/evidence.py [--cases N]... [--failing SHARE]...

Writes synthetic ledgers, 5 % of whose cases failed and all of whose cases failed, each failure with
a finding and two exchanges of about 2 kB, and makes everything of them in a process of its own:
reading, the decision and the gate, SARIF, JUnit and the static report together, then the rest.
Bounds for 50,000 cases: 30 s and 1 GB for the former, 10 s for the Allure results. They are judged
by processor seconds, so that what else the machine does does not count; both are shown.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.reports import sample  # noqa: E402

CASES = (1_000, 10_000, 50_000)
SHARES = (0.05, 1.0)
BOUND_SECONDS, BOUND_MEGABYTES, BOUND_ALLURE_SECONDS = 30.0, 1_000.0, 10.0
TOGETHER = ("read", "decide, gate", "SARIF", "JUnit", "static report")
AFTERWARDS = ("summary", "Allure results")
TODAY = date(2026, 11, 22)


def records(cases: int, share: float) -> Iterator[dict[str, Any]]:
    """A run of `cases` cases over the sample hospital's roles, operations and relations."""
    every = round(1 / share) if share else cases + 1
    planned = [_case(number) for number in range(cases)]
    yield sample.header(suites=["access_matrix"])
    yield sample.plan(planned)
    for number, one in enumerate(planned):
        if number % every:
            yield sample.verdict(one["id"], kind="conform-deny")
            continue
        names = [f"e{number}", f"e{number}c"]
        yield sample.exchange(names[0], persona=one["persona"], response=_answer(number))
        yield sample.exchange(names[1], role_in_case="control", response=_answer(number + 1))
        finding = sample.finding(
            one["id"],
            persona=one["persona"],
            role=one["roles"][0],
            resource=one["resource"],
            operation=one["operation"],
            relation=one["relation"],
            exchanges=names,
            defect=f"bola.read {one['resource']}.{one['operation']}",
        )
        yield sample.verdict(one["id"], "fail", exchanges=names, findings=[finding])
    yield sample.end()


def _case(number: int) -> dict[str, Any]:
    actions = [(r, o) for r, operations in sample.RESOURCES.items() for o in operations]
    rest, role = divmod(number, len(sample.ROLES))
    rest, action = divmod(rest, len(actions))
    variant, relation = divmod(rest, len(sample.RELATIONS))
    resource, operation = actions[action]
    persona = f"{sample.ROLES[role]}.north"
    return sample.case(
        f"access_matrix.denied-means-refused.{persona}.{resource}.{operation}"
        f".{sample.RELATIONS[relation]}.v{variant}",
        persona=persona,
        roles=[sample.ROLES[role]],
        resource=resource,
        operation=operation,
        relation=sample.RELATIONS[relation],
        variant=f"v{variant}",
    )


def _answer(number: int) -> dict[str, Any]:
    rows = [
        {
            "id": number * 10 + row,
            "name": f"Ada Test {number % 97}",
            "note": "Seen on the ward. " * 4,
        }
        for row in range(12)
    ]
    body = json.dumps([*rows, {"id": 7, "note": "WPC-north-patient-0007-note"}])
    return {"status": 200, "headers": {"content-type": "application/json"}, "body": body}


def measure(folder: Path) -> dict[str, Any]:
    """Seconds and processor seconds of each step, and the peak of the memory in megabytes."""
    from reports.allure.results import write_results
    from reports.gate import judge, level_for
    from reports.html import matrix_html, report_html
    from reports.junit import junit_text
    from reports.ledger import read
    from reports.matrix import access_matrix
    from reports.matrix_svg import matrix_svg
    from reports.sarif import sarif_text
    from reports.summary import summary_text
    from reports.verdict import decide

    steps: dict[str, tuple[float, float]] = {}
    peaks: dict[str, float] = {}

    def step(name: str, work: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        done = work()
        steps[name] = (time.perf_counter() - wall, time.process_time() - cpu)
        peaks[name] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        return done

    run = step("read", lambda: read(folder))
    decision, gate = step(
        "decide, gate",
        lambda: (decide(run), judge(run, (), level_for(run.header.profile), TODAY)),
    )
    step("SARIF", lambda: _kept(folder / "a.sarif", sarif_text(run, decision, gate)))
    step("JUnit", lambda: _kept(folder / "a.xml", junit_text(run, decision, gate)))

    def report() -> None:
        matrix = access_matrix(run)
        _kept(folder / "a.html", report_html(run, decision, matrix, gate))
        _kept(folder / "a.svg", matrix_svg(run, decision, matrix))

    step("static report", report)
    step("summary", lambda: _kept(folder / "a.json", summary_text(run, decision, gate)))

    def allure() -> None:
        page = matrix_html(run, access_matrix(run))
        write_results(run, decision, {"Access matrix": page}, folder / "allure-results")

    step("Allure results", allure)
    return {"steps": steps, "peaks": peaks, "findings": len(run.findings)}


def _kept(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def main() -> int:
    """0 if the bounds hold wherever 50,000 cases were measured, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, action="append", help="default 1000 10000 50000")
    parser.add_argument("--failing", type=float, action="append", help="share; default 0.05 and 1")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return 0
    names = (*TOGETHER, "together", *AFTERWARDS)
    heads = ("cases", "failed", "ledger", *names, "peak together", "peak in all")
    print("Seconds (processor seconds), megabytes.")
    print(" | ".join(f"{head:>14}" for head in heads))
    within = True
    for share in options.failing or SHARES:
        for cases in options.cases or CASES:
            within &= _row(cases, share)
    return 0 if within else 1


def _row(cases: int, share: float) -> bool:
    with tempfile.TemporaryDirectory(prefix="evidence-") as name:
        folder = sample.write(Path(name), records(cases, share))
        size = (folder / "evidence.jsonl").stat().st_size / 1e6
        done = subprocess.run(
            [sys.executable, __file__, "--measure", name], capture_output=True, check=True
        )
    found = json.loads(done.stdout)
    steps = found["steps"]
    wall, cpu = (sum(steps[one][which] for one in TOGETHER) for which in (0, 1))
    told = {**steps, "together": (wall, cpu)}
    peak, in_all = found["peaks"]["static report"], max(found["peaks"].values())
    cells = [f"{cases:,}", f"{found['findings']:,}", f"{size:.0f} MB"]
    cells += [
        f"{told[one][0]:.2f} ({told[one][1]:.2f})" for one in (*TOGETHER, "together", *AFTERWARDS)
    ]
    cells += [f"{peak:.0f} MB", f"{in_all:.0f} MB"]
    print(" | ".join(f"{cell:>14}" for cell in cells), flush=True)
    if cases != max(CASES):
        return True
    return (
        cpu <= BOUND_SECONDS
        and peak <= BOUND_MEGABYTES
        and steps["Allure results"][1] <= BOUND_ALLURE_SECONDS
    )


if __name__ == "__main__":
    sys.exit(main())
