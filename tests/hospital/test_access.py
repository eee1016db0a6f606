"""Who may do what in the sound hospital, and what a refusal tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from fixtures.hospital import policy as policies
from fixtures.hospital import records, seed
from fixtures.hospital.operations import OPERATIONS

from .conftest import PASSWORD

if TYPE_CHECKING:
    from httpx import Response

    from .conftest import House

POLICY = policies.load()
GUARDED = [operation for operation in OPERATIONS.values() if operation.action is not None]
JSON = {"Content-Type": "application/json"}
GARBAGE: dict[str, Any] = {"content": b'{"broken', "headers": JSON}


def path_of(operation: Any, **ids: Any) -> str:
    return re.sub(r"{(\w+)}", lambda name: str(ids.get(name[1], uuid4())), operation.path)


def told(answer: Response) -> tuple[Any, ...]:
    """What an answer tells, but for its own numbers and the time."""
    own = {"x-request-id", "x-correlation-id", "date"}
    headers = {name: value for name, value in answer.headers.items() if name not in own}
    return answer.status_code, answer.content, headers


def test_policy_and_operations_name_the_same_actions() -> None:
    assert {action for _, action in POLICY.cells} == {operation.action for operation in GUARDED}
    assert set(POLICY.roles()) == set(seed.ROLES)


def test_masks_name_fields_that_exist() -> None:
    kinds = {kind.name: kind for kind in vars(records).values() if isinstance(kind, records.Kind)}
    for (_, action), grant in POLICY.cells.items():
        kind = kinds.get(action.partition(".")[0])
        if grant.mask and kind:
            assert (grant.mask.visible or frozenset()) <= set(kind.fields), grant
            assert (grant.mask.writable or frozenset()) <= set(kind.fields), grant


@pytest.mark.parametrize("operation", GUARDED, ids=lambda operation: operation.id)
def test_without_a_token_nothing_is_told(operation: Any, sound: House) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp4"}):
        body = {**GARBAGE, "headers": {**JSON, **headers}}
        answer = sound.ask(None, operation.method, path_of(operation), **body)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "unauthenticated"


@pytest.mark.parametrize("role", seed.ROLES)
def test_a_role_without_a_grant_is_refused_before_anything_else(role: str, sound: House) -> None:
    patient = sound.patient()
    for operation in GUARDED:
        if POLICY.grants((role,), operation.action or ""):
            continue
        for ids in ({}, {"patient_id": patient}, {"patient_id": "no-id"}):
            path = path_of(operation, **ids)
            answer = sound.ask(f"{role}.north", operation.method, path, **GARBAGE)
            assert answer.status_code == 403, (operation.id, answer.text)


def alert_of(house: House, username: str, patient: str) -> str:
    house.made(username, f"/patients/{patient}/vitals", {"respiratory_rate": 30})
    rows = house.get(username, f"/patients/{patient}/alerts").json()["items"]
    return str(rows[0]["id"])


@pytest.fixture(scope="module")
def south(sound: House) -> dict[str, str]:
    """One record of every kind in the south, by path parameter."""
    patient = sound.patient("south", "nurse.south", "physician.south")
    of_patient = f"/patients/{patient}"
    note = sound.made("nurse.south", f"{of_patient}/notes", {"text": "x"})
    order = sound.made(
        "physician.south", f"{of_patient}/medication-orders", {"medication": "x", "dose": "x"}
    )
    lab_result = sound.lab_result("south", patient)
    lab_order = sound.get("nurse.south", f"/lab-results/{lab_result}").json()["lab_order_id"]
    bed = sound.bed("south")
    bill = {"patient_id": patient, "description": "x", "amount_cents": 1}
    return {
        "patient_id": patient,
        "note_id": note,
        "medication order_id": order,
        "lab order_id": lab_order,
        "result_id": lab_result,
        "bed_id": bed,
        "ward_id": sound.get("nurse.south", "/wards").json()["items"][0]["id"],
        "user_id": sound.user("nurse.south"),
        "encounter_id": sound.made("nurse.south", f"{of_patient}/encounters", {}),
        "admission_id": sound.made(
            "nurse.south", "/admissions", {"patient_id": patient, "bed_id": bed}
        ),
        "vitals_id": sound.made("nurse.south", f"{of_patient}/vitals", {"pulse": 60}),
        "alert_id": alert_of(sound, "nurse.south", patient),
        "document_id": sound.made(
            "nurse.south", f"{of_patient}/documents", {"title": "x", "content": "x"}
        ),
        "appointment_id": sound.appointment(patient, "south"),
        "bill_id": sound.made("billing_clerk.south", "/bills", bill),
        "export_id": sound.made("nurse.south", "/exports", {}),
        "item_id": sound.made(
            "physician.south", f"/medication-orders/{order}/items", {"product": "x"}
        ),
        "link_id": sound.link(patient, "patient.south"),
        "assignment_id": sound.assign(patient, "pharmacist.south"),
    }


@pytest.mark.parametrize(
    "operation", [each for each in GUARDED if each.target], ids=lambda operation: operation.id
)
def test_another_tenants_record_is_like_a_missing_one(
    operation: Any, sound: House, south: dict[str, str]
) -> None:
    kind = operation.path.partition("-orders")[0].strip("/")
    foreign = {**south, "order_id": south.get(f"{kind} order_id", "")}
    asked = False
    for role in seed.ROLES:
        if not POLICY.grants((role,), operation.action):
            continue
        answers = [
            told(sound.ask(f"{role}.north", operation.method, path_of(operation, **ids), **GARBAGE))
            for ids in ({}, foreign, dict.fromkeys(foreign, "no-id"))
        ]
        assert answers[0][0] == 404, operation.id
        assert answers[0] == answers[1] == answers[2], (operation.id, role)
        asked = True
    assert asked


@pytest.mark.parametrize("username", ["nurse2.north", "patient2.north", "billing_clerk.north"])
def test_an_unrelated_record_is_like_a_missing_one(username: str, sound: House) -> None:
    patient = sound.patient("north", "nurse.north")
    read, missing = (sound.get(username, f"/patients/{one}") for one in (patient, uuid4()))
    assert told(read) == told(missing)
    assert read.status_code == 404


def test_ids_in_a_body_are_located_like_those_in_a_path(sound: House, south: Any) -> None:
    patient = sound.patient()
    bodies: list[tuple[str, str, dict[str, Any], str]] = [
        ("nurse.north", "/admissions", {"bed_id": sound.bed()}, "patient_id"),
        ("nurse.north", "/admissions", {"patient_id": patient}, "bed_id"),
        ("receptionist.north", f"/patients/{patient}/care-team", {}, "user_id"),
        ("receptionist.north", f"/patients/{patient}/portal-access", {}, "user_id"),
        ("billing_clerk.north", "/bills", {"description": "x", "amount_cents": 1}, "patient_id"),
    ]
    for username, path, body, name in bodies:
        answers = [
            told(sound.post(username, path, {**body, name: given}))
            for given in (south[name], str(uuid4()), "no-id")
        ]
        assert answers[0] == answers[1] == answers[2]
        assert answers[0][0] == 404


def test_a_batch_answers_foreign_and_missing_alike(sound: House, south: Any) -> None:
    mine = sound.lab_result()
    ids = [south["result_id"], mine, str(uuid4()), "no-id"]
    items = sound.post("lab_technician.north", "/lab-results/batch-get", {"ids": ids}).json()
    errors = [item["error"] for item in items["results"]]
    assert errors[0] == errors[2] == errors[3]
    assert errors[1] is None


FRONT_DESK = (
    "id name birth_date age_years adult sex mrn address phone email next_of_kin language"
    " insurance_payer insurance_id_last4 national_id_last4"
)


@pytest.mark.parametrize(
    ("role", "fields"),
    [
        ("receptionist", FRONT_DESK),
        ("pharmacist", "id name birth_date age_years adult sex mrn allergies"),
        ("lab_technician", "id name birth_date age_years adult sex mrn"),
        (
            "billing_clerk",
            "id name birth_date age_years adult mrn address insurance_payer insurance_id",
        ),
    ],
)
def test_masked_fields_are_absent_everywhere(role: str, fields: str, sound: House) -> None:
    secret = f"SECRET{uuid4().hex}9876"
    team = [] if role == "receptionist" else [f"{role}.north"]
    patient = sound.patient("north", *team, national_id=secret, alerts="x")
    username = f"{role}.north"
    read = sound.get(username, f"/patients/{patient}")
    assert set(read.json()) == set(fields.split())
    listed = sound.get(username, "/patients", params={"limit": 200}).json()["items"]
    assert next(row for row in listed if row["id"] == patient) == read.json()
    export = sound.post(username, "/exports", {}).json()
    assert secret not in sound.get(username, export["download_url"]).text


def test_a_field_outside_the_writable_ones_is_refused(sound: House) -> None:
    patient = sound.patient("north", "nurse.north", address="before")
    path = f"/patients/{patient}"
    change = {"allergies": "latex", "address": "after"}
    answer = sound.ask("nurse.north", "PATCH", path, json=change)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "field_forbidden")
    record = sound.get("privacy_officer.north", path).json()
    assert (record["address"], record["allergies"]) == ("before", None)


def test_text_comes_back_as_it_was_sent(sound: House) -> None:
    text = " <b>Łódź & 'quotes' \"x\"; DROP TABLE --\r\n\t😀\u202e=1+1 "
    patient = sound.patient("north", "nurse.north", name=text, note=text)
    record = sound.get("nurse.north", f"/patients/{patient}").json()
    assert (record["name"], record["note"]) == (text, text)


def test_lists_and_totals_hold_permitted_rows_only(sound: House) -> None:
    before = sound.get("physician2.north", "/patients").json()["total"]
    mine = {sound.patient("north", "physician2.north") for _ in range(3)}
    sound.patient()
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = sound.get("physician2.north", "/patients", params={"limit": 2, **cursor}).json()
        assert page["total"] == before + 3
        seen += [row["id"] for row in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert mine <= set(seen)
    assert len(seen) == len(set(seen)) == before + 3
    assert sound.get("physician2.north", "/patients/count").json() == {"count": before + 3}


def test_portal_accounts_see_signed_notes_and_released_results(sound: House) -> None:
    patient = sound.patient("north", "physician.north")
    sound.link(patient, "patient2.north")
    note = sound.made("physician.north", f"/patients/{patient}/notes", {"text": "x"})
    result = sound.lab_result("north", patient)
    paths = f"/notes/{note}", f"/lab-results/{result}"
    assert [sound.get("patient2.north", path).status_code for path in paths] == [404, 404]
    assert note not in sound.get("patient2.north", f"/patients/{patient}/timeline").text
    sound.made("physician.north", f"/notes/{note}/sign")
    sound.made("lab_technician2.north", f"/lab-results/{result}/verify")
    assert [sound.get("patient2.north", path).status_code for path in paths] == [200, 200]
    assert note in sound.get("patient2.north", f"/patients/{patient}/timeline").text


def test_a_right_ends_with_the_relation(sound: House) -> None:
    patient = sound.patient()
    assignment = sound.assign(patient, "nurse.north")
    assert sound.get("nurse.north", f"/patients/{patient}").status_code == 200
    sound.ask("receptionist.north", "DELETE", f"/patients/{patient}/care-team/{assignment}")
    assert sound.get("nurse.north", f"/patients/{patient}").status_code == 404


def test_two_people_verify_a_result(sound: House) -> None:
    result = sound.lab_result()
    own = sound.post("lab_technician.north", f"/lab-results/{result}/verify")
    assert (own.status_code, own.json()["error"]["code"]) == (409, "same_person")
    other = sound.post("lab_technician2.north", f"/lab-results/{result}/verify")
    assert other.json()["status"] == "released"


def test_two_people_write_off_a_bill(sound: House) -> None:
    body = {"patient_id": sound.patient(), "description": "x", "amount_cents": 100}
    bill = sound.made("billing_clerk.north", "/bills", body)
    path = f"/bills/{bill}"

    def asked(who: str, step: str) -> tuple[int, str | None]:
        answer = sound.post(who, f"{path}/{step}-write-off")
        return answer.status_code, answer.json().get("error", {}).get("code")

    assert asked("billing_clerk2.north", "approve") == (409, "not_requested")
    assert asked("tenant_admin.north", "request") == (403, "forbidden")
    assert asked("billing_clerk.north", "request") == (200, None)
    assert asked("billing_clerk2.north", "request") == (409, "already_requested")
    assert asked("billing_clerk.north", "approve") == (409, "same_person")
    assert asked("billing_clerk.south", "approve") == (404, "not_found")
    assert asked("billing_clerk2.north", "approve") == (200, None)
    assert asked("billing_clerk.north", "approve") == (409, "same_person")
    assert asked("tenant_admin.north", "approve") == (409, "not_requested")
    shown = sound.get("billing_clerk.north", path).json()
    assert (shown["status"], shown["amount_cents"]) == ("written_off", 100)
    assert shown["write_off_approved_by"] == sound.user("billing_clerk2.north")


def test_an_administrator_approves_without_seeing_the_bill(sound: House) -> None:
    body = {"patient_id": sound.patient(), "description": "x", "amount_cents": 100}
    bill = sound.made("billing_clerk.north", "/bills", body)
    sound.made("billing_clerk.north", f"/bills/{bill}/request-write-off")
    answer = sound.post("tenant_admin.north", f"/bills/{bill}/approve-write-off")
    assert (answer.status_code, answer.json()) == (200, {"id": bill})


def test_more_roles_and_sessions_make_no_second_person(sound: House) -> None:
    name = f"staff-{uuid4().hex[:10]}"
    roles = ["billing_clerk", "lab_technician"]
    body = {"username": name, "password": PASSWORD, "name": "New", "roles": roles}
    sound.made("tenant_admin.north", "/users", body)
    result = sound.lab_result("north", by=name)
    bill = {"patient_id": sound.patient(), "description": "x", "amount_cents": 100}
    paths = (
        f"/lab-results/{result}/verify",
        f"/bills/{sound.made(name, '/bills', bill)}/approve-write-off",
    )
    sound.made(name, paths[1].replace("approve", "request"))
    second = {"Authorization": f"Bearer {sound.login(name).json()['access_token']}"}
    for path in paths:
        answer = sound.post(None, path, headers=second)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "same_person")


def test_nobody_assigns_themselves_or_changes_their_own_roles(sound: House) -> None:
    patient = sound.patient("north", "physician.north")
    me = sound.user("physician.north")
    path = f"/patients/{patient}/care-team"
    assert sound.post("physician.north", path, {"user_id": me}).status_code == 403
    admin = sound.user("tenant_admin.north")
    own = sound.ask(
        "tenant_admin.north", "PUT", f"/users/{admin}/roles", json={"roles": ["privacy_officer"]}
    )
    assert own.status_code == 403


def test_the_document_describes_every_operation(sound: House) -> None:
    document = sound.get(None, "/openapi.json").json()
    described = {
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    }
    assert described == set(OPERATIONS)
    read = document["paths"]["/patients/{patient_id}"]["get"]
    assert set(read["responses"]) == {"200", "304", "401", "403", "404", "429"}
    assert read["security"] == [{"bearer": []}, {"browser": []}]
    assert sound.get(None, "/docs").status_code == 200
