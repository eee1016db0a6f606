"""Logging in, staying in, and being put out."""

from __future__ import annotations

import hmac
import json
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import jwt
import pyotp
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.utils import base64url_encode

from fixtures.hospital.tokens import Signer

from .conftest import PASSWORD

if TYPE_CHECKING:
    from httpx import Response

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


def test_a_disabled_account_is_out_at_once_on_every_door(sound: House, account: Any) -> None:
    name, identifier = account
    browser = sound.browser(name)
    tokens = sound.login(name).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    for door in (headers, browser):
        assert sound.get(None, "/me", headers=door).status_code == 200
    sound.made("tenant_admin.north", f"/users/{identifier}/disable")
    for again in (False, True):
        for door in (headers, browser):
            assert sound.get(None, "/me", headers=door).status_code == 401
        body = {"refresh_token": tokens["refresh_token"]}
        assert sound.post(None, "/auth/refresh", body).status_code == 401
        if not again:
            assert sound.login(name).status_code == 401
            sound.made("tenant_admin.north", f"/users/{identifier}/enable")
    assert sound.login(name).status_code == 200


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


def minted(sound: House, *drop: str, header: Any = None, **claims: Any) -> Response:
    """What GET /me answers to a token signed with the hospital's own key."""
    known = jwt.decode(sound.token("nurse.north"), options={"verify_signature": False})
    kept = {name: value for name, value in {**known, **claims}.items() if name not in drop}
    token = jwt.encode(kept, sound.hospital.signer.key, "RS256", headers=header)
    return sound.get(None, "/me", headers={"Authorization": f"Bearer {token}"})


def test_whoever_holds_the_key_mints_tokens_for_open_sessions(sound: House) -> None:
    (jwk,) = sound.get(None, "/.well-known/jwks.json").json()["keys"]
    assert set(jwk) == {"kty", "use", "alg", "kid", "n", "e"}
    assert (jwk["kty"], jwk["use"], jwk["alg"]) == ("RSA", "sig", "RS256")
    token = sound.token("nurse.north")
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT", "kid": jwk["kid"]}
    claims = jwt.decode(token, jwt.PyJWK(jwk), audience="reference-hospital-api")
    assert set(claims) == set("iss aud sub tenant sid roles iat nbf exp jti token_use".split())
    assert claims["exp"] - claims["iat"] == 3600
    assert minted(sound).status_code == 200
    assert minted(sound, header={"kid": jwk["kid"]}).status_code == 200
    assert minted(sound, "jti", "roles", jti="x").status_code == 200


@pytest.mark.parametrize("claim", "iss aud sub tenant sid nbf exp token_use".split())
def test_a_token_without_a_claim_is_refused(claim: str, sound: House) -> None:
    assert minted(sound, claim).status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": int(time.time()) - 1},
        {"exp": "x"},
        {"nbf": int(time.time()) + 600},
        {"aud": "another"},
        {"iss": "another"},
        {"tenant": "south"},
        {"sid": str(uuid4())},
        {"sub": str(uuid4())},
        {"sub": "x"},
        {"sid": 5},
        {"token_use": "refresh"},
        {"token_use": "second_step"},
    ],
)
def test_a_token_with_another_claim_is_refused(claims: Any, sound: House) -> None:
    assert minted(sound, **claims).status_code == 401


def test_a_header_of_a_token_chooses_no_key(sound: House) -> None:
    for said in ({"kid": "another"}, {"kid": "../../dev/null"}, {"crit": ["x"], "x": 1}):
        assert minted(sound, header=said).status_code == 401
    own = Signer()
    claims = jwt.decode(sound.token("nurse.north"), options={"verify_signature": False})
    header = {"jwk": own.jwk, "jku": "https://attacker.example/jwks.json"}
    forged = [jwt.encode(claims, own.key, "RS256", headers=header)]
    forged += [jwt.encode(claims, "", "none")]
    signer = sound.hospital.signer
    public = signer.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    forged += [signed_hs256(claims, secret) for secret in (public, signer.jwk["n"].encode(), b"")]
    forged += [jwt.encode(claims, signer.key, each) for each in ("RS512", "PS256")]
    for token in forged:
        answer = sound.get(None, "/me", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401


def signed_hs256(claims: Any, secret: bytes) -> str:
    """A token signed with what everybody knows as if it were a secret; PyJWT makes none such."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signed = b".".join(base64url_encode(part) for part in parts)
    digest = hmac.digest(secret, signed, "sha256")
    return (signed + b"." + base64url_encode(digest)).decode()


CHART = [
    ("GET", "/patients/{patient}"),
    ("GET", "/patients"),
    ("GET", "/patients/count"),
    ("GET", "/patients/search?q=Patient"),
    ("PATCH", "/patients/{patient}"),
    ("GET", "/patients/{patient}/timeline"),
    ("GET", "/patients/{patient}/insurance"),
    ("GET", "/patients/{patient}/documents"),
    ("GET", "/patients/{patient}/encounters"),
    ("GET", "/patients/{patient}/notes"),
    ("GET", "/patients/{patient}/vitals"),
    ("GET", "/patients/{patient}/medication-orders"),
    ("GET", "/patients/{patient}/lab-orders"),
    ("GET", "/wards/{ward}/board"),
]


@pytest.mark.parametrize("other", ["nurse", "receptionist", "privacy_officer", "lab_technician"])
def test_an_administrator_reads_no_chart_whatever_the_other_roles(other: str, sound: House) -> None:
    ward = sound.get("nurse.north", "/wards").json()["items"][0]["id"]
    for roles in ([other, "tenant_admin"], ["tenant_admin", other]):
        name = f"both-{uuid4().hex[:10]}"
        body = {"username": name, "password": PASSWORD, "name": "Both", "roles": roles}
        made = sound.post("tenant_admin.north", "/users", body).json()
        assert made["roles"] == sorted(roles)
        owed = sound.login(name).json()["mfa_token"]
        code = pyotp.TOTP(made["totp_secret"]).now()
        tokens = sound.post(None, "/auth/mfa", {"mfa_token": owed, "code": code}).json()
        patient = sound.patient()
        member = {"user_id": made["id"]}
        sound.post("receptionist.north", f"/patients/{patient}/care-team", member)
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        for method, path in CHART:
            asked = sound.ask(
                None, method, path.format(patient=patient, ward=ward), headers=headers
            )
            assert asked.status_code == 403, path
        assert sound.get(None, "/users", headers=headers).status_code == 200
