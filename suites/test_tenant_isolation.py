"""Tenant isolation: nothing of another organisation can be seen, changed, counted or found."""

from conformance import Because, Case, Harness, cases, clauses, oracles, series, sources, trials


def _across(case: Case) -> bool:
    return case.because is Because.OTHER_TENANT


@cases(sources.incomparable, _across)
@clauses(
    "hipaa:164.312(a)(1)",
    "hipaa:164.312(c)(1)",
    "nist-800-53r5:AC-3",
    "nist-800-53r5:AC-4",
    "owasp-asvs:v5.0.0-8.4.1",
    "owasp-api:API1:2023",
    "iso27001-2022:A.8.3",
    "soc2-tsc:CC6.1",
    "gdpr:Art.5(1)(f)",
    "gdpr:Art.32(1)(b)",
    "hl7-ihe:EHR-S FM R2.1.1 TI.1.3",
)
def test_other_tenants_records_are_refused(case: Case, harness: Harness) -> None:
    """Another tenant's record is refused to everybody, and a refused write leaves no trace."""
    harness.judge(case, trials.attempt, oracles.refused, oracles.unchanged)


@cases(sources.foreign, _across)
@clauses(
    "hipaa:164.312(a)(1)",
    "hipaa:164.312(c)(1)",
    "nist-800-53r5:AC-3",
    "nist-800-53r5:AC-4",
    "nist-800-53r5:SI-11",
    "owasp-asvs:v5.0.0-8.4.1",
    "owasp-api:API1:2023",
    "iso27001-2022:A.8.3",
    "soc2-tsc:CC6.1",
    "gdpr:Art.5(1)(f)",
    "gdpr:Art.32(1)(b)",
    "hl7-ihe:EHR-S FM R2.1.1 TI.1.3",
)
def test_other_tenants_records_are_refused_like_missing_ones(case: Case, harness: Harness) -> None:
    """Another tenant's record is refused and unchanged, and answers like one that never existed."""
    harness.judge(
        case, trials.foreign, oracles.refused, oracles.unchanged, oracles.indistinguishable
    )


@cases(sources.timed)
@clauses(
    "nist-800-53r5:AC-4",
    "owasp-asvs:v5.0.0-8.4.1",
)
def test_timing_does_not_tell_that_a_record_exists(case: Case, harness: Harness) -> None:
    """Refusing another tenant's record takes as long as refusing an id that never existed."""
    harness.judge(case, trials.timing, series.takes_as_long)


@cases(sources.selectors)
@clauses(
    "hipaa:164.312(a)(1)",
    "hipaa:164.312(c)(1)",
    "nist-800-53r5:AC-3",
    "nist-800-53r5:AC-4",
    "owasp-asvs:v5.0.0-8.3.1",
    "owasp-asvs:v5.0.0-8.4.1",
    "owasp-api:API1:2023",
    "iso27001-2022:A.8.3",
)
def test_naming_another_tenant_opens_nothing(case: Case, harness: Harness) -> None:
    """One's own login with another tenant named in the request is refused."""
    harness.judge(case, trials.attempt, oracles.refused, oracles.unchanged)


@cases(sources.undeclared_selectors, _across)
@clauses(
    "hipaa:164.312(a)(1)",
    "nist-800-53r5:AC-3",
    "nist-800-53r5:AC-4",
    "owasp-asvs:v5.0.0-8.3.1",
    "owasp-asvs:v5.0.0-8.4.1",
    "owasp-api:API1:2023",
    "iso27001-2022:A.8.3",
)
def test_undeclared_headers_open_nothing(case: Case, harness: Harness) -> None:
    """Naming another tenant in a header that nobody declared opens none of its records."""
    harness.judge(case, trials.attempt, oracles.refused)


@cases(sources.undeclared_selectors, lambda case: not _across(case))
@clauses(
    "nist-800-53r5:AC-4",
    "owasp-asvs:v5.0.0-8.3.1",
    "owasp-asvs:v5.0.0-8.4.1",
)
def test_undeclared_headers_change_no_list(case: Case, harness: Harness) -> None:
    """Naming another tenant in a header that nobody declared shows nothing of it in lists."""
    harness.judge(case, trials.attempt, oracles.gives_nothing_of_theirs)


@cases(sources.counted)
@clauses(
    "nist-800-53r5:AC-4",
    "owasp-asvs:v5.0.0-8.4.1",
)
def test_counts_tell_only_of_visible_rows(case: Case, harness: Harness) -> None:
    """A count is the number of rows that its reader can reach in the list it counts."""
    harness.judge(case, trials.counting, series.counts_what_it_shows)


@cases(sources.wrong_parents, _across)
@clauses(
    "hipaa:164.312(a)(1)",
    "hipaa:164.312(c)(1)",
    "nist-800-53r5:AC-3",
    "nist-800-53r5:AC-4",
    "owasp-asvs:v5.0.0-8.4.1",
    "owasp-api:API1:2023",
    "iso27001-2022:A.8.3",
)
def test_foreign_children_are_not_reached_through_own_parents(case: Case, harness: Harness) -> None:
    """Another tenant's child record cannot be reached under one's own parent."""
    harness.judge(case, trials.wrong_parent, oracles.refused, oracles.unchanged)


@cases(sources.body_ids, _across)
@clauses(
    "hipaa:164.312(a)(1)",
    "hipaa:164.312(c)(1)",
    "nist-800-53r5:AC-3",
    "nist-800-53r5:AC-4",
    "owasp-asvs:v5.0.0-8.4.1",
    "owasp-api:API1:2023",
    "iso27001-2022:A.8.3",
)
def test_foreign_ids_in_the_body_open_nothing(case: Case, harness: Harness) -> None:
    """A permitted write whose body names another tenant's record leaves that record as it was."""
    harness.judge(case, trials.body_id, oracles.untouched)


@cases(sources.references)
@clauses(
    "hipaa:164.312(c)(1)",
    "nist-800-53r5:AC-4",
    "owasp-asvs:v5.0.0-8.4.1",
)
def test_records_do_not_refer_across_tenants(case: Case, harness: Harness) -> None:
    """A record cannot be made to refer to another tenant's record."""
    harness.judge(case, trials.reference, oracles.reference_refused)


@cases(sources.batches, _across)
@clauses(
    "hipaa:164.312(a)(1)",
    "nist-800-53r5:AC-3",
    "nist-800-53r5:AC-4",
    "owasp-asvs:v5.0.0-8.4.1",
    "owasp-api:API1:2023",
    "iso27001-2022:A.8.3",
)
def test_batches_check_the_tenant_of_every_element(case: Case, harness: Harness) -> None:
    """In a batch, another tenant's id is answered like one that never existed."""
    harness.judge(case, trials.batch, oracles.batch_refused, oracles.alike_in_batch)


@cases(sources.listings)
@clauses(
    "hipaa:164.312(a)(1)",
    "hipaa:164.502(b)",
    "nist-800-53r5:AC-3",
    "nist-800-53r5:AC-4",
    "owasp-asvs:v5.0.0-8.2.2",
    "owasp-asvs:v5.0.0-8.4.1",
    "iso27001-2022:A.8.3",
    "gdpr:Art.25(2)",
)
def test_lists_hold_only_what_their_reader_may_see(case: Case, harness: Harness) -> None:
    """A list holds its reader's records on every page, nobody else's, and counts only those."""
    harness.judge(
        case,
        trials.listing,
        series.shows_no_stranger,
        series.holds_own,
        series.counts_what_it_shows,
        series.shows_each_once,
    )


@cases(sources.gathering)
@clauses(
    "hipaa:164.312(a)(1)",
    "hipaa:164.502(b)",
    "nist-800-53r5:AC-3",
    "nist-800-53r5:AC-4",
    "owasp-asvs:v5.0.0-8.2.2",
    "owasp-asvs:v5.0.0-8.2.3",
    "owasp-asvs:v5.0.0-8.4.1",
    "owasp-api:API3:2023",
    "iso27001-2022:A.8.3",
    "soc2-tsc:CC6.7",
    "gdpr:Art.25(2)",
)
def test_exports_hold_only_what_their_reader_may_see(case: Case, harness: Harness) -> None:
    """An export or summary holds its reader's records and fields, and nothing else."""
    harness.judge(case, trials.gathered, oracles.shows_own)


@cases(sources.paged)
@clauses(
    "nist-800-53r5:AC-4",
    "owasp-asvs:v5.0.0-8.4.1",
)
def test_cursors_are_bound_to_their_tenant(case: Case, harness: Harness) -> None:
    """Another tenant's cursor shows nothing of that tenant."""
    harness.judge(case, trials.cursor, oracles.gives_nothing_of_theirs)


@cases(sources.searches)
@clauses(
    "hipaa:164.312(a)(1)",
    "hipaa:164.502(b)",
    "nist-800-53r5:AC-4",
    "owasp-asvs:v5.0.0-8.4.1",
    "iso27001-2022:A.8.3",
)
def test_searches_find_nothing_of_other_tenants(case: Case, harness: Harness) -> None:
    """A search for another tenant's value finds as little as one for a value that nobody has."""
    harness.judge(case, trials.search, oracles.search_finds_nothing)


@cases(sources.claims)
@clauses("owasp-api:API1:2023")
def test_identifiers_cannot_be_guessed(case: Case, harness: Harness) -> None:
    """Identifiers that the target claims to be random do not follow one another."""
    harness.judge(case, trials.identifiers, series.unguessable)
