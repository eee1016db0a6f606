"""However a run ends, no process stays behind, and what is known so far is on disk."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runs.calling import (
    CLINIC,
    ROOT,
    Called,
    Run,
    call,
    environment,
    ledger,
    target,
    wardproof,
)

MARK = "CLINIC_MARK"


def processes(mark: str) -> list[int]:
    """The processes whose environment holds the mark: the harness, its workers, its target."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in (place / "environ").read_bytes().split(b"\0"):
                found.append(int(place.name))
    return found


def _soon(condition: Any, seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())


def _slow(data: dict[str, Any]) -> None:
    data["system"]["start"]["command"].append("slow")


class Started:
    """A run that is under way."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.mark = uuid.uuid4().hex
        self.out = folder / "out"
        self.private = folder / "private"
        self.private.mkdir()
        described = target(folder / "target", _slow)
        self.said = folder / "said"
        command = [sys.executable, "-m", "conformance", "run", "--no-allure", "--target"]
        with self.said.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, str(described), "--out", str(self.out), *arguments],
                cwd=ROOT,
                env=environment(**{MARK: self.mark, "TMPDIR": str(self.private)}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def verdicts(self) -> int:
        """How many cases have a verdict by now."""
        path = self.out / "evidence.jsonl"
        return path.read_bytes().count(b'"type":"verdict"') if path.exists() else 0

    def end(self, number: signal.Signals) -> Run:
        """Send the signal in the middle of the run and wait."""
        assert _soon(lambda: self.verdicts() >= 2), self.said.read_text()
        assert len(processes(self.mark)) >= 2
        self.process.send_signal(number)
        code = self.process.wait(40)
        text = self.said.read_text(encoding="utf-8")
        assert "Traceback" not in text
        return Run(Called(code, text, ""), self.out)


@contextlib.contextmanager
def under_way(folder: Path, *arguments: str) -> Iterator[Started]:
    started = Started(folder, *arguments)
    try:
        yield started
    finally:
        for number in processes(started.mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        started.process.wait(10)


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "two-workers"])
def test_ctrl_c_ends_everything_and_reports_what_was_found(
    workers: tuple[str, ...], tmp_path: Path
) -> None:
    with under_way(tmp_path, *workers) as started:
        ended = started.end(signal.SIGINT)
        assert _soon(lambda: processes(started.mark) == [])
        assert ended.code == 2, ended.called.said
        assert ended.summary["interrupted"] is True
        assert ended.summary["verdict"] == "inconclusive"
        assert ended.summary["executed"] < ended.summary["planned"]
        assert ended.of("end")[0]["interrupted"] is True
        assert "The run was interrupted." in ended.called.said
        assert list(started.private.glob("wardproof-*")) == []


def test_a_polite_end_leaves_neither_process_nor_login(tmp_path: Path) -> None:
    with under_way(tmp_path) as started:
        ended = started.end(signal.SIGTERM)
        assert _soon(lambda: processes(started.mark) == [])
        assert ended.code in {2, -signal.SIGTERM, 128 + signal.SIGTERM}
        assert list(started.private.glob("wardproof-*")) == []
    again = wardproof("report", started.out, "--no-allure")
    assert again.code == 2, again.said


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "two-workers"])
def test_a_killed_run_leaves_no_process_and_a_readable_ledger(
    workers: tuple[str, ...], tmp_path: Path
) -> None:
    with under_way(tmp_path, *workers) as started:
        started.end(signal.SIGKILL)
        assert _soon(lambda: processes(started.mark) == [])
    assert len([one for one in ledger(started.out) if one["type"] == "verdict"]) >= 2
    again = wardproof("report", started.out, "--no-allure")
    assert again.code == 2, again.said
    assert "it was killed" in " ".join(again.out.split())


def test_a_verdict_that_cannot_be_put_into_words_ends_no_run(clinic: str, tmp_path: Path) -> None:
    suite = tmp_path / "test_mine.py"
    suite.write_text(
        "from conformance import cases, sources\n"
        "from conformance.verdicts import failed, passed\n"
        "@cases(sources.whole)\n"
        "def test_first(case, harness):\n"
        "    harness.conclude(case, [failed('x', 'no.such.rule', 'it failed')])\n"
        "@cases(sources.whole)\n"
        "def test_second(case, harness):\n"
        "    harness.conclude(case, [passed('x', 'it passed')])\n",
        encoding="utf-8",
    )
    out = tmp_path / "out"
    called = call(
        "-m",
        "pytest",
        suite,
        "--target",
        CLINIC,
        "--base-url",
        clinic,
        "--out",
        out,
        "-p",
        "conformance.plugin",
    )
    verdicts = [one for one in ledger(out) if one["type"] == "verdict"]
    assert [one["outcome"] for one in verdicts] == ["inconclusive", "pass"], called.said
    assert "harness error" in verdicts[0]["reason"]
    assert "it failed" in verdicts[0]["reason"]


NO_ROOM = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
os.execv(sys.executable, [sys.executable, "-m", "conformance", *sys.argv[2:]])
"""
"""A command whose files cannot grow beyond so many bytes, as on a disk that is full."""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_full_disk_ends_a_run_which_can_go_on_when_there_is_room(
    workers: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    selected = ("--target", CLINIC, "--no-allure", "-n", workers)
    first = ("--suite", "role_access", "--seed", "7", "--out", out)
    called = call("-c", NO_ROOM, "70000", "run", *selected, *first)
    assert called.code == 2, called.said
    said = " ".join(called.said.split())
    assert "nothing can be written there" in said
    assert "can be read, and continued with --resume" in said
    records = ledger(out)
    tried = [one["case"] for one in records if one["type"] == "verdict"]
    assert 0 < len(tried) < len(records[1]["cases"])
    assert not [one for one in records if one["type"] == "end"]

    done = Run(wardproof("run", *selected, "--resume", out), out)
    assert done.code == 0, done.called.said
    assert set(done.outcomes) == {case["id"] for case in records[1]["cases"]}


@pytest.mark.parametrize("place", ["a-file/out", "a-file"])
def test_a_folder_that_cannot_be_written_to_is_told_before_anything_starts(
    place: str, tmp_path: Path
) -> None:
    (tmp_path / "a-file").touch()
    called = wardproof("run", "--target", CLINIC, "--out", tmp_path / place)
    assert called.code == 3
    assert "--out" in called.said
