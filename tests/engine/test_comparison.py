"""Answers alike or not: for somebody else's record and for one that never existed."""

from dataclasses import replace
from typing import Any

import pytest

from conformance import oracles
from conformance.comparison import differences, facets, without
from conformance.model import Outcome, Read, Result, Trial, Verdict
from tests.engine.exchanges import (
    ID,
    MADE_UP,
    answer,
    read,
    record,
    trial,
    unanswered,
)

NOT_FOUND = {"detail": "no such record"}


def compared(attempt: Read, *missing: Read, control: Read | None = None, **seen: Any) -> Trial:
    """Their id, two that never existed, and somebody who was served."""
    witness = control or read(200, record(), persona="doctor.north")
    both = missing if len(missing) == 2 else missing * 2
    return trial(attempt, reference=both, control=witness, made_up=MADE_UP, **seen)


def judged(attempt: Read, *missing: Read, control: Read | None = None) -> Verdict:
    return oracles.indistinguishable(compared(attempt, *missing, control=control))


@pytest.mark.parametrize(
    ("theirs", "missing"),
    [
        pytest.param(read(404), read(404), id="empty"),
        pytest.param(read(404, NOT_FOUND), read(404, NOT_FOUND), id="json"),
        pytest.param(read(404, "<h1>Not found</h1>"), read(404, "<h1>Not found</h1>"), id="html"),
        pytest.param(read(404, b"\xff\xfe"), read(404, b"\xff\xfe"), id="binary"),
        pytest.param(
            read(404, '{"a": 1, "b": 2}'), read(404, '{"b": 2, "a": 1}'), id="order-of-keys"
        ),
        pytest.param(
            read(404, {"detail": f"no patient {ID}"}),
            read(404, {"detail": f"no patient {MADE_UP[0]}"}),
            id="id-in-body",
        ),
        pytest.param(
            read(404, f"no patient {ID}"), read(404, f"no patient {MADE_UP[0]}"), id="id-in-text"
        ),
        pytest.param(
            read(404, headers={"Link": f"</patients/{ID}>; rel=self"}),
            read(404, headers={"Link": f"</patients/{MADE_UP[0]}>; rel=self"}),
            id="id-in-header",
        ),
        pytest.param(
            read(404, headers={"Date": "Sat, 01 Jan 2028 00:00:00 GMT", "Age": "1"}),
            read(404, headers={"Date": "Sat, 01 Jan 2028 00:00:01 GMT", "Age": "2"}),
            id="clock",
        ),
        pytest.param(
            read(404, headers={"X-Type": "a"}), read(404, headers={"x-type": "a"}), id="header-case"
        ),
        pytest.param(
            read(404, f"no patient {ID}", {"Content-Length": "15"}),
            read(404, f"no patient {MADE_UP[0]}", {"Content-Length": "18"}),
            id="length-of-the-id",
        ),
        pytest.param(read(422), read(422), id="both-invalid"),
    ],
)
def test_answers_that_tell_nothing_apart_pass(theirs: Read, missing: Read) -> None:
    verdict = judged(theirs, missing)
    assert verdict.result is Result.PASS, verdict.reason


@pytest.mark.parametrize(
    ("theirs", "missing", "rule", "told"),
    [
        pytest.param(read(403), read(404), "status", "403", id="status"),
        pytest.param(
            read(404, {"detail": "not yours"}),
            read(404, NOT_FOUND),
            "body",
            "not yours",
            id="sentence",
        ),
        pytest.param(
            read(404, {**NOT_FOUND, "owner": "ann"}), read(404, NOT_FOUND), "body", "ann", id="key"
        ),
        pytest.param(
            read(404, "Not found."), read(404, "Not found"), "body", "Not found.", id="text"
        ),
        pytest.param(read(404, " {}"), read(404, "{}"), "size", "3", id="size"),
        pytest.param(
            read(404, headers={"ETag": '"7"'}), read(404), "header", "etag", id="extra-header"
        ),
        pytest.param(
            read(404, headers={"ETag": '"7"'}),
            read(404, headers={"ETag": '"0"'}),
            "header",
            '"7"',
            id="etag",
        ),
        pytest.param(
            read(404, headers={"Set-Cookie": "seen=1"}), read(404), "header", "cookie", id="cookie"
        ),
        pytest.param(
            read(404, headers={"Allow": "GET, PUT"}),
            read(404, headers={"Allow": "GET"}),
            "header",
            "PUT",
            id="allow",
        ),
        pytest.param(read(422), read(404), "status", "422", id="invalid-against-absent"),
    ],
)
def test_answers_that_tell_them_apart_fail(
    theirs: Read, missing: Read, rule: str, told: str
) -> None:
    verdict = judged(theirs, missing)
    assert verdict.result is Result.FAIL
    assert (verdict.kind, verdict.rule) == ("distinguishable", f"enumeration.{rule}")
    assert told in verdict.reason
    assert len(verdict.exchanges) == 3


@pytest.mark.parametrize(
    ("theirs", "one", "two"),
    [
        pytest.param(
            *(read(404, headers={"X-Request-Id": text}) for text in ("a7", "b8", "c9")),
            id="request-id",
        ),
        pytest.param(
            *(read(404, {**NOT_FOUND, "trace": text}) for text in ("a7", "b8", "c9")), id="trace"
        ),
        pytest.param(
            *(read(404, {**NOT_FOUND, "trace": text}) for text in ("a", "bb", "ccc")),
            id="trace-of-any-length",
        ),
        pytest.param(
            *(read(404, headers={"Set-Cookie": f"s={text}"}) for text in ("a", "b", "c")),
            id="session-cookie",
        ),
        pytest.param(
            read(404, headers={"X-Cache": "miss"}),
            read(404, headers={"X-Cache": "miss"}),
            read(404),
            id="header-that-comes-and-goes",
        ),
        pytest.param(
            *(
                read(404, f"<p>incident 0b2f6a0{n}-1111-4222-8333-444455556666</p>")
                for n in (1, 2, 3)
            ),
            id="uuid-in-text",
        ),
    ],
)
def test_what_varies_between_two_missing_ids_is_set_aside(
    theirs: Read, one: Read, two: Read
) -> None:
    verdict = judged(theirs, one, two)
    assert verdict.result is Result.PASS, verdict.reason


def test_a_difference_beside_what_varies_is_still_told() -> None:
    theirs, one, two = (
        read(404, {"trace": trace, "detail": detail})
        for trace, detail in (("a", "not yours"), ("b", "no such record"), ("c", "no such record"))
    )
    verdict = judged(theirs, one, two)
    assert verdict.result is Result.FAIL
    assert "body $.detail" in verdict.reason


def test_a_status_that_varies_by_itself_tells_nothing() -> None:
    assert judged(read(403), read(404), read(403)).result is Result.PASS


@pytest.mark.parametrize("missing", [(), (read(404),)])
def test_without_two_missing_ids_nothing_is_proved(missing: tuple[Read, ...]) -> None:
    seen = replace(compared(read(404), read(404)), reference=missing)
    verdict = oracles.indistinguishable(seen)
    assert verdict.result is Result.INCONCLUSIVE


@pytest.mark.parametrize("control", [None, read(404), read(403), read(500), unanswered()])
def test_without_somebody_who_is_served_nothing_is_proved(control: Read | None) -> None:
    seen = replace(compared(read(404), read(404)), control=control)
    verdict = oracles.indistinguishable(seen)
    assert verdict.result is Result.INCONCLUSIVE
    assert "the record exists" in verdict.reason


@pytest.mark.parametrize(
    "mute",
    [
        read(500),
        read(302, headers={"Location": "/login"}),
        read(429),
        read(409),
        unanswered(),
        read(200, "<html>", outcome=Outcome.BROKEN),
    ],
    ids=["500", "302", "429", "409", "timeout", "catch-all"],
)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_answers_without_a_statement_are_not_compared(mute: Read, position: int) -> None:
    reads = [read(404), read(404), read(404)]
    reads[position] = mute
    verdict = judged(*reads)
    assert verdict.result is Result.INCONCLUSIVE
    assert "nothing to compare" in verdict.reason


# --- the parts of an answer ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ids", "left"),
    [
        ("patient 12 of 120", ["12"], "patient <id> of 120"),
        ("/patients/12/notes", ["12"], "/patients/<id>/notes"),
        ("12-34 and 12", ["12", "12-34"], "<id> and <id>"),
        ("a.b a+b", ["a.b"], "<id> a+b"),
        ("nothing", [""], "nothing"),
    ],
)
def test_ids_are_taken_out_whole(text: str, ids: list[str], left: str) -> None:
    assert without(text, ids) == left


def test_an_answer_has_comparable_parts() -> None:
    parts = facets(
        answer(200, {"id": 5107, "rows": [{"n": 1}], "none": {}}, {"ETag": "x", "Date": "y"}), []
    )
    assert parts["status"] == 200
    assert parts["header etag"] == "x"
    assert parts["body $.rows[0].n"] == 1
    assert parts["body $.none"] == {}
    assert "header date" not in parts


def test_parts_that_only_one_has_differ() -> None:
    assert differences({"a": 1, "b": None}, {"a": 1, "c": 2}) == ["b", "c"]
    assert differences({"a": 1}, {"a": 1}) == []


def test_a_numeric_id_in_json_is_an_id_too() -> None:
    one, other = (facets(answer(404, {"id": int(i)}), [ID, *MADE_UP]) for i in (ID, MADE_UP[0]))
    assert differences(one, other) == []


def test_repeated_headers_are_all_compared() -> None:
    twice = replace(answer(), headers=(("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")))
    once = replace(answer(), headers=(("Set-Cookie", "b=2"),))
    assert differences(facets(twice, []), facets(once, []))


def test_the_key_is_named_before_the_size() -> None:
    verdict = judged(read(404, NOT_FOUND), read(404, {**NOT_FOUND, "hint": "see all"}))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "enumeration.body")
    assert "see all" in verdict.reason
