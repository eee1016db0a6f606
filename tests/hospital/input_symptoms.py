"""Symptoms of defects of odd input, and of answers that are not what the API document says."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .symptoms import shows

if TYPE_CHECKING:
    from httpx import Response

    from .conftest import House

PLAIN = {"Content-Encoding": "identity"}
DESK, NURSE, PHYSICIAN = "receptionist.north", "nurse.north", "physician.north"


def refused(answer: Response) -> bool:
    return 400 <= answer.status_code < 500


def sent(house: House, who: str, path: str, text: str) -> Response:
    return house.ask(who, "POST", path, content=text, headers={"Content-Type": "application/json"})


def documented(house: House, path: str, method: str) -> dict[str, Any]:
    operation: dict[str, Any] = house.client.get("/openapi.json").json()["paths"][path][method]
    return operation


def of_body(house: House, path: str, name: str) -> dict[str, Any]:
    """What the document says of a field of a body."""
    body = documented(house, path, "post")["requestBody"]["content"]["application/json"]["schema"]
    schemas = house.client.get("/openapi.json").json()["components"]["schemas"]
    field: dict[str, Any] = schemas[body["$ref"].rpartition("/")[2]]["properties"][name]
    return field


# --- it breaks


@shows("D-052")
def a_nul_in_a_note(house: House) -> bool:
    path = f"/patients/{house.patient('north', NURSE)}/notes"
    assert house.post(NURSE, path, {"text": "a"}).status_code == 201
    return house.post(NURSE, path, {"text": "a\0b"}).status_code == 500


@shows("D-052.number")
def a_number_that_no_column_holds(house: House) -> bool:
    path = f"/medication-orders/{order(house)}/items"
    assert house.post(PHYSICIAN, path, {"product": "x", "quantity": 3}).status_code == 201
    huge = f'{{"product": "x", "quantity": 1{"0" * 400}}}'
    return sent(house, PHYSICIAN, path, huge).status_code == 500


@shows("D-052.year")
def the_last_year(house: House) -> bool:
    answers = [
        house.get(NURSE, "/reports/daily", params={"date": date}).status_code
        for date in ("2026-03-08", "0001-01-01", "9999-12-31")
    ]
    assert answers[0] != 500
    return answers[1:] != [422, 422] and 500 in answers[1:]


@shows("D-052.nesting")
def lists_in_lists(house: House) -> bool:
    path = f"/patients/{house.patient('north', NURSE)}/vitals"
    assert refused(sent(house, NURSE, path, '{"pulse": [[1]]}'))
    return sent(house, NURSE, path, f'{{"pulse": {"[" * 200}{"]" * 200}}}').status_code == 500


@shows("D-052.surrogate")
def half_a_sign(house: House) -> bool:
    path = f"/patients/{house.patient('north', PHYSICIAN)}/documents"
    assert house.post(PHYSICIAN, path, {"title": "x", "content": "y"}).status_code == 201
    body = r'{"title": "x", "content": "\ud800"}'
    return sent(house, PHYSICIAN, path, body).status_code == 500


@shows("D-052.empty")
def an_empty_list(house: House) -> bool:
    path = "/appointments/bulk-cancel"
    assert house.post(DESK, path, {"ids": ["x"]}).status_code == 200
    return house.post(DESK, path, {"ids": []}).status_code == 500


@shows("D-052.combining")
def a_mark_apart(house: House) -> bool:
    def search(text: str) -> int:
        return house.get(DESK, "/patients/search", params={"q": text}).status_code

    assert search("e\N{COMBINING ACUTE ACCENT}") == 200
    return search("u\N{COMBINING DIAERESIS}") == 500


# --- it tells


@shows("D-053.validator")
def a_trace_in_one_refusal(house: House) -> bool:
    patient = house.patient("north", NURSE)
    vitals = house.made(NURSE, f"/patients/{patient}/vitals", {"pulse": 70})
    told = house.post(NURSE, f"/vitals/{vitals}/correct", {"pulse": "fast"})
    other = house.post(NURSE, f"/patients/{patient}/vitals", {"pulse": "fast"})
    assert (told.status_code, other.status_code) == (422, 422)
    assert "Traceback" not in other.text
    return "Traceback" in told.text


@shows("D-053.record")
def a_refusal_with_the_record(house: House) -> bool:
    patient = house.patient(national_id="SECRET-1234")
    assert "SECRET" not in house.get(DESK, f"/patients/{patient}").text
    answer = house.ask(DESK, "PATCH", f"/patients/{patient}", json={"phone": 1})
    assert answer.status_code == 422
    return "SECRET-1234" in answer.text


# --- it is not what is documented


@shows("D-054")
def a_field_by_another_name(house: House) -> bool:
    result = house.lab_result(value="4.2")
    shown = house.get("lab_technician.north", f"/lab-results/{result}").json()
    return "value" not in shown and shown.get("result_value") == "4.2"


@shows("D-054.number")
def a_number_as_text(house: House) -> bool:
    bill = made_bill(house, amount_cents=1234)
    return bool(
        house.get("billing_clerk.north", f"/bills/{bill}").json()["amount_cents"] == "12.34"
    )


@shows("D-054.nulls")
def null_for_an_empty_list(house: House) -> bool:
    path = f"/patients/{house.patient('north', NURSE)}/vitals"
    none = house.get(NURSE, path).json()["items"]
    house.made(NURSE, path, {"pulse": 70})
    assert len(house.get(NURSE, path).json()["items"]) == 1
    return none is None


@shows("D-054.status")
def another_status(house: House) -> bool:
    answer = house.post(PHYSICIAN, f"/patients/{house.patient('north', PHYSICIAN)}/encounters", {})
    responses = documented(house, "/patients/{patient_id}/encounters", "post")["responses"]
    assert answer.is_success
    return str(answer.status_code) not in responses


@shows("D-054.type")
def another_media_type(house: House) -> bool:
    path = f"/patients/{house.patient('north', NURSE)}/timeline"
    return house.get(NURSE, path).headers["content-type"].startswith("text/html")


@shows("D-054.header")
def an_entity_tag_without_quotes(house: House) -> bool:
    return house.get(DESK, f"/patients/{house.patient()}").headers["etag"] == "1"


@shows("D-079")
def a_title_with_a_slip(house: House) -> bool:
    title: str = house.get(DESK, "/reports/daily").json()["title"]
    schemas = house.client.get("/openapi.json").json()["components"]["schemas"]
    assert title.startswith("Report of")
    return title not in schemas["DailyCounts"]["properties"]["title"]["enum"]


@shows("D-079.subtle")
def two_columns_swapped(house: House) -> bool:
    path = f"/patients/{house.patient('north', NURSE)}/vitals"
    vitals = house.made(NURSE, path, {"pulse": 70, "systolic": 120})
    one, row = house.get(NURSE, f"/vitals/{vitals}").json(), house.get(NURSE, path).json()["items"]
    assert (one["pulse"], one["systolic"]) == (70, 120)
    return [row[0]["pulse"], row[0]["systolic"]] == [120, 70]


@shows("D-080")
def appointments_by_id(house: House) -> bool:
    made = [house.appointment(house.patient()) for _ in range(8)]
    listed = [
        row["id"]
        for row in house.get(DESK, "/appointments", params={"limit": 200}).json()["items"]
        if row["id"] in made
    ]
    assert sorted(listed) == sorted(made)
    return listed == sorted(made) != made


@shows("D-080.urgent")
def an_urgent_alert_that_waits(house: House) -> bool:
    path = f"/patients/{house.patient('north', NURSE)}"
    grave = {"spo2": 85, "respiratory_rate": 30, "systolic": 85, "pulse": 140, "temperature": 36.8}
    for signs in ({"spo2": 85}, {**grave, "consciousness": "A", "supplemental_oxygen": False}):
        house.made(NURSE, f"{path}/vitals", signs)
    rows = house.get(NURSE, f"{path}/alerts").json()["items"]
    assert sorted(row["respond_within_minutes"] for row in rows) == [30, 60]
    return [row["respond_within_minutes"] for row in rows] == [60, 30]


@shows("D-082")
def the_id_of_the_request(house: House) -> bool:
    ward = house.get(DESK, "/wards").json()["items"][0]["id"]
    sent = {"X-Correlation-Id": "a-correlation-id"}
    answer: dict[str, Any] = house.get(DESK, f"/wards/{ward}", headers=sent).json()
    return answer.get("request_id") == "a-correlation-id"


@shows("D-082.person")
def whom_else_to_call(house: House) -> bool:
    appointment = house.appointment(house.patient(next_of_kin="Zoe"))
    shown: dict[str, Any] = house.get(DESK, f"/appointments/{appointment}").json()
    return shown.get("next_of_kin") == "Zoe"


# --- it takes what it must refuse


@shows("H-080")
def a_negative_quantity(house: House) -> bool:
    path = f"/medication-orders/{order(house)}/items"
    assert of_body(house, "/medication-orders/{order_id}/items", "quantity")["minimum"] == 1
    answer = house.post(PHYSICIAN, path, {"product": "x", "quantity": -5})
    return answer.status_code == 201 and answer.json()["quantity"] == -5


@shows("H-080.choice")
def a_choice_that_there_is_not(house: House) -> bool:
    path = f"/patients/{house.patient('north', NURSE)}/notes"
    assert "enum" in of_body(house, "/patients/{patient_id}/notes", "kind")
    return house.post(NURSE, path, {"kind": "rumour", "text": "x"}).status_code == 201


@shows("H-080.unknown")
def a_field_that_there_is_not(house: House) -> bool:
    body = bill_of(house, amount_cents=1)
    assert house.post("billing_clerk.north", "/bills", body).status_code == 201
    return house.post("billing_clerk.north", "/bills", {**body, "paid": True}).status_code == 201


@shows("H-080.type")
def a_number_in_quotes(house: House) -> bool:
    answer = house.post("pharmacist.north", "/stock", {"product": "x", "quantity": "7"})
    assert refused(house.post("pharmacist.north", "/stock", {"product": "x", "quantity": "a"}))
    return answer.status_code == 201 and answer.json()["quantity"] == 7


# --- it keeps something else


def kept(house: House, who: str, path: str, body: dict[str, str], field: str) -> str:
    answer = house.post(who, path, body)
    assert answer.status_code == 201, answer.text
    text: str = answer.json()[field]
    return text


@shows("H-081")
def a_note_without_its_end(house: House) -> bool:
    path = f"/patients/{house.patient('north', NURSE)}/notes"
    assert kept(house, NURSE, path, {"text": "a" * 255}, "text") == "a" * 255
    return kept(house, NURSE, path, {"text": "a" * 400}, "text") == "a" * 255


@shows("H-081.subtle")
def a_name_of_many_bytes(house: House) -> bool:
    assert kept(house, DESK, "/patients", {"name": "a" * 300}, "name") == "a" * 300
    return kept(house, DESK, "/patients", {"name": "語" * 300}, "name") == "語" * 100


@shows("H-081.line")
def instructions_of_one_line(house: House) -> bool:
    path = f"/patients/{house.patient('north', PHYSICIAN)}/medication-orders"
    body = {"medication": "x", "dose": "1", "instructions": "with food\nnever with alcohol"}
    return kept(house, PHYSICIAN, path, body, "instructions") == "with food"


@shows("H-082")
def a_name_without_its_marks(house: House) -> bool:
    assert kept(house, DESK, "/patients", {"name": "N\N{LATIN SMALL LETTER E WITH ACUTE}"}, "name")
    apart = "Ne\N{COMBINING ACUTE ACCENT}e"
    return kept(house, DESK, "/patients", {"name": apart}, "name") == "Nee"


@shows("H-082.hl7")
def a_value_without_its_delimiters(house: House) -> bool:
    text = "10^3/uL | ~5 & more"
    result = house.lab_result(value=text)
    shown = house.get("lab_technician.north", f"/lab-results/{result}").json()["value"]
    return bool(shown == "103/uL  5  more")


@shows("H-082.code_page")
def a_note_of_question_marks(house: House) -> bool:
    path = f"/patients/{house.patient('north', NURSE)}/notes"
    assert kept(house, NURSE, path, {"text": "Müller"}, "text") == "Müller"
    return kept(house, NURSE, path, {"text": "Nguyễn"}, "text") == "Nguy?n"


@shows("H-082.plane")
def a_comment_without_its_emoji(house: House) -> bool:
    path = f"/patients/{house.patient('north', NURSE)}/vitals"
    return kept(house, NURSE, path, {"comment": "well 🙂!"}, "comment") == "well !"


@shows("H-082.markup")
def a_clinic_with_entities(house: House) -> bool:
    text = "pH < 7.2 & falling"
    appointment = house.appointment(house.patient(), clinic=text)
    shown = house.get(DESK, f"/appointments/{appointment}").json()["clinic"]
    return bool(shown == "pH &lt; 7.2 &amp; falling")


def exported(house: House, *names: str) -> list[str]:
    """The names of patients in an export, as a spreadsheet reads them."""
    patients = [house.patient(name=name) for name in names]
    export = house.post(DESK, "/exports", {"kind": "patients"}).json()
    text = house.get(DESK, export["download_url"]).text
    rows = {row["id"]: row["name"] for row in csv.DictReader(io.StringIO(text))}
    return [rows[patient] for patient in patients]


@shows("H-083")
def a_live_formula(house: House) -> bool:
    return exported(house, "=1+1", "@SUM(A1)") == ["=1+1", "@SUM(A1)"]


@shows("H-083.subtle")
def a_live_formula_that_does_not_begin_as_one(house: House) -> bool:
    return exported(house, "=1+1", "@SUM(A1)") == ["'=1+1", "@SUM(A1)"]


# --- one record breaks the rest


@shows("H-084")
def one_name_breaks_the_list(house: House) -> bool:
    before = house.get("patient.south", "/patients")
    assert before.status_code == 200
    patient = house.made("receptionist.south", "/patients", {"name": "tab\there"})
    house.link(patient, "patient.south")
    assert house.get("patient.south", f"/patients/{patient}").status_code == 200
    broken = house.get("patient.south", "/patients").status_code
    house.ask("receptionist.south", "PATCH", f"/patients/{patient}", json={"name": "mended"})
    return broken == 500


@shows("H-084.subtle")
def a_note_that_no_list_has(house: House) -> bool:
    path = f"/patients/{house.patient('north', NURSE)}/notes"
    note = house.made(NURSE, path, {"text": "a \N{RIGHT-TO-LEFT OVERRIDE}b"})
    assert house.get(NURSE, f"/notes/{note}").status_code == 200
    page = house.get(NURSE, path).json()
    return bool((page["items"], page["total"]) == ([], 1))


@shows("H-084.digits")
def one_value_breaks_the_list(house: House) -> bool:
    patient = house.patient("north", PHYSICIAN)
    path = f"/patients/{patient}/lab-orders"
    lab_order = house.made(PHYSICIAN, path, {"tests": "x"})
    path = f"/lab-orders/{lab_order}/results"
    house.made("lab_technician.north", path, {"analyte": "x", "value": "42"})
    assert house.get("lab_technician.north", path).status_code == 200
    house.made("lab_technician.north", path, {"analyte": "x", "value": "٤٢"})
    return house.get("lab_technician.north", path).status_code == 500


# --- pages


def limited(house: House, who: str, path: str, limit: int) -> int:
    assert (
        next(
            each["schema"]["maximum"]
            for each in documented(house, path, "get")["parameters"]
            if each["name"] == "limit"
        )
        == 200
    )
    return house.get(who, path, params={"limit": limit}).status_code


@shows("H-085")
def a_page_of_any_size(house: House) -> bool:
    return [limited(house, DESK, "/appointments", limit) for limit in (0, 5000)] == [200, 200]


@shows("H-085.subtle")
def a_longer_page(house: House) -> bool:
    statuses = [limited(house, "pharmacist.north", "/stock", limit) for limit in (201, 1001)]
    return statuses == [200, 422]


@shows("H-085.negative")
def a_page_of_less_than_nothing(house: House) -> bool:
    return limited(house, DESK, "/wards", -5) == 500


# --- what they need


def order(house: House) -> str:
    patient = house.patient("north", PHYSICIAN)
    body = {"medication": "Digoxin", "dose": "125 µg"}
    return house.made(PHYSICIAN, f"/patients/{patient}/medication-orders", body)


def bill_of(house: House, **fields: Any) -> dict[str, Any]:
    return {"patient_id": house.patient(), "description": "x", **fields}


def made_bill(house: House, **fields: Any) -> str:
    return house.made("billing_clerk.north", "/bills", bill_of(house, **fields))


# --- what unfolds


@shows("H-086")
def a_packed_body_beyond_the_limit(house: House) -> bool:
    path = f"/patients/{house.patient('north', NURSE)}/vitals"
    whole = b'{"pulse":' + b" " * 4_000_000 + b"70}"
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    packed = house.ask(NURSE, "POST", path, content=gzip.compress(whole), headers=headers)
    open_ = house.ask(NURSE, "POST", path, content=whole, headers={**headers, **PLAIN})
    return (packed.status_code, open_.status_code) == (201, 413)


def result_in_xml(house: House, document: str) -> Response:
    lab_order = house.made(
        PHYSICIAN, f"/patients/{house.patient('north', PHYSICIAN)}/lab-orders", {"tests": "x"}
    )
    path = f"/lab-orders/{lab_order}/results"
    headers = {"Content-Type": "application/xml"}
    return house.ask("lab_technician.north", "POST", path, content=document, headers=headers)


def with_entity(declared: str, value: str) -> str:
    return (
        f"<!DOCTYPE r [{declared}]><r><analyte>a</analyte><value>1</value>"
        f"<comment>{value}</comment></r>"
    )


@shows("H-086.entities")
def entities_without_end(house: House) -> bool:
    lines = ['<!ENTITY a0 "ha">']
    lines += [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 8)]
    answer = result_in_xml(house, with_entity("".join(lines), "&a7;"))
    return answer.status_code == 500


@shows("H-086.external")
def an_entity_that_is_a_file(house: House) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "entity.txt"
        path.write_text("somewhere else", encoding="utf-8")
        answer = result_in_xml(house, with_entity(f'<!ENTITY x SYSTEM "{path.as_uri()}">', "&x;"))
    return "somewhere else" in answer.text
