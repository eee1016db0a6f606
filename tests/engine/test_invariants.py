"""Invariants: what the target file may say of them, and what two sides come to."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from conformance.books import (
    Measure,
    NoAmount,
    Observation,
    Seen,
    Standing,
    amount,
    broken,
    spread,
)
from conformance.document import InvalidDocument
from conformance.model import Result
from conformance.oracles.invariants import holds
from tests.engine import targets


def seen(measure: Measure, *values: Any, label: str = "it") -> Seen:
    return Seen(label, measure, values)


def observation(*looks: tuple[Seen, Seen], relation: Standing = "equal") -> Observation:
    return Observation("beds", "every stay has a bed", "north", relation, looks)


# --- amounts and sets -------------------------------------------------------------------------


def test_sums_of_money_are_exact() -> None:
    assert amount("sum", ["0.10", Decimal("0.20"), 0.3]) == Decimal("0.60")


def test_an_amount_is_the_same_however_it_is_written() -> None:
    one, other = seen("value", "12.50"), seen("value", Decimal("12.5"))
    assert broken("equal", one, other) is None


@pytest.mark.parametrize(
    ("measure", "values", "comes_to"),
    [
        ("count", [7, 7, None], 2),
        ("distinct", [7, "7", 8], 2),
        ("least", [3, -1, 2], -1),
        ("most", ["3", 2], 3),
        ("value", ["open", "shut"], "open"),
    ],
)
def test_what_values_come_to(measure: Measure, values: list[Any], comes_to: Any) -> None:
    assert amount(measure, values) == comes_to


@pytest.mark.parametrize("value", ["two", True, "NaN", "Infinity"])
def test_what_is_no_number_makes_no_sum(value: Any) -> None:
    with pytest.raises(NoAmount, match="is no number"):
        amount("sum", [1, value])


@pytest.mark.parametrize(
    ("relation", "left", "right", "says"),
    [
        ("equal", seen("count", 1, 2), seen("value", 2), None),
        ("equal", seen("count", 1, 2), seen("value", 3), "is 2, which is not it: 3"),
        ("at_most", seen("sum", 1, 2), seen("value", 3), None),
        ("at_most", seen("sum", 1, 3), seen("value", 3), "more than"),
        ("at_least", seen("least", -1, 3), seen("value", 0), "less than"),
        ("equal", seen("set", 1, "b"), seen("set", "1", "b", "b"), None),
        ("equal", seen("set", 1), seen("set", 1, 2), "2 in it, not in it"),
        ("subset", seen("set", 1), seen("set", 1, 2), None),
        ("subset", seen("set", 1, 3), seen("set", 1, 2), "3 in it"),
        ("subset", seen("set", 1, None), seen("set", 1), None),
    ],
)
def test_how_sides_stand(relation: Standing, left: Seen, right: Seen, says: str | None) -> None:
    found = broken(relation, left, right)
    assert found is None if says is None else says in (found or "")


def test_a_few_of_many_differences_are_shown() -> None:
    said = broken("subset", seen("set", *range(100, 140)), seen("set"))
    assert said is not None
    assert "100, 101, 102, 103, 104 and 35 more" in said


def test_those_asked_for_are_the_last_and_some_of_all() -> None:
    assert spread(list(range(100)), 10) == [0, 19, 38, 57, 76, 95, 96, 97, 98, 99]
    assert spread([1, 2], 10) == [1, 2]


# --- the oracle -------------------------------------------------------------------------------

EVEN = (seen("count", 1), seen("value", 1))
ODD = (seen("count", 1), seen("value", 2))


def test_what_holds_passes() -> None:
    assert holds(observation(EVEN)).result is Result.PASS


def test_what_differs_twice_alike_fails() -> None:
    verdict = holds(observation(ODD, ODD))
    assert verdict.result is Result.FAIL
    assert verdict.rule == "invariants.differ"
    assert "every stay has a bed (north)" in verdict.reason


def test_what_has_caught_up_passes() -> None:
    assert holds(observation(ODD, EVEN)).result is Result.PASS


def test_one_look_at_a_difference_is_no_finding() -> None:
    assert holds(observation(ODD)).result is Result.INCONCLUSIVE


def test_what_moves_while_it_is_read_shows_nothing() -> None:
    moved = (seen("count", 1), seen("value", 3))
    assert holds(observation(ODD, moved)).result is Result.INCONCLUSIVE


def test_a_record_without_its_parent_is_an_orphan() -> None:
    look = (seen("set", 1, 2), Seen("patient.read", "answered", refused=("2",), asked=2, of=2))
    verdict = holds(observation(look, look, relation="subset"))
    assert verdict.rule == "invariants.orphan"
    assert "2 in it without a record" in verdict.reason


def test_what_could_not_be_read_shows_nothing() -> None:
    look = (replace(EVEN[0], unread="it was refused (403)"), EVEN[1])
    verdict = holds(observation(look))
    assert verdict.result is Result.INCONCLUSIVE
    assert "403" in verdict.reason


def test_where_there_is_nothing_the_verdict_says_so() -> None:
    verdict = holds(observation((seen("set"), seen("set"))))
    assert verdict.result is Result.PASS
    assert "nothing to compare yet" in verdict.reason


# --- the target file --------------------------------------------------------------------------

SIDE = "left: {as: nurse, do: patient.read, find: $.x}, right: 1"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("beds: {left: {as: nurze, request: GET /x, find: $.x}, right: 1}", "did you mean 'nurse'"),
        ("beds: {left: {as: nurse, do: patint.read, find: $.x}, right: 1}", "'patient'"),
        ("beds: {left: {as: nurse, do: patient.raed, find: $.x}, right: 1}", "'read'"),
        ("beds: {left: {as: nurse, request: GET /x, find: x}, right: 1}", "not a JSONPath"),
        ("beds: {left: {as: nurse, request: GET /x}, right: 1}", "where the values stand"),
        ("beds: {left: {request: GET /x, find: $.x}, right: 1}", "say who asks"),
        (f"beds: {{{SIDE}}}", "is about one patient"),
        (
            "beds: {tenant: nort, left: {as: nurse, request: GET /x, find: $.x}, right: 1}",
            "'north'",
        ),
        ("beds: {left: {as: nurse, request: GET /x, find: $.x, is: some}, right: 1}", "is"),
        (
            "beds: {left: {as: nurse, request: GET /x, find: $.x, is: set}, right: 1}",
            "one side is a set",
        ),
        (
            "beds: {left: {as: nurse, request: GET /x, find: $.x}, right: 1, relation: subset}",
            "compares sets",
        ),
        (
            "beds: {left: {as: nurse, request: 'GET /{wrad}', find: $.x}, right: 1}",
            "{wrad}",
        ),
        ("beds: {left: {as: nurse, request: GET /x, find: $.x}, rigth: 1}", "rigth"),
        (
            "beds: {left: {as: nurse, request: GET /x, find: $.x}, right: {as: nurse, "
            "request: GET /y, fnd: $.y}}",
            "did you mean 'find'",
        ),
    ],
)
def test_a_mistake_names_its_place(line: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument) as caught:
        targets.loaded(tmp_path, targets.TEXT + f"invariants:\n  {line}\n")
    assert says in str(caught.value)
    place = len(targets.TEXT.splitlines()) + 2
    assert f"target.yaml:{place}:" in str(caught.value)


def test_each_value_of_a_list_may_be_asked_for(tmp_path: Path) -> None:
    line = (
        "owners: {left: {as: nurse, request: GET /notes, find: '$[*].patient', is: set}, "
        "right: {as: nurse, do: patient.read, is: answered}, relation: subset}"
    )
    target = targets.loaded(tmp_path, targets.TEXT + f"invariants:\n  {line}\n")
    assert target.invariants["owners"].relation == "subset"
