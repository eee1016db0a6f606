"""Transport: what answers leave behind in caches, pages, URLs and on the way (OWASP API8)."""

from conformance import Case, Harness, cases, clauses, oracles, sources, trials


@cases(sources.transport.doors)
@clauses("hipaa:164.312(a)(1)", "owasp-asvs:v5.0.0-14.3.2", "owasp-api:API8:2023")
def test_answers_with_patient_data_are_not_stored(case: Case, harness: Harness) -> None:
    """An answer with a patient's data, or that leads to them, is stored by no browser or proxy."""
    harness.judge(case, trials.transport.answers, oracles.transport.not_stored)


@cases(sources.transport.channels)
@clauses("hipaa:164.312(a)(1)", "owasp-asvs:v5.0.0-14.3.2", "owasp-api:API8:2023")
def test_links_and_feeds_are_not_stored(case: Case, harness: Harness) -> None:
    """What a link, a feed or an export gives is stored nowhere, and says what it is."""
    harness.judge(
        case,
        trials.transport.channel,
        oracles.transport.not_stored,
        oracles.transport.says_what_it_is,
    )


@cases(sources.transport.doors)
@clauses("owasp-asvs:v5.0.0-14.2.2", "owasp-api:API8:2023")
def test_caches_keep_readers_apart(case: Case, harness: Harness) -> None:
    """An answer that a cache may give again names in Vary all that it depends on."""
    harness.judge(case, trials.transport.answers, oracles.transport.names_its_keys)


@cases(sources.transport.conditions)
@clauses("hipaa:164.312(a)(1)", "nist-800-53r5:AC-3", "owasp-api:API1:2023")
def test_conditional_requests_open_nothing(case: Case, harness: Harness) -> None:
    """Whoever may not read a record is not told either that it is still the same."""
    harness.judge(case, trials.transport.conditional, oracles.transport.opens_nothing)


@cases(sources.transport.doors)
@clauses("owasp-asvs:v5.0.0-3.4.4", "owasp-asvs:v5.0.0-4.1.1", "owasp-api:API8:2023")
def test_answers_say_what_they_are(case: Case, harness: Harness) -> None:
    """Every answer with a body says what it is, and that browsers must not guess otherwise."""
    harness.judge(case, trials.transport.answers, oracles.transport.says_what_it_is)


@cases(sources.transport.foreign_pages)
@clauses("nist-800-53r5:AC-4", "owasp-asvs:v5.0.0-3.4.2", "owasp-api:API8:2023")
def test_pages_of_other_origins_read_nothing(case: Case, harness: Harness) -> None:
    """A page of an origin that nobody allowed reads no answer with its visitor's session."""
    harness.judge(case, trials.transport.cross_origin, oracles.transport.lets_no_page_in)


@cases(sources.transport.foreign_pages_everywhere)
@clauses("nist-800-53r5:AC-4", "owasp-asvs:v5.0.0-3.4.2", "owasp-api:API8:2023")
def test_every_door_is_closed_to_other_pages(case: Case, harness: Harness) -> None:
    """No operation lets an unrelated page read what its visitor may."""
    harness.judge(case, trials.transport.cross_origin_once, oracles.transport.lets_no_page_in)


@cases(sources.transport.own_pages)
@clauses("owasp-asvs:v5.0.0-3.4.2")
def test_pages_of_allowed_origins_work(case: Case, harness: Harness) -> None:
    """A page of an allowed origin may read what its visitor may."""
    harness.judge(case, trials.transport.cross_origin_once, oracles.transport.lets_its_pages_in)


@cases(sources.transport.doors)
@clauses("nist-800-53r5:SC-23", "owasp-asvs:v5.0.0-14.2.1", "owasp-api:API2:2023")
def test_answers_put_no_credential_into_urls(case: Case, harness: Harness) -> None:
    """No URL that an answer names holds a credential of the session."""
    harness.judge(case, trials.transport.answers, oracles.transport.in_no_url)


@cases(sources.transport.writes)
@clauses("nist-800-53r5:SC-23", "owasp-asvs:v5.0.0-14.2.1", "owasp-api:API2:2023")
def test_writes_put_no_credential_into_urls(case: Case, harness: Harness) -> None:
    """No URL that the answer to a write names holds a credential of the session."""
    harness.judge(case, trials.transport.written, oracles.transport.in_no_url)


@cases(sources.transport.logins)
@clauses("nist-800-53r5:SC-23", "owasp-asvs:v5.0.0-14.2.1", "owasp-api:API2:2023")
def test_logins_put_no_credential_into_urls(case: Case, harness: Harness) -> None:
    """No URL that a login names holds a credential of the session that it opens."""
    harness.judge(case, trials.transport.login, oracles.transport.in_no_url)


@cases(sources.transport.parameters)
@clauses("nist-800-53r5:SC-23", "owasp-asvs:v5.0.0-14.2.1", "owasp-api:API2:2023")
def test_credentials_in_the_query_open_nothing(case: Case, harness: Harness) -> None:
    """The session's credential is not taken from the URL, where logs and links would keep it."""
    harness.judge(case, trials.transport.parameter, oracles.comes_out)


@cases(sources.transport.logins)
@clauses("nist-800-53r5:SC-23", "owasp-asvs:v5.0.0-3.3.1", "owasp-asvs:v5.0.0-3.3.4")
def test_session_cookies_are_out_of_reach(case: Case, harness: Harness) -> None:
    """A cookie that carries the session is out of reach of scripts, pages and networks."""
    harness.judge(case, trials.transport.cookies_of_login, oracles.transport.safely_kept)


@cases(sources.transport.over_tls)
@clauses("hipaa:164.312(e)(1)", "owasp-asvs:v5.0.0-3.4.1")
def test_browsers_are_kept_to_tls(case: Case, harness: Harness) -> None:
    """Every answer tells browsers to keep to TLS for half a year or longer."""
    harness.judge(case, trials.transport.answers, oracles.transport.keeps_to_tls)


@cases(sources.transport.old_versions)
@clauses("hipaa:164.312(e)(2)(i)", "hipaa:164.312(e)(2)(ii)", "owasp-asvs:v5.0.0-12.1.1")
def test_old_versions_of_tls_are_refused(case: Case, harness: Harness) -> None:
    """The server agrees to no version of TLS that is given up."""
    harness.judge(case, trials.transport.old_version, oracles.transport.refuses_old_versions)


@cases(sources.transport.without_tls)
@clauses("hipaa:164.312(e)(1)", "hipaa:164.312(e)(2)(ii)", "owasp-asvs:v5.0.0-12.2.1")
def test_nothing_answers_without_tls(case: Case, harness: Harness) -> None:
    """Without TLS the application does not answer, not even by asking for a login."""
    harness.judge(case, trials.transport.without_tls, oracles.transport.silent_without_tls)
