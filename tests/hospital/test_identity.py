"""Second factors, lock-out, browsers, forgotten passwords: each on a clock that tests can turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import jwt
import pyotp
import pytest

from .conftest import PASSWORD, opened

if TYPE_CHECKING:
    from httpx import Response

    from .conftest import House

SECRET = pyotp.random_base32()
WRONG = "wrong-password-1"


class Clock:
    """A hospital's clock. `turn` starts a new minute, and a new source of failures with it."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.at

    def turn(self, **span: float) -> None:
        self.at += timedelta(**span)

    def code(self, secret: str = SECRET, steps: int = 0) -> str:
        return pyotp.TOTP(secret).at(self.at + timedelta(seconds=30 * steps))


@pytest.fixture(scope="module")
def guarded(cluster: str) -> Iterator[House]:
    """A hospital whose privileged accounts have a second factor."""
    with opened(cluster, totp_secret=SECRET) as house:
        yield house


@pytest.fixture
def clock(guarded: House) -> Clock:
    clock = Clock()
    clock.at = guarded.hospital.now() + timedelta(hours=2)
    guarded.hospital.now = clock
    guarded._tokens.clear()
    return clock


@pytest.fixture
def nurse(guarded: House, clock: Clock) -> tuple[str, str]:
    """A new nurse of the north: user name and id."""
    return account(guarded, clock)


def account(house: House, clock: Clock, *roles: str, **more: Any) -> tuple[str, str]:
    name = f"new-{uuid4().hex[:10]}"
    body = {"username": name, "password": PASSWORD, "name": "New", "roles": [*roles] or ["nurse"]}
    answer = as_admin(house, clock, "POST", "/users", json=body)
    assert answer.status_code == 201, answer.text
    more.update(answer.json())
    return name, answer.json()["id"]


def as_admin(house: House, clock: Clock, method: str, path: str, **more: Any) -> Response:
    name = "tenant_admin.north"
    if name not in house._tokens:
        house._tokens[name] = completed(house, name, clock.code()).json()["access_token"]
    return house.ask(name, method, path, **more)


def completed(house: House, username: str, code: str) -> Response:
    owed = house.login(username).json()
    assert set(owed) == {"mfa_required", "mfa_token"}, owed
    return mfa(house, owed["mfa_token"], code)


def mfa(house: House, token: str, code: str) -> Response:
    return house.post(None, "/auth/mfa", {"mfa_token": token, "code": code})


def told(answer: Response) -> tuple[Any, ...]:
    own = {"x-request-id", "x-correlation-id", "date"}
    headers = {name: value for name, value in answer.headers.items() if name not in own}
    return answer.status_code, answer.content, headers


def bearer(tokens: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


# --- second factor


def test_a_second_factor_is_asked_for(guarded: House, clock: Clock) -> None:
    for name in ("tenant_admin.south", "platform_operator.south"):
        owed = guarded.login(name)
        assert owed.status_code == 200
        assert owed.json()["mfa_required"] is True
        tokens = mfa(guarded, owed.json()["mfa_token"], clock.code()).json()
        assert set(tokens) == {
            "access_token",
            "token_type",
            "expires_in",
            "expires_at",
            "refresh_token",
        }
        assert guarded.get(None, "/me", headers=bearer(tokens)).json()["username"] == name
    assert "access_token" in guarded.login("nurse.south").json()


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_code_works_once(steps: int, guarded: House, clock: Clock) -> None:
    code = clock.code(steps=steps)
    assert completed(guarded, "tenant_admin.west", code).status_code == 200
    assert completed(guarded, "tenant_admin.west", code).status_code == 401
    body = {"username": "tenant_admin.west", "password": PASSWORD, "code": code}
    assert guarded.post(None, "/auth/session", body).status_code == 401


def test_codes_of_one_step_before_and_after_are_accepted(guarded: House, clock: Clock) -> None:
    statuses = [
        completed(guarded, "tenant_admin.west", clock.code(steps=steps)).status_code
        for steps in (-2, 2, 1, 0, -1)
    ]
    assert statuses == [401, 401, 200, 200, 200]


def test_the_first_step_opens_nothing(guarded: House, clock: Clock) -> None:
    token = guarded.login("tenant_admin.west").json()["mfa_token"]
    for path in ("/me", "/users"):
        answer = guarded.get(None, path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
    assert guarded.post(None, "/auth/refresh", {"refresh_token": token[:200]}).status_code == 401
    access = completed(guarded, "tenant_admin.west", clock.code()).json()["access_token"]
    assert mfa(guarded, access, clock.code(steps=1)).status_code == 401
    assert jwt.decode(token, options={"verify_signature": False})["roles"] == []


def test_the_first_step_lasts_five_minutes_and_one_login(guarded: House, clock: Clock) -> None:
    late, used = (guarded.login("tenant_admin.west").json()["mfa_token"] for _ in range(2))
    clock.turn(minutes=4, seconds=59)
    assert mfa(guarded, used, clock.code()).status_code == 200
    assert mfa(guarded, used, clock.code(steps=1)).status_code == 401
    clock.turn(seconds=1)
    assert mfa(guarded, late, clock.code(steps=1)).status_code == 401


def test_the_first_step_has_five_tries(guarded: House, clock: Clock) -> None:
    guarded.hospital.lockout.most, before = 100, guarded.hospital.lockout.most
    token = guarded.login("tenant_admin.west").json()["mfa_token"]
    statuses = [mfa(guarded, token, "x").status_code for _ in range(5)]
    guarded.hospital.lockout.most = before
    assert statuses == [401] * 5
    assert mfa(guarded, token, clock.code()).status_code == 401
    assert completed(guarded, "tenant_admin.west", clock.code()).status_code == 200


def test_wrong_codes_lock_the_account_however_often_the_password_is_right(
    guarded: House, clock: Clock
) -> None:
    name = "platform_operator.west"
    statuses = [completed(guarded, name, "000000").status_code for _ in range(5)]
    assert statuses == [401] * 5
    assert guarded.login(name).status_code == 429
    clock.turn(minutes=15)
    assert completed(guarded, name, clock.code()).status_code == 200


def test_new_administrators_get_a_second_factor(guarded: House, clock: Clock) -> None:
    made: dict[str, Any] = {}
    name, identifier = account(guarded, clock, "tenant_admin", **made)
    body = {"username": f"{name}-2", "password": PASSWORD, "name": "x", "roles": ["nurse"]}
    other = as_admin(guarded, clock, "POST", "/users", json=body).json()
    assert other["totp_secret"] is None
    read = as_admin(guarded, clock, "GET", f"/users/{identifier}").json()
    assert "totp_secret" not in read
    path = f"/users/{other['id']}/roles"
    promoted = as_admin(guarded, clock, "PUT", path, json={"roles": ["tenant_admin"]}).json()
    again = as_admin(guarded, clock, "PUT", path, json={"roles": ["tenant_admin"]}).json()
    assert again["totp_secret"] is None
    code = clock.code(promoted["totp_secret"])
    assert completed(guarded, f"{name}-2", code).status_code == 200


# --- lock-out


def doors(house: House) -> list[Callable[[str, str], Response]]:
    def browser(username: str, password: str) -> Response:
        return house.post(None, "/auth/session", {"username": username, "password": password})

    return [house.login, browser]


def test_five_wrong_passwords_lock_a_name_whether_or_not_it_exists(
    guarded: House, clock: Clock, nurse: Any
) -> None:
    answers = []
    for name in (nurse[0], "nobody.north"):
        tries = [told(door(name, WRONG)) for _ in range(2) for door in doors(guarded)]
        tries.append(told(guarded.login(f" {name.upper()}", WRONG)))
        locked = [told(door(name, PASSWORD)) for door in doors(guarded)]
        locked.append(told(guarded.login(f"{name.title()} ")))
        answers.append((tries, locked))
    assert answers[0] == answers[1]
    (tries, locked) = answers[0]
    assert [status for status, *_ in tries] == [401] * 5
    assert {status for status, *_ in locked} == {429}
    assert locked[0][2]["retry-after"] == "900"
    assert b'"locked"' in locked[0][1]
    clock.turn(minutes=14, seconds=59)
    again = guarded.login(nurse[0])
    assert (again.status_code, again.headers["retry-after"]) == (429, "1")
    clock.turn(seconds=1)
    assert guarded.login(nurse[0]).status_code == 200


def test_the_right_password_ends_the_row_of_wrong_ones(guarded: House, nurse: Any) -> None:
    for door in doors(guarded):
        for password in [WRONG] * 4 + [PASSWORD]:
            status = door(nurse[0], password).status_code
        assert status == 200


def test_many_guesses_at_once_are_worth_no_more(guarded: House, nurse: Any) -> None:
    with ThreadPoolExecutor(12) as threads:
        statuses = list(
            threads.map(lambda _: guarded.login(nurse[0], WRONG).status_code, range(12))
        )
    assert sorted(statuses) == [401] * 5 + [429] * 7


def test_a_lock_leaves_open_sessions_alone(guarded: House, nurse: Any) -> None:
    tokens = guarded.login(nurse[0]).json()
    for _ in range(5):
        guarded.login(nurse[0], WRONG)
    assert guarded.get(None, "/me", headers=bearer(tokens)).status_code == 200
    body = {"refresh_token": tokens["refresh_token"]}
    assert guarded.post(None, "/auth/refresh", body).status_code == 200


def test_an_address_has_a_hundred_failures_a_minute(guarded: House, clock: Clock) -> None:
    for token in ("x", guarded.login("tenant_admin.west").json()["mfa_token"]):
        assert mfa(guarded, token, "x").status_code == 401
    for number in range(98):
        forwarded = {"X-Forwarded-For": f"192.0.2.{number}", "Forwarded": "for=192.0.2.1"}
        form = {"username": f"nobody-{number}", "password": "x"}
        answer = guarded.client.post("/auth/token", data=form, headers=forwarded)
        assert answer.status_code == 401
        if number == 0:
            clock.turn(seconds=30)
    answers = [door("nurse.north", PASSWORD) for door in doors(guarded)]
    for answer in [*answers, mfa(guarded, "x", "x")]:
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "30"
    clock.turn(seconds=30)
    assert guarded.login("nurse.north").status_code == 200


# --- browsers


def test_a_browser_gets_a_cookie_that_scripts_and_other_sites_cannot_use(guarded: House) -> None:
    body = {"username": "nurse.north", "password": PASSWORD}
    brought = "hospital_session=chosen-by-somebody-else"
    answer = guarded.post(None, "/auth/session", body, headers={"Cookie": brought})
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert attributes == ["HttpOnly", "Secure", "SameSite=Strict", "Path=/"]
    assert "chosen" not in cookie
    assert len(cookie) > 40
    shown = answer.json()
    assert shown.pop("csrf_token")
    assert shown == guarded.get("nurse.north", "/me").json()
    assert guarded.get(None, "/me", headers={"Cookie": brought}).status_code == 401
    assert guarded.get(None, "/me", headers={"Cookie": cookie}).json() == shown


def test_writes_of_a_browser_need_its_csrf_token(guarded: House) -> None:
    browser, other = guarded.browser("receptionist.north"), guarded.browser("receptionist.north")
    for token in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": other["X-CSRF-Token"]}):
        headers = {"Cookie": browser["Cookie"], **token}
        answer = guarded.post(None, "/patients", {"name": "x"}, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "csrf")
    assert guarded.post(None, "/patients", {"name": "x"}, headers=browser).status_code == 201
    assert guarded.post("receptionist.north", "/patients", {"name": "x"}).status_code == 201


def test_a_bad_token_is_not_made_good_by_a_cookie(guarded: House) -> None:
    headers = {**guarded.browser("nurse.north"), "Authorization": "Bearer x"}
    assert guarded.get(None, "/me", headers=headers).status_code == 401


@pytest.mark.parametrize("path", ["/auth/session", "/auth/logout"])
def test_a_browsers_session_ends(path: str, guarded: House) -> None:
    browser = guarded.browser("nurse.north")
    method = "DELETE" if path == "/auth/session" else "POST"
    forgotten = guarded.ask(None, method, path, headers={"Cookie": browser["Cookie"]})
    assert forgotten.status_code == 403
    ended = guarded.ask(None, method, path, headers=browser)
    assert ended.status_code == 204
    assert guarded.get(None, "/me", headers=browser).status_code == 401


def test_a_browsers_session_lasts_a_shift(guarded: House, clock: Clock) -> None:
    browser = guarded.browser("nurse.north")
    clock.turn(hours=11, minutes=59)
    assert guarded.get(None, "/me", headers=browser).status_code == 200
    clock.turn(minutes=1)
    assert guarded.get(None, "/me", headers=browser).status_code == 401


def test_a_browser_needs_the_code_as_well(guarded: House, clock: Clock) -> None:
    name = "tenant_admin.south"
    body: dict[str, Any] = {"username": name, "password": PASSWORD}
    wrong = told(guarded.post(None, "/auth/session", {**body, "password": WRONG}))
    assert told(guarded.post(None, "/auth/session", body)) == wrong
    assert told(guarded.post(None, "/auth/session", {**body, "code": "000000"})) == wrong
    body["code"] = clock.code()
    assert guarded.post(None, "/auth/session", body).json()["username"] == name


# --- passwords


def test_a_new_password_ends_every_session(guarded: House, nurse: Any) -> None:
    name = nurse[0]
    tokens, browser = guarded.login(name).json(), guarded.browser(name)
    other = guarded.login("nurse.north").json()
    body = {"current_password": PASSWORD, "new_password": f"{PASSWORD}-new"}
    changed = guarded.post(None, "/me/password", body, headers=bearer(tokens))
    assert changed.status_code == 204
    for headers in (bearer(tokens), browser):
        assert guarded.get(None, "/me", headers=headers).status_code == 401
    refreshed = guarded.post(None, "/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    assert refreshed.status_code == 401
    assert guarded.get(None, "/me", headers=bearer(other)).status_code == 200
    assert guarded.login(name).status_code == 401
    assert guarded.login(name, f"{PASSWORD}-new").status_code == 200


def test_the_current_password_cannot_be_guessed_in_a_session(guarded: House, nurse: Any) -> None:
    tokens = guarded.login(nurse[0]).json()
    statuses = []
    for password in [WRONG] * 5 + [PASSWORD]:
        body = {"current_password": password, "new_password": "x" * 12}
        answer = guarded.post(None, "/me/password", body, headers=bearer(tokens))
        statuses.append(answer.status_code)
    assert statuses == [403] * 5 + [429]


def test_a_forgotten_password_tells_nothing_of_accounts(guarded: House, clock: Clock) -> None:
    answers = [
        [told(guarded.post(None, "/auth/password-reset", {"username": name})) for _ in range(6)]
        for name in ("nurse.north", "nobody.north")
    ]
    assert answers[0] == answers[1]
    assert [status for status, *_ in answers[0]] == [202] * 5 + [429]
    assert answers[0][-1][2]["retry-after"] == "60"
    shouted = guarded.post(None, "/auth/password-reset", {"username": " NURSE.north"})
    assert shouted.status_code == 429
    clock.turn(minutes=1)
    body = {"username": "nurse.north"}
    assert guarded.post(None, "/auth/password-reset", body).status_code == 202


def test_a_reset_token_sets_one_password(guarded: House, clock: Clock, nurse: Any) -> None:
    name, identifier = nurse
    tokens, browser = guarded.login(name).json(), guarded.browser(name)
    path = f"/users/{identifier}/password-reset"
    replaced, token = (
        as_admin(guarded, clock, "POST", path).json()["reset_token"] for _ in range(2)
    )

    def reset(token: str) -> int:
        body = {"reset_token": token, "new_password": f"{PASSWORD}-reset"}
        return guarded.post(None, "/auth/password-reset/confirm", body).status_code

    assert [reset(each) for each in ("x", replaced, token, token)] == [401, 401, 204, 401]
    for headers in (bearer(tokens), browser):
        assert guarded.get(None, "/me", headers=headers).status_code == 401
    assert guarded.login(name).status_code == 401
    assert guarded.login(name, f"{PASSWORD}-reset").status_code == 200
    late = as_admin(guarded, clock, "POST", path).json()["reset_token"]
    clock.turn(minutes=15)
    assert reset(late) == 401


def test_reset_tokens_are_for_administrators_and_others(guarded: House, clock: Clock) -> None:
    own = as_admin(guarded, clock, "GET", "/me").json()["id"]
    assert as_admin(guarded, clock, "POST", f"/users/{own}/password-reset").status_code == 403
    foreign = guarded.user("nurse.south")
    assert as_admin(guarded, clock, "POST", f"/users/{foreign}/password-reset").status_code == 404
    nurse = guarded.user("nurse2.north")
    assert guarded.post("nurse.north", f"/users/{nurse}/password-reset").status_code == 403


def test_one_of_two_refreshes_at_once_wins(guarded: House, nurse: Any) -> None:
    body = {"refresh_token": guarded.login(nurse[0]).json()["refresh_token"]}
    with ThreadPoolExecutor(4) as threads:
        statuses = threads.map(
            lambda _: guarded.post(None, "/auth/refresh", body).status_code, range(4)
        )
    assert sorted(statuses) == [200, 401, 401, 401]
