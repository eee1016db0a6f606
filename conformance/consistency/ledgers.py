"""The clock and the ledgers: who asks, and what their requests name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from conformance.consistency import names
from conformance.document import Loc, Problem
from conformance.instants import shifted
from conformance.ledgers import DAYS, INSTANT, SHIFTS, AnyLedger, acts, placeholders_of
from conformance.races import Action
from conformance.schema import placeholders_in
from conformance.target import ANONYMOUS, NAME, Target
from conformance.template import arguments_in

_GIVEN = {
    "day": DAYS | {"now", "instant"},
    "stay": frozenset(),
    "schedule": frozenset({"now", "instant"}),
    "age": frozenset({"birth_date"}),
    "date": frozenset({"birth_date"}),
    "local_time": frozenset({"local", "fold", "instant"}),
    "lifetime": frozenset({"seconds"}),
}
"""What the requests of each kind of ledger may name besides what all requests may."""
_NEEDED = {
    ("age", "event"): "birth_date",
    ("date", "event"): "birth_date",
    ("date", "change"): "birth_date",
    ("local_time", "event"): "local",
    ("local_time", "with_fold"): "fold",
    ("local_time", "by_instant"): "instant",
}


def problems(target: Target) -> Iterator[Problem]:
    """What does not fit together, in the order of the file."""
    yield from _clock(target)
    if target.ledgers and target.clock is None:
        yield Problem(
            ("ledgers",), "ledgers need 'clock', which says how the target's clock is pinned"
        )
    for name, ledger in target.ledgers.items():
        yield from _ledger(target, ("ledgers", name), name, ledger)


def _clock(target: Target) -> Iterator[Problem]:
    clock = target.clock
    if clock is None:
        return
    for key, more in (("set", INSTANT), ("reset", ()), ("read", ()), ("zone", {"zone"})):
        action = getattr(clock, key)
        if action is not None:
            yield from _action(target, ("clock", key), action, more)
    if clock.set is not None and not INSTANT & _named(target, clock.set):
        able = ", ".join(f"{{{one}}}" for one in sorted(INSTANT))
        yield Problem(("clock", "set"), f"this names no instant: write one of {able}")
    if clock.zone is not None and "zone" not in _named(target, clock.zone):
        yield Problem(("clock", "zone"), "this names no {zone}")
    for name in sorted(placeholders_in(dict(clock.header)) - INSTANT):
        said = names.unknown(name, "value of an instant", INSTANT)
        yield Problem(("clock", "header"), f"{{{name}}}: {said}")
    for name, by in arguments_in(dict(clock.header)):
        yield Problem(("clock", "header"), f"{{{name}:{by}}}: the clock's header has no shifts")
    if clock.header and not placeholders_in(dict(clock.header)):
        yield Problem(("clock", "header"), "this names no instant, like {instant}")


def _ledger(target: Target, loc: Loc, name: str, ledger: AnyLedger) -> Iterator[Problem]:
    if not NAME.match(name):
        yield Problem(loc, f"{name!r} is no plain name of a ledger (letters, digits, _ and -)")
    if ledger.tenant is not None and ledger.tenant not in target.tenants:
        yield Problem((*loc, "tenant"), names.unknown(ledger.tenant, "tenant", target.tenants))
    known = set(_GIVEN[ledger.kind])
    taken: set[str] = set()
    for below, action in acts(ledger):
        here = (*loc, *below)
        absent = {"fold"} - taken if below[0] != "with_fold" else set()
        yield from _action(target, here, action, known - absent)
        yield from _shifts(here, action, known)
        early = below[0] in {"before", "event"} and action.operation is None
        if early and "id" in _named(target, action) - taken:
            yield Problem(here, "{id} is what the event is about, which is not there yet")
        taken |= set(_taken(target, action))
        known |= {"id", *taken}
        needed = _NEEDED.get((ledger.kind, str(below[0])))
        if needed and _exists(target, action) and needed not in _named(target, action):
            yield Problem((*loc, *below), f"this names no {{{needed}}}, so nothing can be tried")
    for key, place in getattr(ledger, "places", {}).items():
        here = (*loc, "places", key)
        for part in ("value", "holds", "count", "days", "find", "years", "adult"):
            for one in sorted(_values(getattr(place, part, None)) - known - {"id"}):
                # A quantifier of a regular expression looks like a placeholder, but for its digits.
                yield Problem((*here, part), f"{{{one}}}: {names.unknown(one, 'value', known)}")
            for one, by in arguments_in(getattr(place, part, None)):
                said = "shifts are for requests, places in answers have none"
                yield Problem((*here, part), f"{{{one}:{by}}}: {said}")
        words = getattr(place, "relative", SHIFTS)
        if "relative" in {one for act in place.read for one in placeholders_of(act)} and not any(
            away == SHIFTS.get(getattr(ledger, "about", "today")) for away in words.values()
        ):
            yield Problem((*here, "relative"), f"no word is for {getattr(ledger, 'about', '')}")


def _shifts(loc: Loc, action: Action, known: Iterable[str]) -> Iterator[Problem]:
    """Arguments after a colon that would change nothing."""
    parts = (action.request, action.json_, action.form, action.body, action.query, action.headers)
    for name, by in (found for part in parts for found in arguments_in(part)):
        if name == "int" and re.fullmatch(r"\d+(-\d+)?", by):
            continue
        like = _like(name) if name in known else None
        if like is None:
            yield Problem(loc, f"{{{name}:{by}}}: {{{name}}} cannot be shifted")
            continue
        try:
            shifted(like, by)
        except (ValueError, OverflowError):
            by_what = "a unit, like +15m" if "T" in like else "a number, like -2"
            yield Problem(loc, f"{{{name}:{by}}}: this is shifted by {by_what}")


def _like(name: str) -> str | None:
    """How a value of that name is written; what was taken may be any moment. None: otherwise."""
    period = name.removesuffix("_before").removesuffix("_after")
    fixed = {"relative", "local", "fold", "seconds", "id"}
    dated = {"day": "2026-05-14", "month": "2026-05", "year": "2026", "birth_date": "2026-05-14"}
    return None if name in fixed else dated.get(period, "2026-05-14T12:00:00Z")


def _values(text: object) -> set[str]:
    return placeholders_in(text) if isinstance(text, str) else set()


def _action(target: Target, loc: Loc, action: Action, more: Iterable[str]) -> Iterator[Problem]:
    everybody = names.actors(target) | {ANONYMOUS}
    for one in action.as_:
        if one not in everybody:
            yield Problem((*loc, "as"), names.unknown(one, "role or persona", everybody))
    operation = action.operation
    if operation is not None and not _exists(target, action):
        resource, name = operation
        if resource not in target.resources:
            known: Iterable[str] = target.resources
            yield Problem((*loc, "do"), names.unknown(resource, "resource", known))
        else:
            known = target.resources[resource].operations
            yield Problem((*loc, "do"), names.unknown(name, "operation", known))
        return
    yield from names.placeholders(target, loc, action.template(target), {*more, "id"})


def _exists(target: Target, action: Action) -> bool:
    if action.operation is None:
        return True
    resource, name = action.operation
    return resource in target.resources and name in target.resources[resource].operations


def _named(target: Target, action: Action) -> frozenset[str]:
    return action.template(target).placeholders if _exists(target, action) else frozenset()


def _taken(target: Target, action: Action) -> Iterable[str]:
    return action.template(target).take if _exists(target, action) else ()
