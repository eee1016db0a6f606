"""Cases about days, what is judged of them, and what a target file may say."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from conformance import known
from conformance.cases import Profile, stamp
from conformance.clock import moment
from conformance.document import InvalidDocument
from conformance.model import Case, Outcome, Read, Result
from conformance.oracles.day_boundary import (
    Happening,
    Row,
    Tampering,
    on_its_day,
    refused_in_production,
)
from conformance.pins import Pin
from conformance.sources import day_boundary as source
from conformance.sources.day_boundary import pin_of
from conformance.trials.day_boundary.acting import goes_on
from conformance.trials.day_boundary.birthdays import births
from conformance.trials.day_boundary.stays import counted_days
from tests.engine.exchanges import answer, exchange
from tests.engine.exchanges import read as answered
from tests.engine.targets import TEXT, loaded, target

P03 = next(pin for pin in known.clock_pins() if pin.id == "P03")
CLOCK: dict[str, Any] = {
    "adapter": "endpoint",
    "set": {"request": "PUT /clock", "json": {"now": "{instant}"}},
    "reset": "DELETE /clock",
}
ZONE = {"zone": {"request": "PUT /zone", "json": {"zone": "{zone}"}}}
LEDGER: dict[str, Any] = {
    "event": "patient.create",
    "places": {"record": {"read": "patient.read", "value": "$.day"}},
}


def read(status: int = 200, outcome: Outcome = Outcome.ALLOWED) -> Read:
    return Read(exchange(answer(status)), outcome)


def row(observed: str = "2026-03-01", place: str = "bill", **more: Any) -> Row:
    return Row(place, "day.label", "2026-03-01", observed, (read(),), **more)


def happened(*rows: Row, **more: Any) -> Happening:
    case = next(
        source.days(target(clock={**CLOCK, **ZONE}, ledgers={"bill": LEDGER}), Profile.GATE)
    )
    more.setdefault("events", (read(201),))
    return Happening(case, P03, "header", "a bill is made", rows=rows, **more)


# --- what is judged ---------------------------------------------------------------------------


def test_right_everywhere_is_a_pass_that_shows_what_it_looked_at() -> None:
    verdict = on_its_day(happened(row(), said={"application": "2026-02-28T18:00:00Z"}))
    assert verdict.result is Result.PASS
    assert verdict.detail is not None
    assert verdict.detail["rows"] == [
        {"place": "bill", "expected": "2026-03-01", "observed": "2026-03-01", "ok": True}
    ]
    assert verdict.detail["read_back"] == {"application": "2026-02-28T18:00:00Z"}
    assert verdict.detail["local"] == "2026-03-01T00:00:00"
    assert verdict.detail["tzdata"]


def test_another_day_in_one_place_is_a_failure_by_its_rule() -> None:
    verdict = on_its_day(happened(row(), row("2026-02-28", "export")))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "day.label")
    assert "export shows 2026-02-28, not 2026-03-01" in verdict.reason


def test_a_place_that_is_wrong_at_an_ordinary_hour_too_is_set_aside() -> None:
    usual = (row(), row("2026-02-28", "export"))
    verdict = on_its_day(happened(row(), row("2026-02-28", "export"), control=usual))
    assert verdict.result is Result.INCONCLUSIVE
    both = on_its_day(happened(row("2026-02-28"), row("2026-02-28", "export"), control=usual))
    assert both.result is Result.FAIL
    assert "export" not in both.reason.split(";")[1]


def test_what_is_not_there_is_lost_if_the_place_has_what_happens_at_an_ordinary_hour() -> None:
    absent = row("", "export", trouble="there is nothing at body", absent=True)
    lost = on_its_day(happened(row(), absent, control=(row(), row(place="export"))))
    assert (lost.result, lost.rule) == (Result.FAIL, "day.lost")
    assert "export shows nothing of it" in lost.reason
    for control in ((), (row(),), (row(), absent)):
        verdict = on_its_day(happened(row(), absent, control=control))
        assert verdict.result is Result.INCONCLUSIVE


@pytest.mark.parametrize(
    "happening",
    [
        happened(row("2026-02-28"), off="the database is an hour behind"),
        happened(events=(read(500, Outcome.BROKEN),)),
        happened(events=(read(403, Outcome.DENIED),)),
        happened(row("", trouble="there is nothing at $.day")),
        happened(),
    ],
    ids=["clock-off", "event-broken", "event-refused", "no-label", "no-places"],
)
def test_what_shows_nothing_is_inconclusive(happening: Happening) -> None:
    assert on_its_day(happening).result is Result.INCONCLUSIVE


def tampered(**more: Any) -> Tampering:
    case = next(source.in_production(target(clock=CLOCK), Profile.GATE))
    more.setdefault("attempts", (read(404, Outcome.ABSENT),))
    return Tampering(case, **more)


def test_a_clock_that_is_refused_counts_only_if_it_works_in_test_mode() -> None:
    assert refused_in_production(tampered(proved=True)).result is Result.PASS
    assert refused_in_production(tampered()).result is Result.INCONCLUSIVE


def test_a_clock_that_anybody_sets_is_a_failure() -> None:
    let = tampered(attempts=(read(404, Outcome.ABSENT), read(200)), proved=True)
    assert refused_in_production(let).rule == "clock.settable"
    moved = tampered(moved="the header had effect", ignored_is_right=True)
    assert refused_in_production(moved).rule == "clock.settable"
    ignored = tampered(attempts=(read(200),), proved=True, ignored_is_right=True)
    assert refused_in_production(ignored).result is Result.PASS


# --- which cases there are --------------------------------------------------------------------


def variants(cases: Any) -> list[str]:
    return [case.variant for case in cases]


def test_where_zones_can_be_set_the_table_is_tried_and_its_smallest_set_at_the_gate() -> None:
    one = target(clock={**CLOCK, **ZONE}, ledgers={"bill": LEDGER}, tenants={"north": {}})
    gate, full = (list(source.days(one, profile)) for profile in (Profile.GATE, Profile.FULL))
    assert len(gate) == 13 + 1 + 1
    assert len(full) == 24 + 1 + 1
    tried = [pin_of(one, case) for case in full]
    instants = [pin.again or pin.instant for pin in tried]
    assert [pin.zone for pin in tried if pin.again] == ["America/New_York"]
    assert instants == sorted(instants)


def test_otherwise_pins_are_derived_for_the_zone_of_each_tenant() -> None:
    zones = {"north": {"timezone": "Asia/Kolkata"}, "south": {"timezone": "Europe/Berlin"}}
    one = target(clock=CLOCK, ledgers={"bill": LEDGER}, tenants={**zones, "west": {}})
    cases = list(source.days(one, Profile.GATE))
    assert {case.tenant for case in cases} == {"north", "south"}
    assert {pin_of(one, case).zone for case in cases} == {"Asia/Kolkata", "Europe/Berlin"}
    assert len({stamp(case, "s", "p", "S.").id for case in cases}) == len(cases)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({}, "clock"),
        ({"clock": CLOCK}, "ledgers"),
        ({"clock": CLOCK, "ledgers": {"bill": LEDGER}}, "tenants.NAME.timezone"),
    ],
    ids=["no-clock", "no-ledger", "no-zone"],
)
def test_what_is_missing_is_one_case_that_is_not_claimed(parts: dict[str, Any], says: str) -> None:
    (case,) = source.days(target(**parts), Profile.GATE)
    assert case.unclaimed is not None
    assert says in case.unclaimed


@pytest.mark.parametrize(
    ("zone", "tried"),
    [
        ({"request": "PUT /zone"}, ["set", "zone"]),
        ({"request": "PATCH /patients/{tenant.name}"}, ["set"]),
        ({"do": "patient.update", "as": "nurse"}, ["set"]),
    ],
    ids=["for-tests-only", "sent-as-an-operation", "operation"],
)
def test_moving_a_zone_by_an_operation_of_the_target_is_the_policys_matter(
    zone: dict[str, Any], tried: list[str]
) -> None:
    patient = {"read": "GET /patients/{id}", "update": "PATCH /patients/{id}"}
    moved = {**CLOCK, "zone": {**zone, "json": {"zone": "{zone}"}}}
    one = target(clock=moved, resources={"patient": patient})
    assert variants(source.in_production(one, Profile.GATE)) == tried
    del moved["set"], moved["reset"]
    moved |= {"adapter": "faketime"}
    only = list(
        source.in_production(target(clock=moved, resources={"patient": patient}), Profile.GATE)
    )
    assert [case.unclaimed is None for case in only] == ["zone" in tried]


def test_days_of_a_stay() -> None:
    pin = Pin(
        "x",
        "",
        "Europe/London",
        datetime(2026, 3, 28, 23, 30, tzinfo=UTC),
        until=datetime(2026, 3, 29, 23, 15, tzinfo=UTC),
    )
    assert counted_days(pin, "midnights") == [date(2026, 3, 28), date(2026, 3, 29)]
    assert len(counted_days(pin, "calendar_days")) == 3


def test_birthdays_lie_around_the_pin() -> None:
    found = births(P03, 18)
    assert found["of age today"] == date(2008, 3, 1)
    assert found["of age tomorrow"] == date(2008, 3, 2)
    assert found["born on 29 February"] == date(2008, 2, 29)


@pytest.mark.parametrize(
    "written", ["2026-03-01T00:00:00+06:00", "2026-02-28T18:00:00Z", 1772301600, "1772301600000"]
)
def test_instants_are_read_as_targets_write_them(written: Any) -> None:
    assert moment(written) == datetime(2026, 2, 28, 18, tzinfo=UTC)


def test_what_is_no_instant_is_none() -> None:
    assert [moment(one) for one in (None, True, "soon", "1e999")] == [None] * 4


# --- what the target file may say ---------------------------------------------------------------

ALMANAC = """
clock:
  adapter: header
  header: {X-Clock: "{instant}"}
  read: {request: GET /clock, take: {application: $.now}}
ledgers:
  notes:
    event: note.create
    places:
      list: {read: {as: nurse, request: GET /notes, query: {day: "{day}"}}, holds: "$[*].id"}
"""


BEFORE = "before: {{as: nurse, request: POST /days, json: {{d: '{}'}}}}\n    event: note.create"


def test_a_preparation_names_days_and_shifts_them(tmp_path: Path) -> None:
    before = BEFORE.format("{day:-1d} {month_after:+1} {year} {relative} {instant:+15m}")
    found = loaded(tmp_path, TEXT + ALMANAC.replace("event: note.create", before))
    assert len(found.ledgers["notes"].before) == 1


def test_a_ledger_is_read(tmp_path: Path) -> None:
    found = loaded(tmp_path, TEXT + ALMANAC)
    assert set(found.ledgers) == {"notes"}


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("event: note.create", "event: note.creat", "did you mean 'create'"),
        ("event: note.create", "event: not.create", "did you mean 'note'"),
        ("as: nurse", "as: nurs", "did you mean 'nurse'"),
        ('"{day}"', '"{day}/{dya}"', "did you mean 'day'"),
        ('"{day}"', '"{day}/{day:2d}"', "shifted by a number, like -2"),
        ('"{day}"', '"{day}/{month:+1d}"', "shifted by a number, like -2"),
        ('"{day}"', '"{day}/{relative:+1}"', "{relative} cannot be shifted"),
        ('"{day}"', '"{day}/{today:-1d}"', "{today} cannot be shifted"),
        ('"{day}"', '"{day}/{instant:+1}"', "a unit, like +15m"),
        ("$[*].id", "$['{day:-1}'].id", "shifts are for requests"),
        ("event: note.create", BEFORE.format("{dya}"), "did you mean 'day'"),
        ("event: note.create", BEFORE.format("{birth_day}"), "{birth_day}"),
        ("event: note.create", BEFORE.format("{id}"), "is not there yet"),
        ('"{instant}"', '"{instnat}"', "did you mean 'instant'"),
        ('"{instant}"', '"{instant:+1h}"', "the clock's header has no shifts"),
        ("event: note.create", "kind: days\n    event: note.create", "kind"),
        ("adapter: header", "adapter: endpoint", "'set' and 'reset'"),
        ('holds: "$[*].id"', "count: $.n, value: $.day", "one of 'value', 'holds' and 'count'"),
        ("{application: $.now}", "{now: $.now}", "'application', 'database' or both"),
        ('{day: "{day}"}', "{all: 1}", "{day}, {month}, {year} or {relative}"),
        ("event: note.create", "event: note.create\n    tenant: nroth", "did you mean 'north'"),
    ],
)
def test_a_mistake_is_told_with_its_place(
    right: str, wrong: str, says: str, tmp_path: Path
) -> None:
    assert right in ALMANAC
    with pytest.raises(InvalidDocument) as told:
        loaded(tmp_path, TEXT + ALMANAC.replace(right, wrong))
    assert says in str(told.value)
    assert "target.yaml:" in str(told.value)


def test_an_event_names_what_is_tried(tmp_path: Path) -> None:
    age = "{kind: age, event: note.create, places: {note: {years: $.years}}}"
    text = TEXT + ALMANAC[: ALMANAC.index("ledgers:")] + f"ledgers: {{age: {age}}}\n"
    with pytest.raises(InvalidDocument, match=r"names no \{birth_date\}"):
        loaded(tmp_path, text)


def test_ledgers_need_a_clock(tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument, match="ledgers need 'clock'"):
        loaded(tmp_path, TEXT + ALMANAC[ALMANAC.index("ledgers:") :])


def test_the_case_names_its_ledger_and_pin() -> None:
    case: Case = happened(row()).case
    assert case.variant is not None
    assert case.variant.split(".")[0] == "bill"


@pytest.mark.parametrize(
    ("body", "more"),
    [
        ({"data": [1, 2], "page": {"more": True}}, True),
        ({"items": [1, 2], "nextCursor": "x"}, True),
        ({"items": [1, 2], "total": 3}, True),
        ({"entry": [1, 2], "link": [{"relation": "next", "url": "/x"}]}, True),
        ({"items": [1, 2], "total": 2, "next_cursor": None, "page": {"more": False}}, False),
        ([1, 2], False),
    ],
)
def test_a_first_page_says_that_there_are_more(body: object, more: bool) -> None:
    assert goes_on(answered(200, body), 2) is more


def test_a_link_header_says_that_there_are_more() -> None:
    assert goes_on(answered(200, [], {"Link": '</x?page=2>; rel="next"'}), 0)
