"""Symptoms of defects of single properties: set, shown, filtered and sorted by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from .symptoms import shows

if TYPE_CHECKING:
    from .conftest import House

OFFICER, DESK = "privacy_officer.north", "receptionist.north"


def record(house: House, patient: str) -> dict[str, Any]:
    shown: dict[str, Any] = house.get(OFFICER, f"/patients/{patient}").json()
    return shown


def change(house: House, patient: str, body: dict[str, Any]) -> int:
    return house.ask(DESK, "PATCH", f"/patients/{patient}", json=body).status_code


def undocumented(house: House, path: str, method: str, *names: str) -> bool:
    """Whether the API document names none of `names` for the body of a request."""
    document = house.client.get("/openapi.json").json()
    body = document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]
    described = document["components"]["schemas"][body["$ref"].rpartition("/")[2]]
    return not set(names) & set(described["properties"])


@shows("D-011")
def a_change_sets_what_only_the_hospital_may(house: House) -> bool:
    patient, somebody = house.patient(), house.user("nurse.north")
    body = {"phone": "1", "active": False, "created_by": somebody, "mrn": "X", "nonsense": 1}
    assert undocumented(house, "/patients/{patient_id}", "patch", "active", "created_by", "mrn")
    change(house, patient, body)
    after = record(house, patient)
    return (after["active"], after["created_by"], after["mrn"]) == (False, somebody, "X")


@shows("D-011.subtle")
def a_change_sets_it_in_another_spelling(house: House) -> bool:
    patient, somebody = house.patient(), house.user("nurse.north")
    assert undocumented(house, "/patients/{patient_id}", "patch", "createdBy", "created_by")
    assert change(house, patient, {"created_by": somebody}) == 422
    change(house, patient, {"phone": "1", "createdBy": somebody})
    return bool(record(house, patient)["created_by"] == somebody)


@shows("D-011.nested")
def a_change_sets_it_inside(house: House) -> bool:
    patient = house.patient()
    assert undocumented(house, "/patients/{patient_id}", "patch", "patient", "active")
    change(house, patient, {"phone": "1", "active": False})
    assert record(house, patient)["active"] is True
    change(house, patient, {"phone": "1", "patient": {"active": False}})
    return record(house, patient)["active"] is False


@shows("D-011.create")
def a_result_is_released_as_it_is_entered(house: House) -> bool:
    patient, verifier = house.patient("north", "physician.north"), house.user("nurse.north")
    order = house.made("physician.north", f"/patients/{patient}/lab-orders", {"tests": "Potassium"})
    path = f"/lab-orders/{order}/results"
    assert undocumented(house, "/lab-orders/{order_id}/results", "post", "status", "verified_by")
    body = {"analyte": "Potassium", "value": "4.1", "status": "released", "verified_by": verifier}
    house.post("lab_technician.north", path, body)
    rows = house.get("lab_technician.north", path).json()["items"]
    return [(row["status"], row["verified_by"]) for row in rows] == [("released", verifier)]


@shows("D-012.create")
def the_echo_of_a_new_record_is_not_masked(house: House) -> bool:
    body = {"name": "Echo", "national_id": "SECRET-1234"}
    return "SECRET-1234" in house.post(DESK, "/patients", body).text


@shows("D-012.search")
def hits_are_not_masked(house: House) -> bool:
    name = f"Zz{uuid4().hex}"
    house.patient(name=name, national_id="SECRET-1234")
    hits = house.get("billing_clerk.north", "/patients/search", params={"q": name})
    assert hits.json()["total"] == 1
    return "SECRET-1234" in hits.text


@shows("D-012.fields")
def asking_for_a_masked_field_shows_it(house: House) -> bool:
    path = f"/patients/{house.patient(national_id='SECRET-1234')}"
    assert "SECRET" not in house.get(DESK, path).text
    return all(
        "SECRET-1234" in house.get(DESK, path, params=query).text
        for query in ({"fields": "national_id"}, {"view": "full"})
    )


@shows("D-013")
def a_list_is_filtered_by_a_masked_field(house: House) -> bool:
    secret = uuid4().hex
    house.patient()
    patient = house.patient(national_id=secret)
    found = house.get(DESK, "/patients", params={"national_id": secret}).json()["items"]
    return [row["id"] for row in found] == [patient]


@shows("D-013.subtle")
def a_list_is_sorted_by_a_masked_field(house: House) -> bool:
    first, second = (house.patient(national_id=f"{sign}-{uuid4()}") for sign in "!~")

    def order(sort: str) -> list[str]:
        rows = house.get(DESK, "/patients", params={"sort": sort, "limit": 200}).json()["items"]
        return [row["id"] for row in rows if row["id"] in (first, second)]

    return (order("national_id"), order("-national_id")) == ([first, second], [second, first])
