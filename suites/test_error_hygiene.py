"""Error hygiene: errors tell nothing about the inside (OWASP API8:2023)."""

from conformance import Case, Harness, cases, clauses, oracles, sources, trials


@cases(sources.errors)
@clauses("nist-800-53r5:SI-11", "owasp-api:API8:2023")
def test_errors_tell_nothing_about_the_inside(case: Case, harness: Harness) -> None:
    """Requests that must fail are answered without stack trace, SQL or path."""
    harness.judge(case, trials.error, oracles.discreet)


@cases(sources.whole)
@clauses("nist-800-53r5:SI-11", "owasp-api:API8:2023")
def test_errors_name_no_version(case: Case, harness: Harness) -> None:
    """The headers of an error name no version of what runs inside."""
    harness.judge(case, trials.at_large, oracles.versionless)
