"""Every seeded defect shows its symptom over HTTP, and the sound build does not show it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from fixtures.hospital import defects

from . import (  # noqa: F401  # they register them
    clinical_symptoms,
    day_symptoms,
    identity_symptoms,
    input_symptoms,
    load_symptoms,
    property_symptoms,
    race_symptoms,
    trail_symptoms,
    wire_symptoms,
)
from .symptoms import SYMPTOMS, TIMED, shows

if TYPE_CHECKING:
    from .conftest import House


@shows("D-001")
def unrelated_nurse_reads_the_chart(house: House) -> bool:
    patient = house.patient("north", "physician.north")
    note = house.made("physician.north", f"/patients/{patient}/notes", {"text": "x"})
    answers = [
        house.get("nurse.north", path).status_code
        for path in (f"/patients/{patient}", f"/patients/{patient}/notes", f"/notes/{note}")
    ]
    return answers == [200, 200, 200]


@shows("D-001.subtle")
def unrelated_nurse_reads_the_timeline_alone(house: House) -> bool:
    patient = house.patient("north", "physician.north")
    house.made("physician.north", f"/patients/{patient}/notes", {"text": "canary"})
    assert house.get("nurse.north", f"/patients/{patient}").status_code == 404
    return "canary" in house.get("nurse.north", f"/patients/{patient}/timeline").text


@shows("D-002")
def technician_reads_a_result_of_another_tenant(house: House) -> bool:
    result = house.lab_result("south", value="foreign")
    return "foreign" in house.get("lab_technician.north", f"/lab-results/{result}").text


@shows("D-003")
def body_id_overwrites_another_patients_vitals(house: House) -> bool:
    mine, theirs = house.patient("north", "nurse.north"), house.patient("north", "nurse2.north")
    victim = house.made("nurse2.north", f"/patients/{theirs}/vitals", {"pulse": 70})
    house.post("nurse.north", f"/patients/{mine}/vitals", {"id": victim, "pulse": 180})
    pulse: int = house.get("nurse2.north", f"/vitals/{victim}").json()["pulse"]
    return pulse == 180


@shows("D-003.subtle")
def body_patient_id_adds_to_another_chart(house: House) -> bool:
    mine, theirs = house.patient("north", "nurse.north"), house.patient("north", "nurse2.north")
    house.post("nurse.north", f"/patients/{mine}/vitals", {"patient_id": theirs, "pulse": 180})
    total: int = house.get("nurse2.north", f"/patients/{theirs}/vitals").json()["total"]
    return total == 1


@shows("D-004")
def item_of_another_order_is_removed_through_mine(house: House) -> bool:
    mine, theirs = (
        house.made(
            f"{who}.north",
            f"/patients/{house.patient('north', f'{who}.north')}/medication-orders",
            {"medication": "Digoxin", "dose": "125 µg"},
        )
        for who in ("physician", "physician2")
    )
    item = house.made("physician2.north", f"/medication-orders/{theirs}/items", {"product": "x"})
    house.ask("physician.north", "DELETE", f"/medication-orders/{mine}/items/{item}")
    left = house.get("physician2.north", f"/medication-orders/{theirs}/items").json()["total"]
    return bool(left == 0)


def batch_shows_foreign(house: House, own_position: int) -> bool:
    patient = house.patient("north", "physician.north", "nurse.north")
    mine = house.lab_result("north", patient)
    others = [house.lab_result("south"), house.lab_result("north")]
    ids = [*others[:own_position], mine, *others[own_position:]]
    batch = house.post("nurse.north", "/lab-results/batch-get", {"ids": ids}).json()["results"]
    assert next(item for item in batch if item["id"] == mine)["result"]
    alone = house.post("nurse.north", "/lab-results/batch-get", {"ids": others}).json()["results"]
    assert not any(item["result"] for item in alone)
    return all(item["result"] for item in batch)


def bulk_cancels_foreign(house: House, own_position: int) -> bool:
    mine = house.appointment(house.patient("north", "nurse.north"))
    foreign = house.appointment(house.patient("south"), "south")
    ids = [foreign, mine] if own_position else [mine, foreign]
    house.post("nurse.north", "/appointments/bulk-cancel", {"ids": ids})
    kept = house.get("receptionist.south", f"/appointments/{foreign}").json()
    return bool(kept["status"] == "cancelled")


@shows("D-005")
def later_ids_of_a_batch_are_not_checked(house: House) -> bool:
    return batch_shows_foreign(house, 0) and bulk_cancels_foreign(house, 0)


@shows("D-005.subtle")
def a_permitted_id_anywhere_opens_the_batch(house: House) -> bool:
    return batch_shows_foreign(house, 2) and bulk_cancels_foreign(house, 1)


@shows("D-006")
def nurse_sets_the_insurance(house: House) -> bool:
    patient = house.patient()
    body = {"insurance_payer": "changed", "insurance_id": "1"}
    house.ask("nurse.north", "PUT", f"/patients/{patient}/insurance", json=body)
    return "changed" in house.get("receptionist.north", f"/patients/{patient}/insurance").text


@shows("D-007")
def nurse_administers_accounts_and_the_administrator_cannot(house: House) -> bool:
    def created(by: str) -> int:
        name = f"new-{uuid4().hex[:8]}"
        body = {"username": name, "password": "x" * 12, "name": name, "roles": ["nurse"]}
        return house.post(by, "/users", body).status_code

    return (created("nurse.north"), created("tenant_admin.north")) == (201, 403)


@shows("D-007.subtle")
def billing_clerk_reschedules_and_the_desk_cannot(house: House) -> bool:
    appointment = house.appointment(house.patient())
    statuses = [
        house.ask(
            by, "PATCH", f"/appointments/{appointment}", json={"starts_at": "2027-02-01T09:00:00Z"}
        ).status_code
        for by in ("billing_clerk.north", "receptionist.north")
    ]
    return statuses == [200, 403]


@shows("D-012")
def the_echo_of_a_change_is_not_masked(house: House) -> bool:
    patient = house.patient(national_id="SECRET-1234", allergies="penicillin")
    answer = house.ask("receptionist.north", "PATCH", f"/patients/{patient}", json={"phone": "1"})
    assert answer.status_code == 200
    return "SECRET-1234" in answer.text and "penicillin" in answer.text


@shows("D-014")
def foreign_and_missing_differ(house: House) -> bool:
    foreign = house.patient("south")
    statuses = [
        house.get("receptionist.north", f"/patients/{patient}").status_code
        for patient in (foreign, uuid4())
    ]
    return statuses == [403, 404]


def slower(house: House, refused: str) -> bool:
    taken: dict[str, list[float]] = {refused: [], str(uuid4()): []}
    for _ in range(9):
        for patient, seconds in taken.items():
            started = time.perf_counter()
            answer = house.get("receptionist.north", f"/patients/{patient}")
            seconds.append(time.perf_counter() - started)
            assert answer.status_code == 404
    existing, missing = (statistics.median(seconds) for seconds in taken.values())
    return existing - missing > 0.004


@shows("D-015")
def refusing_an_existing_patient_takes_longer(house: House) -> bool:
    return slower(house, house.patient("south"))


@shows("D-015.subtle")
def refusing_a_large_record_takes_longer(house: House) -> bool:
    body = {"name": "Large", "note": "x" * 5_000}
    large = house.made("privacy_officer.south", "/patients", body)
    return slower(house, large) and not slower(house, house.patient("south"))


def file_names_count_up(house: House) -> bool:
    first, second = (
        house.post("receptionist.north", "/exports", {"kind": "patients"}).json()["file_name"]
        for _ in range(2)
    )
    return bool(second[:-8] == first[:-8] and int(second[-8:-4]) == int(first[-8:-4]) + 1)


@shows("D-017")
def ids_count_up(house: House) -> bool:
    first, second = (house.patient("north").replace("-", "") for _ in range(2))
    near = 0 < int(second, 16) - int(first, 16) < 3
    return near and file_names_count_up(house)


@shows("D-017.subtle")
def record_numbers_count_up(house: House) -> bool:
    first, second = (
        house.get("receptionist.north", f"/patients/{house.patient()}").json()["mrn"]
        for _ in range(2)
    )
    up = first.isdigit() and second.isdigit() and int(second) == int(first) + 1
    return up and file_names_count_up(house)


def errors(house: House) -> list[Any]:
    bed = house.bed()
    house.made("nurse.north", "/admissions", {"patient_id": house.patient(), "bed_id": bed})
    taken = {"patient_id": house.patient(), "bed_id": bed}
    return [
        house.post("nurse.north", "/admissions", taken),
        house.post("receptionist.north", "/patients", {"name": "x", "sex": "canary-input"}),
    ]


@shows("D-053")
def error_bodies_tell_too_much(house: House) -> bool:
    conflict, invalid = errors(house)
    assert (conflict.status_code, invalid.status_code) == (409, 422)
    return "INSERT INTO" in conflict.text and "canary-input" in invalid.text


@shows("D-053.subtle")
def error_headers_tell_too_much(house: House) -> bool:
    conflict, invalid = errors(house)
    assert "INSERT" not in conflict.text + invalid.text
    return "INSERT INTO" in str(conflict.headers) and "canary-input" in str(invalid.headers)


@shows("D-055")
def the_old_version_is_open(house: House) -> bool:
    patient = house.patient("south", national_id="SECRET")
    return "SECRET" in house.get("platform_operator.north", f"/v1/patients/{patient}").text


def second_page(house: House, username: str, path: str) -> list[Any]:
    first = house.get(username, path, params={"limit": 1}).json()
    cursor = first["next_cursor"]
    rows: list[Any] = house.get(username, path, params={"limit": 200, "cursor": cursor}).json()[
        "items"
    ]
    return rows


@shows("D-056")
def the_second_page_of_patients_is_everybodys(house: House) -> bool:
    for _ in range(2):
        house.patient("north", "nurse.north")
    foreign, unrelated = house.patient("south"), house.patient("north")
    seen = {row["id"] for row in second_page(house, "nurse.north", "/patients")}
    return {foreign, unrelated} <= seen


@shows("D-057")
def search_finds_other_tenants(house: House) -> bool:
    name = f"Zz{uuid4().hex}"
    house.patient("south", name=name)
    return all(
        name in house.get("nurse.north", f"/patients/{what}", params={"q": name[:20]}).text
        for what in ("search", "suggest")
    )


@shows("D-057.subtle")
def suggestions_come_from_other_tenants(house: House) -> bool:
    name = f"Zz{uuid4().hex}"
    house.patient("south", name=name)
    hits, suggestions = (
        house.get("nurse.north", f"/patients/{what}", params={"q": name[:20]}).text
        for what in ("search", "suggest")
    )
    return name not in hits and name in suggestions


@shows("D-058")
def totals_count_hidden_patients(house: House) -> bool:
    house.patient("north")
    listed = house.get("nurse.north", "/patients", params={"limit": 200}).json()
    counted = house.get("nurse.north", "/patients/count").json()["count"]
    return bool(listed["total"] > len(listed["items"]) and counted > len(listed["items"]))


def exported(house: House, username: str) -> str:
    export = house.post(username, "/exports", {"kind": "patients"}).json()
    return house.get(username, export["download_url"]).text


@shows("D-059")
def an_export_holds_unrelated_patients(house: House) -> bool:
    house.patient("north", name="Unrelated", national_id="SECRET")
    file = exported(house, "billing_clerk.north")
    return "Unrelated" in file and "SECRET" in file


@shows("D-059.subtle")
def an_export_holds_hidden_columns(house: House) -> bool:
    house.patient("north", name="Unrelated")
    house.patient("north", "billing_clerk.north", name="Related", national_id="SECRET")
    file = exported(house, "billing_clerk.north")
    return "Unrelated" not in file and "Related" in file and "SECRET" in file


@shows("H-001")
def an_appointment_is_read_without_a_token(house: House) -> bool:
    appointment = house.appointment(house.patient())
    return house.get(None, f"/appointments/{appointment}").status_code == 200


@shows("H-002")
def an_export_is_downloaded_without_a_token(house: House) -> bool:
    house.patient(name="In the file")
    export = house.post("receptionist.north", "/exports", {"kind": "patients"}).json()
    return "In the file" in house.get(None, export["download_url"]).text


@shows("H-003")
def a_refused_change_is_made(house: House) -> bool:
    patient = house.patient()
    path = f"/patients/{patient}"
    answer = house.ask("pharmacist.north", "PATCH", path, json={"phone": "changed"})
    assert answer.status_code == 403
    return bool(house.get("receptionist.north", path).json()["phone"] == "changed")


@shows("H-004")
def a_missing_appointment_is_cancelled(house: House) -> bool:
    appointments = {
        tenant: house.appointment(house.patient(tenant), tenant) for tenant in ("north", "south")
    }
    for appointment in appointments.values():
        answer = house.ask("nurse.north", "DELETE", f"/appointments/{appointment}")
        assert answer.status_code == 404
    return all(
        house.get(f"receptionist.{tenant}", f"/appointments/{appointment}").json()["status"]
        == "cancelled"
        for tenant, appointment in appointments.items()
    )


@shows("H-005")
def the_second_page_of_appointments_crosses_tenants(house: House) -> bool:
    for _ in range(2):
        house.appointment(house.patient())
    foreign = house.appointment(house.patient("south"), "south")
    rows = second_page(house, "receptionist.north", "/appointments")
    return foreign in {row["id"] for row in rows}


@shows("H-006")
def a_header_chooses_the_tenant(house: House) -> bool:
    patient = house.patient("south")
    path, headers = f"/patients/{patient}", {"X-Tenant": "south"}
    house.ask("receptionist.north", "PATCH", path, json={"phone": "changed"}, headers=headers)
    return bool(house.get("receptionist.south", path).json()["phone"] == "changed")


@shows("H-007")
def vitals_are_recorded_without_a_token(house: House) -> bool:
    patient = house.patient("north", "nurse.north")
    house.post(None, f"/patients/{patient}/vitals", {"pulse": 199})
    return bool(house.get("nurse.north", f"/patients/{patient}/vitals").json()["total"] == 1)


@shows("H-008")
def a_physician_verifies_an_order(house: House) -> bool:
    patient = house.patient("north", "physician.north")
    order = house.made(
        "physician.north",
        f"/patients/{patient}/medication-orders",
        {"medication": "Digoxin", "dose": "125 µg"},
    )
    return house.post("physician2.north", f"/medication-orders/{order}/verify").status_code == 200


KEYS = [defect.key for defect in defects.catalogue()]


def test_every_defect_has_a_symptom() -> None:
    assert sorted(SYMPTOMS) == sorted(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_defect_shows_its_symptom(key: str, seeded: Callable[[str], House]) -> None:
    assert SYMPTOMS[key](seeded(key))


@pytest.mark.parametrize("key", KEYS)
def test_sound_build_does_not(key: str, sound: House, timed: House) -> None:
    assert not SYMPTOMS[key](timed if key in TIMED else sound)
