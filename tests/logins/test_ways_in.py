"""Every kind of login opens the door, and a refused one says at which step and why."""

import re
from typing import Any

import pytest
from fastapi import FastAPI

from conformance.comparison import parsed
from conformance.login import LoginFailed
from conformance.schema import Request
from conformance.wire import Unreachable
from tests.logins import doors
from tests.logins.conftest import PERSONA, Enter

JSON_LOGIN: dict[str, Any] = {
    "post": "/login",
    "json": {"user": "{username}", "password": "{password}"},
    "bearer": "$.auth.token",
}
FORM_LOGIN: dict[str, Any] = {
    "post": "/token",
    "form": {"username": "{username}", "password": "{password}"},
    "bearer": "$.access_token",
}
COOKIE_LOGIN: dict[str, Any] = {
    "before": [{"request": "GET /login", "take": {"csrf": "input:csrf_token"}}],
    "request": "POST /login",
    "form": {"user": "{username}", "password": "{password}", "csrf_token": "{csrf}"},
    "send": {"X-CSRF-Token": "{cookie.csrf}"},
}
TWO_STEP_LOGIN: dict[str, Any] = {
    "post": "/login",
    "json": {"user": "{username}", "password": "{password}"},
    "take": {"pending": "$.challenge"},
    "then": [
        {
            "request": "POST /login/totp",
            "json": {"challenge": "{pending}", "code": "{totp}"},
            "take": {"access_token": "$.token"},
        }
    ],
    "send": {"Authorization": "Bearer {access_token}"},
}
SESSION_LOGIN: dict[str, Any] = {
    "post": "/rpc",
    "json": {"method": "login", "params": ["{username}", "{password}"]},
    "take": {"uid": "$.result[0]", "key": "$.result[1]"},
    "let": {"raw": "{username}:{uid}:{key}"},
    "send": {"X-Session": "Session {raw|base64}"},
}
MACHINE: dict[str, Any] = {
    "oauth2": {"token": "/oauth/token", "grant": "client_credentials", "scope": "system/*.rs"}
}
OWNER: dict[str, Any] = {"oauth2": {"token": "/oauth/token", "grant": "password"}}


@pytest.mark.parametrize(
    ("app", "login", "user"),
    [
        (doors.json_to_bearer(), JSON_LOGIN, "ada"),
        (doors.expiring(), FORM_LOGIN, "ada"),
        (doors.http_basic(), {"basic": True}, "ada"),
        (doors.api_key(), {"send": {"X-Clinic-Key": "{api_key}"}}, "ada"),
        (doors.cookie_with_csrf(), COOKIE_LOGIN, "ada"),
        (doors.oauth2(), MACHINE, "robot"),
        (doors.oauth2(), OWNER, "ada"),
        (doors.two_steps(), TWO_STEP_LOGIN, "ada"),
        (doors.derived_session(), SESSION_LOGIN, "ada"),
    ],
    ids=[
        *("json", "form", "basic", "api-key", "cookie"),
        *("client-credentials", "password-grant", "totp", "derived-session"),
    ],
)
def test_a_way_in(app: FastAPI, login: dict[str, Any], user: str, enter: Enter) -> None:
    visit = enter(app, login)
    for _ in range(2):
        answer = visit.ask()
        assert (answer.status, parsed(answer)["user"]) == (200, user)
    assert app.state.seen["/me"] == 2
    steps = {path: count for path, count in app.state.seen.items() if path not in {"/me", "/login"}}
    assert set(steps.values()) <= {1}


@pytest.mark.parametrize(
    ("method", "sends_secret_in_body"),
    [("client_secret_basic", False), ("client_secret_post", True)],
)
def test_oauth2_says_who_the_client_is(
    method: str, sends_secret_in_body: bool, enter: Enter
) -> None:
    app = doors.oauth2()
    login = {"oauth2": {**MACHINE["oauth2"], "client_auth": method}}
    assert enter(app, login).ask().status == 200
    [asked] = app.state.asked
    assert asked["grant_type"] == "client_credentials"
    assert asked["scope"] == "system/*.rs"
    assert ("client_secret" in asked) is sends_secret_in_body


def test_the_csrf_cookie_is_sent_as_it_is_now(enter: Enter) -> None:
    visit = enter(doors.cookie_with_csrf(), COOKIE_LOGIN)
    for _ in range(3):
        assert visit.ask(Request(request="POST /change", json={})).status == 200


def test_anonymous_sends_no_credential(enter: Enter) -> None:
    app = doors.json_to_bearer()
    visit = enter(app, JSON_LOGIN)
    visit.ask()
    visit.session.persona = "anonymous"
    assert visit.ask().status == 401
    assert "authorization" not in app.state.heard[-1]["headers"]


def test_what_the_account_says_of_itself_are_facts(enter: Enter) -> None:
    login = {**JSON_LOGIN, "me": {"request": "GET /me", "take": {"user_id": "$.user"}}}
    visit = enter(doors.json_to_bearer(), login)
    assert visit.session.facts()["user_id"] == "ada"


# --- refused ----------------------------------------------------------------------------------

WRONG = {"user": "{username}", "password": "wrong"}


@pytest.mark.parametrize(
    ("app", "login", "says"),
    [
        (doors.json_to_bearer(), {**JSON_LOGIN, "json": WRONG}, "at POST /login: answered 401"),
        (doors.json_to_bearer(), {**JSON_LOGIN, "post": "/nowhere"}, "answered 404"),
        (doors.json_to_bearer(), {**JSON_LOGIN, "bearer": "$.token"}, "nothing at $.token"),
        (
            doors.json_to_bearer(),
            {**JSON_LOGIN, "json": {"user": "{nickname}"}},
            "{nickname} has no value",
        ),
        (doors.expiring(), {**FORM_LOGIN, "form": None, "json": {}}, "answered 415"),
        (doors.cookie_with_csrf(), {**COOKIE_LOGIN, "form": WRONG}, "answered 403"),
        (doors.oauth2(), {"oauth2": {**OWNER["oauth2"], "password": "wrong"}}, "invalid_grant"),
        (
            doors.oauth2(),
            {"oauth2": {**MACHINE["oauth2"], "client_secret": "wrong"}},
            "invalid_client",
        ),
        (doors.oauth2(), {"oauth2": {**MACHINE["oauth2"], "token": "/nowhere"}}, "/nowhere"),
        (
            doors.two_steps(),
            {**TWO_STEP_LOGIN, "then": [{**TWO_STEP_LOGIN["then"][0], "json": {"code": "0"}}]},
            "at POST /login/totp: answered 401",
        ),
    ],
    ids=[
        *("password", "path", "token", "fact", "media-type", "csrf"),
        *("grant", "client", "endpoint", "code"),
    ],
)
def test_a_refused_login_says_where_and_why(
    app: FastAPI, login: dict[str, Any], says: str, enter: Enter
) -> None:
    visit = enter(app, login)
    with pytest.raises(LoginFailed) as refused:
        visit.ask()
    assert "ada" in str(refused.value)
    assert says in str(refused.value)
    assert doors.PASSWORD not in str(refused.value)


def test_a_one_time_secret_may_be_as_short_as_the_target_made_it(enter: Enter) -> None:
    app = doors.application()
    codes: list[str] = []

    @app.post("/login")
    def login() -> doors.Body:
        return {"challenge": "of no matter"}

    @app.post("/login/totp")
    def second(body: doors.Body) -> doors.Body:
        codes.append(body["code"])
        return {"token": doors.token_of(app)}

    account = {**PERSONA, "totp": "JBSWY3DPEHPK3PXP"}
    visit = enter(app, TWO_STEP_LOGIN, personas={"ada": account})
    assert visit.ask().status == 404
    assert re.fullmatch(r"\d{6}", codes[0])


def test_a_one_time_secret_that_is_none_is_told(enter: Enter) -> None:
    account = {**PERSONA, "totp": "not base32!"}
    with pytest.raises(LoginFailed, match="totp"):
        enter(doors.two_steps(), TWO_STEP_LOGIN, personas={"ada": account}).ask()


@pytest.mark.parametrize("login", [JSON_LOGIN, MACHINE], ids=["request", "oauth2"])
def test_a_failing_target_is_no_refused_login(login: dict[str, Any], enter: Enter) -> None:
    app = doors.application()

    @app.post("/login")
    @app.post("/oauth/token")
    def fails() -> None:
        raise doors.Refused(503, "later")

    with pytest.raises(Unreachable):
        enter(app, login).ask()
