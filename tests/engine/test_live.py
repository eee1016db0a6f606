"""What long trials say while they run."""

from pathlib import Path

from conformance import live


def test_the_newest_line_of_each_worker_is_shown(tmp_path: Path) -> None:
    first, second = live.speaker(tmp_path, "gw0"), live.speaker(tmp_path, "gw1")
    second("loading the target")
    first("fuzzing: 12 requests")
    first("fuzzing: 24 requests")
    assert live.lines(tmp_path) == ["fuzzing: 24 requests", "loading the target"]


def test_whoever_is_done_says_nothing_and_leaves_no_file(tmp_path: Path) -> None:
    say = live.speaker(tmp_path, "gw0")
    say("fuzzing")
    say("")
    assert live.lines(tmp_path) == []
    assert not list(tmp_path.iterdir())


def test_what_a_crash_left_is_taken_away(tmp_path: Path) -> None:
    live.speaker(tmp_path, "gw0")("fuzzing")
    live.silence(tmp_path)
    assert not list(tmp_path.iterdir())
