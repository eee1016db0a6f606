"""Role access: what a role was never granted, it cannot do (OWASP API5:2023, BFLA)."""

from conformance import Because, Case, Harness, cases, oracles, sources, trials


@cases(sources.matrix, lambda case: case.because is Because.GRANTED)
def test_granted_operations_work(case: Case, harness: Harness) -> None:
    """What the policy grants works, and a granted write can be read back."""
    harness.judge(case, trials.attempt, oracles.succeeded, oracles.changed)


@cases(sources.matrix, lambda case: case.because is Because.ROLE)
def test_ungranted_operations_are_refused(case: Case, harness: Harness) -> None:
    """A role without a grant for an operation is refused, and a refused write leaves no trace."""
    harness.judge(case, trials.attempt, oracles.refused, oracles.unchanged)


@cases(sources.whole)
def test_every_operation_is_classified(case: Case, harness: Harness) -> None:
    """Every operation of the API document is named by the policy, and none is made up."""
    harness.conclude(case, harness.inventory())
