"""What the suite `clinical` says of a system with a table of its own, sound and with each fault."""

from pathlib import Path
from typing import Any

import pytest

from tests.apothecary.app import make
from tests.apothecary.faults import FAULTS
from tests.clinic.serving import served
from tests.runs import faulty
from tests.runs.calling import ROOT, SEED, Run, run, target, wardproof
from tests.runs.forking import Forker

SHOP = ROOT / "tests" / "apothecary"
SUITE = "clinical"


ROWS = [
    faulty.row("edge", "*.edges.kidney-by-mouth", "table.score table.alert-noise"),
    faulty.row("ways-alike", "*.edges.kidney-by-vein", "table.score table.alert"),
    faulty.row("added-up", "*.edges.* *.thresholds *.combinations", "table.score"),
    faulty.row("weight-forgotten", "*.edges.build", "table.score"),
    faulty.row("word-wrong", "*.edges.build", "table.response"),
    faulty.row("cut-off", "*.precision.*", "table.precision"),
    faulty.row("assumes", "*.missing.weight", "table.missing"),
    faulty.row("anything", "*.range.clearance", "table.refused"),
    faulty.row("kept", "*.range.weight", "table.refused"),
    faulty.row("list-stale", "*.edges.*", "table.place"),
    faulty.row("columns-swapped", "*.edges.*", "table.value"),
    faulty.row("oldest-first", "*.lists-keep-their-order*", "contract.order"),
    faulty.row("silent", "*.edges.* *.corrections*", "table.alert table.correction"),
    faulty.row("calls-all", "*.thresholds", "table.alert-noise"),
    faulty.row("calls-twice", "*.thresholds", "table.alert-noise"),
    faulty.row("keeps-advice", "*corrections*", "table.correction"),
    faulty.row("too-strict", "*.range.weight", "table.valid"),
]


def _tried(out: Path, forker: Forker, *faults: str, cases: str = "*") -> Run:
    with served(make(*faults)) as url:
        return run(
            out,
            *("--base-url", url, "--seed", SEED, "--suite", SUITE),
            *(f"--case={glob}" for glob in cases.split()),
            target=SHOP,
            by=forker.wardproof,
        )


def test_a_sound_apothecary_is_conformant(tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker)
    assert done.code == 0, done.called.said
    assert set(done.outcomes.values()) == {"pass"}
    assert any("lists-keep-their-order" in case for case in done.passed())
    kinds = {case.split(".dose.")[1].split(".")[0] for case in done.passed() if ".dose." in case}
    assert {"edges", "thresholds", "missing", "precision", "range", "units"} <= kinds


def test_rows_stand_in_the_ledger_with_what_was_expected_and_observed(
    tmp_path: Path, forker: Forker
) -> None:
    done = _tried(tmp_path / "out", forker, "edge", cases="*.edges.kidney-by-mouth")
    detail = done.of("verdict")[0]["detail"]
    assert (detail["kind"], detail["table"]) == ("table", "Dose of examplin")
    assert "Made up for these tests" in detail["source"]
    wrong = [row for row in detail["rows"] if not row["ok"]]
    assert [row["inputs"]["clearance"] for row in wrong] == [15]
    assert wrong[0]["expected"] == {"concern": 2, "advice": "reduce"}
    assert wrong[0]["observed"] == {"concern": 4, "advice": "stop"}


def test_every_fault_is_tried() -> None:
    assert {row.fault for row in ROWS} == set(FAULTS) - {"crashes"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault)
def test_a_fault_is_found(row: faulty.Row, tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker, row.fault, cases=row.cases)
    assert done.code == 1, done.called.said
    assert done.rules == row.rules, done.called.said
    assert "inconclusive" not in done.outcomes.values()


def test_a_server_error_is_no_refusal(tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker, "crashes", cases="*.missing.weight")
    assert done.code == 2, done.called.said
    assert set(done.outcomes.values()) == {"inconclusive"}


def test_a_target_without_tables_is_told_how_to_claim_them(
    clinic: str, tmp_path: Path, forker: Forker
) -> None:
    done = run(tmp_path / "out", "--base-url", clinic, "--suite", SUITE, by=forker.wardproof)
    assert done.code == 2, done.called.said
    assert set(done.outcomes.values()) == {"not_claimed"}
    assert all("to claim it, write for example" in one["reason"] for one in done.of("verdict"))


def test_wrong_names_are_said_with_their_place(tmp_path: Path) -> None:
    def misspelt(data: dict[str, Any]) -> None:
        dose = data["tables"]["dose"]
        dose["table"] = "newz2"
        dose["operation"] = "request.aks"

    said = wardproof("plan", "--target", target(tmp_path / "one", misspelt, SHOP)).said
    assert "there is no table 'newz2'; did you mean 'news2'" in said
    assert "there is no operation of request 'aks'; did you mean 'ask'" in said


def test_inputs_and_outputs_that_the_table_has_not_are_said(tmp_path: Path) -> None:
    def misspelt(data: dict[str, Any]) -> None:
        dose = data["tables"]["dose"]
        dose["outputs"]["concerns"] = "$.x"
        dose["inputs"]["wait"] = dose["inputs"].pop("weight")
        dose["alerts"]["when"] = [{"advise": "stop"}]

    folder = target(tmp_path / "one", misspelt, SHOP)
    (folder / "examplin.yaml").write_text((SHOP / "examplin.yaml").read_text())
    said = wardproof("plan", "--target", folder).said
    assert "there is no output of the table 'concerns'; did you mean 'concern'" in said
    assert "nothing takes 'weight'" in said
    assert "there is no input of the table 'wait'" in said
    assert "there is no output of the table 'advise'; did you mean 'advice'" in said


def test_mistakes_in_a_table_are_said_with_their_place(tmp_path: Path) -> None:
    folder = target(tmp_path / "one", lambda _data: None, SHOP)
    text = (SHOP / "examplin.yaml").read_text()
    (folder / "examplin.yaml").write_text(
        text.replace("from: 30, below: 60", "from: 31, below: 60")
    )
    said = wardproof("plan", "--target", folder).said
    assert "examplin.yaml:19:" in said
    assert "begins at 31, not at 30: gap" in said
