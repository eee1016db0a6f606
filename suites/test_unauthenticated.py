"""Unauthenticated: without a login, nothing but what is declared public answers."""

from conformance import ANONYMOUS, Case, Expected, Harness, cases, oracles, sources, trials


def _anonymous(case: Case, expected: Expected) -> bool:
    return case.persona == ANONYMOUS and case.expected is expected


@cases(sources.anonymous, lambda case: _anonymous(case, Expected.DENY))
def test_operations_ask_for_a_login(case: Case, harness: Harness) -> None:
    """Without a credential every operation that is not public is refused and changes nothing."""
    harness.judge(case, trials.attempt, oracles.refused, oracles.unchanged)


@cases(sources.anonymous, lambda case: _anonymous(case, Expected.ALLOW))
def test_public_operations_answer(case: Case, harness: Harness) -> None:
    """What is declared public answers without a credential."""
    harness.judge(case, trials.attempt, oracles.succeeded, oracles.changed)
