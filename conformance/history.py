"""Rounds of a race as data, and what cannot be true of a sound target. Pure.

What came of each contender is one of three: it won, it lost, or nobody knows (no answer, a failure
of the server, a limit of the rate). What nobody knows may or may not have taken effect.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from conformance import power
from conformance.model import Case, Outcome, Read
from conformance.power import Calibration, Shot

State = Mapping[str, Any]
_STEPS = 20_000
"""States that a search for an order looks at before it gives up."""

_OVERLOADED = frozenset({502, 503, 504})
"""What stands between target and harness, or has too much to do: says nothing of the target."""


FAILURES = 2
"""Rounds in which the target itself fails before that counts as its way to refuse."""


class Came(StrEnum):
    """What came of a contender."""

    WON = "won"
    LOST = "lost"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Contestant:
    """A contender in one round: what it sent, what came of it, and when.

    `sent` and `answered` are nanoseconds of the harness, `arrived` of the target, if it tells;
    `documented` says whether it was refused by a status that the target file names. `needs` and
    `sets` are the state in which it may win, and what its win makes of it. Who is `beside` only
    takes part, `elsewhere` in another tenant.
    """

    label: str
    read: Read
    came: Came
    tag: str | None = None
    documented: bool = True
    sent: int | None = None
    arrived: int | None = None
    answered: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    needs: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    sets: Mapping[str, Any] = field(default_factory=dict)
    beside: bool = False
    elsewhere: bool = False

    @property
    def failed(self) -> bool:
        """Whether the target itself failed, which is no refusal."""
        answer = self.read.exchange.answer
        return answer is not None and answer.status >= 500 and answer.status not in _OVERLOADED


@dataclass(frozen=True)
class Observation:
    """What was read when all was quiet, and what had to be there.

    `found` are the values at the place that was looked at. `equals` are those that have to be
    there, each once for a winner if `of_winners`, else one that all must equal.
    """

    label: str
    reads: tuple[Read, ...]
    found: tuple[Any, ...] = ()
    count: int | Literal["winners"] | None = None
    equals: tuple[Any, ...] | None = None
    of_winners: bool = False
    distinct: bool = False
    refused: bool = False
    state: str | None = None
    absent: Any = None

    @property
    def says(self) -> str:
        """What was found, and whether it is what had to be there."""
        last = self.reads[-1]
        if self.refused or last.outcome is not Outcome.ALLOWED:
            return (
                "answered" if last.outcome is Outcome.ALLOWED else f"not answered ({last.status})"
            )
        found = listed(self.found) if self.found else "nothing"
        if self.equals is None:
            return found
        whose = "the winner's" if self.of_winners else "what has to be there"
        if {str(one) for one in self.equals} == {str(one) for one in self.found}:
            return f"{found}, {whose}"
        return f"{found}, and not {listed(self.equals)}, {whose}"


@dataclass(frozen=True)
class Round:
    """One round: everybody who took part, and what was read afterwards.

    `together` tells rounds that were released at one instant from those one after another; `early`
    are those answered before the release, `stalled` says why the target did not take them all.
    """

    number: int
    contestants: tuple[Contestant, ...]
    observations: tuple[Observation, ...] = ()
    together: bool = True
    parked: bool = False
    technique: str = "last byte"
    early: int = 0
    stalled: str | None = None

    @property
    def judged(self) -> tuple[Contestant, ...]:
        """Those who do not only take part."""
        return tuple(one for one in self.contestants if not one.beside)

    def came(self, came: Came) -> tuple[Contestant, ...]:
        """Those of whom this came."""
        return tuple(one for one in self.judged if one.came is came)

    @property
    def won(self) -> tuple[Contestant, ...]:
        return self.came(Came.WON)

    @property
    def unknown(self) -> tuple[Contestant, ...]:
        return self.came(Came.UNKNOWN)

    @property
    def counted(self) -> bool:
        """Whether it says something: all under way at one moment, and known what came of them."""
        if not self.together or self.early or self.stalled or self.unknown or unclear(self):
            return False
        return all(one.sent is not None for one in self.contestants) and self.overlapped

    @property
    def shot(self) -> Shot:
        """When they arrived, as the target told of all of them, else when they were sent."""
        arrived = [one.arrived for one in self.contestants if one.arrived is not None]
        if len(arrived) == len(self.contestants):
            return Shot(tuple(arrived), "target")
        return Shot(tuple(one.sent for one in self.contestants if one.sent is not None), "harness")

    @property
    def overlapped(self) -> bool:
        """Whether two were under way at one moment."""
        return power.overlapped(
            [
                (one.sent, one.answered)
                for one in self.contestants
                if one.sent is not None and one.answered is not None
            ]
        )


@dataclass(frozen=True)
class Terms:
    """What must be true of every round.

    `most` may win (None: any number), `somebody` has to; `together` are tags that may not win in
    one round; `same` are values that all winners share, `numbers` says that none has the number of
    another, and with `gapless` that none is left out; `start` is the state before.
    """

    kind: str
    says: str = ""
    most: int | None = None
    somebody: bool = True
    never: tuple[tuple[str, ...], ...] = ()
    same: tuple[str, ...] = ()
    numbers: bool = False
    gapless: bool = False
    start: State = field(default_factory=dict)


@dataclass(frozen=True)
class Contest:
    """A race with all its rounds, and what such rounds show on the twin.

    `needed_us` is the window that has to have shown, in microseconds; `unmeasured` says why
    nothing is known of the twin.
    """

    case: Case
    name: str
    terms: Terms
    rounds: tuple[Round, ...]
    calibration: Calibration | None = None
    needed_us: float = 1000
    unmeasured: str = ""


@dataclass(frozen=True)
class Violation:
    """What cannot be true of a sound target: the rule, why, and the answers that show it."""

    rule: str
    says: str
    reads: tuple[Read, ...]


TWICE: Mapping[str, str] = {
    "at_most_one": "race.double",
    "spend_once": "race.spent-twice",
    "lost_update": "race.lost-update",
}
"""The rule that is broken if more win than may."""


def violations(terms: Terms, played: Round) -> Iterator[Violation]:
    """What of a round cannot be, the worst first: who won, what is read, and in what order."""
    yield from _winners(terms, played)
    yield from _values(terms, played)
    yield from _read(terms, played)
    if terms.start and linearizable(terms, played) is False:
        shown = tuple(read for one in played.observations for read in one.reads[-1:])
        yield Violation(
            "race.order",
            "no order of what was answered as done leads to what is read afterwards: "
            + "; ".join([*(_came(one) for one in played.judged), *map(_seen, played.observations)]),
            (*(one.read for one in played.judged), *shown),
        )
    for one in played.judged:
        if one.came is Came.LOST and not one.documented:
            yield Violation(
                "race.refusal",
                f"{one.label} lost, and {one.read.status} is no documented refusal",
                (one.read,),
            )
            return


def _winners(terms: Terms, played: Round) -> Iterator[Violation]:
    won, reads = played.won, tuple(one.read for one in played.judged)
    how = "at the same instant" if played.together else "one after another"
    if terms.most is not None and len(won) > terms.most:
        yield Violation(
            TWICE.get(terms.kind, "race.double"),
            f"{len(won)} of {len(played.judged)} requests {how} were all answered as done "
            f"({statuses(won)}), where at most {terms.most} may be",
            tuple(one.read for one in won),
        )
    for tags in terms.never:
        winners = [next((one for one in won if one.tag == tag), None) for tag in tags]
        if all(winners):
            yield Violation(
                "race.together",
                f"{' and '.join(tags)} {how} were both answered as done",
                tuple(one.read for one in winners if one is not None),
            )
    if terms.somebody and not won and not played.unknown:
        yield Violation(
            "race.none",
            f"all {len(played.judged)} requests {how} were refused, so nobody has it",
            reads,
        )


def _values(terms: Terms, played: Round) -> Iterator[Violation]:
    won = played.won
    reads = tuple(one.read for one in won)
    for name in terms.same:
        values = {str(one.values.get(name)) for one in won}
        if len(values) > 1:
            yield Violation(
                "idempotency.repeated",
                f"the same request with the same key was answered with {len(values)} different "
                f"{name}: {listed(sorted(values))}",
                reads,
            )
            return
    if not terms.numbers:
        return
    numbers = [str(one.values["number"]) for one in won if one.values.get("number") is not None]
    twice = sorted({one for one in numbers if numbers.count(one) > 1})
    if twice:
        yield Violation(
            "sequence.duplicate",
            f"{numbers.count(twice[0])} records got the number {twice[0]}",
            tuple(one.read for one in won if str(one.values.get("number")) == twice[0]),
        )
    elif terms.gapless and not played.unknown:
        beside = _beside(played)
        left = None if beside is None else left_out([*numbers, *beside])
        if left is not None:
            yield Violation("sequence.gap", f"of the numbers, {left} was left out", reads)


def _beside(played: Round) -> list[str] | None:
    """The numbers of those who only took part; None if one may have a number that nobody knows."""
    here = [one for one in played.contestants if one.beside and not one.elsewhere]
    here = [one for one in here if one.came is not Came.LOST]
    if any(one.values.get("number") is None for one in here):
        return None
    return [str(one.values["number"]) for one in here]


def left_out(numbers: Sequence[str]) -> str | None:
    """What is missing between numbers like 2026-000007 of one series, None if nothing is."""
    series: dict[str, list[str]] = {}
    for number in numbers:
        match = re.fullmatch(r"(.*?)(\d+)", number)
        if match is not None:
            series.setdefault(match.group(1), []).append(match.group(2))
    for prefix, digits in series.items():
        known = {int(one) for one in digits}
        missing = next((one for one in range(min(known), max(known)) if one not in known), None)
        if missing is not None:
            return f"{prefix}{missing:0{len(digits[0])}d}"
    return None


def failing(rounds: Sequence[Round]) -> list[tuple[Round, Contestant]]:
    """Who met a failure of the target, if so many rounds did that it is its way to refuse."""
    found = [(played, one) for played in rounds for one in played.judged if one.failed]
    return found if len({played.number for played, _ in found}) >= FAILURES else []


# --- what is read ----------------------------------------------------------------------------


def unclear(played: Round) -> str | None:
    """Why what is read after a round says nothing, None if it does."""
    for seen in played.observations:
        last = seen.reads[-1]
        if last.outcome is Outcome.ALLOWED:
            continue
        if seen.refused and last.outcome not in {Outcome.BROKEN, Outcome.LIMITED}:
            continue
        return f"{seen.label} was not answered ({last.status})"
    return None


def _read(terms: Terms, played: Round) -> Iterator[Violation]:
    if unclear(played):
        return
    unknown = len(played.unknown)
    for seen in played.observations:
        problem = _wrong(seen, len(played.won), unknown)
        if problem is None:
            continue
        too_many = seen.count is not None and len(seen.found) > _at_most(seen, len(played.won))
        rule = TWICE.get(terms.kind, "race.state") if too_many else "race.state"
        if terms.kind == "idempotency" and too_many:
            rule = "idempotency.repeated"
        if terms.kind == "sequence" and seen.distinct:
            rule = "sequence.duplicate"
        won = tuple(one.read for one in played.won)
        yield Violation(rule, f"afterwards {seen.label} {problem}", (*seen.reads[-1:], *won))


def _at_most(seen: Observation, won: int) -> int:
    return won if seen.count == "winners" else int(seen.count or 0)


def _wrong(seen: Observation, won: int, unknown: int) -> str | None:
    """What is not as it had to be, None if all is."""
    if seen.refused:
        answered = seen.reads[-1].outcome is Outcome.ALLOWED
        return "was answered, and had to be refused" if answered else None
    found = [str(one) for one in seen.found]
    if seen.count is not None:
        least = won if seen.count == "winners" else seen.count
        most = least + unknown if seen.count == "winners" else least
        if not least <= len(found) <= most and not (unknown and len(found) < least):
            return f"shows {len(found)} ({listed(found)}), where there have to be {least}"
    if seen.distinct and len(set(found)) < len(found):
        return f"shows a value twice: {listed(found)}"
    if seen.equals is None or unknown:
        return None
    wanted = [str(one) for one in seen.equals]
    if seen.of_winners and sorted(wanted) != sorted(found):
        return f"shows {listed(found)}, where the winner's is {listed(wanted)}"
    if not seen.of_winners and (set(found) != set(wanted)):
        return f"shows {listed(found)}, where {listed(wanted)} has to be"
    return None


# --- orders ----------------------------------------------------------------------------------


def linearizable(terms: Terms, played: Round) -> bool | None:
    """Whether some order of the requests explains all answers and all that was read afterwards.

    A request that was answered before another was sent comes before it; what nobody knows may
    have taken effect at any later time, or never (Herlihy and Wing 1990; the search is that of
    Wing and Gong 1993, with the states that were seen). None: too much to search.
    """
    if unclear(played):
        return None
    shown = {seen.state: seen.found or (seen.absent,) for seen in played.observations if seen.state}
    many = [one for one in shown.values() if len({str(value) for value in one}) > 1]
    if many:
        return False
    calls = played.judged
    begun = [one.sent if one.sent is not None else 0 for one in calls]
    ended = [
        one.answered if one.answered is not None and one.came is not Came.UNKNOWN else None
        for one in calls
    ]
    must = sum(1 << at for at, one in enumerate(calls) if one.came is not Came.UNKNOWN)
    start = tuple(terms.start.items())
    waiting = [(0, start)]
    seen_states: set[tuple[int, tuple[tuple[str, Any], ...]]] = set()
    while waiting:
        done, state = waiting.pop()
        if (done, state) in seen_states:
            continue
        seen_states.add((done, state))
        if len(seen_states) > _STEPS:
            return None
        known = dict(state)
        if done & must == must and all(
            str(known[name]) == str(values[0]) for name, values in shown.items()
        ):
            return True
        open_ends = [end for at, end in enumerate(ended) if not done >> at & 1 and end is not None]
        limit = min(open_ends, default=None)
        for at, call in enumerate(calls):
            if done >> at & 1 or (limit is not None and begun[at] > limit):
                continue
            waiting += [
                (done | 1 << at, tuple(following.items())) for following in _following(call, known)
            ]
    return False


def _following(call: Contestant, state: dict[str, Any]) -> list[dict[str, Any]]:
    """The states that a call may leave, given what came of it; none if that cannot have come."""
    able = may_win(call, state)
    if call.came is Came.LOST:
        return [] if able else [state]
    if call.came is Came.WON:
        return [_after(call, state)] if able else []
    return [_after(call, state), state] if able else [state]


def may_win(call: Contestant, state: Mapping[str, Any]) -> bool:
    """Whether a call may win in a state."""
    return all(str(state[name]) in map(str, wanted) for name, wanted in call.needs.items())


def _after(call: Contestant, state: dict[str, Any]) -> dict[str, Any]:
    changed = {
        name: value.get(str(state[name]), state[name]) if isinstance(value, Mapping) else value
        for name, value in call.sets.items()
    }
    return {**state, **changed}


# --- words -----------------------------------------------------------------------------------


def statuses(calls: Sequence[Contestant]) -> str:
    """`2 × 201, 409`."""
    found: dict[str, int] = {}
    for one in calls:
        found[one.read.status] = found.get(one.read.status, 0) + 1
    return ", ".join(f"{count} × {one}" if count > 1 else one for one, count in found.items())


def listed(values: Sequence[Any]) -> str:
    """The first few values, for a sentence."""
    shown = ", ".join(str(one) for one in values[:5])
    return f"{shown} and {len(values) - 5} more" if len(values) > 5 else shown or "nothing"


def _came(one: Contestant) -> str:
    return f"{one.label} {one.came.value} ({one.read.status})"


def _seen(one: Observation) -> str:
    return f"{one.label} shows {one.says}"


def account(played: Round) -> str:
    """What came of everybody in a round, and what was read afterwards."""
    said = [f"{came.value}: {statuses(played.came(came))}" for came in Came if played.came(came)]
    return "; ".join([*said, *map(_seen, played.observations)])


def summary(played: Round) -> str:
    """What came of a round, in two or three words."""
    if played.stalled:
        return "the target stalled"
    won, unknown = len(played.won), len(played.unknown)
    words = "no winner" if not won else "one winner" if won == 1 else f"{won} winners"
    return f"{words}, {unknown} unknown" if unknown else words
