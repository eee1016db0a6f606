"""Local dates, gaps, folds, and days that are no 24 hours."""

from datetime import UTC, date, datetime

import pytest

from conformance import clock, instants


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Asia/Dhaka", date(2026, 6, 30), 24),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("America/Santiago", date(2026, 9, 6), 23),
        ("America/Santiago", date(2026, 4, 4), 25),
        ("Pacific/Apia", date(2011, 12, 30), 0),
    ],
)
def test_a_day_is_as_long_as_the_wall_clock_has_it(zone: str, day: date, hours: float) -> None:
    assert instants.hours_of(day, zone) == pytest.approx(hours, abs=1e-6)


def test_a_day_begins_where_its_midnight_was_left_out() -> None:
    found = instants.start_of(date(2026, 9, 6), "America/Santiago")
    assert found == datetime(2026, 9, 6, 4, tzinfo=UTC)


def test_wall_times_that_are_not_there_or_there_twice_are_told() -> None:
    gap, twice = datetime(2026, 3, 8, 2, 30), datetime(2026, 11, 1, 1, 30)  # noqa: DTZ001
    assert not instants.exists(gap, "America/New_York")
    assert instants.exists(twice, "America/New_York")
    assert instants.happens_twice(twice, "America/New_York")
    assert not instants.happens_twice(gap, "America/New_York")


def test_transitions_are_found_to_the_second() -> None:
    found = list(instants.transitions("Europe/London", 2026))
    assert found == [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)]
    assert list(instants.transitions("Asia/Dhaka", 2026)) == []


@pytest.mark.parametrize(
    ("birth", "day", "rule", "age"),
    [
        (date(2008, 3, 1), date(2026, 2, 28), "march_1", 17),
        (date(2008, 3, 1), date(2026, 3, 1), "march_1", 18),
        (date(2008, 2, 29), date(2026, 2, 28), "march_1", 17),
        (date(2008, 2, 29), date(2026, 2, 28), "february_28", 18),
        (date(2008, 2, 29), date(2028, 2, 28), "february_28", 19),
        (date(2008, 2, 29), date(2028, 2, 29), "march_1", 20),
    ],
)
def test_age_is_counted_in_birthdays(birth: date, day: date, rule: str, age: int) -> None:
    assert instants.age_on(birth, day, leapling=rule) == age


@pytest.mark.parametrize(
    ("value", "by", "found"),
    [
        ("2026-03-01", "-2d", "2026-02-27"),
        ("2026-12-31", "+1", "2027-01-01"),
        ("2026-12", "+1", "2027-01"),
        ("2026", "-1", "2025"),
        ("2026-03-01T00:10:00Z", "-15m", "2026-02-28T23:55:00Z"),
        ("2026-03-01T00:10:00+06:00", "+1d", "2026-03-01T18:10:00Z"),
    ],
)
def test_what_is_written_is_shifted(value: str, by: str, found: str) -> None:
    assert instants.shifted(value, by) == found


@pytest.mark.parametrize(
    ("value", "by"),
    [
        ("2026-03", "-2d"),
        ("2026-03-01", "+1h"),
        ("2026-03-01T00:10:00Z", "+1"),
        ("tomorrow", "+1d"),
    ],
)
def test_what_cannot_be_shifted_is_said(value: str, by: str) -> None:
    with pytest.raises(ValueError, match="cannot be shifted"):
        instants.shifted(value, by)


def test_months_are_counted_across_years() -> None:
    assert instants.month_of(date(2026, 1, 31), -1) == "2025-12"
    assert instants.month_of(date(2026, 12, 1), 1) == "2027-01"


def test_the_version_of_the_time_zones_is_told() -> None:
    assert clock.tzdata()[:2] == "20"
