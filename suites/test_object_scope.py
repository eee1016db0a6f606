"""Object scope: inside a tenant, only related records are open (OWASP API1:2023, BOLA)."""

from conformance import Because, Case, Harness, cases, oracles, sources, trials


def _inside(case: Case) -> bool:
    return case.because is Because.UNRELATED


@cases(sources.incomparable, _inside)
def test_unrelated_records_are_refused(case: Case, harness: Harness) -> None:
    """A record of the same tenant without a relation to the persona is refused and unchanged."""
    harness.judge(case, trials.attempt, oracles.refused, oracles.unchanged)


@cases(sources.foreign, _inside)
def test_unrelated_records_are_refused_like_missing_ones(case: Case, harness: Harness) -> None:
    """An unrelated record is refused and unchanged, and answers like an id that never existed."""
    harness.judge(
        case, trials.foreign, oracles.refused, oracles.unchanged, oracles.indistinguishable
    )


@cases(sources.wrong_parents, _inside)
def test_children_are_bound_to_their_parent(case: Case, harness: Harness) -> None:
    """A child of somebody else's record cannot be reached under one's own parent."""
    harness.judge(case, trials.wrong_parent, oracles.refused, oracles.unchanged)


@cases(sources.body_ids, _inside)
def test_ids_in_the_body_open_nothing(case: Case, harness: Harness) -> None:
    """A permitted write whose body names another record leaves that record as it was."""
    harness.judge(case, trials.body_id, oracles.untouched)


@cases(sources.batches, _inside)
def test_batches_check_every_element(case: Case, harness: Harness) -> None:
    """In a batch, each element is checked, whatever its position."""
    harness.judge(case, trials.batch, oracles.batch_refused, oracles.alike_in_batch)
