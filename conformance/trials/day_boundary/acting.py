"""What every kind of ledger needs: its scene, the clocks read back, and values out of answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import wraps
from types import MappingProxyType
from typing import Any

from conformance.clock import LEAD, PinnedClock, clock_of, tzdata
from conformance.comparison import parsed
from conformance.extraction import extract, values
from conformance.fields import plain
from conformance.instances import NotBuilt
from conformance.instants import (
    local_date,
    transitions,
    written,
)
from conformance.ledgers import (
    AnyLedger,
)
from conformance.model import Case, Outcome, Read
from conformance.oracles.day_boundary import Happening
from conformance.pins import Pin
from conformance.races import Action
from conformance.trials.scenes import Ready, Scene
from conformance.verdicts import no_statement
from conformance.world import World

CLOSE = 1.5
"""Seconds by which an instant that was computed may differ from the one that is shown."""


Trying = Callable[[World, Case], Happening]


def with_rules(trial: Trying) -> Trying:
    """The trial, which says by which time zone rules local dates were worked out."""

    @wraps(trial)
    def saying(world: World, case: Case) -> Happening:
        return replace(trial(world, case), tzdata=tzdata())

    return saying


def ledger_of(world: World, case: Case) -> AnyLedger:
    """The ledger that the variant of a case names."""
    return world.target.ledgers[(case.variant or "").partition(".")[0]]


def said_of(world: World, case: Case) -> str:
    name = (case.variant or "").partition(".")[0]
    return world.target.ledgers[name].says or name.replace("_", " ")


def scene_of(world: World, case: Case, pin: Pin) -> Scene:
    clock = clock_of(world)
    assert case.tenant
    clock.pin(pin.instant - LEAD)
    clock.move(case.tenant, pin.zone)
    return Scene(clock, clock.world(case.tenant, pin), case.tenant, pin)


def begin(
    scene: Scene, ledger: AnyLedger, event: Action, given: Mapping[str, Any] = MappingProxyType({})
) -> Ready:
    """Everything but the event itself, a little before the pin.

    What is `given` may be named by all that is done in the scene from then on.
    """
    scene.values |= given
    scene.early()
    for action in ledger.before:
        reads = scene.do([action], "set-up")
        _through(reads, action)
    ready = scene.ready(event)
    scene.actor = ready.persona
    scene.log_in(ready.persona)
    return ready


def _through(reads: list[Read], action: Action) -> None:
    if reads[-1].outcome is not Outcome.ALLOWED:
        raise NotBuilt(
            f"{action.request or action.do} as {reads[-1].exchange.persona} got {reads[-1].status}",
            reads[-1].exchange,
        )


def clock_off(
    clock: PinnedClock, pin: Pin, late: datetime | None = None
) -> tuple[Mapping[str, str], str | None]:
    """What the target's clocks say, and why they are not where they have to be.

    `late` is when the event was over, which must be on the pin's local day by each of them.
    """
    sooner = clock.now()
    reading = clock.read()
    later = clock.now()
    if reading is None:
        return {}, "nothing tells what time it is for the target; declare clock.read"
    declared = clock.claims.read.take if clock.claims.read is not None else {}
    said = ", ".join(f"{name} {value}" for name, value in reading.said.items())
    for name, told in (("application", reading.application), ("database", reading.database)):
        if told is None and name in declared:
            return reading.said, f"the {name} does not say its time"
        if told is None:
            continue
        apart = _apart(told, sooner, later)
        if abs(apart) > timedelta(seconds=clock.claims.tolerance):
            return reading.said, f"{apart.total_seconds():.1f} s from {written(later)}: {said}"
        if late is not None and pin.date != local_date(late + apart, pin.zone):
            return reading.said, f"by the {name} it was another local day already: {said}"
        if late is not None and pin.date != local_date(pin.instant + apart, pin.zone):
            return reading.said, f"by the {name} it was another local day still: {said}"
    return reading.said, None


def _apart(told: datetime, sooner: datetime, later: datetime) -> timedelta:
    """By how much a clock differs that was read between two moments; one without fractions less."""
    most = told if told.microsecond else told + timedelta(seconds=1)
    if told > later:
        return told - later
    return most - sooner if most < sooner else timedelta(0)


def filled(source: str, known: Mapping[str, Any]) -> str:
    """A place in an answer with the values that it names; escaped where it is a regex."""
    place, sign, pattern = source.partition(" ~ ")
    for name, value in known.items():
        place = place.replace("{" + name + "}", str(value))
        pattern = pattern.replace("{" + name + "}", re.escape(str(value)))
    return place + sign + pattern


def value_of(source: str, known: Mapping[str, Any], reads: list[Read]) -> Any:
    for read in reads:
        if read.exchange.answer is not None:
            found = extract(filled(source, known), read.exchange.answer)
            if found is not None:
                return found
    return None


def trouble_in(reads: list[Read]) -> str | None:
    """Why what was read tells nothing."""
    for read in reads:
        if read.outcome is not Outcome.ALLOWED or read.exchange.answer is None:
            return no_statement(read) or (
                f"{read.exchange.persona} was refused ({read.status}) at "
                f"{read.exchange.request.method} {read.exchange.request.url}"
            )
    return None


def ids_in(holds: str, known: Mapping[str, Any], read: Read) -> list[str]:
    answer = read.exchange.answer
    if answer is None:
        return []
    return [str(one) for one in values(filled(holds, known), parsed(answer))]


_ONWARD = frozenset(
    "next nextcursor nexttoken nextpage nextlink nexturl more hasmore hasnext hasnextpage".split()
)
_TOTAL = frozenset({"total", "totalcount", "totalitems", "totalelements"})
_DEEP = 3


def goes_on(read: Read, rows: int) -> bool:
    """Whether an answer says of itself that it is not all, of which it shows so many rows."""
    answer = read.exchange.answer
    if answer is None:
        return False
    if re.search(r'rel="?next\b', answer.header("link") or ""):
        return True
    return _tells_of_more(parsed(answer), rows, _DEEP)


def _tells_of_more(value: Any, rows: int, depth: int) -> bool:
    if isinstance(value, list):
        # FHIR R4, Bundle.link: {relation: next, url: ...}
        return any(isinstance(one, dict) and one.get("relation") == "next" for one in value)
    if not isinstance(value, dict) or depth == 0:
        return False
    for key, item in value.items():
        name = plain(key)
        if name in _ONWARD and item not in (None, False, "", 0, [], {}):
            return True
        if name in _TOTAL and isinstance(item, int) and not isinstance(item, bool) and item > rows:
            return True
    return any(_tells_of_more(item, rows, depth - 1) for item in value.values())


def later_scene(scene: Scene, instant: datetime, name: str) -> Scene:
    """The same records at a later instant, with people who log in then."""
    pin = replace(scene.pin, id=f"{name}~{written(instant)}", instant=instant)
    world = scene.clock.world(scene.tenant, pin)
    # What relations are there already is known, so nobody is made to stand anywhere twice.
    world.instances |= scene.world.instances
    scene.clock.forget(scene.tenant, pin)
    found = Scene(scene.clock, world, scene.tenant, pin)
    found.records, found.values = dict(scene.records), dict(scene.values)
    found.actor = scene.actor
    scene.clock.pin(instant - LEAD)
    return found


def gap_end(around: list[datetime], zone: str) -> datetime:
    """The first instant after the gap between two readings of a time that does not exist."""
    sooner, later = sorted(around)
    for change in transitions(zone, sooner.year):
        if sooner <= change <= later:
            return change
    return later
