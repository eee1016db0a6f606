"""The run as JUnit XML, for build servers.

One test case per case. Inconclusive is an error, so that no build server shows it as green;
not tested and not claimed are skipped. A waiver changes none of this: what failed is shown as
failed, with the waiver beside it. Whether the run may pass is in a suite of its own, `gate`.
"""

from collections import defaultdict
from collections.abc import Iterator
from xml.sax.saxutils import escape

from reports.gate import Gate
from reports.ledger import Case, Run, Verdict
from reports.printable import one_line
from reports.verdict import Counts, Decision
from reports.waivers import Waiver

_QUOTED = {'"': "&quot;", "\n": "&#10;", "\t": "&#9;"}


def junit_text(run: Run, decision: Decision, gate: Gate | None = None) -> str:
    """The JUnit document, with what the gate says if it is given. Times are seconds."""
    suites: dict[str, list[tuple[Case, Verdict]]] = defaultdict(list)
    for case, verdict in run.judged():
        suites[case.suite].append((case, verdict))
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f"<testsuites {_attributes(name=f'Wardproof: {run.header.target.name}')}"
        f" {_totals(decision.counts, gate)}>",
        *(_gate(gate) if gate is not None else ()),
    ]
    for suite, judged in sorted(suites.items()):
        seconds = sum(verdict.seconds for _, verdict in judged)
        lines.append(
            f"<testsuite {_attributes(name=suite, timestamp=run.header.started)}"
            f' {_totals(decision.suites[suite])} time="{seconds:.3f}">'
        )
        for case, verdict in judged:
            waiver = gate.waiver_of(case, verdict) if gate is not None else None
            lines.extend(_test_case(case, verdict, waiver))
        lines.append("</testsuite>")
    lines.append("</testsuites>")
    return "\n".join(lines) + "\n"


def _gate(gate: Gate) -> Iterator[str]:
    """One test case for each thing that was asked."""
    totals = _attributes(
        tests=str(len(gate.checks)),
        failures=str(_count(gate, "broken")),
        errors=str(_count(gate, "open")),
        skipped="0",
    )
    yield f"<testsuite {_attributes(name='gate')} {totals}>"
    for check in gate.checks:
        start = f"<testcase {_attributes(classname=f'gate.{gate.level.name}', name=check.name)}"
        if check.state == "kept":
            yield f"{start}/>"
            continue
        element = "failure" if check.state == "broken" else "error"
        message = _attributes(message=one_line(check.says, 300), type=check.state)
        yield f"{start}><{element} {message}>{escape(check.says)}</{element}></testcase>"
    yield "</testsuite>"


def _count(gate: Gate | None, state: str) -> int:
    return sum(check.state == state for check in gate.checks) if gate is not None else 0


def _test_case(case: Case, verdict: Verdict, waiver: Waiver | None) -> Iterator[str]:
    name = _attributes(classname=f"{case.suite}.{case.property}", name=case.id)
    start = f'<testcase {name} time="{verdict.seconds:.3f}"'
    if verdict.outcome == "pass":
        yield f"{start}/>"
        return
    element = {"fail": "failure", "inconclusive": "error"}.get(verdict.outcome, "skipped")
    beside = f"[waived until {waiver.expires}] " if waiver is not None else ""
    message = _attributes(message=beside + one_line(verdict.reason, 300))
    kind = "" if element == "skipped" else f" {_attributes(type=verdict.kind)}"
    details = "\n\n".join(
        f"{finding.id} {finding.title}\n{finding.message}\n{finding.reproduction}"
        for finding in verdict.findings
    )
    if waiver is not None:
        details = f"{_accepted(waiver)}\n\n{details}".rstrip()
    outcome = f"<{element} {message}{kind}>{escape(details)}</{element}>"
    yield f"{start}>{_properties(waiver)}{outcome}</testcase>"


def _accepted(waiver: Waiver) -> str:
    return (
        f"{waiver.id}: accepted until {waiver.expires} by {waiver.approver}; {waiver.owner} sees "
        f"to it ({waiver.ticket}). {waiver.reason}"
    )


def _properties(waiver: Waiver | None) -> str:
    if waiver is None:
        return ""
    of = _attributes(name="waiver", value=_accepted(waiver))
    return f"<properties><property {of}/></properties>"


def _totals(counts: Counts, gate: Gate | None = None) -> str:
    tests = counts.total + (len(gate.checks) if gate is not None else 0)
    failures = counts.failed + _count(gate, "broken")
    errors = counts.inconclusive + _count(gate, "open")
    return (
        f'tests="{tests}" failures="{failures}" errors="{errors}"'
        f' skipped="{counts.not_claimed + counts.not_tested}"'
    )


def _attributes(**values: str) -> str:
    return " ".join(f'{name}="{escape(value, _QUOTED)}"' for name, value in values.items())
