"""Logins: whether they tell which names somebody has, and which cases there are."""

import random
from dataclasses import dataclass, replace
from typing import Any

import pytest

from conformance import sources
from conformance.cases import Profile
from conformance.instances import NotBuilt, Unclaimed
from conformance.model import Case, Read, Result, Verdict
from conformance.oracles.identity import names_alike, names_take_as_long
from conformance.schema import Request
from conformance.sources import identity
from conformance.target import Login, Target
from conformance.trials.guesses import name_key, takes_a_password, with_other_parts
from tests.engine.exchanges import read, unanswered
from tests.engine.targets import target

_TIMING = "account-enumeration.timing"
NAMES = ("annabell", "qwertyui", "zxcvbnml")
EXAMPLE = read(401)
GATE, SMOKE, FULL = Profile.GATE, Profile.SMOKE, Profile.FULL


@dataclass(frozen=True)
class Asked:
    """Answers for a name that somebody has and for two that nobody has."""

    known: Read
    unknown: tuple[Read, Read]
    names: tuple[str, ...] = NAMES
    control: Read | None = None


@dataclass(frozen=True)
class Spans:
    """Seconds that answers took."""

    known: tuple[float, ...]
    unknown: tuple[float, ...]
    again: "Spans | None" = None
    example: Read = EXAMPLE


def asked(known: Read, first: Read, second: Read | None = None, **more: Any) -> Verdict:
    reads = (known, first, second or first)
    named = [_naming(read, name) for read, name in zip(reads, NAMES, strict=True)]
    return names_alike(Asked(named[0], (named[1], named[2]), **more))


def _naming(read: Read, name: str) -> Read:
    """The answer as it comes to a request that names that account."""
    request = replace(read.exchange.request, body=name.encode())
    return replace(read, exchange=replace(read.exchange, request=request))


def test_the_same_request_for_different_names_shows_nothing() -> None:
    is_(names_alike(Asked(EXAMPLE, (EXAMPLE, EXAMPLE))), Result.INCONCLUSIVE)


def is_(found: Verdict, result: Result, rule: str | None = None) -> None:
    assert (found.result, found.rule) == (result, rule), found.reason


def wrong(body: Any = None, **headers: str) -> Read:
    return read(401, body or {"detail": "wrong"}, headers)


# --- answers ---------------------------------------------------------------------------------


def test_answers_that_are_alike_tell_nothing() -> None:
    is_(asked(wrong(), wrong()), Result.PASS)


def test_each_answer_may_repeat_the_name_it_was_asked_for() -> None:
    reads = [wrong({"detail": f"no login for {name}"}, X_User=name) for name in NAMES]
    is_(asked(*reads), Result.PASS)


@pytest.mark.parametrize(
    ("known", "part"),
    [
        (read(404, {"detail": "wrong"}), "status"),
        (wrong(X_Tries="4"), "header"),
        (wrong({"detail": "wrong password"}), "body"),
        (wrong({"detail": "wrong", "tries": 4}), "body"),
    ],
)
def test_what_differs_tells_names_apart(known: Read, part: str) -> None:
    found = asked(known, wrong())
    is_(found, Result.FAIL, f"account-enumeration.{part}")
    assert len(found.exchanges) == 3


def test_a_size_tells_names_apart_where_nothing_in_the_body_varies() -> None:
    found = asked(read(401, b'{"detail":  "wrong"}'), read(401, b'{"detail": "wrong"}'))
    is_(found, Result.FAIL, "account-enumeration.size")


def test_what_varies_by_itself_is_set_aside() -> None:
    first, second = (wrong({"detail": "wrong", "trace": one}, X_Id=one) for one in ("a1", "b2345"))
    is_(asked(wrong({"detail": "wrong", "trace": "c3"}, X_Id="c3"), first, second), Result.PASS)
    told = wrong({"detail": "right", "trace": "c3"}, X_Id="c3")
    is_(asked(told, first, second), Result.FAIL, "account-enumeration.body")


@pytest.mark.parametrize("header", ["Retry-After", "RateLimit-Reset", "X-RateLimit-Reset"])
def test_seconds_that_are_left_are_set_aside(header: str) -> None:
    left = [read(429, {}, {header: str(seconds)}) for seconds in (60, 59, 59)]
    is_(asked(*left), Result.PASS)


def test_that_only_one_is_told_when_to_come_back_tells_names_apart() -> None:
    is_(asked(read(429), wrong()), Result.FAIL, "account-enumeration.status")


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("broken", [read(500, {}), unanswered()])
def test_a_failing_target_shows_nothing(place: int, broken: Read) -> None:
    reads = [wrong(), wrong(), wrong()]
    reads[place] = broken
    is_(asked(*reads), Result.INCONCLUSIVE)


def test_an_account_that_nobody_showed_to_exist_shows_nothing() -> None:
    is_(asked(wrong(), wrong(), control=read(401)), Result.INCONCLUSIVE)
    is_(asked(wrong(), wrong(), control=read(200)), Result.PASS)


# --- what a request names --------------------------------------------------------------------

FACTS = {"username": "ann", "email": "ann@ward.example", "badge": "b77", "password": "secret"}


@pytest.mark.parametrize(
    ("named", "key"),
    [
        ("{username}", "username"),
        ("{persona.email}", "email"),
        ("{email} {username}", "username"),
        ("{badge} {password}", "badge"),
    ],
)
def test_the_name_is_what_the_request_says(named: str, key: str) -> None:
    step = Request.model_validate({"request": "POST /login", "json": {"q": named}})
    assert name_key(FACTS, step) == key


def test_a_login_without_a_request_names_what_accounts_have() -> None:
    assert name_key(FACTS, None) == "username"


@pytest.mark.parametrize("named", ["{password}", "{nickname}", "nobody"])
def test_a_request_that_names_nobody_is_told(named: str) -> None:
    step = Request.model_validate({"request": "POST /login", "json": {"q": named}})
    with pytest.raises(NotBuilt, match="POST /login names no fact of the account"):
        name_key(FACTS, step)


def test_no_wrong_password_is_sent_where_the_login_names_none() -> None:
    takes_a_password(Login.model_validate({"basic": True}))
    takes_a_password(Login.model_validate({**BEARER, "json": {"p": "{password}"}}))
    for login in (BEARER, {"send": {"X-Key": "{key}"}}):
        with pytest.raises(Unclaimed):
            takes_a_password(Login.model_validate(login))


@pytest.mark.parametrize("body", [False, True])
def test_logins_vary_in_their_bodies_only_where_further_fields_are_taken(body: bool) -> None:
    login = Login.model_validate(BEARER)
    ways = [with_other_parts(login, turn, body=body) for turn in range(2)]
    assert ways[0].headers["X-Forwarded-For"] != ways[1].headers["X-Forwarded-For"]
    assert all((way.json_ != login.json_) is body for way in ways)
    assert all(way.json_["user"] == "{user}" for way in ways if isinstance(way.json_, dict))


# --- time ------------------------------------------------------------------------------------


def spans(known: float, unknown: float, seed: int) -> Spans:
    chance = random.Random(seed)
    one, other = (tuple(chance.gauss(each, 0.001) for _ in range(16)) for each in (known, unknown))
    return Spans(one, other)


def timed(first: tuple[float, float], second: tuple[float, float] | None) -> Verdict:
    one = spans(*first, seed=1)
    again = spans(*second, seed=2) if second else None
    return names_take_as_long(Spans(one.known, one.unknown, again))


SLOW, FAST = (0.050, 0.020), (0.020, 0.050)
SAME = (0.020, 0.020)


def test_two_rounds_that_differ_the_same_way_tell_names_apart() -> None:
    for both in (SLOW, FAST):
        found = timed(both, both)
        is_(found, Result.FAIL, "account-enumeration.timing")
        assert "another round" in found.reason


def test_a_third_round_decides_between_two_that_disagree() -> None:
    slow, same, third = spans(*SLOW, seed=1), spans(*SAME, seed=2), spans(*SLOW, seed=3)
    is_(names_take_as_long(replace(slow, again=replace(same, again=third))), Result.FAIL, _TIMING)
    still = spans(*SAME, seed=4)
    is_(names_take_as_long(replace(slow, again=replace(same, again=still))), Result.PASS)


def test_one_round_is_no_finding() -> None:
    is_(timed(SLOW, SAME), Result.PASS)
    is_(timed(SAME, SLOW), Result.PASS)
    is_(timed(SLOW, FAST), Result.PASS)
    is_(timed(SAME, SAME), Result.PASS)
    is_(timed(SLOW, None), Result.INCONCLUSIVE)


def test_a_pass_says_what_would_have_shown() -> None:
    assert "16 of each would show" in timed(SAME, SAME).reason


# --- cases -----------------------------------------------------------------------------------

BEARER = {"post": "/login", "json": {"user": "{user}"}, "bearer": "$.token"}
BROWSER = {"request": "POST /desk", "form": {"user": "{user}"}}
TWO_STEPS = {
    "post": "/login",
    "take": {"half": "$.half"},
    "then": [{"request": "POST /code", "json": {"code": "{totp}"}}],
    "send": {"Authorization": "Bearer {half}"},
}
REFRESH = {"request": "POST /refresh", "json": {"refresh_token": "{refresh_token}"}}
LOGOUT = {"logout": "POST /logout", "refresh": REFRESH, "rotates": True}
CREATE = {
    "create": {
        "request": "POST /users",
        "json": {"user": "{username}", "roles": "{roles}"},
        "take": {"user_id": "$.id"},
    }
}
OF_IDENTITY = (
    identity.credentials,
    identity.logouts,
    identity.password_changes,
    identity.lock_outs,
    identity.enumeration,
    identity.login_timing,
    identity.fixation,
    identity.forgeries,
    identity.second_factors,
    identity.refreshes,
    identity.tokens,
    identity.published_keys,
    identity.signed_claims,
    identity.other_tokens,
)


def people(**ways: str) -> dict[str, dict[str, Any]]:
    """One persona for each role; `role=way` says how it logs in."""
    return {
        f"{role}.north": {"role": role, "tenant": "north", "login": way, "user": role}
        for role, way in ways.items()
    }


def described(logins: dict[str, Any], accounts: dict[str, Any] | None = None) -> Target:
    names = list(logins)
    ways = {"clerk": names[0], "nurse": names[-1]}
    return target(login=logins, personas=people(**ways), accounts=accounts or {})


def variants(source: Any, of: Target, profile: Profile = GATE) -> list[str]:
    """The variants that are tried."""
    return [str(one.variant) for one in source(of, profile) if not one.unclaimed]


def unclaimed(source: Any, of: Target, profile: Profile = GATE) -> list[str]:
    """The keys that are listed as not claimed."""
    found = [one for one in source(of, profile) if one.unclaimed]
    for one in found:
        key = str(one.variant).removeprefix("not-claimed.")
        assert one.unclaimed.startswith(f"the target file has no {key}; to claim it, write")
        assert len(one.unclaimed.split("for example ")[1]) > 10
    return [str(one.variant).removeprefix("not-claimed.") for one in found]


def test_credentials_are_spoilt_in_every_way_for_every_login() -> None:
    found = variants(identity.credentials, described({"token": BEARER, "browser": BROWSER}))
    assert found == [f"{way}.{one}" for way in ("token", "browser") for one in identity.WORTHLESS]


def test_a_login_is_tried_by_its_first_persona_in_the_full_profile_by_all() -> None:
    of = target(login={"token": BEARER})
    personas = {one.persona for one in identity.credentials(of, GATE)}
    assert personas == {"nurse.north"}
    assert {one.persona for one in identity.credentials(of, FULL)} == set(of.personas)


def test_logout_is_claimed_for_each_login() -> None:
    of = described({"token": {**BEARER, **LOGOUT}, "browser": BROWSER})
    assert variants(identity.logouts, of) == ["token.access", "token.refresh"]
    assert unclaimed(identity.logouts, of) == ["login.browser.logout"]


def test_what_logins_share_is_tried_by_the_plainest_alone() -> None:
    of = described({"code": {**TWO_STEPS, **LOGOUT}, "token": {**BEARER, **LOGOUT}})
    assert variants(identity.logouts, of) == ["token.access", "token.refresh"]
    full = {one.split(".")[0] for one in variants(identity.logouts, of, FULL)}
    assert full == {"code", "token"}


def test_refresh_tokens() -> None:
    of = described({"token": {**BEARER, "refresh": REFRESH}, "browser": BROWSER})
    assert variants(identity.refreshes, of) == ["token.someone-elses"]
    assert unclaimed(identity.refreshes, of) == ["login.browser.refresh", "login.token.rotates"]
    rotating = described({"token": {**BEARER, **LOGOUT}})
    assert variants(identity.refreshes, rotating) == [
        f"token.{one}" for one in ("someone-elses", "used-twice", "after-reuse", "at-once")
    ]


def test_changes_of_the_password_need_an_account_to_change() -> None:
    change = {"change_password": "POST /password"}
    of = described({"token": BEARER}, {**CREATE, **change})
    assert variants(identity.password_changes, of) == ["other-session", "old-password", "refresh"]
    assert unclaimed(identity.password_changes, described({"token": BEARER}, change)) == [
        "accounts.create"
    ]
    assert unclaimed(identity.password_changes, described({"token": BEARER}, CREATE)) == [
        "accounts.change_password"
    ]


def test_lock_outs() -> None:
    of = described({"token": BEARER}, {**CREATE, "lock_out": {"attempts": 3}})
    assert variants(identity.lock_outs, of) == ["one-account", "other-fields", "other-spelling"]
    assert unclaimed(identity.lock_outs, of) == ["accounts.lock_out.per_source"]
    spread = described({"token": BEARER}, {**CREATE, "lock_out": {"attempts": 3, "per_source": 9}})
    assert variants(identity.lock_outs, spread)[-1] == "spread-over-accounts"
    assert unclaimed(identity.lock_outs, spread) == []
    alone = described({"token": BEARER}, {"lock_out": {"attempts": 3, "per_source": 9}})
    assert unclaimed(identity.lock_outs, alone) == ["accounts.create"]
    assert unclaimed(identity.lock_outs, described({"token": BEARER})) == ["accounts.lock_out"]


def test_accounts_are_made_with_a_role_of_the_file_and_without_a_second_step_if_possible() -> None:
    of = described({"code": TWO_STEPS, "token": BEARER}, CREATE)
    assert identity.makeable(of) == ["nurse", "clerk"]
    only = {"create": {**CREATE["create"], "roles": ["clerk"]}}
    assert identity.makeable(described({"token": BEARER}, only)) == ["clerk"]
    strange = {"create": {**CREATE["create"], "roles": ["porter"]}, "lock_out": {"attempts": 3}}
    assert unclaimed(identity.lock_outs, described({"token": BEARER}, strange))[0] == (
        "accounts.create.roles"
    )


def test_an_account_has_the_role_alone() -> None:
    personas = {
        "both.north": {"role": ["nurse", "clerk"], "tenant": "north"},
        "clerk.north": {"role": "clerk", "tenant": "north"},
    }
    of = target(personas=personas, accounts={**CREATE, "lock_out": {"attempts": 3}})
    assert identity.persona_of(of, "clerk") == "clerk.north"
    assert identity.persona_of(of, "nurse") == "both.north"
    assert {one.roles for one in identity.lock_outs(of, GATE) if one.persona} == {("clerk",)}


def test_names_are_asked_for_wherever_an_account_is_named() -> None:
    claims = {
        **CREATE,
        "reset_password": "POST /reset",
        "sign_up": "POST /join",
        "lock_out": {"attempts": 3},
    }
    of = described({"token": BEARER, "key": {"send": {"X-Key": "{user}"}}}, claims)
    assert variants(identity.enumeration, of) == ["login.token", "reset", "sign-up", "locked"]
    bare = described({"token": BEARER})
    assert variants(identity.enumeration, bare) == ["login.token"]
    assert unclaimed(identity.enumeration, bare) == ["accounts.reset_password", "accounts.sign_up"]


def test_logins_are_timed_by_accounts_of_their_own_and_never_in_a_smoke_test() -> None:
    of = described({"token": BEARER}, {**CREATE, "reset_password": "POST /reset"})
    assert variants(identity.login_timing, of) == ["login", "reset"]
    assert list(identity.login_timing(of, SMOKE)) == []
    assert unclaimed(identity.login_timing, described({"token": BEARER})) == ["accounts.create"]


def test_sessions_from_before_need_a_login_that_is_a_request() -> None:
    key = {"key": {"send": {"X-Key": "{user}"}}}
    of = described({"browser": BROWSER, **key})
    assert variants(identity.fixation, of) == ["browser.kept", "browser.chosen"]
    assert unclaimed(identity.fixation, described(key)) == ["login.NAME.request"]


def test_cookies_alone_are_tried_at_a_write_where_the_page_adds_something() -> None:
    browser = {**BROWSER, "send": {"X-Page": "{page}"}}
    of = described({"token": BEARER, "browser": browser})
    (found,) = identity.forgeries(
        of.model_copy(
            update={"policy": {**of.policy, "nurse": {"patient": {"create": ["allow"]}}}}
        ),
        GATE,
    )
    assert (found.resource, found.operation, found.kind) == ("patient", "create", "action")
    assert (found.roles, found.variant) == (("nurse",), "browser")
    assert unclaimed(identity.forgeries, described({"browser": BROWSER})) == ["login.browser.send"]
    assert unclaimed(identity.forgeries, described({"token": BEARER})) == ["login.NAME.send"]


def test_codes_are_tried_without_end_by_accounts_of_their_own() -> None:
    lock_out = {"lock_out": {"attempts": 3, "codes": 3}}
    logins = {"code": TWO_STEPS, "token": BEARER}
    assert "code.many-codes" in variants(
        identity.second_factors, described(logins, {**CREATE, **lock_out})
    )
    for claims in (CREATE, lock_out, {**CREATE, "lock_out": {"attempts": 3}}):
        found = variants(identity.second_factors, described(logins, claims))
        assert "code.many-codes" not in found
    assert unclaimed(identity.second_factors, described(logins, CREATE)) == [
        "accounts.lock_out.codes"
    ]
    assert unclaimed(identity.second_factors, described(logins, lock_out)) == ["accounts.create"]


def test_second_factors_are_gone_round_by_every_login_without() -> None:
    of = described({"code": TWO_STEPS, "token": BEARER})
    assert variants(identity.second_factors, of) == [
        f"code.{one}" for one in ("half-way", "wrong-code", "used-code", "by-token")
    ]
    assert unclaimed(identity.second_factors, described({"token": BEARER})) == ["login.NAME.then"]


def test_tokens_are_forged_where_there_may_be_some() -> None:
    basic = {"basic": {"basic": True}}
    of = described({"token": BEARER, **basic})
    assert variants(identity.tokens, of) == [f"token.{one}" for one in identity.FORGED]
    for source in (identity.tokens, identity.other_tokens):
        assert unclaimed(source, described(basic)) == ["login.NAME.bearer"]
    two = described({"code": TWO_STEPS, "token": BEARER})
    assert variants(identity.other_tokens, two) == ["code.other-kind", "token.other-kind"]


def test_keys_are_claimed_for_each_login() -> None:
    of = described({"token": {**BEARER, "keys": "GET /keys", "signing_key": "s"}})
    assert variants(identity.published_keys, of) == ["token.key-confusion"]
    assert variants(identity.signed_claims, of) == [f"token.{one}" for one in identity.CLAIMS]
    bare = described({"token": BEARER})
    assert unclaimed(identity.published_keys, bare) == ["login.token.keys"]
    assert unclaimed(identity.signed_claims, bare) == ["login.token.signing_key"]


@pytest.mark.parametrize("source", OF_IDENTITY)
@pytest.mark.parametrize("profile", Profile)
def test_what_claims_nothing_is_listed_and_never_empty(source: Any, profile: Profile) -> None:
    of = target()
    found: list[Case] = list(source(of, profile))
    if source is identity.login_timing and profile is SMOKE:
        return
    assert found
    tried = {identity.credentials, identity.tokens, identity.forgeries}
    assert unclaimed(source, of, profile) or source in tried


def test_the_module_is_where_suites_find_it() -> None:
    assert sources.identity is identity
