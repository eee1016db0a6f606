"""Object scope: inside a tenant, only related records are open (OWASP API1:2023, BOLA)."""

from conformance import Because, Case, Harness, cases, clauses, oracles, sources, trials


def _inside(case: Case) -> bool:
    return case.because is Because.UNRELATED


@cases(sources.incomparable, _inside)
@clauses(
    "hipaa:164.312(a)(1)",
    "hipaa:164.312(c)(1)",
    "nist-800-53r5:AC-3",
    "nist-800-53r5:AC-6",
    "owasp-asvs:v5.0.0-8.2.2",
    "owasp-api:API1:2023",
    "iso27001-2022:A.8.3",
    "soc2-tsc:CC6.1",
    "gdpr:Art.5(1)(f)",
    "gdpr:Art.32(1)(b)",
    "hl7-ihe:EHR-S FM R2.1.1 TI.1.3",
)
def test_unrelated_records_are_refused(case: Case, harness: Harness) -> None:
    """A record of the same tenant without a relation to the persona is refused and unchanged."""
    harness.judge(case, trials.attempt, oracles.refused, oracles.unchanged)


@cases(sources.foreign, _inside)
@clauses(
    "hipaa:164.312(a)(1)",
    "hipaa:164.312(c)(1)",
    "nist-800-53r5:AC-3",
    "nist-800-53r5:AC-6",
    "nist-800-53r5:SI-11",
    "owasp-asvs:v5.0.0-8.2.2",
    "owasp-api:API1:2023",
    "iso27001-2022:A.8.3",
    "soc2-tsc:CC6.1",
    "gdpr:Art.5(1)(f)",
    "gdpr:Art.32(1)(b)",
    "hl7-ihe:EHR-S FM R2.1.1 TI.1.3",
)
def test_unrelated_records_are_refused_like_missing_ones(case: Case, harness: Harness) -> None:
    """An unrelated record is refused and unchanged, and answers like an id that never existed."""
    harness.judge(
        case, trials.foreign, oracles.refused, oracles.unchanged, oracles.indistinguishable
    )


@cases(sources.wrong_parents, _inside)
@clauses(
    "hipaa:164.312(a)(1)",
    "hipaa:164.312(c)(1)",
    "nist-800-53r5:AC-3",
    "owasp-asvs:v5.0.0-8.2.2",
    "owasp-api:API1:2023",
    "iso27001-2022:A.8.3",
)
def test_children_are_bound_to_their_parent(case: Case, harness: Harness) -> None:
    """A child of somebody else's record cannot be reached under one's own parent."""
    harness.judge(case, trials.wrong_parent, oracles.refused, oracles.unchanged)


@cases(sources.body_ids, _inside)
@clauses(
    "hipaa:164.312(a)(1)",
    "hipaa:164.312(c)(1)",
    "nist-800-53r5:AC-3",
    "owasp-asvs:v5.0.0-8.2.2",
    "owasp-api:API1:2023",
    "iso27001-2022:A.8.3",
)
def test_ids_in_the_body_open_nothing(case: Case, harness: Harness) -> None:
    """A permitted write whose body names another record leaves that record as it was."""
    harness.judge(case, trials.body_id, oracles.untouched)


@cases(sources.batches, _inside)
@clauses(
    "hipaa:164.312(a)(1)",
    "nist-800-53r5:AC-3",
    "owasp-asvs:v5.0.0-8.2.2",
    "owasp-api:API1:2023",
    "iso27001-2022:A.8.3",
)
def test_batches_check_every_element(case: Case, harness: Harness) -> None:
    """In a batch, each element is checked, whatever its position."""
    harness.judge(case, trials.batch, oracles.batch_refused, oracles.alike_in_batch)
