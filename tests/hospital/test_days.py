"""The facility's own days: the same event is on the same day wherever it shows."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from httpx import Response

from fixtures.hospital import days

from .pinned import Pinned, pinned

if TYPE_CHECKING:
    from .conftest import House

NEW_YORK, SANTIAGO, APIA = "America/New_York", "America/Santiago", "Pacific/Apia"

PINS = [  # zone, local time, fold, local date, month
    ("Asia/Dhaka", "2026-01-31T23:30:00", 0, "2026-01-31"),
    ("Asia/Dhaka", "2026-02-01T00:30:00", 0, "2026-02-01"),
    ("Asia/Kathmandu", "2026-05-01T00:10:00", 0, "2026-05-01"),
    ("Pacific/Kiritimati", "2027-01-01T00:30:00", 0, "2027-01-01"),
    ("America/St_Johns", "2026-12-31T23:40:00", 0, "2026-12-31"),
    (NEW_YORK, "2026-03-09T00:30:00", 0, "2026-03-09"),
    (NEW_YORK, "2026-11-01T23:30:00", 0, "2026-11-01"),
    ("Australia/Lord_Howe", "2026-04-05T23:45:00", 0, "2026-04-05"),
    (SANTIAGO, "2026-04-04T23:30:00", 1, "2026-04-04"),
    ("Asia/Almaty", "2026-06-30T23:30:00", 0, "2026-06-30"),
]


def other_days(day: str) -> list[str]:
    given = date.fromisoformat(day)
    return [(given + timedelta(days=n)).isoformat() for n in (-1, 1)]


@pytest.mark.parametrize(("zone", "local", "fold", "day"), PINS)
def test_one_event_has_one_day(zone: str, local: str, fold: int, day: str, timed: House) -> None:
    with pinned(timed, zone, local, fold) as here:
        bill, admission = here.bill(), here.admission()
        appointment = here.appointment(starts_at=datetime.now(UTC).isoformat()).json()["id"]
        now = timed.get(None, "/test/clock").json()["application"]
        here.ask("receptionist", "PATCH", f"/appointments/{appointment}", json={"starts_at": now})
        assert (bill["business_date"], bill["period"]) == (day, day[:7])
        assert bill["number"].startswith(day[:4])
        assert here.exported("bills", bill["id"])["billed_on"] == day
        assert here.exported("admissions", admission)["admitted_on"] == day
        assert here.bed_days(admission) == [day]
        assert here.get("receptionist", "/reports/daily")["date"] == day
        assert here.get("receptionist", "/reports/monthly")["month"] == day[:7]
        for other in (day, *other_days(day)):
            assert (bill["id"] in here.reported(other, "bills")) == (other == day)
            assert (admission in here.reported(other, "admissions")) == (other == day)
            assert (admission in here.census(other)) == (other == day)
            assert (appointment in here.listed(date=other)) == (other == day)
            assert (bill["id"] in here.reported_in(other[:7], "bills")) == (other[:7] == day[:7])
        assert appointment in here.listed(relative="today")
        assert appointment not in here.listed(relative="tomorrow")
        assert appointment not in here.listed(relative="yesterday")


STAYS = [  # zone, from, to, days
    (NEW_YORK, "2026-03-07T23:30", "2026-03-09T00:30", ["2026-03-07", "2026-03-08"]),
    (NEW_YORK, "2026-10-31T23:30", "2026-11-02T00:30", ["2026-10-31", "2026-11-01"]),
    (NEW_YORK, "2026-05-01T00:05", "2026-05-01T23:55", ["2026-05-01"]),
    (NEW_YORK, "2026-05-01T23:55", "2026-05-02T00:05", ["2026-05-01"]),
    (SANTIAGO, "2026-09-05T23:30", "2026-09-06T01:30", ["2026-09-05"]),
    (APIA, "2011-12-29T23:00", "2011-12-31T01:00", ["2011-12-29"]),
]


@pytest.mark.parametrize(("zone", "since", "until", "expected"), STAYS)
def test_a_stay_counts_for_the_nights(
    zone: str, since: str, until: str, expected: list[str], timed: House
) -> None:
    with pinned(timed, zone, since) as here:
        admission = here.admission()
        here.at(until)
        assert here.bed_days(admission) == expected
        here.discharge(admission)
        bill = here.post("billing_clerk", f"/admissions/{admission}/bill")
        assert [line["date"] for line in bill["lines"]] == expected
        assert bill["amount_cents"] == sum(line["amount_cents"] for line in bill["lines"])
        assert bill["business_date"] == until[:10]
        again = here.ask("billing_clerk", "POST", f"/admissions/{admission}/bill")
        assert (again.status_code, again.json()["error"]["code"]) == (409, "already_billed")


def test_a_stay_that_lasts_or_never_was(timed: House) -> None:
    with pinned(timed, NEW_YORK, "2026-05-01T12:00") as here:
        lasting, never = here.admission(), here.admission()
        early = here.ask("billing_clerk", "POST", f"/admissions/{lasting}/bill")
        assert (early.status_code, early.json()["error"]["code"]) == (409, "not_discharged")
        here.post("receptionist", f"/admissions/{never}/cancel")
        assert here.bed_days(never) == []
        here.at("2026-05-03T00:00:01")
        assert here.bed_days(lasting) == ["2026-05-01", "2026-05-02"]
        assert here.ask("billing_clerk", "POST", f"/admissions/{never}/bill").status_code == 409


def test_the_census_is_taken_at_midnight(timed: House) -> None:
    with pinned(timed, SANTIAGO, "2026-09-05T23:30") as here:
        admission = here.admission()
        here.at("2026-09-06T22:00")
        here.discharge(admission)
        counted = [admission in here.census(f"2026-09-0{day}") for day in (4, 5, 6, 7)]
        assert counted == [False, True, False, False]
        before = here.get("receptionist", "/reports/census", date="2026-09-05")
        assert before["at"] == "2026-09-06T04:00:00Z"


def test_the_census_knows_who_was_moved_when(timed: House) -> None:
    def occupied(day: str) -> list[int]:
        wards = here.get("receptionist", "/reports/census", date=day)["wards"]
        return [each["occupied"] for each in wards if each["ward_id"] in (first, second)]

    with pinned(timed, NEW_YORK, "2026-06-01T23:00") as here:
        wards = [
            here.post("tenant_admin", "/wards", {"code": name, "name": name})["id"]
            for name in ("A-CENSUS", "B-CENSUS")
        ]
        first, second = wards
        beds = [
            here.post("tenant_admin", f"/wards/{ward}/beds", {"label": "1"})["id"] for ward in wards
        ]
        body = {"patient_id": here.patient(), "bed_id": beds[0]}
        admission = here.post("receptionist", "/admissions", body)["id"]
        assert occupied("2026-06-01") == [1, 0]
        here.at("2026-06-02T00:10")
        here.post("receptionist", f"/admissions/{admission}/transfer", {"bed_id": beds[1]})
        assert (occupied("2026-06-01"), occupied("2026-06-02")) == ([1, 0], [0, 1])
        here.at("2026-06-03T00:10")
        here.discharge(admission)
        assert (occupied("2026-06-02"), occupied("2026-06-03")) == ([0, 1], [0, 0])


def test_the_first_and_the_last_half_second(timed: House) -> None:
    with pinned(timed, "Asia/Dhaka", "2026-01-31T23:59:59.5") as here:
        # The clock runs on from what is set, so both instants are given to an appointment.
        last, first = (
            here.appointment(starts_at=f"2026-01-31T{at}Z").json()["id"]
            for at in ("17:59:59.500000", "18:00:00")
        )
        both = {last, first}
        assert both & set(here.listed(date="2026-01-31")) == {last}
        assert both & set(here.listed(date="2026-02-01")) == {first}
        assert both & set(here.reported("2026-01-31", "appointments")) == {last}


def test_local_times_that_are_none_or_two(timed: House) -> None:
    with pinned(timed, NEW_YORK, "2026-03-01T12:00") as here:
        gap = here.appointment(local_time="2026-03-08T02:30")
        assert (gap.status_code, gap.json()["error"]["code"]) == (422, "no_such_local_time")
        twice = here.appointment(local_time="2026-11-01T01:30")
        assert (twice.status_code, twice.json()["error"]["code"]) == (422, "ambiguous_local_time")
        shown = [
            here.appointment(local_time="2026-11-01T01:30", fold=fold).json()["starts_at"]
            for fold in (0, 1)
        ]
        assert shown == ["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"]
        plain = here.appointment(local_time="2026-06-01T09:00").json()["starts_at"]
        assert plain == "2026-06-01T13:00:00Z"
        for body in (
            {},
            {"local_time": "2026-06-01T09:00", "starts_at": "2026-06-01T09:00:00Z"},
            {"starts_at": "2026-06-01T09:00:00Z", "fold": 1},
            {"local_time": "2026-06-01T09:00Z"},
            {"local_time": "2026-06-31T09:00"},
        ):
            assert here.appointment(**body).status_code == 422


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-07", 23), ("2026-10-31", 25), ("2026-06-01", 24)]
)
def test_doses_by_hours_and_by_the_clock(day: str, hours: int, timed: House) -> None:
    with pinned(timed, NEW_YORK, f"{day}T20:00") as here:
        elapsed = here.due(every_hours=8, count=4)
        assert {b - a for a, b in pairwise(elapsed)} == {timedelta(hours=8)}
        daily = here.due(at=["20:00"], days=2, starts_at=f"{day}T20:00:00-04:00")
        if day == "2026-03-07":  # 20:00-04:00 lies an hour before the wall clock's 20:00
            assert daily[0].isoformat() == "2026-03-07T20:00:00-05:00"
        assert daily[1] - daily[0] == timedelta(hours=hours)
        assert {each.time() for each in daily} == {time(20)}


def test_a_dose_at_a_time_that_is_none_or_two(timed: House) -> None:
    with pinned(timed, NEW_YORK, "2026-03-07T12:00") as here:
        due = [each.isoformat() for each in here.due(at=["02:30"], days=2)]
        assert due == ["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"]
        here.at("2026-10-31T12:00")
        due = [each.isoformat() for each in here.due(at=["01:30"], days=2)]
        assert due == ["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"]


def test_an_order_has_one_schedule(timed: House) -> None:
    with pinned(timed, NEW_YORK, "2026-05-01T12:00") as here:
        order = here.order()
        path = f"/medication-orders/{order}/schedule"
        assert here.get("physician", path)["due"] == []
        made = here.post("physician", path, {"every_hours": 6, "count": 2})
        assert here.get("physician", path) == made
        again = here.ask("physician", "POST", path, json={"every_hours": 6, "count": 2})
        assert (again.status_code, again.json()["error"]["code"]) == (409, "already_scheduled")
        for body in ({}, {"every_hours": 6}, {"every_hours": 6, "count": 2, "days": 1}):
            assert here.ask("physician", "POST", path, json=body).status_code == 422


@pytest.mark.parametrize(
    ("local", "birth", "age"),
    [
        ("2026-02-28T23:30", "2008-02-29", 17),
        ("2026-03-01T00:10", "2008-02-29", 18),
        ("2028-02-28T23:30", "2010-02-28", 18),
        ("2028-02-29T00:10", "2010-03-01", 17),
        ("2026-05-01T00:10", "2008-05-01", 18),
        ("2026-04-30T23:50", "2008-05-01", 17),
    ],
)
def test_age_follows_the_local_date(local: str, birth: str, age: int, timed: House) -> None:
    with pinned(timed, NEW_YORK, local) as here:
        shown = here.get("receptionist", f"/patients/{here.patient(birth_date=birth)}")
        assert (shown["age_years"], shown["adult"]) == (age, age >= 18)
        unknown = here.get("receptionist", f"/patients/{here.patient()}")
        assert (unknown["age_years"], unknown["adult"]) == (None, None)


@pytest.mark.parametrize("birth", ["1970-04-04", "1909-02-28", "2008-02-29", "1919-03-30"])
def test_a_birth_date_stays_as_it_was_given(birth: str, timed: House) -> None:
    for zone in ("Pacific/Pago_Pago", "Pacific/Kiritimati"):
        with pinned(timed, zone, "2026-05-01T12:00") as here:
            patient = here.patient(birth_date=birth)
            changed = here.ask("receptionist", "PATCH", f"/patients/{patient}", json={"phone": "1"})
            assert changed.json()["birth_date"] == birth
            assert here.get("receptionist", f"/patients/{patient}")["birth_date"] == birth


@pytest.mark.parametrize(
    ("zone", "local", "fold"),
    [(NEW_YORK, "2026-03-07T23:30", 0), ("Europe/London", "2026-10-25T01:30", 0)],
)
def test_what_expires_does_so_after_elapsed_time(
    zone: str, local: str, fold: int, timed: House
) -> None:
    with pinned(timed, zone, local, fold) as here:
        now = datetime.fromisoformat(timed.get(None, "/test/clock").json()["application"])
        patient = here.patient()
        reason = "Unconscious in the emergency room"
        body = {"patient_id": patient, "reason": reason, "seconds": 3600}
        access = here.post("nurse", "/break-glass", body)
        login = timed.login("receptionist.south").json()
        for shown in (access["expires_at"], login["expires_at"]):
            off = datetime.fromisoformat(shown) - now - timedelta(hours=1)
            assert abs(off) < timedelta(seconds=20)
        for minutes, status in ((59, 200), (61, 404)):
            here.set(now + timedelta(minutes=minutes))
            assert here.ask("nurse", "GET", f"/patients/{patient}").status_code == status


# --- sessions


def answers(here: Pinned, at: datetime, headers: dict[str, str]) -> int:
    given = {**headers, "X-Test-Clock": at.isoformat()}
    answer: Response = here.house.client.get("/me", headers=given)
    return answer.status_code


@pytest.mark.parametrize("browser", [False, True])
def test_a_session_that_nobody_uses_ends(browser: bool, timed: House) -> None:
    with pinned(timed, NEW_YORK, "2026-03-08T01:50") as here:
        start = datetime.fromisoformat(timed.get(None, "/test/clock").json()["application"])
        if browser:
            headers = timed.browser("nurse.south")
        else:
            token = timed.login("nurse.south").json()["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
        minute = timedelta(minutes=1)
        assert answers(here, start + 25 * minute, headers) == 200
        assert answers(here, start + 50 * minute, headers) == 200
        poll = {**headers, "X-Background": "true"}
        assert answers(here, start + 59 * minute, poll) == 200
        assert answers(here, start + 81 * minute, headers) == 401
        assert answers(here, start + 81 * minute, poll) == 401


def test_a_session_ends_after_half_a_day_whatever_it_does(timed: House) -> None:
    with pinned(timed, NEW_YORK, "2026-03-07T20:00") as here:
        start = datetime.fromisoformat(timed.get(None, "/test/clock").json()["application"])
        headers = timed.browser("nurse.south")
        twenty = timedelta(minutes=20)
        statuses = [answers(here, start + twenty * n, headers) for n in range(1, 38)]
        assert statuses == [200] * 36 + [401]


def test_a_refresh_is_no_use_and_does_not_revive(timed: House) -> None:
    with pinned(timed, NEW_YORK, "2026-03-07T20:00") as here:
        start = datetime.fromisoformat(timed.get(None, "/test/clock").json()["application"])
        token = timed.login("nurse.south").json()["refresh_token"]
        statuses = []
        for minutes in (20, 40):
            at = {"X-Test-Clock": (start + timedelta(minutes=minutes)).isoformat()}
            body = {"refresh_token": token}
            answer = here.house.client.post("/auth/refresh", json=body, headers=at)
            token = answer.json().get("refresh_token", "")
            statuses.append(answer.status_code)
        assert statuses == [200, 401]


# --- the functions


def utc(given: str) -> datetime:
    return datetime.fromisoformat(given).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (NEW_YORK, date(2026, 3, 8), 23),
        (NEW_YORK, date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        (SANTIAGO, date(2026, 9, 6), 23),
        ("America/Havana", date(2026, 11, 1), 25),
        (APIA, date(2011, 12, 30), 0),
        ("Asia/Dhaka", date(2026, 5, 1), 24),
    ],
)
def test_a_day_begins_where_the_last_one_ends(zone: str, day: date, hours: float) -> None:
    here = ZoneInfo(zone)
    start, end = days.day_span(day, here)
    assert end - start == timedelta(hours=hours)
    assert days.day_span(day - days.DAY, here)[1] == start
    if hours:
        assert days.local_date(start, here) == day
        assert days.local_date(end - timedelta(microseconds=1), here) == day
    assert days.local_date(start - timedelta(microseconds=1), here) < day


def test_a_month_ends_where_the_next_begins() -> None:
    here = ZoneInfo("Asia/Dhaka")
    assert days.month_span(date(2026, 2, 1), here) == (
        utc("2026-01-31T18:00"),
        utc("2026-02-28T18:00"),
    )
    assert days.month_span(date(2026, 12, 1), here)[1] == days.start(date(2027, 1, 1), here)


@pytest.mark.parametrize(
    ("local", "fold", "expected"),
    [
        ("2026-11-01T01:30", 0, utc("2026-11-01T05:30")),
        ("2026-11-01T01:30", 1, utc("2026-11-01T06:30")),
        ("2026-03-08T03:00", None, utc("2026-03-08T07:00")),
        ("2026-03-08T02:30", 0, days.NoSuchLocalTimeError),
        ("2026-03-08T02:00", None, days.NoSuchLocalTimeError),
        ("2026-11-01T01:00", None, days.AmbiguousLocalTimeError),
        ("2026-11-01T02:00", None, utc("2026-11-01T07:00")),
    ],
)
def test_a_local_time_is_one_instant_none_or_two(local: str, fold: Any, expected: Any) -> None:
    given = datetime.fromisoformat(local)
    if isinstance(expected, datetime):
        assert days.instant(given, ZoneInfo(NEW_YORK), fold) == expected
    else:
        with pytest.raises(expected):
            days.instant(given, ZoneInfo(NEW_YORK), fold)
