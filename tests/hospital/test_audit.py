"""The audit trail: one row for each request that reaches an operation, and no secrets in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from .conftest import PASSWORD

if TYPE_CHECKING:
    from .conftest import House

OFFICER, OPERATOR = "privacy_officer.north", "platform_operator.north"


@pytest.fixture
def mark() -> str:
    """A correlation id of the test's own."""
    return f"test-{uuid4().hex}"


def trail(house: House, mark: str, reader: str = OFFICER) -> list[dict[str, Any]]:
    path = "/audit/unattributed" if reader.startswith("platform") else "/audit"
    answer = house.get(reader, path, params={"correlation_id": mark})
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["items"]
    return rows


def marked(mark: str) -> dict[str, Any]:
    return {"headers": {"X-Correlation-Id": mark}}


def test_a_read_leaves_one_whole_row(sound: House, mark: str) -> None:
    patient = sound.patient("north", "nurse.north")
    before = datetime.now(UTC)
    answer = sound.get("nurse.north", f"/patients/{patient}", **marked(mark))
    assert answer.headers["x-correlation-id"] == mark
    (row,) = trail(sound, mark)
    at = row.pop("at")
    assert at.endswith("Z")
    assert before <= datetime.fromisoformat(at) <= datetime.now(UTC)
    assert row.pop("id")
    assert row == {
        "correlation_id": mark,
        "actor": "nurse.north",
        "actor_id": sound.user("nurse.north"),
        "on_behalf_of": None,
        "roles": ["nurse"],
        "patients": [patient],
        "resource": "patient",
        "action": "read",
        "object_id": patient,
        "outcome": "done",
        "source": "testclient",
        "purpose": "treatment",
        "tenant": "north",
        "category": "record",
    }


def outcomes(house: House, mark: str) -> list[tuple[str, ...]]:
    return [(row["resource"], row["action"], row["outcome"]) for row in trail(house, mark)]


def test_denials_and_failures_leave_a_row_each(sound: House, mark: str) -> None:
    patient = sound.patient()
    foreign = sound.patient("south")
    bed = sound.bed()
    taken = {"patient_id": sound.patient(), "bed_id": bed}
    sound.made("receptionist.north", "/admissions", taken)
    sound.get("billing_clerk.north", f"/patients/{patient}/notes", **marked(mark))  # 403
    sound.get("nurse.north", f"/patients/{patient}", **marked(mark))  # 404, not assigned
    sound.post(
        "receptionist.north", "/appointments", {"patient_id": foreign}, **marked(mark)
    )  # 422
    body = {"patient_id": foreign, "clinic": "x", "starts_at": "2027-01-10T09:00:00Z"}
    sound.post("receptionist.north", "/appointments", body, **marked(mark))  # 404
    again = {"patient_id": sound.patient(), "bed_id": bed}
    sound.post("receptionist.north", "/admissions", again, **marked(mark))  # 409
    sound.ask("receptionist.north", "POST", "/patients", data={"name": "x"}, **marked(mark))  # 415
    rows = trail(sound, mark)
    assert outcomes(sound, mark) == [
        ("note", "list", "denied"),
        ("patient", "read", "denied"),
        ("appointment", "book", "failed"),
        ("appointment", "book", "denied"),
        ("admission", "admit", "failed"),
        ("patient", "create", "failed"),
    ]
    assert rows[1]["object_id"] == patient
    assert rows[1]["patients"] == []
    assert rows[4]["object_id"] is None
    assert rows[4]["patients"] == [again["patient_id"]]


def test_a_fault_leaves_a_row(sound: House, mark: str, monkeypatch: Any) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    patient = sound.patient("north", "nurse.north")
    monkeypatch.setattr("fixtures.hospital.routes.vitals.VITALS", None)
    answer = sound.post("nurse.north", f"/patients/{patient}/vitals", {"pulse": 1}, **marked(mark))
    assert answer.status_code == 500
    (row,) = trail(sound, mark)
    assert (row["outcome"], row["patients"]) == ("failed", [patient])


def test_lists_searches_batches_and_exports_name_whom_they_showed(sound: House, mark: str) -> None:
    who = "physician.west"
    name = f"Zz{uuid4().hex}"
    patient = sound.patient("west", who, name=name)
    result = sound.lab_result("west", patient)
    hidden = sound.lab_result("west")
    asked: list[Callable[[], Any]] = [
        lambda: sound.get(who, "/patients", params={"limit": 200}, **marked(mark)),
        lambda: sound.get(who, "/patients/search", params={"q": name}, **marked(mark)),
        lambda: sound.get(who, "/patients/suggest", params={"q": name}, **marked(mark)),
        lambda: sound.get(who, f"/patients/{patient}/timeline", **marked(mark)),
        lambda: sound.post(who, "/lab-results/batch-get", {"ids": [result, "x"]}, **marked(mark)),
        lambda: sound.post(who, "/exports", {}, **marked(mark)),
    ]
    for ask in asked:
        assert ask().status_code < 300
    rows = trail(sound, mark, "privacy_officer.west")
    assert len(rows) == len(asked)
    assert all(patient in row["patients"] for row in rows)
    assert rows[1]["patients"] == rows[2]["patients"] == rows[4]["patients"] == [patient]
    assert {row["object_id"] for row in rows[:3]} == {None}
    assert hidden not in json.dumps(rows)


def test_the_board_names_who_lies_there(sound: House, mark: str) -> None:
    ward = sound.get("nurse.north", "/wards").json()["items"][0]["id"]
    patient = sound.patient()
    sound.made("nurse.north", "/admissions", {"patient_id": patient, "bed_id": sound.bed()})
    sound.get("nurse.north", f"/wards/{ward}/board", **marked(mark))
    assert patient in trail(sound, mark)[0]["patients"]


def test_what_is_made_is_the_object(sound: House, mark: str) -> None:
    patient = sound.patient("north", "nurse.north")
    path = f"/patients/{patient}/notes"
    note = sound.post("nurse.north", path, {"text": "x"}, **marked(mark)).json()["id"]
    (row,) = trail(sound, mark)
    assert (row["object_id"], row["patients"]) == (note, [patient])


def test_a_proxy_acts_on_behalf_of_the_patient(sound: House, mark: str) -> None:
    own, child = sound.patient(), sound.patient()
    user = {"user_id": sound.user("patient2.north")}
    sound.made("receptionist.north", f"/patients/{own}/portal-access", user)
    proxy = {**user, "relationship": "parent"}
    sound.made("receptionist.north", f"/patients/{child}/portal-access", proxy)
    for patient in (own, child):
        sound.get("patient2.north", f"/patients/{patient}", **marked(mark))
    rows = trail(sound, mark)
    assert [row["on_behalf_of"] for row in rows] == [None, child]
    assert {row["purpose"] for row in rows} == {"own"}


def test_the_same_id_twice_is_two_rows(sound: House, mark: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: sound.get("nurse.north", "/me", **marked(mark)), range(4)))
    assert len({row["id"] for row in trail(sound, mark)}) == 4


@pytest.mark.parametrize("given", ["short", "x" * 65, "with space", "semi;colon", ""])
def test_a_malformed_correlation_id_is_replaced(given: str, sound: House) -> None:
    answer = sound.get("nurse.north", "/me", headers={"X-Correlation-Id": given})
    used = answer.headers["x-correlation-id"]
    assert used != given
    assert [row["actor"] for row in trail(sound, used)] == ["nurse.north"]


def test_nothing_that_a_client_says_of_itself_is_believed(sound: House, mark: str) -> None:
    said = {
        "X-User": "someone.else",
        "X-Forwarded-For": "203.0.113.9",
        "Forwarded": "for=203.0.113.9",
        "X-Real-IP": "203.0.113.9",
        "Date": "Thu, 01 Jan 1970 00:00:00 GMT",
        "X-Purpose": "emergency",
        **marked(mark)["headers"],
    }
    sound.get("nurse.north", "/me", headers=said)
    (row,) = trail(sound, mark)
    assert (row["actor"], row["source"], row["purpose"]) == (
        "nurse.north",
        "testclient",
        "operations",
    )
    assert datetime.fromisoformat(row["at"]) > datetime.now(UTC) - timedelta(minutes=1)
    assert "203.0.113.9" not in json.dumps(row)


def test_logins_are_on_record_with_their_tenant(sound: House, mark: str) -> None:
    def login(name: str, password: str) -> int:
        form = {"username": name, "password": password}
        status: int = sound.client.post("/auth/token", data=form, **marked(mark)).status_code
        return status

    name = f"nurse-{uuid4().hex[:10]}"
    body = {"username": name, "password": PASSWORD, "name": "New", "roles": ["nurse"]}
    identifier = sound.made("tenant_admin.north", "/users", body)
    assert [login(name, PASSWORD), login(name, "wrong")] == [200, 401]
    assert login("nobody.at-all", "wrong") == 401
    rows = trail(sound, mark, "tenant_admin.north")
    assert [(row["resource"], row["action"], row["outcome"]) for row in rows] == [
        ("auth", "login", "done"),
        ("auth", "login", "denied"),
    ]
    assert {(row["actor"], row["actor_id"]) for row in rows} == {(name, identifier)}
    (unknown,) = trail(sound, mark, OPERATOR)
    assert (unknown["actor"], unknown["outcome"], unknown["tenant"]) == (
        None,
        "unauthenticated",
        None,
    )
    assert "nobody" not in json.dumps(unknown)


def test_requests_without_a_credential_are_unattributed(sound: House, mark: str) -> None:
    patient = sound.patient()
    for credential in ({}, {"Authorization": "Bearer x"}):
        headers = {**credential, **marked(mark)["headers"]}
        answer = sound.get(None, f"/patients/{patient}", headers=headers)
        assert answer.status_code == 401
    assert trail(sound, mark) == []
    rows = trail(sound, mark, OPERATOR)
    assert [(row["actor"], row["outcome"], row["object_id"]) for row in rows] == [
        (None, "unauthenticated", patient)
    ] * 2
    assert {row["source"] for row in rows} == {"testclient"}


def test_only_operators_read_the_unattributed_trail(sound: House) -> None:
    for role in ("privacy_officer", "tenant_admin", "nurse"):
        assert sound.get(f"{role}.north", "/audit/unattributed").status_code == 403
    assert sound.get(OPERATOR, "/audit").status_code == 403


def test_a_trail_is_the_facilitys_own(sound: House, mark: str) -> None:
    sound.get("nurse.south", "/me", **marked(mark))
    assert trail(sound, mark) == []
    assert len(trail(sound, mark, "privacy_officer.south")) == 1


def test_an_administrator_sees_security_rows_only(sound: House, mark: str) -> None:
    sound.get("nurse.north", "/me", **marked(mark))
    sound.get("nurse.north", "/wards", **marked(mark))
    seen = trail(sound, mark, "tenant_admin.north")
    assert [row["resource"] for row in seen] == ["account"]


def test_reading_the_trail_is_on_record(sound: House, mark: str) -> None:
    sound.get(OFFICER, "/audit", **marked(mark))
    (row,) = trail(sound, mark)
    assert (row["actor"], row["resource"], row["action"]) == (OFFICER, "audit", "list")


def test_filters_by_actor_and_time(sound: House, mark: str) -> None:
    sound.get("nurse.north", "/me", **marked(mark))
    sound.get("physician.north", "/me", **marked(mark))

    def found(**query: str) -> list[str]:
        params = {"correlation_id": mark, **query}
        rows = sound.get(OFFICER, "/audit", params=params).json()["items"]
        return [row["actor"] for row in rows]

    assert found(actor="nurse.north") == ["nurse.north"]
    later = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    assert found(since=later) == []
    assert found(since="2026-01-01T00:00:00Z") == ["nurse.north", "physician.north"]
    assert sound.get(OFFICER, "/audit", params={"since": "yesterday"}).status_code == 422


def test_nothing_of_a_body_is_kept(sound: House, mark: str) -> None:
    patient = sound.patient("north", "nurse.north")
    canary = f"canary{uuid4().hex}"
    path = f"/patients/{patient}/notes"
    sound.post("nurse.north", path, {"text": canary}, **marked(mark))
    sound.post("nurse.north", path, {"text": 1, canary: canary}, **marked(mark))
    sound.get("nurse.north", "/patients/search", params={"q": canary}, **marked(mark))
    assert sound.hospital.engine is not None
    with sound.hospital.engine.connect() as connection:
        connection.execute(text("SELECT set_config('app.tenant', 'north', true)"))
        rows = connection.execute(
            text("SELECT audit_log::text FROM audit_log WHERE correlation_id = :mark"),
            {"mark": mark},
        ).all()
    assert len(rows) == 3
    assert canary not in str(rows)


def test_what_cannot_be_put_on_record_is_not_done(
    sound: House, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = sound.patient("north", "nurse.north")
    sound.token("nurse2.north")

    def full(call: Any, _: object) -> None:
        call.connection.execute(text("INSERT INTO audit_log (id) VALUES (1)"))

    path = f"/patients/{patient}"
    with monkeypatch.context() as patch:
        patch.setattr(sound.hospital, "add_to_audit", full)
        changed = sound.ask("receptionist.north", "PATCH", path, json={"phone": "changed"})
        read = sound.get("nurse.north", path)
        refused = sound.get("nurse2.north", path)
    assert [changed.status_code, read.status_code, refused.status_code] == [500, 500, 500]
    assert sound.get("receptionist.north", path).json()["phone"] is None
