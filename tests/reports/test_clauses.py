"""How far a run gives evidence for clauses, and that it never says more than that."""

from pathlib import Path
from typing import Any

import pytest

from reports.clauses import Coverage, coverage, tallies
from reports.html import report_html
from reports.ledger import Run, read
from reports.matrix import access_matrix
from reports.properties import properties
from reports.summary import summary
from reports.verdict import decide
from tests.reports import sample
from tests.reports.test_html import Page
from tests.reports.test_terminal import shown

CITING = ("access_matrix", "denied-means-refused")


def run_of(folder: Path, record: sample.Record | None, *outcomes: str) -> Run:
    """A run with the clauses after its plan; of the one property, one case per outcome."""
    records = sample.small(*outcomes)
    return read(sample.write(folder, [*records[:2], *([record] if record else []), *records[2:]]))


def covered(folder: Path, *outcomes: str, evidence: str = "direct") -> Coverage:
    clause = sample.clause("law:1", CITING, evidence=evidence)
    (one,) = coverage(run_of(folder, sample.clauses(clause), *outcomes))
    return one


@pytest.mark.parametrize(
    ("outcomes", "words", "reason"),
    [
        (["pass"], "covered", "Its one case passed."),
        (["pass", "pass"], "covered", "All 2 cases passed."),
        (["pass", "fail", "fail"], "covered (against)", "2 of 3 cases failed."),
        (["pass", "inconclusive"], "partly", "1 of 2 cases passed; 1 inconclusive."),
        (["pass", "not_tested"], "partly", "1 of 2 cases passed; 1 not tested."),
        (["pass", "not_claimed"], "partly", "1 of 2 cases passed; 1 not claimed."),
        (["fail", "inconclusive"], "partly (against)", "1 of 2 cases failed; 1 inconclusive."),
        (
            ["not_claimed", "not_claimed"],
            "untouched",
            "The target claims none of it: 2 cases not claimed.",
        ),
        (
            ["inconclusive", "not_tested"],
            "untouched",
            "None of 2 cases showed anything: 1 inconclusive, 1 not tested.",
        ),
        ([], "untouched", "No test that this run planned gives evidence for it."),
    ],
)
def test_the_state_follows_from_the_cases(
    tmp_path: Path, outcomes: list[str], words: str, reason: str
) -> None:
    one = covered(tmp_path, *outcomes)
    assert (one.words, one.reason) == (words, reason)


@pytest.mark.parametrize(
    ("outcome", "words", "reason"),
    [
        ("pass", "partly", "Its one case passed; needs a document or a person as well."),
        (
            "fail",
            "partly (against)",
            "Its one case failed; needs a document or a person as well.",
        ),
    ],
)
def test_partial_evidence_never_covers(
    tmp_path: Path, outcome: str, words: str, reason: str
) -> None:
    one = covered(tmp_path, outcome, evidence="partial")
    assert (one.words, one.reason) == (words, reason)


def test_what_only_the_vendor_can_state_stays_untouched(tmp_path: Path) -> None:
    one = covered(tmp_path, "pass", evidence="attestation-only")
    assert one.state == "untouched"
    assert "vendor" in one.reason


def test_cases_of_a_killed_run_are_not_tested(tmp_path: Path) -> None:
    records = sample.small("pass", "pass", ended=False)
    record = sample.clauses(sample.clause("law:1", CITING))
    run = read(sample.write(tmp_path, [*records[:2], record, records[2]]))
    (one,) = coverage(run)
    assert (one.state, one.reason) == ("partly", "1 of 2 cases passed; 1 not tested.")


def test_the_cases_of_all_citing_properties_count(tmp_path: Path) -> None:
    other = ("clock", "midnight-starts-the-day")
    records = sample.small("pass", "pass")
    records[1]["cases"][1] |= {"suite": other[0], "property": other[1]}
    record = sample.clauses(sample.clause("law:1", CITING, other), sample.clause("law:2", other))
    both, single = coverage(read(sample.write(tmp_path, [*records[:2], record, *records[2:]])))
    assert both.reason == "All 2 cases passed."
    assert [(one.suite, one.property, one.counts.passed) for one in both.citing] == [
        (*CITING, 1),
        (*other, 1),
    ]
    assert single.reason == "Its one case passed."


def test_frameworks_count_their_clauses_by_state(hospital: Run) -> None:
    law, norm = tallies(hospital)
    assert (law.covered, law.partly, law.untouched, law.against) == (1, 1, 2, 1)
    assert (norm.covered, norm.partly, norm.untouched, norm.against) == (0, 1, 0, 1)


def test_the_terminal_counts_and_says_where_the_rest_is(hospital: Run) -> None:
    lines = shown(hospital).splitlines()
    row = next(line for line in lines if line.startswith("The law"))
    assert row.split() == ["The", "law", "1", "1", "2", "1"]
    assert "Each clause, its state and why: out/report/index.html#clauses" in lines


def test_the_page_tells_the_state_of_every_clause(hospital: Run) -> None:
    parsed = Page(report_html(hospital, decide(hospital), access_matrix(hospital)))
    text = " ".join(parsed.text.split())
    assert "clauses" in parsed.ids()
    for one in coverage(hospital):
        assert f"{one.words}{one.shown or 'None.'}" in text
        assert one.gap in text
    assert "concurrency: one-bed-one-active-admission 1 passed" in text


def test_the_summary_holds_every_clause(hospital: Run) -> None:
    found = {one["id"]: one for one in summary(hospital, decide(hospital))["clauses"]}
    assert list(found) == ["law:1", "law:2", "law:3", "law:4", "norm:AC-3"]
    assert found["law:2"]["state"] == "covered"
    assert found["law:2"]["properties"] == [
        {
            "suite": "concurrency",
            "property": "one-bed-one-active-admission",
            "passed": 1,
            "failed": 0,
            "inconclusive": 0,
            "not_claimed": 0,
            "not_tested": 0,
        }
    ]
    assert found["norm:AC-3"]["against"] is True


def test_ledgers_without_clauses_have_reports_without_them(tmp_path: Path) -> None:
    run = run_of(tmp_path, None, "pass")
    assert summary(run, decide(run))["clauses"] == []
    assert "framework" not in shown(run)
    assert "clauses" not in Page(report_html(run, decide(run), access_matrix(run))).ids()


def test_clauses_are_shown_as_text_not_obeyed(tmp_path: Path) -> None:
    clause = sample.clause("law:1", CITING, title=sample.HOSTILE, meaning=sample.HOSTILE)
    run = run_of(tmp_path, sample.clauses(clause), "pass")
    source = report_html(run, decide(run), access_matrix(run))
    assert not Page(source).tags() & {"script", "img"}
    assert not set("\x00\x1b\u202e") & set(source)


def test_a_property_names_its_cases_and_the_clauses_that_it_is_evidence_for(tmp_path: Path) -> None:
    record = sample.clauses(sample.clause("law:1", CITING), sample.clause("law:2", CITING))
    (one,) = properties(run_of(tmp_path, record, "pass", "fail", "inconclusive", "not_tested"))
    assert (one.suite, one.name) == CITING
    assert [clause.id for clause in one.clauses] == ["law:1", "law:2"]
    assert [len(some) for some in (one.passed, one.failed, one.left_open)] == [1, 1, 2]
    assert not one.is_calm


def test_only_so_many_cases_are_named_but_all_are_counted(tmp_path: Path) -> None:
    (one,) = properties(run_of(tmp_path, None, *["pass"] * 30), 4)
    assert (len(one.passed), one.counts.passed, one.is_calm) == (4, 30, True)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seen": []}, "no exchange"),
        ({"seen": ["ab" * 32]}, "1 exchange, by hash, abababababab"),
        ({"seen": ["ab" * 32, "cd" * 32], "exchanges": ["e1"]}, "2 exchanges, 1 in full"),
        ({"seen": {"count": 4000, "digest": "ef" * 32}}, "4,000 exchanges, by hash, efefefefefef"),
    ],
)
def test_a_case_says_what_the_ledger_holds_of_it(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    records = sample.small("pass")
    records[2] |= changes
    ((judged,),) = [one.passed for one in properties(read(sample.write(tmp_path, records)))]
    assert judged.evidence.startswith(says)


@pytest.mark.parametrize(
    ("outcomes", "evidence", "gap"),
    [
        (["pass"], "direct", ""),
        (["pass", "inconclusive"], "direct", "1 inconclusive."),
        (["pass"], "partial", "Needs a document or a person as well."),
        (["pass"], "attestation-only", "The vendor states it; no run can show it."),
        ([], "direct", "No test that this run planned gives evidence for it."),
    ],
)
def test_the_gap_is_what_is_missing(
    tmp_path: Path, outcomes: list[str], evidence: str, gap: str
) -> None:
    assert covered(tmp_path, *outcomes, evidence=evidence).gap == gap
