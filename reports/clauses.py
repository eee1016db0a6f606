"""What a run says about clauses of laws, standards and lists of risks: evidence, never compliance.

Which clauses there are, and which properties give evidence for them, stands in the ledger; ledgers
without that record have no clauses.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Literal

from reports.defects import counted
from reports.ledger import Clause, Framework, Outcome, Run
from reports.verdict import Counts

State = Literal["covered", "partly", "untouched"]


@dataclass(frozen=True, slots=True)
class Citing:
    """A planned property that cites a clause, with its cases by outcome."""

    suite: str
    property: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far this run gives evidence for a clause, and why no further.

    `covered`: every case of every citing property passed or failed. `partly`: some case did, but
    others were left open, or the clause also needs a document or a person. `untouched`: none did.
    `against`: at least one failed, so the evidence speaks against conformance. `shown` is what the
    cases came to, "" if they showed nothing; `gap` what is missing, "" if nothing is. `reason` is
    both in a sentence.
    """

    clause: Clause
    state: State
    against: bool
    reason: str
    citing: tuple[Citing, ...]
    shown: str = ""
    gap: str = ""

    @property
    def words(self) -> str:
        """The state as people read it."""
        return f"{self.state} (against)" if self.against else self.state


@dataclass(frozen=True, slots=True)
class Tally:
    """The clauses of one framework by state; `against` of the covered and partly covered ones."""

    framework: Framework
    covered: int
    partly: int
    untouched: int
    against: int
    clauses: tuple[Coverage, ...]


def coverage(run: Run) -> tuple[Coverage, ...]:
    """Every clause that the ledger knows, in its order."""
    outcomes: dict[tuple[str, str], Counter[Outcome]] = defaultdict(Counter)
    for case, verdict in run.judged():
        outcomes[case.suite, case.property][verdict.outcome] += 1
    return tuple(
        _covered(
            clause,
            tuple(
                Citing(suite, name, Counts.of(outcomes[suite, name]))
                for suite, name in clause.properties
            ),
        )
        for clause in run.clauses
    )


def tallies(run: Run) -> tuple[Tally, ...]:
    """The frameworks that have clauses, each with its clauses counted by state."""
    found = coverage(run)
    return tuple(
        tally
        for framework in run.frameworks
        if (tally := _tally(framework, [one for one in found if _is_of(one, framework)])).clauses
    )


def _is_of(one: Coverage, framework: Framework) -> bool:
    return one.clause.framework == framework.id


def _tally(framework: Framework, found: list[Coverage]) -> Tally:
    states = Counter(one.state for one in found)
    return Tally(
        framework=framework,
        covered=states["covered"],
        partly=states["partly"],
        untouched=states["untouched"],
        against=sum(one.against for one in found),
        clauses=tuple(found),
    )


def _covered(clause: Clause, citing: tuple[Citing, ...]) -> Coverage:
    counts = Counts.sum_of(one.counts for one in citing)
    if clause.evidence == "attestation-only":
        reason = "The vendor states it; no run can show it."
        return Coverage(clause, "untouched", False, reason, (), gap=reason)
    if counts.passed + counts.failed == 0:
        reason = _nothing_shown(counts)
        return Coverage(clause, "untouched", False, reason, citing, gap=reason)
    shown, gaps = _shown(counts), _left_open(counts)
    if clause.evidence == "partial":
        gaps.append("needs a document or a person as well")
    gap = "; ".join(gaps)
    return Coverage(
        clause,
        "partly" if gaps else "covered",
        counts.failed > 0,
        "; ".join([shown, *gaps]) + ".",
        citing,
        shown=f"{shown}.",
        gap=f"{gap[:1].upper()}{gap[1:]}." if gap else "",
    )


def _shown(counts: Counts) -> str:
    cases = counted(counts.total, "case")
    if counts.total == 1:
        return f"Its one case {'failed' if counts.failed else 'passed'}"
    if counts.failed:
        return f"{counts.failed:,} of {cases} failed"
    if counts.passed == counts.total:
        return f"All {cases} passed"
    return f"{counts.passed:,} of {cases} passed"


def _nothing_shown(counts: Counts) -> str:
    if not counts.total:
        return "No test that this run planned gives evidence for it."
    if counts.not_claimed == counts.total:
        return f"The target claims none of it: {counted(counts.total, 'case')} not claimed."
    cases = counted(counts.total, "case")
    return f"None of {cases} showed anything: {', '.join(_left_open(counts))}."


def _left_open(counts: Counts) -> list[str]:
    found = (
        (counts.inconclusive, "inconclusive"),
        (counts.not_tested, "not tested"),
        (counts.not_claimed, "not claimed"),
    )
    return [f"{number:,} {words}" for number, words in found if number]
