"""Authentication: who somebody is, for how long, and what failing to say so tells (OWASP API2)."""

from conformance import Case, Harness, cases, clauses, oracles, sources, trials


@clauses("hipaa:164.312(d)", "nist-800-53r5:IA-2", "owasp-api:API2:2023", "onc-170.315:(d)(1)")
@cases(sources.identity.credentials)
def test_worthless_credentials_open_nothing(case: Case, harness: Harness) -> None:
    """No credential, an empty, a made-up, a damaged or somebody else's opens nothing."""
    harness.judge(case, trials.sessions.worthless, oracles.comes_out)


@clauses("nist-800-53r5:AC-12", "owasp-asvs:v5.0.0-7.4.1", "owasp-api:API2:2023")
@cases(sources.identity.logouts)
def test_logout_ends_the_session(case: Case, harness: Harness) -> None:
    """After a logout neither the session nor its refresh token opens anything."""
    harness.judge(case, trials.sessions.logout, oracles.comes_out)


@clauses("nist-800-53r5:AC-12", "owasp-api:API2:2023")
@cases(sources.identity.password_changes)
def test_a_new_password_ends_what_the_old_one_opened(case: Case, harness: Harness) -> None:
    """After a change of password other sessions, their refresh tokens and the old one are dead."""
    harness.judge(case, trials.sessions.password_change, oracles.comes_out)


@clauses("nist-800-53r5:AC-7", "owasp-api:API2:2023", "iso27001-2022:A.8.5")
@cases(sources.identity.lock_outs)
def test_failed_logins_lock_out(case: Case, harness: Harness) -> None:
    """After the promised number of failures the right password is refused too, however varied."""
    harness.judge(case, trials.guesses.failed_logins, oracles.comes_out)


@clauses("nist-800-53r5:SI-11", "owasp-api:API2:2023")
@cases(sources.identity.enumeration)
def test_answers_do_not_tell_who_has_an_account(case: Case, harness: Harness) -> None:
    """Login, reset and sign-up answer alike for names that somebody has and that nobody has."""
    harness.judge(case, trials.guesses.names, oracles.identity.names_alike)


@clauses("owasp-api:API2:2023")
@cases(sources.identity.login_timing)
def test_timing_does_not_tell_who_has_an_account(case: Case, harness: Harness) -> None:
    """A wrong password takes as long for a name that somebody has as for one that nobody has."""
    harness.judge(case, trials.guesses.names_timed, oracles.identity.names_take_as_long)


@clauses("nist-800-53r5:SC-23", "owasp-api:API2:2023")
@cases(sources.identity.fixation)
def test_sessions_from_before_the_login_stay_outside(case: Case, harness: Harness) -> None:
    """A session that somebody else may have planted is not the one that the login opens."""
    harness.judge(case, trials.sessions.fixation, oracles.comes_out)


@clauses("nist-800-53r5:SC-23", "owasp-api:API2:2023")
@cases(sources.identity.forgeries)
def test_cookies_alone_write_nothing(case: Case, harness: Harness) -> None:
    """A write that another site's page makes a browser send is refused (CSRF)."""
    harness.judge(case, trials.sessions.forged_write, oracles.comes_out)


@clauses("nist-800-53r5:IA-2", "owasp-asvs:v5.0.0-6.3.4", "owasp-api:API2:2023")
@cases(sources.identity.second_factors)
def test_half_a_login_grants_nothing(case: Case, harness: Harness) -> None:
    """Without its second step, with a wrong or a used code, or by another way: nothing opens."""
    harness.judge(case, trials.guesses.second_factor, oracles.comes_out)


@clauses("nist-800-53r5:SC-23", "owasp-api:API2:2023")
@cases(sources.identity.refreshes)
def test_refresh_tokens_work_once_and_for_their_owner(case: Case, harness: Harness) -> None:
    """A refresh token is worth one renewal, and only of the session that it belongs to."""
    harness.judge(case, trials.sessions.refreshing, oracles.comes_out)
