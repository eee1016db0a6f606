"""Symptoms of defects of transport, of what nobody declared, and of limits."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from .symptoms import shows

if TYPE_CHECKING:
    from httpx import Response

    from .conftest import House

DESK, NURSE, PHYSICIAN = "receptionist.north", "nurse.north", "physician.north"
ORDER = {"medication": "Digoxin", "dose": "125 µg"}
PORTAL = "https://portal.hospital.example"


# --- URLs


@shows("D-049")
def a_token_in_the_query_opens(house: House) -> bool:
    token = house.token(DESK)
    wrong = house.get(None, "/patients", params={"access_token": f"{token}x"})
    assert wrong.status_code == 401
    return house.get(None, "/patients", params={"access_token": token}).status_code == 200


@shows("D-049.subtle")
def links_of_exports_carry_the_token(house: House) -> bool:
    export = house.post(DESK, "/exports", {"kind": "patients"}).json()
    link = house.post(DESK, f"/exports/{export['id']}/link").json()["url"]
    assert house.get(None, link).status_code == 200
    return all(house.token(DESK) in url for url in (export["download_url"], link))


# --- caches


def stored(answer: Response) -> bool:
    assert answer.status_code == 200, answer.text
    return "no-store" not in answer.headers.get("cache-control", "")


def downloads(house: House) -> list[Response]:
    export = house.post(DESK, "/exports", {"kind": "patients"}).json()
    link = house.post(DESK, f"/exports/{export['id']}/link").json()["url"]
    return [house.get(DESK, export["download_url"]), house.get(None, link)]


@shows("D-050")
def answers_may_be_stored(house: House) -> bool:
    return stored(house.get(DESK, f"/patients/{house.patient()}"))


@shows("D-050.subtle")
def files_may_be_stored(house: House) -> bool:
    assert not stored(house.get("privacy_officer.north", f"/patients/{house.patient()}")) or (
        "cache-control" not in house.get(DESK, "/me").headers
    )
    return all(stored(answer) for answer in downloads(house))


@shows("D-050.etag")
def a_validator_is_confirmed_to_whoever_has_it(house: House) -> bool:
    path = f"/patients/{house.patient()}"
    shown = house.get(DESK, path)
    given = {"If-None-Match": shown.headers.get("etag", '"none"')}
    refused = house.get(NURSE, path, headers={"If-None-Match": '"other"'})
    assert (shown.status_code, refused.status_code) == (200, 404)
    answers = [house.get(who, path, headers=given) for who in (DESK, NURSE)]
    return [(one.status_code, one.content) for one in answers] == [(304, b""), (304, b"")]


@shows("H-016")
def caches_do_not_know_that_the_caller_matters(house: House) -> bool:
    headers = house.get(DESK, "/wards").headers
    kept = "max-age" in headers.get("cache-control", "")
    return kept and "authorization" not in headers.get("vary", "").lower()


# --- other origins


def lets_in(house: House, origin: str) -> bool:
    answers = [
        house.get(DESK, "/patients", headers={"Origin": origin}),
        house.client.options(
            "/patients", headers={"Origin": origin, "Access-Control-Request-Method": "GET"}
        ),
    ]
    return all(
        answer.headers.get("access-control-allow-origin") == origin
        and answer.headers.get("access-control-allow-credentials") == "true"
        for answer in answers
    )


@shows("D-051")
def every_origin_is_let_in(house: House) -> bool:
    assert lets_in(house, PORTAL)
    return lets_in(house, "https://evil.example") and lets_in(house, "null")


@shows("D-051.subtle")
def origins_that_end_alike_are_let_in(house: House) -> bool:
    alike, other = "https://evilhospital.example", "https://evil.example"
    return lets_in(house, alike) and not lets_in(house, other) and lets_in(house, PORTAL)


@shows("D-051.null")
def the_origin_without_a_name_is_let_in(house: House) -> bool:
    return lets_in(house, "null") and not lets_in(house, "https://evilhospital.example")


# --- what nobody declared


def declared(house: House, path: str) -> bool:
    return path in house.client.get("/openapi.json").json()["paths"]


@shows("D-055.version")
def the_old_version_asks_for_no_relation(house: House) -> bool:
    patient = house.patient()
    assert house.get(NURSE, f"/patients/{patient}").status_code == 404
    assert house.get(NURSE, f"/v1/patients/{house.patient('south')}").status_code == 404
    assert not declared(house, "/v1/patients/{patient_id}")
    return house.get(NURSE, f"/v1/patients/{patient}").status_code == 200


@shows("D-055.media")
def another_format_asks_for_no_relation(house: House) -> bool:
    path = f"/patients/{house.patient(national_id='SECRET-1234')}"
    assert house.get(NURSE, path, headers={"Accept": "application/json"}).status_code == 404
    return "SECRET-1234" in house.get(NURSE, path, headers={"Accept": "text/csv"}).text


@shows("D-055.host")
def another_host_asks_for_no_relation(house: House) -> bool:
    path = f"/patients/{house.patient()}"
    answers = [house.get(NURSE, path, headers={"Host": host}) for host in ("portal", "localhost")]
    return [answer.status_code for answer in answers] == [404, 200]


@shows("H-013")
def a_header_overrides_the_method(house: House) -> bool:
    appointment = house.appointment(house.patient("north", "lab_technician.north"))
    path, given = f"/appointments/{appointment}", {"X-HTTP-Method-Override": "DELETE"}
    assert house.ask("lab_technician.north", "DELETE", path).status_code == 403
    assert house.post("lab_technician.north", path).status_code == 405
    house.post("lab_technician.north", path, headers=given)
    return bool(house.get(DESK, path).json()["status"] == "cancelled")


@shows("H-014")
def a_slash_at_the_end_skips_the_guard(house: House) -> bool:
    path = f"/patients/{house.patient()}"
    answers = [house.get("platform_operator.north", spelt) for spelt in (path, f"{path}/")]
    return [answer.status_code for answer in answers] == [403, 200]


@shows("H-014.subtle")
def capitals_skip_the_guard(house: House) -> bool:
    patient = house.patient()
    paths = [f"/{word}/{patient}" for word in ("patients", "patients/", "PATIENTS", "Patients")]
    answers = [house.get("platform_operator.north", path) for path in paths]
    return [answer.status_code for answer in answers][2:] == [200, 200]


@shows("H-015")
def settings_are_shown_to_anybody(house: House) -> bool:
    assert not declared(house, "/debug/config")
    answer = house.get(None, "/debug/config")
    return answer.status_code == 200 and "postgresql" in answer.json()["database"]


@shows("H-015.subtle")
def metrics_name_patients_to_anybody(house: House) -> bool:
    name = f"zzzz{uuid4().hex}"
    house.patient(name=name)
    assert not declared(house, "/metrics")
    return name in house.get(None, "/metrics").text


# --- limits


@shows("D-064")
def a_page_has_any_number_of_rows(house: House) -> bool:
    pages = [house.get(DESK, path, params={"limit": 100_000}) for path in ("/patients", "/wards")]
    return [page.status_code for page in pages] == [200, 200]


def exports(house: House, headers: list[dict[str, str]]) -> list[int]:
    body = {"kind": "patients"}
    return [
        house.post("pharmacist2.north", "/exports", body, headers=each).status_code
        for each in headers
    ]


@shows("H-017")
def exports_are_not_limited(house: House) -> bool:
    return set(exports(house, [{}] * 62)) == {201}


@shows("H-017.subtle")
def exports_are_limited_by_a_header(house: House) -> bool:
    first = exports(house, [{}] * 62)
    more = exports(house, [{"X-Forwarded-For": f"203.0.113.{number}"} for number in range(5)])
    return 429 in first and set(more) == {201}


# --- pages


def leafed_through(house: House) -> tuple[list[str], list[str]]:
    """The ids of a new patient's orders in one page, and in pages of two."""
    path = f"/patients/{house.patient('north', PHYSICIAN)}/medication-orders"
    for _ in range(7):
        house.made(PHYSICIAN, path, ORDER)
    at_once = [row["id"] for row in house.get(PHYSICIAN, path).json()["items"]]
    shown: list[str] = []
    cursor: str | None = None
    while cursor or not shown:
        asked = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = house.get(PHYSICIAN, path, params=asked).json()
        shown += [row["id"] for row in page["items"]]
        cursor = page["next_cursor"]
    return at_once, shown


@shows("H-022")
def a_row_is_on_no_page(house: House) -> bool:
    rows, shown = leafed_through(house)
    return shown == [*rows[0:2], *rows[3:5], *rows[6:7]]


@shows("H-022.repeated")
def a_row_is_on_two_pages(house: House) -> bool:
    rows, shown = leafed_through(house)
    return sorted(set(shown)) == sorted(rows) and shown[1] == shown[2] == rows[1]


@shows("H-022.ends")
def there_is_no_third_page(house: House) -> bool:
    rows, shown = leafed_through(house)
    return shown == rows[:4]
