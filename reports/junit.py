"""The run as JUnit XML, for build servers.

One test case per case. Inconclusive is an error, so that no build server shows it as green;
not tested and not claimed are skipped.
"""

from collections import defaultdict
from collections.abc import Iterator
from xml.sax.saxutils import escape

from reports.ledger import Case, Run, Verdict
from reports.printable import one_line
from reports.verdict import Counts, Decision

_QUOTED = {'"': "&quot;", "\n": "&#10;", "\t": "&#9;"}


def junit_text(run: Run, decision: Decision) -> str:
    """The JUnit document. Times are seconds."""
    suites: dict[str, list[tuple[Case, Verdict]]] = defaultdict(list)
    for case, verdict in run.judged():
        suites[case.suite].append((case, verdict))
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f"<testsuites {_attributes(name=f'Wardproof: {run.header.target.name}')}"
        f" {_totals(decision.counts)}>",
    ]
    for suite, judged in sorted(suites.items()):
        seconds = sum(verdict.seconds for _, verdict in judged)
        lines.append(
            f"<testsuite {_attributes(name=suite, timestamp=run.header.started)}"
            f' {_totals(decision.suites[suite])} time="{seconds:.3f}">'
        )
        for case, verdict in judged:
            lines.extend(_test_case(case, verdict))
        lines.append("</testsuite>")
    lines.append("</testsuites>")
    return "\n".join(lines) + "\n"


def _test_case(case: Case, verdict: Verdict) -> Iterator[str]:
    name = _attributes(classname=f"{case.suite}.{case.property}", name=case.id)
    start = f'<testcase {name} time="{verdict.seconds:.3f}"'
    if verdict.outcome == "pass":
        yield f"{start}/>"
        return
    element = {"fail": "failure", "inconclusive": "error"}.get(verdict.outcome, "skipped")
    message = _attributes(message=one_line(verdict.reason, 300))
    kind = "" if element == "skipped" else f" {_attributes(type=verdict.kind)}"
    details = "\n\n".join(
        f"{finding.id} {finding.title}\n{finding.message}\n{finding.reproduction}"
        for finding in verdict.findings
    )
    yield f"{start}><{element} {message}{kind}>{escape(details)}</{element}></testcase>"


def _totals(counts: Counts) -> str:
    return (
        f'tests="{counts.total}" failures="{counts.failed}" errors="{counts.inconclusive}"'
        f' skipped="{counts.not_claimed + counts.not_tested}"'
    )


def _attributes(**values: str) -> str:
    return " ".join(f'{name}="{escape(value, _QUOTED)}"' for name, value in values.items())
