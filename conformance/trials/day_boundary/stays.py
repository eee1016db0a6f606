"""Stays from one instant to another, and the days for which they count."""

from __future__ import annotations

from datetime import date
from typing import Any

from conformance.clock import clock_of
from conformance.instants import (
    DAY,
    hours_of,
    local_date,
)
from conformance.ledgers import (
    StayLedger,
)
from conformance.model import Case, Outcome
from conformance.oracles.day_boundary import Happening, Row
from conformance.pins import Pin
from conformance.sources.day_boundary import pin_of
from conformance.trials.day_boundary.acting import (
    begin,
    clock_off,
    ids_in,
    later_scene,
    ledger_of,
    said_of,
    scene_of,
    trouble_in,
    value_of,
    with_rules,
)
from conformance.trials.scenes import Scene
from conformance.world import World


@with_rules
def stay(world: World, case: Case) -> Happening:
    """A stay from the pin to its end, and the days for which it counts."""
    clock = clock_of(world)
    ledger = ledger_of(world, case)
    assert isinstance(ledger, StayLedger)
    pin = pin_of(world.target, case)
    assert pin.until is not None
    with clock.held():
        scene = scene_of(world, case, pin)
        ready = begin(scene, ledger, ledger.event)
        clock.pin(pin.instant)
        began = scene.act(ready)
        scene.subject(ready)
        said, off = clock_off(clock, pin)
        what = said_of(world, case)
        adapter = clock.claims.adapter
        if began.outcome is not Outcome.ALLOWED or off:
            return Happening(case, pin, adapter, what, (began,), (), said, off)
        later = later_scene(scene, pin.until, pin.id)
        leaving = later.ready(ledger.ends)
        later.log_in(leaving.persona)
        clock.pin(pin.until)
        ended = later.act(leaving)
        expected = counted_days(pin, ledger.rule)
        rows: list[Row] = []
        if ended.outcome is Outcome.ALLOWED:
            rows = [
                _stay_row(later, name, place, expected) for name, place in ledger.places.items()
            ]
        return Happening(case, pin, adapter, what, (began, ended), tuple(rows), said)


def counted_days(pin: Pin, rule: str) -> list[date]:
    """The local days for which a stay from the pin to its end counts by the rule."""
    assert pin.until is not None
    first, last = pin.date, local_date(pin.until, pin.zone)
    nights = (last - first).days
    number = max(1, nights) if rule == "midnights" else nights + 1
    every = (first + index * DAY for index in range(number))
    return [day for day in every if hours_of(day, pin.zone) > 0]


def _stay_row(scene: Scene, name: str, place: Any, expected: list[date]) -> Row:
    scene.come()
    reads = scene.do(place.read)
    trouble = trouble_in(reads)
    right = ", ".join(day.isoformat() for day in expected)
    if place.count is not None:
        right = str(len(expected))
    if trouble:
        return Row(name, "stay.days", right, "", tuple(reads), trouble)
    if place.days is not None:
        found = [one[:10] for read in reads for one in ids_in(place.days, scene.values, read)]
        shown = ", ".join(sorted(found)) or "no day"
    else:
        shown = str(value_of(place.count, scene.values, reads))
    return Row(name, "stay.days", right, shown, tuple(reads))
