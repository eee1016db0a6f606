"""What holds when several people act at once, or somebody sends a request again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from fixtures.hospital.app import create_app

from .at_once import at_once, statuses
from .identity_symptoms import account
from .race_symptoms import (
    CLERK,
    DESK,
    NURSE,
    ORDER,
    PHARMACIST,
    PHYSICIAN,
    admit,
    amend,
    bill,
    book,
    dispense,
    ids,
    keyed,
    order,
    prescribe,
    stock,
)

if TYPE_CHECKING:
    from httpx import Response

    from .conftest import House


def code(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


# --- versions


def test_a_version_is_raised_by_each_change_of_the_order_and_its_items(sound: House) -> None:
    given = order(sound, verified=False)
    path = f"/medication-orders/{given}"
    tags = [sound.get(PHYSICIAN, path).headers["etag"]]
    item = sound.made(PHYSICIAN, f"{path}/items", {"product": "x"})
    tags.append(sound.get(PHYSICIAN, path).headers["etag"])
    sound.ask(PHYSICIAN, "DELETE", f"{path}/items/{item}")
    tags.append(sound.post(PHARMACIST, f"{path}/verify").headers["etag"])
    tags.append(amend(sound, given, tags[-1]).headers["etag"])
    assert tags == ['"1"', '"2"', '"4"', '"5"']
    assert sound.get(PHYSICIAN, path).json()["version"] == 5


def test_a_verified_order_that_is_amended_is_verified_anew(sound: House) -> None:
    given = order(sound)
    amended = amend(sound, given, '"2"').json()
    assert (amended["status"], amended["verified_by"], amended["dose"]) == (
        "active",
        None,
        "250 µg",
    )


@pytest.mark.parametrize("version", [None, "*"])
def test_an_amendment_must_name_a_version(version: str | None, sound: House) -> None:
    given = order(sound, verified=False)
    assert code(amend(sound, given, version)) == (428, "precondition_required")


@pytest.mark.parametrize("version", ['"2"', 'W/"1"', "1", '"01"', '"x"', '"1', '""', '"', "-"])
def test_another_version_or_a_weak_one_matches_nothing(version: str, sound: House) -> None:
    given = order(sound, verified=False)
    assert code(amend(sound, given, version)) == (412, "changed_meanwhile")
    assert amend(sound, given, f'{version}, "1"').status_code == 200


def test_who_may_not_amend_is_not_told_of_versions(sound: House) -> None:
    given = order(sound, verified=False)
    path, body = f"/medication-orders/{given}", {"dose": "1"}
    for who, status in ((PHARMACIST, 403), ("physician2.north", 404), ("physician.south", 404)):
        assert sound.ask(who, "PUT", path, json=body).status_code == status


def test_a_stopped_order_is_not_amended(sound: House) -> None:
    given = order(sound, verified=False)
    stopped = sound.post(PHYSICIAN, f"/medication-orders/{given}/stop")
    assert code(amend(sound, given, stopped.headers["etag"])) == (409, "already_stopped")
    assert code(amend(sound, given, '"1"')) == (412, "changed_meanwhile")
    items = sound.post(PHYSICIAN, f"/medication-orders/{given}/items", {"product": "x"})
    assert code(items) == (409, "already_stopped")


@pytest.mark.parametrize(
    ("sent", "status"), [({}, 200), ({"If-Match": "*"}, 200), ({"If-Match": '"1"'}, 412)]
)
def test_a_change_of_a_patient_may_name_a_version(
    sent: dict[str, str], status: int, sound: House
) -> None:
    path = f"/patients/{sound.patient()}"
    first = sound.ask(DESK, "PATCH", path, json={"phone": "1"}, headers={"If-Match": '"1"'})
    assert (first.status_code, first.headers["etag"]) == (200, '"2"')
    again = sound.ask(DESK, "PATCH", path, json={"phone": "2"}, headers=sent)
    assert again.status_code == status
    assert sound.get(DESK, path).json()["phone"] == ("2" if status == 200 else "1")


def test_a_move_of_an_appointment_may_name_a_version(sound: House) -> None:
    made = sound.appointment(sound.patient())
    path, body = f"/appointments/{made}", {"starts_at": "2027-02-01T09:00:00Z"}
    sent = [
        sound.ask(DESK, "PATCH", path, json=body, headers={"If-Match": '"1"'}) for _ in range(2)
    ]
    assert statuses(sent) == [200, 412]


def test_what_the_caller_has_is_not_sent_again(sound: House) -> None:
    path = f"/patients/{sound.patient()}"
    tag = sound.get(DESK, path).headers["etag"]
    same = sound.get(DESK, path, headers={"If-None-Match": f'"9", W/{tag}'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert same.headers["cache-control"] == "no-store"
    assert sound.get(NURSE, path, headers={"If-None-Match": tag}).status_code == 404
    sound.ask(DESK, "PATCH", path, json={"phone": "1"})
    assert sound.get(DESK, path, headers={"If-None-Match": tag}).status_code == 200


# --- requests that come again


def test_the_first_answer_comes_again(sound: House) -> None:
    patient, key = sound.patient("north", PHYSICIAN), uuid4().hex
    first = prescribe(sound, patient, key)
    sound.made(PHYSICIAN, f"/medication-orders/{first.json()['id']}/stop")
    again = prescribe(sound, patient, key)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["etag"] == first.headers["etag"] == '"1"'
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    total = sound.get(PHYSICIAN, f"/patients/{patient}/medication-orders").json()["total"]
    assert total == 1


def test_requests_at_once_with_one_key_make_one_record(sound: House) -> None:
    patient, key = sound.patient(), keyed(uuid4().hex)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: bill(sound, patient, **key), range(8)))
    assert ids(*answers) == 1
    assert [one.headers.get("idempotency-replayed") for one in answers].count(None) == 1


def test_a_key_is_good_for_one_body(sound: House) -> None:
    patient, key = sound.patient("north", PHYSICIAN), uuid4().hex
    prescribe(sound, patient, key)
    assert code(prescribe(sound, patient, key, dose="1 g")) == (422, "key_reused")


def test_a_body_is_the_same_however_it_is_written(sound: House) -> None:
    patient, key = sound.patient("north", PHYSICIAN), uuid4().hex
    first = prescribe(sound, patient, key)
    assert ids(first, prescribe(sound, patient, key, instructions=None)) == 1


@pytest.mark.parametrize("key", ["short", "x" * 65, "with space", "ünïcödé-key", ""])
def test_a_malformed_key_is_refused(key: str, sound: House) -> None:
    headers = {b"Idempotency-Key": key.encode()}
    path = f"/patients/{sound.patient('north', PHYSICIAN)}/medication-orders"
    answer = sound.ask(PHYSICIAN, "POST", path, json=ORDER, headers=headers)
    assert answer.status_code == 422


def test_a_refused_request_uses_no_key(sound: House) -> None:
    patient, key = sound.patient(), keyed(uuid4().hex)
    body = {"patient_id": str(uuid4()), "description": "x", "amount_cents": 1}
    assert sound.post(CLERK, "/bills", body, headers=key).status_code == 404
    assert bill(sound, patient, **key).status_code == 201


@pytest.mark.parametrize(("hours", "records"), [(23, 1), (24, 2)])
def test_a_key_is_forgotten_after_a_day(hours: int, records: int, sound: House) -> None:
    patient, key = sound.patient(), uuid4().hex
    first = bill(sound, patient, **keyed(key))
    engine = sound.hospital.engine
    assert engine is not None
    with engine.begin() as connection:
        connection.execute(text("SELECT set_config('app.tenant', 'north', true)"))
        age = "UPDATE idempotency_keys SET created_at = created_at - :age WHERE key = :key"
        connection.execute(text(age), {"age": timedelta(hours=hours), "key": key})
    second = bill(sound, patient, **keyed(key))
    assert ids(first, second) == records
    assert ids(second, bill(sound, patient, **keyed(key))) == 1


def test_an_answer_that_comes_again_shows_what_may_be_seen_now(sound: House) -> None:
    name, user = account(sound, "billing_clerk", "physician")
    patient, key = sound.patient(), keyed(uuid4().hex)
    sound.made(DESK, f"/patients/{patient}/care-team", {"user_id": user})
    assert "amount_cents" in bill(sound, patient, name, **key).json()
    roles = {"roles": ["physician"]}
    sound.ask("tenant_admin.north", "PUT", f"/users/{user}/roles", json=roles)
    again = bill(sound, patient, name, **key)
    assert (again.status_code, set(again.json())) == (201, {"id"})


def test_who_may_no_more_gets_no_answer_again(sound: House) -> None:
    patient, key = sound.patient(), uuid4().hex
    link = sound.assign(patient, PHYSICIAN)
    assert prescribe(sound, patient, key).status_code == 201
    sound.ask(DESK, "DELETE", f"/patients/{patient}/care-team/{link}")
    assert prescribe(sound, patient, key).status_code == 404


# --- numbers


def test_numbers_have_no_gap_and_no_repetition(sound: House) -> None:
    patient = sound.patient()
    before = bill(sound, patient).json()["number"]
    with ThreadPoolExecutor(8) as threads:
        made = list(
            threads.map(lambda n: bill(sound, patient if n % 3 else str(uuid4())), range(9))
        )
    numbers = sorted(answer.json()["number"] for answer in made if answer.status_code == 201)
    year, last = before.split("-")
    assert numbers == [f"{year}-{int(last) + n:06}" for n in range(1, 7)]


# --- appointments


def test_one_appointment_may_begin_when_another_ends(sound: House) -> None:
    _, clinician = account(sound)
    times = ("09:00", "09:30", "08:30", "09:29", "08:31")
    sent = [book(sound, clinician, at) for at in times]
    assert statuses(sent) == [201, 201, 201, 409, 409]
    assert code(sent[-1]) == (409, "clinician_busy")


def test_a_cancelled_appointment_leaves_its_time_free(sound: House) -> None:
    _, clinician = account(sound)
    first = book(sound, clinician, "09:00").json()["id"]
    assert sound.ask(DESK, "DELETE", f"/appointments/{first}").status_code == 204
    assert book(sound, clinician, "09:00").status_code == 201


def test_moving_an_appointment_asks_for_the_clinician(sound: House) -> None:
    _, clinician = account(sound)
    first, second = (book(sound, clinician, at).json()["id"] for at in ("09:00", "10:00"))
    body = {"starts_at": "2027-03-01T09:45:00Z"}
    path = f"/appointments/{first}"
    assert code(sound.ask(DESK, "PATCH", path, json=body)) == (409, "clinician_busy")
    sound.ask(DESK, "DELETE", f"/appointments/{second}")
    assert sound.ask(DESK, "PATCH", path, json=body).status_code == 200


def test_only_a_nurse_or_a_physician_of_the_facility_is_booked(sound: House) -> None:
    others = [sound.user(name) for name in (CLERK, "nurse.south")] + [str(uuid4()), "x"]
    assert [book(sound, other, "09:00").status_code for other in others] == [404] * 4


def test_many_overlapping_appointments_at_once_leave_one(sound: House) -> None:
    _, clinician = account(sound)
    patients = [sound.patient() for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        sent = list(
            threads.map(lambda n: book(sound, clinician, f"09:{5 * n:02}", patients[n]), range(6))
        )
    assert sorted(statuses(sent)) == [201, 409, 409, 409, 409, 409]
    assert {code(one) for one in sent if one.status_code == 409} == {(409, "clinician_busy")}


# --- dispensing


def test_an_order_is_dispensed_after_it_was_verified(sound: House) -> None:
    given, store = order(sound, verified=False), stock(sound)
    assert code(dispense(sound, given, store)) == (409, "not_verified")
    sound.made(PHARMACIST, f"/medication-orders/{given}/verify")
    dose = dispense(sound, given, store)
    shown = dose.json()
    assert dose.status_code == 201
    expected = {"order_id": given, "stock_id": store, "dose": 1, "status": "dispensed"}
    assert expected.items() <= shown.items()
    assert sound.get(NURSE, f"/stock/{store}").json()["quantity"] == 99
    assert sound.get(NURSE, f"/dispenses/{shown['id']}").json() == shown
    listed = sound.get(PHYSICIAN, f"/medication-orders/{given}/dispenses").json()["items"]
    assert listed == [shown]


def test_a_refused_dose_leaves_the_stock_alone(sound: House) -> None:
    given, store = order(sound), stock(sound, 2)
    sent = [dispense(sound, given, store, dose) for dose in (1, 1, 2, 3)]
    assert statuses(sent) == [201, 409, 201, 409]
    assert [code(one)[1] for one in (sent[1], sent[3])] == ["already_dispensed", "out_of_stock"]
    assert sound.get(PHARMACIST, f"/stock/{store}").json()["quantity"] == 0
    doses = sound.get(PHARMACIST, f"/medication-orders/{given}/dispenses").json()["items"]
    assert [one["dose"] for one in doses] == [1, 2]


def test_stock_of_another_facility_is_not_dispensed(sound: House) -> None:
    foreign = sound.made("pharmacist.south", "/stock", {"product": "x", "quantity": 1})
    assert dispense(sound, order(sound), foreign).status_code == 404


def test_many_doses_at_once_take_what_is_there(sound: House) -> None:
    store, orders = stock(sound, 3), [order(sound) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        sent = list(threads.map(lambda given: dispense(sound, given, store), orders))
    assert sorted(statuses(sent)) == [201] * 3 + [409] * 3


@pytest.mark.parametrize("end", [("administer", None), ("withhold", {"reason": "Asleep"})])
def test_a_dose_comes_to_one_end(end: tuple[str, dict[str, str] | None], sound: House) -> None:
    dose = dispense(sound, order(sound), stock(sound)).json()["id"]
    assert sound.post(PHARMACIST, f"/dispenses/{dose}/{end[0]}", end[1]).status_code == 403
    done = sound.post(NURSE, f"/dispenses/{dose}/{end[0]}", end[1]).json()
    assert done["status"] == {"administer": "administered", "withhold": "withheld"}[end[0]]
    assert done["reason"] == (end[1] or {}).get("reason")
    for name, body in (("administer", None), ("withhold", {"reason": "x"})):
        again = sound.post(NURSE, f"/dispenses/{dose}/{name}", body)
        assert code(again) == (409, "already_settled")


# --- admissions


@pytest.mark.parametrize("end", ["discharge", "cancel"])
def test_orders_of_an_inpatient_end_with_the_admission(end: str, sound: House) -> None:
    patient = sound.patient("north", PHYSICIAN)
    admission = admit(sound, sound.bed(), patient).json()["id"]
    path = f"/admissions/{admission}/medication-orders"
    inside = sound.post(PHYSICIAN, path, ORDER, headers=keyed(uuid4().hex)).json()
    assert (inside["patient_id"], inside["admission_id"]) == (patient, admission)
    outside = sound.made(PHYSICIAN, f"/patients/{patient}/medication-orders", ORDER)
    sound.post(DESK, f"/admissions/{admission}/{end}", {} if end == "discharge" else None)
    states = [
        sound.get(PHYSICIAN, f"/medication-orders/{one}").json()["status"]
        for one in (inside["id"], outside)
    ]
    assert states == ["stopped", "active"]
    assert code(sound.post(PHYSICIAN, path, ORDER)) == (409, "not_active")


def test_an_order_that_comes_with_the_discharge_waits_for_it(sound: House) -> None:
    admission = admit(sound, sound.bed(), sound.patient("north", PHYSICIAN)).json()["id"]
    answers = at_once(
        sound,
        lambda: sound.post(DESK, f"/admissions/{admission}/discharge", {}),
        lambda: sound.post(PHYSICIAN, f"/admissions/{admission}/medication-orders", ORDER),
    )
    assert statuses(answers) == [200, 409]


def test_a_bed_shows_who_lies_in_it_to_those_who_may_know(sound: House) -> None:
    bed = sound.bed()
    assert sound.get(NURSE, f"/beds/{bed}").json()["occupied_by"] is None
    admission = admit(sound, bed).json()["id"]
    for who in (DESK, NURSE, PHYSICIAN):
        assert sound.get(who, f"/beds/{bed}").json()["occupied_by"] == admission
    assert "occupied_by" not in sound.get("tenant_admin.north", f"/beds/{bed}").json()
    assert sound.get("nurse.south", f"/beds/{bed}").status_code == 404
    sound.post(DESK, f"/admissions/{admission}/discharge", {})
    assert sound.get(NURSE, f"/beds/{bed}").json()["occupied_by"] is None


# --- arrival


def test_when_a_request_arrived_is_told_on_demand(sound: House) -> None:
    assert "x-arrived-at" not in sound.get(None, "/health").headers
    client = TestClient(create_app(replace(sound.hospital, shows_arrival=True)))
    form = {"username": "nurse.north", "password": "wrong-password-1"}
    times = [
        int(answer.headers["x-arrived-at"])
        for answer in (client.get("/health"), client.post("/auth/token", data=form))
    ]
    assert 0 < times[0] < times[1]
