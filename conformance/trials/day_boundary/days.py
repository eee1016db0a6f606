"""What happens at a pinned instant, looked for in every place that shows its day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from conformance import pins
from conformance.clock import clock_of, moment
from conformance.extraction import extract
from conformance.instances import NotBuilt, Unclaimed
from conformance.instants import (
    local_date,
    written,
)
from conformance.ledgers import (
    SHIFTS,
    DayLedger,
    Place,
    placeholders_of,
)
from conformance.login import LoginFailed
from conformance.model import Case, Outcome, Read
from conformance.oracles.day_boundary import Happening, Row
from conformance.pins import Pin
from conformance.sources.day_boundary import pin_of
from conformance.trials.day_boundary.acting import (
    begin,
    clock_off,
    filled,
    goes_on,
    ids_in,
    later_scene,
    ledger_of,
    said_of,
    scene_of,
    trouble_in,
    value_of,
    with_rules,
)
from conformance.trials.scenes import Scene, about_day, at, named
from conformance.world import World

_TRIES = 3


_NEAR = timedelta(seconds=10)
"""How long after its pin an event may be, where the clock runs on."""


@with_rules
def on_day(world: World, case: Case) -> Happening:
    """The event at the pin, and all its places; those of an ordinary hour as the control."""
    clock = clock_of(world)
    ledger = ledger_of(world, case)
    assert isinstance(ledger, DayLedger)
    pin = pin_of(world.target, case)
    with clock.held():
        happening = _happen(world, case, ledger, pin)
        if pin.again is not None:
            return _shown_later(world, case, ledger, happening)
        if pin.id == "dull" or happening.off or all(row.right for row in happening.rows):
            return happening
        # Whether a place is wrong at that hour only, is worth to know of wrong ones alone.
        anew = any(row.absent for row in happening.rows)
        return replace(happening, control=_usual(world, case, ledger, anew=anew))


def _shown_later(world: World, case: Case, ledger: DayLedger, happening: Happening) -> Happening:
    """What places show much later, but for those that no longer show anything of an ordinary hour.

    Those may say rightly that it is over, or be for nobody any more. Raises Unclaimed if all are.
    """
    pin = happening.pin
    if happening.off or all(row.right for row in happening.rows):
        return happening
    assert pin.again is not None
    usual = pins.dull(pin.zone)
    later = usual.instant + (pin.again - pin.instant)
    control = _happen(world, case, ledger, replace(usual, id=f"dull-{pin.id}", again=later))
    if control.off or any(read.outcome is not Outcome.ALLOWED for read in control.events):
        return control
    shown = {row.place for row in control.rows if row.right}
    rows = tuple(row for row in happening.rows if row.place in shown)
    if not rows:
        raise Unclaimed("not claimed: so much later no place shows even what happened at noon")
    return replace(happening, rows=rows, control=control.rows)


def _usual(world: World, case: Case, ledger: DayLedger, *, anew: bool) -> tuple[Row, ...]:
    """What the places show of an event at an ordinary hour, once for each worker.

    `anew` tries it again: a list that has grown full since then has room for neither.
    """
    clock = clock_of(world)
    described = world.target.tenants.get(case.tenant or "")
    zone = (described.timezone if described else None) or "UTC"
    key = ("usual", case.tenant, (case.variant or "").partition(".")[0])
    if anew or key not in clock.kept:
        clock.forget(case.tenant or "", pins.dull(zone))
        found = _happen(world, case, ledger, pins.dull(zone))
        clock.kept[key] = () if found.off else found.rows
    rows: tuple[Row, ...] = clock.kept[key]
    return rows


def _happen(world: World, case: Case, ledger: DayLedger, pin: Pin) -> Happening:
    clock = clock_of(world)
    assert case.tenant
    day = about_day(pin, ledger.about)
    what = said_of(world, case)
    off: str | None = None
    for _turn in range(_TRIES):
        scene = scene_of(world, case, pin)
        given = {**named(day), **at(pin), "relative": ledger.about}
        ready = begin(scene, ledger, ledger.event, given)
        scene.come()
        before = _counts(scene, ledger, day)
        clock.pin(pin.instant)
        event = scene.act(ready)
        scene.subject(ready)
        late = clock.now()
        clock.pin(pin.instant)
        said, off = clock_off(clock, pin, late)
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
    if place.relative_to_now:
        return tuple(
            (word, away - about, {"relative": word}) for word, away in place.relative.items()
        )
    found = []
    for shift in (0, -1, 1):
        values_ = named(day, shift)
        found.append((values_[place.period or "day"], shift, values_))
    return tuple(found)


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
            reads = scene.do(place.read, **given)
            found[name, label] = _number({**scene.values, **given}, place, reads)
    return found


def _number(known: Mapping[str, Any], place: Place, reads: list[Read]) -> int | None:
    answer = reads[-1].exchange.answer
    if reads[-1].outcome is not Outcome.ALLOWED or answer is None or place.count is None:
        return None
    found = extract(filled(place.count, known), answer)
    try:
        return int(str(found))
    except ValueError:
        return None


class Readings:
    """What places show, each asked for once: several may look at the same answer.

    None is read sooner than `hours` after the event.
    """

    def __init__(self, scene: Scene, hours: float = 0) -> None:
        self.scene = scene
        self._hours = hours
        self._read: dict[str, list[Read]] = {}
        self._scenes: dict[float, Scene] = {0: scene}

    def of(self, place: Place, given: Mapping[str, Any]) -> list[Read]:
        asked = [action.model_dump_json() for action in place.read]
        named_ = set().union(*(placeholders_of(action) for action in place.read))
        used = sorted((name, given[name]) for name in named_ & set(given))
        hours = max(place.later, self._hours)
        key = repr((asked, hours, used))
        if key not in self._read:
            scene = self._at(hours)
            scene.come()
            self._read[key] = scene.do(place.read, **given)
        return self._read[key]

    def _at(self, hours: float) -> Scene:
        """The scene so many hours after the event."""
        if hours not in self._scenes:
            pin = self.scene.pin
            self._scenes[hours] = later_scene(
                self.scene, pin.instant + timedelta(hours=hours), pin.id
            )
        return self._scenes[hours]


def _rows(
    scene: Scene,
    ledger: DayLedger,
    day: date,
    event: Read,
    before: Mapping[tuple[str, str], int | None],
) -> Iterator[Row]:
    again = scene.pin.again
    if again is None:
        reading = Readings(scene)
        for name, place in ledger.places.items():
            yield _row(reading, ledger, name, place, day, event, before)
        return
    reading = Readings(scene, (again - scene.pin.instant) / timedelta(hours=1))
    for name, place in ledger.places.items():
        if place.read_again:
            try:
                yield _row(reading, ledger, name, place, day, event, before)
            except (NotBuilt, LoginFailed) as problem:
                yield Row(name, "day.label", day.isoformat(), "", (), str(problem))


def _row(
    reading: Readings,
    ledger: DayLedger,
    name: str,
    place: Place,
    day: date,
    event: Read,
    before: Mapping[tuple[str, str], int | None],
) -> Row:
    if place.value is not None:
        return labelled(reading, ledger, name, place, day, event)
    if place.holds is not None:
        return _listed(reading, ledger, name, place, day)
    return _counted(reading, ledger, name, place, day, before)


def labelled(
    reading: Readings, ledger: DayLedger, name: str, place: Place, day: date, event: Read
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
    trouble = trouble_in(reads)
    if trouble:
        return Row(name, rule, expected, "", tuple(reads), trouble)
    found = value_of(place.value, reading.scene.values, reads)
    if found is None:
        nothing = f"there is nothing at {place.value}"
        return Row(name, rule, expected, "", tuple(reads), nothing, absent=True)
    observed = str(found)
    if is_ == "instant":
        told = moment(found)
        near = told is not None and abs(told - reading.scene.pin.instant) < _NEAR
        observed = expected if near else written(told) if told else observed
    elif is_ == "day" and not place.format:
        # A label of a whole instant names its day first (RFC 3339).
        observed = observed[:10]
    return Row(name, rule, expected, observed, tuple(reads))


def _listed(reading: Readings, ledger: DayLedger, name: str, place: Place, day: date) -> Row:
    """The days, months or years whose list has the event."""
    assert place.holds is not None
    rule = "day.list" if place.period == "day" else "day.period"
    wanted = filled(place.find, reading.scene.values)
    right: list[str] = []
    holding: list[str] = []
    looked: list[Read] = []
    buckets = _buckets(place, day, _away(ledger))
    for label, distance, given in buckets:
        if distance == 0 or (place.lasts and distance > 0):
            right.append(label)
        reads = reading.of(place, given)
        trouble = trouble_in(reads)
        if trouble:
            return Row(name, rule, " and ".join(right), "", tuple(reads), trouble)
        looked.append(reads[-1])
        known = {**reading.scene.values, **given}
        found = [ids_in(place.holds, known, read) for read in reads]
        if any(wanted in ids for ids in found):
            holding.append(label)
        elif label in right and goes_on(reads[-1], sum(map(len, found))):
            trouble = (
                "the answer looks like a first page; read it by an operation that says with "
                "'next' how the others are asked for"
            )
            return Row(name, rule, " and ".join(right), "", tuple(reads), trouble)
    shown = " and ".join(holding) or "none of " + ", ".join(label for label, *_ in buckets)
    if len(holding) != len(right):
        rule = "day.lost" if len(holding) < len(right) else "day.twice"
    return Row(name, rule, " and ".join(right), shown, tuple(looked))


def _counted(
    reading: Readings,
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
        number = _number({**reading.scene.values, **given}, place, reads)
        earlier = before.get((name, label))
        if distance == 0:
            right = label
        if number is None or earlier is None:
            trouble = trouble_in(reads) or f"there is no number at {place.count}"
            return Row(name, "day.count", right, "", tuple(reads), trouble)
        more += [label] * max(0, number - earlier)
        if number < earlier:
            more.append(f"{label} (one less)")
    return Row(name, "day.count", right, " and ".join(more) or "nowhere", tuple(looked))
