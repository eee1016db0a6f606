"""What the reader makes of whole, cut, changed and damaged ledgers."""

from pathlib import Path

import pytest

from reports.ledger import LedgerError, read
from tests.reports import sample


def test_a_whole_ledger_is_read(tmp_path: Path) -> None:
    run = read(sample.write(tmp_path, sample.small("pass", "fail")))
    assert [run.verdict(case).outcome for case in run.cases] == ["pass", "fail"]
    assert run.header.target.name == "Reference Hospital"
    assert [finding.rule for finding in run.findings] == ["bola.read"]
    assert (run.cut, run.broken_at, run.unplanned, run.repeated) == (False, None, (), ())
    assert run.end is not None


def test_a_plan_may_come_in_several_records(tmp_path: Path) -> None:
    records = [
        sample.header(),
        {"type": "plan", "digest": "d", "cases": [sample.case("a")]},
        {"type": "plan", "digest": "d", "cases": [sample.case("b")]},
    ]
    run = read(sample.write(tmp_path, records))
    assert [case.id for case in run.cases] == ["a", "b"]
    assert run.plan_digests == ("d",)


@pytest.mark.parametrize("kept", [-1, -7, -40])
def test_a_cut_last_line_is_told_but_no_error(tmp_path: Path, kept: int) -> None:
    sample.write(tmp_path, sample.small("pass"))
    ledger = tmp_path / "evidence.jsonl"
    ledger.write_bytes(ledger.read_bytes()[: kept - 1])
    run = read(tmp_path)
    assert run.cut
    assert run.end is None
    assert run.broken_at is None


def test_a_last_line_that_only_lacks_its_line_end_counts(tmp_path: Path) -> None:
    sample.write(tmp_path, sample.small("pass"))
    ledger = tmp_path / "evidence.jsonl"
    ledger.write_bytes(ledger.read_bytes()[:-1])
    run = read(tmp_path)
    assert run.end is not None
    assert not run.cut


def test_a_changed_line_breaks_the_chain_at_the_next_record(tmp_path: Path) -> None:
    lines = list(sample.chained(sample.small("pass", "fail")))
    lines[3] = lines[3].replace(b'"outcome":"fail"', b'"outcome":"pass"')
    (tmp_path / "evidence.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    assert read(tmp_path).broken_at == 4


def test_a_removed_line_breaks_the_chain(tmp_path: Path) -> None:
    lines = list(sample.chained(sample.small("pass", "fail")))
    del lines[3]
    (tmp_path / "evidence.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    assert read(tmp_path).broken_at == 3


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"not json", "evidence.jsonl:3: not JSON"),
        (b"[1,2]", "evidence.jsonl:3: a record must be an object"),
        (b'{"type":"verdict","case":"a","outcome":"green","kind":"x"}', ":3: verdict.outcome"),
        (b'{"type":"exchange","id":"e1"}', ":3: exchange.request"),
        (b"[" * 100_000, "evidence.jsonl:3: not JSON"),
    ],
)
def test_garbage_is_an_error_that_names_the_line(tmp_path: Path, line: bytes, said: str) -> None:
    lines = list(sample.chained(sample.small("pass")))
    lines[2] = line
    (tmp_path / "evidence.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(LedgerError, match=said.replace(".", r"\.")):
        read(tmp_path)


def test_no_ledger_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be read"):
        read(tmp_path)


def test_an_empty_ledger_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "evidence.jsonl").write_bytes(b"")
    with pytest.raises(LedgerError, match="no whole `run` record"):
        read(tmp_path)


def test_a_ledger_must_begin_with_its_run(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="first record must be a `run`"):
        read(sample.write(tmp_path, sample.small("pass")[1:]))


def test_another_schema_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="schema 1"):
        read(sample.write(tmp_path, [sample.header(schema=1)]))


def test_unknown_records_are_skipped_but_keep_the_chain(tmp_path: Path) -> None:
    records = sample.small("pass")
    records.insert(2, {"type": "weather", "sky": "blue"})
    run = read(sample.write(tmp_path, records))
    assert run.broken_at is None
    assert run.records == len(records)


def test_a_failure_stands_against_a_later_pass(tmp_path: Path) -> None:
    records = sample.small("fail")
    records.insert(3, sample.verdict("access_matrix.case-0", "pass"))
    run = read(sample.write(tmp_path, records))
    assert run.verdicts["access_matrix.case-0"].outcome == "fail"
    assert run.repeated == ("access_matrix.case-0",)


def test_hostile_text_is_made_printable(tmp_path: Path) -> None:
    records = [
        *sample.small("pass", ended=False),
        sample.exchange("e1", error=sample.HOSTILE),
    ]
    error = read(sample.write(tmp_path, records)).exchanges["e1"].error
    assert error is not None
    assert error.encode("utf-8")
    assert not set("\x00\x1b\u202e\ufffe") & set(error)
    assert "‹U+0000›‹U+001B›[31mRED" in error
    assert "<script>alert(1)</script>" in error
