"""Properties: of a record, each role sees and sets only its own fields (OWASP API3:2023, BOPLA)."""

from conformance import Case, Harness, cases, clauses, oracles, sources, trials


@cases(sources.properties.masked)
@clauses(
    "hipaa:164.502(b)",
    "nist-800-53r5:AC-6",
    "owasp-asvs:v5.0.0-8.2.3",
    "owasp-api:API3:2023",
    "iso27001-2022:A.8.3",
    "iso27001-2022:A.8.11",
    "gdpr:Art.25(2)",
)
def test_masked_fields_are_absent(case: Case, harness: Harness) -> None:
    """Answers hold only the fields that the reader's mask names, whatever the request asks for."""
    harness.judge(
        case,
        trials.properties.masked,
        oracles.properties.absent,
        oracles.properties.asking_changes_nothing,
    )


@cases(sources.properties.masked_lists)
@clauses(
    "hipaa:164.502(b)",
    "nist-800-53r5:AC-6",
    "owasp-asvs:v5.0.0-8.2.3",
    "owasp-api:API3:2023",
    "iso27001-2022:A.8.3",
    "iso27001-2022:A.8.11",
    "gdpr:Art.25(2)",
)
def test_filters_and_sorting_tell_nothing_of_masked_fields(case: Case, harness: Harness) -> None:
    """Filtering or sorting by a masked field finds the same rows whatever stands in it."""
    harness.judge(case, trials.properties.told, oracles.properties.tells_nothing)


@cases(sources.properties.settable)
@clauses(
    "hipaa:164.312(c)(1)",
    "nist-800-53r5:AC-3",
    "owasp-asvs:v5.0.0-8.2.3",
    "owasp-api:API3:2023",
    "iso27001-2022:A.8.3",
)
def test_only_own_properties_can_be_set(case: Case, harness: Harness) -> None:
    """Properties that the role may not set are not set by a write that carries them."""
    harness.judge(case, trials.assignment.assigned, oracles.properties.not_set)
