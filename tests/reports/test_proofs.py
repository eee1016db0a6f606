"""Races, days and thresholds in the report."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from reports.html import proofs_html, report_html
from reports.ledger import Run, read
from reports.matrix import access_matrix
from reports.timetables import calendars, races, tables
from reports.verdict import decide
from tests.reports import sample

Record = dict[str, Any]


def contender(number: int, came: str, status: int | None) -> Record:
    return {
        "label": f"nurse.north POST /admissions <{number}>",
        "sent_us": 5.0 * number,
        "arrived_us": 40.0 + 30 * number,
        "answered_us": None if status is None else 6000.0,
        "status": status,
        "came": came,
    }


def race(*contenders: Record, **changes: Any) -> Record:
    return {
        "kind": "race",
        "race": "one_bed",
        "technique": "last byte",
        "seen_by": "target",
        "power": {
            "rounds": 3,
            "counted": 2,
            "contenders": len(contenders),
            "overlapped": 0.67,
            "spread_us": {"median": 30.0, "p95": 90.0},
            "window_us": 250.0,
        },
        "rounds": [{"number": n, "counted": n != 2, "verdict": ""} for n in (1, 2, 3)],
        "shown": {"number": 3, "contenders": list(contenders), "reads": [], "says": ""},
        **changes,
    }


def days(pin: str, observed: str) -> Record:
    return {
        "kind": "clock",
        "pin": pin,
        "zone": "Asia/Dhaka",
        "local": "2026-02-28T23:30:00",
        "utc": "2026-02-28T17:30:00Z",
        "local_date": "2026-02-28",
        "rows": [
            {
                "place": "daily report",
                "expected": "2026-02-28",
                "observed": observed,
                "ok": observed == "2026-02-28",
            }
        ],
    }


def table(*rows: tuple[int, int]) -> Record:
    return {
        "kind": "table",
        "table": "NEWS2",
        "rows": [
            {
                "inputs": {"spo2": 91},
                "expected": {"score": wanted},
                "observed": {"score": got},
                "ok": wanted == got,
            }
            for wanted, got in rows
        ],
    }


def run_of(folder: Path, *details: tuple[str, Record, str]) -> Run:
    """A run with a verdict for each (outcome, detail, variant)."""
    cases = [
        sample.case(f"c{number}", variant=variant, resource=None, operation=None)
        for number, (_, _, variant) in enumerate(details)
    ]
    verdicts = [
        sample.verdict(f"c{number}", outcome, detail=detail)
        for number, (outcome, detail, _) in enumerate(details)
    ]
    plan = {"type": "plan", "digest": "sha256:00", "cases": cases}
    return read(sample.write(folder, [sample.header(), plan, *verdicts, sample.end()]))


class Text(HTMLParser):
    """The text of a page, and the names of its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.names: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.names.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def page_of(run: Run) -> Text:
    return Text(report_html(run, decide(run), access_matrix(run)))


def test_a_race_shows_who_came_when_and_who_won(tmp_path: Path) -> None:
    two = race(contender(1, "won", 201), contender(2, "won", 201))
    run = run_of(tmp_path, ("fail", two, "one_bed"))
    words = page_of(run).words
    assert words.count("201 won") == 2
    assert "nurse.north POST /admissions <1>" in words


def test_a_race_that_held_says_what_would_have_shown(tmp_path: Path) -> None:
    sound = race(contender(1, "won", 201), contender(2, "lost", 409))
    words = page_of(run_of(tmp_path, ("pass", sound, "one_bed"))).words
    assert any("250 µs would have shown with 99 %" in word for word in words)


def test_a_long_path_keeps_its_end(tmp_path: Path) -> None:
    label = "pharmacist.north POST /medication-orders/{medication_order.id}/dispenses"
    sound = race({**contender(1, "won", 201), "label": label}, contender(2, "lost", 409))
    words = page_of(run_of(tmp_path, ("pass", sound, "one_dose"))).words
    shown = next(word for word in words if word.startswith("pharmacist.north POST …"))
    assert shown.endswith("/dispenses")


def test_an_unanswered_contender_is_unknown(tmp_path: Path) -> None:
    run = run_of(tmp_path, ("inconclusive", race(contender(1, "unknown", None)), "one_bed"))
    assert "no answer unknown" in page_of(run).words


def test_violated_races_come_first(tmp_path: Path) -> None:
    sound = race(contender(1, "won", 201), contender(2, "lost", 409))
    run = run_of(tmp_path, ("pass", sound, "sound"), ("fail", sound, "violated"))
    assert [one.case.variant for one in races(run)] == ["violated", "sound"]


def test_one_ledger_is_one_calendar_with_wrong_days_first(tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        ("pass", days("P01", "2026-02-28"), "census.P01"),
        ("fail", days("P02", "2026-03-01"), "census.P02"),
    )
    (calendar,) = calendars(run)
    assert calendar.name == "census"
    assert [pin.id for pin in calendar.pins] == ["P02", "P01"]
    assert calendar.wrong == 1
    words = page_of(run).words
    assert "2026-03-01" in words
    assert "has to be 2026-02-28" in words


def test_wrong_rows_of_a_table_come_first(tmp_path: Path) -> None:
    run = run_of(tmp_path, ("fail", table((2, 2), (3, 2)), "spo2"))
    (walked,) = tables(run)
    assert [row.ok for row in walked.rows] == [False, True]
    assert len(walked.wrong) == 1
    assert "score 3" in page_of(run).words


def test_a_run_without_proofs_has_no_such_section(tmp_path: Path) -> None:
    run = run_of(tmp_path, ("pass", {"kind": "of a later version"}, "x"))
    assert "Races, days, thresholds, load" not in page_of(run).words
    assert proofs_html(run) is None


def test_hostile_text_in_a_proof_stays_text(tmp_path: Path) -> None:
    hostile = race({**contender(1, "won", 201), "label": sample.HOSTILE})
    run = run_of(tmp_path, ("pass", {**hostile, "race": sample.HOSTILE}, sample.HOSTILE))
    page = page_of(run)
    assert "script" not in page.names
    assert "img" not in page.names
    assert "svg" in page.names


def test_of_many_proofs_the_page_shows_some_and_counts_the_rest(tmp_path: Path) -> None:
    many = [("pass", race(contender(1, "won", 201)), f"race-{number}") for number in range(45)]
    words = page_of(run_of(tmp_path, *many)).words
    assert "and 5 more races in evidence.jsonl" in words
    rows = table(*[(2, 2)] * 230, *[(2, 3)] * 210)
    words = page_of(run_of(tmp_path / "rows", ("fail", rows, "spo2"))).words
    assert "and 10 more wrong rows in evidence.jsonl" in words
    assert "230 rows as the table says" in words
    assert "and 30 more in evidence.jsonl" in words
