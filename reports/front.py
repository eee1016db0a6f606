"""The first page of a report: what a person needs to decide, before any detail."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from reports.defects import RELATION_WORDS, Defect, Gap, counted
from reports.gate import Gate
from reports.ledger import Case, Run
from reports.matrix import Matrix, waiver_of
from reports.verdict import Decision
from reports.waivers import Waiver

RiskState = Literal["expired", "widened", "unused", "refused", "accepted", "idle"]

RISK_WORDS: dict[RiskState, str] = {
    "expired": "expired",
    "widened": "more than was accepted",
    "unused": "not needed any more",
    "refused": "not allowed",
    "accepted": "accepted",
    "idle": "not looked at",
}

_SENTENCES = {
    "conformant": "Every planned case that the target claims was tried, and none failed.",
    "not conformant": "The target broke at least one promise about who may see and do what.",
    "inconclusive": "Nothing was shown to fail, but not enough was shown to call it conformant.",
}


@dataclass(frozen=True, slots=True)
class Risk:
    """A waiver, how it stands, what it is about in words, and where that is told on the page.

    `where` is who does what on whose record, "" where the run has no such case.
    """

    waiver: Waiver
    state: RiskState
    what: str
    where: str
    why: str
    finding: str | None


def sentence(decision: Decision, gate: Gate | None) -> str:
    """The verdict in a sentence."""
    if gate is None or gate.verdict == decision.verdict:
        return _SENTENCES[decision.verdict]
    if gate.verdict == "conformant":
        first = min(waiver.expires for waiver in gate.waivers) if gate.waivers else gate.today
        return (
            "All that failed or was left open is a risk that somebody has accepted; the first of"
            f" these acceptances ends on {first}. Without them the run is {decision.verdict}."
        )
    if gate.verdict == "not conformant":
        return (
            "The run itself shows no failure, but waivers do not fit what it shows: look at them"
            " again."
        )
    return (
        "All that failed is a risk that somebody has accepted, but not enough was shown to call"
        " the rest conformant."
    )


def reasons(decision: Decision, gate: Gate | None) -> tuple[tuple[str, str], ...]:
    """Why the verdict is what it is: a word in front ("" if none), and a sentence."""
    if gate is None:
        return tuple(("", reason) for reason in decision.reasons)
    words = {"broken": "Not kept", "open": "Not known"}
    asked = [check for state in words for check in gate.checks if check.state == state]
    told = {f"{check.name}: {check.says}" for check in asked}
    return (
        *((words[check.state], f"{_lowered(check.name)}. {check.says}") for check in asked),
        *(("", reason) for reason in gate.reasons if reason not in told),
    )


def _lowered(words: str) -> str:
    return words[:1].lower() + words[1:]


def notices(run: Run) -> tuple[str, ...]:
    """What is unusual about how the run came about, gravest first; most runs have none."""
    return tuple(_notices(run))


def _notices(run: Run) -> Iterator[str]:
    if run.broken_at is not None:
        yield (
            f"The ledger was changed after it was written: its chain breaks at record"
            f" {run.broken_at:,}. Nothing below can be relied upon."
        )
    missing = sum(case.id not in run.verdicts and run.tries(case) for case in run.cases)
    left = f" {counted(missing, 'planned case')} had no verdict by then." if missing else ""
    if run.end is None:
        cut = " Its last line was cut off." if run.cut else ""
        yield f"Incomplete: the run did not come to its end, or its ledger was cut.{cut}{left}"
    elif run.end.interrupted:
        yield f"Incomplete: the run was interrupted.{left}"
    elif missing:
        yield f"Incomplete.{left}"
    shard = run.header.shard
    merged = len(run.merged)
    if merged:
        yield f"Merged from {counted(merged, 'part')} of one plan."
    elif shard is not None and shard.of > 1:
        yield (
            f"Part {shard.number} of {shard.of} of a run: it says nothing about the other parts."
            " Merge them for the whole."
        )
    resumed = len(run.resumed) + sum(part.resumed for part in run.merged)
    if resumed:
        times = "once" if resumed == 1 else f"{resumed} times"
        yield f"Resumed {times}: it was ended early, and later went on where it had stopped."
    yield from _selected(run)


def _selected(run: Run) -> Iterator[str]:
    selection = run.header.selection
    if selection.cases:
        yield "Only cases that were asked for by name were planned."
    if selection.stop_after is not None:
        yield f"The run was to stop after {counted(selection.stop_after, 'failure')}."


def unaccepted(defects: tuple[Defect, ...], gate: Gate | None) -> tuple[Defect, ...]:
    """The defects with a finding that nobody has accepted."""
    if gate is None:
        return defects
    return tuple(
        defect
        for defect in defects
        if any(
            finding.id not in gate.accepted and finding.case not in gate.accepted
            for finding in defect.findings
        )
    )


def accepted_of(defect: Defect, gate: Gate | None) -> tuple[Waiver, ...]:
    """The waivers that cover findings of a defect, what expires first in front."""
    if gate is None:
        return ()
    found = {
        waiver.id: waiver
        for finding in defect.findings
        if (waiver := gate.accepted.get(finding.id) or gate.accepted.get(finding.case))
    }
    return tuple(sorted(found.values(), key=lambda one: (one.expires, one.id)))


def risks(run: Run, gate: Gate | None) -> tuple[Risk, ...]:
    """Every waiver: those that fail the run first, then those that hold by expiry."""
    if gate is None:
        return ()
    groups: list[tuple[RiskState, tuple[Waiver, ...]]] = [
        ("expired", gate.expired),
        ("widened", gate.widened),
        ("unused", gate.unused),
        ("refused", gate.refused),
        ("accepted", gate.waivers),
        ("idle", gate.idle),
    ]
    titles = {finding.id: finding.title for finding in run.findings}
    cases = {case.id: case for case in run.cases}
    sentences = {case.id: case.sentence for case in run.cases}
    return tuple(
        Risk(
            waiver=waiver,
            state=state,
            what=titles.get(waiver.finding or "")
            or sentences.get(waiver.of_case)
            or waiver.subject,
            where=_where(cases.get(waiver.of_case)),
            why=gate.why.get(waiver.id, ""),
            finding=waiver.finding if waiver.finding in titles else _told_by(run, waiver),
        )
        for state, waivers in groups
        for waiver in waivers
    )


def _where(case: Case | None) -> str:
    if case is None:
        return ""
    operation = ".".join(part for part in (case.resource, case.operation) if part)
    relation = RELATION_WORDS.get(case.relation or "", case.relation)
    return ", ".join(part for part in (case.persona, operation, relation, case.variant) if part)


def _told_by(run: Run, waiver: Waiver) -> str | None:
    verdict = run.verdicts.get(waiver.of_case)
    return verdict.findings[0].id if verdict is not None and verdict.findings else None


def scope(run: Run, decision: Decision, matrix: Matrix) -> tuple[str, ...]:
    """What the verdict is about, and what it is not about, in sentences."""
    return tuple(_scope(run, decision, matrix))


def _scope(run: Run, decision: Decision, matrix: Matrix) -> Iterator[str]:
    tried = sum(any(cell.marks for cell in row.cells) for row in matrix.rows)
    if tried:
        yield (
            f"{counted(tried, 'operation')} on {counted(_resources(matrix), 'resource')}, as"
            f" {counted(len(matrix.roles), 'role')} of"
            f" {counted(len(run.header.tenants), 'tenant')}."
        )
    suites = [name for name, counts in decision.suites.items() if counts.total]
    if suites:
        yield f"Looked at: {', '.join(name.replace('_', ' ') for name in suites)}."
    untried = len(matrix.rows) - tried
    if untried and matrix.rows:
        yield f"Not looked at: {counted(untried, 'operation')} that the target declares."
    claims = decision.counts.not_claimed
    if claims:
        yield f"Not claimed by the target, so not judged: {counted(claims, 'case')}."


def _resources(matrix: Matrix) -> int:
    return len({row.resource for row in matrix.rows if any(cell.marks for cell in row.cells)})


def left_open(found: tuple[Gap, ...], run: Run, gate: Gate | None) -> tuple[Gap, ...]:
    """The gaps without the cases that somebody has accepted."""
    if gate is None or not gate.accepted:
        return found
    kept = (
        Gap(
            gap.outcome,
            gap.suite,
            gap.reason,
            tuple(
                case
                for case in gap.cases
                if case not in run.verdicts or waiver_of(run.verdicts[case], gate.accepted) is None
            ),
        )
        for gap in found
    )
    return tuple(gap for gap in kept if gap.cases)
