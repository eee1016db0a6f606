"""Trying ledgers: something happens at a pinned instant, and every place of it is looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

from conformance import pins
from conformance.clock import LEAD, PinnedClock, ask, clock_of, given_of, moment, tzdata
from conformance.comparison import parsed
from conformance.extraction import extract, values
from conformance.instances import NotBuilt, Unclaimed
from conformance.instants import (
    DAY,
    age_on,
    at_wall,
    born,
    exists,
    happens_twice,
    hours_of,
    local_date,
    transitions,
    written,
)
from conformance.known import keep_alive
from conformance.ledgers import (
    SHIFTS,
    AgeLedger,
    AnyLedger,
    DateLedger,
    DayLedger,
    LifetimeLedger,
    LocalTimeLedger,
    Place,
    ScheduleLedger,
    StayLedger,
    placeholders_of,
)
from conformance.login import Credentials, LoginFailed, log_in, refresh
from conformance.model import Case, Outcome, Read
from conformance.oracles.day_boundary import Happening, Row, Tampering
from conformance.pins import Pin
from conformance.races import Action
from conformance.session import Session
from conformance.sources.day_boundary import pin_of
from conformance.target import ANONYMOUS
from conformance.template import render
from conformance.trials.scenes import Ready, Scene, about_day, at, named
from conformance.verdicts import no_statement
from conformance.world import World

_TRIES = 3
_NEAR = timedelta(seconds=10)
"""How long after its pin an event may be, where the clock runs on."""
_CLOSE = 1.5
"""Seconds by which an instant that was computed may differ from the one that is shown."""


Trying = Callable[[World, Case], Happening]


def _with_rules(trial: Trying) -> Trying:
    """The trial, which says by which time zone rules local dates were worked out."""

    @wraps(trial)
    def saying(world: World, case: Case) -> Happening:
        return replace(trial(world, case), tzdata=tzdata())

    return saying


def ledger_of(world: World, case: Case) -> AnyLedger:
    """The ledger that the variant of a case names."""
    return world.target.ledgers[(case.variant or "").partition(".")[0]]


def _said(world: World, case: Case) -> str:
    name = (case.variant or "").partition(".")[0]
    return world.target.ledgers[name].says or name.replace("_", " ")


def _scene(world: World, case: Case, pin: Pin) -> Scene:
    clock = clock_of(world)
    assert case.tenant
    clock.pin(pin.instant - LEAD)
    clock.move(case.tenant, pin.zone)
    return Scene(clock, clock.world(case.tenant, pin), case.tenant, pin)


def _begin(scene: Scene, ledger: AnyLedger, event: Action) -> Ready:
    """Everything but the event itself, a little before the pin."""
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


def _off(
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


# --- days ------------------------------------------------------------------------------------


@_with_rules
def on_day(world: World, case: Case) -> Happening:
    """The event at the pin, and all its places; those of an ordinary hour as the control."""
    clock = clock_of(world)
    ledger = ledger_of(world, case)
    assert isinstance(ledger, DayLedger)
    pin = pin_of(world.target, case)
    with clock.held():
        happening = _happen(world, case, ledger, pin)
        if pin.id == "dull" or happening.off or all(row.right for row in happening.rows):
            return happening
        # Whether a place is wrong at that hour only, is worth to know of wrong ones alone.
        return replace(happening, control=_usual(world, case, ledger))


def _usual(world: World, case: Case, ledger: DayLedger) -> tuple[Row, ...]:
    """What the places show of an event at an ordinary hour, once for each worker."""
    clock = clock_of(world)
    described = world.target.tenants.get(case.tenant or "")
    zone = (described.timezone if described else None) or "UTC"
    key = ("usual", case.tenant, (case.variant or "").partition(".")[0])
    if key not in clock.kept:
        found = _happen(world, case, ledger, pins.dull(zone))
        clock.kept[key] = () if found.off else found.rows
    rows: tuple[Row, ...] = clock.kept[key]
    return rows


def _happen(world: World, case: Case, ledger: DayLedger, pin: Pin) -> Happening:
    clock = clock_of(world)
    assert case.tenant
    day = about_day(pin, ledger.about)
    what = _said(world, case)
    off: str | None = None
    for _turn in range(_TRIES):
        scene = _scene(world, case, pin)
        given = {**named(day), **at(pin), "relative": ledger.about}
        ready = _begin(scene, ledger, ledger.event)
        scene.come()
        before = _counts(scene, ledger, day)
        clock.pin(pin.instant)
        event = scene.act(ready, given)
        scene.subject(ready)
        late = clock.now()
        clock.pin(pin.instant)
        said, off = _off(clock, pin, late)
        if event.outcome is not Outcome.ALLOWED:
            break
        if off is None and local_date(late, pin.zone) == pin.date:
            rows = tuple(_rows(scene, ledger, day, event, before))
            return Happening(case, pin, clock.claims.adapter, what, (event,), rows, said)
        off = off or f"the event took until {written(late)}, which is another local day"
    return Happening(case, pin, clock.claims.adapter, what, (event,), (), said, off)


Buckets = tuple[tuple[str, int, Mapping[str, Any]], ...]
"""Label, distance from the right one, and what requests for it name."""


def _buckets(place: Place, day: date, about: int) -> Buckets:
    """The right day, month or year, and its neighbors, as the place can be asked for them."""
    if _relative(place):
        return tuple(
            (word, away - about, {"relative": word}) for word, away in place.relative.items()
        )
    found = []
    for shift in (0, -1, 1):
        values_ = named(day, shift)
        found.append((values_[place.period or "day"], shift, values_))
    return tuple(found)


def _relative(place: Place) -> bool:
    return any("relative" in placeholders_of(action) for action in place.read)


def _away(ledger: DayLedger) -> int:
    return SHIFTS[ledger.about]


def _counts(scene: Scene, ledger: DayLedger, day: date) -> dict[tuple[str, str], int | None]:
    """What the counting places count before the event."""
    found: dict[tuple[str, str], int | None] = {}
    for name, place in ledger.places.items():
        if place.count is None:
            continue
        for label, _distance, given in _buckets(place, day, _away(ledger)):
            scene.come()
            found[name, label] = _number(scene, place, scene.do(place.read, **given))
    return found


def _number(scene: Scene, place: Place, reads: list[Read]) -> int | None:
    answer = reads[-1].exchange.answer
    if reads[-1].outcome is not Outcome.ALLOWED or answer is None or place.count is None:
        return None
    found = extract(_filled(place.count, scene.values), answer)
    try:
        return int(str(found))
    except ValueError:
        return None


def _filled(source: str, known: Mapping[str, Any]) -> str:
    """A place in an answer with the values that it names; escaped where it is a regex."""
    place, sign, pattern = source.partition(" ~ ")
    for name, value in known.items():
        place = place.replace("{" + name + "}", str(value))
        pattern = pattern.replace("{" + name + "}", re.escape(str(value)))
    return place + sign + pattern


class _Reading:
    """What places show, each asked for once: several may look at the same answer."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._read: dict[str, list[Read]] = {}
        self._scenes: dict[float, Scene] = {0: scene}

    def of(self, place: Place, given: Mapping[str, Any]) -> list[Read]:
        asked = [action.model_dump_json() for action in place.read]
        named_ = set().union(*(placeholders_of(action) for action in place.read))
        used = sorted((name, given[name]) for name in named_ & set(given))
        key = repr((asked, place.later, used))
        if key not in self._read:
            scene = self._at(place.later)
            scene.come()
            self._read[key] = scene.do(place.read, **given)
        return self._read[key]

    def _at(self, hours: float) -> Scene:
        """The scene so many hours after the event."""
        if hours not in self._scenes:
            pin = self.scene.pin
            self._scenes[hours] = _later(self.scene, pin.instant + timedelta(hours=hours), pin.id)
        return self._scenes[hours]


def _rows(
    scene: Scene,
    ledger: DayLedger,
    day: date,
    event: Read,
    before: Mapping[tuple[str, str], int | None],
) -> Iterator[Row]:
    reading = _Reading(scene)
    for name, place in ledger.places.items():
        if place.value is not None:
            yield _labelled(reading, ledger, name, place, day, event)
        elif place.holds is not None:
            yield _listed(reading, ledger, name, place, day)
        else:
            yield _counted(reading, ledger, name, place, day, before)


def _labelled(
    reading: _Reading, ledger: DayLedger, name: str, place: Place, day: date, event: Read
) -> Row:
    """The date, month, year or instant that stands somewhere."""
    assert place.value is not None
    is_ = place.is_ or ledger.period
    rule = "day.label" if is_ in {"day", "instant"} else "day.period"
    if is_ == "instant":
        expected = written(reading.scene.pin.instant)
    elif place.format:
        expected = day.strftime(place.format)
    else:
        expected = named(day)[is_]
    reads = reading.of(place, named(day)) if place.read else [event]
    trouble = _trouble(reads)
    if trouble:
        return Row(name, rule, expected, "", tuple(reads), trouble)
    found = _value(place.value, reading.scene.values, reads)
    if found is None:
        return Row(name, rule, expected, "", tuple(reads), f"there is nothing at {place.value}")
    observed = str(found)
    if is_ == "instant":
        told = moment(found)
        near = told is not None and abs(told - reading.scene.pin.instant) < _NEAR
        observed = expected if near else written(told) if told else observed
    elif is_ == "day" and not place.format:
        # A label of a whole instant names its day first (RFC 3339).
        observed = observed[:10]
    return Row(name, rule, expected, observed, tuple(reads))


def _value(source: str, known: Mapping[str, Any], reads: list[Read]) -> Any:
    for read in reads:
        if read.exchange.answer is not None:
            found = extract(_filled(source, known), read.exchange.answer)
            if found is not None:
                return found
    return None


def _trouble(reads: list[Read]) -> str | None:
    """Why what was read tells nothing."""
    for read in reads:
        if read.outcome is not Outcome.ALLOWED or read.exchange.answer is None:
            return no_statement(read) or (
                f"{read.exchange.persona} was refused ({read.status}) at "
                f"{read.exchange.request.method} {read.exchange.request.url}"
            )
    return None


def _listed(reading: _Reading, ledger: DayLedger, name: str, place: Place, day: date) -> Row:
    """The days, months or years whose list has the event."""
    assert place.holds is not None
    rule = "day.list" if place.period == "day" else "day.period"
    wanted = _filled(place.find, reading.scene.values)
    right: list[str] = []
    holding: list[str] = []
    looked: list[Read] = []
    buckets = _buckets(place, day, _away(ledger))
    for label, distance, given in buckets:
        if distance == 0 or (place.lasts and distance > 0):
            right.append(label)
        reads = reading.of(place, given)
        trouble = _trouble(reads)
        if trouble:
            return Row(name, rule, " and ".join(right), "", tuple(reads), trouble)
        looked.append(reads[-1])
        if any(wanted in _ids(place.holds, reading.scene.values, read) for read in reads):
            holding.append(label)
    shown = " and ".join(holding) or "none of " + ", ".join(label for label, *_ in buckets)
    if len(holding) != len(right):
        rule = "day.lost" if len(holding) < len(right) else "day.twice"
    return Row(name, rule, " and ".join(right), shown, tuple(looked))


def _ids(holds: str, known: Mapping[str, Any], read: Read) -> list[str]:
    answer = read.exchange.answer
    if answer is None:
        return []
    return [str(one) for one in values(_filled(holds, known), parsed(answer))]


def _counted(
    reading: _Reading,
    ledger: DayLedger,
    name: str,
    place: Place,
    day: date,
    before: Mapping[tuple[str, str], int | None],
) -> Row:
    """The days, months or years that count one more."""
    more: list[str] = []
    right = ""
    looked: list[Read] = []
    for label, distance, given in _buckets(place, day, _away(ledger)):
        reads = reading.of(place, given)
        looked += reads
        number, earlier = _number(reading.scene, place, reads), before.get((name, label))
        if distance == 0:
            right = label
        if number is None or earlier is None:
            trouble = _trouble(reads) or f"there is no number at {place.count}"
            return Row(name, "day.count", right, "", tuple(reads), trouble)
        more += [label] * max(0, number - earlier)
        if number < earlier:
            more.append(f"{label} (one less)")
    return Row(name, "day.count", right, " and ".join(more) or "nowhere", tuple(looked))


# --- stays -----------------------------------------------------------------------------------


@_with_rules
def stay(world: World, case: Case) -> Happening:
    """A stay from the pin to its end, and the days for which it counts."""
    clock = clock_of(world)
    ledger = ledger_of(world, case)
    assert isinstance(ledger, StayLedger)
    pin = pin_of(world.target, case)
    assert pin.until is not None
    with clock.held():
        scene = _scene(world, case, pin)
        ready = _begin(scene, ledger, ledger.event)
        clock.pin(pin.instant)
        began = scene.act(ready)
        scene.subject(ready)
        said, off = _off(clock, pin)
        what = _said(world, case)
        adapter = clock.claims.adapter
        if began.outcome is not Outcome.ALLOWED or off:
            return Happening(case, pin, adapter, what, (began,), (), said, off)
        later = _later(scene, pin.until, pin.id)
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
    trouble = _trouble(reads)
    right = ", ".join(day.isoformat() for day in expected)
    if place.count is not None:
        right = str(len(expected))
    if trouble:
        return Row(name, "stay.days", right, "", tuple(reads), trouble)
    if place.days is not None:
        found = [one[:10] for read in reads for one in _ids(place.days, scene.values, read)]
        shown = ", ".join(sorted(found)) or "no day"
    else:
        shown = str(_value(place.count, scene.values, reads))
    return Row(name, "stay.days", right, shown, tuple(reads))


def _later(scene: Scene, instant: datetime, name: str) -> Scene:
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


# --- schedules -------------------------------------------------------------------------------


@_with_rules
def schedule(world: World, case: Case) -> Happening:
    """Something scheduled at the pin, and when it is due."""
    clock = clock_of(world)
    ledger = ledger_of(world, case)
    assert isinstance(ledger, ScheduleLedger)
    pin = pin_of(world.target, case)
    with clock.held():
        scene = _scene(world, case, pin)
        ready = _begin(scene, ledger, ledger.event)
        clock.pin(pin.instant)
        event = scene.act(ready, at(pin))
        scene.subject(ready)
        said, off = _off(clock, pin)
        what, adapter = _said(world, case), clock.claims.adapter
        if event.outcome is not Outcome.ALLOWED or off:
            return Happening(case, pin, adapter, what, (event,), (), said, off)
        reads = scene.do(ledger.read) if ledger.read else [event]
        row = _due_row(scene, ledger, reads)
        return Happening(case, pin, adapter, what, (event,), (row,), said)


def _due_row(scene: Scene, ledger: ScheduleLedger, reads: list[Read]) -> Row:
    trouble = _trouble(reads)
    zone = scene.pin.zone
    if trouble:
        return Row("due", "schedule.due", "", "", tuple(reads), trouble)
    told = [one for read in reads for one in _ids(ledger.due, scene.values, read)]
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
        next((one for one in able if abs((one - shown).total_seconds()) <= _CLOSE), able[0])
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
    near = (one for one in expected if abs((one - shown).total_seconds()) <= _CLOSE)
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
                able += [_gap_end(able, pin.zone)]
            if able[0] >= pin.instant:
                due.append(able)
        day += DAY
    return due[: ledger.count]


def _gap_end(around: list[datetime], zone: str) -> datetime:
    """The first instant after the gap between two readings of a time that does not exist."""
    sooner, later = sorted(around)
    for change in transitions(zone, sooner.year):
        if sooner <= change <= later:
            return change
    return later


# --- ages ------------------------------------------------------------------------------------


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


@_with_rules
def age(world: World, case: Case) -> Happening:
    """People with birthdays around the pin, and how old they are at it."""
    clock = clock_of(world)
    ledger = ledger_of(world, case)
    assert isinstance(ledger, AgeLedger)
    pin = pin_of(world.target, case)
    what, adapter = _said(world, case), clock.claims.adapter
    with clock.held():
        rows: list[Row] = []
        events: list[Read] = []
        for whose, birth in births(pin, ledger.majority).items():
            scene = _scene(world, case, pin)
            ready = _begin(scene, ledger, ledger.event)
            scene.come()
            event = scene.act(ready, {"birth_date": birth.isoformat()})
            scene.subject(ready)
            events.append(event)
            if event.outcome is not Outcome.ALLOWED:
                break
            said, off = _off(clock, pin)
            if off:
                return Happening(case, pin, adapter, what, tuple(events), (), said, off)
            years = age_on(birth, pin.date, leapling=ledger.leapling)
            for name, place in ledger.places.items():
                clock.pin(pin.instant)
                reads = scene.do(place.read) if place.read else [event]
                rows.append(_age_row(scene, f"{name}, {whose}", place, reads, years, ledger))
        return Happening(case, pin, adapter, what, tuple(events), tuple(rows), said)


def _age_row(
    scene: Scene, name: str, place: Any, reads: list[Read], years: int, ledger: AgeLedger
) -> Row:
    expected = str(years) if place.years else _truth(years >= ledger.majority)
    rule = "age.years" if place.years else "age.majority"
    trouble = _trouble(reads)
    source = place.years or place.adult
    found = None if trouble else _value(source, scene.values, reads)
    if found is None:
        return Row(name, rule, expected, "", tuple(reads), trouble or f"nothing at {source}")
    return Row(name, rule, expected, str(found) if place.years else _truth(found), tuple(reads))


def _truth(value: Any) -> str:
    yes = str(value).strip().lower() in {"true", "1", "yes", "adult", "t", "y"}
    return "of age" if yes else "not of age"


# --- dates -----------------------------------------------------------------------------------

DATES = ("1938-07-01", "1969-12-31", "1970-01-01", "1984-02-29", "1999-12-31", "2000-02-29")
"""Before and after 1970, leap days, ends of years."""


@_with_rules
def dates(world: World, case: Case) -> Happening:
    """Dates written at an ordinary hour, read at once and after a change."""
    clock = clock_of(world)
    ledger = ledger_of(world, case)
    assert isinstance(ledger, DateLedger)
    pin = pin_of(world.target, case)
    what, adapter = _said(world, case), clock.claims.adapter
    rows: list[Row] = []
    events: list[Read] = []
    said: Mapping[str, str] = {}
    with clock.held():
        for index, text in enumerate((*DATES, _day_of_change(pin))):
            scene = _scene(world, case, pin)
            ready = _begin(scene, ledger, ledger.event)
            scene.come()
            event = scene.act(ready, {"birth_date": text})
            scene.subject(ready)
            events.append(event)
            if event.outcome is not Outcome.ALLOWED:
                break
            if not said:
                said, off = _off(clock, pin)
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
        trouble = _trouble(reads)
        found = None if trouble else _value(place.value, scene.values, reads)
        if found is None and not trouble:
            trouble = f"there is nothing at {place.value}"
        label = f"{name}, {text} written{more}"
        yield Row(label, "date.shifted", text, str(found or ""), tuple(reads), trouble)


# --- local times -----------------------------------------------------------------------------


@_with_rules
def local_time(world: World, case: Case) -> Happening:
    """Wall times around the next clock change: an ordinary one, one left out, one twice."""
    clock = clock_of(world)
    ledger = ledger_of(world, case)
    assert isinstance(ledger, LocalTimeLedger)
    pin = pin_of(world.target, case)
    what, adapter = _said(world, case), clock.claims.adapter
    with clock.held():
        scene = _scene(world, case, pin)
        scene.come()
        said, off = _off(clock, pin)
        usual = datetime.combine(pin.date + DAY, time(11, 20))
        row, control = _named_time(world, case, ledger, usual, "an ordinary time")
        rows = [row]
        change = pins.change_after(pin)
        if change is not None:
            rows += _around(world, case, ledger, change)
        return Happening(case, pin, adapter, what, (control,), tuple(rows), said, off)


def _around(world: World, case: Case, ledger: LocalTimeLedger, change: datetime) -> Iterator[Row]:
    pin = pin_of(world.target, case)
    where = ZoneInfo(pin.zone)
    sooner = (change - timedelta(seconds=1)).astimezone(where).utcoffset() or timedelta()
    later = change.astimezone(where).utcoffset() or timedelta()
    local = (change + (sooner + later) / 2).replace(tzinfo=None)
    if not exists(local, pin.zone):
        yield _named_time(world, case, ledger, local, "a time that does not exist")[0]
    elif happens_twice(local, pin.zone):
        yield _named_time(world, case, ledger, local, "a time that happens twice")[0]
        if ledger.with_fold is not None:
            for fold in (0, 1):
                label = f"the {('first', 'second')[fold]} of a time that happens twice"
                yield _named_time(world, case, ledger, local, label, fold)[0]
        if ledger.by_instant is not None:
            for fold in (0, 1):
                label = f"the instant of the {('first', 'second')[fold]} of two equal times"
                row, _read = _named_time(world, case, ledger, local, label, fold, ledger.by_instant)
                yield row


def _named_time(
    world: World,
    case: Case,
    ledger: LocalTimeLedger,
    local: datetime,
    label: str,
    fold: int | None = None,
    event: Action | None = None,
) -> tuple[Row, Read]:
    pin = pin_of(world.target, case)
    scene = _scene(world, case, pin)
    if event is None:
        event = ledger.with_fold if fold is not None and ledger.with_fold else ledger.event
    ready = _begin(scene, ledger, event)
    scene.come()
    given: dict[str, Any] = {
        "local": local.isoformat(timespec="minutes"),
        "instant": written(at_wall(local, pin.zone, fold or 0)),
    }
    if fold is not None:
        given["fold"] = fold
    read = scene.act(ready, given)
    scene.subject(ready)
    missing = not exists(local, pin.zone)
    rule = "local-time.missing" if missing else "local-time.twice"
    expected = _expected_time(ledger, local, pin.zone, fold)
    reads = [read]
    if read.outcome is Outcome.ALLOWED:
        reads = scene.do(ledger.read) if ledger.read else reads
        told = moment(_value(ledger.value, scene.values, reads))
        observed = written(told) if told else "no instant"
        if missing and ledger.missing == "moved" and told is not None:
            able = [at_wall(local, pin.zone, one) for one in (0, 1)]
            moved = [*able, _gap_end(able, pin.zone)]
            expected = observed if told in moved else expected
        return Row(label, rule, expected, observed, tuple(reads)), read
    refused = read.outcome in {Outcome.INVALID, Outcome.CONFLICT, Outcome.DENIED}
    promised = ledger.refusals is None or (
        read.exchange.answer is not None and read.exchange.answer.status in ledger.refusals
    )
    if refused and promised:
        return Row(label, rule, expected, "refused", (read,)), read
    trouble = no_statement(read) or f"answered {read.status}"
    return Row(label, rule, expected, "", (read,), trouble), read


def _expected_time(ledger: LocalTimeLedger, local: datetime, zone: str, fold: int | None) -> str:
    if not exists(local, zone):
        return "refused" if ledger.missing == "refused" else "moved past the gap"
    if happens_twice(local, zone) and fold is None:
        if ledger.twice == "refused":
            return "refused"
        return written(at_wall(local, zone, int(ledger.twice == "second")))
    return written(at_wall(local, zone, fold or 0))


# --- lifetimes -------------------------------------------------------------------------------


@_with_rules
def lifetime(world: World, case: Case) -> Happening:
    """What is given out at the pin, used just before and just after it has to end."""
    clock = clock_of(world)
    ledger = ledger_of(world, case)
    assert isinstance(ledger, LifetimeLedger)
    pin = pin_of(world.target, case)
    what, adapter = _said(world, case), clock.claims.adapter
    with clock.held():
        scene = _scene(world, case, pin)
        ready = _begin(scene, ledger, ledger.event or ledger.use)
        clock.pin(pin.instant)
        session = _own_session(scene, ready.persona) if ledger.keeps == "session" else None
        events: list[Read] = []
        rows: list[Row] = []
        if ledger.event is not None:
            event = scene.act(ready, {"seconds": round(ledger.seconds)}, session=session)
            scene.subject(ready)
            events.append(event)
        given_out = clock.now()
        said, off = _off(clock, pin)
        if off or (events and events[0].outcome is not Outcome.ALLOWED):
            return Happening(case, pin, adapter, what, tuple(events), (), said, off)
        if ledger.expires is not None and events:
            rows.append(_ends_row(scene, ledger, events[0], pin.instant))
        use = _Use(scene, ledger, session)
        rows += use.around_the_end(given_out)
        return Happening(case, pin, adapter, what, tuple(events), tuple(rows), said)


def _own_session(scene: Scene, persona: str) -> Session:
    world = scene.world
    login = world.sessions[persona].login
    return Session(world.wire, persona, fixed=log_in(world.wire, persona, login))


def _ends_row(scene: Scene, ledger: LifetimeLedger, event: Read, since: datetime) -> Row:
    assert ledger.expires is not None
    ends = since + timedelta(seconds=ledger.seconds)
    told = moment(_value(ledger.expires, scene.values, [event]))
    if told is None:
        trouble = f"there is no instant at {ledger.expires}"
        return Row("when it ends", "lifetime.end", written(ends), "", (event,), trouble)
    near = abs((told - ends).total_seconds()) <= ledger.margin
    return Row(
        "when it ends", "lifetime.end", written(ends), written(ends if near else told), (event,)
    )


def _asking_with(action: Action, query: Mapping[str, str]) -> Action:
    return action.model_copy(update={"query": {**action.query, **query}})


class _Use:
    """What was given out, used at moments after that."""

    def __init__(self, scene: Scene, ledger: LifetimeLedger, session: Session | None) -> None:
        self.scene, self.ledger, self.session = scene, ledger, session

    def around_the_end(self, since: datetime) -> Iterator[Row]:
        ledger = self.ledger
        length = timedelta(seconds=ledger.seconds)
        margin = timedelta(seconds=ledger.margin)
        if ledger.alive is not None:
            step = timedelta(seconds=ledger.alive)
            moment_ = since + step
            while moment_ < since + length - margin:
                self._ask(ledger.use, moment_)
                moment_ += step
        yield self._row(since + length - margin, "just before its end", "served", "lifetime.early")
        last = self.scene.clock.now() if ledger.idle else since
        if ledger.polls is not None:
            for part in (1, 2):
                self._ask(ledger.polls, last + part * length / 3)
        rule = "lifetime.idle" if ledger.idle else "lifetime.late"
        yield self._row(last + length + margin, "just after its end", "refused", rule)
        if ledger.idle and ledger.polls is not None and self.session is not None:
            yield self._with_flags(ledger.polls, length, margin)

    def _with_flags(self, polls: Action, length: timedelta, margin: timedelta) -> Row:
        """Another session, on a page that asks with parameters known to prolong sessions."""
        assert self.session is not None
        self.session = _own_session(self.scene, self.session.persona)
        last = self.scene.clock.now()
        self._ask(self.ledger.use, last)
        everything = dict.fromkeys(keep_alive(), "true")
        for part in (1, 2):
            at_ = last + part * length / 3
            read = self._ask(_asking_with(polls, everything), at_)
            if read.outcome in {Outcome.INVALID, Outcome.ABSENT}:
                for name, value in everything.items():
                    self._ask(_asking_with(polls, {name: value}), at_)
        label = "just after its end, asked with parameters such as keepAlive"
        return self._row(last + length + margin, label, "refused", "lifetime.idle")

    def _ask(self, action: Action, instant: datetime) -> Read:
        """By whoever got it, to whom nothing else opens it; or by nobody who is logged in."""
        scene, target = self.scene, self.scene.world.target
        if self.ledger.keeps == "login":
            scene = _later(scene, instant, scene.pin.id)
        persona = scene.actor or ANONYMOUS
        ready = Ready(
            action, action.template(target), persona, action.operation, dict(scene.records)
        )
        nobody = self.ledger.keeps == "none"
        if self.session is None and not nobody:
            scene.log_in(persona)
        scene.clock.pin(instant)
        if self.ledger.renews:
            self._renew()
        credentials = Credentials() if nobody else None
        return scene.act(ready, session=self.session, credentials=credentials)

    def _renew(self) -> None:
        """New tokens for the session, without its password; none if that is refused."""
        session = self.session
        if session is None or session.login.refresh is None:
            raise NotBuilt("'renews' needs 'keeps: session', and a login with 'refresh'")
        wire = self.scene.world.wire
        try:
            found = refresh(wire, session.persona, session.login, session.identity)
        except LoginFailed:
            return
        self.session = Session(wire, session.persona, fixed=found)

    def _row(self, instant: datetime, label: str, expected: str, rule: str) -> Row:
        read = self._ask(self.ledger.use, instant)
        if read.outcome is Outcome.ALLOWED:
            return Row(label, rule, expected, "served", (read,))
        gone = read.outcome.refused or (
            read.exchange.answer is not None and read.exchange.answer.status == 410
        )
        if gone:
            return Row(label, rule, expected, "refused", (read,))
        return Row(label, rule, expected, "", (read,), no_statement(read) or read.status)


# --- outside test mode -----------------------------------------------------------------------

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
            ready = _begin(scene, ledger, ledger.event)
            event = scene.act(ready, {**named(pin.date), **at(pin)})
            scene.subject(ready)
            row = _labelled(_Reading(scene), ledger, "label", labels[0], pin.date, event)
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


__all__ = [
    "age",
    "dates",
    "in_production",
    "lifetime",
    "local_time",
    "on_day",
    "schedule",
    "stay",
]
