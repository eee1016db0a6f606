"""What two answers have in common, and what they do not."""

import json

import pytest

from reports.comparison import Comparison, answer_text, compared, pairs, pretty
from reports.ledger import Exchange, Request, Response


def marked(found: Comparison, sign: str) -> list[str]:
    return [
        piece.text
        for line in found.lines
        if line.sign == sign
        for piece in line.pieces
        if piece.marked
    ]


def exchange(
    name: str, role: str, body: str = "{}", *, url: str = "http://127.0.0.1/x/1", **changes: object
) -> Exchange:
    given = {"response": Response(200, {"Date": name, "A": "b"}, body), "started": name, **changes}
    return Exchange(id=name, request=Request("GET", url), role_in_case=role, **given)  # type: ignore[arg-type]


def test_the_part_that_differs_is_marked() -> None:
    found = compared('{\n "name": "Amina",\n "age": 7\n}', '{\n "name": "Anwar",\n "age": 7\n}')
    assert (marked(found, "left"), marked(found, "right")) == (["mina"], ["nwar"])
    assert (found.left, found.right, found.same) == (1, 1, False)
    assert [line.sign for line in found.lines] == ["same", "left", "right", "same", "same"]


def test_lines_that_only_one_has_are_wholly_marked() -> None:
    found = compared("a\nb", "a\nx\ny\nb")
    assert marked(found, "right") == ["x", "y"]
    assert (found.left, found.right) == (0, 2)


def test_equal_texts_are_said_to_be_equal() -> None:
    text = "\n".join(map(str, range(500)))
    found = compared(text, text)
    assert found.same
    assert [line.pieces[0].text for line in found.lines] == [
        "0", "1", "496 lines alike", "498", "499",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("x" * 300_000, "y" * 300_000),
        ("a\n" * 30_000, "b\n" * 30_000),
        ("\n".join(map(str, range(9000))), "\n".join(map(str, range(9000, 0, -1)))),
        (json.dumps(list(range(9000)), indent=1), "[]"),
        ("", "x\n" * 9000),
        ("a\nb\nb\n" * 5000 + "c", "b\na\na\n" * 5000),
    ],
)
def test_long_texts_are_bounded(left: str, right: str) -> None:
    found = compared(left, right)
    assert not found.same
    assert len(found.lines) <= 121
    assert sum(len(piece.text) for line in found.lines for piece in line.pieces) < 130_000


def test_a_long_line_is_cut_around_its_difference() -> None:
    found = compared("a" * 5000 + "left" + "z" * 5000, "a" * 5000 + "right" + "z" * 5000)
    assert (marked(found, "left"), marked(found, "right")) == (["lef"], ["righ"])
    assert all(sum(len(piece.text) for piece in line.pieces) < 300 for line in found.lines)


def test_json_is_laid_out_and_ordered_and_the_rest_left_alone() -> None:
    assert pretty('{"b":1,"a":[1]}') == '{\n "a": [\n  1\n ],\n "b": 1\n}'
    assert pretty('{"b": 1') == '{"b": 1'
    assert pretty("<b>no</b>") == "<b>no</b>"
    deep = "[" * 100_000
    assert pretty(deep) == deep


def test_a_member_more_does_not_change_the_line_before_it() -> None:
    one, other = exchange("1", "control", '{"a": 1}'), exchange("2", "attempt", '{"a": 1, "b": 2}')
    found = compared(answer_text(one), answer_text(other))
    assert (found.left, found.right, marked(found, "right")) == (0, 1, [' "b": 2'])


def test_the_clock_is_no_difference() -> None:
    one, other = exchange("1", "control"), exchange("2", "attempt")
    assert compared(answer_text(one), answer_text(other)).same


def test_the_attempt_goes_against_its_control_and_before_against_after() -> None:
    found = pairs(
        [
            exchange("3", "read-back", '{"state": "void"}'),
            exchange("1", "attempt"),
            exchange("2", "read-back", '{"state": "open"}'),
            exchange("0", "control"),
            exchange("9", "read-back", url="http://127.0.0.1/other"),
        ]
    )
    assert [(pair.title, pair.left.id, pair.right.id) for pair in found] == [
        ("The attempt against the control", "0", "1"),
        ("After against before", "2", "3"),
    ]
    assert marked(found[1].comparison, "right") == ["void"]


def test_a_reference_stands_in_for_a_control_and_silence_is_not_compared() -> None:
    answered = exchange("2", "reference", response=Response(404, {}, ""))
    (pair,) = pairs([exchange("1", "attempt"), answered])
    assert pair.says == "The attempt was answered 200, the reference 404."
    silent = exchange("2", "control", response=None, error="timed out")
    assert pairs([exchange("1", "attempt"), silent]) == ()
    assert pairs([exchange("1", "attempt")]) == ()
