"""What the database holds to, whatever the application does; and what errors tell."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from fixtures.hospital import records

if TYPE_CHECKING:
    from .conftest import House

KINDS = [kind for kind in vars(records).values() if isinstance(kind, records.Kind)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_rows_are_hidden_until_a_tenant_is_entered(kind: records.Kind, sound: House) -> None:
    engine = sound.hospital.engine
    assert engine is not None
    with engine.connect() as connection:
        assert connection.execute(select(kind.table)).all() == []
        connection.execute(text("SELECT set_config('app.tenant', 'south', true)"))
        tenants = {row.tenant for row in connection.execute(select(kind.table))}
        assert tenants <= {"south"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET action = ''",
        "DELETE FROM audit_log",
        "DELETE FROM patients",
        "ALTER TABLE patients DISABLE ROW LEVEL SECURITY",
        "SET ROLE postgres",
        "INSERT INTO wards (id, tenant, code, name) VALUES (gen_random_uuid(), 'south', 'x', 'x')",
    ],
)
def test_the_application_may_not(statement: str, sound: House) -> None:
    engine = sound.hospital.engine
    assert engine is not None
    with engine.connect() as connection:
        connection.execute(text("SELECT set_config('app.tenant', 'north', true)"))
        with pytest.raises(DBAPIError):
            connection.execute(text(statement))


def test_one_bed_takes_one_of_many_at_once(sound: House) -> None:
    bed = sound.bed()
    patients = [sound.patient() for _ in range(6)]

    def admitted(patient: str) -> int:
        body = {"patient_id": patient, "bed_id": bed}
        return sound.post("receptionist.north", "/admissions", body).status_code

    with ThreadPoolExecutor(6) as threads:
        statuses = sorted(threads.map(admitted, patients))
    assert statuses == [201, 409, 409, 409, 409, 409]


def test_a_discharged_bed_is_free_again(sound: House) -> None:
    bed = sound.bed()
    body = {"patient_id": sound.patient(), "bed_id": bed}
    admission = sound.made("nurse.north", "/admissions", body)
    sound.made("receptionist.north", f"/admissions/{admission}/discharge", {})
    again = sound.post("receptionist.north", f"/admissions/{admission}/discharge", {})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "not_active")
    assert sound.post("nurse.north", "/admissions", body).status_code == 201


def test_signed_text_cannot_change(sound: House) -> None:
    patient = sound.patient("north", "nurse.north")
    note = sound.made("nurse.north", f"/patients/{patient}/notes", {"text": "x"})
    sound.made("nurse.north", f"/notes/{note}/sign")
    engine = sound.hospital.engine
    assert engine is not None
    with engine.connect() as connection:
        connection.execute(text("SELECT set_config('app.tenant', 'north', true)"))
        with pytest.raises(DBAPIError, match="append-only"):
            connection.execute(text("UPDATE notes SET text = 'y' WHERE id = :id"), {"id": note})


def test_reads_writes_and_denials_are_audited(sound: House) -> None:
    patient = sound.patient("north", "nurse.north")
    sound.get("nurse.north", f"/patients/{patient}")
    sound.get("nurse2.north", f"/patients/{patient}")
    engine = sound.hospital.engine
    assert engine is not None
    nurses = {"done": sound.user("nurse.north"), "denied": sound.user("nurse2.north")}
    with engine.connect() as connection:
        connection.execute(text("SELECT set_config('app.tenant', 'north', true)"))
        rows = connection.execute(
            text(
                "SELECT outcome, created_by FROM audit_log"
                " WHERE resource = 'patient' AND action = 'read'"
            )
        )
        found = {(row.outcome, str(row.created_by)) for row in rows}
    assert set(nurses.items()) <= found


def test_the_daily_report_counts_the_facilitys_own_day(sound: House) -> None:
    # 2026-06-30 18:30 UTC is 00:30 on 1 July in the north and still 30 June in the south.
    at = datetime(2026, 6, 30, 18, 30, tzinfo=UTC).isoformat()
    for tenant, day, other in (
        ("north", "2026-07-01", "2026-06-30"),
        ("south", "2026-06-30", "2026-07-01"),
    ):
        sound.appointment(sound.patient(tenant), tenant, starts_at=at)
        counts = [
            sound.get(f"receptionist.{tenant}", "/reports/daily", params={"date": date}).json()
            for date in (day, other)
        ]
        assert [count["appointments"] for count in counts] == [1, 0]


def test_an_export_is_safe_to_open_in_a_spreadsheet(sound: House) -> None:
    name = f"=HYPERLINK({uuid4().hex})"
    sound.patient(name=name)
    export = sound.post("receptionist.north", "/exports", {}).json()
    assert f",'{name}," in sound.get("receptionist.north", export["download_url"]).text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 422),
        (b'{"name": "canary-value", "tenant": "south"}', 422),
        (b'{"name": "canary-value", "birth_date": 0}', 422),
        (b'{"name": "canary-\\u0000"}', 422),
        (b'{"name": "' + b"x" * 1_000_001 + b'"}', 413),
    ],
)
def test_an_invalid_body_is_not_quoted(body: bytes, status: int, sound: House) -> None:
    headers = {"Content-Type": "application/json"}
    answer = sound.ask("receptionist.north", "POST", "/patients", content=body, headers=headers)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message"}
    assert "canary" not in answer.text


def test_a_body_of_another_type_is_refused(sound: House) -> None:
    answer = sound.ask("receptionist.north", "POST", "/patients", data={"name": "x"})
    assert answer.status_code == 415


def test_a_fault_tells_nothing(sound: House) -> None:
    operation = sound.hospital.operations["read_facility"]

    def broken(_: object) -> None:
        raise RuntimeError("secret")

    from dataclasses import replace

    from starlette.testclient import TestClient

    from fixtures.hospital.app import create_app

    hospital = replace(
        sound.hospital,
        operations={**sound.hospital.operations, operation.id: replace(operation, run=broken)},
    )
    client = TestClient(create_app(hospital), raise_server_exceptions=False)
    token = sound.token("nurse.north")
    answer = client.get("/facility", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "secret" not in answer.text


def test_every_answer_may_not_be_kept_and_has_its_own_number(sound: House) -> None:
    answers = [
        sound.get(None, "/health"),
        sound.get("nurse.north", "/me"),
        sound.get("nurse.north", f"/patients/{uuid4()}"),
        sound.get(None, "/no-such-path"),
        sound.ask(None, "DELETE", "/patients"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 404, 404, 405]
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)
    assert answers[-1].headers["allow"] == "GET, POST"
