"""Symptoms of defects of duties, emergency access and the audit trail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from .conftest import PASSWORD
from .symptoms import shows

if TYPE_CHECKING:
    from httpx import Response

    from .conftest import House

REASON = "Unconscious in the emergency room"
OFFICER, ADMINISTRATOR = "privacy_officer.north", "tenant_admin.north"


def person(house: House, *roles: str) -> str:
    """The user name of a new account of the north."""
    name = f"new-{uuid4().hex[:10]}.north"
    body = {"username": name, "password": PASSWORD, "name": "New", "roles": list(roles)}
    house.made(ADMINISTRATOR, "/users", body)
    return name


def with_roles(house: House, *roles: str) -> str:
    """The user name of a new account that got `roles` in this order, after its login."""
    name = person(house, "nurse")
    path = f"/users/{house.user(name)}/roles"
    answer = house.ask(ADMINISTRATOR, "PUT", path, json={"roles": list(roles)})
    assert answer.status_code == 200, answer.text
    return name


def marked(mark: str, **more: str) -> dict[str, Any]:
    return {"headers": {"X-Correlation-Id": mark, **more}}


def entries(house: House, mark: str, reader: str = OFFICER) -> list[dict[str, Any]]:
    path = "/audit/unattributed" if reader.startswith("platform") else "/audit"
    answer = house.get(reader, path, params={"correlation_id": mark})
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["items"]
    return rows


def left(house: House, mark: str) -> int:
    return len(entries(house, mark)) + len(entries(house, mark, "platform_operator.north"))


# --- two pairs of eyes


def asked_to_write_off(house: House, clerk: str) -> str:
    body = {"patient_id": house.patient(), "description": "Stay", "amount_cents": 100}
    bill = house.made("billing_clerk2.north", "/bills", body)
    house.made(clerk, f"/bills/{bill}/request-write-off")
    return f"/bills/{bill}/approve-write-off"


@shows("D-008")
def one_technician_enters_and_verifies(house: House) -> bool:
    result = house.lab_result()
    answer = house.post("lab_technician.north", f"/lab-results/{result}/verify")
    kept = house.post("billing_clerk.north", asked_to_write_off(house, "billing_clerk.north"))
    assert kept.status_code == 409
    return answer.status_code == 200


@shows("D-008.subtle")
def one_clerk_does_both_halves_in_two_sessions(house: House) -> bool:
    path = asked_to_write_off(house, "billing_clerk.north")
    assert house.post("billing_clerk.north", path).status_code == 409
    token = house.login("billing_clerk.north").json()["access_token"]
    answer = house.post(None, path, headers={"Authorization": f"Bearer {token}"})
    return answer.status_code == 200


@shows("D-008.role")
def one_person_does_both_halves_in_two_roles(house: House) -> bool:
    clerk = person(house, "billing_clerk")
    path = asked_to_write_off(house, clerk)
    assert house.post(clerk, path).status_code == 409
    roles = {"roles": ["billing_clerk", "tenant_admin"]}
    house.ask(ADMINISTRATOR, "PUT", f"/users/{house.user(clerk)}/roles", json=roles)
    return house.post(clerk, path).status_code == 200


def read_in_roles(house: House, *roles: str) -> int:
    who = with_roles(house, *roles)
    return house.get(who, f"/patients/{house.patient('north', who)}").status_code


@shows("D-009")
def an_administrator_who_is_a_nurse_too_reads_charts(house: House) -> bool:
    orders = (("tenant_admin", "nurse"), ("nurse", "tenant_admin"))
    return [read_in_roles(house, *order) for order in orders] == [200, 200]


@shows("D-009.subtle")
def the_role_that_came_last_decides(house: House) -> bool:
    orders = (("tenant_admin", "nurse"), ("nurse", "tenant_admin"))
    return [read_in_roles(house, *order) for order in orders] == [200, 403]


# --- emergency access


def break_the_glass(house: House, who: str, patient: str, **more: Any) -> Response:
    body = {"patient_id": patient, "reason": REASON, **more}
    return house.post(who, "/break-glass", body)


def read(house: House, who: str, patient: str) -> int:
    return house.get(who, f"/patients/{patient}").status_code


@shows("D-010")
def a_billing_clerk_breaks_the_glass(house: House) -> bool:
    clerk, patient = person(house, "billing_clerk"), house.patient(allergies="penicillin")
    assert read(house, clerk, patient) == 404
    asked = break_the_glass(house, clerk, patient)
    shown = house.get(clerk, f"/patients/{patient}")
    return (asked.status_code, shown.status_code) == (201, 200) and "penicillin" in shown.text


@shows("D-010.reason")
def the_glass_is_broken_without_a_reason(house: House) -> bool:
    nurse, opened = person(house, "nurse"), []
    for reason in ({}, {"reason": ""}):
        patient = house.patient()
        asked = house.post(nurse, "/break-glass", {"patient_id": patient, **reason})
        opened.append((asked.status_code, read(house, nurse, patient)))
    return opened == [(201, 200), (201, 200)]


@shows("D-010.end")
def an_emergency_outlives_its_end(house: House) -> bool:
    nurse, patient = person(house, "nurse"), house.patient()
    access = break_the_glass(house, nurse, patient).json()["id"]
    assert read(house, nurse, patient) == 200
    assert house.ask(nurse, "DELETE", f"/break-glass/{access}").status_code == 204
    return read(house, nurse, patient) == 200 and read(house, nurse, house.patient()) == 404


@shows("D-010.scope")
def one_emergency_opens_every_chart(house: House) -> bool:
    nurse, other = person(house, "nurse"), house.patient()
    access = break_the_glass(house, nurse, house.patient()).json()["id"]
    meanwhile = read(house, nurse, other)
    house.ask(nurse, "DELETE", f"/break-glass/{access}")
    return (meanwhile, read(house, nurse, other)) == (200, 404)


@shows("D-010.silent")
def an_emergency_is_not_shown_for_review(house: House) -> bool:
    access = break_the_glass(house, person(house, "nurse"), house.patient()).json()["id"]
    listed = house.get(OFFICER, "/break-glass", params={"limit": 200})
    assert listed.status_code == 200
    return access not in listed.text and listed.json()["next_cursor"] is None


# --- entries that are missing


@shows("D-043")
def reads_leave_no_entry(house: House) -> bool:
    mark, patient = uuid4().hex, house.patient("north", "nurse.north")
    for path in (f"/patients/{patient}", "/patients", "/exports/x/download"):
        house.get("nurse.north", path, **marked(mark))
    assert left(house, mark) in (0, 3)
    house.post("nurse.north", f"/patients/{patient}/vitals", {"pulse": 70}, **marked(mark))
    return left(house, mark) == 1


@shows("D-043.subtle")
def the_patients_of_a_batch_are_not_on_record(house: House) -> bool:
    mark = uuid4().hex
    ids = [house.lab_result("north", house.patient("north", "physician.north")) for _ in range(2)]
    house.post("physician.north", "/lab-results/batch-get", {"ids": ids[:1]}, **marked(mark))
    house.post("physician.north", "/lab-results/batch-get", {"ids": ids}, **marked(mark))
    return [len(entry["patients"]) for entry in entries(house, mark)] == [1, 0]


@shows("D-043.denied")
def refused_attempts_leave_no_entry(house: House) -> bool:
    mark, patient = uuid4().hex, house.patient()
    house.get("nurse.north", f"/patients/{patient}", **marked(mark))
    house.get("billing_clerk.north", f"/patients/{patient}/notes", **marked(mark))
    house.get(None, f"/patients/{patient}", **marked(mark))
    house.post("receptionist.north", f"/patients/{patient}/deactivate", **marked(mark))
    house.post("receptionist.north", f"/patients/{patient}/deactivate", **marked(mark))
    return left(house, mark) == 2


@shows("D-045")
def refused_and_failed_attempts_leave_no_entry(house: House) -> bool:
    mark, patient = uuid4().hex, house.patient()
    house.get("nurse.north", f"/patients/{patient}", **marked(mark))
    house.get(None, f"/patients/{patient}", **marked(mark))
    for _ in range(2):
        house.post("receptionist.north", f"/patients/{patient}/deactivate", **marked(mark))
    return left(house, mark) == 1


# --- entries that are not true


@shows("D-044")
def a_service_is_on_record_for_a_person(house: House) -> bool:
    mark = uuid4().hex
    house.post("receptionist.north", "/exports", {"kind": "patients"}, **marked(mark))
    house.get("receptionist.north", "/patients", **marked(mark))
    return [entry["actor"] for entry in entries(house, mark)] == ["system", "receptionist.north"]


@shows("D-044.time")
def entries_have_no_time_zone(house: House) -> bool:
    mark = uuid4().hex
    house.get("receptionist.north", "/patients", **marked(mark))
    at = datetime.fromisoformat(entries(house, mark)[0]["at"])
    return at.tzinfo is None and at - datetime.now(UTC).replace(tzinfo=None) > timedelta(hours=5)


@shows("D-044.outcome")
def a_refused_attempt_is_on_record_as_done(house: House) -> bool:
    mark = uuid4().hex
    house.get("nurse.north", f"/patients/{house.patient()}", **marked(mark))
    return [entry["outcome"] for entry in entries(house, mark)] == ["done"]


@shows("D-044.purpose")
def an_emergency_is_on_record_as_treatment(house: House) -> bool:
    mark, nurse, patient = uuid4().hex, person(house, "nurse"), house.patient()
    break_the_glass(house, nurse, patient)
    assert house.get(nurse, f"/patients/{patient}", **marked(mark)).status_code == 200
    return [entry["purpose"] for entry in entries(house, mark)] == ["treatment"]


# --- entries that others can write


def entry_of_a_read(house: House) -> tuple[str, str]:
    """A correlation id, and the id of its only entry."""
    mark = uuid4().hex
    house.get("receptionist.north", "/patients", **marked(mark))
    return mark, entries(house, mark)[0]["id"]


@shows("D-046")
def an_administrator_removes_an_entry(house: House) -> bool:
    mark, entry = entry_of_a_read(house)
    answer = house.ask(ADMINISTRATOR, "DELETE", f"/audit/{entry}")
    assert "/audit/{entry_id}" not in house.client.get("/openapi.json").json()["paths"]
    return answer.status_code == 204 and entries(house, mark) == []


@shows("D-046.subtle")
def an_administrator_corrects_an_entry(house: House) -> bool:
    mark, entry = entry_of_a_read(house)
    house.ask(ADMINISTRATOR, "PATCH", f"/audit/{entry}", json={"actor": "somebody"})
    assert house.ask(ADMINISTRATOR, "DELETE", f"/audit/{entry}").status_code in (404, 405)
    return bool(entries(house, mark)[0]["actor"] == "somebody")


def recorded(house: House, **headers: str) -> dict[str, Any]:
    """The entry of a read with further headers."""
    mark = uuid4().hex
    house.get("receptionist.north", "/patients", **marked(mark, **headers))
    return entries(house, mark)[0]


@shows("D-047")
def a_header_says_who_it_was(house: House) -> bool:
    return bool(recorded(house, **{"X-User": "nurse.north"})["actor"] == "nurse.north")


@shows("D-047.subtle")
def a_header_says_whence_it_came(house: House) -> bool:
    entry = recorded(house, **{"X-Forwarded-For": "203.0.113.7"})
    return bool(entry["source"] == "203.0.113.7")


@shows("D-047.time")
def a_header_says_when_it_was(house: House) -> bool:
    entry = recorded(house, Date="Tue, 01 Jan 2002 00:00:00 GMT")
    return bool(entry["at"].startswith("2002-01-01T00:00:00"))


@shows("D-047.correlation")
def a_known_correlation_id_leaves_no_entry(house: House) -> bool:
    mark = uuid4().hex
    for who in ("receptionist.north", "nurse.north"):
        house.get(who, "/patients", **marked(mark))
    return [entry["actor"] for entry in entries(house, mark)] == ["receptionist.north"]


@shows("H-011")
def an_entry_holds_what_was_written(house: House) -> bool:
    mark, patient = uuid4().hex, house.patient("north", "nurse.north")
    path = f"/patients/{patient}/notes"
    house.post("nurse.north", path, {"text": "canary-text"}, **marked(mark))
    return "canary-text" in str(entries(house, mark))


@shows("H-012")
def another_tenants_officer_reads_the_trail(house: House) -> bool:
    mark, _entry = entry_of_a_read(house)
    there = entries(house, mark, "privacy_officer.south")
    return [entry["tenant"] for entry in there] == ["north"]
