"""What every answer carries, which pages may read it, and the one spelling of every path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from fixtures.hospital.transport import PORTAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from httpx import Response

    from .conftest import House

SAFETY = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


def downloaded(house: House) -> Response:
    export = house.post("billing_clerk.west", "/exports", {}).json()
    return house.get("billing_clerk.west", export["download_url"])


ANSWERS: dict[str, tuple[int, Callable[[House], Response]]] = {
    "ok": (200, lambda house: house.get("nurse.north", "/me")),
    "created": (201, lambda house: house.post("nurse.north", "/patients", {"name": "x"})),
    "file": (200, downloaded),
    "anonymous": (401, lambda house: house.get(None, "/me")),
    "forbidden": (403, lambda house: house.get("nurse.north", "/audit")),
    "missing": (404, lambda house: house.get("nurse.north", f"/patients/{uuid4()}")),
    "no path": (404, lambda house: house.get(None, "/nowhere")),
    "no method": (405, lambda house: house.ask(None, "DELETE", "/patients")),
    "large": (
        413,
        lambda house: house.ask(None, "POST", "/auth/refresh", content=b"x" * 1_000_001),
    ),
    "no json": (415, lambda house: house.ask("nurse.north", "POST", "/patients", data={"a": "b"})),
    "invalid": (422, lambda house: house.post("nurse.north", "/patients", {})),
    "document": (200, lambda house: house.get(None, "/openapi.json")),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_carries_the_safety_headers(name: str, sound: House) -> None:
    status, ask = ANSWERS[name]
    answer = ask(sound)
    assert answer.status_code == status
    assert {each: answer.headers.get(each) for each in SAFETY} == SAFETY
    assert len(answer.headers.get_list("cache-control")) == 1
    assert "server" not in answer.headers


def test_a_fault_carries_them_too(sound: House, monkeypatch: Any) -> None:
    monkeypatch.setattr(sound.hospital, "engine", None)
    answer = sound.get(None, "/health")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert {each: answer.headers.get(each) for each in SAFETY} == SAFETY


def test_the_documentation_may_run_its_scripts_but_not_be_framed(sound: House) -> None:
    answer = sound.get(None, "/docs")
    assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"


def cors(answer: Response) -> dict[str, str]:
    return {
        name: value for name, value in answer.headers.items() if name.startswith("access-control")
    }


def test_the_portal_may_read_answers_and_refusals(sound: House) -> None:
    for path in ("/me", f"/patients/{uuid4()}", "/audit"):
        answer = sound.get("nurse.north", path, headers={"Origin": PORTAL})
        assert cors(answer) == {
            "access-control-allow-origin": PORTAL,
            "access-control-allow-credentials": "true",
        }
        assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "*",
        "http://portal.hospital.example",
        "https://portal.hospital.example:8443",
        "https://portal.hospital.example.evil.example",
        "https://evil-portal.hospital.example",
        "https://PORTAL.hospital.example",
        "https://portal.hospital.example/",
    ],
)
def test_no_other_origin_is_answered_as_one(origin: str, sound: House) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    answers = [
        sound.get("nurse.north", "/me", headers={"Origin": origin}),
        sound.ask(None, "OPTIONS", "/me", headers=asked),
    ]
    assert [answer.status_code for answer in answers] == [200, 405]
    assert [cors(answer) for answer in answers] == [{}, {}]


def test_a_preflight_of_the_portal(sound: House) -> None:
    asked = {"Origin": PORTAL, "Access-Control-Request-Method": "POST"}
    answer = sound.ask(None, "OPTIONS", "/patients", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-methods"] == "GET, POST"
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    assert sound.ask(None, "OPTIONS", "/nowhere", headers=asked).status_code == 404
    assert sound.ask(None, "OPTIONS", "/patients", headers={"Origin": PORTAL}).status_code == 405


def test_paths_have_one_spelling(sound: House) -> None:
    patient = sound.patient("north", "nurse.north")
    path = f"/patients/{patient}"
    others = [
        "/patients/",
        "/Patients",
        "//patients",
        "/%70atients",
        "/patients%2Fcount",
        f"{path}/",
        f"{path}%00",
        f"/patients/{patient.upper()}",
        f"/patients/{patient.replace('-', '')}",
        f"/patients/urn:uuid:{patient}",
        f"{path};x=1",
        f"{path}.json",
    ]
    assert sound.get("nurse.north", path).status_code == 200
    statuses = {other: sound.get("nurse.north", other).status_code for other in others}
    assert set(statuses.values()) == {404}, statuses


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
def test_methods_that_a_path_does_not_have(method: str, sound: House) -> None:
    assert sound.ask("nurse.north", method, "/me").status_code == 405


def test_a_header_does_not_change_the_method(sound: House) -> None:
    appointment = sound.appointment(sound.patient())
    path = f"/appointments/{appointment}"
    headers = {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "DELETE"}
    sound.get("receptionist.north", path, headers=headers, params={"_method": "DELETE"})
    assert sound.get("receptionist.north", path).json()["status"] == "booked"


def test_a_token_in_the_url_opens_nothing(sound: House) -> None:
    token = sound.token("nurse.north")
    for name in ("access_token", "token", "authorization"):
        assert sound.get(None, "/me", params={name: token}).status_code == 401


def test_unknown_query_parameters_change_nothing(sound: House) -> None:
    patient = sound.patient(national_id="SECRET", allergies="penicillin")
    path = f"/patients/{patient}"
    plain = sound.get("receptionist.north", path).json()
    for name in ("fields", "include", "expand", "sort", "tenant", "role"):
        asked = sound.get("receptionist.north", path, params={name: "national_id,allergies,south"})
        assert asked.json() == plain


def test_a_page_has_at_most_200_rows(sound: House) -> None:
    for path in ("/patients", "/users", "/appointments"):
        statuses = [
            sound.get("receptionist.north", path, params={"limit": limit}).status_code
            for limit in (200, 201, 0, -1)
        ]
        assert statuses == [200, 422, 422, 422]


OWNED = ("id", "tenant", "created_by", "created_at", "status", "active")
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "/patients/{id}/notes": ("nurse.north", {"text": "x"}),
    "/patients/{id}/vitals": ("nurse.north", {"pulse": 70}),
    "/patients/{id}/encounters": ("nurse.north", {}),
    "/bills": ("billing_clerk.north", {"description": "x", "amount_cents": 1}),
    "/users": ("tenant_admin.north", {"password": "x" * 12, "name": "x", "roles": ["nurse"]}),
    "/exports": ("nurse.north", {}),
}


@pytest.mark.parametrize("path", BODIES)
def test_what_is_made_belongs_to_whom_it_should(path: str, sound: House) -> None:
    who, body = BODIES[path]
    patient = sound.patient("north", "nurse.north")
    if path == "/bills":
        body = {**body, "patient_id": patient}
    if path == "/users":
        body = {**body, "username": f"new-{uuid4().hex[:10]}"}
    for owned in (*OWNED, "verified_by", "write_off_approved_by", "file_name"):
        more = {**body, owned: "south"}
        assert sound.post(who, path.format(id=patient), more).status_code == 422, owned
    assert sound.post(who, path.format(id=patient), body).status_code == 201


@pytest.mark.parametrize("owned", [*OWNED, "mrn"])
def test_a_body_cannot_set_what_the_hospital_sets(owned: str, sound: House) -> None:
    patient = sound.patient()
    path = f"/patients/{patient}"
    before = sound.get("privacy_officer.north", path).json()
    changed = sound.ask("privacy_officer.north", "PATCH", path, json={owned: "south", "phone": "1"})
    assert changed.status_code == 422
    assert sound.get("privacy_officer.north", path).json() == before
