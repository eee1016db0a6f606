"""A dead or sick target passes nothing, and ends in one clear message within a bounded time."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.clinic.app import make
from tests.clinic.serving import served
from tests.runs import sick
from tests.runs.calling import Run, run, target, without_start
from tests.runs.forking import Forker

TIMEOUT = 0.5
PATIENT = 5.0
NEVER_DONE = (sick.silent, sick.endless, sick.dripping_body, sick.dripping_headers)


def _run(
    forker: Forker, base_url: str, folder: Path, *arguments: str, timeout: float = PATIENT
) -> Run:
    described = target(folder / "target", without_start(base_url, timeout))
    return run(folder / "out", *arguments, target=described, by=forker.wardproof)


@pytest.mark.parametrize(
    ("manner", "code", "says"),
    [
        (sick.silent, 4, "no answer within 0.5 s"),
        (sick.resetting, 4, "does not answer"),
        (sick.babbling, 4, "does not answer"),
        (sick.endless, 4, "does not answer"),
        (sick.dripping_body, 4, "no answer within 0.5 s"),
        (sick.dripping_headers, 4, "no answer within 0.5 s"),
        (sick.failing, 4, "the target failed with 500"),
        (sick.page, 3, "there is nothing at $.token"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_a_target_that_lets_nobody_in(
    manner: sick.Manner, code: int, says: str, tmp_path: Path, forker: Forker
) -> None:
    started = time.monotonic()
    timeout = TIMEOUT if manner in NEVER_DONE else PATIENT
    with sick.listening(manner) as url:
        done = _run(forker, url, tmp_path, timeout=timeout)
    assert done.code == code, done.called.said
    assert says in " ".join(done.called.said.split())
    assert done.records == []
    assert time.monotonic() - started < 30


def test_a_target_that_is_not_there(tmp_path: Path, forker: Forker) -> None:
    url = sick.unused_url()
    done = _run(forker, url, tmp_path)
    assert done.code == 4
    assert f"{url} does not answer" in " ".join(done.called.said.split())
    assert "Is it running" in done.called.said
    assert done.records == []


def test_a_login_that_leads_elsewhere_is_not_followed(tmp_path: Path, forker: Forker) -> None:
    with (
        sick.overhearing() as (elsewhere, heard),
        sick.listening(sick.leading_to(elsewhere)) as url,
    ):
        done = _run(forker, url, tmp_path)
    assert done.code == 3
    assert "307" in done.called.said
    assert heard == []


# --- the login works, and nothing else --------------------------------------------------------


def test_a_target_that_fails_everything_is_not_worth_a_run(tmp_path: Path, forker: Forker) -> None:
    with served(make("always-500")) as url:
        done = _run(forker, url, tmp_path)
    assert done.code == 4
    assert "fails everything that was asked (500)" in " ".join(done.called.said.split())
    assert done.records == []


def test_a_page_for_everything_passes_nothing(tmp_path: Path, forker: Forker) -> None:
    with served(make("login-page")) as url:
        done = _run(forker, url, tmp_path, "--profile", "smoke")
    assert done.code == 2, done.called.said
    assert done.passed() == []
    assert done.summary["findings"] == []


def test_redirects_pass_nothing_and_are_not_followed(tmp_path: Path, forker: Forker) -> None:
    with sick.overhearing() as (elsewhere, heard):
        with served(make("redirects", elsewhere=elsewhere)) as url:
            done = _run(forker, url, tmp_path, "--profile", "smoke")
        assert done.code == 2, done.called.said
    # The login itself works, and its answer names no URL.
    properties = {case.split(".")[1] for case in done.passed()}
    assert properties <= {"logins-put-no-credential-into-urls"}
    assert done.summary["findings"] == []
    assert heard == []


# --- started by the harness -------------------------------------------------------------------


def _started(*command: str, timeout: float = 30) -> Any:
    def change(data: dict[str, Any]) -> None:
        data["system"]["start"] |= {"command": list(command), "timeout": timeout}
        data["system"]["timeout"] = TIMEOUT

    return change


def test_a_target_that_dies_in_the_middle(tmp_path: Path) -> None:
    command = ("{python}", "-m", "tests.clinic", "{port}", "forgetful")
    described = target(tmp_path / "target", _started(*command))
    done = run(tmp_path / "out", target=described)
    assert done.code == 2, done.called.said
    assert done.summary["findings"] == []
    assert set(done.outcomes.values()) <= {"pass", "inconclusive", "not_tested", "not_claimed"}
    reasons = {one["reason"] for one in done.of("verdict") if one["outcome"] == "not_tested"}
    assert any("no answer 5 times in a row" in reason for reason in reasons)
    assert len(done.outcomes) == done.summary["planned"]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["{python}", "-c", "raise SystemExit('no database')"], "no database"),
        (["/no/such/program"], "could not be started"),
        (["{python}", "-c", "import time; time.sleep(60)"], "did not answer"),
    ],
    ids=["ends", "missing", "never-ready"],
)
def test_a_target_that_does_not_start(command: list[str], says: str, tmp_path: Path) -> None:
    described = target(tmp_path / "target", _started(*command, timeout=1))
    done = run(tmp_path / "out", target=described)
    assert done.code == 4, done.called.said
    assert says in " ".join(done.called.err.split())
    assert done.records == []
