"""Naive implementations: how software typically gets local days wrong, each as a function. Pure.

Each answers one question about an instant in a zone, and is exposed by the instants at which its
answer is not the right one. They exist to show what a set of pins is worth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from conformance.instants import DAY, at_wall, local_date, start_of

Answering = Callable[[datetime, str], Any]
_HOUR = timedelta(hours=1)
_HALF = timedelta(minutes=30)
_TWELVE = timedelta(hours=12)


@dataclass(frozen=True)
class Naive:
    """One way to be wrong: the question that it answers, and its answer."""

    id: str
    question: str
    answer: Answering


# --- the right answers -----------------------------------------------------------------------

_BIRTHS = (date(2008, 2, 29), date(2008, 3, 1))
_BIRTHDAY = date(2026, 3, 1)
"""Two people who both turn 18 on that day; one was born on a 29 February."""


def _asked_near(answer: Callable[[date, date], bool]) -> Answering:
    """Whether each of the two is of age; asked only in the days around their birthday."""

    def both(instant: datetime, zone: str) -> tuple[bool, ...] | None:
        today = local_date(instant, zone)
        if abs(today - _BIRTHDAY) > 2 * DAY:
            return None
        return tuple(answer(birth, today) for birth in _BIRTHS)

    return both


RIGHT: Mapping[str, Answering] = {
    "day": lambda instant, zone: {local_date(instant, zone)},
    "tomorrow": lambda instant, zone: local_date(instant, zone) + DAY,
    "yesterday": lambda instant, zone: local_date(instant, zone) - DAY,
    "end": lambda instant, _zone: (instant + _HOUR, instant + 8 * _HOUR),
    "kept": lambda instant, _zone: instant,
    "label": lambda instant, zone: f"{local_date(instant, zone):%Y-%m}",
    "of age": _asked_near(lambda _birth, today: today >= _BIRTHDAY),
}


# --- the wrong ones --------------------------------------------------------------------------


def _offset(instant: datetime, zone: str) -> timedelta:
    return instant.astimezone(ZoneInfo(zone)).utcoffset() or timedelta(0)


def _by_offset(offset: Callable[[datetime, str], timedelta]) -> Answering:
    """The day that comes of adding an offset to UTC."""
    return lambda instant, zone: {(instant.astimezone(UTC) + offset(instant, zone)).date()}


def _of_month(month: int) -> Answering:
    """The offset of the middle of that month, all year."""
    return _by_offset(
        lambda instant, zone: _offset(datetime(instant.year, month, 15, tzinfo=UTC), zone)
    )


def _standard(instant: datetime, zone: str) -> timedelta:
    """The offset without summer time, whichever month that is in."""
    summer = instant.astimezone(ZoneInfo(zone)).dst() or timedelta(0)
    return _offset(instant, zone) - summer


def _at_noon_of_utc(instant: datetime, zone: str) -> timedelta:
    return _offset(datetime.combine(instant.date(), time(), UTC), zone)


def _hour_of_summer(instant: datetime, zone: str) -> timedelta:
    summer = instant.astimezone(ZoneInfo(zone)).dst() or timedelta(0)
    return _standard(instant, zone) + (_HOUR if summer else timedelta(0))


_STALE = {"Asia/Almaty": timedelta(hours=6)}
"""What was in force until 2024."""


def _midnight(day: date, zone: str, fold: int = 0) -> datetime:
    return at_wall(datetime.combine(day, time()), zone, fold)


def _by_window(holds: Callable[[date, datetime, str], bool]) -> Answering:
    """All days near whose window holds the instant; two, or none, where windows do not meet."""

    def found(instant: datetime, zone: str) -> set[date]:
        today = local_date(instant, zone)
        near = (today + shift * DAY for shift in (-2, -1, 0, 1, 2))
        return {day for day in near if holds(day, instant, zone)}

    return found


def _wall_after(instant: datetime, zone: str, hours: int, fold: int = 0) -> datetime:
    """The wall clock put forward by so many hours, and read as an instant."""
    wall = instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
    return at_wall(wall + hours * _HOUR, zone, fold)


_DAYS_IN_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _by_table_of_months(instant: datetime, zone: str) -> date:
    today = local_date(instant, zone)
    if today.day < _DAYS_IN_MONTH[today.month - 1]:
        return today + DAY
    return date(today.year + today.month // 12, today.month % 12 + 1, 1)


_ALL = (
    Naive("UTC", "day", _by_offset(lambda _instant, _zone: timedelta(0))),
    Naive("JAN", "day", _of_month(1)),
    Naive("JUL", "day", _of_month(7)),
    Naive("STD", "day", _by_offset(_standard)),
    Naive("SRVW", "day", lambda instant, _zone: {local_date(instant, "America/New_York")}),
    Naive("SRVE", "day", lambda instant, _zone: {local_date(instant, "Asia/Tokyo")}),
    Naive("HOUR", "day", _by_offset(lambda i, z: math.trunc(_offset(i, z) / _HOUR) * _HOUR)),
    Naive("HALF", "day", _by_offset(lambda i, z: math.ceil(_offset(i, z) / _HALF - 0.5) * _HALF)),
    Naive("HALF+", "day", _by_offset(lambda i, z: math.ceil(_offset(i, z) / _HALF) * _HALF)),
    Naive("CLAMP", "day", _by_offset(lambda i, z: max(-_TWELVE, min(_TWELVE, _offset(i, z))))),
    Naive("SIGN", "day", _by_offset(lambda i, z: -_offset(i, z))),
    Naive("TWICE", "day", _by_offset(lambda i, z: 2 * _offset(i, z))),
    Naive("DST1H", "day", _by_offset(_hour_of_summer)),
    Naive("NOON", "day", _by_offset(_at_noon_of_utc)),
    Naive(
        "+24H",
        "day",
        _by_window(lambda day, i, z: _midnight(day, z) <= i < _midnight(day, z) + DAY),
    ),
    Naive(
        "59S",
        "day",
        _by_window(
            lambda day, i, z: start_of(day, z) <= i <= start_of(day + DAY, z) - timedelta(seconds=1)
        ),
    ),
    Naive(
        "INCL",
        "day",
        _by_window(lambda day, i, z: start_of(day, z) <= i <= start_of(day + DAY, z)),
    ),
    Naive(
        "MIDF1",
        "day",
        _by_window(lambda day, i, z: _midnight(day, z, 1) <= i < _midnight(day + DAY, z, 1)),
    ),
    Naive("STALE", "day", _by_offset(lambda i, z: _STALE.get(z, _offset(i, z)))),
    Naive("TOM24", "tomorrow", lambda instant, zone: local_date(instant + DAY, zone)),
    Naive("YES24", "yesterday", lambda instant, zone: local_date(instant - DAY, zone)),
    Naive("WALL", "end", lambda i, z: (_wall_after(i, z, 1), _wall_after(i, z, 8))),
    Naive("FOLD0", "kept", lambda instant, zone: _wall_after(instant, zone, 0, 0)),
    Naive("FOLD1", "kept", lambda instant, zone: _wall_after(instant, zone, 0, 1)),
    Naive("ISOY", "label", lambda instant, zone: f"{local_date(instant, zone):%G-%m}"),
    Naive("NOLEAP", "tomorrow", _by_table_of_months),
    Naive("A365", "of age", _asked_near(lambda birth, day: (day - birth).days / 365.25 >= 18)),
    Naive("AYEAR", "of age", _asked_near(lambda birth, day: day.year - birth.year >= 18)),
)
NAIVE: Mapping[str, Naive] = {one.id: one for one in _ALL}


def exposed(instant: datetime, zone: str) -> frozenset[str]:
    """The ids of the naive implementations that are wrong at that instant in that zone."""
    return frozenset(
        one.id for one in _ALL if one.answer(instant, zone) != RIGHT[one.question](instant, zone)
    )
