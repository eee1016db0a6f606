"""Load and what the fuzzer reached, in the report."""

from pathlib import Path
from typing import Any

from reports.explorations import campaigns, coverage
from reports.html import proofs_html
from reports.load_svg import load_svg, spark_svg
from reports.loads import duration, leaks_in_words, loads
from reports.proofs import Leaks, Load, Mark, Point, Series
from tests.reports.test_proofs import Record, page_of, run_of


def phase(**changes: Any) -> Record:
    points = [
        {"at": n * 0.5, "count": 50, "errors": n == 3, "p50": 0.01, "p95": 0.02, "p99": 0.03}
        for n in range(8)
    ]
    return {
        "kind": "load",
        "phase": "steady",
        "seconds": 4.0,
        "bucket": 0.5,
        "workflows": [
            {
                "name": "ward_round",
                "count": 400,
                "errors": 1,
                "p95": 0.7,
                "slo": {"p95": 0.5},
                "outcome": "fail",
                "why": "the 95th percentile is 700 ms",
            }
        ],
        "series": [{"workflow": None, "points": points}],
        "leaks": {"responses": 400, "found": 0, "upper_per_million": 7462.0},
        **changes,
    }


def fuzzed(persona: str, **operations: dict[str, int]) -> Record:
    return {
        "kind": "fuzz",
        "persona": persona,
        "requests": 9,
        "seconds": 1.0,
        "operations": [
            {"operation": f"GET /{name}", "granted": name == "own", "statuses": statuses}
            for name, statuses in operations.items()
        ],
        "untouched": ["DELETE /never"],
    }


def svg(*points: Point, marks: tuple[Mark, ...] = ()) -> str:
    return load_svg(
        Load(kind="load", phase="steady", seconds=4, series=(Series(None, points),), marks=marks)
    )


def test_a_phase_shows_what_was_claimed_and_what_came(tmp_path: Path) -> None:
    words = page_of(run_of(tmp_path, ("fail", phase(), "steady"))).words
    assert "700 ms" in words
    assert "at most 500 ms" in words
    assert "the 95th percentile is 700 ms" in words


def test_phases_that_did_not_hold_come_first(tmp_path: Path) -> None:
    run = run_of(tmp_path, ("pass", phase(), "sound"), ("fail", phase(), "violated"))
    assert [one.case.variant for one in loads(run)] == ["violated", "sound"]


def test_where_nothing_was_answered_the_line_is_broken() -> None:
    spoken = [Point(at, 5, p50=0.1) for at in (0, 1)]
    after = [Point(at, 5, p50=0.2) for at in (3, 4)]
    picture = svg(*spoken, Point(2, 0), *after)
    assert picture.count('class="p50"') == 2


def test_one_error_among_thousands_is_seen() -> None:
    assert 'class="bad"' in svg(Point(0, 5000, errors=1, p50=0.1))
    assert 'class="bad"' not in svg(Point(0, 5000, p50=0.1))


def test_what_was_done_to_the_target_is_marked() -> None:
    picture = svg(Point(0, 1, p50=0.1), marks=(Mark(1, "killed <now>", 2),))
    assert "killed &lt;now&gt;" in picture
    assert 'class="mark"' in picture


def test_a_phase_without_answers_says_so() -> None:
    assert "no latency" in svg(Point(0, 0))
    assert svg() == ""


def test_one_value_makes_no_line_over_time() -> None:
    load = Load(kind="load", phase="steady", seconds=1, series=(Series("a", (Point(0, 1),)),))
    assert spark_svg(load, "a") == ""
    assert spark_svg(load, "b") == ""


def test_leaks_are_told_with_their_power() -> None:
    none = leaks_in_words(Leaks(responses=12_000, found=0, upper_per_million=249.6))
    assert none == (
        "No foreign data in 12,000 responses: with 95 % confidence fewer than 250 per million."
    )
    some = leaks_in_words(Leaks(responses=1000, found=2, per_million=2000))
    assert some == "Foreign data 2 times in 1,000 responses (2,000 per million)."


def test_durations_are_no_more_exact_than_they_were_measured() -> None:
    assert [duration(one) for one in (None, 0.0123, 0.25, 2.314, 75)] == [
        "–",
        "12.3 ms",
        "250 ms",
        "2.31 s",
        "75 s",
    ]


def test_the_fuzzers_reach_is_told_for_each_persona(tmp_path: Path) -> None:
    one = fuzzed("nurse.north", own={"200": 3, "404": 1}, foreign={"403": 2})
    run = run_of(tmp_path, ("pass", one, "nurse"))
    (found,) = campaigns(run)
    assert (found.reached, found.served, found.granted) == (2, 1, 1)
    assert found.statuses == {"200": 3, "403": 2, "404": 1}
    assert "200 × 3" in page_of(run).words


def test_a_role_has_what_its_personas_reached_together(tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        ("pass", fuzzed("nurse.north", own={"200": 3}), "north"),
        ("fail", fuzzed("nurse.south", own={"500": 2}), "south"),
    )
    table = coverage(campaigns(run))
    assert len(table.roles) == 1
    rows = dict(table.rows)
    (cell,) = rows["GET /own"].values()
    assert (cell.worst, cell.says) == ("5xx", "3 × 2xx, 2 × 5xx")
    assert table.untouched == 1


def test_load_and_fuzz_make_a_page_of_their_own(tmp_path: Path) -> None:
    run = run_of(tmp_path, ("pass", phase(), "steady"), ("pass", fuzzed("x", own={}), "x"))
    assert "What the fuzzer reached" in (proofs_html(run) or "")


def test_what_a_phase_need_not_show_does_not_look_like_a_gap(tmp_path: Path) -> None:
    flow = {"name": "desk", "count": 9, "errors": 0, "outcome": "inconclusive", "why": "9 of 59"}
    words = page_of(run_of(tmp_path, ("pass", phase(workflows=[flow]), "spike"))).words
    assert "too few to tell" in words
    assert "9 of 59" not in words
