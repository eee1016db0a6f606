"""Test mode: the clock is set for application and database alike, and only there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import House

PINNED = "2026-02-28T18:00:00+00:00"
SECOND = timedelta(seconds=20)


@pytest.fixture(autouse=True)
def real_time(timed: House) -> Iterator[None]:
    yield
    timed.ask(None, "DELETE", "/test/clock")


def near(shown: str, expected: str) -> bool:
    return abs(datetime.fromisoformat(shown) - datetime.fromisoformat(expected)) < SECOND


def test_application_and_database_follow_the_clock(timed: House) -> None:
    answer = timed.ask(None, "PUT", "/test/clock", json={"now": PINNED})
    assert answer.status_code == 200, answer.text
    for reading in (answer.json(), timed.get(None, "/test/clock").json()):
        assert near(reading["application"], PINNED)
        assert near(reading["database"], PINNED)
        assert reading["tzdata"]
        assert reading["timezone_source"]


def test_a_record_is_dated_by_the_clock(timed: House) -> None:
    timed.ask(None, "PUT", "/test/clock", json={"now": PINNED})
    token = timed.login("privacy_officer.north").json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = timed.client.post("/patients", json={"name": "Dated"}, headers=headers)
    assert near(answer.json()["created_at"], PINNED)


def test_an_offset_and_its_end(timed: House) -> None:
    real = datetime.now(UTC)
    timed.ask(None, "PUT", "/test/clock", json={"offset_seconds": -86_400.5})
    shown = timed.get(None, "/test/clock").json()["application"]
    assert near(shown, (real - timedelta(days=1)).isoformat())
    timed.ask(None, "DELETE", "/test/clock")
    assert near(timed.get(None, "/test/clock").json()["database"], real.isoformat())


def test_a_header_stops_the_clock_for_one_request(timed: House) -> None:
    real = datetime.now(UTC).isoformat()
    reading = timed.get(None, "/test/clock", headers={"X-Test-Clock": PINNED}).json()
    shown = {datetime.fromisoformat(reading[clock]) for clock in ("application", "database")}
    assert shown == {datetime.fromisoformat(PINNED)}
    assert near(timed.get(None, "/test/clock").json()["database"], real)


@pytest.mark.parametrize(
    "body",
    [{}, {"now": PINNED, "offset_seconds": 1}, {"now": "tomorrow"}, {"offset_seconds": 1e12}],
)
def test_a_malformed_setting_is_refused(body: dict[str, object], timed: House) -> None:
    assert timed.ask(None, "PUT", "/test/clock", json=body).status_code == 422
    given = {"X-Test-Clock": "tomorrow"}
    assert timed.get("nurse.north", "/me", headers=given).status_code == 422


def test_a_facility_moves_to_another_zone(timed: House) -> None:
    path = "/test/facilities/south"
    moved = timed.ask(None, "PUT", path, json={"timezone": "Pacific/Kiritimati"})
    assert moved.status_code == 200
    assert timed.get("nurse.south", "/facility").json()["timezone"] == "Pacific/Kiritimati"
    assert timed.get("nurse.north", "/facility").json()["timezone"] == "Asia/Dhaka"
    for zone in ("Mars/Olympus", "../etc/passwd", "America", ""):
        assert timed.ask(None, "PUT", path, json={"timezone": zone}).status_code == 422
    unknown = timed.ask(None, "PUT", "/test/facilities/east", json={"timezone": "Asia/Dhaka"})
    assert unknown.status_code == 404
    timed.ask(None, "PUT", path, json={"timezone": "America/St_Johns"})


def test_a_clock_that_was_set_back_locks_nobody_out(timed: House) -> None:
    timed.ask(None, "PUT", "/test/clock", json={"now": "2028-02-28T12:00:00Z"})
    for _ in range(6):
        timed.login("pharmacist.west", "wrong")
    assert timed.login("pharmacist.west").status_code == 429
    timed.ask(None, "PUT", "/test/clock", json={"now": "2026-02-28T12:00:00Z"})
    assert timed.login("pharmacist.west").status_code == 200


def test_outside_of_test_mode_there_is_nothing_of_it(sound: House) -> None:
    missing = sound.get(None, "/no-such-path")
    for method, path in (
        ("GET", "/test/clock"),
        ("PUT", "/test/clock"),
        ("DELETE", "/test/clock"),
        ("PUT", "/test/facilities/north"),
    ):
        answer = sound.ask(None, method, path, json={"now": PINNED})
        assert (answer.status_code, answer.json()) == (404, missing.json())
    given = {"X-Test-Clock": PINNED}
    made = sound.post("privacy_officer.north", "/patients", {"name": "Real"}, headers=given)
    assert not near(made.json()["created_at"], PINNED)


def test_the_document_does_not_mention_it(timed: House, sound: House) -> None:
    paths = [set(house.get(None, "/openapi.json").json()["paths"]) for house in (timed, sound)]
    assert paths[0] == paths[1]
    assert not any("test" in path.split("/") for path in paths[0])
