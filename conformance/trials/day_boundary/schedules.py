"""What is scheduled at a pinned instant, and when it is due."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from conformance.clock import clock_of, moment
from conformance.instants import (
    DAY,
    at_wall,
    exists,
)
from conformance.ledgers import (
    ScheduleLedger,
)
from conformance.model import Case, Outcome, Read
from conformance.oracles.day_boundary import Happening, Row
from conformance.pins import Pin
from conformance.sources.day_boundary import pin_of
from conformance.trials.day_boundary.acting import (
    CLOSE,
    begin,
    clock_off,
    gap_end,
    ids_in,
    ledger_of,
    said_of,
    scene_of,
    trouble_in,
    with_rules,
)
from conformance.trials.scenes import Scene, at
from conformance.world import World


@with_rules
def schedule(world: World, case: Case) -> Happening:
    """Something scheduled at the pin, and when it is due."""
    clock = clock_of(world)
    ledger = ledger_of(world, case)
    assert isinstance(ledger, ScheduleLedger)
    pin = pin_of(world.target, case)
    with clock.held():
        scene = scene_of(world, case, pin)
        ready = begin(scene, ledger, ledger.event, at(pin))
        clock.pin(pin.instant)
        event = scene.act(ready)
        scene.subject(ready)
        said, off = clock_off(clock, pin)
        what, adapter = said_of(world, case), clock.claims.adapter
        if event.outcome is not Outcome.ALLOWED or off:
            return Happening(case, pin, adapter, what, (event,), (), said, off)
        reads = scene.do(ledger.read) if ledger.read else [event]
        row = _due_row(scene, ledger, reads)
        return Happening(case, pin, adapter, what, (event,), (row,), said)


def _due_row(scene: Scene, ledger: ScheduleLedger, reads: list[Read]) -> Row:
    trouble = trouble_in(reads)
    zone = scene.pin.zone
    if trouble:
        return Row("due", "schedule.due", "", "", tuple(reads), trouble)
    told = [one for read in reads for one in ids_in(ledger.due, scene.values, read)]
    due = [moment(one) for one in told]
    if not due or any(one is None for one in due):
        shown = ", ".join(told) or "nothing"
        return Row("due", "schedule.due", "", "", tuple(reads), f"no instants: {shown}")
    found = sorted(one for one in due if one is not None)
    expected = (
        _elapsed(ledger, scene.pin, found[0])
        if ledger.every_hours is not None
        else _by_wall(ledger, scene.pin)
    )
    fitting = [
        next((one for one in able if abs((one - shown).total_seconds()) <= CLOSE), able[0])
        for able, shown in zip(expected, found, strict=False)
    ]
    fitting += [able[0] for able in expected[len(fitting) :]]
    return Row(
        "due",
        "schedule.due",
        _walls(fitting, zone),
        _walls([_snapped(one, fitting) for one in found], zone),
        tuple(reads),
    )


def _snapped(shown: datetime, expected: list[datetime]) -> datetime:
    """The expected instant that is close to the one shown, if there is one."""
    near = (one for one in expected if abs((one - shown).total_seconds()) <= CLOSE)
    return next(near, shown)


def _walls(instants: list[datetime], zone: str) -> str:
    return ", ".join(
        one.astimezone(ZoneInfo(zone)).isoformat(sep=" ", timespec="minutes") for one in instants
    )


def _elapsed(ledger: ScheduleLedger, pin: Pin, first: datetime) -> list[list[datetime]]:
    """Equal steps of elapsed time; the first at the event, or one step after it."""
    assert ledger.every_hours is not None
    step = timedelta(hours=ledger.every_hours)
    starts = (pin.instant, pin.instant + step)
    start = min(starts, key=lambda one: abs(one - first))
    return [[start + index * step] for index in range(ledger.count)]


def _by_wall(ledger: ScheduleLedger, pin: Pin) -> list[list[datetime]]:
    """Each wall time from the event on; what a clock change moves may be due at either reading."""
    due: list[list[datetime]] = []
    day = pin.date
    while len(due) < ledger.count:
        for text in sorted(set(ledger.at)):
            local = datetime.combine(day, time.fromisoformat(text))
            able = [at_wall(local, pin.zone, fold) for fold in (0, 1)]
            if not exists(local, pin.zone):
                able += [gap_end(able, pin.zone)]
            if able[0] >= pin.instant:
                due.append(able)
        day += DAY
    return due[: ledger.count]
