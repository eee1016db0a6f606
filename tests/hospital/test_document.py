"""The API document says what the hospital does, and odd input is refused as it says."""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

if TYPE_CHECKING:
    from httpx import Response

    from .conftest import House

DESK, NURSE, PHYSICIAN = "receptionist.north", "nurse.north", "physician.north"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def document(sound: House) -> dict[str, Any]:
    given: dict[str, Any] = sound.get(None, "/openapi.json").json()
    return given


def valid(document: dict[str, Any], schema: dict[str, Any], value: object) -> bool:
    whole = {**schema, "components": document["components"]}
    return Draft202012Validator(whole, format_checker=FormatChecker()).is_valid(value)


def as_documented(document: dict[str, Any], answer: Response) -> bool:
    """Whether an answer has a status, a media type, headers and a body that are documented."""
    path = answer.request.url.path
    described = next(
        document["paths"][each][answer.request.method.lower()]
        for each in sorted(document["paths"], key=lambda each: each.count("{"))
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", each), path)
    )
    said = described["responses"][str(answer.status_code)]
    for name in said["headers"]:
        header = document["components"]["headers"][name]
        given: str | int | None = answer.headers.get(name)
        if given is None:
            if header.get("required"):
                return False
            continue
        given = int(given) if header["schema"].get("type") == "integer" else given
        if not valid(document, header["schema"], given):
            return False
    if "content" not in said:
        return not answer.content
    media_type = answer.headers["content-type"].partition(";")[0]
    schema = said["content"][media_type]["schema"]
    value = answer.json() if media_type == "application/json" else answer.text
    return valid(document, schema, value)


def test_answers_are_as_documented(sound: House, document: dict[str, Any]) -> None:
    patient = sound.patient(
        "north", NURSE, PHYSICIAN, "lab_technician.north", birth_date="1970-01-31"
    )
    chart = f"/patients/{patient}"
    bill = {"patient_id": patient, "description": "x", "amount_cents": 5}
    key = {"Idempotency-Key": "once-and-again"}
    order = sound.post(
        PHYSICIAN, f"{chart}/medication-orders", {"medication": "x", "dose": "1"}
    ).json()["id"]
    answers = [
        sound.get(DESK, chart),
        sound.get(DESK, chart, headers={"If-None-Match": "*"}),
        sound.get(NURSE, chart),
        sound.get("nurse2.north", chart),
        sound.get(None, chart),
        sound.get("tenant_admin.north", chart),
        sound.ask(DESK, "PATCH", chart, json={"phone": "1"}, headers={"If-Match": '"1"'}),
        sound.ask(DESK, "PATCH", chart, json={"phone": "2"}, headers={"If-Match": '"1"'}),
        sound.post(NURSE, f"{chart}/vitals", {"respiratory_rate": 30, "temperature": 36.6}),
        sound.post(NURSE, f"{chart}/vitals", {}),
        sound.get(NURSE, f"{chart}/vitals"),
        sound.get(NURSE, f"{chart}/alerts"),
        sound.get(NURSE, f"{chart}/timeline"),
        sound.post(PHYSICIAN, f"{chart}/encounters", {}),
        sound.post("billing_clerk.north", "/bills", bill, headers=key),
        sound.post("billing_clerk.north", "/bills", bill, headers=key),
        sound.post("billing_clerk.north", "/bills", {**bill, "amount_cents": 6}, headers=key),
        sound.ask(PHYSICIAN, "PUT", f"/medication-orders/{order}", json={"dose": "2"}),
        sound.get(PHYSICIAN, f"/medication-orders/{order}"),
        sound.post(NURSE, f"{chart}/notes", {"text": "x" * 20_001}),
        sound.ask(NURSE, "POST", f"{chart}/notes", content=b"x" * 1_100_000, headers=JSON),
        sound.ask(NURSE, "POST", f"{chart}/notes", content=b"x"),
        sound.get(NURSE, "/facility"),
        sound.get(NURSE, "/wards"),
        sound.get(NURSE, "/reports/daily"),
        sound.get("privacy_officer.north", "/audit"),
        sound.post(DESK, "/exports", {"kind": "patients"}),
    ]
    assert [answer for answer in answers if not as_documented(document, answer)] == []
    assert {answer.status_code for answer in answers} >= {
        *(200, 201, 304, 401, 403, 404, 412, 413, 415, 422, 428)
    }


def test_answers_name_all_of_their_fields(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    def objects(schema: dict[str, Any]) -> list[str]:
        name = schema.get("$ref", "").rpartition("/")[2]
        found = schemas[name] if name else schema
        ways = found.get("anyOf", [])
        return [each for way in ways for each in objects(way)] or ([name] if name else [])

    shown = {
        name
        for path in document["paths"].values()
        for operation in path.values()
        for answer in operation["responses"].values()
        for media in answer.get("content", {}).values()
        for name in objects(media["schema"])
    }
    assert {
        name for name in shown if schemas[name].get("additionalProperties") is not False
    } == set()


def test_links_lead_to_what_was_made(sound: House, document: dict[str, Any]) -> None:
    made = sound.post(DESK, "/patients", {"name": "x"})
    links = document["paths"]["/patients"]["post"]["responses"]["201"]["links"]
    operations = {
        operation["operationId"]: (method, path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert {name: link["operationId"] for name, link in links.items()}.items() <= {
        (name, name) for name in operations
    }
    method, path = operations["read_patient"]
    assert links["read_patient"]["parameters"] == {"path.patient_id": "$response.body#/id"}
    read = sound.ask(DESK, method, path.replace("{patient_id}", made.json()["id"]))
    assert read.json() == made.json()


@pytest.mark.parametrize(
    ("name", "body", "fits"),
    [
        ("NewAppointment", {"starts_at": "2026-03-08T09:30:00Z"}, True),
        ("NewAppointment", {"local_time": "2026-03-08T09:30", "fold": 1}, True),
        ("NewAppointment", {"starts_at": "2026-03-08T09:30:00Z", "local_time": None}, True),
        ("NewAppointment", {}, False),
        ("NewAppointment", {"starts_at": "2026-03-08T09:30:00Z", "fold": 1}, False),
        ("NewAppointment", {"starts_at": "1000000000"}, False),
        ("NewAppointment", {"starts_at": "9999-03-08T09:30:00Z"}, False),
        ("NewAppointment", {"local_time": "2026-02-30T09:30"}, False),
    ],
)
def test_what_the_document_says_of_times_holds(
    sound: House, document: dict[str, Any], name: str, body: dict[str, Any], fits: bool
) -> None:
    whole = {"patient_id": sound.patient(), "clinic": "Cardiology", **body}
    answer = sound.post(DESK, "/appointments", whole)
    assert answer.status_code == (201 if fits else 422)
    assert valid(document, {"$ref": f"#/components/schemas/{name}"}, whole) is fits


ODD_BODIES = {
    "nul": r'{"comment": "a\u0000b"}',
    "lone surrogate": r'{"comment": "\ud800"}',
    "surrogate as a name": r'{"\ud800": 1}',
    "huge": '{"pulse": 1' + "0" * 400 + "}",
    "huge fraction": '{"temperature": 1' + "0" * 400 + "}",
    "infinite": '{"pulse": 1e400}',
    "no number": '{"temperature": NaN}',
    "minus infinity": '{"temperature": -Infinity}',
    "too fine": '{"temperature": 36.65}',
    "deep": "[" * 200 + "]" * 200,
    "very deep": '{"pulse": ' + "[" * 50_000 + "]" * 50_000 + "}",
    "no object": "[]",
    "nothing": "",
    "half": '{"pulse": 7',
    "wrong bytes": b'{"comment": "\xff\xfe"}',
    "two bytes a sign": '{"pulse": 70}'.encode("utf-16"),
}


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES)
def test_odd_bodies_are_refused(sound: House, document: dict[str, Any], body: str | bytes) -> None:
    path = f"/patients/{sound.patient('north', NURSE)}/vitals"
    answer = sound.ask(NURSE, "POST", path, content=body, headers=JSON)
    assert answer.status_code == 422
    assert as_documented(document, answer)


def test_bodies_are_unpacked_within_limits(sound: House) -> None:
    path = f"/patients/{sound.patient('north', NURSE)}/vitals"

    def sent(content: bytes, coding: str = "gzip", kind: str = "application/json") -> int:
        headers = {"Content-Type": kind, "Content-Encoding": coding}
        return sound.ask(NURSE, "POST", path, content=content, headers=headers).status_code

    assert sent(gzip.compress(b'{"pulse": 70}')) == 201
    assert sent(gzip.compress(b'{"pulse":' + b" " * 16_000_000 + b"70}")) == 413
    assert sent(gzip.compress(b'{"pulse": 70}')[:-4]) == 422
    assert sent(b'{"pulse": 70}') == 422
    assert sent(b'{"pulse": 70}', "deflate") == 415
    assert sent(b'{"pulse": 70}', "identity", "application/xml") == 415


def test_a_result_may_be_xml(sound: House, document: dict[str, Any]) -> None:
    patient = sound.patient("north", PHYSICIAN)
    order = sound.made(PHYSICIAN, f"/patients/{patient}/lab-orders", {"tests": "x"})

    def sent(content: str) -> Response:
        return sound.ask(
            "lab_technician.north",
            "POST",
            f"/lab-orders/{order}/results",
            content=content,
            headers={"Content-Type": "application/xml"},
        )

    made = sent("<r>\n<analyte>Na &lt; K</analyte><value>1<![CDATA[40]]></value>\n</r>")
    assert (made.status_code, as_documented(document, made)) == (201, True)
    assert (made.json()["analyte"], made.json()["value"]) == ("Na < K", "140")
    entity = '<!DOCTYPE r [<!ENTITY x "1">]><r><analyte>a</analyte><value>&x;</value></r>'
    for content in (
        entity,
        "<r><analyte>a</analyte></r>",
        "<r><analyte>a</analyte><value>1</value><value>2</value></r>",
        "<r><analyte><b>a</b></analyte><value>1</value></r>",
        '<r><analyte a="1">a</analyte><value>1</value></r>',
        "<r>text<analyte>a</analyte><value>1</value></r>",
        "<r><analyte>a</analyte><value>1</value>",
        "",
        "<a>" * 100_000,
    ):
        assert sent(content).status_code == 422


@pytest.mark.parametrize(
    ("who", "path", "query"),
    [
        ("privacy_officer.north", "/audit", {"actor": "\0"}),
        ("privacy_officer.north", "/audit", {"since": "0001-01-01T00:00:00Z"}),
        (NURSE, "/reports/daily", {"date": "9999-12-31"}),
        (NURSE, "/reports/daily", {"date": "2025-02-29"}),
        (NURSE, "/reports/monthly", {"month": "0000-00"}),
        (NURSE, "/wards", {"limit": "9" * 400}),
        (NURSE, "/wards", {"limit": "1_0"}),
        (NURSE, "/wards", {"limit": "٥"}),
        (NURSE, "/wards", {"cursor": "\0"}),
    ],
)
def test_odd_queries_are_refused(
    sound: House, document: dict[str, Any], who: str, path: str, query: dict[str, str]
) -> None:
    answer = sound.get(who, path, params=query)
    assert answer.status_code == 422
    assert as_documented(document, answer)


@pytest.mark.parametrize(
    "text",
    [
        "Nguyễn Thị Ánh",
        "e\N{COMBINING ACUTE ACCENT}",
        "\N{RIGHT-TO-LEFT OVERRIDE}abc",
        "\N{ZERO WIDTH SPACE}",
        "a|b^c~d\\e&f\rPID|1",
        "=1+1",
        "<b>&amp;</b>",
        "🤒" * 75,
        " spaces \t\n",
        "\ufffe\x01",
    ],
)
def test_odd_text_is_kept_as_it_came(sound: House, text: str) -> None:
    patient = sound.made(DESK, "/patients", {"name": text, "address": text})
    shown = sound.get(DESK, f"/patients/{patient}").json()
    assert (shown["name"], shown["address"]) == (text, text)
