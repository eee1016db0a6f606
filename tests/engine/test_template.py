"""Templates: placeholders become values, and values never become more than values."""

import base64
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from conformance.extraction import values
from conformance.schema import Request
from conformance.template import FILTERS, Lookup, Unfilled, render, render_jsonpath, render_path


def given(**values: Any) -> Lookup:
    """Values by name; `_` stands for the dot in a name."""

    def lookup(name: str, argument: str | None, field: str) -> Any:
        return values[name.replace(".", "_")]

    return lookup


@pytest.mark.parametrize("value", [5, 2.5, True, None, ["a", "b"], {"x": 1}, "text"])
def test_a_string_that_is_one_placeholder_keeps_its_type(value: Any) -> None:
    assert render("{id}", given(id=value)) == value
    assert type(render({"a": ["{id}"]}, given(id=value))["a"][0]) is type(value)


def test_inside_a_longer_string_values_become_text() -> None:
    assert render("no. {id}", given(id=5)) == "no. 5"
    assert render("{id}{id}", given(id=5)) == "55"


def test_everything_that_is_no_string_stays() -> None:
    template = {"a": 1, "b": [None, True, 2.5], 3: {}}
    assert render(template, given()) == template


def test_keys_are_templates_too() -> None:
    assert render({"{id}": {"x-{id}": "{id}"}}, given(id="k")) == {"k": {"x-k": "k"}}


def test_the_field_of_a_value_is_the_innermost_key_around_it() -> None:
    seen = []

    def lookup(name: str, argument: str | None, field: str) -> str:
        seen.append((name, argument, field))
        return "x"

    render({"a": {"b": ["{name}", "{int:1-9}"]}, "c": "{text}"}, lookup)
    assert seen == [("name", None, "b"), ("int", "1-9", "b"), ("text", None, "c")]


@pytest.mark.parametrize(
    ("filters", "value", "result"),
    [
        ("lower", "AbC", "abc"),
        ("upper", "AbC", "ABC"),
        ("digits", "+45 12-34", "451234"),
        ("int", "42", 42),
        ("str", 42, "42"),
        ("json", 'say "hi"', '"say \\"hi\\""'),
        ("json", ["a"], '["a"]'),
        ("url", "a b/c?", "a%20b%2Fc%3F"),
        ("base64", "user:päss", base64.b64encode("user:päss".encode()).decode()),
        ("year", "2028-02-29", 2028),
        ("month", "2028-02-29T23:59:00+06:00", 2),
        ("day", "2028-02-29T23:59:00Z", 29),
        ("hour", "2028-02-29T23:59:00Z", 23),
        ("digits|int", "MRN 007", 7),
        ("upper|base64", "a", "QQ=="),
    ],
)
def test_filters(filters: str, value: Any, result: Any) -> None:
    assert render("{id|" + filters + "}", given(id=value)) == result


def test_every_filter_has_a_test_above() -> None:
    assert set(FILTERS) == set(
        "base64 lower upper digits int str json url year month day hour".split()
    )


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{patient.id}", "{patient.id} has no value here"),
        ("a {id} b", "{id} has no value here"),
        ("{known|shout}", "there is no filter 'shout'"),
        ("{known|int}", "{known|int}"),
        ("{known|year}", "{known|year}"),
    ],
)
def test_what_cannot_be_filled_is_named(template: str, told: str) -> None:
    with pytest.raises(Unfilled) as error:
        render({"x": [template]}, given(known="text"))
    assert told in str(error.value)


def test_a_reason_is_told_with_what_is_missing() -> None:
    def lookup(name: str, argument: str | None, field: str) -> str:
        raise KeyError("the login took no token")

    with pytest.raises(Unfilled, match="the login took no token"):
        render("{token}", lookup)


@pytest.mark.parametrize(
    "text", ["plain", "{", "}", "{}", "{ id }", '{"json": 1}', "{Id}", "$.a[{1}]"]
)
def test_braces_that_are_no_placeholder_stay(text: str) -> None:
    assert render(text, given()) == text


@pytest.mark.parametrize(
    "value",
    [
        "../../admin",
        "/../",
        "x?admin=1",
        "x#y",
        "a/b",
        "a%2fb",
        "a b",
        "..;/x",
        "x\r\nHost: evil",
        "äö\u2603",
        "//evil.example/",
        "http://evil.example/",
        "{name}",
    ],
)
def test_an_id_cannot_change_the_route(value: str) -> None:
    path = render_path("/patients/{id}/notes", given(id=value))
    parts = urlsplit(path)
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("", "", "", "")
    first, second, third, fourth = path.split("/")
    assert (first, second, fourth) == ("", "patients", "notes")
    assert unquote(third) == value


def test_numbers_and_several_ids_fill_a_path() -> None:
    assert render_path("/a/{id}/b/{patient.id}", given(id=5, patient_id="x y")) == "/a/5/b/x%20y"


def test_a_path_that_is_one_placeholder_is_a_link_of_the_target() -> None:
    link = "http://127.0.0.1:8000/files/9?signature=a%2Fb"
    assert render_path("{download_url}", given(download_url=link)) == link


def test_what_a_path_lacks_is_named() -> None:
    with pytest.raises(Unfilled, match=r"\{id\}"):
        render_path("/patients/{id}", given())


def test_a_request_knows_its_placeholders() -> None:
    request = Request.model_validate(
        {
            "request": "POST /patients/{patient.id}/notes",
            "json": {"{code}": [{"text": "{text}", "at": "{now|day}"}]},
            "query": {"n": "{int:1-9}"},
            "headers": {"X-User": "{persona.user_id}"},
        }
    )
    assert request.placeholders == {
        "patient.id",
        "code",
        "text",
        "now",
        "int",
        "persona.user_id",
    }


@pytest.mark.parametrize("value", [".", ".."])
def test_an_id_of_dots_cannot_change_the_route(value: str) -> None:
    def lookup(name: str, argument: str | None, field: str) -> str:
        return value

    path = render_path("/patients/{id}/notes", lookup)
    assert path.split("/")[2] not in {".", ".."}
    assert unquote(path) == f"/patients/{value}/notes"


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("$[?@.slot == {slot.id}].by", 5, ["ada"]),
        ("$[?@.slot == {slot.id}].by", "5", ["bo"]),
        ("$[?@.slot == '{slot.id}'].by", 5, ["bo"]),
        ('$[?@.by == "{slot.id}" && @.slot == 7].slot', 'it\'s \\ "so"', [7]),
        ("$[?@.by == '{slot.id}' && @.slot == 7].slot", 'it\'s \\ "so"', [7]),
        ("$[?@.by == {slot.id}].slot", 'it\'s \\ "so"', [7]),
    ],
)
def test_in_a_jsonpath_values_are_literals_or_text_between_quotes(
    path: str, value: Any, found: list[Any]
) -> None:
    data = [
        {"slot": 5, "by": "ada"},
        {"slot": "5", "by": "bo"},
        {"slot": 7, "by": 'it\'s \\ "so"'},
    ]
    assert values(render_jsonpath(path, given(slot_id=value)), data) == found
