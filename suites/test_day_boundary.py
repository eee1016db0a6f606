"""Day boundaries: what happens on a local day is on that day everywhere, whatever the clock."""

from conformance import Case, Harness, alone_where, cases, clauses, oracles, sources, trials

shared = alone_where(sources.day_boundary.shares_its_clock)


@shared
@cases(sources.day_boundary.days)
@clauses("hipaa:164.312(c)(1)", "nist-800-53r5:AU-8")
def test_days_are_local_days(case: Case, harness: Harness) -> None:
    """What happens at an awkward instant is on its local day in every place where it shows."""
    harness.judge(case, trials.day_boundary.on_day, oracles.day_boundary.on_its_day)


@shared
@cases(sources.day_boundary.stays)
@clauses("hipaa:164.312(c)(1)")
def test_stays_count_local_days(case: Case, harness: Harness) -> None:
    """A stay counts for its local days, however long these are."""
    harness.judge(case, trials.day_boundary.stay, oracles.day_boundary.on_its_day)


@shared
@cases(sources.day_boundary.schedules)
@clauses("hipaa:164.312(c)(1)")
def test_schedules_survive_clock_changes(case: Case, harness: Harness) -> None:
    """What is scheduled is due after its hours, or at its wall time, across a clock change too."""
    harness.judge(case, trials.day_boundary.schedule, oracles.day_boundary.on_its_day)


@shared
@cases(sources.day_boundary.ages)
@clauses("hipaa:164.312(c)(1)")
def test_people_come_of_age_on_their_birthday(case: Case, harness: Harness) -> None:
    """People are of age from the local midnight of their birthday on."""
    harness.judge(case, trials.day_boundary.age, oracles.day_boundary.on_its_day)


@shared
@cases(sources.day_boundary.dates)
@clauses("hipaa:164.312(c)(1)")
def test_dates_come_back_as_written(case: Case, harness: Harness) -> None:
    """A date comes back as it was written, in every zone, after a change too."""
    harness.judge(case, trials.day_boundary.dates, oracles.day_boundary.on_its_day)


@shared
@cases(sources.day_boundary.local_times)
@clauses("hipaa:164.312(c)(1)")
def test_local_times_are_told_apart(case: Case, harness: Harness) -> None:
    """A wall time that never comes, and one that comes twice, become no other time unseen."""
    harness.judge(case, trials.day_boundary.local_time, oracles.day_boundary.on_its_day)


@shared
@cases(sources.day_boundary.lifetimes)
@clauses("nist-800-53r5:AC-12", "hipaa:164.312(a)(2)(iii)")
def test_lifetimes_are_elapsed_time(case: Case, harness: Harness) -> None:
    """What is given out for a while ends after that while, whatever the wall clock does."""
    harness.judge(case, trials.day_boundary.lifetime, oracles.day_boundary.on_its_day)


@shared
@cases(sources.day_boundary.in_production)
@clauses("nist-800-53r5:AU-8")
def test_nobody_pins_the_clock_outside_test_mode(case: Case, harness: Harness) -> None:
    """The clock cannot be pinned outside test mode, by nobody and by no role."""
    harness.judge(
        case, trials.day_boundary.in_production, oracles.day_boundary.refused_in_production
    )
