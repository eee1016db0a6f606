"""Whether what is done once is done once, whoever else wants it at that instant. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance import power
from conformance.history import (
    Came,
    Contest,
    Contestant,
    Round,
    Violation,
    account,
    failing,
    listed,
    may_win,
    summary,
    unclear,
    violations,
)
from conformance.model import Case, Outcome, Read, Verdict
from conformance.verdicts import failed, no_statement, passed, unknown

_CLOSE = 5_000_000_000
"""Nanoseconds between two moments of one round, at most."""

_SHARE = 0.5
"""Of the rounds, what has to say something."""


def sound(contest: Contest) -> Verdict:
    """No round shows what cannot be, and the rounds would have shown a window that matters."""
    for played in contest.rounds:
        broken = next(violations(contest.terms, played), None)
        if broken is not None:
            return _broken(contest, played, broken)
    failures = failing(contest.rounds)
    if failures:
        return _fails(contest, failures)
    reason = _undecided(contest)
    shown = next((one for one in reversed(contest.rounds) if one.counted), contest.rounds[-1])
    if reason is not None:
        reads = tuple(one.read for one in shown.contestants[:2])
        return unknown(reason, *reads, detail=detail(contest, shown, account(shown)))
    says = f"{_of_each(contest)}; {_worth(contest)}"
    return passed("conform-deny", says, detail=detail(contest, shown, account(shown)))


def _broken(contest: Contest, played: Round, broken: Violation) -> Verdict:
    reason = f"{contest.name}, round {played.number}: {broken.says}"
    drawn = detail(contest, played, broken.says)
    return failed("race", broken.rule, reason, *broken.reads, detail=drawn)


def _fails(contest: Contest, failures: Sequence[tuple[Round, Contestant]]) -> Verdict:
    rounds = len({played.number for played, _ in failures})
    played, one = failures[-1]
    says = (
        f"in {rounds} of {len(contest.rounds)} rounds the target failed ({one.read.status}), "
        "which is neither done nor refused"
    )
    drawn = detail(contest, played, says)
    return failed("race", "race.error", f"{contest.name}: {says}", one.read, detail=drawn)


def _undecided(contest: Contest) -> str | None:
    """Why the rounds prove nothing, None if they do."""
    in_turn = [played for played in contest.rounds if not played.together]
    refused = 0
    for played in in_turn:
        first = played.judged[0]
        if first.came is Came.LOST and not may_win(first, contest.terms.start):
            refused += 1
        elif first.came is not Came.WON:
            said = no_statement(first.read) or f"refused ({first.read.status})"
            return f"{first.label} did not win when it came first: {said}"
        if reason := unclear(played):
            return f"one after another, {reason}"
    if refused and refused == len(in_turn):
        return (
            "no contender may win from the state that the set-up leaves, so nothing shows that the "
            "requests are right otherwise: add one that may"
        )
    together = [played for played in contest.rounds if played.together]
    counted = [played for played in together if played.counted]
    if len(counted) < _SHARE * len(together) or not counted:
        stalled = next((played.stalled for played in together if played.stalled), None)
        why = stalled or _why_unknown(together)
        return f"only {len(counted)} of {len(together)} rounds say something: {why}"
    if any(played.parked for played in counted):
        return None
    window = window_us(contest)
    if window is None:
        why = contest.unmeasured or "they are too few for 99 %, whatever the window"
        return f"it is not known what {len(counted)} rounds would have shown: {why}"
    if window > contest.needed_us:
        return (
            f"{len(counted)} rounds would have shown a window of {_time(window)} with 99 %, and "
            f"{_time(contest.needed_us)} is asked for (racing: needed_us, rounds, seconds)"
        )
    return None


def _why_unknown(together: Sequence[Round]) -> str:
    for played in together:
        for one in played.unknown:
            return f"{one.label}: {no_statement(one.read) or one.read.status}"
        if reason := unclear(played):
            return reason
    early = sum(played.early for played in together)
    return f"{early} requests were answered before they were whole" if early else "nobody raced"


def _of_each(contest: Contest) -> str:
    """What came of the rounds, most of all first."""
    together = [summary(played) for played in contest.rounds if played.together]
    counts = {one: together.count(one) for one in dict.fromkeys(together)}
    said = ", ".join(f"{count} × {one}" for one, count in counts.items())
    return f"{len(together)} rounds: {said}"


def _worth(contest: Contest) -> str:
    """What a pass is worth."""
    counted = [played for played in contest.rounds if played.counted]
    if any(played.parked for played in counted):
        return "all writers were held back in the database and let go together"
    window = window_us(contest)
    spread = power.median([power.spread(played.shot.arrivals) for played in counted])
    assert window is not None
    return (
        f"arrivals {_time(spread)} apart (median, seen by the {counted[0].shot.seen_by}); a window "
        f"of {_time(window)} would have shown with 99 %, "
        "as far as the target's delays vary as those of the twin"
    )


def window_us(contest: Contest) -> float | None:
    """The narrowest window that the rounds would have shown with 99 %, in microseconds."""
    shots = [played.shot for played in contest.rounds if played.counted]
    if not shots or contest.calibration is None:
        return None
    return power.window(shots, contest.calibration)


def _time(microseconds: float) -> str:
    if microseconds >= 1000:
        return f"{microseconds / 1000:.1f} ms"
    return f"{microseconds:.0f} µs"


# --- what a report draws ---------------------------------------------------------------------


def detail(contest: Contest, shown: Round, says: str) -> Mapping[str, Any]:
    """The race as a report draws it, with the round that decided."""
    together = [played for played in contest.rounds if played.together]
    counted = [played for played in together if played.counted]
    spreads = [power.spread(played.shot.arrivals) for played in counted]
    return {
        "kind": "race",
        "race": contest.name,
        "technique": shown.technique,
        "seen_by": shown.shot.seen_by,
        "power": {
            "rounds": len(together),
            "counted": len(counted),
            "contenders": len(shown.contestants),
            "overlapped": _share(sum(one.overlapped for one in counted), len(counted)),
            "spread_us": {
                "median": round(power.median(spreads), 1),
                "p95": round(power.p95(spreads), 1),
            }
            if spreads
            else None,
            "window_us": window_us(contest),
            "needed_us": contest.needed_us,
        },
        "rounds": [
            {
                "number": played.number,
                "counted": played.counted,
                "spread_us": round(power.spread(played.shot.arrivals), 1)
                if len(played.shot.arrivals) > 1
                else None,
                "verdict": summary(played),
            }
            for played in contest.rounds[-60:]
        ],
        "shown": _shown(shown, says),
    }


def _share(part: int, whole: int) -> float:
    return round(part / whole, 3) if whole else 0.0


def _shown(played: Round, says: str) -> Mapping[str, Any]:
    """A round with its times in microseconds, relative to the release."""
    sent = [one.sent for one in played.contestants if one.sent is not None]
    start = min(sent, default=0)
    told = played.shot.arrivals if played.shot.seen_by == "target" else ()
    # A clock of another machine, or of another kind, begins with the first arrival.
    same_clock = all(start - _CLOSE <= moment <= start + _CLOSE for moment in told)
    theirs = start if same_clock else min(told, default=0)

    def since(moment: int | None, start: int = start) -> float | None:
        return None if moment is None else round((moment - start) / 1000, 1)

    return {
        "number": played.number,
        "contenders": [
            {
                "label": one.label,
                "sent_us": since(one.sent),
                "arrived_us": since(one.arrived, theirs) if told else None,
                "answered_us": since(one.answered),
                "status": _status(one.read),
                "came": one.came.value,
            }
            for one in played.contestants
        ],
        "reads": [{"label": one.label, "says": one.says} for one in played.observations],
        "says": says,
    }


def _status(read: Read) -> int | None:
    answer = read.exchange.answer
    return answer.status if answer else None


# --- keys ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Repetition:
    """A request with a key, and the key again: `variant` says how.

    `played` holds both, with what is read afterwards; `same` are values that a repetition repeats;
    `expects` are the statuses of a refusal, if one is promised; `control` is the second sender's
    request with a key of its own.
    """

    case: Case
    variant: str
    first: Contestant
    second: Contestant
    played: Round
    same: Sequence[str]
    expects: tuple[int, ...] = ()
    control: Contestant | None = None


def kept(repetition: Repetition) -> Verdict:
    """A key makes its request take effect once, and is worth nothing to anybody else."""
    first, second = repetition.first, repetition.second
    if first.came is not Came.WON:
        said = no_statement(first.read) or f"refused ({first.read.status})"
        return unknown(f"the first request was not served: {said}", first.read)
    if second.came is Came.UNKNOWN and not second.failed:
        return unknown(f"the second request: {no_statement(second.read)}", second.read)
    if repetition.control is not None:
        return _others(repetition, repetition.control)
    broken = _doubled(repetition)
    if broken is not None:
        return broken
    if repetition.variant == "other-body":
        return _other_body(repetition)
    if second.came is not Came.WON and repetition.variant == "after-restart":
        said = no_statement(second.read) or f"refused ({second.read.status})"
        return unknown(f"after the restart the request was not served: {said}", second.read)
    if second.came is not Came.WON:
        return failed(
            "idempotency",
            "idempotency.answer",
            f"the same request with the same key got {second.read.status}, and not the answer of "
            f"the first ({first.read.status})",
            second.read,
            first.read,
        )
    return passed("conform-allow", f"answered again with the same {listed(repetition.same)}")


def _doubled(repetition: Repetition) -> Verdict | None:
    """A second record, by what is answered or by what is read."""
    first, second = repetition.first, repetition.second
    how = " after a restart" if repetition.variant == "after-restart" else ""
    if second.came is Came.WON and repetition.variant != "other-body":
        for name in repetition.same:
            one, other = first.values.get(name), second.values.get(name)
            if one is None or other is None:
                return unknown(f"no {name} was found in the answers", first.read, second.read)
            if str(one) != str(other):
                return failed(
                    "idempotency",
                    "idempotency.repeated",
                    f"the same request with the same key{how} was answered with another {name}: "
                    f"{one}, then {other}",
                    second.read,
                    first.read,
                )
    if reason := unclear(repetition.played):
        return unknown(reason, second.read)
    for seen in repetition.played.observations:
        wanted = seen.count
        if isinstance(wanted, int) and len(seen.found) > wanted:
            return failed(
                "idempotency",
                "idempotency.repeated",
                f"after the same key came twice{how}, {seen.label} shows {len(seen.found)} "
                f"records ({listed(seen.found)})",
                second.read,
                *seen.reads[-1:],
            )
    return None


def _other_body(repetition: Repetition) -> Verdict:
    second = repetition.second
    answer = second.read.exchange.answer
    if second.came is Came.WON:
        return failed(
            "idempotency",
            "idempotency.body",
            f"another body under a key that was used was answered {second.read.status}",
            second.read,
            repetition.first.read,
        )
    if answer is None or answer.status not in repetition.expects:
        return failed(
            "idempotency",
            "idempotency.refusal",
            f"another body under a key that was used got {second.read.status}, where "
            f"{listed(repetition.expects)} is documented",
            second.read,
        )
    return passed("conform-deny", f"another body is refused ({second.read.status})")


_WHO = {"other-tenant": "another tenant", "other-record": "another record"}


def _others(repetition: Repetition, control: Contestant) -> Verdict:
    first, second = repetition.first, repetition.second
    who = _WHO.get(repetition.variant, "somebody else")
    for name in repetition.same:
        value = first.values.get(name)
        if value is not None and str(value) == str(second.values.get(name)):
            return failed(
                "idempotency",
                "idempotency.mixed",
                f"a request of {who} with the same key was answered with what the first one made "
                f"({name} {value})",
                second.read,
                first.read,
            )
    if control.came is not Came.WON:
        said = no_statement(control.read) or f"refused ({control.read.status})"
        return unknown(f"{who} with another key was not served either: {said}", control.read)
    if second.came is not Came.WON and repetition.variant == "other-record":
        return passed("conform-deny", f"for {who} the same key is refused ({second.read.status})")
    if second.came is not Came.WON:
        return failed(
            "idempotency",
            "idempotency.mixed",
            f"{who} with the same key got {second.read.status}, and with another key "
            f"{control.read.status}: the key is not theirs alone",
            second.read,
            control.read,
        )
    return passed("conform-allow", f"for {who} the same key is another one")


# --- versions --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unversioned:
    """A change that names no version, and the same with one; `expects` are statuses."""

    case: Case
    attempt: Contestant
    control: Contestant
    expects: tuple[int, ...]


def required(change: Unversioned) -> Verdict:
    """A change that names no version is refused as documented (RFC 6585 section 3)."""
    attempt, control = change.attempt, change.control
    if attempt.came is Came.WON:
        return failed(
            "race",
            "race.precondition",
            f"a change that names no version was answered {attempt.read.status}, where "
            f"{listed(change.expects)} is documented",
            attempt.read,
        )
    if attempt.came is Came.UNKNOWN:
        return unknown(f"the change: {no_statement(attempt.read)}", attempt.read)
    if control.came is not Came.WON:
        said = no_statement(control.read) or f"refused ({control.read.status})"
        return unknown(f"the same with the version that was read: {said}", control.read)
    if _status(attempt.read) not in change.expects:
        return failed(
            "race",
            "race.refusal",
            f"a change that names no version got {attempt.read.status}, where "
            f"{listed(change.expects)} is documented",
            attempt.read,
        )
    return passed("conform-deny", f"refused ({attempt.read.status}), and done with a version")


@dataclass(frozen=True)
class Change:
    """A change, and the version of the record before and after it, each with its answer."""

    case: Case
    what: str
    read: Read
    before: tuple[Read, str | None]
    after: tuple[Read, str | None]


def renewed(change: Change) -> Verdict:
    """A change gives the record a new version."""
    (_, before), (read, after) = change.before, change.after
    if change.read.outcome is not Outcome.ALLOWED:
        said = no_statement(change.read) or f"refused ({change.read.status})"
        return unknown(f"{change.what}: {said}", change.read)
    if before is None or after is None:
        return unknown(f"no version was found before or after {change.what}", read)
    if before == after:
        return failed(
            "race",
            "race.version",
            f"after {change.what} the record still has the version {after}, so nobody notices",
            read,
            change.read,
        )
    return passed("conform-deny", f"{change.what} gives a new version: {before}, then {after}")
