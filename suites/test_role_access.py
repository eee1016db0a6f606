"""Role access: what a role was never granted, it cannot do (OWASP API5:2023, BFLA)."""

from conformance import Because, Case, Harness, cases, clauses, oracles, sources, trials


@cases(sources.matrix, lambda case: case.because is Because.GRANTED)
@clauses(
    "hipaa:164.308(a)(4)(ii)(B)",
    "nist-800-53r5:AC-3(7)",
    "iso27001-2022:A.5.15",
    "soc2-tsc:CC6.3",
    "onc-170.315:(d)(1)",
)
def test_granted_operations_work(case: Case, harness: Harness) -> None:
    """What the policy grants works, and a granted write can be read back."""
    harness.judge(case, trials.attempt, oracles.succeeded, oracles.changed)


@cases(sources.matrix, lambda case: case.because is Because.ROLE)
@clauses(
    "hipaa:164.312(a)(1)",
    "hipaa:164.312(c)(1)",
    "hipaa:164.308(a)(4)(ii)(B)",
    "nist-800-53r5:AC-3",
    "nist-800-53r5:AC-3(7)",
    "nist-800-53r5:AC-6",
    "nist-800-53r5:AC-6(10)",
    "owasp-asvs:v5.0.0-8.2.1",
    "owasp-asvs:v5.0.0-8.3.1",
    "owasp-api:API5:2023",
    "iso27001-2022:A.5.15",
    "iso27001-2022:A.8.2",
    "iso27001-2022:A.8.3",
    "soc2-tsc:CC6.1",
    "soc2-tsc:CC6.3",
    "gdpr:Art.5(1)(f)",
    "gdpr:Art.32(1)(b)",
    "onc-170.315:(d)(1)",
    "hl7-ihe:EHR-S FM R2.1.1 TI.1.3",
)
def test_ungranted_operations_are_refused(case: Case, harness: Harness) -> None:
    """A role without a grant for an operation is refused, and a refused write leaves no trace."""
    harness.judge(case, trials.attempt, oracles.refused, oracles.unchanged)


@cases(sources.whole)
@clauses("owasp-asvs:v5.0.0-8.1.1", "owasp-api:API9:2023")
def test_every_operation_is_classified(case: Case, harness: Harness) -> None:
    """Every operation of the API document is named by the policy, and none is made up."""
    harness.conclude(case, harness.inventory())
