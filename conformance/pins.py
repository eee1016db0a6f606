"""Pins: awkward instants at which the clock is pinned, and what each is worth. Pure.

The kill matrix says which naive implementations each pin exposes. For a zone that no pin of the
table names, pins are derived: whatever can be exposed in that zone is.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import cached_property, lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

from conformance.instants import (
    DAY,
    at_wall,
    exists,
    happens_twice,
    hours_of,
    local_date,
    start_of,
    transitions,
)
from conformance.naive import NAIVE, exposed

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Pin:
    """An instant (UTC) in a zone, why it is awkward, and whether it is of the smallest set.

    `until` is the end of what begins at it, where something lasts; `again` is when what happened
    at it is read, where that is much later.
    """

    id: str
    why: str
    zone: str
    instant: datetime
    smallest: bool = True
    until: datetime | None = None
    again: datetime | None = None

    @property
    def local(self) -> datetime:
        """What the wall clock shows; naive, with its fold."""
        return self.instant.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)

    @property
    def date(self) -> date:
        """The local date, which is the right one."""
        return local_date(self.instant, self.zone)

    @cached_property
    def exposes(self) -> tuple[str, ...]:
        """The naive implementations that are wrong at it, in the order of naive.py."""
        found = exposed(self.instant, self.zone)
        return tuple(name for name in NAIVE if name in found)


def matrix(pins: Iterable[Pin]) -> dict[str, frozenset[str]]:
    """The kill matrix: the id of each pin with what it exposes."""
    return {pin.id: frozenset(pin.exposes) for pin in pins}


def smallest_cover(rows: Mapping[K, Collection[str]]) -> list[K]:
    """The fewest keys that together have every value which any has; the same ones each time.

    Exact: branches on the value that the fewest have, and gives up what cannot become smaller.
    """
    kept = {key: frozenset(found) for key, found in rows.items() if found}
    needed = frozenset[str]().union(*kept.values()) if kept else frozenset[str]()
    best: list[K] | None = None

    def search(left: frozenset[str], chosen: list[K]) -> None:
        nonlocal best
        if not left:
            if best is None or len(chosen) < len(best):
                best = list(chosen)
            return
        most = max(len(found & left) for found in kept.values())
        if best is not None and len(chosen) + -(-len(left) // most) >= len(best):
            return
        rarest = min(sorted(left), key=lambda one: sum(one in found for found in kept.values()))
        able = [key for key, found in kept.items() if rarest in found]
        for key in sorted(able, key=lambda one: -len(kept[one] & left)):
            search(left - kept[key], [*chosen, key])

    search(needed, [])
    return best or []


_MINUTE = timedelta(minutes=1)
_ODD = 0.01
"""Hours by which a day that is longer or shorter than 24 differs at least."""

_WALLS = (
    "00:00:00",
    "00:10:00",
    "00:30:00",
    "01:30:00",
    "01:45:00",
    "23:30:00",
    "23:45:00",
    "23:50:00",
    "23:59:59.500000",
)


def _days(zone: str) -> dict[date, str]:
    """The days on which it is worth to pin, with why: ends of months and years, 29 Feb, DST."""
    found = {
        date(2026, 1, 31): "month end",
        date(2026, 2, 1): "month start",
        date(2026, 2, 28): "leapling's 18th, the day before",
        date(2026, 3, 1): "leapling's 18th",
        date(2026, 7, 1): "summer month start",
        date(2026, 7, 31): "summer month end",
        date(2026, 12, 31): "year end",
        date(2027, 1, 1): "year start",
        date(2028, 2, 28): "28 Feb of a leap year",
        date(2028, 2, 29): "29 Feb",
    }
    for change in transitions(zone, 2026):
        day = local_date(change - timedelta(seconds=1), zone)
        for shift, says in ((-1, "eve of"), (0, "day of"), (1, "day after"), (2, "2 days after")):
            found.setdefault(day + shift * DAY, f"{says} a clock change")
    return found


def name_in(zone: str, local: datetime, more: str = "") -> str:
    """An id for an instant: the town, the wall time, and what tells it from others."""
    return f"{zone.rsplit('/', maxsplit=1)[-1]}-{local:%Y%m%dT%H%M}{more}"


def _candidates(zone: str) -> Iterator[Pin]:
    for day, why in sorted(_days(zone).items()):
        for wall in _WALLS:
            local = datetime.combine(day, time.fromisoformat(wall))
            if not exists(local, zone):
                continue
            for fold in (0, 1) if happens_twice(local, zone) else (0,):
                says = f"{why}, {wall[:5]}" + (", second time" if fold else "")
                instant = at_wall(local, zone, fold)
                yield Pin(name_in(zone, local, "b" if fold else ""), says, zone, instant)


@lru_cache(maxsize=64)
def derived(zone: str) -> tuple[Pin, ...]:
    """The fewest pins that expose in `zone` whatever can be exposed there, in order of time."""
    best: dict[frozenset[str], Pin] = {}
    for pin in _candidates(zone):
        best.setdefault(frozenset(pin.exposes), pin)
    most = {pin: found for found, pin in best.items() if not any(found < other for other in best)}
    chosen = smallest_cover({pin: sorted(found) for pin, found in most.items()})
    return tuple(sorted(chosen, key=lambda pin: pin.instant))


@lru_cache(maxsize=64)
def dull(zone: str) -> Pin:
    """An instant of an ordinary day at which hardly any naive implementation is wrong."""
    day = date(2026, 5, 14)
    hours = sorted(range(1, 24), key=lambda hour: abs(hour - 12))
    able = (
        Pin("dull", "an ordinary hour", zone, at_wall(datetime.combine(day, time(hour, 20)), zone))
        for hour in hours
    )
    return min(able, key=lambda pin: len(pin.exposes))


_HALF_A_YEAR = 183 * DAY


@lru_cache(maxsize=64)
def half_a_year_apart(zone: str) -> Pin | None:
    """Beside the end of a month, read when the zone has another offset, by which it is elsewhere.

    None for a zone without summer time.
    """
    for pin in _candidates(zone):
        again = pin.instant + _HALF_A_YEAR
        offset = again.astimezone(ZoneInfo(zone)).utcoffset() or timedelta(0)
        day = (pin.instant + offset).date()
        if day.month != pin.date.month:
            why = f"{pin.why}, read half a year later"
            return replace(pin, id="read-half-a-year-later", why=why, again=again)
    return None


def ordinary_before(days: int, zone: str) -> Pin:
    """An ordinary hour, read so many days later at the same hour."""
    pin = dull(zone)
    again = at_wall(pin.local + days * DAY, zone)
    return replace(pin, id="written-before", why=f"read {days} days later", again=again)


@lru_cache(maxsize=256)
def across(zone: str, seconds: float) -> tuple[Pin, ...]:
    """Instants so placed that `seconds` from them on reach across each clock change of 2026.

    The change lies in the middle, and the sum does not, as wall clocks count it.
    """
    return tuple(_across(zone, seconds, change) for change in transitions(zone, 2026))


def _across(zone: str, seconds: float, change: datetime) -> Pin:
    instant = change - timedelta(seconds=seconds / 2)
    local = instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    says = f"{seconds:g} s across the clock change of {local_date(change, zone)}"
    return Pin(name_in(zone, local, f"-{seconds:g}s".replace(".", "_")), says, zone, instant)


def before_changes(zone: str, days: float) -> tuple[Pin, ...]:
    """So many days before each clock change of 2026, or an ordinary hour if there is none."""
    found = []
    for change in transitions(zone, 2026):
        instant = change - timedelta(days=days)
        local = instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        says = f"before the clock change of {local_date(change, zone)}"
        found.append(Pin(name_in(zone, local), says, zone, instant))
    return tuple(found) or (dull(zone),)


def change_after(pin: Pin) -> datetime | None:
    """The first clock change after the pin, within a fortnight; None if there is none."""
    soon = (
        change
        for year in (pin.instant.year, pin.instant.year + 1)
        for change in transitions(pin.zone, year)
        if pin.instant < change < pin.instant + 14 * DAY
    )
    return next(soon, None)


@lru_cache(maxsize=64)
def stays(zone: str) -> tuple[Pin, ...]:
    """Stays with awkward ends: nights of month and year, 29 February, short and long days."""

    town = zone.rsplit("/", maxsplit=1)[-1]

    def stay(name: str, why: str, since: datetime, until: datetime) -> Pin:
        return Pin(f"{town}-{name}", why, zone, since, until=until)

    def wall(day: date, text: str) -> datetime:
        return at_wall(datetime.combine(day, time.fromisoformat(text)), zone)

    january, december, leap = date(2026, 1, 31), date(2026, 12, 30), date(2028, 2, 27)
    found = [
        stay("one-day", "in and out on one day", wall(january, "10:20"), wall(january, "15:20")),
        stay(
            "month-end",
            "a night at a month's end",
            wall(january, "23:30"),
            wall(january + DAY, "00:30"),
        ),
        stay(
            "year-end", "over the year", wall(december, "13:00"), wall(december + 3 * DAY, "11:00")
        ),
        stay("leap-day", "over a 29 February", wall(leap, "00:30"), wall(leap + 3 * DAY, "23:30")),
    ]
    for change in transitions(zone, 2026):
        day = local_date(change - timedelta(seconds=1), zone)
        # Where the change comes at midnight, the day after it is the odd one.
        day += DAY if abs(hours_of(day, zone) - 24) < _ODD else timedelta(0)
        starts, ends = start_of(day, zone), start_of(day + DAY, zone)
        says = f"{hours_of(day, zone):g}-hour day"
        kind = f"{hours_of(day, zone):g}h".replace(".", "_")
        # Elapsed time in days of 24 hours, cut or rounded up, gives another number than midnights.
        found += [
            stay(f"over-{kind}", f"over a {says}", starts - 30 * _MINUTE, ends + 15 * _MINUTE),
            stay(f"within-{kind}", f"within a {says}", starts + 10 * _MINUTE, ends - 10 * _MINUTE),
        ]
    return tuple(found)


def kill_matrix(shown: Sequence[Pin]) -> str:
    """The kill matrix as a Markdown table; pins of the smallest set are in bold."""
    head = ["pin", "local time", "zone", *NAIVE]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * 3 + ":-:|" * len(NAIVE)]
    for pin in shown:
        name = f"**{pin.id}**" if pin.smallest else pin.id
        local = pin.local.isoformat(
            sep=" ", timespec="milliseconds" if pin.local.microsecond else "minutes"
        )
        local += " (second)" if pin.local.fold else ""
        marks = ["×" if one in pin.exposes else " " for one in NAIVE]
        lines.append("| " + " | ".join([name, local, pin.zone, *marks]) + " |")
    counts = [str(sum(one in pin.exposes for pin in shown)) for one in NAIVE]
    lines.append("| | | exposed by | " + " | ".join(counts) + " |")
    return "\n".join(lines)
