"""Cases about local days: each ledger at each pin of each zone in question."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from conformance import known, pins, policy
from conformance.cases import WHOLE, Profile, unclaimed
from conformance.ledgers import (
    AgeLedger,
    AnyLedger,
    Clock,
    DateLedger,
    DayLedger,
    LifetimeLedger,
    LocalTimeLedger,
    ScheduleLedger,
    StayLedger,
)
from conformance.model import Case, Expected
from conformance.pins import Pin
from conformance.races import Action
from conformance.target import Target

_CLOCK = "clock: {adapter: endpoint, set: {...}, reset: {...}, read: {...}}"
_CHANGING = ("America/New_York", "America/Santiago", "Australia/Lord_Howe")
"""An hour at two in the morning, an hour at midnight, half an hour."""
_MORE_CHANGING = ("Europe/London", "America/St_Johns", "Pacific/Auckland")
_FAR = ("Pacific/Kiritimati", "Pacific/Pago_Pago")
"""The first zone of the world to begin a day, and one of the last."""

Pins = Callable[[str, Profile], tuple[Pin, ...]]


def days(target: Target, profile: Profile) -> Iterator[Case]:
    """What happens at each pin, with all the places in which its day shows."""
    example = "bill: {event: bill.create, places: {bill: {read: bill.read, value: $.date}}}"
    yield from _cases(target, profile, DayLedger, example)


def stays(target: Target, profile: Profile) -> Iterator[Case]:
    """Stays over awkward nights and days."""
    example = (
        "bed_days: {kind: stay, event: admission.admit, ends: admission.discharge, places: {...}}"
    )
    yield from _cases(target, profile, StayLedger, example)


def schedules(target: Target, profile: Profile) -> Iterator[Case]:
    """What is scheduled across clock changes."""
    example = (
        "doses: {kind: schedule, event: order.schedule, every_hours: 8, count: 6, due: '$[*]'}"
    )
    yield from _cases(target, profile, ScheduleLedger, example)


def ages(target: Target, profile: Profile) -> Iterator[Case]:
    """People whose birthday is on, or just after, the day of each pin."""
    example = "age: {kind: age, event: patient.create, places: {patient: {adult: $.adult}}}"
    yield from _cases(target, profile, AgeLedger, example)


def dates(target: Target, profile: Profile) -> Iterator[Case]:
    """Dates written and read in zones far east and far west."""
    example = "birth: {kind: date, event: patient.create, places: {patient: {value: $.birth_date}}}"
    yield from _cases(target, profile, DateLedger, example)


def local_times(target: Target, profile: Profile) -> Iterator[Case]:
    """Wall times that never come, and that come twice."""
    example = "slots: {kind: local_time, event: {...}, value: $.starts_at}"
    yield from _cases(target, profile, LocalTimeLedger, example)


def lifetimes(target: Target, profile: Profile) -> Iterator[Case]:
    """What is given out for a while, across clock changes."""
    example = "session: {kind: lifetime, seconds: 900, use: account.read, keeps: session}"
    yield from _cases(target, profile, LifetimeLedger, example)


def in_production(target: Target, _profile: Profile) -> Iterator[Case]:
    """The operations and the header by which the clock is pinned, outside test mode.

    Where a tenant is moved by an operation of the target file, its policy says who may do that.
    """
    clock = target.clock
    ways = [name for name in ("set", "header", "zone") if clock and getattr(clock, name)]
    if clock is not None and clock.zone is not None and _ordinary(target, clock.zone):
        ways.remove("zone")
    if not ways:
        yield unclaimed("clock", _CLOCK)
    for name in ways:
        yield replace(WHOLE, tenant=policy.tenants(target)[0], expected=Expected.DENY, variant=name)


def _ordinary(target: Target, action: Action) -> bool:
    """Whether it is an operation of the target file, or sent as one of them is."""
    if action.operation is not None:
        return True
    asked = _shape(action.request)
    return any(
        _shape(operation.request) == asked
        for resource in target.resources.values()
        for operation in resource.operations.values()
    )


def _shape(request: str | None) -> str:
    """Method and path, whatever the values in it are called."""
    return re.sub(r"\{[^{}]*\}", "{}", (request or "").partition("?")[0]).rstrip("/")


def shares_its_clock(target: Target) -> bool:
    """Whether the clock that is pinned is everybody's, for want of a copy of the target."""
    return target.clock is not None and target.system.start is None


def _cases(target: Target, profile: Profile, kind: type[AnyLedger], example: str) -> Iterator[Case]:
    if target.clock is None:
        yield unclaimed("clock", _CLOCK)
        return
    of_kind = {name: one for name, one in target.ledgers.items() if isinstance(one, kind)}
    if not of_kind:
        yield unclaimed("ledgers", example)
        return
    found = False
    pairs = [
        (pin, name, tenant)
        for name, ledger in of_kind.items()
        for tenant, pin in pins_of(target, ledger, profile)
    ]
    # Time goes forward, so that nobody meets what another pin left in their future.
    for pin, name, tenant in sorted(pairs, key=lambda one: (_over(one[0]), one[0].id, one[2])):
        found = True
        where = _where(target, of_kind[name], tenant)
        variant = f"{name}.{where}{pin.id}"
        yield replace(WHOLE, tenant=tenant, kind="create", expected=Expected.ALLOW, variant=variant)
    if not found:
        yield unclaimed("tenants.NAME.timezone", "north: {timezone: America/New_York}")


def _where(target: Target, ledger: AnyLedger, tenant: str) -> str:
    """What tells the pins of tenants apart, where each has those of its own zone."""
    assert target.clock is not None
    many = sum(1 for _ in _zones(target, ledger, target.clock, Profile.FULL)) > 1
    return f"{tenant}." if target.clock.zone is None and many else ""


def _over(pin: Pin) -> datetime:
    return pin.again or pin.instant


def pins_of(target: Target, ledger: AnyLedger, profile: Profile) -> Iterator[tuple[str, Pin]]:
    """At which pins a ledger is tried, and in which tenant."""
    clock = target.clock
    assert clock is not None
    for tenant, zone in _zones(target, ledger, clock, profile):
        for pin in _PINS[type(ledger)](ledger, zone, clock, profile):
            yield tenant, pin


def _zones(
    target: Target, ledger: AnyLedger, clock: Clock, profile: Profile
) -> Iterator[tuple[str, str]]:
    """Tenants with their zone; with every zone in question where they can be moved."""
    tenants = [ledger.tenant] if ledger.tenant else list(policy.tenants(target))
    own = {name: target.tenants[name].timezone for name in tenants if name in target.tenants}
    if clock.zone is None:
        seen: set[str] = set()
        for tenant, zone in own.items():
            if zone is not None and zone not in seen and (len(seen) < 3 or profile is Profile.FULL):
                seen.add(zone)
                yield tenant, zone
        return
    tenant = tenants[0]
    first = own.get(tenant) or "UTC"
    more = _MORE_CHANGING if profile is Profile.FULL else ()
    wanted: Mapping[type, tuple[str, ...]] = {
        DayLedger: (first,),
        AgeLedger: (first,),
        StayLedger: (*_CHANGING, *more),
        ScheduleLedger: (*_CHANGING, *more),
        LocalTimeLedger: (*_CHANGING, *more),
        DateLedger: (first, *_FAR, *more),
        LifetimeLedger: (_CHANGING[0], *((_CHANGING[2],) if more else ()), *more),
    }
    for zone in dict.fromkeys(wanted[type(ledger)]):
        yield tenant, zone


def _of_day(ledger: AnyLedger, zone: str, clock: Clock, profile: Profile) -> tuple[Pin, ...]:
    """Where zones can be set, the table; else what can be exposed in this zone. And a dull one.

    One more for what is read much later than it happened.
    """
    return (*_soon(zone, clock, profile), *_much_later(ledger, zone, clock))


def _much_later(ledger: AnyLedger, zone: str, clock: Clock) -> Iterator[Pin]:
    if isinstance(ledger, AgeLedger):
        if any(place.read for place in ledger.places.values()):
            yield pins.ordinary_before(3, zone)
        return
    assert isinstance(ledger, DayLedger)
    found = pins.half_a_year_apart(zone)
    if found is None and clock.zone is not None:
        found = pins.half_a_year_apart(_CHANGING[0])
    if found is not None and any(place.read_again for place in ledger.places.values()):
        yield found


def _soon(zone: str, clock: Clock, profile: Profile) -> tuple[Pin, ...]:
    if clock.zone is None:
        return (pins.dull(zone), *pins.derived(zone))
    found = known.clock_pins()
    if profile is not Profile.FULL:
        found = tuple(pin for pin in found if pin.smallest)
    return (pins.dull(zone), *found)


def _of_stay(_ledger: AnyLedger, zone: str, clock: Clock, profile: Profile) -> tuple[Pin, ...]:
    found = pins.stays(zone)
    everywhere = profile is Profile.FULL or clock.zone is None or zone == _CHANGING[0]
    return found if everywhere else found[4:]


def _of_schedule(
    _ledger: AnyLedger, zone: str, _clock: Clock, _profile: Profile
) -> tuple[Pin, ...]:
    return pins.before_changes(zone, 1.3)


def _of_local_time(
    _ledger: AnyLedger, zone: str, _clock: Clock, _profile: Profile
) -> tuple[Pin, ...]:
    return pins.before_changes(zone, 3.2)


def _of_date(_ledger: AnyLedger, zone: str, _clock: Clock, _profile: Profile) -> tuple[Pin, ...]:
    dull = pins.dull(zone)
    return (replace(dull, id=f"dates-{zone.rsplit('/', maxsplit=1)[-1]}"),)


def _of_lifetime(ledger: AnyLedger, zone: str, _clock: Clock, _profile: Profile) -> tuple[Pin, ...]:
    assert isinstance(ledger, LifetimeLedger)
    found = pins.across(zone, ledger.seconds)
    return found or (pins.dull(zone),)


_PINS: Mapping[type, Callable[[AnyLedger, str, Clock, Profile], tuple[Pin, ...]]] = {
    DayLedger: _of_day,
    AgeLedger: _of_day,
    StayLedger: _of_stay,
    ScheduleLedger: _of_schedule,
    LocalTimeLedger: _of_local_time,
    DateLedger: _of_date,
    LifetimeLedger: _of_lifetime,
}


def pin_of(target: Target, case: Case) -> Pin:
    """The pin that the variant of a case names."""
    name, _, pin = (case.variant or "").partition(".")
    tenant = case.tenant or ""
    where = _where(target, target.ledgers[name], tenant)
    return _known(_Same(target), name, tenant)[pin.removeprefix(where)]


class _Same:
    """A target as a key: by its identity."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.target is self.target

    def __hash__(self) -> int:
        return id(self.target)


@lru_cache(maxsize=256)
def _known(same: _Same, ledger: str, tenant: str) -> Mapping[str, Pin]:
    described = same.target.ledgers[ledger]
    return {
        pin.id: pin
        for where, pin in pins_of(same.target, described, Profile.FULL)
        if where == tenant
    }
