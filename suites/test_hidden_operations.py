"""Hidden operations: what nobody declared does not answer (OWASP API9:2023, API5:2023)."""

from conformance import Case, Harness, cases, clauses, oracles, sources, trials


@cases(sources.hidden.methods)
@clauses(
    "hipaa:164.312(a)(1)",
    "nist-800-53r5:AC-3",
    "owasp-asvs:v5.0.0-8.3.1",
    "owasp-api:API5:2023",
    "owasp-api:API9:2023",
    "iso27001-2022:A.8.3",
)
def test_undeclared_methods_do_nothing(case: Case, harness: Harness) -> None:
    """Methods that nobody declared for a path give no data and change nothing."""
    harness.judge(case, trials.hidden.methods, oracles.hidden.opens_nothing)


@cases(sources.hidden.overrides)
@clauses("nist-800-53r5:AC-3", "owasp-asvs:v5.0.0-8.3.1", "owasp-api:API5:2023")
def test_methods_cannot_be_overridden(case: Case, harness: Harness) -> None:
    """Headers and parameters that name another method do not turn a request into it."""
    harness.judge(case, trials.hidden.overrides, oracles.hidden.opens_nothing)


@cases(sources.hidden.refused_reads)
@clauses(
    "hipaa:164.312(a)(1)",
    "nist-800-53r5:AC-3",
    "owasp-asvs:v5.0.0-8.3.1",
    "owasp-api:API5:2023",
    "owasp-api:API9:2023",
    "iso27001-2022:A.8.3",
)
def test_other_spellings_and_versions_open_nothing(case: Case, harness: Harness) -> None:
    """What is refused is refused in every spelling of its path, and under other versions."""
    harness.judge(case, trials.hidden.respelt, oracles.hidden.opens_nothing)


@cases(sources.hidden.shadows)
@clauses("owasp-api:API9:2023")
def test_no_version_is_left_open(case: Case, harness: Harness) -> None:
    """No other version of an operation answers that neither document nor policy knows."""
    harness.judge(case, trials.hidden.shadowed, oracles.hidden.opens_nothing)


@cases(sources.hidden.pages)
@clauses("owasp-api:API9:2023", "owasp-api:API8:2023")
def test_no_page_of_the_inside_is_open(case: Case, harness: Harness) -> None:
    """Pages for developers and operators are open to nobody from outside."""
    harness.judge(case, trials.hidden.pages, oracles.hidden.shows_no_inside)
