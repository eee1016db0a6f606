"""Unauthenticated: without a login, nothing but what is declared public answers."""

from conformance import (
    ANONYMOUS,
    Case,
    Expected,
    Harness,
    cases,
    clauses,
    oracles,
    sources,
    trials,
)


def _anonymous(case: Case, expected: Expected) -> bool:
    return case.persona == ANONYMOUS and case.expected is expected


@cases(sources.anonymous, lambda case: _anonymous(case, Expected.DENY))
@clauses(
    "hipaa:164.312(a)(1)",
    "hipaa:164.312(d)",
    "nist-800-53r5:AC-3",
    "nist-800-53r5:AC-14",
    "owasp-api:API2:2023",
    "iso27001-2022:A.8.3",
    "soc2-tsc:CC6.1",
    "soc2-tsc:CC6.6",
    "gdpr:Art.5(1)(f)",
    "onc-170.315:(d)(1)",
)
def test_operations_ask_for_a_login(case: Case, harness: Harness) -> None:
    """Without a credential every operation that is not public is refused and changes nothing."""
    harness.judge(case, trials.attempt, oracles.refused, oracles.unchanged)


@cases(sources.anonymous, lambda case: _anonymous(case, Expected.ALLOW))
@clauses("nist-800-53r5:AC-14")
def test_public_operations_answer(case: Case, harness: Harness) -> None:
    """What is declared public answers without a credential."""
    harness.judge(case, trials.attempt, oracles.succeeded, oracles.changed)
