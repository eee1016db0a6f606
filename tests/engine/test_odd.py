"""Odd values: the table, the places that take them, and what is concluded from what came back."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.cases import Profile
from conformance.document import InvalidDocument
from conformance.fuzz import odd
from conformance.model import Result
from conformance.oracles.bombs import Bomb, Bombs, defused
from conformance.oracles.odd import (
    Broken,
    Exported,
    Listing,
    Odds,
    Opened,
    Returned,
    TurnedAway,
    breaks_nothing,
    comes_back,
    holds_no_formulas,
    says_the_same,
    settled,
    stays_open,
    takes_what_people_write,
)
from conformance.sources import odd as sources
from conformance.trials.odd import _timed
from tests.engine.exchanges import CASE, read, unanswered
from tests.engine.targets import target

DONE = read(201)


def _returned(sent: Any, back: Any, kind: str = "text", **more: Any) -> Odds:
    one = Returned("note", ("it",), sent, back, DONE, read(200), kind, **more)
    return Odds(CASE, DONE, (one,), sent=1)


# --- the table --------------------------------------------------------------------------------


def test_the_table_holds_what_clinical_systems_choke_on() -> None:
    names = {one.name: one for one in odd.values()}
    assert names["nul"].value == "a\0b"
    assert names["lone surrogate"].value == "a\ud800b"
    assert names["ten to the 400th"].value == 10**400
    assert math.isnan(names["not a number"].value)
    assert math.copysign(1, names["minus zero"].value) == -1
    assert len(json.dumps(names["deep list"].value)) == 400
    assert {one.kind for one in odd.values()} == {"text", "number", "date", "structure"}
    assert all(isinstance(one.value, str) for one in odd.values("text"))


def test_a_number_can_be_sent_as_it_is_written() -> None:
    names = {one.name: one.value for one in odd.values("number")}
    assert names["ten to the 309th"] == "1e309"
    assert isinstance(names["ten to the 309th"], odd.Numeral)


def test_mistakes_in_the_table_are_said_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(
        "values:\n"
        "  - {name: a, kind: text, value: x, why: because}\n"
        "  - {name: a, kind: text, value: x, made: {repeat: x, times: 3}, why: because}\n"
        "  - {name: b, kind: text, value: 5, why: because}\n"
        "  - {name: c, kind: words, value: x, why: because}\n"
    )
    with pytest.raises(InvalidDocument) as problem:
        odd.load(path)
    said = str(problem.value)
    assert "odd.yaml:3:" in said
    assert "say either 'value' or how it is 'made'" in said
    assert "a row of kind text has a text" in said
    assert "odd.yaml:5:" in said


def test_a_name_is_used_once(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text("values:\n" + "  - {name: a, kind: text, value: x, why: because}\n" * 2)
    with pytest.raises(InvalidDocument, match=r"odd.yaml:3:.*there are two 'a'"):
        odd.load(path)


# --- places -----------------------------------------------------------------------------------


def test_places_are_known_by_what_usually_stands_there() -> None:
    body = {
        "name": "{person.family} {person.given}",
        "note": "{text}",
        "dose": {"amount": 5.5, "every": "{int:1-9}", "share": "0.5"},
        "born": "{birth_date}",
        "day": "2024-02-29",
        "items": [{"says": "{text}"}],
        "password": "{canary}",
        "code": "{canary}-{uuid}",
        "sex": "female",
        "urgent": True,
        "patient_id": "{patient.id}",
    }
    found = {slot.name: (slot.kind, slot.long) for slot in sources.slots(body)}
    assert found == {
        "name": ("text", False),
        "note": ("text", True),
        "dose.amount": ("number", False),
        "dose.every": ("number", False),
        "dose.share": ("number", False),
        "born": ("date", False),
        "day": ("date", False),
        "items[0].says": ("text", True),
        "password": ("other", False),
        "code": ("other", False),
        "sex": ("other", False),
        "urgent": ("other", False),
        "patient_id": ("other", False),
    }


def test_credentials_are_tried_once_for_each_login_at_a_list_if_there_is_one() -> None:
    found = target(
        resources__patient__list={"request": "GET /patients", "items": "$[*]"},
        policy__nurse__patient__list="allow",
    )
    assert [case.operation for case in sources.credentials(found, Profile.GATE)] == ["list"]


def test_a_target_without_exports_is_told_how_to_claim_them() -> None:
    (case,) = sources.exports(target(), Profile.GATE)
    assert case.unclaimed
    assert "channels" in case.unclaimed


def test_a_read_that_may_be_a_table_is_an_export() -> None:
    table = {"request": "GET /patients.csv", "kind": "list"}
    found = target(resources__patient__table=table, policy__clerk__patient__table="allow")
    assert [case.operation for case in sources.exports(found, Profile.GATE)] == ["table"]


# --- what comes back --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "back"),
    [
        ("Zoe\u0308", "Zo\u00eb"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("x ", "x"),
        ("Ann", "Ward: Ann"),
    ],
)
def test_texts_are_the_same_up_to_normalisation(sent: str, back: str) -> None:
    assert comes_back(_returned(sent, back)).result is Result.PASS


@pytest.mark.parametrize(
    ("sent", "back", "said"),
    [
        ("x" * 300, "x" * 255, "cut from 300 to 255 characters"),
        ("a|b^c", "abc", "came back altered"),
        ("K <3 x", "K &lt;3 x", "came back altered"),
        ("½", "1⁄2", "came back altered"),
        ("O'Brien", None, "came back as None"),
    ],
)
def test_an_altered_text_is_a_finding(sent: str, back: str | None, said: str) -> None:
    verdict = comes_back(_returned(sent, back))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "fuzz.altered")
    assert said in verdict.reason
    assert verdict.reason.isprintable()


@pytest.mark.parametrize(
    ("kind", "sent", "back", "means", "same"),
    [
        ("number", 0.30000000000000004, 0.3, None, True),
        ("number", -0.0, 0, None, True),
        ("number", "5,5", 5.5, 5.5, True),
        ("number", "5,5", 55, 5.5, False),
        ("number", "5²", 52, None, False),
        ("number", True, 1, 1, True),
        ("date", "2000-02-29", "2000-02-29T00:00:00Z", None, True),
        ("date", "2023-02-29", "2023-03-01", None, False),
        ("date", "23-01-05", "2023-01-05", None, False),
        ("date", "9999-12-31", "9999-12-30T16:00:00Z", None, True),
    ],
)
def test_numbers_and_dates_mean_the_same(
    kind: str, sent: Any, back: Any, means: Any, same: bool
) -> None:
    verdict = comes_back(_returned(sent, back, kind, means=means))
    assert verdict.result is (Result.PASS if same else Result.FAIL)


def test_what_is_no_value_says_nothing() -> None:
    assert not says_the_same("number", None, 5)
    assert settled(" a\r\nb ") == "a\nb"


def test_without_an_ordinary_success_nothing_is_shown() -> None:
    assert comes_back(Odds(CASE, read(409))).result is Result.INCONCLUSIVE
    assert breaks_nothing(Odds(CASE, read(409))).result is Result.INCONCLUSIVE


# --- what breaks ------------------------------------------------------------------------------


def test_a_failure_that_comes_again_is_a_finding() -> None:
    broken = Broken("note", ("nul",), read(500), read(500), DONE)
    verdict = breaks_nothing(Odds(CASE, DONE, broken=(broken,), sent=2))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "fuzz.server_error")
    assert verdict.reason == "nul in note: answered 500"


def test_a_target_that_fails_anyway_shows_nothing() -> None:
    broken = Broken("note", ("nul",), read(500), unanswered(), read(503))
    verdict = breaks_nothing(Odds(CASE, DONE, broken=(broken,), sent=2))
    assert verdict.result is Result.INCONCLUSIVE


def test_a_list_that_is_shut_is_a_finding() -> None:
    opened = Opened("'list' of patient", read(200), read(500), "nul in name")
    verdict = stays_open(Odds(CASE, DONE, opened=(opened,), sent=1))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "fuzz.poisoned")
    assert "after nul in name had been accepted" in verdict.reason
    silent = replace(opened, after=unanswered())
    assert stays_open(Odds(CASE, DONE, opened=(silent,), sent=1)).result is Result.INCONCLUSIVE
    before = replace(opened, before=read(500))
    assert stays_open(Odds(CASE, DONE, opened=(before,), sent=1)).result is Result.PASS


@pytest.mark.parametrize(("plain", "result"), [(True, Result.FAIL), (False, Result.PASS)])
def test_a_record_that_no_list_shows_is_a_finding(plain: bool, result: Result) -> None:
    listing = Listing("'list' of patient", read(200), plain, ("isolates",), DONE)
    verdict = stays_open(Odds(CASE, DONE, sent=1, listing=listing))
    assert verdict.result is result
    assert verdict.rule == ("fuzz.unlisted" if plain else None)


# --- what people write ------------------------------------------------------------------------


@pytest.mark.parametrize(("longest", "rule"), [(None, "fuzz.refused_name"), (80, "fuzz.refused")])
def test_what_people_write_is_taken(longest: int | None, rule: str) -> None:
    away = TurnedAway("name", "apostrophe", read(422), DONE, longest)
    verdict = takes_what_people_write(Odds(CASE, DONE, sent=1, away=(away,)))
    assert (verdict.result, verdict.rule) == (Result.FAIL, rule)
    assert "apostrophe in name" in verdict.reason
    assert takes_what_people_write(Odds(CASE, DONE, sent=1)).result is Result.PASS


# --- exports ----------------------------------------------------------------------------------


def _exported(body: str) -> Exported:
    planted = (("formula in name", "=1+1 wqx"), ("at formula in name", "@SUM(1,1) wqy"))
    return Exported(replace(CASE, operation=None), read(200, body), planted)


def test_live_formulas_are_a_finding() -> None:
    verdict = holds_no_formulas(_exported('id,name\r\n1,=1+1 wqx\r\n2,"\'@SUM(1,1) wqy"\r\n'))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "export.formula")
    assert "formula in name" in verdict.reason
    assert "at formula" not in verdict.reason


@pytest.mark.parametrize("blank", ["\t", "\r", " ", "\n", "\u00a0"])
def test_white_space_before_a_formula_hides_nothing(blank: str) -> None:
    live = _exported(f'id,name\r\n1,"{blank}=1+1 wqx"\r\n2,x\r\n')
    assert holds_no_formulas(live).rule == "export.formula"
    safe = _exported(f'id,name\r\n1,"\'{blank}=1+1 wqx"\r\n2,x\r\n')
    assert holds_no_formulas(safe).result is Result.PASS


def test_formulas_as_texts_pass() -> None:
    verdict = holds_no_formulas(_exported("id;name\r\n1;'=1+1 wqx\r\n2;'@SUM(1,1) wqy\r\n"))
    assert verdict.result is Result.PASS


def test_an_export_without_what_was_typed_in_shows_nothing() -> None:
    assert holds_no_formulas(_exported("id,name\r\n1,x\r\n")).result is Result.INCONCLUSIVE


# --- bombs ------------------------------------------------------------------------------------


def _bombs(**changes: Any) -> Bombs:
    bomb = Bomb(CASE, "16 KiB that become 16 MiB", DONE, read(422), None, DONE)
    return Bombs(CASE, DONE, (replace(bomb, **changes),))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({}, None),
        ({"bomb": DONE, "open": DONE}, None),
        ({"bomb": DONE, "open": read(413)}, "fuzz.bomb"),
        ({"bomb": read(500), "again": read(500)}, "fuzz.bomb"),
        ({"bomb": unanswered(), "again": unanswered(), "after": unanswered()}, "fuzz.bomb"),
        ({"bomb": unanswered(), "again": read(413)}, None),
        ({"bomb": DONE, "taken": "the answer has 20 MiB"}, "fuzz.bomb"),
        ({"fetched": "a URL of ours"}, "fuzz.entity"),
    ],
)
def test_bombs_are_defused_or_found(changes: dict[str, Any], rule: str | None) -> None:
    verdict = defused(_bombs(**changes))
    assert verdict.rule == rule
    assert verdict.result is (Result.FAIL if rule else Result.PASS)


def test_bombs_without_an_ordinary_success_show_nothing() -> None:
    assert defused(Bombs(CASE, read(403), ())).result is Result.INCONCLUSIVE


@pytest.mark.parametrize(
    ("usual", "found"),
    [
        ("2026-03-01T10:15", "0001-01-01T10:15"),
        ("2026-03-01T10:15:00+05:45", "0001-01-01T10:15:00+05:45"),
        ("2026-03-01", None),
        ("Time after time", None),
        (7, None),
        (None, None),
    ],
)
def test_odd_days_come_with_the_time_of_day_that_a_field_has(usual: Any, found: str | None) -> None:
    rows = {one.value for one in _timed(usual)}
    assert (found in rows) if found else not rows
    assert all(one.count("T") == 1 for one in rows)
