"""Every property that was tried, with its cases: which failed, which were left open, which held."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from reports.ledger import Case, Clause, Outcome, Run, Seen, Verdict
from reports.verdict import Counts

_OPEN: tuple[Outcome, ...] = ("inconclusive", "not_tested")


@dataclass(frozen=True, slots=True)
class Judged:
    """A case with its verdict."""

    case: Case
    verdict: Verdict

    @property
    def evidence(self) -> str:
        """What the ledger holds of the case, in words."""
        seen, kept = self.verdict.seen, len(self.verdict.exchanges)
        count = seen.count if isinstance(seen, Seen) else len(seen)
        if not count and not kept:
            return "no exchange"
        number = max(count, kept)
        first = seen.digest if isinstance(seen, Seen) else (seen[0] if seen else "")
        noun = "exchange" if number == 1 else "exchanges"
        how = f"{kept} in full" if kept else "by hash"
        return f"{number:,} {noun}, {how}" + (f", {first[:12]}" if first else "")


@dataclass(frozen=True, slots=True)
class Property:
    """One property of a suite: all its cases counted, some of each kind named.

    `sentence` is that of its first case. `clauses` are those for which it is evidence.
    """

    suite: str
    name: str
    sentence: str
    counts: Counts
    failed: tuple[Judged, ...]
    left_open: tuple[Judged, ...]
    passed: tuple[Judged, ...]
    clauses: tuple[Clause, ...]

    @property
    def is_calm(self) -> bool:
        """Whether no case failed and none was left open."""
        return not self.failed and not self.left_open


def properties(run: Run, most: int = 10) -> tuple[Property, ...]:
    """Every planned property in the order of the plan; at most `most` cases of each kind named."""
    groups: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for case, verdict in run.judged():
        groups[case.suite, case.property].append(Judged(case, verdict))
    citing: dict[tuple[str, str], list[Clause]] = defaultdict(list)
    for clause in run.clauses:
        for suite, name in clause.properties:
            citing[suite, name].append(clause)
    found = [
        _property(suite, name, judged, tuple(citing.get((suite, name), ())), most)
        for (suite, name), judged in groups.items()
    ]
    order = {suite: place for place, suite in enumerate(dict.fromkeys(one.suite for one in found))}
    return tuple(sorted(found, key=lambda one: order[one.suite]))


def by_suite(found: tuple[Property, ...]) -> Mapping[str, tuple[Property, ...]]:
    """The properties of each suite."""
    groups: dict[str, list[Property]] = defaultdict(list)
    for one in found:
        groups[one.suite].append(one)
    return {suite: tuple(some) for suite, some in groups.items()}


def _property(
    suite: str, name: str, judged: list[Judged], clauses: tuple[Clause, ...], most: int
) -> Property:
    by_outcome: dict[Outcome, list[Judged]] = defaultdict(list)
    for one in judged:
        by_outcome[one.verdict.outcome].append(one)
    return Property(
        suite=suite,
        name=name,
        sentence=judged[0].case.sentence,
        counts=Counts.of({outcome: len(some) for outcome, some in by_outcome.items()}),
        failed=tuple(by_outcome["fail"][:most]),
        left_open=tuple([one for outcome in _OPEN for one in by_outcome[outcome]][:most]),
        passed=tuple(by_outcome["pass"][:most]),
        clauses=clauses,
    )
