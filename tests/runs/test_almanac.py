"""What the suite day_boundary says of the almanac, sound and with each of its faults."""

import re
from pathlib import Path
from typing import Any

import pytest

from conformance.clock import faketime_library
from tests.almanac.app import make
from tests.almanac.faults import FAULTS
from tests.clinic.serving import served
from tests.runs import faulty
from tests.runs.calling import ROOT, Run, run, target, without_start
from tests.runs.forking import Forker

ALMANAC = ROOT / "tests" / "almanac"


ROWS = [
    faulty.row("utc-days", "*.bill.P03", "day.label"),
    faulty.row("standard-offset", "*.bill.*", "day.label"),
    faulty.row("utc-list", "*.bill.P23", "day.list"),
    faulty.row("utc-export", "*.bill.P03", "day.label"),
    faulty.row("export-drops", "*.bill.P03 *.bill.P04", "day.lost"),
    faulty.row("last-second", "*.bill.P04", "day.lost"),
    faulty.row("inclusive", "*.bill.P03", "day.twice"),
    faulty.row("week-year", "*.bill.P07", "day.period"),
    faulty.row("tomorrow-24h", "*.visit.P21", "day.lost"),
    faulty.row("offset-of-now", "*.bill.read-half-a-year-later", "day.list"),
    faulty.row("counts-utc", "*.bill.P03", "day.count"),
    faulty.row("stay-by-hours", "*.stay.*-over-23h *.stay.New_York-one-day", "stay.days"),
    faulty.row("doses-by-wall", "*.every.*", "schedule.due"),
    faulty.row("doses-by-hours", "*.daily.*", "schedule.due"),
    faulty.row("age-365", "*.age.P03", "age.majority"),
    faulty.row("age-stored", "*.age.*", "age.majority"),
    faulty.row("age-utc", "*.age.P05", "age.majority"),
    faulty.row("birth-shifted", "*.birth.*", "date.shifted"),
    faulty.row("birth-shifted-by-change", "*.birth.*", "date.shifted"),
    faulty.row("birth-shifted-by-touch", "*.birth.*", "date.shifted"),
    faulty.row("gap-accepted", "*.slot.*", "local-time.missing"),
    faulty.row("first-of-two", "*.slot.*", "local-time.twice"),
    faulty.row("pass-by-wall", "*.pass.*", "lifetime.end"),
    faulty.row("pass-for-ever", "*.pass.*", "lifetime.late"),
    faulty.row("always-wrong", "*.bill.dull", "day.label"),
]
IN_PRODUCTION = {"clock-in-production": "*.set", "header-in-production": "*.header"}


def _tried(out: Path, forker: Forker, folder: Path, *faults: str, cases: str = "*") -> Run:
    with served(make(*faults)) as url:
        changed = target(out.with_suffix(".target"), without_start(url, 10), folder)
        chosen = (part for one in cases.split() for part in ("--case", one))
        suite = ("--suite", "day_boundary", "--seed", "7", "-n", "1")
        return run(out, *suite, *chosen, target=changed, by=forker.wardproof)


@pytest.fixture(params=["header", "endpoint"])
def almanac(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    def by(data: dict[str, Any]) -> None:
        data["clock"]["adapter"] = request.param

    return target(tmp_path / "almanac", by, ALMANAC)


def test_the_sound_almanac_is_right_at_every_pin(
    almanac: Path, tmp_path: Path, forker: Forker
) -> None:
    done = _tried(tmp_path / "out", forker, almanac)
    assert done.code == 0, done.called.said
    by_result = {one: list(done.outcomes.values()).count(one) for one in done.outcomes.values()}
    assert by_result == {"pass": len(done.outcomes) - 3, "not_claimed": 3}
    # Thirteen pins and an ordinary hour, for two ledgers of days; bills half a year later as well.
    assert sum(".days-are-local-days." in case for case in done.outcomes) == 29


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault)
def test_a_fault_is_found(row: faulty.Row, tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker, ALMANAC, row.fault, cases=row.cases)
    assert done.code == 1, done.called.said
    assert done.rules == row.rules
    assert "inconclusive" not in done.outcomes.values()


def test_a_list_may_forget_what_is_long_over(tmp_path: Path, forker: Forker) -> None:
    case = "*.bill.read-half-a-year-later"
    done = _tried(tmp_path / "out", forker, ALMANAC, "archives", cases=case)
    assert (done.code, list(done.outcomes.values())) == (0, ["pass"]), done.called.said
    (verdict,) = done.of("verdict")
    assert "bill, number, count, month, export, export of days" in verdict["reason"]


def test_every_fault_is_tried() -> None:
    assert {row.fault for row in ROWS} | set(IN_PRODUCTION) | {
        "database-behind",
        "archives",
    } == set(FAULTS)


def test_a_clock_that_did_not_come_true_proves_nothing(tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker, ALMANAC, "database-behind", cases="*.bill.P03")
    assert done.code == 2, done.called.said
    (verdict,) = done.of("verdict")
    assert re.search(r"s from 2026-02-28T18:00:00Z: application .+, database ", verdict["reason"])
    assert set(verdict["detail"]["read_back"]) == {"application", "database"}


def test_what_is_wrong_at_any_hour_is_said_once(tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker, ALMANAC, "always-wrong", cases="*.bill.dull *.bill.P03")
    results = {case.rsplit(".", 1)[-1]: result for case, result in done.outcomes.items()}
    assert results == {"dull": "fail", "P03": "inconclusive"}


def test_a_finding_shows_every_place(tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker, ALMANAC, "utc-list", cases="*.bill.P03")
    (verdict,) = done.of("verdict")
    detail = verdict["detail"]
    assert (detail["kind"], detail["pin"], detail["local_date"]) == ("clock", "P03", "2026-03-01")
    wrong = {row["place"]: row["observed"] for row in detail["rows"] if not row["ok"]}
    assert wrong == {"list": "2026-02-28"}
    assert "UTC" in detail["exposes"]


@pytest.mark.parametrize("fault", [None, *IN_PRODUCTION])
def test_the_clock_can_be_pinned_in_test_mode_only(
    fault: str | None, tmp_path: Path, forker: Forker
) -> None:
    def started(data: dict[str, Any]) -> None:
        data["system"]["start"]["command"] += [fault] if fault else []

    folder = target(tmp_path / "target", started, ALMANAC)
    done = run(
        tmp_path / "out",
        *("--suite", "day_boundary", "--case", "*outside-test-mode*", "-n", "1"),
        target=folder,
        by=forker.wardproof,
    )
    results = {"*." + case.rsplit(".", 1)[-1]: one for case, one in done.outcomes.items()}
    expected = dict.fromkeys(("*.set", "*.header", "*.zone"), "pass")
    if fault is not None:
        expected[IN_PRODUCTION[fault]] = "fail"
        assert done.rules == {"clock.settable"}
    assert results == expected, done.called.said


@pytest.mark.skipif(
    faketime_library() is None, reason="libfaketime is not installed: apt-get install faketime"
)
@pytest.mark.parametrize(("fault", "rules"), [(None, set()), ("last-second", {"day.lost"})])
def test_the_clock_is_pinned_from_outside(
    fault: str | None, rules: set[str], tmp_path: Path, forker: Forker
) -> None:
    """By libfaketime, which the almanac knows nothing of; what runs on from the pin suffices."""

    def from_outside(data: dict[str, Any]) -> None:
        data["clock"]["adapter"] = "faketime"
        del data["clock"]["header"], data["clock"]["set"], data["clock"]["reset"]
        data["system"]["start"]["command"] += [fault] if fault else []

    done = run(
        tmp_path / "out",
        *("--suite", "day_boundary", "-n", "1"),
        *("--case", "*.bill.P04", "--case", "*.visit.P21", "--case", "*.age.P03"),
        *("--case", "*.pass.*"),
        target=target(tmp_path / "target", from_outside, ALMANAC),
        by=forker.wardproof,
    )
    assert done.code == (1 if fault else 0), done.called.said
    assert done.rules == rules
    assert "inconclusive" not in done.outcomes.values()
    details = [one["detail"] for one in done.of("verdict") if one["detail"]["pin"] == "P04"]
    assert [one["adapter"] for one in details] == ["faketime"]
