"""The faults that the almanac can be given, by name: one promise broken each."""

from __future__ import annotations

FAULTS = {
    # Days
    "utc-days": "days are those of UTC",
    "standard-offset": "days are those of the standard offset, in summer too",
    "utc-list": "only the list of a day is by UTC",
    "utc-export": "only the export is by UTC",
    "export-drops": "the export has no row of what is of another day in UTC",
    "last-second": "the list of a day ends at 23:59:59",
    "inclusive": "the list of a day has the first instant of the next one too",
    "week-year": "numbers bear the year of the ISO week",
    "tomorrow-24h": "tomorrow is what it is 24 hours from now",
    "offset-of-now": "the list of a day is by the offset of the moment at which it is read",
    "counts-utc": "only the count of a day is by UTC",
    # Stays, schedules
    "stay-by-hours": "a stay counts for each 24 hours begun",
    "doses-by-wall": "every so many hours is counted on the wall clock",
    "doses-by-hours": "a time of day comes again after 24 hours",
    # Ages, dates
    "age-365": "a year of age has 365.25 days",
    "age-stored": "years are reckoned when somebody is written",
    "age-utc": "the day of a birthday is that of UTC",
    "birth-shifted": "a date is kept as its midnight in the zone, and shown by UTC",
    "birth-shifted-by-change": "a change does that, and creating does not",
    "birth-shifted-by-touch": "a change of something else does that",
    # Wall times
    "gap-accepted": "a wall time that never comes is accepted",
    "first-of-two": "of two equal wall times it is always the first",
    # Lifetimes
    "pass-by-wall": "a pass ends by the wall clock",
    "pass-for-ever": "a pass says when it ends, and does not end",
    # The clock
    "database-behind": "the database's clock is not pinned",
    "clock-in-production": "the clock can be set in production",
    "header-in-production": "the header counts in production",
    # No faults, but what a sound system may do
    "archives": "the list of a day has nothing older than 90 days",
    "always-wrong": "days are one too late at any hour",
}


def checked(names: tuple[str, ...]) -> frozenset[str]:
    """The names, each of which must be a fault."""
    unknown = set(names) - set(FAULTS)
    assert not unknown, unknown
    return frozenset(names)
