"""A run that was killed or interrupted goes on where it was, and comes to the same end."""

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from reports.chain import inspect
from reports.ledger import read
from tests.runs.calling import CLINIC, SEED, Run, ledger, run, target, wardproof
from tests.runs.test_endings import _slow, _soon, processes, under_way

SELECTED = ("--suite", "role_access", "--seed", SEED)


def _go_on(out: Path, at: Path, *more: str) -> Run:
    """`wardproof run --resume`, with evidence in `out`."""
    return Run(
        wardproof("run", "--resume", out, "--target", at, "--no-allure", *more),
        out,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same run, left alone."""
    return run(tmp_path_factory.mktemp("whole") / "out", *SELECTED)


@pytest.mark.parametrize(
    ("number", "workers"),
    [(signal.SIGKILL, ("-n", "2")), (signal.SIGINT, ("-n", "1"))],
    ids=["kill-9-two-workers", "ctrl-c-alone"],
)
def test_a_run_that_was_cut_short_goes_on(
    number: signal.Signals, workers: tuple[str, ...], whole: Run, tmp_path: Path
) -> None:
    with under_way(tmp_path, *SELECTED, *workers) as started:
        started.end(number)
        assert _soon(lambda: processes(started.mark) == [])
    before = (started.out / "evidence.jsonl").read_bytes()
    first = [one for one in ledger(started.out) if one["type"] == "verdict"]
    assert 2 <= len(first) < len(whole.outcomes)

    done = _go_on(started.out, tmp_path / "target", *workers)

    assert done.code == whole.code == 0, done.called.said
    after = (started.out / "evidence.jsonl").read_bytes()
    assert after.startswith(before[: before.rfind(b"\n") + 1])
    assert done.outcomes == whole.outcomes
    told = read(started.out)
    assert (told.broken_at, told.repeated, told.unplanned) == (None, (), ())
    assert [one.part for one in told.resumed] == [1]
    assert len(told.plan_digests) == 1
    # What had its verdict was not tried again, but for what judges everything that was done.
    everywhere = {case.id for case in told.cases if case.everywhere}
    times = Counter(one["case"] for one in done.of("verdict"))
    assert {case for case, number in times.items() if number > 1} <= everywhere
    ids = [one["id"] for one in done.of("exchange")]
    assert len(ids) == len(set(ids))
    assert inspect(after).chain == ()


def test_a_line_that_was_cut_off_is_lost_and_said_to_be(whole: Run, tmp_path: Path) -> None:
    out = _beginning(whole, tmp_path / "out", 40, cut=b'{"case":"role_ac')
    done = _go_on(out, CLINIC)
    assert done.code == 0, done.called.said
    assert [one["lost_bytes"] for one in done.of("resumed")] == [16]
    assert done.outcomes == whole.outcomes
    everywhere = {case.id for case in read(out).cases if case.everywhere}
    for line in done.of("verdict"):
        if line["case"] in everywhere:
            assert "since the run was resumed" in json.dumps(line)


def _beginning(whole: Run, out: Path, verdicts: int, cut: bytes = b"") -> Path:
    """The evidence of a run that was killed after so many verdicts; before its plan after none."""
    out.mkdir()
    lines = (whole.folder / "evidence.jsonl").read_bytes().split(b"\n")
    ends = [at for at, line in enumerate(lines) if b'"type":"verdict"' in line]
    kept = lines[: ends[verdicts - 1] + 1] if verdicts else lines[:1]
    (out / "evidence.jsonl").write_bytes(b"\n".join(kept) + b"\n" + cut)
    return out


def test_a_run_that_was_killed_before_it_had_a_plan_goes_on(whole: Run, tmp_path: Path) -> None:
    out = _beginning(whole, tmp_path / "out", 0)
    done = _go_on(out, CLINIC)
    assert done.code == 0, done.called.said
    assert done.outcomes == whole.outcomes


def test_a_run_may_be_cut_short_more_than_once(whole: Run, tmp_path: Path) -> None:
    out = _beginning(whole, tmp_path / "out", 38)
    _go_on(out, CLINIC)
    path = out / "evidence.jsonl"
    lines = path.read_bytes().split(b"\n")
    resumed = next(at for at, line in enumerate(lines) if b'"type":"resumed"' in line)
    path.write_bytes(b"\n".join(lines[: resumed + 3]) + b"\n")
    done = _go_on(out, CLINIC)
    assert done.code == 0, done.called.said
    assert [one["part"] for one in done.of("resumed")] == [1, 2]
    assert done.outcomes == whole.outcomes


def _without_a_role(data: dict[str, Any]) -> None:
    del data["policy"]["doctor"]["note"]


def _renamed(data: dict[str, Any]) -> None:
    data["system"]["name"] = "Another clinic"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without_a_role, "the target file has been changed"),
        (_renamed, "the target was 'Clinic' and is 'Another clinic'"),
        (_slow, "the target file has been changed"),
    ],
)
def test_another_target_is_refused(whole: Run, tmp_path: Path, change: Any, said: str) -> None:
    out = _beginning(whole, tmp_path / "out", 20)
    before = (out / "evidence.jsonl").read_bytes()
    done = _go_on(out, target(tmp_path / "target", change))
    assert done.code == 3
    assert said in done.called.said
    assert "another --out" in done.called.said
    assert (out / "evidence.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--seed", "8"), "--seed: the run in"),
        (("--profile", "full"), "was started with 'gate'"),
        (("--suite", "tokens"), "the run did not try that suite"),
        (("--case", "x"), "--case: the run in"),
        (("--shard", "1/2"), "--shard: the run in"),
    ],
)
def test_other_options_are_refused(
    whole: Run, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    done = _go_on(_beginning(whole, tmp_path / "out", 20), CLINIC, *options)
    assert (done.code, said in done.called.said) == (3, True), done.called.said


def test_a_finished_run_is_not_continued(whole: Run) -> None:
    done = _go_on(whole.folder, CLINIC)
    assert done.code == 3
    assert "nothing to go on with" in " ".join(done.called.said.split())


def _altered(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"outcome":"pass"', b'"outcome":"fail"', 1))


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _older(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"schema":2', b'"schema":1', 1))


def _garbage(path: Path) -> None:
    path.write_bytes(b"\0\n" + path.read_bytes())


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_altered, "does not follow from the line before it"),
        (_empty, "holds no run"),
        (_older, "does not follow from the line before it"),
        (_garbage, "is no record of a ledger"),
        (Path.unlink, "--resume takes the folder"),
    ],
)
def test_damaged_evidence_is_not_continued(
    whole: Run, tmp_path: Path, harm: Any, said: str
) -> None:
    out = _beginning(whole, tmp_path / "out", 20)
    harm(out / "evidence.jsonl")
    done = _go_on(out, CLINIC)
    assert (done.code, said in done.called.said) == (3, True), done.called.said


def test_a_target_out_of_reach_leaves_the_evidence_as_it_is(whole: Run, tmp_path: Path) -> None:
    out = _beginning(whole, tmp_path / "out", 20)
    before = (out / "evidence.jsonl").read_bytes()
    done = _go_on(out, CLINIC, "--base-url", "http://127.0.0.1:9")
    assert done.code == 4, done.called.said
    assert (out / "evidence.jsonl").read_bytes() == before


def test_evidence_of_an_earlier_run_is_never_destroyed(whole: Run) -> None:
    before = (whole.folder / "evidence.jsonl").read_bytes()
    again = run(whole.folder, *SELECTED)
    assert again.code == 3
    said = " ".join(again.called.said.split())
    assert "give another folder with --out" in said
    assert "--resume" in said
    assert (whole.folder / "evidence.jsonl").read_bytes() == before
