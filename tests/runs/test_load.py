"""What the load suite says of a tiny system, sound and with each of its faults."""

from pathlib import Path
from typing import Any

import pytest

from tests.runs.calling import ROOT, SEED, Run, run, target
from tests.runs.forking import Forker
from tests.station.faults import FAULTS

STATION = ROOT / "tests" / "station"

ROWS = [
    ("row-by-row", "smoke", "load.objectives*", "load.slow"),
    ("fails-often", "smoke", "load.objectives*", "load.errors"),
    ("shared-tenant", "smoke", "load.nobody*", "leak.tenant"),
    ("shared-record", "smoke", "load.nobody*", "load.mixed"),
    ("remembers-keys", "smoke", "load.nobody*", "load.revoked"),
    ("one-queue", "gate", "load.one-tenant*", "load.starved"),
    ("writes-later", "gate", "load.a-crash*", "durability.lost"),
    ("forgets-totals", "gate", "load.a-crash*", "invariants.differ"),
    ("wakes-slowly", "gate", "load.a-crash*", "load.recovery"),
]


def _tried(folder: Path, forker: Forker, *faults: str, profile: str, cases: str) -> Run:
    def change(data: dict[str, Any]) -> None:
        data["system"]["start"]["command"] += faults

    return run(
        folder / "out",
        *("--suite", "load", "--profile", profile, "--seed", SEED, "--case", cases),
        target=target(folder / "target", change, like=STATION),
        by=forker.wardproof,
    )


def test_every_fault_is_tried() -> None:
    assert {row[0] for row in ROWS} == set(FAULTS)


@pytest.mark.parametrize(("fault", "profile", "cases", "rule"), ROWS, ids=[r[0] for r in ROWS])
def test_a_fault_is_found(
    fault: str, profile: str, cases: str, rule: str, tmp_path: Path, forker: Forker
) -> None:
    done = _tried(tmp_path, forker, fault, profile=profile, cases=cases)
    assert done.code == 1, done.called.said
    assert done.rules == {rule}


@pytest.mark.parametrize(
    "cases", ["load.objectives*", "load.nobody*", "load.one-tenant*", "load.a-crash*"]
)
def test_a_sound_station_keeps_its_promises(cases: str, tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path, forker, profile="gate", cases=cases)
    assert done.code == 0, done.called.said
    (verdict,) = (one for one in done.of("verdict") if ".sweep." not in one["case"])
    drawn = verdict["detail"]
    assert drawn["kind"] == "load"
    assert drawn["leaks"]["found"] == 0
    assert drawn["leaks"]["upper_per_million"] > 0
    assert {one["name"] for one in drawn["workflows"]} == {"round"}
    assert sum(point["count"] for point in drawn["series"][0]["points"]) > 0


def test_a_step_that_never_works_is_named(tmp_path: Path, forker: Forker) -> None:
    def change(data: dict[str, Any]) -> None:
        data["workflows"]["round"]["steps"].append({"request": "GET /nowhere/at/all"})

    done = run(
        tmp_path / "out",
        *("--suite", "load", "--profile", "smoke", "--case", "load.objectives*"),
        target=target(tmp_path / "target", change, like=STATION),
        by=forker.wardproof,
    )
    assert done.code == 2, done.called.said
    (verdict,) = (one for one in done.of("verdict") if ".sweep." not in one["case"])
    assert "step 5 of round does not work even once: GET /nowhere/at/all" in verdict["reason"]
