"""Instants and the wall clock: local dates, gaps, folds, days that are no 24 hours. Pure.

Instants are aware datetimes; a wall time is a naive one. Sources of rules: RFC 3339 for how an
instant is written, PEP 495 for `fold`, the IANA time zone database through zoneinfo.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
_FURTHEST = timedelta(hours=27)
"""More than any local midnight is away from the UTC midnight of the same date."""


def local_date(instant: datetime, zone: str) -> date:
    """The date on the wall clock of `zone`."""
    return instant.astimezone(ZoneInfo(zone)).date()


def at_wall(local: datetime, zone: str, fold: int = 0) -> datetime:
    """The instant, UTC, of a wall time; of one that does not exist as PEP 495 reads it."""
    return local.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def exists(local: datetime, zone: str) -> bool:
    """Whether the wall clock ever shows that time."""
    return at_wall(local, zone).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local


def happens_twice(local: datetime, zone: str) -> bool:
    """Whether the wall clock shows that time twice."""
    return exists(local, zone) and at_wall(local, zone, 0) != at_wall(local, zone, 1)


def start_of(day: date, zone: str) -> datetime:
    """The first instant whose local date is `day`, or a later one if that date never was."""
    low = datetime.combine(day, time(), UTC) - _FURTHEST
    high = low + 2 * _FURTHEST
    while high - low > timedelta(microseconds=1):
        between = low + (high - low) / 2
        if local_date(between, zone) < day:
            low = between
        else:
            high = between
    return high


def hours_of(day: date, zone: str) -> float:
    """How long that day is: 24, or 23, 25, 23.5, 24.5, or 0 where the date was left out."""
    return (start_of(day + DAY, zone) - start_of(day, zone)) / timedelta(hours=1)


def transitions(zone: str, year: int) -> Iterator[datetime]:
    """The instants of a year (UTC) at which the offset of `zone` changes, in order."""
    where = ZoneInfo(zone)
    moment = datetime(year, 1, 1, tzinfo=UTC)
    while moment.year == year:
        later = moment + DAY
        if moment.astimezone(where).utcoffset() != later.astimezone(where).utcoffset():
            yield _changes(moment, later, where)
        moment = later


def _changes(low: datetime, high: datetime, where: ZoneInfo) -> datetime:
    """The first instant with the offset that `high` has."""
    before = low.astimezone(where).utcoffset()
    while high - low > timedelta(seconds=1):
        between = low + timedelta(seconds=(high - low).total_seconds() // 2)
        if between.astimezone(where).utcoffset() == before:
            low = between
        else:
            high = between
    return high


def born(years: int, day: date) -> date:
    """Whose birthday number `years` is on `day`; on 29 February of no leap year, 28 February's."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return date(day.year - years, 2, 28)


def age_on(birth: date, day: date, *, leapling: str = "march_1") -> int:
    """Completed years; a 29 February counts in other years as `march_1` or as `february_28`."""
    birthday = (birth.month, birth.day)
    leap = day.year % 4 == 0 and (day.year % 100 != 0 or day.year % 400 == 0)
    if birthday == (2, 29) and leapling == "february_28" and not leap:
        birthday = (2, 28)
    return day.year - birth.year - ((day.month, day.day) < birthday)


def month_of(day: date, shift: int = 0) -> str:
    """`2026-01`, or the month so many after it."""
    number = day.year * 12 + day.month - 1 + shift
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


SHIFT = re.compile(r"([+-]\d{1,6})([smhd]?)")
"""How far something is shifted: days, months and years by their number, moments with a unit."""
_UNITS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1), "d": DAY}


def shifted(value: str, by: str) -> str:
    """A day, month, year or instant, as it is written, moved: `-2d`, `+1`, `+15m`.

    Days may also be moved by a number alone, months and years only so. Raises ValueError.
    """
    match = SHIFT.fullmatch(by)
    if match is None:
        raise ValueError(f"{by!r} is no shift, like -2d, +1 or +15m")
    number, unit = int(match.group(1)), match.group(2)
    if re.fullmatch(r"\d{4}(-\d\d)?", value) and not unit:
        if len(value) == len("2026"):
            return f"{int(value) + number:04d}"
        return month_of(date.fromisoformat(f"{value}-01"), number)
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value) and unit in {"", "d"}:
        return (date.fromisoformat(value) + number * DAY).isoformat()
    if unit and "T" in value:
        return written(datetime.fromisoformat(value) + number * _UNITS[unit])
    raise ValueError(f"{value!r} cannot be shifted by {by!r}")


def written(instant: datetime) -> str:
    """RFC 3339 in UTC, with microseconds only where there are any."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
