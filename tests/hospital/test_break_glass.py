"""Emergency access: one patient, for reading, for a while, on record, and reviewed by another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from .conftest import PASSWORD

if TYPE_CHECKING:
    from .conftest import House

REASON = "Unconscious in the emergency room"


@pytest.fixture
def nurse(sound: House) -> str:
    """A new nurse of the north."""
    return staff(sound, "nurse")


def staff(house: House, *roles: str) -> str:
    name = f"staff-{uuid4().hex[:10]}"
    body = {"username": name, "password": PASSWORD, "name": "New", "roles": list(roles)}
    house.made("tenant_admin.north", "/users", body)
    return name


def opened(house: House, who: str, patient: str, **more: Any) -> dict[str, Any]:
    body = {"patient_id": patient, "reason": REASON, **more}
    answer = house.post(who, "/break-glass", body)
    assert answer.status_code == 201, answer.text
    row: dict[str, Any] = answer.json()
    return row


def chart(house: House, who: str, patient: str) -> set[int]:
    paths = ("", "/timeline", "/notes", "/vitals", "/medication-orders", "/lab-orders")
    return {house.get(who, f"/patients/{patient}{path}").status_code for path in paths}


def test_it_opens_the_chart_of_one_patient_for_reading(sound: House, nurse: str) -> None:
    patient, other = sound.patient("north", "physician.north"), sound.patient()
    result = sound.lab_result("north", patient)
    assert chart(sound, nurse, patient) == {404}
    row = opened(sound, nurse, patient)
    assert set(row) == {"id", "patient_id", "expires_at"}
    assert chart(sound, nurse, patient) == {200}
    assert sound.get(nurse, f"/lab-results/{result}").status_code == 200
    batch = sound.post(nurse, "/lab-results/batch-get", {"ids": [result]}).json()
    assert batch["results"][0]["result"]["id"] == result
    assert chart(sound, nurse, other) == {404}
    assert chart(sound, "nurse2.north", patient) == {404}
    writes = [
        sound.post(nurse, f"/patients/{patient}/vitals", {"pulse": 70}),
        sound.post(nurse, f"/patients/{patient}/notes", {"text": "x"}),
        sound.ask(nurse, "PATCH", f"/patients/{patient}", json={"language": "en"}),
        sound.get(nurse, f"/patients/{patient}/documents"),
    ]
    assert {answer.status_code for answer in writes} == {404}
    assert patient not in sound.get(nurse, "/patients", params={"limit": 200}).text


def test_it_is_marked_in_the_trail(sound: House, nurse: str) -> None:
    patient = sound.patient()
    opened(sound, nurse, patient)
    mark = uuid4().hex
    result = sound.lab_result("north", patient=None)
    opened(
        sound,
        nurse,
        sound.get("lab_technician.north", f"/lab-results/{result}").json()["patient_id"],
    )

    def purposes() -> list[str]:
        headers = {"X-Correlation-Id": mark}
        sound.get(nurse, f"/patients/{patient}", headers=headers)
        sound.post(nurse, "/lab-results/batch-get", {"ids": [result]}, headers=headers)
        query = {"correlation_id": mark}
        rows = sound.get("privacy_officer.north", "/audit", params=query).json()["items"]
        assert all(row["outcome"] == "done" and len(row["patients"]) == 1 for row in rows)
        return [row["purpose"] for row in rows]

    assert purposes() == ["emergency", "emergency"]
    member = {"user_id": sound.user(nurse)}
    sound.made("receptionist.north", f"/patients/{patient}/care-team", member)
    assert purposes()[2:] == ["treatment", "emergency"]


def test_it_ends_when_its_user_ends_it(sound: House, nurse: str) -> None:
    patient = sound.patient()
    path = f"/break-glass/{opened(sound, nurse, patient)['id']}"
    assert sound.ask("physician.north", "DELETE", path).status_code == 404
    assert sound.ask(nurse, "DELETE", path).status_code == 204
    assert chart(sound, nurse, patient) == {404}
    assert sound.ask(nurse, "DELETE", path).status_code == 409


def test_it_expires(sound: House, nurse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = sound.patient()
    row = opened(sound, nurse, patient, seconds=60)
    left = datetime.fromisoformat(row["expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)
    assert chart(sound, nurse, patient) == {200}
    later = datetime.now(UTC) + timedelta(seconds=61)
    monkeypatch.setattr(sound.hospital, "now", lambda: later)
    assert chart(sound, nurse, patient) == {404}


def test_it_ends_with_the_session_that_opened_it(sound: House, nurse: str) -> None:
    patient = sound.patient()
    opened(sound, nurse, patient)
    second = {"Authorization": f"Bearer {sound.login(nurse).json()['access_token']}"}
    path = f"/patients/{patient}"
    assert sound.get(None, path, headers=second).status_code == 200
    assert sound.post(nurse, "/auth/logout").status_code == 204
    assert sound.get(None, path, headers=second).status_code == 404


def test_it_ends_with_the_role(sound: House) -> None:
    who = staff(sound, "nurse", "receptionist")
    patient = sound.patient()
    opened(sound, who, patient)
    path = f"/users/{sound.user(who)}/roles"
    for roles in (["receptionist"], ["nurse", "receptionist"]):
        sound.ask("tenant_admin.north", "PUT", path, json={"roles": roles})
    assert sound.get(who, f"/patients/{patient}/notes").status_code == 404


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "short"},
        {"reason": " " * 40},
        {"reason": None},
        {"seconds": 0},
        {"seconds": 3601},
        {"expires_at": "2030-01-01T00:00:00Z"},
    ],
)
def test_it_needs_a_reason_and_an_end(changes: Any, sound: House, nurse: str) -> None:
    body = {"patient_id": sound.patient(), "reason": REASON, **changes}
    assert sound.post(nurse, "/break-glass", body).status_code == 422


def test_it_is_for_clinicians_and_patients_of_the_facility(sound: House, nurse: str) -> None:
    for patient in (sound.patient("south"), str(uuid4()), "x"):
        body = {"patient_id": patient, "reason": REASON}
        assert sound.post(nurse, "/break-glass", body).status_code == 404
    body = {"patient_id": sound.patient(), "reason": REASON}
    for role in ("receptionist", "pharmacist", "billing_clerk", "tenant_admin", "patient"):
        assert sound.post(f"{role}.north", "/break-glass", body).status_code == 403


def listed(house: House, who: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    query: dict[str, Any] = {"limit": 200}
    while True:
        page = house.get(who, "/break-glass", params=query).json()
        found |= {row["id"]: row for row in page["items"]}
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


def test_the_privacy_officer_reviews_what_others_opened(sound: House, nurse: str) -> None:
    row = opened(sound, nurse, sound.patient())
    officer = "privacy_officer.north"
    shown = listed(sound, officer)[row["id"]]
    assert (shown["user"], shown["reason_given"], shown["review"]) == (nurse, True, "pending")
    assert REASON not in str(shown)
    assert set(listed(sound, nurse)) == {row["id"]}
    assert row["id"] not in listed(sound, "privacy_officer.south")
    path = f"/break-glass/{row['id']}/review"
    assert sound.post(nurse, path, {"finding": "fine"}).status_code == 403
    assert sound.post("privacy_officer.south", path, {"finding": "fine"}).status_code == 404
    assert sound.post(officer, path, {"finding": "fine"}).json()["review"] == "done"
    assert sound.post(officer, path, {"finding": "fine"}).status_code == 409


def test_nobody_reviews_their_own(sound: House) -> None:
    who = staff(sound, "nurse", "privacy_officer")
    path = f"/break-glass/{opened(sound, who, sound.patient())['id']}/review"
    answer = sound.post(who, path, {"finding": "fine"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "same_person")
