"""Durability: what was answered as done outlives a crash, and the books balance."""

from conformance import Case, Harness, cases, clauses, sources, trials
from conformance.oracles import durability, invariants


@cases(sources.durability.crashes)
@clauses("hipaa:164.312(c)(1)")
def test_acknowledged_writes_survive(case: Case, harness: Harness) -> None:
    """What was answered as done is there after a crash, with all that must follow from it."""
    harness.judge(case, trials.durability.crashed, durability.judged)


@cases(sources.invariants.claimed)
@clauses("hipaa:164.312(c)(1)")
def test_the_books_balance(case: Case, harness: Harness) -> None:
    """What must hold of the target's data is stated, so that it can be read after every suite."""
    harness.judge(case, trials.invariants.swept, invariants.holds)
