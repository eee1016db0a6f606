"""A run split in two and joined says what the whole run says."""

from pathlib import Path

import pytest

from reports.chain import inspect
from reports.ledger import read
from tests.runs.calling import CLINIC, SEED, Run, run, wardproof

SELECTED = ("--suite", "role_access", "--seed", SEED, "-n", "1")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(tmp_path_factory.mktemp("whole") / "out", *SELECTED)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    base = tmp_path_factory.mktemp("parts")
    return [run(base / str(k), *SELECTED, "--shard", f"{k}/2") for k in (1, 2)]


def _merged(parts: list[Run], out: Path) -> Run:
    folders = [part.folder for part in parts]
    return Run(wardproof("merge", *folders, "--out", out, "--no-allure"), out)


def test_two_shards_joined_are_the_whole_run(whole: Run, parts: list[Run], tmp_path: Path) -> None:
    joined = _merged(parts[::-1], tmp_path / "out")
    assert joined.code == whole.code == 0, joined.called.said
    assert joined.outcomes == whole.outcomes
    assert joined.of("plan")[0]["digest"] == whole.of("plan")[0]["digest"]
    told = read(joined.folder)
    assert (told.broken_at, told.repeated, told.unplanned) == (None, (), ())
    assert [part.shard.number for part in told.merged] == [1, 2]
    assert told.header.shard is None
    words = {case: verdict.word for case, verdict in read(whole.folder).verdicts.items()}
    assert {case: verdict.word for case, verdict in told.verdicts.items()} == words
    assert inspect((joined.folder / "evidence.jsonl").read_bytes()).chain == ()
    again = _merged(parts, tmp_path / "again")
    assert (again.folder / "evidence.jsonl").read_bytes() == (
        joined.folder / "evidence.jsonl"
    ).read_bytes()


def test_a_shard_tries_its_own_cases_and_is_judged_by_them(parts: list[Run]) -> None:
    tried = [set(part.outcomes) for part in parts]
    plans = [{one["id"] for one in part.of("plan")[0]["cases"]} for part in parts]
    everywhere = {case.id for case in read(parts[0].folder).cases if case.everywhere}
    assert plans[0] == plans[1] == tried[0] | tried[1]
    assert tried[0] & tried[1] == everywhere
    assert all(len(one - everywhere) > 5 for one in tried)
    for part in parts:
        assert part.code == 0, part.called.said
        assert "this shard alone: conformant" in " ".join(part.called.out.split())
        assert part.summary["verdict"] == "inconclusive"


def test_a_shard_needs_a_seed_and_a_number_that_there_is(tmp_path: Path) -> None:
    unseeded = wardproof("run", "--target", CLINIC, "--shard", "1/2", "--out", tmp_path / "a")
    assert (unseeded.code, "--seed" in unseeded.said) == (3, True)
    for wrong in ("3/2", "0/2", "2", "1/x"):
        call = ("run", "--target", CLINIC, "--shard", wrong, "--seed", "7", "--out", tmp_path / "b")
        called = wardproof(*call)
        assert (called.code, "is written 1/3" in called.said) == (3, True), called.said
    assert not (tmp_path / "a").exists()
