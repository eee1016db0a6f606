"""Joining shards: what comes of it, and which parts are refused, each by name."""

from pathlib import Path
from typing import Any

import pytest

from reports.ledger import read
from reports.merge import MergeError, merge
from reports.shards import shard_of
from reports.verdict import decide, decide_shard
from tests.reports import sample

NAMES = [f"access_matrix.case-{number}" for number in range(12)]
SWEEP = "access_matrix.sweep"


def _cases() -> list[sample.Record]:
    return [*(sample.case(name) for name in NAMES), sample.case(SWEEP, everywhere=True)]


def _part(number: int, of: int = 2, *, fails: str = "", swept: str = "pass", **changes: Any) -> Any:
    """The records of one shard of a run with twelve cases and a sweep."""
    records = [
        sample.header(shard={"number": number, "of": of}, id=f"{number}" * 32, **changes),
        sample.plan(_cases()),
    ]
    for name in NAMES:
        if shard_of(name, of) == number:
            records.append(sample.exchange("e0"))
            found = [sample.finding(name, exchanges=["e0"])] if name == fails else []
            outcome = "fail" if name == fails else "pass"
            records.append(sample.verdict(name, outcome, findings=found, exchanges=["e0"]))
    records.append(sample.verdict(SWEEP, swept, reason=f"Part {number} says so."))
    return [*records, sample.end()]


def _written(tmp_path: Path, *parts: list[sample.Record]) -> list[Path]:
    return [sample.write(tmp_path / f"part{at}", part) for at, part in enumerate(parts)]


def test_parts_are_joined_into_one_run(tmp_path: Path) -> None:
    failing = next(name for name in NAMES if shard_of(name, 2) == 2)
    folders = _written(tmp_path, _part(1), _part(2, fails=failing))
    merge(folders, tmp_path / "out")
    run = read(tmp_path / "out")
    assert {case.id for case in run.cases} == set(run.verdicts) == {*NAMES, SWEEP}
    assert (run.broken_at, run.repeated, run.unplanned, run.cut) == (None, (), (), False)
    assert decide(run).verdict == "not conformant"
    (finding,) = run.findings
    assert finding.case == failing
    assert finding.exchanges == ("p2-e0",)
    assert finding.exchanges[0] in run.exchanges
    assert [(part.shard.number, part.records) for part in run.merged] == [
        (1, read(folders[0]).records),
        (2, read(folders[1]).records),
    ]
    assert decide(read(folders[0])).verdict == "inconclusive"
    assert decide_shard(read(folders[0])).verdict == "conformant"
    assert decide_shard(read(folders[1])).verdict == "not conformant"


@pytest.mark.parametrize(
    ("said", "stands"),
    [
        (("pass", "fail"), "fail"),
        (("fail", "inconclusive"), "fail"),
        (("inconclusive", "pass"), "inconclusive"),
        (("not_tested", "pass"), "not_tested"),
        (("pass", "pass"), "pass"),
    ],
)
def test_of_what_all_parts_judge_the_gravest_stands(
    said: tuple[str, str], stands: str, tmp_path: Path
) -> None:
    parts = [_part(at + 1, swept=outcome) for at, outcome in enumerate(said)]
    merge(_written(tmp_path, *parts), tmp_path / "out")
    run = read(tmp_path / "out")
    assert run.verdicts[SWEEP].outcome == stands
    assert run.repeated == ()


def test_the_same_parts_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    folders = _written(tmp_path, _part(1), _part(2))
    first, second = merge(folders, tmp_path / "a"), merge(folders[::-1], tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()


OTHER_PLAN = [sample.header(shard={"number": 2, "of": 2}), sample.plan(_cases()[:5]), sample.end()]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([_part(1)], "shard 2 of 2 is missing"),
        ([_part(2, 3)], "shards 1, 3 of 3 are missing"),
        ([_part(1), _part(1), _part(2)], "shard 1 of 2 is there twice"),
        ([_part(1), _part(2, seed=8)], r"the seed differs \(20261121 in the one, 8 in"),
        ([_part(1), _part(2, profile="full")], "the profile differs"),
        ([_part(1), _part(2, wardproof="9.9.9")], "the version of Wardproof differs"),
        ([_part(1), _part(2, 3)], "the number of shards differs"),
        ([_part(1), _part(2, suites=["tokens"])], "the list of suites differs"),
        ([_part(1), OTHER_PLAN], "the plan differs"),
        ([_part(1), _part(2, versions={"suites": {}})], "the target file differs"),
        ([_part(1), _part(2)[:-1]], "shard 2 was cut short"),
        ([_part(1), [*_part(2)[:-1], sample.end(interrupted=True)]], "shard 2 was interrupted"),
        ([_part(1), [*_part(2)[:-2], sample.end()]], "shard 2 lacks 1 verdicts"),
        ([_part(1), sample.small("pass")], "is no shard, but a whole run"),
        ([], "nothing to join"),
    ],
)
def test_what_is_no_whole_run_is_refused_by_name(
    parts: list[Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(MergeError, match=said):
        merge(_written(tmp_path, *parts), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_table_that_differs_is_named(tmp_path: Path) -> None:
    versions = {**sample.header()["versions"], "tables": {"rules.yaml": "00" * 32}}
    with pytest.raises(MergeError, match=r"the table rules\.yaml differs"):
        merge(_written(tmp_path, _part(1), _part(2, versions=versions)), tmp_path / "out")


def test_a_part_that_was_altered_is_refused(tmp_path: Path) -> None:
    folders = _written(tmp_path, _part(1), _part(2))
    path = folders[1] / "evidence.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"seconds":0.012', b'"seconds":0.013', 1))
    with pytest.raises(MergeError, match="was altered"):
        merge(folders, tmp_path / "out")


def test_a_part_that_was_cut_short_can_be_taken_as_it_is(tmp_path: Path) -> None:
    folders = _written(tmp_path, _part(1), _part(2)[:-2])
    merge(folders, tmp_path / "out", incomplete=True)
    run = read(tmp_path / "out")
    assert run.end is None
    assert decide(run).verdict == "inconclusive"


def test_evidence_that_is_there_is_not_destroyed(tmp_path: Path) -> None:
    folders = _written(tmp_path, _part(1), _part(2))
    with pytest.raises(MergeError, match="name another --out"):
        merge(folders, folders[0])
    assert read(folders[0]).header.shard is not None


def test_every_case_is_in_one_shard_and_no_shard_is_left_empty() -> None:
    names = [f"suite.property.{number}" for number in range(3_000)]
    for of in (1, 2, 3, 7):
        counts = [sum(shard_of(name, of) == at + 1 for name in names) for at in range(of)]
        assert sum(counts) == 3_000
        assert min(counts) > 3_000 / of * 0.85
