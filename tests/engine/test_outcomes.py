"""What an answer says happened: the target's rules in their order, then the status."""

from typing import Any

import pytest

from conformance.extraction import extract
from conformance.model import Answer, Outcome
from conformance.outcomes import outcome_of
from tests.engine.exchanges import answer, exchange
from tests.engine.targets import target


def outcome(
    response: Answer | None,
    *rules: dict[str, Any],
    own: list[dict[str, Any]] | None = None,
    operation: str = "read",
    catch_all: bytes | None = None,
) -> Outcome:
    """The outcome under the target's rules and those of `patient.read`."""
    ward = target(
        outcomes=list(rules),
        resources__patient__read={"request": "GET /patients/{id}", "outcomes": own or []},
    )
    return outcome_of(ward, ("patient", operation), exchange(response), catch_all)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, "allowed"),
        (201, "allowed"),
        (204, "allowed"),
        (301, "broken"),
        (302, "broken"),
        (304, "broken"),
        (400, "invalid"),
        (401, "unauthenticated"),
        (402, "invalid"),
        (403, "denied"),
        (404, "absent"),
        (405, "denied"),
        (409, "conflict"),
        (410, "absent"),
        (412, "conflict"),
        (418, "invalid"),
        (422, "invalid"),
        (423, "conflict"),
        (428, "conflict"),
        (429, "limited"),
        (451, "invalid"),
        (500, "broken"),
        (503, "broken"),
        (599, "broken"),
    ],
)
def test_without_a_rule_the_status_decides(status: int, expected: str) -> None:
    assert outcome(answer(status)) == expected


def test_no_answer_is_broken_whatever_the_rules_say() -> None:
    assert outcome(None, {"when": {"empty": True}, "then": "denied"}) is Outcome.BROKEN


BODY = {"error": {"code": "FORBIDDEN", "n": 7, "text": "You may not."}, "none": None}


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({"status": 200}, True),
        ({"status": [404, 200]}, True),
        ({"status": 404}, False),
        ({"json": "$.error"}, True),
        ({"json": "$.fault"}, False),
        ({"json": "$.none"}, True),
        ({"json": "$.error.code", "equals": "FORBIDDEN"}, True),
        ({"json": "$.error.code", "equals": "forbidden"}, False),
        ({"json": "$.error.n", "equals": 7}, True),
        ({"json": "$.error.n", "equals": "7"}, False),
        ({"json": "$.none", "equals": None}, True),
        ({"json": "$.error", "equals": None}, False),
        ({"json": "$.error.text", "matches": "may not"}, True),
        ({"json": "$.error.text", "matches": "may too"}, False),
        ({"json": "$.error", "matches": "FORB"}, True),
        ({"json": "$.error.n", "matches": "^7$"}, True),
        ({"json": "$..code", "matches": "FORB"}, True),
        ({"body": "You may not"}, True),
        ({"body": "you may not"}, False),
        ({"body": "(?i)you may not"}, True),
        ({"header": "X-Error"}, True),
        ({"header": "x-error"}, True),
        ({"header": "X-Other"}, False),
        ({"header": "X-Error ~ ^deni"}, True),
        ({"header": "X-Error ~ grant"}, False),
        ({"empty": False}, True),
        ({"empty": True}, False),
        ({"status": 200, "json": "$.error", "header": "X-Error"}, True),
        ({"status": 404, "json": "$.error", "header": "X-Error"}, False),
        ({}, True),
    ],
)
def test_when_a_rule_holds(when: dict[str, Any], holds: bool) -> None:
    given = answer(200, BODY, {"X-Error": "denied"})
    found = outcome(given, {"when": when, "then": "denied"})
    assert found is (Outcome.DENIED if holds else Outcome.ALLOWED)


@pytest.mark.parametrize("body", [b"", b"  \r\n"])
def test_a_blank_body_is_empty(body: bytes) -> None:
    assert outcome(answer(200, body), {"when": {"empty": True}, "then": "absent"}) == "absent"
    assert outcome(answer(200, body), {"when": {"empty": False}, "then": "absent"}) == "allowed"


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 100_000])
def test_a_rule_about_json_does_not_hold_for_anything_else(body: bytes) -> None:
    assert outcome(answer(403, body), {"when": {"json": "$"}, "then": "allowed"}) == "denied"


def test_the_first_rule_that_holds_wins() -> None:
    rules = [
        {"when": {"json": "$.fault"}, "then": "limited"},
        {"when": {"json": "$.error.code", "matches": "FORB"}, "then": "denied"},
        {"when": {"json": "$.error"}, "then": "invalid"},
    ]
    assert outcome(answer(200, BODY), *rules) == "denied"
    assert outcome(answer(200, BODY), *reversed(rules)) == "invalid"


def test_an_operations_own_rules_come_first_and_are_its_own() -> None:
    common = {"when": {"status": 200}, "then": "denied"}
    own = [{"when": {"json": "$.error"}, "then": "absent"}]
    assert outcome(answer(200, BODY), common, own=own) == "absent"
    assert outcome(answer(200, {}), common, own=own) == "denied"
    assert outcome(answer(200, BODY), common, own=own, operation="create") == "denied"


@pytest.mark.parametrize(
    "then",
    "allowed denied absent unauthenticated invalid conflict limited broken".split(),
)
def test_a_rule_may_give_any_outcome(then: str) -> None:
    assert outcome(answer(500), {"when": {"status": 500}, "then": then}) == then


# --- a success that is none ------------------------------------------------------------------

PAGE = b"<html>the application</html>"


def test_the_page_that_every_path_gets_is_broken() -> None:
    assert outcome(answer(200, PAGE), catch_all=PAGE) == "broken"
    assert outcome(answer(200, PAGE)) == "allowed"
    assert outcome(answer(200, PAGE + b" "), catch_all=PAGE) == "allowed"
    assert outcome(answer(404, PAGE), catch_all=PAGE) == "absent"


def test_a_rule_comes_before_the_page_that_every_path_gets() -> None:
    rule = {"when": {"body": "application"}, "then": "denied"}
    assert outcome(answer(200, PAGE), rule, catch_all=PAGE) == "denied"


@pytest.mark.parametrize(
    "promise",
    [
        {"items": "$.items[*]"},
        {"id": "$.id"},
        {"total": "$.total"},
        {"take": {"code": "$.code"}},
    ],
)
def test_no_json_where_json_is_promised_is_broken(promise: dict[str, Any]) -> None:
    ward = target(resources__patient__read={"request": "GET /patients/{id}", **promise})

    def found(status: int, body: Any) -> Outcome:
        return outcome_of(ward, ("patient", "read"), exchange(answer(status, body)))

    assert found(200, PAGE) == "broken"
    assert found(204, b"") == "broken"
    assert found(200, {}) == "allowed"
    assert found(403, PAGE) == "denied"


def test_no_json_where_none_is_promised_is_allowed() -> None:
    taken = {"request": "POST /patients", "id": "header:Location ~ /(\\d+)$"}
    ward = target(resources__patient__create=taken)
    assert outcome_of(ward, ("patient", "create"), exchange(answer(201, PAGE))) == "allowed"
    assert outcome_of(ward, ("", "login"), exchange(answer(200, PAGE))) == "allowed"


# --- taking values ---------------------------------------------------------------------------

FORM = """<form><input name=other value="no"><INPUT type=hidden name="csrf" value="t&amp;k">
<meta name="page" content="p1"></form>"""


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("$.id", 7),
        ("$.rows[*].n", 1),
        ("$.nothing", None),
        ("$.none", None),
        ("$.id ~ ^(\\d)", "7"),
        ("$.link ~ /(\\d+)$", "42"),
        ("$.link ~ /nothing/(\\d+)", None),
        ("$.link ~ orders", "orders"),
        ("header:Location", "/orders/42"),
        ("header:location ~ /(\\d+)$", "42"),
        ("header:Missing", None),
        ("cookie:session", "abc"),
        ("cookie:second", "a=b"),
        ("cookie:missing", None),
        ('body ~ link": "([^"]+)', "/orders/42"),
    ],
)
def test_values_are_taken_from_where_they_stand(source: str, value: Any) -> None:
    body = {"id": 7, "rows": [{"n": 1}, {"n": 2}], "link": "/orders/42", "none": None}
    given = answer(200, body, {"Location": "/orders/42"})
    cookies = (("Set-Cookie", "session=abc; HttpOnly"), ("set-cookie", "second=a=b"))
    given = Answer(given.status, (*given.headers, *cookies), given.body)
    assert extract(source, given) == value


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("input:csrf", "t&k"),
        ("input:page", "p1"),
        ("input:missing", None),
        ("input:csrf ~ ^(.)", "t"),
        ("$.id", None),
    ],
)
def test_form_fields_are_taken_from_html(source: str, value: Any) -> None:
    assert extract(source, answer(200, FORM)) == value
