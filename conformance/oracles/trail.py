"""Oracles on the audit trail: one entry for each attempt, true, and closed to change. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations

from conformance.claims import Event
from conformance.model import Outcome, Read, Verdict
from conformance.trail import (
    PLACES,
    Bordered,
    Due,
    Entry,
    Kept,
    Reconciled,
    Reused,
    Told,
    claimed,
    instant,
)
from conformance.verdicts import failed, no_statement, passed, unknown

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200e\u200f]")
_SHOWN = 3


def _unreadable(reads: Iterable[Read]) -> Verdict | None:
    """Why the trail says nothing, None if every page of it was given."""
    for read in reads:
        if read.outcome is not Outcome.ALLOWED:
            reason = no_statement(read) or f"refused ({read.status})"
            return unknown(f"the trail could not be read: {reason}", read)
    return None


def _said(told: Told) -> str:
    request = told.attempt.exchange.request
    return f"{request.method} as {told.attempt.exchange.persona} (answered {told.attempt.status})"


# --- one entry -------------------------------------------------------------------------------


def left_one(told: Told) -> Verdict:
    """The attempt left exactly one entry."""
    read = told.attempt
    if read.exchange.answer is None:
        return unknown(f"the attempt got no answer: {read.exchange.error}", read)
    if told.case.variant == "allowed" and read.outcome is not Outcome.ALLOWED:
        reason = no_statement(read) or f"was refused ({read.status})"
        return unknown(f"the attempt had to be allowed, but {reason}", read)
    unreadable = _unreadable(told.reads)
    if unreadable is not None:
        return unreadable
    if told.correlation is None:
        return unknown("the answer names no correlation id, so its entry cannot be known", read)
    if told.event not in told.trail.events:
        return unknown(
            f"the attempt turned out to be {told.event} ({read.status}), and no entry is claimed "
            "for such (audit.events)",
            read,
        )
    if not told.entries:
        if told.forged and read.outcome is Outcome.INVALID:
            return passed("conform-deny", f"rejected with {read.status}, before any operation")
        return failed(
            "unaccounted",
            "trail.missing",
            f"{_said(told)} left no entry",
            read,
            *told.reads[-1:],
        )
    if len(told.entries) > 1 and told.exactly:
        return failed(
            "unaccounted",
            "trail.twice",
            f"{_said(told)} left {len(told.entries)} entries",
            read,
            *told.reads[-1:],
        )
    return passed("conform-allow", "the attempt left one entry")


# --- the truth -------------------------------------------------------------------------------


def tells_the_truth(told: Told) -> Verdict:
    """The entry is true in every place that the target file names."""
    unreadable = _unreadable(told.reads)
    if unreadable is not None:
        return unreadable
    if not told.entries:
        if told.forged and told.attempt.outcome is Outcome.INVALID:
            return passed("conform-deny", "there is no entry that could be untrue")
        return unknown("there is no entry to look at", told.attempt)
    for entry in told.entries:
        for place, untruth in _untruths(told, entry):
            return failed(
                "untrue",
                f"trail.{place.replace('_', '-')}",
                f"{_said(told)}: {untruth}",
                told.attempt,
                *told.reads[-1:],
            )
    named = claimed(told.trail)
    silent = [one for one in _JUDGED if one not in named]
    left_out = f"; not claimed: {', '.join(_word(one) for one in silent)}" if silent else ""
    judged = ", ".join(_word(one) for one in _JUDGED if one in named)
    whose = f" ({len(told.patients):,} known to be in it)" if told.patients else ""
    return passed(
        "conform-allow",
        f"one entry, true in {judged.replace('patient', f'patient{whose}')}{left_out}",
    )


_JUDGED = tuple(place for place in PLACES if place not in {"correlation", "id"})


def _word(place: str) -> str:
    return place.replace("_", " ")


def _untruths(told: Told, entry: Entry) -> Iterator[tuple[str, str]]:
    """Every place that is not as it has to be, and how so."""
    names = claimed(told.trail)
    if "actor" in names:
        yield from _of_actor(told, entry)
    if "patient" in names and told.trail.patient is not None:
        yield from _of_patient(told, entry)
    if "tenant" in names and told.tenant is not None:
        told_tenant = entry.of("tenant")
        if told_tenant != (told.tenant,):
            yield "tenant", f"the entry names the tenant {_list(told_tenant)}, not {told.tenant}"
    for place in ("resource", "action"):
        if place in names and not entry.of(place):
            yield "action", f"the entry names no {place}"
    if "outcome" in names:
        yield from _of_outcome(told, entry)
    if "time" in names:
        yield from _of_time(told, entry)
    if "source" in names:
        found = entry.of("source")
        wanted = told.trail.source
        if not found:
            yield "source", "the entry names no source"
        elif wanted is not None and found != (wanted,):
            yield "source", f"the entry names the source {_list(found)}, not {wanted}"
    if "purpose" in names and told.event == "allowed" and not entry.of("purpose"):
        yield "purpose", "the entry names no purpose"


def _of_actor(told: Told, entry: Entry) -> Iterator[tuple[str, str]]:
    found = entry.of("actor")
    if told.actor is not None and found != (told.actor,):
        yield "actor", f"the entry names {_list(found)} as the actor, not {told.actor}"
    elif told.actor is None and set(found) & told.others:
        yield "actor", f"nobody was logged in, and the entry names {_list(found)} as the actor"
    behalf = set(entry.of("on_behalf_of"))
    may = {told.actor, *(told.within or ()), *told.patients}
    if told.within is not None and behalf - may:
        yield "on_behalf_of", f"the entry says on behalf of {_list(sorted(behalf - may))}"


def _of_patient(told: Told, entry: Entry) -> Iterator[tuple[str, str]]:
    found = set(entry.of("patient"))
    lacking = sorted(told.patients - found)
    if lacking and told.event == "allowed":
        of = f"{len(lacking)} of {len(told.patients)} patients" if len(lacking) > 1 else "patient"
        yield "patient", f"the entry does not name the {of} whose record it was ({lacking[0]})"
    if told.within is not None and found - told.within:
        yield "patient", f"the entry names a patient whose record it was not: {_list(found)}"


def _of_outcome(told: Told, entry: Entry) -> Iterator[tuple[str, str]]:
    words = list(getattr(told.trail.outcomes, told.event))
    if told.attempt.outcome is Outcome.ABSENT and told.case.variant == "missing-id":
        words += told.trail.outcomes.failed
    status = told.attempt.exchange.answer.status if told.attempt.exchange.answer else 0
    if told.batch and status < 300:
        words += told.trail.outcomes.allowed
    found = entry.of("outcome")
    if words and not set(found) & set(words):
        yield "outcome", f"it was {told.event}, and the entry says {_list(found)}"


def _of_time(told: Told, entry: Entry) -> Iterator[tuple[str, str]]:
    found = entry.of("time")
    if not found:
        yield "time", "the entry names no time"
        return
    moment = instant(found[0])
    exchange, tolerance = told.attempt.exchange, told.trail.tolerance
    if isinstance(moment, str):
        yield "time", f"the entry's time {moment}"
        return
    before = exchange.started - tolerance - moment
    after = moment - (exchange.started + exchange.seconds + tolerance)
    if before > 0 or after > 0:
        off = before + tolerance if before > 0 else after + tolerance
        late = "before" if before > 0 else "after"
        yield "time", f"the entry's time is {off:,.0f} s {late} the attempt"


def _list(found: Iterable[str]) -> str:
    return ", ".join(repr(one) for one in found) or "nobody"


# --- what must not stand in it ---------------------------------------------------------------


def holds_nothing_confidential(told: Told) -> Verdict:
    """The entries hold neither content of records nor a secret."""
    unreadable = _unreadable(told.reads)
    if unreadable is not None:
        return unreadable
    if not told.entries:
        return unknown("there is no entry to look at", told.attempt)
    if not told.forbidden:
        return unknown("the attempt carried nothing that could be told again", told.attempt)
    for entry in told.entries:
        text = entry.text.lower()
        for forbidden, what in told.forbidden.items():
            if forbidden.lower() in text:
                kind = "secret" if what.startswith("the ") else "content"
                return failed(
                    "leak",
                    f"trail.{kind}",
                    f"{_said(told)}: the entry holds {what}",
                    told.attempt,
                    *told.reads[-1:],
                )
    return passed("conform-deny", f"the entry holds none of {len(told.forbidden)} planted values")


def believes_nothing(told: Told) -> Verdict:
    """Nothing that the caller invented stands in the entry, and nothing that would forge a line."""
    unreadable = _unreadable(told.reads)
    if unreadable is not None:
        return unreadable
    for entry in told.entries:
        for place in claimed(told.trail):
            for value in entry.of(place):
                control = _CONTROL.search(value)
                if control is not None:
                    return failed(
                        "forged",
                        "trail.forged",
                        f"the entry's {_word(place)} holds the control character "
                        f"U+{ord(control.group(0)):04X} of the caller's correlation id",
                        told.attempt,
                        *told.reads[-1:],
                    )
                invented = next((one for one in told.forged if _tells(place, value, one)), None)
                if invented is not None:
                    return failed(
                        "forged",
                        "trail.forged",
                        f"the entry's {_word(place)} is what the caller invented: {invented!r}",
                        told.attempt,
                        *told.reads[-1:],
                    )
    return passed("conform-deny", "nothing that the caller invented was believed")


def _tells(place: str, value: str, invented: str) -> bool:
    inside = len(invented) > 8 and invented in value
    return place != "correlation" and (value == invented or inside)


def keeps_both(reused: Reused) -> Verdict:
    """An id that was sent before gives a second entry, and leaves the first as it was."""
    for read in reused.attempts:
        if read.outcome is not Outcome.ALLOWED:
            return unknown(f"an attempt that had to be allowed got {read.status}", read)
    unreadable = _unreadable(reused.reads)
    if unreadable is not None:
        return unreadable
    evidence = (*reused.attempts, *reused.reads[-1:])
    if len(reused.before) != 1:
        return unknown(f"the first attempt left {len(reused.before)} entries", *evidence)
    first = reused.before[0]
    same = [one for one in reused.after if one.identity == first.identity]
    if not same or same[0].raw != first.raw:
        return failed(
            "forged",
            "trail.changed",
            "an attempt that sent the id of another one changed or removed that one's entry",
            *evidence,
        )
    if len(reused.after) != 2:
        return failed(
            "unaccounted",
            "trail.missing" if len(reused.after) < 2 else "trail.twice",
            f"two attempts with the same correlation id left {len(reused.after)} entries",
            *evidence,
        )
    if "actor" in claimed(reused.trail):
        found = sorted(one.of("actor") for one in reused.after)
        if found != sorted((one,) for one in reused.actors):
            named = ", ".join(_list(one) for one in found)
            wanted = " and ".join(reused.actors)
            return failed(
                "forged",
                "trail.actor",
                f"the entries of two attempts with the same id name {named}, not {wanted}",
                *evidence,
            )
    return passed("conform-allow", "two attempts with the same id left two entries, each its own")


# --- whose it is -----------------------------------------------------------------------------


def stays_in_its_tenant(found: Bordered) -> Verdict:
    """The entry is in its own tenant's trail, and another tenant's reader does not find it."""
    unreadable = _unreadable(found.reads)
    if unreadable is not None:
        return unreadable
    evidence = (found.attempt, *found.reads)
    if found.attempt.outcome is not Outcome.ALLOWED:
        return unknown(f"the attempt had to be allowed, but got {found.attempt.status}", *evidence)
    if found.there:
        return failed(
            "bypass",
            "trail.leak",
            f"the reader of {found.case.other} is shown an entry of {found.case.tenant}",
            *evidence,
        )
    if not found.own:
        return failed(
            "unaccounted",
            "trail.missing",
            "the attempt left no entry in its own tenant's trail",
            *evidence,
        )
    if not found.control:
        return unknown(
            f"the reader of {found.case.other} finds not even an entry of its own", *evidence
        )
    told = found.own[0].of("tenant")
    if "tenant" in claimed(found.trail) and told != (found.tenant,):
        return failed(
            "untrue",
            "trail.tenant",
            f"the entry names the tenant {_list(told)}, not {found.tenant}",
            *evidence,
        )
    return passed(
        "conform-deny", f"in its own tenant's trail; the reader of {found.case.other} finds nothing"
    )


# --- whether it stays ------------------------------------------------------------------------


def unaltered(kept: Kept) -> Verdict:
    """Whatever was tried through the API, the entry is as it was and none was added."""
    unreadable = _unreadable(kept.reads)
    if unreadable is not None:
        return unreadable
    if not kept.before:
        return unknown("there was no entry that could have been changed", *kept.reads)
    done = [read for read in kept.attacks if read.outcome is Outcome.ALLOWED]
    evidence = (*(done or kept.attacks[:1]), *kept.reads[-1:])
    how = ", ".join(f"{one.exchange.request.method} ({one.status})" for one in done)
    by = f"by {how} " if how else ""
    if not kept.after:
        return failed("bypass", "trail.changed", f"the entry was removed {by}".strip(), *evidence)
    if [one.raw for one in kept.before] != [one.raw for one in kept.after]:
        return failed("bypass", "trail.changed", f"the entry was changed {by}".strip(), *evidence)
    if kept.added:
        return failed("bypass", "trail.changed", f"an entry was added {by}".strip(), *evidence)
    silent = [read for read in kept.attacks if read.exchange.answer is None]
    if silent or not kept.attacks:
        return unknown("a request to change the trail got no answer", *silent[:1])
    return passed(
        "conform-deny",
        f"{len(kept.attacks)} requests to change, remove or add an entry left the trail as it was",
    )


# --- the whole run ---------------------------------------------------------------------------


def reconciles(found: Reconciled) -> Verdict:
    """Every attempt of the run has its entry: none missing, none twice, none invented."""
    unreadable = _unreadable(found.reads)
    if unreadable is not None:
        return unreadable
    evidence = found.reads[-1:]
    counted = Counter(entry.of("correlation")[0] for entry in _with_id(found.entries))
    wanted = Counter(one.key for one in found.due)
    missing = [
        one
        for one in {one.key: one for one in found.due}.values()
        if counted[one.key] < wanted[one.key] and one.key not in found.elsewhere
    ]
    if found.invented:
        told = ", ".join(entry.of("correlation")[0] for entry in found.invented[:_SHOWN])
        return failed(
            "unaccounted",
            "trail.invented",
            f"{len(found.invented):,} entries have an id that nobody sent: {told}",
            *evidence,
        )
    if missing and not found.cut:
        return failed(
            "unaccounted",
            "trail.missing",
            f"{len(missing):,} of {len(found.due):,} attempts left no entry: {_some(missing)}",
            *evidence,
        )
    twice = [key for key, times in counted.items() if 0 < found.sent.get(key, 0) < times]
    if twice:
        by_key = {one.key: one for one in found.due}
        known = [by_key[key] for key in twice if key in by_key]
        told = _some(known) if known else ", ".join(twice[:_SHOWN])
        return failed(
            "unaccounted",
            "trail.twice",
            f"{len(twice):,} attempts left more than one entry: {told}",
            *evidence,
        )
    contradicted = list(_contradicted(found))
    if contradicted:
        return failed(
            "untrue",
            "trail.outcome",
            f"{len(contradicted):,} entries say another outcome: {'; '.join(contradicted[:3])}",
            *evidence,
        )
    there = f"{len(found.due) - len(missing):,} of {len(found.due):,} attempts have their entry"
    if found.cut:
        return unknown(f"the trail was longer than {len(found.reads)} pages; {there}", *evidence)
    if found.unfinished:
        return unknown(f"{found.unfinished}; {there}, none twice and none invented", *evidence)
    if not found.due:
        return unknown("nothing was sent that must have left an entry", *evidence)
    return passed(
        "conform-allow",
        f"{len(found.due):,} attempts reconciled with {len(found.entries):,} entries: "
        "none missing, none twice, none invented",
    )


def _with_id(entries: Iterable[Entry]) -> Iterator[Entry]:
    return (entry for entry in entries if entry.of("correlation"))


def _some(due: list[Due]) -> str:
    kinds = list({(one.operation, one.event): one for one in due}.values())
    shown = (f"{one.request} as {one.persona} ({one.event}, {one.key})" for one in kinds[:_SHOWN])
    return "; ".join(shown)


def _contradicted(found: Reconciled) -> Iterator[str]:
    """Attempts whose entry says that they came out the other way."""
    words = {event: set(getattr(found.trail.outcomes, event)) for event in _OTHER_WAY}
    due = {one.key: one for one in found.due if one.operation in found.plain}
    if "outcome" not in claimed(found.trail):
        return
    for entry in _with_id(found.entries):
        key = entry.of("correlation")[0]
        one = due.get(key)
        if one is None or found.sent.get(key, 0) != 1 or one.event not in _OTHER_WAY:
            continue
        said = set(entry.of("outcome"))
        if said & words[_OTHER_WAY[one.event]] and not said & words[one.event]:
            yield f"{one.request} as {one.persona} was {one.event}, it says {_list(said)} ({key})"


_OTHER_WAY: dict[Event, Event] = {"allowed": "denied", "denied": "allowed"}


def told_apart(found: Reconciled) -> Verdict:
    """Operations that do different things to a resource have different words in the trail."""
    named = claimed(found.trail)
    if "action" not in named:
        return passed("conform-allow", "not judged: no place for the action is claimed")
    operations = {one.key: one.operation for one in found.due if found.sent.get(one.key) == 1}
    words: dict[str, set[tuple[tuple[str, ...], tuple[str, ...]]]] = defaultdict(set)
    for entry in _with_id(found.entries):
        operation = operations.get(entry.of("correlation")[0])
        if operation is not None and entry.of("action"):
            words[operation].add((entry.of("resource"), entry.of("action")))
    for one, other in combinations(sorted(words), 2):
        if one.partition(".")[0] != other.partition(".")[0] or not _differ(found, one, other):
            continue
        shared = words[one] & words[other]
        if shared:
            resource, action = next(iter(shared))
            return failed(
                "untrue",
                "trail.action",
                f"the trail calls both {one} and {other} {'/'.join((*resource, *action))!r}",
                *found.reads[-1:],
            )
    return passed("conform-allow", f"{len(words)} operations have words of their own")


def _differ(found: Reconciled, one: str, other: str) -> bool:
    """Whether two operations do different things: by kind, or as actions by their request."""
    (kind, request), (other_kind, other_request) = found.kinds[one], found.kinds[other]
    if request == other_request or {kind, other_kind} <= {"read", "list", "search"}:
        return False
    return kind != other_kind or kind == "action"
