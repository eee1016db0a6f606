"""Symptoms of defects of logins, sessions, tokens, and rights that have ended."""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import jwt
import pyotp
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm
from jwt.utils import base64url_encode
from starlette.testclient import TestClient

from .conftest import PASSWORD
from .symptoms import shows

if TYPE_CHECKING:
    from collections.abc import Callable

    from httpx import Response

    from .conftest import House

WRONG = "wrong-password-1"
FOREIGN = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def account(house: House, *roles: str, **made: Any) -> tuple[str, str]:
    """A new account of the north: user name and id."""
    name = f"new-{uuid4().hex[:10]}"
    body = {"username": name, "password": PASSWORD, "name": "New", "roles": [*roles] or ["nurse"]}
    answer = house.post("tenant_admin.north", "/users", body)
    assert answer.status_code == 201, answer.text
    made.update(answer.json())
    return name, answer.json()["id"]


def with_second_factor(house: House) -> tuple[str, pyotp.TOTP]:
    """A new account that needs a code: user name and what makes codes."""
    name = f"new-{uuid4().hex[:10]}"
    body = {"username": name, "password": PASSWORD, "name": "New", "roles": ["tenant_admin"]}
    secret = house.post("tenant_admin.north", "/users", body).json()["totp_secret"]
    return name, pyotp.TOTP(secret)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def opens(house: House, token: str, path: str = "/me") -> bool:
    return house.get(None, path, headers=bearer(token)).status_code == 200


def refreshed(house: House, token: str) -> Response:
    return house.post(None, "/auth/refresh", {"refresh_token": token})


def renews(house: House, token: str) -> bool:
    """Whether a refresh token gives tokens that work."""
    answer = refreshed(house, token)
    return answer.status_code == 200 and opens(house, answer.json()["access_token"])


# --- guessing


def door(house: House) -> Callable[..., Response]:
    """The login, from an address that nobody else uses."""
    address = ".".join(str(number) for number in uuid4().bytes[:4])
    client = TestClient(house.client.app, client=(address, 50_000))

    def log_in(username: str, password: str = WRONG, **headers: str) -> Response:
        form = {"username": username, "password": password}
        answer: Response = client.post("/auth/token", data=form, headers=headers)
        return answer

    return log_in


@shows("D-016")
def unknown_names_are_told_from_wrong_passwords(house: House) -> bool:
    log_in, (name, _) = door(house), account(house)
    known, unknown = log_in(name), log_in("nobody.north")
    assert {known.status_code, unknown.status_code} == {401}
    return known.content != unknown.content


@shows("D-016.subtle")
def only_accounts_are_locked(house: House) -> bool:
    log_in, (name, _) = door(house), account(house)
    known, unknown = (
        [log_in(each).status_code for _ in range(6)] for each in (name, f"nobody-{name}")
    )
    assert known == [401] * 5 + [429]
    return unknown == [401] * 6


@shows("D-016.timing")
def unknown_names_are_refused_sooner(house: House) -> bool:
    log_in, (name, _) = door(house), account(house)
    taken: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(12):
        for known, username in ((True, name), (False, f"nobody-{turn}")):
            started = time.perf_counter()
            answer = log_in(username)
            taken[known].append(time.perf_counter() - started)
            assert answer.status_code == 401
        if turn % 4 == 3:
            assert log_in(name, PASSWORD).status_code == 200
    # The quickest answers: a busy machine adds to the others.
    return min(taken[True]) - min(taken[False]) > 0.004


@shows("D-016.reset")
def asking_for_a_password_tells_who_has_an_account(house: House) -> bool:
    names = account(house)[0], f"nobody-{uuid4()}"
    path = "/auth/password-reset"
    answers = [house.post(None, path, {"username": name}).status_code for name in names]
    return answers == [202, 404]


def guessed_on(house: House, variations: list[tuple[str, dict[str, str]]], name: str) -> bool:
    """Whether the right password works after a wrong one under each of the variations."""
    log_in = door(house)
    for username, headers in variations:
        log_in(username, **headers)
    return log_in(name, PASSWORD).status_code == 200


@shows("D-018")
def a_header_starts_a_new_count(house: House) -> bool:
    name, _ = account(house)
    headers = [{"X-Forwarded-For": f"192.0.2.{number}"} for number in range(10)]
    return guessed_on(house, [(name, each) for each in headers], name)


@shows("D-018.subtle")
def a_spelling_starts_a_new_count(house: House) -> bool:
    name, _ = account(house)
    spellings = [f"{' ' * number}{name.upper()}" for number in range(10)]
    return guessed_on(house, [(each, {}) for each in spellings], name)


@shows("D-018.spread")
def a_name_starts_a_new_count(house: House) -> bool:
    name, _ = account(house)
    return guessed_on(house, [(f"nobody-{number}", {}) for number in range(101)], name)


# --- sessions


@shows("D-020")
def logging_out_ends_nothing(house: House) -> bool:
    name, _ = account(house)
    tokens, browser = house.login(name).json(), house.browser(name)
    out = house.post(None, "/auth/logout", headers=bearer(tokens["access_token"]))
    closed = house.ask(None, "DELETE", "/auth/session", headers=browser)
    assert (out.status_code, closed.status_code) == (204, 204)
    still = house.get(None, "/me", headers=browser).status_code == 200
    return still and opens(house, tokens["access_token"])


def sessions_around_a_new_password(house: House) -> tuple[Any, Any]:
    """What two logins gave, before the first one changes the password."""
    name, _ = account(house)
    here, elsewhere = house.login(name).json(), house.login(name).json()
    body = {"current_password": PASSWORD, "new_password": f"{PASSWORD}-new"}
    headers = bearer(here["access_token"])
    assert house.post(None, "/me/password", body, headers=headers).status_code == 204
    return here, elsewhere


@shows("D-020.subtle")
def a_new_password_leaves_the_other_session(house: House) -> bool:
    here, elsewhere = sessions_around_a_new_password(house)
    assert not opens(house, here["access_token"])
    return opens(house, elsewhere["access_token"]) and renews(house, elsewhere["refresh_token"])


@shows("D-020.refresh")
def refresh_tokens_outlive_their_session(house: House) -> bool:
    tokens = house.login("nurse2.north").json()
    out = house.post(None, "/auth/logout", headers=bearer(tokens["access_token"]))
    assert out.status_code == 204
    _, elsewhere = sessions_around_a_new_password(house)
    assert not opens(house, tokens["access_token"])
    assert not opens(house, elsewhere["access_token"])
    return all(renews(house, each["refresh_token"]) for each in (tokens, elsewhere))


@shows("D-021")
def a_browser_needs_no_code(house: House) -> bool:
    name, _ = with_second_factor(house)
    assert house.login(name).json()["mfa_required"]
    body = {"username": name, "password": PASSWORD}
    return house.post(None, "/auth/session", body).status_code == 200


@shows("D-021.subtle")
def half_a_login_opens_doors(house: House) -> bool:
    name, _ = with_second_factor(house)
    return opens(house, house.login(name).json()["mfa_token"], "/users")


@shows("D-021.replay")
def a_code_works_twice(house: House) -> bool:
    name, codes = with_second_factor(house)
    code = codes.now()
    statuses = []
    for _ in range(2):
        body = {"mfa_token": house.login(name).json()["mfa_token"], "code": code}
        statuses.append(house.post(None, "/auth/mfa", body).status_code)
    assert statuses[0] == 200
    return statuses[1] == 200


@shows("H-009")
def the_browsers_cookie_is_adopted(house: House) -> bool:
    planted = {"Cookie": f"hospital_session=planted-{uuid4()}"}
    body = {"username": "nurse.north", "password": PASSWORD}
    answer = house.post(None, "/auth/session", body, headers=planted)
    house.client.cookies.clear()
    assert answer.status_code == 200
    return house.get(None, "/me", headers=planted).status_code == 200


@shows("H-010")
def the_cookie_is_open_to_scripts_and_sites(house: House) -> bool:
    body = {"username": "nurse.north", "password": PASSWORD}
    cookie = house.post(None, "/auth/session", body).headers["set-cookie"]
    house.client.cookies.clear()
    assert "; Secure" in cookie
    return "HttpOnly" not in cookie and "SameSite" not in cookie


# --- tokens


def parts(house: House) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a valid token."""
    token = house.login("nurse.north").json()["access_token"]
    return jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})


def sealed(header: dict[str, Any], claims: dict[str, Any], secret: bytes | None) -> str:
    """A token signed HS256 with `secret`, or with nothing."""
    pieces = [base64url_encode(json.dumps(each).encode()).decode() for each in (header, claims)]
    signed = ".".join(pieces)
    signature = b"" if secret is None else hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{base64url_encode(signature).decode()}"


def jwk_of(key: rsa.RSAPrivateKey) -> dict[str, Any]:
    return RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)


@shows("D-022")
def unsigned_tokens_are_accepted(house: House) -> bool:
    header, claims = parts(house)
    return opens(house, sealed({**header, "alg": "none"}, claims, None))


@shows("D-022.confusion")
def the_published_key_signs(house: House) -> bool:
    header, claims = parts(house)
    jwk = house.get(None, "/.well-known/jwks.json").json()["keys"][0]
    key = RSAAlgorithm.from_jwk(jwk)
    assert isinstance(key, rsa.RSAPublicKey)
    secret = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return opens(house, sealed({**header, "alg": "HS256"}, claims, secret))


@shows("D-022.kid")
def a_known_file_signs(house: House) -> bool:
    header, claims = parts(house)
    named = {**header, "alg": "HS256", "kid": "../../../../../../../../../../dev/null"}
    return opens(house, sealed(named, claims, b""))


@shows("D-022.embedded")
def a_key_that_is_brought_along_signs(house: House) -> bool:
    header, claims = parts(house)
    brought = {"kid": header["kid"], "jwk": jwk_of(FOREIGN)}
    return opens(house, jwt.encode(claims, FOREIGN, "RS256", headers=brought))


@contextmanager
def serving(document: Any) -> Iterator[tuple[str, list[str]]]:
    """An address that serves `document`, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/keys.json", asked
    server.shutdown()
    thread.join()
    server.server_close()


@shows("D-022.remote")
def a_key_that_is_fetched_signs(house: House) -> bool:
    header, claims = parts(house)
    with serving({"keys": [jwk_of(FOREIGN)]}) as (address, asked):
        named = {"kid": header["kid"], "jku": address}
        opened = opens(house, jwt.encode(claims, FOREIGN, "RS256", headers=named))
    assert opened == (asked == ["/keys.json"])
    return opened


@shows("D-022.weak")
def a_known_word_signs(house: House) -> bool:
    header, claims = parts(house)
    named = {**header, "alg": "HS256"}
    return opens(house, sealed(named, claims, b"a-string-secret-at-least-256-bits-long"))


@shows("D-022.signature")
def any_signature_does(house: House) -> bool:
    header, claims = parts(house)
    assert not opens(house, f"{base64.b64encode(b'{}').decode()}.x.x")
    return opens(house, jwt.encode(claims, FOREIGN, "RS256", headers={"kid": header["kid"]}))


def accepted(house: House, path: str = "/me", **changed: Any) -> bool:
    """Whether a properly signed token opens a door although some claims are others."""
    header, claims = parts(house)
    key, headers = house.hospital.signer.key, {"kid": header["kid"]}
    assert opens(house, jwt.encode(claims, key, "RS256", headers=headers), path)
    return opens(house, jwt.encode({**claims, **changed}, key, "RS256", headers=headers), path)


@shows("D-023")
def audience_and_purpose_are_not_checked(house: House) -> bool:
    return accepted(house, aud="another-service") and accepted(house, token_use="refresh")


@shows("D-023.subtle")
def tokens_live_five_minutes_longer(house: House) -> bool:
    assert not accepted(house, exp=int(time.time()) - 330)
    return accepted(house, exp=int(time.time()) - 270)


@shows("D-023.issuer")
def the_issuer_is_not_checked(house: House) -> bool:
    return accepted(house, iss="somebody-else")


@shows("D-023.tenant")
def the_token_chooses_the_tenant(house: House) -> bool:
    return accepted(house, "/reports/census", tenant="south")


@shows("D-024")
def the_refresh_token_never_changes(house: House) -> bool:
    token = house.login("nurse.north").json()["refresh_token"]
    answers = [refreshed(house, token) for _ in range(3)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[0] == 200
    return statuses == [200] * 3 and answers[0].json()["refresh_token"] == token


@shows("D-024.subtle")
def refreshes_at_once_all_win(house: House) -> bool:
    def won(token: str) -> int:
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda _: refreshed(house, token), range(4)))
        assert refreshed(house, token).status_code == 401
        return [answer.status_code for answer in answers].count(200)

    tokens = (house.login("nurse.north").json()["refresh_token"] for _ in range(12))
    return any(won(token) > 1 for token in tokens)


@shows("D-024.reuse")
def a_used_token_ends_nothing(house: House) -> bool:
    tokens = house.login("nurse.north").json()
    newer = refreshed(house, tokens["refresh_token"]).json()
    assert refreshed(house, tokens["refresh_token"]).status_code == 401
    return opens(house, newer["access_token"]) and renews(house, newer["refresh_token"])


# --- rights that have ended


@shows("D-025")
def a_removed_role_works_on(house: House) -> bool:
    name, identifier = account(house, "patient", "nurse")
    tokens = house.login(name).json()
    assert opens(house, tokens["access_token"], "/reports/census")
    path, body = f"/users/{identifier}/roles", {"roles": ["patient"]}
    assert house.ask("tenant_admin.north", "PUT", path, json=body).status_code == 200
    still = opens(house, tokens["access_token"], "/reports/census")
    newer = refreshed(house, tokens["refresh_token"]).json()["access_token"]
    assert not opens(house, newer, "/reports/census")
    return still


def disable(house: House, identifier: str) -> None:
    house.made("tenant_admin.north", f"/users/{identifier}/disable")


@shows("D-025.subtle")
def a_disabled_account_renews_its_session(house: House) -> bool:
    name, identifier = account(house)
    out, tokens = house.login(name).json(), house.login(name).json()
    house.post(None, "/auth/logout", headers=bearer(out["access_token"]))
    disable(house, identifier)
    assert not opens(house, tokens["access_token"])
    assert house.login(name).status_code == 401
    assert refreshed(house, out["refresh_token"]).status_code == 401
    return renews(house, tokens["refresh_token"])


@shows("D-025.link")
def files_serve_with_the_rights_of_once(house: House) -> bool:
    name, identifier = account(house, "patient", "receptionist")
    house.patient(name="In the file")
    export = house.made(name, "/exports", {})
    url = house.post(name, f"/exports/{export}/link").json()["url"]
    path, body = f"/users/{identifier}/roles", {"roles": ["patient"]}
    house.ask("tenant_admin.north", "PUT", path, json=body)
    download = house.get(name, f"/exports/{export}/download").status_code == 200
    disable(house, identifier)
    return download and "In the file" in house.get(None, url).text


def leaves(house: House, patient: str, assignment: str) -> None:
    path = f"/patients/{patient}/care-team/{assignment}"
    assert house.ask("receptionist.north", "DELETE", path).status_code == 204


@shows("D-026")
def leaving_a_care_team_ends_nothing(house: House) -> bool:
    patient = house.patient()
    leaves(house, patient, house.assign(patient, "nurse.north"))
    path = f"/patients/{patient}"
    answers = [house.get("nurse.north", each) for each in (path, f"{path}/notes")]
    return [answer.status_code for answer in answers] == [200, 200]


@shows("D-026.subtle")
def the_timeline_stays_open(house: House) -> bool:
    patient = house.patient("north", "physician.north")
    house.made("physician.north", f"/patients/{patient}/notes", {"text": "x"})
    path = f"/patients/{patient}"
    link = house.link(patient, "patient.north")
    leaves(house, patient, house.assign(patient, "nurse.north"))
    house.ask("receptionist.north", "DELETE", f"{path}/portal-access/{link}")
    former = ("nurse.north", "patient.north")
    assert {house.get(who, path).status_code for who in former} == {404}
    assert house.get("nurse2.north", f"{path}/timeline").status_code == 404
    return [house.get(who, f"{path}/timeline").status_code for who in former] == [200, 200]


@shows("D-026.link")
def a_link_to_a_document_outlives_the_relation(house: House) -> bool:
    patient = house.patient("north", "physician.north")
    documents = f"/patients/{patient}/documents"
    body = {"title": "Letter", "content": "canary"}
    document = house.made("physician.north", documents, body)
    assignment = house.assign(patient, "nurse.north")
    url = house.post("nurse.north", f"{documents}/{document}/link").json()["url"]
    assert "canary" in house.get(None, url).text
    leaves(house, patient, assignment)
    return "canary" in house.get(None, url).text
