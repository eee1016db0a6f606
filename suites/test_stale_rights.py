"""Stale rights: what has ended is refused on the very next request, on every channel."""

from conformance import Case, Harness, cases, clauses, oracles, sources, trials


@clauses(
    "nist-800-53r5:AC-2(3)",
    "nist-800-53r5:AC-3(8)",
    "owasp-asvs:v5.0.0-7.4.2",
    "owasp-asvs:v5.0.0-8.3.2",
    "iso27001-2022:A.5.18",
    "soc2-tsc:CC6.2",
)
@cases(sources.rights.account_events)
def test_ended_accounts_and_roles_open_nothing(case: Case, harness: Harness) -> None:
    """A disabled account and a removed role are refused at once, whatever was open before."""
    harness.judge(case, trials.rights.account_event, oracles.comes_out)


@clauses(
    "nist-800-53r5:AC-3(8)",
    "owasp-asvs:v5.0.0-8.3.2",
    "owasp-asvs:v5.0.0-8.3.3",
    "iso27001-2022:A.5.18",
)
@cases(sources.rights.ended_relations)
def test_ended_relations_open_nothing(case: Case, harness: Harness) -> None:
    """What only a care relation or a proxy opened is refused as soon as that has ended."""
    harness.judge(case, trials.rights.ended_relation, oracles.comes_out)
