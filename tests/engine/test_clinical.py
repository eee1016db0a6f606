"""What oracles say of rows of a table as they were tried."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from conformance.applied import Applied
from conformance.boundaries import Row
from conformance.cases import WHOLE, Profile
from conformance.decision import Habits, evaluate
from conformance.loading import load
from conformance.model import Outcome, Result
from conformance.oracles.clinical import (
    Alert,
    Sheeted,
    Sight,
    Tried,
    everywhere,
    follows,
    observed,
    stands_right,
    told,
)
from conformance.sources import clinical
from conformance.suite import cases_of
from suites import test_clinical as suite
from tests.engine.charts import chart
from tests.engine.exchanges import read

ROOT = Path(__file__).resolve().parents[2]
TABLE = chart()
APPLIED = Applied.model_validate(
    {
        "table": "chart",
        "operation": "chart.draw",
        "inputs": {"level": "level", "way": "way"},
        "outputs": {"total": "$.total", "alarm": "$.alarm", "word": "$.word"},
        "refused": 422,
        "alerts": {"operation": "call.list", "about": "$.of", "when": [{"word": ["walk", "run"]}]},
    }
)
SHOWN = APPLIED.outputs


def row(**given: Any) -> Row:
    exact = {
        name: Decimal(str(one)) if isinstance(one, int | float) else one
        for name, one in given.items()
    }
    whole = {"level": Decimal(10), "way": "slow", **exact}
    return Row("r", whole, (evaluate(TABLE, whole, Habits.of(TABLE)),), f"level {given}")


def tried(
    record: dict[str, Any] | None,
    status: int = 201,
    alerts: int | None = None,
    elsewhere: dict[str, Any] | None = None,
    **given: Any,
) -> Tried:
    outcome = Outcome.ALLOWED if status < 300 else Outcome.INVALID
    if status >= 500:
        outcome = Outcome.BROKEN
    answer = read(status, json.dumps(record), outcome=outcome)
    sights = (Sight("chart.list", read(200, "[]"), elsewhere, SHOWN),)
    found = None if alerts is None else tuple(Alert({}, False) for _ in range(alerts))
    return Tried(row(**given), answer, record, "1", sights if elsewhere else (), found)


RIGHT = {"total": 0, "alarm": False, "word": "stay"}
SEVERE = {"total": 4, "alarm": True, "word": "run"}
ORDINARY = tried(RIGHT, alerts=0)


def sheet(*rows: Tried, kind: str = "edges", ordinary: Tried = ORDINARY, **more: Any) -> Sheeted:
    listed = read(200, "[]")
    return Sheeted(WHOLE, APPLIED, TABLE, kind, ordinary, rows, told=listed, **more)


def test_all_rows_have_to_be_right() -> None:
    verdict = follows(sheet(tried(SEVERE | {"total": 4}, level=60, way="fast")))
    assert verdict.result is Result.PASS
    assert verdict.detail is not None
    assert [one["ok"] for one in verdict.detail["rows"]] == [True, True]


@pytest.mark.parametrize(
    ("record", "kind", "rule"),
    [
        ({"total": 3, "alarm": True, "word": "walk"}, "edges", "table.score"),
        ({"total": 4, "alarm": True, "word": "walk"}, "edges", "table.response"),
        ({"total": 3, "alarm": True, "word": "walk"}, "missing", "table.missing"),
        ({"total": 3, "alarm": True, "word": "walk"}, "precision", "table.precision"),
        ({"total": None, "alarm": True, "word": "run"}, "vectors", "table.score"),
    ],
)
def test_a_wrong_result_is_named_by_what_it_is_about(
    record: dict[str, Any], kind: str, rule: str
) -> None:
    verdict = follows(sheet(tried(record, level=60, way="fast"), kind=kind))
    assert (verdict.result, verdict.rule) == (Result.FAIL, rule)
    assert "instead of" in verdict.reason


def shown(elsewhere: dict[str, Any], **given: Any) -> Tried:
    """A row whose own answer shows the inputs as they were sent, and another place."""
    sent = {"level": 10, "way": "slow", **given}
    return tried(RIGHT | sent, elsewhere=RIGHT | elsewhere, **given)


def test_inputs_stand_under_their_names_in_every_place() -> None:
    right = [shown({"level": level, "way": way}, level=level, way=way) for level, way in KEPT]
    assert stands_right(sheet(*right)).result is Result.PASS
    wrong = shown({"level": 70, "way": "slow"}, level=60)
    verdict = stands_right(sheet(*right, wrong))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "table.value")
    assert "chart.list shows 70 as level, and 60 was entered" in verdict.reason


KEPT = [(60, "fast"), (20, "slow")]


def test_inputs_that_have_changed_places_are_told_where_no_place_is_right() -> None:
    rows = [
        tried(RIGHT | {"level": way, "way": level}, level=level, way=way) for level, way in KEPT
    ]
    verdict = stands_right(sheet(*rows))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "table.value")
    assert "it has changed places with way" in verdict.reason


def test_a_field_that_means_something_else_is_no_input() -> None:
    """What no place shows as it was sent is known by that name for something else."""
    rows = [tried(RIGHT | {"level": f"floor {level}"}, level=level) for level, _ in KEPT]
    assert stands_right(sheet(*rows)).result is Result.PASS
    assert stands_right(sheet(tried(RIGHT, level=60))).result is Result.PASS


def test_what_must_be_refused_and_is_not() -> None:
    verdict = follows(sheet(tried(RIGHT, level=101), kind="range"))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "table.refused")
    assert follows(sheet(tried(None, 422, level=101), kind="range")).result is Result.PASS


def test_a_refusal_with_another_status_is_less() -> None:
    verdict = follows(sheet(tried(None, 400, level=101), kind="range"))
    assert verdict.rule == "table.refusal"


def test_a_refusal_may_come_with_a_success_that_says_so() -> None:
    one = tried(None, 200, level=101)
    one = replace(one, read=replace(one.read, outcome=Outcome.INVALID))
    assert follows(sheet(one, kind="range")).result is Result.PASS


def test_what_is_plausible_may_not_be_refused() -> None:
    assert follows(sheet(tried(None, 422, level=100), kind="range")).rule == "table.valid"


def test_a_server_error_is_no_refusal() -> None:
    verdict = follows(sheet(tried(None, 500, level=101), kind="range"))
    assert verdict.result is Result.INCONCLUSIVE


def test_without_its_ordinary_set_nothing_is_shown() -> None:
    refused = tried(None, 422)
    for oracle in (follows, everywhere, stands_right, told):
        assert oracle(sheet(ordinary=refused)).result is Result.INCONCLUSIVE
    blind = tried({"score": 0})
    verdict = follows(sheet(ordinary=blind))
    assert verdict.result is Result.INCONCLUSIVE
    assert "are the places right?" in verdict.reason


def test_a_refused_record_that_shows_was_kept() -> None:
    verdict = follows(sheet(tried(None, 422, level=101), kind="range", strays=("7",)))
    assert verdict.rule == "table.refused"


def test_every_place_shows_the_same() -> None:
    same = tried(SEVERE, level=60, way="fast", elsewhere=SEVERE)
    other = tried(SEVERE, level=60, way="fast", elsewhere=RIGHT)
    assert everywhere(sheet(same)).result is Result.PASS
    assert everywhere(sheet(other)).rule == "table.place"


@pytest.mark.parametrize(
    ("alerts", "record", "given", "rule"),
    [
        (1, SEVERE, {"level": 60, "way": "fast"}, None),
        (0, SEVERE, {"level": 60, "way": "fast"}, "table.alert"),
        (2, SEVERE, {"level": 60, "way": "fast"}, "table.alert-noise"),
        (0, RIGHT, {}, None),
        (1, RIGHT, {}, "table.alert-noise"),
    ],
)
def test_somebody_is_told_once_and_with_a_reason(
    alerts: int, record: dict[str, Any], given: dict[str, Any], rule: str | None
) -> None:
    verdict = told(sheet(tried(record, alerts=alerts, **given)))
    assert verdict.rule == rule


@pytest.mark.parametrize(
    ("place", "written"),
    [
        ({"at": "$.word", "values": {None: "undecided"}}, "undecided"),
        ({"at": "$.word ~ ^(stay|walk|run)$"}, "undecided"),
    ],
)
def test_a_word_for_nothing_is_nothing(place: dict[str, Any], written: str) -> None:
    shown = Applied.model_validate({**APPLIED.model_dump(), "outputs": {"word": place}}).outputs
    assert observed({"word": written}, shown) == {"word": None}
    assert observed({"word": "run"}, shown) == {"word": "run"}


def test_words_for_true_and_false_need_no_quotes() -> None:
    place = {"at": "$.alarm", "values": {True: "J", False: "N"}}
    shown = Applied.model_validate({**APPLIED.model_dump(), "outputs": {"alarm": place}}).outputs
    assert [observed({"alarm": one}, shown)["alarm"] for one in ("J", "N")] == [True, False]


def test_every_sheet_is_tried_even_where_no_alerts_are_claimed() -> None:
    shop = load(ROOT / "tests" / "apothecary", secrets_required=False).target
    quiet = {name: one.model_copy(update={"alerts": None}) for name, one in shop.tables.items()}
    target = shop.model_copy(update={"tables": quiet})
    tests = [test for name, test in vars(suite).items() if name.startswith("test_")]
    planned = {
        case.variant
        for test in tests
        for case in cases_of(test, "suites.test_clinical", target, Profile.GATE)
    }
    for name in target.tables:
        assert {f"{name}.{sheet.id}" for sheet in clinical.sheets(target, name)} <= planned
