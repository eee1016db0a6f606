"""People around their birthdays, and dates that come back as they were written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from conformance.clock import clock_of
from conformance.instants import (
    DAY,
    age_on,
    born,
    local_date,
    transitions,
)
from conformance.ledgers import (
    AgeLedger,
    DateLedger,
)
from conformance.model import Case, Outcome, Read
from conformance.oracles.day_boundary import Happening, Row
from conformance.pins import Pin
from conformance.sources.day_boundary import pin_of
from conformance.trials.day_boundary.acting import (
    begin,
    clock_off,
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


def births(pin: Pin, majority: int) -> dict[str, date]:
    """Whose birthday it is, and whose it is tomorrow; leaplings near the end of February."""
    found = {
        "of age today": born(majority, pin.date),
        "of age tomorrow": born(majority, pin.date + DAY),
    }
    if (pin.date.month, pin.date.day) in {(2, 28), (2, 29), (3, 1)}:
        year = pin.date.year - majority
        leaps = (one for one in range(year, year - 8, -1) if one % 4 == 0)
        found["born on 29 February"] = date(next(leaps), 2, 29)
    return found


@with_rules
def age(world: World, case: Case) -> Happening:
    """People with birthdays around the pin, and how old they are at it."""
    clock = clock_of(world)
    ledger = ledger_of(world, case)
    assert isinstance(ledger, AgeLedger)
    pin = pin_of(world.target, case)
    what, adapter = said_of(world, case), clock.claims.adapter
    with clock.held():
        rows: list[Row] = []
        events: list[Read] = []
        today = replace(pin, instant=pin.again or pin.instant)
        for whose, birth in births(today, ledger.majority).items():
            scene = scene_of(world, case, pin)
            ready = begin(scene, ledger, ledger.event, {"birth_date": birth.isoformat()})
            scene.come()
            event = scene.act(ready)
            scene.subject(ready)
            events.append(event)
            if event.outcome is not Outcome.ALLOWED:
                break
            said, off = clock_off(clock, pin)
            if off:
                return Happening(case, pin, adapter, what, tuple(events), (), said, off)
            years = age_on(birth, today.date, leapling=ledger.leapling)
            if pin.again is not None:
                scene = later_scene(scene, pin.again, pin.id)
            for name, place in ledger.places.items():
                if pin.again is not None and not place.read:
                    continue
                clock.pin(today.instant)
                reads = scene.do(place.read) if place.read else [event]
                rows.append(_age_row(scene, f"{name}, {whose}", place, reads, years, ledger))
        return Happening(case, pin, adapter, what, tuple(events), tuple(rows), said)


def _age_row(
    scene: Scene, name: str, place: Any, reads: list[Read], years: int, ledger: AgeLedger
) -> Row:
    expected = str(years) if place.years else _truth(years >= ledger.majority)
    rule = "age.years" if place.years else "age.majority"
    trouble = trouble_in(reads)
    source = place.years or place.adult
    found = None if trouble else value_of(source, scene.values, reads)
    if found is None:
        return Row(name, rule, expected, "", tuple(reads), trouble or f"nothing at {source}")
    return Row(name, rule, expected, str(found) if place.years else _truth(found), tuple(reads))


def _truth(value: Any) -> str:
    yes = str(value).strip().lower() in {"true", "1", "yes", "adult", "t", "y"}
    return "of age" if yes else "not of age"


DATES = ("1938-07-01", "1969-12-31", "1970-01-01", "1984-02-29", "1999-12-31", "2000-02-29")
"""Before and after 1970, leap days, ends of years."""


@with_rules
def dates(world: World, case: Case) -> Happening:
    """Dates written at an ordinary hour, read at once and after a change."""
    clock = clock_of(world)
    ledger = ledger_of(world, case)
    assert isinstance(ledger, DateLedger)
    pin = pin_of(world.target, case)
    what, adapter = said_of(world, case), clock.claims.adapter
    rows: list[Row] = []
    events: list[Read] = []
    said: Mapping[str, str] = {}
    with clock.held():
        for index, text in enumerate((*DATES, _day_of_change(pin))):
            scene = scene_of(world, case, pin)
            ready = begin(scene, ledger, ledger.event, {"birth_date": text})
            scene.come()
            event = scene.act(ready)
            scene.subject(ready)
            events.append(event)
            if event.outcome is not Outcome.ALLOWED:
                break
            if not said:
                said, off = clock_off(clock, pin)
                if off:
                    return Happening(case, pin, adapter, what, tuple(events), (), said, off)
            rows += _date_rows(scene, ledger, text, event, "")
            if ledger.touch is not None and not index % 2:
                touched = scene.do([ledger.touch], "attempt")[-1]
                events.append(touched)
                if touched.outcome is Outcome.ALLOWED:
                    rows += _date_rows(scene, ledger, text, None, " before another change")
            if ledger.change is not None and index % 2:
                other = DATES[(index + 3) % len(DATES)]
                changed = scene.do([ledger.change], "attempt", birth_date=other)[-1]
                events.append(changed)
                if changed.outcome is Outcome.ALLOWED:
                    rows += _date_rows(scene, ledger, other, None, " after a change")
        return Happening(case, pin, adapter, what, tuple(events), tuple(rows), said)


def _day_of_change(pin: Pin) -> str:
    """A day of 1990 on which the clock of that zone changed; else an ordinary one."""
    change = next(iter(transitions(pin.zone, 1990)), datetime(1990, 6, 15, 12, tzinfo=UTC))
    return local_date(change, pin.zone).isoformat()


def _date_rows(
    scene: Scene, ledger: DateLedger, text: str, event: Read | None, more: str
) -> Iterator[Row]:
    for name, place in ledger.places.items():
        if not place.read and event is None:
            continue
        reads = scene.do(place.read) if place.read else [event] if event else []
        trouble = trouble_in(reads)
        found = None if trouble else value_of(place.value, scene.values, reads)
        if found is None and not trouble:
            trouble = f"there is nothing at {place.value}"
        label = f"{name}, {text} written{more}"
        yield Row(label, "date.shifted", text, str(found or ""), tuple(reads), trouble)
