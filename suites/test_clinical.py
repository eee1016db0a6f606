"""Clinical decisions: scores and flags by tables, who is told, and what comes first in a list.

Evidence about software only.
"""

from conformance import Case, Harness, cases, clauses, oracles, sources, trials


@cases(sources.clinical.about("edges", "thresholds", "combinations"))
@clauses("hipaa:164.312(c)(1)")
def test_scores_at_every_edge(case: Case, harness: Harness) -> None:
    """On both sides of every edge of the table the target comes to what the table says."""
    harness.judge(
        case,
        trials.clinical.sheet,
        oracles.clinical.follows,
        oracles.clinical.everywhere,
        oracles.clinical.stands_right,
        oracles.clinical.told,
    )


@cases(sources.clinical.about("vectors"))
@clauses("hipaa:164.312(c)(1)")
def test_worked_examples(case: Case, harness: Harness) -> None:
    """Worked examples come out as published, wherever the result shows."""
    harness.judge(
        case,
        trials.clinical.sheet,
        oracles.clinical.follows,
        oracles.clinical.everywhere,
        oracles.clinical.stands_right,
        oracles.clinical.told,
    )


@cases(sources.clinical.about("missing"))
@clauses("hipaa:164.312(c)(1)")
def test_missing_is_not_normal(case: Case, harness: Harness) -> None:
    """What was not measured never counts as normal."""
    harness.judge(case, trials.clinical.sheet, oracles.clinical.follows, oracles.clinical.told)


@cases(sources.clinical.about("precision"))
@clauses("hipaa:164.312(c)(1)")
def test_between_two_steps(case: Case, harness: Harness) -> None:
    """A value between two steps is refused or rounded as declared, never in another way."""
    harness.judge(case, trials.clinical.sheet, oracles.clinical.follows)


@cases(sources.clinical.about("range", "units"))
@clauses("hipaa:164.312(c)(1)")
def test_what_cannot_be_is_refused(case: Case, harness: Harness) -> None:
    """Values that cannot be, and values in another unit, are refused and not kept."""
    harness.judge(case, trials.clinical.sheet, oracles.clinical.follows)


@cases(sources.clinical.alerting)
@clauses("hipaa:164.312(c)(1)")
def test_somebody_is_told(case: Case, harness: Harness) -> None:
    """At each threshold somebody is told, once, and below it nobody is."""
    harness.judge(case, trials.clinical.sheet, oracles.clinical.follows, oracles.clinical.told)


@cases(sources.clinical.corrections)
@clauses("hipaa:164.312(c)(1)")
def test_corrections_are_decided_anew(case: Case, harness: Harness) -> None:
    """A corrected record has a result of its own, and what was wrong alerts nobody any more."""
    harness.judge(case, trials.clinical.corrected, oracles.clinical.recomputed)


@cases(sources.order.lists)
@clauses("hipaa:164.312(c)(1)")
def test_lists_keep_their_order(case: Case, harness: Harness) -> None:
    """A list that promises an order, such as the most urgent first, keeps it on every page."""
    harness.judge(case, trials.order.walked, oracles.order.kept)
