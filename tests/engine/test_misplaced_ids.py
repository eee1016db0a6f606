"""Ids in other places than the path: bodies, batches, references, searches, cursors."""

from dataclasses import replace
from typing import Any

import pytest

from conformance import oracles
from conformance.model import Outcome, Read, Result, Trial
from tests.engine.exchanges import (
    CARRIED,
    CASE,
    ID,
    MADE_UP,
    MARKER,
    read,
    record,
    served,
    trial,
    unanswered,
)

SILENT = {
    "500": read(500),
    "503": read(503),
    "redirect": read(302, headers={"Location": "/login"}),
    "timeout": unanswered(),
    "connection": unanswered("could not connect"),
    "rate": read(429),
    "catch-all": read(200, "<html>", outcome=Outcome.BROKEN),
}
silent = pytest.mark.parametrize("mute", SILENT.values(), ids=SILENT)
UNSERVED: dict[str, Read | None] = {
    "none": None,
    "403": read(403),
    "422": read(422),
    "500": read(500),
    "timeout": unanswered(),
}
DONE = read(200, {"ok": True})
NOTHING = read(200, {"items": [], "total": 0})


def varied(variant: str, kind: str = "update") -> Any:
    return replace(CASE, variant=variant, kind=kind, operation=kind)


# --- untouched: a foreign id in the body -----------------------------------------------------


def body_id(attempt: Read, after: Read | None = None, **seen: Any) -> Trial:
    given = {
        "case": varied("in-body"),
        "control": DONE,
        "before": (served(),),
        "after": (after or served(),),
        "carried": frozenset({CARRIED}),
        **seen,
    }
    return trial(attempt, **given)


@pytest.mark.parametrize("status", [200, 201, 400, 403, 404, 409, 422])
def test_whatever_is_answered_the_other_record_must_stay(status: int) -> None:
    assert oracles.untouched(body_id(read(status))).result is Result.PASS


@pytest.mark.parametrize("status", [200, 403, 404, 422])
@pytest.mark.parametrize(
    "after", [served(ward="surgery"), served(note=CARRIED), read(404)], ids=["diff", "mark", "gone"]
)
def test_a_foreign_record_that_changed_is_a_bypass(status: int, after: Read) -> None:
    verdict = oracles.untouched(body_id(read(status), after))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "body-id")


def test_a_batch_that_changed_a_foreign_record_has_a_rule_of_its_own() -> None:
    seen = body_id(DONE, served(ward="surgery"), case=varied("theirs-first"))
    assert oracles.untouched(seen).rule == "batch.write"


@silent
def test_a_foreign_id_answered_without_a_statement_is_inconclusive(mute: Read) -> None:
    assert oracles.untouched(body_id(mute)).result is Result.INCONCLUSIVE


@silent
def test_a_write_that_fails_without_the_foreign_id_proves_nothing(mute: Read) -> None:
    assert oracles.untouched(body_id(read(403), control=mute)).result is Result.INCONCLUSIVE


@pytest.mark.parametrize("before", [(), (read(404),), (read(500),), (unanswered(),)])
def test_a_foreign_record_that_nobody_read_before_proves_nothing(before: tuple[Read, ...]) -> None:
    seen = body_id(read(403), before=before)
    assert oracles.untouched(seen).result is Result.INCONCLUSIVE


# --- batches ---------------------------------------------------------------------------------


def batch(attempt: Read, variant: str = "theirs-first", **seen: Any) -> Trial:
    return trial(attempt, **{"case": varied(variant, "read"), "control": DONE, **seen})


@pytest.mark.parametrize("status", [200, 207, 400, 403, 404, 422])
def test_a_batch_that_gives_nothing_of_theirs_passes(status: int) -> None:
    answered = read(status, {"items": [{"id": "1", "name": "mine"}]})
    assert oracles.batch_refused(batch(answered)).result is Result.PASS


@pytest.mark.parametrize("status", [200, 207, 403])
def test_a_batch_that_returns_their_content_fails(status: int) -> None:
    verdict = oracles.batch_refused(batch(read(status, {"items": [record()]})))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "batch.read")


def test_a_batch_that_changes_their_record_fails() -> None:
    seen = batch(DONE, before=(served(),), after=(served(ward="surgery"),))
    verdict = oracles.batch_refused(seen)
    assert (verdict.result, verdict.rule) == (Result.FAIL, "batch.write")
    seen = batch(DONE, before=(served(),), after=(served(),))
    assert oracles.batch_refused(seen).result is Result.PASS


@pytest.mark.parametrize("control", UNSERVED.values(), ids=UNSERVED)
def test_a_batch_of_ones_own_that_is_not_served_proves_nothing(control: Read | None) -> None:
    assert oracles.batch_refused(batch(read(403), control=control)).result is Result.INCONCLUSIVE


@silent
def test_a_batch_without_a_statement_is_inconclusive(mute: Read) -> None:
    assert oracles.batch_refused(batch(mute)).result is Result.INCONCLUSIVE


def alone(attempt: Read, missing: Read) -> Trial:
    return batch(attempt, "only-theirs", reference=(missing,), made_up=MADE_UP)


def test_alone_in_a_batch_their_id_answers_like_a_missing_one() -> None:
    seen = alone(read(404, {"missing": [ID]}), read(404, {"missing": [MADE_UP[0]]}))
    assert oracles.alike_in_batch(seen).result is Result.PASS


@pytest.mark.parametrize(
    ("theirs", "missing", "rule"),
    [
        (read(403), read(404), "enumeration.status"),
        (read(200, {"denied": 1}), read(200, {"denied": 0}), "enumeration.body"),
        (read(404, headers={"ETag": "a"}), read(404), "enumeration.header"),
    ],
)
def test_alone_in_a_batch_a_difference_tells(theirs: Read, missing: Read, rule: str) -> None:
    verdict = oracles.alike_in_batch(alone(theirs, missing))
    assert (verdict.result, verdict.rule) == (Result.FAIL, rule)


def test_a_request_id_tells_nothing_in_a_batch() -> None:
    theirs, missing = (read(404, headers={"X-Request-Id": one}) for one in "ab")
    assert oracles.alike_in_batch(alone(theirs, missing)).result is Result.PASS


@pytest.mark.parametrize("position", [0, 1])
def test_a_batch_without_an_answer_cannot_be_compared(position: int) -> None:
    reads = [read(404), read(404)]
    reads[position] = unanswered()
    assert oracles.alike_in_batch(alone(reads[0], reads[1])).result is Result.INCONCLUSIVE


def test_mixed_batches_are_not_compared() -> None:
    seen = batch(read(403), "theirs-last", reference=(read(404),))
    assert oracles.alike_in_batch(seen).result is Result.PASS


# --- references ------------------------------------------------------------------------------


def reference(attempt: Read, control: Read | None = DONE) -> Trial:
    return trial(attempt, case=varied("ward", "create"), control=control)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_reference_across_tenants_that_is_refused_passes(status: int) -> None:
    assert oracles.reference_refused(reference(read(status))).result is Result.PASS


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_reference_across_tenants_that_is_accepted_fails(status: int) -> None:
    verdict = oracles.reference_refused(reference(read(status)))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "reference")
    assert "ward" in verdict.reason


@silent
def test_a_reference_without_a_statement_is_inconclusive(mute: Read) -> None:
    assert oracles.reference_refused(reference(mute)).result is Result.INCONCLUSIVE


@pytest.mark.parametrize("control", UNSERVED.values(), ids=UNSERVED)
@pytest.mark.parametrize("status", [200, 403, 422])
def test_a_reference_to_ones_own_that_is_not_served_proves_nothing(
    control: Read | None, status: int
) -> None:
    verdict = oracles.reference_refused(reference(read(status), control))
    assert verdict.result is Result.INCONCLUSIVE


# --- searches --------------------------------------------------------------------------------

FOUND = read(200, {"items": [record()], "total": 1}, persona="clerk.south")


def search(attempt: Read, *nobodys: Read, **seen: Any) -> Trial:
    given = {
        "case": varied("whole-value", "search"),
        "reference": nobodys or (NOTHING, NOTHING),
        "control": FOUND,
        **seen,
    }
    return trial(attempt, **given)


def test_a_search_that_finds_as_little_as_for_nobodys_value_passes() -> None:
    assert oracles.search_finds_nothing(search(NOTHING)).result is Result.PASS


@pytest.mark.parametrize(
    "attempt",
    [
        read(200, {"items": [record()], "total": 1}),
        read(200, {"items": [], "total": 1}),
        read(403),
        read(200, {"items": [], "total": 0}, {"X-Total": "1"}),
    ],
    ids=["rows", "count", "status", "header"],
)
def test_a_search_that_tells_of_their_value_fails(attempt: Read) -> None:
    verdict = oracles.search_finds_nothing(search(attempt))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "leak.search")


def test_what_varies_between_two_searches_for_nothing_is_set_aside() -> None:
    attempt, one, two = (read(200, {"items": [], "took": took}) for took in (1.2, 33.07, 2))
    assert oracles.search_finds_nothing(search(attempt, one, two)).result is Result.PASS


@silent
@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_search_without_a_statement_is_inconclusive(mute: Read, position: int) -> None:
    reads = [NOTHING, NOTHING, NOTHING]
    reads[position] = mute
    assert oracles.search_finds_nothing(search(*reads)).result is Result.INCONCLUSIVE


@pytest.mark.parametrize(
    "seen",
    [
        {"control": None},
        {"control": unanswered()},
        {"control": NOTHING},
        {"subject": None},
    ],
    ids=["nobody", "timeout", "not-found", "no-record"],
)
def test_unless_somebody_finds_the_value_nothing_is_proved(seen: dict[str, Any]) -> None:
    assert oracles.search_finds_nothing(search(NOTHING, **seen)).result is Result.INCONCLUSIVE


def test_the_searcher_finds_the_record_by_id_or_content() -> None:
    for row in ({"id": ID}, {"name": MARKER.title()}):
        control = read(200, {"items": [row]})
        assert oracles.search_finds_nothing(search(NOTHING, control=control)).result is Result.PASS


# --- cursors ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 400, 403, 404, 422])
def test_a_foreign_cursor_that_is_answered_is_left_to_the_leak_oracle(status: int) -> None:
    assert oracles.gives_nothing_of_theirs(trial(read(status, {"items": []}))).result is Result.PASS


@silent
def test_a_foreign_cursor_without_a_statement_is_inconclusive(mute: Read) -> None:
    assert oracles.gives_nothing_of_theirs(trial(mute)).result is Result.INCONCLUSIVE


@silent
def test_a_read_back_of_the_other_record_that_breaks_is_inconclusive(mute: Read) -> None:
    verdict = oracles.untouched(body_id(read(403), mute))
    assert verdict.result is Result.INCONCLUSIVE
