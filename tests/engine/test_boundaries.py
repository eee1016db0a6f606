"""The rows that are tried of a table tell every wrong implementation of it from the right one."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from conformance import boundaries, mutants
from conformance.boundaries import Row, Sheet
from conformance.decision import Habits
from conformance.table_files import load_table, place_of
from conformance.tables import Table
from tests.engine.charts import chart

PAGE = Path(__file__).parents[2] / "docs" / "suites" / "clinical.md"


def tried(table: Table, shown: tuple[str, ...] | None = None) -> tuple[Sheet, ...]:
    return boundaries.sheets(table, Habits.of(table), shown or table.outputs)


def rows_of(sheets: tuple[Sheet, ...]) -> list[Row]:
    return [row for sheet in sheets for row in sheet.rows]


@pytest.mark.parametrize("name", ["news2", "potassium"])
def test_every_mutant_is_killed_and_the_page_says_so(name: str) -> None:
    table = load_table(place_of(name))
    rows = rows_of(tried(table))
    made = mutants.of(table, Habits.of(table))
    alive = mutants.survivors(made, rows, table.outputs)
    assert [one.says for one in alive] == []
    said = re.search(rf"^\| {name} \| (\d+) \| (\d+) \| (\d+) \|$", PAGE.read_text(), re.M)
    assert said is not None
    assert tuple(map(int, said.groups())) == (len(rows), len(made), len(made))


@pytest.mark.parametrize("shown", [("total",), ("word",), ("alarm", "word")])
def test_what_shows_little_is_told_apart_in_other_surroundings(shown: tuple[str, ...]) -> None:
    table = chart()
    made = mutants.of(table, Habits.of(table), shown)
    alive = mutants.survivors(made, rows_of(tried(table, shown)), shown)
    assert len(made) > 30
    assert len(alive) <= len(made) // 4


def test_the_largest_is_told_from_the_sum() -> None:
    table = chart(results={"most": {"max": ["level", "way"]}})
    rows = rows_of(tried(table, ("most",)))
    made = mutants.of(table, Habits.of(table), ("most",))
    added = [one for one in made if "the sum, not the largest" in one.says]
    assert len(added) == 1
    assert mutants.survivors(added, rows, ("most",)) == []


def test_both_sides_of_every_edge_are_tried_in_every_variant() -> None:
    sheets = {sheet.id: sheet for sheet in tried(chart())}
    slow, fast = sheets["edges.level-slow"], sheets["edges.level-fast"]
    wanted = ["4", "5", "6", "19", "20", "21"]
    assert [row.id for row in slow.rows] == [row.id for row in fast.rows] == wanted
    assert {row.given["way"] for row in slow.rows} == {"slow"}


def test_sums_beside_each_threshold_are_tried_with_and_without_the_alarm() -> None:
    sheet = next(sheet for sheet in tried(chart()) if sheet.kind == "thresholds")
    told = {(row.expected.results["total"], row.expected.results["alarm"]) for row in sheet.rows}
    assert {(Decimal(3), True), (Decimal(4), True)} <= told
    assert "total 3, alarm" in {row.why for row in sheet.rows}


def test_missing_empty_and_worded_inputs_never_have_a_result() -> None:
    for sheet in tried(chart()):
        for row in sheet.rows if sheet.kind == "missing" else ():
            assert all(one.refused or one.results["total"] is None for one in row.accepts)


def test_what_is_out_of_range_is_tried_beside_what_is_just_in_it() -> None:
    sheet = next(one for one in tried(chart()) if one.id == "range.level")
    assert {row.id: row.refused for row in sheet.rows} == {
        "0": False,
        "100": False,
        "-1": True,
        "101": True,
        "1001": True,
    }


def test_other_units_are_tried_where_their_numbers_cannot_be() -> None:
    table = chart(
        inputs__level__other_units={"thousandths": {"times": 1000}, "doubled": {"times": 2}}
    )
    sheet = next(one for one in tried(table) if one.id == "units.level")
    assert [row.given["level"] for row in sheet.rows] == [Decimal(10000)]


def test_a_decimal_comma_is_tried_where_it_would_make_another_number() -> None:
    sheet = next(one for one in tried(load_table(place_of("potassium"))) if one.kind == "units")
    comma = next(row for row in sheet.rows if row.id == "comma")
    assert comma.given["potassium"] == "2,6"
    assert [bool(one.refused) for one in comma.accepts] == [True, False]


@pytest.mark.parametrize("precision", ["half_up", "half_even", "floor", "ceiling"])
def test_rounding_as_declared_is_told_from_every_other(precision: str) -> None:
    table = load_table(place_of("news2"))
    habits = Habits.of(table, precision)
    rows = rows_of(boundaries.sheets(table, habits, table.outputs))
    said = "values between two steps: "
    others = [one for one in mutants.of(table, habits) if one.says.startswith(said)]
    assert len(others) == 5
    alive = {one.says for one in mutants.survivors(others, rows, table.outputs)}
    # At these edges binary fractions are rounded as half_even rounds decimals.
    assert alive == ({f"{said}float"} if precision == "half_even" else set())


def test_a_severe_set_is_as_severe_as_the_table_allows() -> None:
    table = load_table(place_of("news2"))
    ordinary, severe = boundaries.extremes(table, Habits.of(table))
    assert (ordinary.expected.results["aggregate"], severe.expected.results["aggregate"]) == (0, 20)
    lacking = boundaries.lacking(table, Habits.of(table))
    assert lacking is not None
    assert lacking.expected.results["red"] is True
