"""Limits: what is declared to be limited is limited (OWASP API4:2023)."""

from conformance import Case, Harness, cases, clauses, oracles, sources, trials


@cases(sources.limits.limited)
@clauses("owasp-api:API4:2023")
def test_operations_hold_their_limits(case: Case, harness: Harness) -> None:
    """Whoever does an operation more often than declared is limited, and told until when."""
    harness.judge(case, trials.limits.operation, oracles.limits.holds)


@cases(sources.limits.resets)
@clauses("owasp-api:API4:2023", "owasp-api:API2:2023")
def test_password_resets_hold_their_limit(case: Case, harness: Harness) -> None:
    """Asking for a new password too often is limited, for a name that nobody has as well."""
    harness.judge(case, trials.limits.asking, oracles.limits.holds)


@cases(sources.limits.sign_ups)
@clauses("owasp-api:API4:2023", "owasp-api:API6:2023")
def test_sign_ups_hold_their_limit(case: Case, harness: Harness) -> None:
    """Signing up too often is limited, for a name that somebody has and that nobody has."""
    harness.judge(case, trials.limits.asking, oracles.limits.holds)


@cases(sources.limits.pages)
@clauses("owasp-api:API4:2023")
def test_pages_have_an_end(case: Case, harness: Harness) -> None:
    """A page holds no more rows than declared, whatever is asked for."""
    harness.judge(case, trials.limits.page, oracles.limits.bounded)
