"""What the suite says of several at one instant: the ward, sound and with each of its faults."""

from pathlib import Path
from typing import Any

import pytest

from tests.clinic.serving import served
from tests.runs import faulty
from tests.runs.calling import ROOT, SEED, Run, run, target
from tests.runs.forking import Forker
from tests.ward.app import make
from tests.ward.faults import FAULTS

WARD = ROOT / "tests" / "ward"
MANNERS = {"busy"}


ROWS = [
    faulty.row("checks-first", "*.one_bed.at-once", "race.double"),
    faulty.row("told-twice", "*.one_bed.at-once", "race.double"),
    faulty.row("in-silence", "*.one_bed.at-once", "race.double"),
    faulty.row("mistakes", "*.one_bed.at-once", "race.state"),
    faulty.row("nobody", "*.one_bed.at-once", "race.none"),
    faulty.row("breaks", "*.one_bed.at-once", "race.error"),
    faulty.row("other-words", "*.one_bed.at-once", "race.refusal"),
    faulty.row("moves-unchecked", "*.one_bed.at-once", "race.double"),
    faulty.row("wishes-unchecked", "*.one_wish.at-once", "race.double"),
    faulty.row("last-writer", "*.one_change.*", "race.lost-update"),
    faulty.row("any-version", "*.one_change.*", "race.precondition"),
    faulty.row("old-version", "*.one_change.*", "race.version"),
    faulty.row("key-ignored", "*.again *.one_bill.at-once", "idempotency.repeated"),
    faulty.row("key-late", "*.again *.one_bill.at-once", "idempotency.repeated"),
    faulty.row("key-any-body", "*.one_bill.other-*", "idempotency.body"),
    faulty.row("key-of-ward", "*.one_bill.other-*", "idempotency.mixed"),
    faulty.row("key-any-order", "*.one_bill.other-*", "idempotency.mixed"),
    faulty.row("counted", "*.numbers.at-once", "sequence.duplicate"),
    faulty.row("leaves-out", "*.numbers.at-once", "sequence.gap"),
    faulty.row("burnt-by-refusals", "*.numbers.at-once", "sequence.gap"),
    faulty.row("burnt-by-retries", "*.numbers.at-once", "sequence.gap"),
    faulty.row("shared", "*.numbers.at-once", "sequence.gap"),
    faulty.row("spent-twice", "*.one_use.at-once", "race.spent-twice"),
    faulty.row("given-and-stopped", "*.given_or_stopped.at-once", "race.together"),
    faulty.row("given-late", "*.given_or_stopped.at-once", "race.together"),
    faulty.row("looks-on", "*.off_the_list.at-once", "race.state"),
]


def _tried(out: Path, forker: Forker, *faults: str, cases: str = "*", folder: Path = WARD) -> Run:
    with served(make(*faults)) as url:
        return run(
            out,
            *("--base-url", url, "--seed", SEED, "--suite", "concurrency"),
            *(f"--case={glob}" for glob in cases.split()),
            target=folder,
            by=forker.wardproof,
        )


def test_a_sound_ward_is_conformant(tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker)
    assert done.code == 0, done.called.said
    assert set(done.outcomes.values()) == {"pass"}
    assert len(done.passed()) == 15


def test_a_verdict_shows_its_rounds_and_what_they_are_worth(tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker, cases="*.one_bed.at-once")
    (verdict,) = done.of("verdict")
    drawn = verdict["detail"]
    assert (drawn["kind"], drawn["race"], drawn["technique"]) == ("race", "one_bed", "last byte")
    assert drawn["power"]["contenders"] == 4
    assert drawn["power"]["counted"] >= 5
    assert drawn["power"]["window_us"] < drawn["power"]["needed_us"]
    assert [one["came"] for one in drawn["shown"]["contenders"]].count("won") == 1
    assert drawn["shown"]["reads"][0]["says"].startswith("stay")


def test_every_fault_is_tried() -> None:
    assert {row.fault for row in ROWS} == set(FAULTS) - MANNERS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault)
def test_a_fault_is_found(row: faulty.Row, tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker, row.fault, cases=row.cases)
    assert done.code == 1, done.called.said
    assert done.rules == row.rules


def test_a_target_that_is_busy_proves_nothing(tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker, "busy", cases="*.one_bed.at-once")
    assert done.code == 2, done.called.said
    (verdict,) = done.of("verdict")
    assert "rounds say something" in verdict["reason"]


def test_too_little_power_proves_nothing(tmp_path: Path, forker: Forker) -> None:
    def asking(data: dict[str, Any]) -> None:
        data["racing"] |= {"needed_us": 0.5}

    folder = target(tmp_path / "target", asking, WARD)
    done = _tried(tmp_path / "out", forker, cases="*.one_use.at-once", folder=folder)
    assert done.code == 2, done.called.said
    (verdict,) = done.of("verdict")
    assert "is asked for" in verdict["reason"]


def test_a_race_that_cannot_be_set_up_says_why(tmp_path: Path, forker: Forker) -> None:
    def elsewhere(data: dict[str, Any]) -> None:
        data["races"]["one_use"]["setup"][0]["request"] = "POST /nowhere"

    folder = target(tmp_path / "target", elsewhere, WARD)
    done = _tried(tmp_path / "out", forker, cases="*.one_use.at-once", folder=folder)
    assert done.code == 2, done.called.said
    (verdict,) = done.of("verdict")
    assert "POST /nowhere as clerk.red got 404" in verdict["reason"]


def test_what_is_not_claimed_is_listed(tmp_path: Path, forker: Forker) -> None:
    folder = target(tmp_path / "target", lambda data: data.pop("races"), WARD)
    done = _tried(tmp_path / "out", forker, folder=folder)
    assert set(done.outcomes.values()) == {"not_claimed"}
    assert len(done.outcomes) == 9
