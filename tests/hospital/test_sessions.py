"""Logging in, staying in, and being put out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import jwt
import pytest

from .conftest import PASSWORD

if TYPE_CHECKING:
    from .conftest import House


@pytest.fixture
def account(sound: House) -> tuple[str, str]:
    """A new nurse of the north: user name and id."""
    name = f"nurse-{uuid4().hex[:10]}"
    body = {"username": name, "password": PASSWORD, "name": "New", "roles": ["nurse"]}
    return name, sound.made("tenant_admin.north", "/users", body)


def test_unknown_and_wrong_and_disabled_look_alike(sound: House, account: Any) -> None:
    name, identifier = account
    sound.made("tenant_admin.north", f"/users/{identifier}/disable")
    answers = [
        sound.login("nurse.north", "wrong-password"),
        sound.login("nobody.north"),
        sound.login(name),
        sound.login("nul\x00"),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1


def test_a_disabled_account_is_out_at_once(sound: House, account: Any) -> None:
    name, identifier = account
    assert sound.get(name, "/me").status_code == 200
    sound.made("tenant_admin.north", f"/users/{identifier}/disable")
    assert sound.get(name, "/me").status_code == 401
    sound.made("tenant_admin.north", f"/users/{identifier}/enable")
    assert sound.get(name, "/me").status_code == 200


def test_new_roles_count_at_once_whatever_the_token_says(sound: House, account: Any) -> None:
    name, identifier = account
    assert sound.get(name, "/reports/census").status_code == 200
    changed = sound.ask(
        "tenant_admin.north", "PUT", f"/users/{identifier}/roles", json={"roles": ["patient"]}
    )
    assert changed.status_code == 200
    assert sound.get(name, "/reports/census").status_code == 403


def test_logging_out_ends_both_tokens(sound: House) -> None:
    tokens = sound.login("nurse2.south").json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert sound.post(None, "/auth/logout", headers=headers).status_code == 204
    assert sound.get(None, "/me", headers=headers).status_code == 401
    refreshed = sound.post(None, "/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    assert refreshed.status_code == 401


def test_a_refresh_token_works_once_and_its_reuse_ends_the_session(sound: House) -> None:
    first = sound.login("nurse2.south").json()
    body = {"refresh_token": first["refresh_token"]}
    second = sound.post(None, "/auth/refresh", body).json()
    headers = {"Authorization": f"Bearer {second['access_token']}"}
    assert sound.get(None, "/me", headers=headers).status_code == 200
    assert sound.post(None, "/auth/refresh", body).status_code == 401
    assert sound.get(None, "/me", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("algorithm", "changes"),
    [
        ("none", {}),
        ("HS256", {"exp": 1}),
        ("HS256", {"aud": "another"}),
        ("HS256", {"iss": "another"}),
        ("HS256", {"tenant": "south"}),
        ("HS256", {"sid": str(uuid4())}),
        ("HS256", {"sub": "x"}),
        ("HS512", {}),
    ],
)
def test_an_altered_token_is_refused(algorithm: str, changes: Any, sound: House) -> None:
    claims = jwt.decode(sound.token("nurse.north"), options={"verify_signature": False})
    key = sound.hospital.signer.key if algorithm != "none" else ""
    forged = jwt.encode({**claims, **changes}, key, algorithm=algorithm)
    answer = sound.get(None, "/me", headers={"Authorization": f"Bearer {forged}"})
    assert answer.status_code == 401


def test_duties_that_must_stay_apart(sound: House, account: Any) -> None:
    _, identifier = account
    answer = sound.ask(
        "tenant_admin.north",
        "PUT",
        f"/users/{identifier}/roles",
        json={"roles": ["physician", "pharmacist"]},
    )
    assert answer.json()["error"]["code"] == "roles_apart"
