"""Pinning the clock of the target as it stands, outside test mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from conformance.clock import PinnedClock, ask, clock_of, given_of
from conformance.instances import NotBuilt, Unclaimed
from conformance.instants import (
    DAY,
    written,
)
from conformance.ledgers import (
    AnyLedger,
    DayLedger,
)
from conformance.model import Case, Outcome, Read
from conformance.oracles.day_boundary import Tampering
from conformance.pins import Pin
from conformance.races import Action
from conformance.target import ANONYMOUS
from conformance.template import render
from conformance.trials.day_boundary.acting import begin
from conformance.trials.day_boundary.days import Readings, labelled
from conformance.trials.scenes import Scene, at, named
from conformance.world import World

_ELSEWHEN = datetime(2031, 3, 15, 12, 20, tzinfo=UTC)
"""Far from the real time, and at an ordinary hour nearly everywhere."""


def in_production(world: World, case: Case) -> Tampering:
    """The clock of the target as it stands, pinned by nobody and by everybody who has a role."""
    claims = world.target.clock
    assert claims is not None and case.variant and case.tenant
    if world.target.system.start is None or not claims.environment:
        raise Unclaimed(
            "not claimed: no copy of this target is in another mode than the target itself; to "
            'claim it, write system.start and clock.environment, for example {TEST_CLOCK: "1"}'
        )
    if case.variant == "zone":
        return _moved_zone(world, case)
    production = world.anew(world.wire.apart())
    try:
        return _tampered(world, production, case)
    finally:
        production.wire.close()


def _tampered(world: World, production: World, case: Case) -> Tampering:
    claims = world.target.clock
    assert claims is not None
    header = case.variant == "header"
    attempts: list[Read] = []
    if header:
        given = given_of(_ELSEWHEN)
        production.wire.headers.update(
            {name: str(_rendered(text, given)) for name, text in claims.header.items()}
        )
    else:
        assert claims.set is not None
        attempts = list(_by_everybody(production, claims.set, case, **given_of(_ELSEWHEN)))
    told, shown, why = _time_told(production, case)
    moved = None
    if told is not None and abs(told - datetime.now(UTC).date()) > 3 * DAY:
        how = "the header" if header else "the operation that pins the clock"
        moved = f"{how} had effect: what happened now is of {told.isoformat()}"
    if any(read.outcome is Outcome.ALLOWED for read in attempts) and claims.reset is not None:
        list(_by_everybody(production, claims.reset, case))
    proved, unproved = _works_in_test_mode(world, case, header=header, told=told is not None)
    return Tampering(
        case,
        tuple(attempts),
        moved,
        shown,
        proved,
        why or unproved,
        ignored_is_right=header,
    )


def _rendered(text: str, given: Mapping[str, Any]) -> Any:
    return render(text, lambda name, _argument, _field: given[name])


def _by_everybody(world: World, action: Action, case: Case, **given: Any) -> Iterator[Read]:
    """The request by nobody, by whom it is meant for, and by one persona of each role."""
    target = world.target
    assert case.tenant
    seen: set[tuple[str, ...]] = set()
    people = [ANONYMOUS]
    for persona, account in target.personas.items():
        roles = tuple(account.role)
        if account.tenant in {None, case.tenant} and roles not in seen:
            seen.add(roles)
            people.append(persona)
    for persona in people:
        read = ask(world, action, world.sessions[persona], case.tenant, **given)
        yield read


def _time_told(world: World, case: Case) -> tuple[date | None, Read | None, str | None]:
    """The day that the target gives to what happens now, by a ledger's label or its own clock."""
    ledgers: Mapping[str, AnyLedger] = world.target.ledgers
    for ledger in ledgers.values():
        if not isinstance(ledger, DayLedger) or ledger.about != "today":
            continue
        labels = [
            place
            for place in ledger.places.values()
            if place.value is not None and place.is_ in {None, "day"} and ledger.period == "day"
        ]
        if not labels or ledger.tenant not in {None, case.tenant}:
            continue
        now = datetime.fromtimestamp(world.wire.now(), UTC)
        pin = Pin("now", "now", _zone_of(world, case), now)
        scene = Scene(_Standing(), world, case.tenant or "", pin)  # type: ignore[arg-type]
        try:
            given = {**named(pin.date), **at(pin), "relative": ledger.about}
            ready = begin(scene, ledger, ledger.event, given)
            event = scene.act(ready)
            scene.subject(ready)
            row = labelled(Readings(scene), ledger, "label", labels[0], pin.date, event)
        except NotBuilt as problem:
            return None, None, f"no effect could be seen: {problem}"
        try:
            return date.fromisoformat(row.observed), event, None
        except ValueError:
            why = row.trouble or f"{row.observed!r} is no date"
            return None, event, f"no effect could be seen: {why}"
    return None, None, "no ledger has a place that shows the day of what happens now"


def _zone_of(world: World, case: Case) -> str:
    described = world.target.tenants.get(case.tenant or "")
    return (described.timezone if described else None) or "UTC"


class _Standing:
    """The real clock, which nobody pins."""

    exact = False

    def now(self) -> datetime:
        return datetime.now(UTC)

    def pin(self, _instant: datetime) -> None:
        return


def _works_in_test_mode(
    world: World, case: Case, *, header: bool, told: bool
) -> tuple[bool, str | None]:
    """Whether the same has an effect on a copy in test mode."""
    clock = clock_of(world)
    key = ("works", header)
    if clock.shared:
        return True, None  # there is no other target; that it can be pinned is shown by the rest
    if key not in clock.kept:
        clock.kept[key] = _effect(clock, case, header=header, told=told)
    found: tuple[bool, str | None] = clock.kept[key]
    return found


def _effect(clock: PinnedClock, case: Case, *, header: bool, told: bool) -> tuple[bool, str | None]:
    claims = clock.claims
    other = PinnedClock(
        claims.model_copy(update={"adapter": "header" if header else "endpoint"}),
        clock.base.anew(clock.base.wire.apart()),
        None,
        shared=True,
    )
    if claims.adapter == "faketime":
        return True, None
    try:
        with other.held():
            other.pin(_ELSEWHEN)
            reading = other.read()
            at_ = reading.application or reading.database if reading else None
            if at_ is not None:
                near = abs((at_ - other.now()).total_seconds()) <= claims.tolerance
                return near, None if near else f"in test mode the clock says {written(at_)}"
            day, _read, why = _time_told(other.base, case)
            return day == _ELSEWHEN.date() and told, why
    finally:
        clock.forget(case.tenant or "", Pin("now", "now", "UTC", _ELSEWHEN))


def _moved_zone(world: World, case: Case) -> Tampering:
    """A tenant moved to the zone where it is anyway, so that nothing happens if it is let."""
    claims = world.target.clock
    assert claims is not None and claims.zone is not None
    zone = _zone_of(world, case)
    attempts = tuple(_by_everybody(world, claims.zone, case, zone=zone))
    clock = clock_of(world)
    if clock.shared:
        return Tampering(case, attempts, proved=True)
    read = ask(clock.base, claims.zone, clock.session(claims.zone), case.tenant, zone=zone)
    proved = read.outcome is Outcome.ALLOWED
    return Tampering(case, attempts, None, read, proved, None if proved else f"got {read.status}")
