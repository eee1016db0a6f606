"""The effect of an attempt: granted ones work, denied ones are refused and leave no trace."""

from dataclasses import replace
from typing import Any

import pytest

from conformance import oracles, verdicts
from conformance.model import Because, Outcome, Read, Relation, Result, Subject, Trial
from tests.engine.exchanges import (
    CARRIED,
    CASE,
    ID,
    MARKER,
    SUBJECT,
    read,
    record,
    served,
    trial,
    unanswered,
)

PASS, FAIL, INCONCLUSIVE = Result.PASS, Result.FAIL, Result.INCONCLUSIVE

# Answers that say nothing about access, each with a word of the reason that is given.
SILENT = {
    "error": (read(500), "failed with 500"),
    "gateway": (read(503), "failed with 503"),
    "redirect": (read(302, headers={"Location": "/login"}), "redirect (302 to /login)"),
    "redirect-nowhere": (read(307), "redirect (307 to nowhere)"),
    "timeout": (unanswered(), "no answer within 10 s"),
    "connection": (unanswered("could not connect: refused"), "could not connect"),
    "rate": (read(429), "limited the rate (429)"),
    "conflict": (read(409), "state did not allow it (409)"),
    "catch-all": (read(200, "<html>app</html>", outcome=Outcome.BROKEN), "every path gets"),
    "own-rule": (read(200, {"error": "boom"}, outcome=Outcome.BROKEN), "the target's own rules"),
}
silent = pytest.mark.parametrize(("mute", "why"), SILENT.values(), ids=SILENT)
refusals = pytest.mark.parametrize("status", [401, 403, 404])


def control(status: int = 200, body: object = None) -> Read:
    return read(status, record() if body is None else body, persona="doctor.north")


# --- succeeded -------------------------------------------------------------------------------


def test_a_granted_operation_that_works_passes() -> None:
    assert oracles.succeeded(trial(read(200, record()))).result is PASS


@refusals
def test_a_granted_operation_that_is_refused_is_an_over_restriction(status: int) -> None:
    verdict = oracles.succeeded(trial(read(status)))
    assert verdict.result is FAIL
    assert (verdict.kind, verdict.rule) == ("over-restriction", "over-restriction.read")
    assert str(status) in verdict.reason


def test_an_over_restriction_shows_the_control_that_was_served() -> None:
    attempt, witness = read(403), control()
    verdict = oracles.succeeded(trial(attempt, control=witness))
    assert verdict.result is FAIL
    assert verdict.exchanges == (attempt.exchange, witness.exchange)


@pytest.mark.parametrize("status", [404, 500])
def test_a_refusal_proves_no_over_restriction_if_nobody_is_served(status: int) -> None:
    verdict = oracles.succeeded(trial(read(404), control=control(status)))
    assert verdict.result is INCONCLUSIVE
    assert "doctor.north" in verdict.reason


@silent
def test_a_granted_operation_without_a_statement_is_inconclusive(mute: Read, why: str) -> None:
    verdict = oracles.succeeded(trial(mute))
    assert verdict.result is INCONCLUSIVE
    assert why in verdict.reason
    assert verdict.exchanges == (mute.exchange,)


def test_a_granted_request_that_the_target_calls_invalid_is_inconclusive() -> None:
    verdict = oracles.succeeded(trial(read(422)))
    assert verdict.result is INCONCLUSIVE
    assert "invalid (422)" in verdict.reason


# --- changed ---------------------------------------------------------------------------------


def written(after: Read, **seen: Any) -> Trial:
    before = seen.pop("before", (served(),))
    return trial(
        read(200, {"ok": True}),
        kind=str(seen.pop("kind", "update")),
        before=before,
        after=(after,),
        carried=frozenset({CARRIED}),
        **seen,
    )


@pytest.mark.parametrize("kind", ["read", "list", "search"])
def test_a_read_changes_nothing(kind: str) -> None:
    seen = trial(read(200), kind=kind, before=(served(),), after=(served(),))
    assert oracles.changed(seen).result is PASS


def test_a_write_is_seen_by_its_marker() -> None:
    assert oracles.changed(written(served(note=f"is {CARRIED.upper()}"))).result is PASS


def test_a_write_is_seen_by_a_difference() -> None:
    assert oracles.changed(written(served(ward="surgery"))).result is PASS


def test_a_deletion_is_seen_when_the_record_is_gone() -> None:
    assert oracles.changed(written(read(404), kind="delete")).result is PASS


def test_a_write_that_leaves_no_trace_has_no_effect() -> None:
    verdict = oracles.changed(written(served()))
    assert verdict.result is FAIL
    assert verdict.rule == "no-effect"
    assert len(verdict.exchanges) == 3


def test_what_varies_by_itself_is_no_effect() -> None:
    seen = written(
        served(served_at="10:01"),
        before=(served(served_at="10:00"),),
        again=(served(served_at="10:02"),),
    )
    assert oracles.changed(seen).result is FAIL


def test_a_creation_is_seen_by_its_marker_alone() -> None:
    rows = read(200, {"items": [{"id": "9"}]})
    assert oracles.changed(written(rows, kind="create", before=())).result is FAIL
    rows = read(200, {"items": [{"id": "9", "name": CARRIED}]})
    assert oracles.changed(written(rows, kind="create", before=())).result is PASS


@silent
def test_a_read_back_without_a_statement_proves_no_effect(mute: Read, why: str) -> None:
    verdict = oracles.changed(written(mute))
    assert verdict.result is INCONCLUSIVE
    assert why in verdict.reason


@pytest.mark.parametrize("seen", [{"unproved": "no read"}, {"shows_change": False}])
def test_a_write_that_nothing_shows_is_taken_at_its_word(seen: dict[str, object]) -> None:
    assert oracles.changed(written(served(), **seen)).result is PASS


def test_what_was_not_written_is_not_looked_for() -> None:
    assert oracles.changed(trial(read(403), kind="update", after=(served(),))).result is PASS


# --- refused: the answer is a refusal --------------------------------------------------------


@refusals
def test_a_refusal_whose_control_is_served_passes(status: int) -> None:
    verdict = oracles.refused(trial(read(status), control=control()))
    assert verdict.result is PASS
    assert str(status) in verdict.reason
    assert "doctor.north" in verdict.reason


@refusals
def test_a_refusal_without_a_control_is_never_a_pass(status: int) -> None:
    verdict = oracles.refused(trial(read(status)))
    assert verdict.result is INCONCLUSIVE
    assert "without a control" in verdict.reason


@refusals
@pytest.mark.parametrize("failed", [401, 403, 404, 409, 429, 500, 302])
def test_a_refusal_whose_control_fails_is_never_a_pass(status: int, failed: int) -> None:
    verdict = oracles.refused(trial(read(status), control=control(failed)))
    assert verdict.result is INCONCLUSIVE
    assert "the control failed" in verdict.reason
    assert str(failed) in verdict.reason


def test_a_refusal_whose_control_got_no_answer_is_never_a_pass() -> None:
    verdict = oracles.refused(trial(read(403), control=unanswered()))
    assert verdict.result is INCONCLUSIVE


@silent
@pytest.mark.parametrize("with_control", [True, False])
def test_no_statement_is_never_a_denial(mute: Read, why: str, with_control: bool) -> None:
    verdict = oracles.refused(trial(mute, control=control() if with_control else None))
    assert verdict.result is INCONCLUSIVE
    assert why in verdict.reason


def test_a_rejection_as_invalid_counts_as_refusal_if_the_same_request_is_served_to_others() -> None:
    assert oracles.refused(trial(read(422), control=control())).result is PASS
    assert oracles.refused(trial(read(422), control=control(422))).result is INCONCLUSIVE
    assert oracles.refused(trial(read(422))).result is INCONCLUSIVE


def test_where_nobody_may_do_it_a_record_that_is_there_is_control_enough() -> None:
    there = oracles.refused(trial(read(403), kind="delete", before=(served(),)))
    assert there.result is PASS
    gone = oracles.refused(trial(read(404), kind="delete", before=(read(404),)))
    assert gone.result is INCONCLUSIVE


# --- refused: the promised status ------------------------------------------------------------


def test_a_refusal_with_another_status_than_promised_breaks_the_convention() -> None:
    case = replace(CASE, because=Because.OTHER_TENANT, relation=Relation.OTHER_TENANT)
    verdict = oracles.refused(trial(read(403), case=case, control=control(), convention=(404, 410)))
    assert verdict.result is FAIL
    assert (verdict.kind, verdict.rule) == ("convention", "convention.other_tenant")
    assert "403" in verdict.reason
    assert "404 or 410" in verdict.reason


@pytest.mark.parametrize("promised", [None, (403,), (404, 403)])
def test_a_promised_status_conforms(promised: tuple[int, ...] | None) -> None:
    seen = trial(read(403), control=control(), convention=promised)
    assert oracles.refused(seen).result is PASS


# --- refused: the answer is a success --------------------------------------------------------


@pytest.mark.parametrize(
    ("because", "relation", "rule"),
    [
        (Because.UNRELATED, Relation.SAME_TENANT, "bola.read"),
        (Because.ROLE, Relation.OWN, "bfla.read"),
        (Because.OTHER_TENANT, Relation.OTHER_TENANT, "tenant.read"),
        (Because.ROLE, Relation.OTHER_TENANT, "tenant.read"),
        (Because.UNAUTHENTICATED, Relation.OTHER_TENANT, "unauthenticated.read"),
    ],
)
def test_a_bypass_is_named_for_what_was_passed_by(
    because: Because, relation: Relation, rule: str
) -> None:
    case = replace(CASE, because=because, relation=relation)
    verdict = oracles.refused(trial(read(200, record()), case=case, control=control()))
    assert (verdict.result, verdict.kind, verdict.rule) == (FAIL, "bypass", rule)


def test_the_records_own_content_is_a_bypass_even_without_a_control() -> None:
    verdict = oracles.refused(trial(read(200, record(name=MARKER.upper()))))
    assert verdict.result is FAIL
    assert "the record's own content" in verdict.reason


def test_a_marker_in_a_header_is_a_bypass() -> None:
    attempt = read(200, b"", {"Content-Disposition": f"attachment; filename={MARKER}.pdf"})
    assert oracles.refused(trial(attempt, control=control())).result is FAIL


def test_a_marker_that_the_request_carried_proves_nothing() -> None:
    attempt = read(200, {"query": MARKER}, url=f"http://127.0.0.1/patients?name={MARKER}")
    assert oracles.refused(trial(attempt)).result is INCONCLUSIVE


@pytest.mark.parametrize(
    "body",
    [b"", {"error": "you may not"}, "Please log in", {"id": ID}],
    ids=["empty", "message", "text", "id-alone"],
)
@pytest.mark.parametrize("with_control", [True, False])
def test_a_success_without_anything_of_the_record_is_inconclusive(
    body: object, with_control: bool
) -> None:
    seen = trial(read(200, body), control=control() if with_control else None)
    verdict = oracles.refused(seen)
    assert verdict.result is INCONCLUSIVE
    assert "outcome rule" in verdict.reason


def test_values_that_the_control_was_given_too_are_a_bypass_without_a_marker() -> None:
    subject = Subject("patient", "north", (ID,), frozenset())
    given = {"id": ID, "label": "north wing, bed four"}
    seen = trial(read(200, given), subject=subject, control=control(body=given))
    assert oracles.refused(seen).result is FAIL
    shared = {"id": ID, "rows": [{"label": "north wing, bed four"}, {"label": "else"}]}
    seen = trial(read(200, shared), subject=subject, control=control(body=given))
    assert oracles.refused(seen).result is FAIL


def test_other_values_than_the_controls_are_inconclusive() -> None:
    subject = Subject("patient", "north", (ID,), frozenset())
    theirs, mine = {"label": "north wing, bed four"}, {"label": "the lobby, ground floor"}
    seen = trial(read(200, mine), subject=subject, control=control(body=theirs))
    assert oracles.refused(seen).result is INCONCLUSIVE


def test_the_whole_answer_of_the_control_is_a_bypass_without_a_marker() -> None:
    subject = Subject("patient", "north", (ID,), frozenset())
    given = {"beds": 4, "free": 2}
    seen = trial(read(200, given), subject=subject, control=control(body=given))
    assert oracles.refused(seen).result is FAIL


def test_the_same_document_that_is_no_json_is_a_bypass() -> None:
    seen = trial(read(200, b"%PDF-1.7 x"), control=control(body=b"%PDF-1.7 x"))
    assert oracles.refused(seen).result is FAIL


def attempted(kind: str, after: Read, **seen: Any) -> Trial:
    return trial(
        read(200, {"ok": True}, persona="clerk.north"),
        kind=kind,
        before=(served(),),
        after=(after,),
        carried=frozenset({CARRIED}),
        control=control(),
        **seen,
    )


@pytest.mark.parametrize("kind", ["update", "delete", "action"])
def test_a_denied_write_that_shows_in_the_read_back_is_a_bypass(kind: str) -> None:
    after = read(404) if kind == "delete" else served(ward="surgery")
    verdict = oracles.refused(attempted(kind, after))
    assert (verdict.result, verdict.rule) == (FAIL, f"bola.{kind}")
    assert len(verdict.exchanges) == 3


def test_a_denied_creation_that_shows_in_the_list_is_a_bypass() -> None:
    rows = read(200, {"items": [{"name": CARRIED}]})
    assert oracles.refused(attempted("create", rows)).result is FAIL
    nothing = read(200, {"items": [{"name": "somebody else's, made meanwhile"}]})
    assert oracles.refused(attempted("create", nothing)).result is INCONCLUSIVE


def test_a_write_answered_as_done_that_changed_nothing_is_inconclusive() -> None:
    verdict = oracles.refused(attempted("update", served()))
    assert verdict.result is INCONCLUSIVE
    assert "no change" in verdict.reason


@pytest.mark.parametrize("seen", [{"shows_change": False}, {"unproved": "there is no read"}])
def test_a_write_answered_as_done_is_a_bypass_where_nothing_would_show_it(
    seen: dict[str, object],
) -> None:
    assert oracles.refused(attempted("action", served(), **seen)).result is FAIL


# --- unchanged -------------------------------------------------------------------------------


def denied(after: Read, *, before: Read | None = None, kind: str = "update", **seen: Any) -> Trial:
    return trial(
        read(403),
        kind=kind,
        before=(before or served(),),
        after=(after,),
        carried=frozenset({CARRIED}),
        **seen,
    )


def test_a_refused_write_that_left_the_record_alone_passes() -> None:
    assert oracles.unchanged(denied(served())).result is PASS


@pytest.mark.parametrize(
    ("kind", "after"),
    [
        ("update", served(ward="surgery")),
        ("update", served(note=CARRIED)),
        ("delete", read(404)),
        ("create", read(200, {"items": [CARRIED]})),
    ],
)
def test_a_refused_write_that_was_done_all_the_same_fails(kind: str, after: Read) -> None:
    verdict = oracles.unchanged(denied(after, kind=kind))
    assert (verdict.result, verdict.rule) == (FAIL, "side-effect.bola")
    assert "403" in verdict.reason


def test_volatile_parts_of_the_record_are_no_side_effect() -> None:
    seen = denied(
        served(seen_at="10:01", views=2),
        before=served(seen_at="10:00", views=1),
        again=(served(seen_at="10:02", views=3),),
    )
    assert oracles.unchanged(seen).result is PASS


def test_a_change_beside_volatile_parts_is_still_a_side_effect() -> None:
    seen = denied(
        served(views=2, ward="surgery"),
        before=served(views=1),
        again=(served(views=3, ward="surgery"),),
    )
    assert oracles.unchanged(seen).result is FAIL


def test_headers_of_a_read_back_are_no_side_effect() -> None:
    seen = denied(
        read(200, record(), {"X-Request-Id": "b", "Date": "2"}),
        before=read(200, record(), {"X-Request-Id": "a", "Date": "1"}),
    )
    assert oracles.unchanged(seen).result is PASS


@silent
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_broken_read_back_is_inconclusive(mute: Read, why: str, when: str) -> None:
    seen = denied(served(), before=mute) if when == "before" else denied(mute)
    verdict = oracles.unchanged(seen)
    assert verdict.result is INCONCLUSIVE
    assert why in verdict.reason


def test_a_record_that_could_not_be_read_before_proves_nothing() -> None:
    assert oracles.unchanged(denied(read(404), before=read(404))).result is INCONCLUSIVE


@pytest.mark.parametrize("kind", ["read", "list", "search"])
def test_a_refused_read_changes_nothing(kind: str) -> None:
    assert oracles.unchanged(denied(served(ward="surgery"), kind=kind)).result is PASS


def test_without_a_read_back_the_reason_is_told() -> None:
    verdict = oracles.unchanged(denied(read(500), unproved="nobody may read it"))
    assert verdict.result is PASS
    assert "nobody may read it" in verdict.reason


def test_a_success_is_judged_elsewhere() -> None:
    seen = replace(denied(served(ward="surgery")), attempt=read(200))
    assert oracles.unchanged(seen).result is PASS


# --- which verdict decides -------------------------------------------------------------------


def test_the_worst_verdict_decides() -> None:
    passed = oracles.succeeded(trial(read(200)))
    unknown = oracles.succeeded(trial(read(500)))
    failed = oracles.succeeded(trial(read(403)))
    assert verdicts.worst([passed, unknown, failed]) is failed
    assert verdicts.worst([passed, unknown]) is unknown
    assert verdicts.worst([passed]) is passed


def test_the_sample_subject_is_what_the_tests_speak_of() -> None:
    assert SUBJECT.ids == (ID,)
    assert SUBJECT.markers == {MARKER}


@silent
@pytest.mark.parametrize("kind", ["update", "delete", "create", "action"])
def test_a_denied_write_whose_read_back_breaks_is_inconclusive(
    mute: Read, why: str, kind: str
) -> None:
    verdict = oracles.refused(attempted(kind, mute))
    assert verdict.result is INCONCLUSIVE


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (b"", {"id": ID, "beds": 4}),
        ({"ok": True, "note": "hidden"}, {"ok": True, "id": ID, "beds": 4}),
        ({"id": ID}, {"id": ID, "beds": 4}),
        ({"beds": None, "free": 1}, {"beds": None, "free": 2}),
        ({"items": []}, {"items": [{"beds": 4}]}),
    ],
    ids=["empty", "envelope", "id", "null", "no-rows"],
)
def test_a_constant_part_in_common_is_no_bypass(mine: object, theirs: object) -> None:
    subject = Subject("patient", "north", (ID,), frozenset())
    seen = trial(read(200, mine), subject=subject, control=control(body=theirs))
    assert oracles.refused(seen).result is Result.INCONCLUSIVE


@pytest.mark.parametrize("body", [{}, {"items": []}])
def test_an_empty_container_is_nothing_of_the_record(body: object) -> None:
    seen = trial(read(200, body), control=control())
    assert oracles.refused(seen).result is Result.INCONCLUSIVE
