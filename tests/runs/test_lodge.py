"""What the sweep and the suite durability say of the lodge, sound and with each of its faults."""

from pathlib import Path
from typing import Any

import pytest

from tests.lodge.faults import FAULTS
from tests.runs import faulty
from tests.runs.calling import ROOT, Run, run, target
from tests.runs.forking import Forker

LODGE = ROOT / "tests" / "lodge"

CRASHES = [
    faulty.row("answers-first", "*.killed", "durability.lost"),
    faulty.row("tells-later", "*.killed", "durability.half_done invariants.differ"),
    faulty.row("entries-later", "*.killed", "durability.half_done"),
]
BOOKS = [
    faulty.row("report-skips", "role_access.sweep.counted_bills", "invariants.differ"),
    faulty.row("report-rounds", "role_access.sweep.billed", "invariants.differ"),
    faulty.row("orphans", "role_access.sweep.guests_of_stays", "invariants.orphan"),
    faulty.row("crowded", "role_access.sweep.rooms", "invariants.differ"),
]


def _tried(out: Path, forker: Forker, suite: str, *faults: str, workers: int = 1) -> Run:
    def change(data: dict[str, Any]) -> None:
        data["system"]["start"]["environment"] = {"LODGE_FAULTS": " ".join(faults)}

    folder = target(out.with_suffix(".target"), change, LODGE)
    more = ("--profile", "smoke") if suite == "durability" else ()
    given = ("--suite", suite, "--seed", "7", "-n", str(workers), *more)
    return run(out, *given, target=folder, by=forker.wardproof)


def _sweeps(done: Run) -> dict[str, str]:
    return {one: how for one, how in done.outcomes.items() if ".sweep." in one}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_books_of_the_sound_lodge_balance(workers: int, tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker, "role_access", workers=workers)
    assert done.code == 0, done.called.said
    assert set(_sweeps(done).values()) == {"pass"}
    assert len(_sweeps(done)) == 5
    shown = {one["case"]: one["reason"] for one in done.of("verdict")}
    assert "nothing to compare" not in shown["role_access.sweep.counted_bills"]


def test_the_sound_lodge_keeps_what_it_acknowledged(tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker, "durability")
    assert done.code == 0, done.called.said
    told = next(one for one in done.of("verdict") if "killed" in one["case"])
    assert told["detail"]["last_second"] >= 5
    written = {one["operation"] for one in told["detail"]["writes"]}
    assert written == {"guest.create", "stay.create", "bill.create"}


@pytest.mark.parametrize("row", [*CRASHES, *BOOKS], ids=lambda row: row.fault)
def test_a_fault_is_found(row: faulty.Row, tmp_path: Path, forker: Forker) -> None:
    suite = "durability" if row in CRASHES else "role_access"
    done = _tried(tmp_path / "out", forker, suite, row.fault)
    assert done.code == 1, done.called.said
    assert done.rules == row.rules
    found = [case for case, how in done.outcomes.items() if how == "fail"]
    assert any(Path(case).match(row.cases) for case in found), found


def test_several_workers_find_it_as_well(tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker, "role_access", "report-skips", workers=2)
    failed = {case for case, how in done.outcomes.items() if how == "fail"}
    assert failed == {"role_access.sweep.counted_bills", "role_access.sweep.billed"}


def test_a_report_that_catches_up_is_no_finding(tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker, "role_access", "count-lags")
    assert done.outcomes["role_access.sweep.counted_bills"] == "pass"


def test_what_moves_while_it_is_read_shows_nothing(tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker, "role_access", "restless")
    assert done.outcomes["role_access.sweep.counted_bills"] == "inconclusive"
    assert "moved while it was read" in done.called.said


def test_every_fault_is_tried() -> None:
    assert {row.fault for row in (*CRASHES, *BOOKS)} == set(FAULTS) - {"count-lags", "restless"}


def test_without_invariants_one_case_says_so(tmp_path: Path, forker: Forker) -> None:
    def change(data: dict[str, Any]) -> None:
        del data["invariants"], data["durable"]
        data["system"]["start"]["command"][-1] = str(tmp_path)

    folder = target(tmp_path / "target", change, LODGE)
    done = run(tmp_path / "out", "--suite", "durability", target=folder, by=forker.wardproof)
    assert set(done.outcomes.values()) == {"not_claimed"}, done.called.said
    assert "invariants:" in done.called.said
    assert "{data}" in done.called.said
