"""What the fuzz suite says of odd values, sent to a sound kiosk and to one with each fault."""

from pathlib import Path

import pytest

from tests.clinic.serving import served
from tests.kiosk.app import make
from tests.kiosk.faults import FAULTS
from tests.runs import faulty
from tests.runs.calling import ROOT, SEED, Run, run, target, without_start
from tests.runs.forking import Forker

KIOSK = ROOT / "tests" / "kiosk"
TEXT = "*.odd-text*.card.create*"
OTHER = "*.odd-numbers*.card.create*"
ROWS = [
    faulty.row("cuts", TEXT, "fuzz.altered"),
    faulty.row("breaks-on-keys", "*.odd-cred*", "fuzz.server_error"),
    faulty.row("cuts-at-the-edge", TEXT, "fuzz.altered"),
    faulty.row("refuses-apostrophes", TEXT, "fuzz.refused_name"),
    faulty.row("refuses-single-letters", TEXT, "fuzz.refused_name"),
    faulty.row("refuses-long", TEXT, "fuzz.refused"),
    faulty.row("drops-marks", TEXT, "fuzz.altered"),
    faulty.row("swallows-pipes", TEXT, "fuzz.altered"),
    faulty.row("first-segment", TEXT, "fuzz.altered"),
    faulty.row("unescapes", TEXT, "fuzz.altered"),
    faulty.row("strips-tags", TEXT, "fuzz.altered"),
    faulty.row("three-bytes", TEXT, "fuzz.altered"),
    faulty.row("counts-names", TEXT, "fuzz.altered"),
    faulty.row("breaks-on-nul", TEXT, "fuzz.server_error"),
    faulty.row("breaks-on-marks", "*.odd-param*.search*", "fuzz.server_error"),
    faulty.row("shuts-list", TEXT, "fuzz.poisoned"),
    faulty.row("hides", TEXT, "fuzz.unlisted"),
    faulty.row("shuts-list-by-date", OTHER, "fuzz.poisoned"),
    faulty.row("breaks-on-huge", OTHER, "fuzz.server_error"),
    faulty.row("breaks-on-digits", OTHER, "fuzz.server_error"),
    faulty.row("breaks-on-depth", OTHER, "fuzz.server_error"),
    faulty.row("drops-comma", OTHER, "fuzz.altered"),
    faulty.row("guesses-century", OTHER, "fuzz.altered"),
    faulty.row("live-formulas", "*.exports*", "export.formula"),
    faulty.row("formulas-after-blanks", "*.exports*", "export.formula"),
    faulty.row("breaks-on-infinity", OTHER, "fuzz.server_error"),
    faulty.row("breaks-on-months", "*.odd-param*.born_in*", "fuzz.server_error"),
    faulty.row("inflates", "*.bombs*.packed", "fuzz.bomb"),
    faulty.row("expands", "*.bombs*.entities", "fuzz.bomb"),
    faulty.row("breaks-on-packing", "*.what-cannot-be-unpacked*", "fuzz.server_error"),
    faulty.row("reads-files", "*.bombs*.entities", "fuzz.entity"),
    faulty.row("fetches", "*.bombs*.entities", "fuzz.entity"),
]
MET_BY_CAMPAIGNS = {name for name in FAULTS if name not in {row.fault for row in ROWS}} - {"late"}


def _tried(out: Path, forker: Forker, *faults: str, cases: str) -> Run:
    with served(make(*faults)) as url:
        folder = target(out.with_suffix(".target"), without_start(url, 10), KIOSK)
        return run(
            out,
            *("--suite", "fuzz", "--seed", SEED, "-n", "1"),
            *(f"--case={glob}" for glob in cases.split()),
            target=folder,
            by=forker.wardproof,
        )


def test_a_sound_kiosk_keeps_what_it_takes(tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker, cases="*.odd-* *.exports* *.bombs* *.what-cannot*")
    assert done.code == 0, done.called.said
    assert set(done.outcomes.values()) == {"pass"}
    assert {"odd-text-comes-back-as-it-was-sent", "bombs-are-defused"} <= {
        case.split(".")[1] for case in done.passed()
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault)
def test_a_fault_is_found(row: faulty.Row, tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker, row.fault, cases=row.cases)
    assert done.code == 1, done.called.said
    assert done.rules == row.rules, done.called.said


def test_what_can_be_read_a_moment_later_is_compared_then(tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "sound", forker, "late", cases=TEXT)
    assert done.code == 0, done.called.said
    assert "came back as they were sent" in done.of("verdict")[0]["reason"]
    done = _tried(tmp_path / "out", forker, "late", "cuts", cases=TEXT)
    assert done.rules == {"fuzz.altered"}, done.called.said


def test_a_finding_names_the_one_value_that_breaks(tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker, "breaks-on-nul", cases=TEXT)
    (verdict,) = done.of("verdict")
    assert verdict["reason"] == "nul in name: answered 500; nul in note: answered 500"


def test_a_copy_shows_which_value_shuts_a_list(tmp_path: Path, forker: Forker) -> None:
    def faults(data: dict[str, object]) -> None:
        system = data["system"]
        assert isinstance(system, dict)
        system["start"]["command"].append("shuts-list")

    folder = target(tmp_path / "target", faults, KIOSK)
    done = run(
        tmp_path / "out",
        *("--suite", "fuzz", "--seed", SEED, "-n", "1", f"--case={TEXT}"),
        target=folder,
        by=forker.wardproof,
    )
    assert done.code == 1, done.called.said
    assert "after line separator in name had been accepted" in done.of("verdict")[0]["reason"]
