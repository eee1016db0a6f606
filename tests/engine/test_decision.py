"""What inputs come to by a table: exact at every edge, and by declared habits beside them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from conformance.decision import Habits, agrees, evaluate, number, rounded
from conformance.table_files import load_table, place_of, shipped
from conformance.tables import Table
from tests.engine.charts import CHART, chart

NEWS2 = load_table(place_of("news2"))
POTASSIUM = load_table(place_of("potassium"))


def news2(**changed: Any) -> dict[str, Any]:
    normal = {name: given.normal for name, given in NEWS2.inputs.items()}
    exact = {
        name: Decimal(str(value)) if isinstance(value, int | float) else value
        for name, value in changed.items()
    }
    return {**normal, **exact}


def test_two_tables_come_with_the_harness() -> None:
    assert {"news2", "potassium"} <= set(shipped())


@pytest.mark.parametrize(
    ("changed", "aggregate", "band"),
    [
        ({"spo2": 91}, 3, "low_medium"),
        ({"spo2": 92}, 2, "low"),
        ({"spo2": 91, "gas": "oxygen"}, 5, "medium"),
        ({"spo2": 91, "spo2_scale": "scale 2"}, 0, "low"),
        ({"spo2": 97, "spo2_scale": "scale 2", "gas": "oxygen"}, 5, "medium"),
        ({"spo2": 97, "spo2_scale": "scale 2"}, 0, "low"),
        ({"systolic_bp": 219}, 0, "low"),
        ({"systolic_bp": 220}, 3, "low_medium"),
        ({"temperature": 35.0}, 3, "low_medium"),
        ({"temperature": 35.1}, 1, "low"),
        ({"temperature": 39.1}, 2, "low"),
        ({"consciousness": "C"}, 3, "low_medium"),
    ],
)
def test_news2(changed: dict[str, Any], aggregate: int, band: str) -> None:
    decision = evaluate(NEWS2, news2(**changed), Habits.of(NEWS2))
    assert (decision.results["aggregate"], decision.results["band"]) == (aggregate, band)


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        ("2.5", "critical_low"),
        ("2.6", "low"),
        ("3.4", "low"),
        ("3.5", "normal"),
        ("5.4", "normal"),
        ("5.5", "mildly_high"),
        ("6.4", "moderately_high"),
        ("6.5", "critical_high"),
    ],
)
def test_potassium(value: str, flag: str) -> None:
    given = {"potassium": Decimal(value), "unit": "mmol/L"}
    assert evaluate(POTASSIUM, given, Habits.of(POTASSIUM)).parts["flag"] == flag


def decided(habits: Habits | None = None, **changed: Any) -> Any:
    table = chart()
    given = {"level": Decimal(10), "way": "slow", **changed}
    return evaluate(table, given, habits or Habits.of(table))


def test_ends_are_inclusive_or_exclusive_as_written() -> None:
    gives = [decided(level=Decimal(level)).parts["level"] for level in (4, 5, 19, 20, 21)]
    assert gives == [2, 0, 0, 1, 1]
    fast = [decided(level=Decimal(level), way="fast").parts["level"] for level in (5, 6, 20, 21)]
    assert fast == [2, 0, 0, 1]


def test_a_missing_input_is_refused_incomplete_or_partial() -> None:
    refused = decided(Habits("reject", "refused"), way=None)
    assert set(refused.refused) == {"way"}
    incomplete = decided(Habits("reject", "incomplete"), way=None)
    assert (incomplete.complete, incomplete.results["total"]) == (False, None)
    partial = decided(Habits("reject", "partial"), way=None)
    assert (partial.complete, partial.results["total"]) == (False, 0)


def test_what_one_part_triggers_is_known_although_others_are_missing() -> None:
    table = NEWS2
    given = {**news2(spo2=85), "pulse": None}
    decision = evaluate(table, given, Habits.of(table))
    assert decision.results["red"] is True
    assert decision.results["band"] is None
    assert agrees(table, "red", None, False)
    assert not agrees(table, "aggregate", None, Decimal(0))


@pytest.mark.parametrize(
    ("how", "value", "becomes"),
    [
        ("half_up", "35.05", "35.1"),
        ("half_even", "35.05", "35.0"),
        ("floor", "35.09", "35.0"),
        ("ceiling", "35.01", "35.1"),
        ("half_up", "38.04", "38.0"),
        ("float", "35.05", "35.0"),
    ],
)
def test_rounding_is_decimal(how: str, value: str, becomes: str) -> None:
    assert rounded(Decimal(value), Decimal("0.1"), how) == Decimal(becomes)


def test_what_cannot_be_is_refused_with_a_reason() -> None:
    habits = Habits("reject", "refused")
    reasons = [
        decided(habits, level=level).refused["level"]
        for level in (Decimal(101), Decimal("9.5"), "ten", True)
    ]
    assert reasons == [
        "it cannot be",
        "it lies between two steps",
        "it is no number",
        "it is no number",
    ]
    assert decided(habits, way="sideways").refused == {"way": "it is none of the codes"}


def test_numbers_of_answers_count_by_value() -> None:
    table = chart()
    assert agrees(table, "total", Decimal(3), json.loads("3.0"))
    assert agrees(table, "total", Decimal("35.1"), json.loads("35.1"))
    assert agrees(table, "total", Decimal(3), "3")
    assert not agrees(table, "total", Decimal(1), True)
    assert not agrees(table, "alarm", True, 1)
    assert number("nan") is None
    assert number("three") is None


def test_a_table_says_where_its_numbers_come_from() -> None:
    for table in (NEWS2, POTASSIUM):
        assert table.cited
        assert all(source.publisher and source.section for source in table.sources)
    assert isinstance(Table.model_validate(CHART), Table)
