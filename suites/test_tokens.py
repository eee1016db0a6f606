"""Tokens: nobody but their maker can make one, and each is taken for what it is (OWASP API2)."""

from conformance import Case, Harness, cases, clauses, oracles, sources, trials


@clauses(
    "hipaa:164.312(d)",
    "owasp-asvs:v5.0.0-9.1.1",
    "owasp-asvs:v5.0.0-9.1.2",
    "owasp-api:API2:2023",
)
@cases(sources.identity.tokens)
def test_forged_tokens_are_refused(case: Case, harness: Harness) -> None:
    """A token that was made or changed without the key is refused; the true one is accepted."""
    harness.judge(case, trials.tokens.forged, oracles.comes_out)


@clauses("owasp-asvs:v5.0.0-9.1.1", "owasp-asvs:v5.0.0-9.1.2", "owasp-api:API2:2023")
@cases(sources.identity.published_keys)
def test_the_published_key_signs_nothing(case: Case, harness: Harness) -> None:
    """A token signed with the public key as if it were a secret is refused."""
    harness.judge(case, trials.tokens.confused, oracles.comes_out)


@clauses(
    "owasp-asvs:v5.0.0-9.2.1",
    "owasp-asvs:v5.0.0-9.2.2",
    "owasp-asvs:v5.0.0-9.2.3",
    "owasp-api:API2:2023",
)
@cases(sources.identity.signed_claims)
def test_every_claim_is_checked(case: Case, harness: Harness) -> None:
    """A properly signed token with one claim that is wrong is refused; its twin is accepted."""
    harness.judge(case, trials.tokens.minted, oracles.comes_out)


@clauses("owasp-asvs:v5.0.0-9.2.2", "owasp-api:API2:2023")
@cases(sources.identity.other_tokens)
def test_tokens_for_something_else_open_nothing(case: Case, harness: Harness) -> None:
    """A refresh token or an id token is not an access token."""
    harness.judge(case, trials.tokens.other_kinds, oracles.comes_out)
