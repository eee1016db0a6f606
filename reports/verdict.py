"""The overall verdict of a run, made from its evidence alone."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal, Self

from reports.ledger import Outcome, Run

Overall = Literal["conformant", "not conformant", "inconclusive"]
EXIT_CODES: dict[Overall, int] = {"conformant": 0, "not conformant": 1, "inconclusive": 2}


@dataclass(frozen=True, slots=True)
class Counts:
    """Cases by outcome. Cases without a verdict count as not tested."""

    passed: int = 0
    failed: int = 0
    inconclusive: int = 0
    not_claimed: int = 0
    not_tested: int = 0

    @property
    def total(self) -> int:
        return sum(asdict(self).values())

    @classmethod
    def of(cls, outcomes: Mapping[Outcome, int]) -> Self:
        """The number of cases by outcome, as counts."""
        return cls(
            passed=outcomes.get("pass", 0),
            failed=outcomes.get("fail", 0),
            inconclusive=outcomes.get("inconclusive", 0),
            not_claimed=outcomes.get("not_claimed", 0),
            not_tested=outcomes.get("not_tested", 0),
        )

    @classmethod
    def sum_of(cls, counts: Iterable[Self]) -> Self:
        """All `counts` added up."""
        added: Counter[str] = Counter()
        for one in counts:
            added.update(asdict(one))
        return cls(**added)


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict, its exit code and every reason for it, gravest first.

    The last reason may name suites that were asked for and planned no case: the verdict does not
    cover them, nor is it changed by them.

    `planned` and `executed` count cases; a case is executed if it passed, failed or was
    inconclusive, or if the plan says that the target does not claim it.
    """

    verdict: Overall
    exit_code: int
    reasons: tuple[str, ...]
    planned: int
    executed: int
    counts: Counts
    suites: dict[str, Counts]


def decide(run: Run) -> Decision:
    """The decision on `run`.

    A failed case or a finding makes it "not conformant". Without one, anything that leaves a doubt
    makes it "inconclusive": an inconclusive or untested case, a missing verdict, a run that was
    interrupted or killed, a broken ledger, no case at all, no case that passed. Only then is it
    "conformant". Cases that the target does not claim are counted and are neither.
    """
    suites = _count(run)
    counts = Counts.sum_of(suites.values())
    failures = counts.failed or sum(1 for _ in run.findings)
    doubts = [*lasting_doubts(run, counts), *_open(run, counts)]
    verdict: Overall
    if failures:
        verdict = "not conformant"
        doubts = [_failed_sentence(run, counts), *doubts]
    elif doubts:
        verdict = "inconclusive"
    else:
        verdict = "conformant"
        doubts = [f"All {cases(counts.passed)} that were planned and claimed passed."]
    idle = [suite for suite, tally in suites.items() if not tally.total]
    if idle and counts.total:
        doubts.append(f"Not covered, because nothing was planned there: {', '.join(idle)}.")
    return Decision(
        verdict=verdict,
        exit_code=EXIT_CODES[verdict],
        reasons=tuple(doubts),
        planned=counts.total,
        executed=counts.total - counts.not_tested,
        counts=counts,
        suites=suites,
    )


def decide_shard(run: Run) -> Decision:
    """The same about the cases that the shard itself tries, as if there were no others."""
    own = tuple(case for case in run.cases if run.tries(case))
    return decide(replace(run, cases=own, header=replace(run.header, shard=None)))


def lasting_doubts(run: Run, counts: Counts) -> list[str]:
    """What is doubtful about the run as a whole, whoever accepts what: a sentence for each."""
    missing = _missing(run)
    checks = [
        (
            run.broken_at is not None,
            f"The ledger was changed after the run: its chain breaks at record {run.broken_at}.",
        ),
        (
            bool(run.unplanned),
            f"{cases(len(run.unplanned))} {_has(len(run.unplanned))} a verdict but no place in the"
            " plan.",
        ),
        (
            bool(run.repeated),
            f"{cases(len(run.repeated))} {_has(len(run.repeated))} more than one verdict.",
        ),
        (
            run.end is None,
            "The run did not come to its end: it was killed, or its ledger was cut.",
        ),
        (run.end is not None and run.end.interrupted, "The run was interrupted."),
        (missing > 0, f"{cases(missing)} {_has(missing)} no verdict."),
        (run.header.shard is not None, _part_sentence(run)),
        (counts.total == 0, "No case was planned, so nothing was tested."),
        (
            counts.total > 0 and counts.passed + counts.failed == 0,
            "No case passed or failed, so nothing was shown.",
        ),
    ]
    return [sentence for applies, sentence in checks if applies]


def _missing(run: Run) -> int:
    return sum(case.id not in run.verdicts and run.tries(case) for case in run.cases)


def _part_sentence(run: Run) -> str:
    shard = run.header.shard
    if shard is None:
        return ""
    return (
        f"This is shard {shard.number} of {shard.of}; what the others try is not in it. Join them "
        "with wardproof merge."
    )


def _open(run: Run, counts: Counts) -> list[str]:
    not_tested = counts.not_tested - _missing(run)
    return [
        *([could_not_be_concluded(counts.inconclusive)] if counts.inconclusive else []),
        *([was_not_tested(not_tested)] if not_tested else []),
    ]


def could_not_be_concluded(number: int) -> str:
    """That sentence about so many cases."""
    return f"{cases(number)} could not be concluded."


def was_not_tested(number: int) -> str:
    """That sentence about so many cases."""
    return f"{cases(number)} {'was' if number == 1 else 'were'} not tested."


def _failed_sentence(run: Run, counts: Counts) -> str:
    defects = len({finding.defect or finding.id for finding in run.findings})
    found = f"; they come down to {defects} thing{'s' * (defects != 1)} to mend" if defects else ""
    return f"{cases(counts.failed)} failed{found}."


def _count(run: Run) -> dict[str, Counts]:
    tallies: dict[str, Counter[Outcome]] = {suite: Counter() for suite in run.header.suites}
    for case, verdict in run.judged():
        tallies.setdefault(case.suite, Counter())[verdict.outcome] += 1
    return {suite: Counts.of(tally) for suite, tally in sorted(tallies.items())}


def cases(number: int) -> str:
    """So many cases, in words."""
    return f"{number:,} case{'s' * (number != 1)}"


def _has(number: int) -> str:
    return "has" if number == 1 else "have"
