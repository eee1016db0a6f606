"""Symptoms of defects of days, clock changes, ages and sessions, at instants that show them."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .pinned import Pinned, pinned
from .symptoms import shows

if TYPE_CHECKING:
    from .conftest import House

DHAKA, KATHMANDU, ST_JOHNS = "Asia/Dhaka", "Asia/Kathmandu", "America/St_Johns"
NEW_YORK, LONDON, SANTIAGO = "America/New_York", "Europe/London", "America/Santiago"

# Half past midnight in the east: still the day before in UTC.
EAST = (DHAKA, "2026-02-01T00:30", 0)


def now(house: House) -> datetime:
    return datetime.fromisoformat(house.get(None, "/test/clock").json()["application"])


def billed_on(house: House, zone: str, local: str, fold: int = 0) -> str:
    with pinned(house, zone, local, fold) as here:
        return str(here.bill()["business_date"])


# --- another zone everywhere: the bill has another date


def wrong_at(key: str, zone: str, local: str, fold: int = 0) -> None:
    """Register that the bills of one instant are of the wrong day, and agree with the reports."""

    def symptom(house: House) -> bool:
        with pinned(house, zone, local, fold) as here:
            bill = here.bill()
            day = bill["business_date"]
            assert bill["id"] in here.reported(day, "bills")
            assert here.exported("bills", bill["id"])["billed_on"] == day
            return bool(day != local[:10])

    shows(key, timed=True)(symptom)


for _key, _zone, _local, _fold in (
    ("D-035", *EAST),
    ("D-035.server", *EAST),
    ("D-035.server_east", DHAKA, "2026-01-31T23:30", 0),
    ("D-035.january", LONDON, "2026-07-01T00:30", 0),
    ("D-035.july", NEW_YORK, "2025-12-31T23:30", 0),
    ("D-035.hours", KATHMANDU, "2026-05-01T00:10", 0),
    ("D-035.half", KATHMANDU, "2026-05-01T00:10", 0),
    ("D-035.half_up", KATHMANDU, "2026-04-30T23:50", 0),
    ("D-035.twelve", "Pacific/Kiritimati", "2027-01-01T00:30", 0),
    ("D-035.sign", *EAST),
    ("D-035.twice", DHAKA, "2026-01-31T23:30", 0),
    ("D-035.summer", "Australia/Lord_Howe", "2026-01-31T23:45", 0),
    ("D-035.cached", SANTIAGO, "2026-04-04T23:30", 1),
    ("D-035.stale", "Asia/Almaty", "2026-06-30T23:30", 0),
):
    wrong_at(_key, _zone, _local, _fold)


# --- UTC in one place: the places differ


def places(here: Pinned) -> dict[str, bool]:
    """Tell of each place whether it has what happens now on today's date."""
    day = now(here.house).astimezone(here.zone).date().isoformat()
    bill, admission = here.bill(), here.admission()
    at = now(here.house).isoformat()
    appointment = here.appointment(starts_at=at).json()["id"]
    return {
        "report": bill["id"] in here.reported(day, "bills"),
        "bill": bill["business_date"] == day and bill["period"] == day[:7],
        "stay": here.bed_days(admission) == [day],
        "export": here.exported("bills", bill["id"])["billed_on"] == day,
        "census": admission in here.census(day),
        "list": appointment in here.listed(date=day),
    }


def wrong_in(place: str) -> None:
    """Register that one place alone has what happens now on another day."""

    def symptom(house: House) -> bool:
        with pinned(house, *EAST) as here:
            return [name for name, right in places(here).items() if not right] == [place]

    shows(f"D-035.{place}", timed=True)(symptom)


for _place in ("report", "bill", "stay", "export", "list"):
    wrong_in(_place)


@shows("D-035.census", timed=True)
def the_census_is_taken_at_midnight_in_utc(house: House) -> bool:
    with pinned(house, *EAST) as here:
        admission = here.admission()
        here.at("2026-02-02T12:00")
        return [admission in here.census(f"2026-0{day}") for day in ("1-31", "2-01")] == [
            True,
            True,
        ]


# --- where a day ends


def days_of(here: Pinned, at: str, *days: str) -> list[bool]:
    appointment = here.appointment(starts_at=at).json()["id"]
    listed = [appointment in here.listed(date=day) for day in days]
    assert listed == [appointment in here.reported(day, "appointments") for day in days]
    return listed


@shows("D-035.seconds", timed=True)
def the_last_half_second_is_on_no_day(house: House) -> bool:
    with pinned(house, *EAST) as here:
        at = "2026-01-31T17:59:59.500000Z"
        return days_of(here, at, "2026-01-31", "2026-02-01") == [False, False]


@shows("D-035.inclusive", timed=True)
def midnight_is_on_two_days(house: House) -> bool:
    with pinned(house, *EAST) as here:
        return days_of(here, "2026-02-28T18:00:00Z", "2026-02-28", "2026-03-01") == [True, True]


@shows("D-036", timed=True)
def a_day_has_24_hours(house: House) -> bool:
    with pinned(house, NEW_YORK, "2026-05-01T12:00") as here:
        long = days_of(here, "2026-11-02T04:30:00Z", "2026-11-01", "2026-11-02")
        short = days_of(here, "2026-03-09T04:30:00Z", "2026-03-08", "2026-03-09")
        return (long, short) == ([False, False], [True, True])


@shows("D-036.midnight", timed=True)
def the_eve_of_a_day_without_midnight_ends_early(house: House) -> bool:
    with pinned(house, SANTIAGO, "2026-05-01T12:00") as here:
        return days_of(here, "2026-09-06T03:30:00Z", "2026-09-05", "2026-09-06") == [False, True]


# --- stays


def counted(house: House, since: str, until: str) -> list[str]:
    with pinned(house, NEW_YORK, since) as here:
        admission = here.admission()
        here.at(until)
        here.discharge(admission)
        days = here.bed_days(admission)
        lines = here.post("billing_clerk", f"/admissions/{admission}/bill")["lines"]
        assert [line["date"] for line in lines] == days
        return days


@shows("D-036.stay", timed=True)
def a_long_day_is_billed_twice_and_a_short_one_not(house: House) -> bool:
    long = counted(house, "2026-11-01T00:30", "2026-11-02T12:00")
    short = counted(house, "2026-03-07T23:30", "2026-03-09T12:00")
    return (long, short) == (["2026-11-01"] * 2, ["2026-03-07"]) or (
        len(long) == 2 and "2026-03-08" not in short
    )


# --- yesterday and tomorrow


def relative(house: House, which: str, zone: str, local: str, at: str) -> bool:
    """Tell whether the list of a relative day has an appointment at `at`."""
    with pinned(house, zone, local) as here:
        appointment = here.appointment(starts_at=at).json()["id"]
        return appointment in here.listed(relative=which)


@shows("D-036.tomorrow", timed=True)
def tomorrow_is_the_day_after(house: House) -> bool:
    return not relative(
        house, "tomorrow", NEW_YORK, "2026-03-07T23:30", "2026-03-08T12:00:00-04:00"
    )


@shows("D-036.yesterday", timed=True)
def yesterday_is_the_day_before(house: House) -> bool:
    at = "2026-03-08T12:00:00-04:00"
    return not relative(house, "yesterday", NEW_YORK, "2026-03-09T00:30", at)


@shows("D-038.table", timed=True)
def tomorrow_is_never_29_february(house: House) -> bool:
    at = "2028-02-29T12:00:00-03:30"
    return not relative(house, "tomorrow", ST_JOHNS, "2028-02-28T23:40", at)


# --- doses


@shows("D-036.hours", timed=True)
def eight_hours_are_seven_when_the_clock_changes(house: House) -> bool:
    with pinned(house, NEW_YORK, "2026-03-07T20:00") as here:
        gaps = {b - a for a, b in pairwise(here.due(every_hours=8, count=4))}
        return gaps == {timedelta(hours=8), timedelta(hours=7)}


@shows("D-036.times", timed=True)
def doses_at_eight_are_at_nine_when_the_clock_changes(house: House) -> bool:
    with pinned(house, NEW_YORK, "2026-03-07T23:30") as here:
        return {due.strftime("%H:%M") for due in here.due(at=["08:00"], days=2)} == {"09:00"}


# --- what expires


@shows("D-036.expiry", timed=True)
def an_emergency_ends_by_the_wall_clock(house: House) -> bool:
    with pinned(house, NEW_YORK, "2026-11-01T00:59") as here:
        start = now(house)
        body = {
            "patient_id": here.patient(),
            "reason": "Unconscious in the emergency room",
            "seconds": 3600,
        }
        short = ends_in(here, body, start)
    with pinned(house, NEW_YORK, "2026-11-01T01:30") as here:
        return (
            short == 60 and ends_in(here, {**body, "patient_id": here.patient()}, now(house)) > 100
        )


def ends_in(here: Pinned, body: dict[str, Any], since: datetime) -> int:
    """Return after how many minutes an emergency ends."""
    shown = here.post("nurse", "/break-glass", body)["expires_at"]
    return round((datetime.fromisoformat(shown) - since) / timedelta(minutes=1))


# --- local times


@shows("D-036.gap", timed=True)
def a_time_that_never_is_is_booked(house: House) -> bool:
    with pinned(house, NEW_YORK, "2026-03-01T12:00") as here:
        ambiguous = here.appointment(local_time="2026-11-01T01:30").status_code
        return (here.appointment(local_time="2026-03-08T02:30").status_code, ambiguous) == (
            201,
            422,
        )


@shows("D-036.fold", timed=True)
def the_second_of_two_times_cannot_be_had(house: House) -> bool:
    with pinned(house, NEW_YORK, "2026-03-01T12:00") as here:
        gap = here.appointment(local_time="2026-03-08T02:30").status_code
        answers = [
            here.appointment(local_time="2026-11-01T01:30", **fold) for fold in ({}, {"fold": 1})
        ]
        shown = {answer.json().get("starts_at") for answer in answers}
        return gap == 422 and shown == {"2026-11-01T05:30:00Z"}


def read_back(house: House, at: str) -> str:
    with pinned(house, NEW_YORK, "2026-03-01T12:00") as here:
        return str(here.appointment(starts_at=at).json()["starts_at"])


FIRST, SECOND = "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"


@shows("D-036.stored", timed=True)
def the_second_of_two_times_comes_back_as_the_first(house: House) -> bool:
    return (read_back(house, FIRST), read_back(house, SECOND)) == (FIRST, FIRST)


@shows("D-036.stored_second", timed=True)
def the_first_of_two_times_comes_back_as_the_second(house: House) -> bool:
    return (read_back(house, FIRST), read_back(house, SECOND)) == (SECOND, SECOND)


# --- dates of birth


def born(house: House, zone: str, birth: str, change: dict[str, str] | None = None) -> str:
    """Return the birth date as it comes back, after a change if there is one."""
    with pinned(house, zone, "2026-05-01T12:00") as here:
        path = f"/patients/{here.patient(birth_date=birth)}"
        if change is not None:
            here.ask("receptionist", "PATCH", path, json=change)
        return str(here.get("receptionist", path)["birth_date"])


@shows("D-037", timed=True)
def in_the_west_one_is_born_the_day_before(house: House) -> bool:
    found = [born(house, zone, "1970-04-04") for zone in (ST_JOHNS, DHAKA)]
    return found == ["1970-04-03", "1970-04-04"]


@shows("D-037.east", timed=True)
def in_the_east_one_is_born_the_day_before(house: House) -> bool:
    found = [born(house, zone, "1970-04-04") for zone in (ST_JOHNS, DHAKA)]
    return found == ["1970-04-04", "1970-04-03"]


@shows("D-037.subtle", timed=True)
def before_1970_one_is_born_the_day_before(house: House) -> bool:
    found = [born(house, ST_JOHNS, birth) for birth in ("1969-12-31", "1970-04-04")]
    return found == ["1969-12-30", "1970-04-04"]


@shows("D-037.update", timed=True)
def another_phone_number_makes_one_older(house: House) -> bool:
    kept = born(house, ST_JOHNS, "1970-04-04")
    return (kept, born(house, ST_JOHNS, "1970-04-04", {"phone": "1"})) == (
        "1970-04-04",
        "1970-04-03",
    )


# --- ages, months, years


def adult(house: House, local: str, birth: str) -> bool:
    with pinned(house, NEW_YORK, local) as here:
        return bool(
            here.get("receptionist", f"/patients/{here.patient(birth_date=birth)}")["adult"]
        )


@shows("D-038", timed=True)
def of_age_a_day_late(house: House) -> bool:
    return not adult(house, "2026-03-01T00:30", "2008-03-01")


@shows("D-038.year", timed=True)
def of_age_months_early(house: House) -> bool:
    return adult(house, "2026-02-28T23:30", "2008-03-01")


@shows("D-038.leap", timed=True)
def of_age_on_28_february(house: House) -> bool:
    assert not adult(house, "2026-02-27T23:30", "2008-02-29")
    return adult(house, "2026-02-28T23:30", "2008-02-29")


@shows("D-038.month", timed=True)
def the_31st_is_in_no_month(house: House) -> bool:
    with pinned(house, DHAKA, "2026-01-31T12:00") as here:
        bill = here.bill()["id"]
        return bill not in here.reported_in("2026-01", "bills")


def labels(house: House, zone: str, local: str) -> list[str]:
    """Return the years that a bill carries: of its date, its month and its number."""
    with pinned(house, zone, local) as here:
        bill = here.bill()
        return [bill[name][:4] for name in ("business_date", "period", "number")]


@shows("D-038.week", timed=True)
def new_year_is_in_the_year_of_its_week(house: House) -> bool:
    return labels(house, "Pacific/Kiritimati", "2027-01-01T00:30") == ["2027", "2026", "2026"]


@shows("D-038.number", timed=True)
def numbers_carry_the_year_of_utc(house: House) -> bool:
    return labels(house, ST_JOHNS, "2026-12-31T23:40") == ["2026", "2026", "2027"]


# --- sessions


def kept(house: House, headers: dict[str, str], query: dict[str, str] | None = None) -> bool:
    """Tell whether a session answers after an hour of requests with these headers."""
    with pinned(house, NEW_YORK, "2026-05-01T12:00"):
        start = now(house)
        token = house.login("nurse.south").json()["access_token"]
        given = {"Authorization": f"Bearer {token}", **headers}
        for minutes in (20, 40, 55):
            at = {"X-Test-Clock": (start + timedelta(minutes=minutes)).isoformat()}
            answer = house.client.get("/me", headers={**given, **at}, params=query)
        return bool(answer.status_code == 200)


POLL = {"X-Background": "true"}


@shows("D-019", timed=True)
def a_parameter_keeps_the_session_alive(house: House) -> bool:
    assert kept(house, {})
    return not kept(house, POLL) and kept(house, POLL, {"keepAlive": "1"})


@shows("D-019.subtle", timed=True)
def what_the_page_asks_keeps_the_session_alive(house: House) -> bool:
    return kept(house, POLL)


@shows("D-019.absolute", timed=True)
def a_session_goes_on_for_ever(house: House) -> bool:
    with pinned(house, NEW_YORK, "2026-05-01T08:00"):
        start, tokens = now(house), house.login("nurse.south").json()
        for minutes in range(20, 13 * 60, 20):
            at = {"X-Test-Clock": (start + timedelta(minutes=minutes)).isoformat()}
            body = {"refresh_token": tokens["refresh_token"]}
            answer = house.client.post("/auth/refresh", json=body, headers=at)
            if answer.status_code != 200:
                return False
            tokens = answer.json()
            given = {"Authorization": f"Bearer {tokens['access_token']}", **at}
            house.client.get("/me", headers=given)
        return True


# --- what is for tests


@shows("H-040")
def the_clock_is_set_by_anybody(house: House) -> bool:
    answer = house.ask(None, "PUT", "/test/clock", json={"offset_seconds": 5})
    if answer.status_code == 404:
        return False
    answer = house.ask(None, "DELETE", "/test/clock")
    return answer.status_code == 200


@shows("H-040.header")
def a_header_dates_the_record(house: House) -> bool:
    assert house.get(None, "/test/clock").status_code == 404
    day = {"X-Test-Clock": "2040-01-01T12:00:00Z"}
    house.ask(None, "POST", "/auth/password-reset", json={"username": "nobody"}, headers=day)
    form = {"username": "privacy_officer.north", "password": "synthetic-password-1"}
    token = house.client.post("/auth/token", data=form, headers=day).json()["access_token"]
    given = {"Authorization": f"Bearer {token}", **day}
    made = house.client.post("/patients", json={"name": "x"}, headers=given)
    return made.status_code == 201 and str(made.json()["created_at"]).startswith("2040")
