"""Exports and signed links: what a file shows, for how long, and while whose rights last."""

from __future__ import annotations

import base64
import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from .conftest import PASSWORD

if TYPE_CHECKING:
    from httpx import Response

    from .conftest import House


@pytest.fixture
def staff(sound: House) -> Any:
    """Return a function that makes an account of the north with roles."""

    def made(*roles: str) -> str:
        name = f"staff-{uuid4().hex[:10]}"
        body = {"username": name, "password": PASSWORD, "name": "New", "roles": list(roles)}
        sound.made("tenant_admin.north", "/users", body)
        return name

    return made


def assigned(house: House, patient: str, who: str) -> str:
    user = {"user_id": house.user(who)}
    return house.made("receptionist.north", f"/patients/{patient}/care-team", user)


def set_roles(house: House, who: str, *roles: str) -> None:
    path = f"/users/{house.user(who)}/roles"
    answer = house.ask("tenant_admin.north", "PUT", path, json={"roles": list(roles)})
    assert answer.status_code == 200, answer.text


def exported(house: House, who: str) -> str:
    return house.made(who, "/exports", {})


def linked(house: House, who: str, path: str) -> str:
    answer = house.post(who, f"{path}/link")
    assert answer.status_code == 201, answer.text
    left = datetime.fromisoformat(answer.json()["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=4) < left <= timedelta(minutes=5)
    url: str = answer.json()["url"]
    return url


def rows(answer: Response) -> dict[str, dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return {row["id"]: row for row in csv.DictReader(io.StringIO(answer.text))}


def test_a_link_opens_the_file_without_a_login(sound: House, staff: Any) -> None:
    nurse = staff("nurse")
    patient = sound.patient(name="=1+1")
    assigned(sound, patient, nurse)
    export = exported(sound, nurse)
    opened = sound.get(None, linked(sound, nurse, f"/exports/{export}"))
    own = sound.get(nurse, f"/exports/{export}/download")
    assert rows(opened).keys() == {patient}
    assert rows(opened)[patient]["name"] == "'=1+1"
    assert (opened.content, opened.headers["content-disposition"]) == (
        own.content,
        own.headers["content-disposition"],
    )


def test_files_leave_out_whom_their_maker_may_no_longer_see(sound: House, staff: Any) -> None:
    nurse = staff("nurse")
    kept, lost = sound.patient(), sound.patient()
    assigned(sound, kept, nurse)
    assignment = assigned(sound, lost, nurse)
    export = exported(sound, nurse)
    url = linked(sound, nurse, f"/exports/{export}")
    assert rows(sound.get(None, url)).keys() == {kept, lost}
    sound.ask("receptionist.north", "DELETE", f"/patients/{lost}/care-team/{assignment}")
    assert rows(sound.get(None, url)).keys() == {kept}
    assert rows(sound.get(nurse, f"/exports/{export}/download")).keys() == {kept}


def test_a_role_that_is_gone_takes_its_files_along(sound: House, staff: Any) -> None:
    who = staff("receptionist", "privacy_officer")
    sound.patient(national_id="SECRET")
    export = exported(sound, who)
    url = linked(sound, who, f"/exports/{export}")
    assert "SECRET" in sound.get(None, url).text
    set_roles(sound, who, "receptionist")
    assert sound.get(None, url).status_code == 404
    assert sound.get(who, f"/exports/{export}/download").status_code == 404
    assert sound.post(who, f"/exports/{export}/link").status_code == 404


def test_more_roles_than_lists_make_one_export(sound: House, staff: Any) -> None:
    who = staff("nurse", "patient", "receptionist")
    patient = sound.patient()
    assigned(sound, patient, who)
    export = exported(sound, who)
    assert patient in rows(sound.get(who, f"/exports/{export}/download"))


def test_a_disabled_maker_opens_nothing(sound: House, staff: Any) -> None:
    who = staff("receptionist")
    url = linked(sound, who, f"/exports/{exported(sound, who)}")
    sound.made("tenant_admin.north", f"/users/{sound.user(who)}/disable")
    assert sound.get(None, url).status_code == 404


def test_a_link_outlives_its_session_but_not_five_minutes(
    sound: House, staff: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = staff("receptionist")
    url = linked(sound, who, f"/exports/{exported(sound, who)}")
    sound.post(who, "/auth/logout")
    assert sound.get(None, url).status_code == 200
    later = datetime.now(UTC) + timedelta(minutes=5, seconds=1)
    monkeypatch.setattr(sound.hospital, "now", lambda: later)
    assert sound.get(None, url).status_code == 404


def test_a_document_link_dies_with_the_care_relation(sound: House, staff: Any) -> None:
    nurse = staff("nurse")
    patient = sound.patient()
    assignment = assigned(sound, patient, nurse)
    body = {"title": "Letter", "content": "canary"}
    path = (
        f"/patients/{patient}/documents/{sound.made(nurse, f'/patients/{patient}/documents', body)}"
    )
    url = linked(sound, nurse, path)
    answer = sound.get(None, url)
    assert (answer.text, answer.headers["content-type"]) == ("canary", "text/plain; charset=utf-8")
    assert "attachment" in answer.headers["content-disposition"]
    sound.ask("receptionist.north", "DELETE", f"/patients/{patient}/care-team/{assignment}")
    assert sound.get(None, url).status_code == 404
    assert sound.post(nurse, f"{path}/link").status_code == 404


def test_nobody_links_what_is_not_theirs(sound: House, staff: Any) -> None:
    export = exported(sound, staff("receptionist"))
    for other in ("receptionist.north", "privacy_officer.north", "receptionist.south"):
        assert sound.post(other, f"/exports/{export}/link").status_code == 404


def test_an_altered_link_opens_nothing(sound: House, staff: Any) -> None:
    who = staff("receptionist")
    url = linked(sound, who, f"/exports/{exported(sound, who)}")
    payload, _, signature = url.removeprefix("/files/").partition(".")
    said = json.loads(base64.urlsafe_b64decode(payload))
    other = {**said, "maker": sound.user("privacy_officer.north"), "record": str(uuid4())}
    later = {**said, "expires_at": said["expires_at"] + 3600}
    forged = [
        base64.urlsafe_b64encode(json.dumps(each).encode()).decode() for each in (other, later)
    ]
    tokens = [f"{each}.{signature}" for each in forged]
    tokens += [
        payload,
        f"{payload}.",
        f"{payload}.{signature[:-1]}",
        f"{payload}.{signature.upper()}",
    ]
    for token in tokens:
        assert sound.get(None, f"/files/{token}").status_code == 404
    assert sound.get(None, url).status_code == 200


def test_what_a_link_gave_out_is_on_record(sound: House, staff: Any) -> None:
    nurse = staff("nurse")
    patient = sound.patient()
    assigned(sound, patient, nurse)
    export = exported(sound, nurse)
    url = linked(sound, nurse, f"/exports/{export}")
    mark = uuid4().hex
    sound.get(None, url, headers={"X-Correlation-Id": mark})
    sound.get(None, f"{url}x", headers={"X-Correlation-Id": mark})
    query = {"correlation_id": mark}
    (row,) = sound.get("privacy_officer.north", "/audit", params=query).json()["items"]
    assert (row["actor"], row["resource"], row["action"]) == (nurse, "file", "download")
    assert (row["patients"], row["object_id"], row["outcome"]) == ([patient], export, "done")
    path = "/audit/unattributed"
    (unknown,) = sound.get("platform_operator.north", path, params=query).json()["items"]
    assert (unknown["actor"], unknown["outcome"]) == (None, "unauthenticated")


def test_exports_are_limited_for_each_account(sound: House, staff: Any) -> None:
    first, second = staff("lab_technician"), staff("lab_technician")
    statuses = [sound.post(first, "/exports", {}).status_code for _ in range(61)]
    assert statuses == [201] * 60 + [429]
    refused = sound.post(first, "/exports", {})
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert sound.post(second, "/exports", {}).status_code == 201
