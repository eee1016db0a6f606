"""Accountability: who did what to whose record is on record, once, truly and for good."""

from conformance import Case, Harness, cases, clauses, last, oracles, sources, trials

# --- one true entry for each attempt ---------------------------------------------------------


@cases(sources.trail.allowed)
@clauses(
    "hipaa:164.312(b)",
    "nist-800-53r5:AU-2",
    "nist-800-53r5:AU-3",
    "nist-800-53r5:AU-8",
    "nist-800-53r5:AU-12",
    "owasp-asvs:v5.0.0-16.2.1",
    "iso27001-2022:A.8.15",
    "soc2-tsc:CC7.2",
    "onc-170.315:(d)(2)",
    "onc-170.315:(d)(10)",
    "hl7-ihe:BALP 1.1.3",
    "hl7-ihe:EHR-S FM R2.1.1 TI.2",
)
def test_allowed_attempts_leave_one_true_entry(case: Case, harness: Harness) -> None:
    """Whatever is done leaves exactly one entry, which says truly who did it to whose record."""
    harness.judge(
        case,
        trials.trail.entered,
        oracles.trail.tells_the_truth,
        oracles.trail.left_one,
        oracles.trail.holds_nothing_confidential,
    )


@cases(sources.trail.refused)
@clauses(
    "hipaa:164.312(b)",
    "nist-800-53r5:AU-2",
    "nist-800-53r5:AU-3",
    "nist-800-53r5:AU-12",
    "owasp-asvs:v5.0.0-16.2.1",
    "owasp-asvs:v5.0.0-16.3.2",
    "iso27001-2022:A.8.15",
    "soc2-tsc:CC7.2",
    "hl7-ihe:BALP 1.1.3",
)
def test_refused_attempts_leave_one_true_entry(case: Case, harness: Harness) -> None:
    """Whatever is refused leaves exactly one entry, which says truly who tried it."""
    harness.judge(
        case,
        trials.trail.entered,
        oracles.trail.tells_the_truth,
        oracles.trail.left_one,
        oracles.trail.holds_nothing_confidential,
    )


@cases(sources.trail.without_login)
@clauses(
    "nist-800-53r5:AU-2",
    "nist-800-53r5:AU-12",
    "owasp-asvs:v5.0.0-16.3.1",
    "iso27001-2022:A.8.15",
    "soc2-tsc:CC7.2",
)
def test_attempts_without_a_login_leave_one_true_entry(case: Case, harness: Harness) -> None:
    """Whatever is tried without a login leaves exactly one entry, which names nobody for it."""
    harness.judge(case, trials.trail.entered, oracles.trail.tells_the_truth, oracles.trail.left_one)


@cases(sources.trail.failing)
@clauses(
    "hipaa:164.312(b)",
    "nist-800-53r5:AU-2",
    "nist-800-53r5:AU-3",
    "nist-800-53r5:AU-12",
    "iso27001-2022:A.8.15",
)
def test_failing_attempts_leave_one_true_entry(case: Case, harness: Harness) -> None:
    """Whatever fails leaves exactly one entry, which says that it failed."""
    harness.judge(case, trials.trail.entered, oracles.trail.tells_the_truth, oracles.trail.left_one)


@cases(sources.trail.confidential)
@clauses(
    "hipaa:164.312(a)(1)",
    "nist-800-53r5:AU-3",
    "owasp-asvs:v5.0.0-16.2.1",
    "iso27001-2022:A.8.15",
    "gdpr:Art.5(1)(f)",
    "gdpr:Art.32(1)(b)",
)
def test_entries_hold_no_content_and_no_secret(case: Case, harness: Harness) -> None:
    """What was searched for, sent in vain or tried as a password does not stand in the trail."""
    harness.judge(case, trials.trail.confidential, oracles.trail.holds_nothing_confidential)


# --- nothing is believed ---------------------------------------------------------------------


@cases(sources.trail.forged)
@clauses(
    "hipaa:164.312(b)",
    "nist-800-53r5:AU-3",
    "nist-800-53r5:AU-8",
    "nist-800-53r5:AU-9",
    "nist-800-53r5:AU-10",
    "owasp-asvs:v5.0.0-16.4.2",
    "iso27001-2022:A.8.15",
)
def test_callers_invent_nothing(case: Case, harness: Harness) -> None:
    """Who, whence and when are the target's own knowledge, whatever the caller's headers say."""
    harness.judge(
        case,
        trials.invention.forged,
        oracles.trail.tells_the_truth,
        oracles.trail.left_one,
        oracles.trail.believes_nothing,
    )


@cases(sources.trail.reused)
@clauses(
    "hipaa:164.312(b)",
    "nist-800-53r5:AU-9",
    "nist-800-53r5:AU-10",
    "nist-800-53r5:AU-12",
    "owasp-asvs:v5.0.0-16.4.2",
)
def test_an_id_sent_again_hides_nothing(case: Case, harness: Harness) -> None:
    """A correlation id that was sent before gives a second entry and leaves the first alone."""
    harness.judge(case, trials.invention.reused, oracles.trail.keeps_both)


# --- how the trail is kept -------------------------------------------------------------------


@cases(sources.trail.bordered)
@clauses(
    "hipaa:164.312(a)(1)",
    "hipaa:164.312(b)",
    "nist-800-53r5:AU-9",
    "iso27001-2022:A.8.15",
    "gdpr:Art.5(1)(f)",
)
def test_entries_stay_in_their_tenant(case: Case, harness: Harness) -> None:
    """An entry is in its own tenant's trail, and no reader of another tenant is shown it."""
    harness.judge(case, trials.custody.bordered, oracles.trail.stays_in_its_tenant)


@cases(sources.trail.closed)
@clauses(
    "hipaa:164.312(a)(1)",
    "nist-800-53r5:AU-9",
    "nist-800-53r5:AU-9(4)",
    "owasp-asvs:v5.0.0-16.4.2",
    "iso27001-2022:A.8.15",
    "onc-170.315:(d)(2)",
)
def test_only_readers_read_the_trail(case: Case, harness: Harness) -> None:
    """Whoever is not granted to read the trail is refused, while its reader is served."""
    harness.judge(case, trials.custody.closed, oracles.comes_out)


@cases(sources.trail.kept)
@clauses(
    "hipaa:164.312(c)(1)",
    "nist-800-53r5:AU-9",
    "nist-800-53r5:AU-9(4)",
    "nist-800-53r5:AU-10",
    "owasp-asvs:v5.0.0-16.4.2",
    "iso27001-2022:A.8.15",
    "onc-170.315:(d)(2)",
    "onc-170.315:(d)(10)",
)
def test_nobody_alters_the_trail(case: Case, harness: Harness) -> None:
    """Nobody, readers and administrators included, changes, removes or adds an entry by the API."""
    harness.judge(case, trials.custody.kept, oracles.trail.unaltered)


# --- the whole run ---------------------------------------------------------------------------


@last
@cases(sources.trail.reconciled)
@clauses(
    "hipaa:164.312(b)",
    "nist-800-53r5:AU-2",
    "nist-800-53r5:AU-3",
    "nist-800-53r5:AU-12",
    "iso27001-2022:A.8.15",
    "soc2-tsc:CC7.2",
    "onc-170.315:(d)(2)",
    "hl7-ihe:EHR-S FM R2.1.1 TI.2",
)
def test_the_run_and_the_trail_agree(case: Case, harness: Harness) -> None:
    """Of all that this run tried nothing is missing in the trail, twice, or invented."""
    harness.judge(
        case, trials.reconciliation.reconciled, oracles.trail.reconciles, oracles.trail.told_apart
    )


# --- emergency access and two pairs of eyes --------------------------------------------------


@cases(sources.duties.emergencies)
@clauses(
    "hipaa:164.312(a)(2)(ii)",
    "nist-800-53r5:AC-3(10)",
    "onc-170.315:(d)(6)",
    "hl7-ihe:EHR-S FM R2.1.1 TI.1.3.1",
)
def test_emergency_access_keeps_its_limits(case: Case, harness: Harness) -> None:
    """Emergency access needs a reason and the role, opens one record, ends, and is reviewed."""
    harness.judge(case, trials.duties.emergency, oracles.comes_out)


@cases(sources.duties.separations)
@clauses("nist-800-53r5:AC-5", "iso27001-2022:A.5.3", "soc2-tsc:CC6.3")
def test_nobody_does_both_halves_of_a_duty(case: Case, harness: Harness) -> None:
    """Who did the first half is refused the second, whatever roles and sessions they have."""
    harness.judge(case, trials.duties.separation, oracles.comes_out)


@cases(sources.duties.overridden)
@clauses("nist-800-53r5:AC-5", "nist-800-53r5:AC-6", "iso27001-2022:A.8.2")
def test_what_a_role_forbids_no_other_role_lifts(case: Case, harness: Harness) -> None:
    """An account with two roles cannot do what one forbids, in whatever order it has them."""
    harness.judge(case, trials.duties.overridden, oracles.comes_out)
