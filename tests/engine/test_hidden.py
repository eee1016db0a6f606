"""What nobody declared: spellings, versions, and what their answers say."""

import re
from dataclasses import replace
from typing import Any

import pytest

from conformance import inventory, known, paths, sources
from conformance.cases import Profile
from conformance.inventory import Documented
from conformance.model import Outcome, Read, Result, Trial
from conformance.oracles import hidden as oracle
from conformance.oracles.hidden import Hidden, Knock, Page, Pages
from conformance.schema import Request
from tests.engine.exchanges import (
    CARRIED,
    CASE,
    SUBJECT,
    read,
    record,
    served,
    unanswered,
)
from tests.engine.targets import target

WRITE = replace(CASE, kind="action")


def knock(attempt: Read, *, echo: str | None = None, **seen: Any) -> Knock:
    trial = Trial(**{"case": WRITE, "attempt": attempt, "subject": SUBJECT, **seen})
    return Knock("DELETE /patients/{id}", trial, "hidden.method", echo)


@pytest.mark.parametrize("attempt", [read(404), read(405), read(307), read(500), read(204)])
def test_what_gives_no_data_opens_nothing(attempt: Read) -> None:
    found = Hidden(CASE, (knock(attempt, control=served()),), served())
    assert oracle.opens_nothing(found).result is Result.PASS


def test_the_records_content_in_any_answer_is_a_finding() -> None:
    for outcome in (Outcome.ALLOWED, Outcome.BROKEN):
        attempt = read(200, record(), outcome=outcome)
        verdict = oracle.opens_nothing(Hidden(CASE, (knock(attempt),), served()))
        assert verdict.rule == "hidden.method"
        assert "DELETE /patients/{id}" in verdict.reason


def test_a_page_of_its_own_is_no_data() -> None:
    page = read(200, "<html>Welcome to the ward</html>")
    found = Hidden(CASE, (knock(page, control=served()),), served())
    assert oracle.opens_nothing(found).result is Result.PASS


def test_an_effect_counts_whatever_the_answer_says() -> None:
    before, after = (served(state="booked"),), (served(state="cancelled"),)
    for status in (200, 204, 405):
        found = knock(read(status), before=before, after=after)
        assert oracle.opens_nothing(Hidden(CASE, (found,), served())).rule == "hidden.method"
    made = knock(read(201), carried=frozenset({CARRIED}), after=(served(text=CARRIED),))
    assert oracle.opens_nothing(Hidden(CASE, (made,), served())).result is Result.FAIL


def test_what_varies_by_itself_is_no_effect() -> None:
    before, after, again = ((served(at=at),) for at in ("1", "2", "3"))
    found = knock(read(405), before=before, after=after, again=again)
    assert oracle.opens_nothing(Hidden(CASE, (found,), served())).result is Result.PASS


def test_trace_must_not_repeat_the_request() -> None:
    repeated = knock(read(200, "X-Wardproof: wardproof77"), echo="wardproof77")
    silent = knock(read(200, "nothing"), echo="wardproof77", control=served())
    assert oracle.opens_nothing(Hidden(CASE, (silent,), served())).result is Result.PASS
    assert oracle.opens_nothing(Hidden(CASE, (repeated,), served())).result is Result.FAIL


def test_a_target_whose_control_fails_shows_nothing() -> None:
    found = Hidden(CASE, (knock(read(404)),), read(500), needs_control=False)
    assert oracle.opens_nothing(found).result is Result.INCONCLUSIVE


@pytest.mark.parametrize("control", [None, read(404), unanswered()])
def test_without_a_control_nothing_is_shown(control: Read | None) -> None:
    found = Hidden(CASE, (knock(read(404)),), control)
    assert oracle.opens_nothing(found).result is Result.INCONCLUSIVE
    alone = replace(found, needs_control=False)
    assert oracle.opens_nothing(alone).result is Result.PASS


def test_a_limit_or_silence_proves_nothing() -> None:
    for attempt in (read(429), unanswered()):
        found = Hidden(CASE, (knock(attempt),), served())
        assert oracle.opens_nothing(found).result is Result.INCONCLUSIVE


@pytest.mark.parametrize(
    ("status", "telling", "why_not", "result"),
    [
        (200, True, None, Result.FAIL),
        (200, False, None, Result.PASS),
        (200, True, "any path is answered like that", Result.PASS),
        (404, False, None, Result.PASS),
        (401, False, None, Result.PASS),
    ],
)
def test_pages_of_the_inside_count_where_they_tell(
    status: int, telling: bool, why_not: str | None, result: Result
) -> None:
    page = Page("/debug/vars", "Go variables", read(status, "x"), telling, why_not)
    verdict = oracle.shows_no_inside(Pages(CASE, (page,)))
    assert verdict.result is result
    assert ("/debug/vars" in verdict.reason) is (result is Result.FAIL or why_not is not None)


def test_a_target_that_refuses_no_path_shows_nothing() -> None:
    pages = [
        Page(path, "x", one, False, None) for path, one in (("/a", read(500)), ("/b", read(429)))
    ]
    assert oracle.shows_no_inside(Pages(CASE, tuple(pages))).result is Result.INCONCLUSIVE
    refused = Page("/c", "x", read(404), False, None)
    assert oracle.shows_no_inside(Pages(CASE, (*pages, refused))).result is Result.PASS


# --- paths -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/patients", "/patients/{id}", "/patients/{patient.id}/notes"])
def test_spellings_differ_from_the_path_and_from_one_another(path: str) -> None:
    found = [one.path for one in paths.spellings(path)]
    assert len(set(found)) == len(found) > 10
    assert path not in found
    assert all(one.startswith("/") for one in found)
    assert all(one.count("{") == path.count("{") for one in found)


def test_versions_are_put_in_front_or_in_place_of_another() -> None:
    plain = {one.path for one in paths.versions("/patients/{id}")}
    assert {"/v1/patients/{id}", "/internal/patients/{id}"} <= plain
    versioned = {one.path for one in paths.versions("/api/v2/patients")}
    assert {"/api/v1/patients", "/api/v3/patients", "/api/v0/patients"} <= versioned
    based = {one.path for one in paths.versions("/patients", "/api/v1")}
    assert {"/api/v0/patients", "/api/v2/patients"} <= based


def test_the_tables_are_whole() -> None:
    rows = [row for group in known.hidden_paths().values() for row in group]
    assert len({row.path for row in rows}) == len(rows) > 50
    assert all(row.path.startswith("/") and row.source and row.what for row in rows)
    assert all(re.compile(row.tells or "") for row in rows)
    kinds = {"id", "tenant", "role", "person", "status", "flag", "moment", "amount", "text"}
    assert set(known.server_owned().values()) <= kinds
    assert known.states()


# --- sources ---------------------------------------------------------------------------------


def listed(source: Any, **parts: Any) -> list[tuple[str | None, str | None, str | None]]:
    ward = target(**parts)
    return [(one.persona, one.resource, one.operation) for one in source(ward, Profile.GATE)]


def test_every_path_is_tried_by_whoever_is_granted_most_there() -> None:
    found = listed(sources.hidden.methods)
    assert ("clerk.north", "patient", "list") in found
    assert len(found) == len({(resource, operation) for _who, resource, operation in found}) == 4


def test_overrides_are_tried_where_a_write_is_not_granted() -> None:
    granted = {"request": "DELETE /patients/{id}"}
    assert ("nurse.north", "patient", "read") in listed(sources.hidden.overrides)
    policy = {"clerk": {"patient": {"*": "allow"}}, "nurse": {}}
    assert not listed(sources.hidden.overrides, policy=policy, resources__patient__delete=granted)


def test_each_resource_is_read_without_a_login_and_for_each_reason_to_refuse() -> None:
    found = listed(sources.hidden.refused_reads)
    assert ("anonymous", "patient", "read") in found
    assert [who for who, resource, _name in found if resource == "patient"].count("anonymous") == 1
    cases = list(sources.hidden.refused_reads(target(), Profile.GATE))
    reasons = [one.because for one in cases if one.resource == "note"]
    assert len(reasons) == len(set(reasons)) == 4


def test_pages_are_asked_for_by_nobody_and_by_the_least() -> None:
    ward = target(policy={"clerk": {"patient": {"read": "allow"}}, "nurse": {}})
    people = {one.persona for one in sources.hidden.pages(ward, Profile.GATE)}
    assert people == {"anonymous", "nurse.north"}


# --- the document ----------------------------------------------------------------------------


def test_known_are_the_operations_of_file_and_document() -> None:
    ward = target()
    found = inventory.known(ward, [Documented("GET", "/v1/patients/{patient_id}")])
    assert {"GET /patients/{}", "POST /team", "GET /v1/patients/{}"} <= found
    one = inventory.described(
        ward, [Documented("GET", "/patients/{x}")], Request(request="GET /patients/{id}")
    )
    assert one is not None
    assert one.path == "/patients/{x}"
