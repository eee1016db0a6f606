"""Trying ledgers: something happens at a pinned instant, and every place of it is looked at."""

from conformance.trials.day_boundary.birthdays import age, dates
from conformance.trials.day_boundary.days import on_day
from conformance.trials.day_boundary.lifetimes import lifetime
from conformance.trials.day_boundary.production import in_production
from conformance.trials.day_boundary.schedules import schedule
from conformance.trials.day_boundary.stays import stay
from conformance.trials.day_boundary.wall_times import local_time

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
