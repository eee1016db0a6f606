"""The verdict that follows from evidence, and from nothing else."""

from pathlib import Path
from typing import Any

import pytest

from reports.ledger import read
from reports.verdict import Decision, decide
from tests.reports import sample


def decided(folder: Path, records: list[dict[str, Any]]) -> Decision:
    return decide(read(sample.write(folder, records)))


@pytest.mark.parametrize(
    ("outcomes", "verdict", "exit_code"),
    [
        (("pass",), "conformant", 0),
        (("pass", "not_claimed"), "conformant", 0),
        (("pass", "fail"), "not conformant", 1),
        (("fail", "inconclusive", "not_tested"), "not conformant", 1),
        (("pass", "inconclusive"), "inconclusive", 2),
        (("pass", "not_tested"), "inconclusive", 2),
        (("not_claimed", "not_claimed"), "inconclusive", 2),
        ((), "inconclusive", 2),
    ],
)
def test_the_verdict_follows_from_the_outcomes(
    tmp_path: Path, outcomes: tuple[str, ...], verdict: str, exit_code: int
) -> None:
    decision = decided(tmp_path, sample.small(*outcomes))
    assert (decision.verdict, decision.exit_code) == (verdict, exit_code)
    assert decision.reasons
    assert decision.planned == len(outcomes)


def test_a_planned_case_without_a_verdict_is_no_pass(tmp_path: Path) -> None:
    records = sample.small("pass", "pass")
    del records[3]
    decision = decided(tmp_path, records)
    assert decision.verdict == "inconclusive"
    assert decision.counts.not_tested == 1
    assert (decision.planned, decision.executed) == (2, 1)
    assert "1 case has no verdict." in decision.reasons


def test_a_killed_run_is_inconclusive(tmp_path: Path) -> None:
    decision = decided(tmp_path, sample.small("pass", ended=False))
    assert decision.verdict == "inconclusive"
    assert any("did not come to its end" in reason for reason in decision.reasons)


def test_an_interrupted_run_is_inconclusive(tmp_path: Path) -> None:
    records = [*sample.small("pass", ended=False), sample.end(interrupted=True)]
    assert decided(tmp_path, records).verdict == "inconclusive"


def test_a_failure_outweighs_an_interruption(tmp_path: Path) -> None:
    assert decided(tmp_path, sample.small("fail", "pass", ended=False)).exit_code == 1


def test_a_broken_ledger_is_inconclusive(tmp_path: Path) -> None:
    lines = list(sample.chained(sample.small("pass", "pass")))
    lines[2] = lines[2].replace(b"0.012", b"0.013")
    (tmp_path / "evidence.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    decision = decide(read(tmp_path))
    assert decision.verdict == "inconclusive"
    assert "breaks at record 3" in decision.reasons[0]


def test_a_finding_counts_even_if_its_verdict_does_not_say_fail(tmp_path: Path) -> None:
    records = sample.small("pass")
    records[2]["findings"] = [sample.finding("access_matrix.case-0")]
    assert decided(tmp_path, records).verdict == "not conformant"


def test_a_verdict_outside_of_the_plan_is_a_doubt(tmp_path: Path) -> None:
    records = [*sample.small("pass", ended=False), sample.verdict("elsewhere"), sample.end()]
    assert decided(tmp_path, records).verdict == "inconclusive"


def test_cases_are_counted_per_suite(tmp_path: Path) -> None:
    decision = decided(tmp_path, sample.small("pass", "pass", "fail"))
    assert decision.suites["access_matrix"].passed == 2
    assert decision.suites["access_matrix"].failed == 1
    assert decision.suites["object_scope"].total == 0
    assert decision.counts.total == 3


def test_a_suite_without_cases_is_named_as_not_covered(tmp_path: Path) -> None:
    decision = decided(tmp_path, sample.small("pass"))
    assert decision.verdict == "conformant"
    assert decision.reasons[-1] == "Not covered, because nothing was planned there: object_scope."
