"""The ready-made CI jobs: their lines are run here, in a clean copy, on a small part of a run."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
JOBS = ROOT / "docs" / "ci"
# GitHub's `shell: bash`; GitLab hands its lines to one shell that ends at the first failure.
SHELL = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]
SMALL = {"PROFILE": "smoke", "LEVEL": "smoke", "MORE": "--suite limits --no-allure -n 1"}


@dataclass(frozen=True)
class Job:
    """One job of either system: its scripts in order, its variables, and what it keeps."""

    name: str
    scripts: tuple[str, ...]
    variables: Mapping[str, str]
    kept: tuple[str, ...]
    row: Mapping[str, Any] = field(hash=False)


@cache
def document(name: str) -> Any:
    """The job's file, `on` read as a word and not as a truth value."""
    text = re.sub(r"^on:", '"on":', (JOBS / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return yaml.safe_load(text)


def github(name: str) -> Iterator[Job]:
    for row in document(name)["jobs"].values():
        kept = [
            path
            for step in row["steps"]
            for key in ("path", "sarif_file")
            for path in str(step.get("with", {}).get(key, "")).split()
        ]
        scripts = [step["run"] for step in row["steps"] if "run" in step]
        yield Job(name, tuple(scripts), row["env"], tuple(kept), row)


def gitlab(name: str) -> Iterator[Job]:
    rows = document(name)
    for key, row in rows.items():
        if not isinstance(row, dict) or "extends" not in row:
            continue
        above = rows[row["extends"]]
        whole = {**above, **row, "artifacts": {**above["artifacts"], **row["artifacts"]}}
        variables = {**above["variables"], **row["variables"]}
        kept = (*whole["artifacts"]["paths"], *whole["artifacts"]["reports"].values())
        yield Job(f"{name}:{key}", ("\n".join(whole["script"]),), variables, kept, whole)


def jobs() -> list[Job]:
    found = [job for path in sorted(JOBS.glob("github-*.yml")) for job in github(path.name)]
    return [*found, *gitlab("gitlab.yml")]


def steps() -> list[dict[str, Any]]:
    return [step for job in jobs() for step in job.row.get("steps", ())]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git knows, elsewhere; the launcher starts this Python instead of making a new one."""
    copy = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    launcher = copy / "wardproof"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m conformance "$@"\n')
    launcher.chmod(0o755)
    return copy


def ran(job: Job, copy: Path, **more: str) -> list[int]:
    """The exit codes of the job's scripts, which all are run as the system would."""
    environ = {
        **{key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ},
        **job.variables,
        "GITHUB_STEP_SUMMARY": str(copy / "step-summary.md"),
        **more,
    }
    return [
        subprocess.run([*SHELL, "-c", script], cwd=copy, env=environ, check=False).returncode
        for script in job.scripts
    ]


def test_there_are_nightly_and_smoke_jobs_for_both() -> None:
    names = [job.name for job in jobs()]
    assert names == [
        "github-nightly.yml",
        "github-smoke.yml",
        "gitlab.yml:wardproof-nightly",
        "gitlab.yml:wardproof-smoke",
    ]
    assert [job.variables["PROFILE"] for job in jobs()] == ["gate", "smoke", "gate", "smoke"]
    assert set(document("github-nightly.yml")["on"]) == {"schedule", "workflow_dispatch"}
    assert set(document("github-smoke.yml")["on"]) == {"pull_request"}


def test_the_jobs_of_a_system_have_the_same_lines() -> None:
    """So what is tried of the nightly ones below holds for the others too."""
    nightly, smoke, of_gitlab, smoke_of_gitlab = jobs()
    assert nightly.scripts[:2] == smoke.scripts
    assert of_gitlab.scripts == smoke_of_gitlab.scripts


@pytest.mark.parametrize("system", ["github-nightly.yml", "gitlab"])
def test_the_lines_of_a_job_do_what_they_say(clone: Path, system: str) -> None:
    """On a part of a smoke run, which stands for the whole one."""
    job = next(one for one in jobs() if one.name.startswith(system))
    out = f"run-of-{system.removesuffix('.yml')}"
    assert set(ran(job, clone, **SMALL, OUT=out)) == {0}
    for path in job.kept:
        assert (clone / path.replace(job.variables["OUT"], out)).exists(), path
    if job.row.get("steps"):
        assert "## ✅ Wardproof: conformant" in (clone / "step-summary.md").read_text("utf-8")


@pytest.mark.parametrize("job", jobs()[::2], ids=lambda job: job.name)
def test_a_job_fails_where_the_call_is_wrong(clone: Path, job: Job) -> None:
    codes = ran(job, clone, **SMALL, TARGET="no/such/target", OUT="nothing")
    assert codes[0] == 3
    assert not (clone / "nothing" / "evidence.jsonl").exists()


@pytest.mark.parametrize("job", jobs(), ids=lambda job: job.name)
def test_a_job_fails_where_the_gate_does(clone: Path, job: Job) -> None:
    """A launcher that always finds something stands for a run that does."""
    found = clone / "finds"
    found.write_text('#!/bin/sh\n[ "$1" = gate ] && exit 1\nexit 0\n', encoding="utf-8")
    found.chmod(0o755)
    codes = ran(job, clone, WARDPROOF=str(found), OUT="nothing")
    assert 1 in codes
    assert (codes[0] == 0) == (len(codes) > 1)


@pytest.mark.parametrize("job", jobs(), ids=lambda job: job.name)
def test_a_job_ends_its_time_and_keeps_its_evidence(job: Job) -> None:
    assert job.row.get("timeout-minutes") or job.row.get("timeout")
    assert job.kept
    assert job.row.get("artifacts", {"when": "always"})["when"] == "always"
    for step in job.row.get("steps", ()):
        if step.get("name", "").startswith("Keep"):
            assert step["if"] == "always()"


def test_no_line_of_a_job_is_written_by_somebody_else() -> None:
    """An expression inside a script would let a branch's name be run."""
    for job in jobs():
        for script in job.scripts:
            assert "${{" not in script, job.name


def test_jobs_may_do_as_little_as_they_can() -> None:
    for name in ("github-nightly.yml", "github-smoke.yml"):
        assert document(name)["permissions"] == {"contents": "read"}
    writing = {"security-events"}
    for job in jobs():
        wanted = job.row.get("permissions", {})
        assert {key for key, value in wanted.items() if value == "write"} <= writing
    assert not any("secrets." in str(step) for step in steps() if "uses" in step)
    assert "secrets." not in (JOBS / "github-smoke.yml").read_text(encoding="utf-8")


def test_actions_are_named_by_a_version() -> None:
    for step in steps():
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w/-]+@(v\d+|[0-9a-f]{40})", step["uses"])
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False


def test_a_bundle_is_signed_where_there_is_a_key(clone: Path) -> None:
    """Both ways of handing the key over; the key's file is gone afterwards."""
    said = clone / "says"
    said.write_text('#!/bin/sh\necho "$@" >> said.txt\n', encoding="utf-8")
    said.chmod(0o755)
    (clone / "signed").mkdir()
    (clone / "signed" / "evidence.jsonl").write_text("", encoding="utf-8")
    key = clone / "key.pem"
    key.write_text("KEY", encoding="utf-8")
    for name, variable in (("github-nightly", "SIGNING_KEY"), ("gitlab", "WARDPROOF_SIGNING_KEY")):
        job = next(one for one in jobs() if one.name.startswith(name))
        given = str(key) if name == "gitlab" else "KEY"
        (clone / "said.txt").unlink(missing_ok=True)
        ran(job, clone, **{variable: given}, WARDPROOF=str(said), OUT="signed")
        (bundle,) = [
            line for line in (clone / "said.txt").read_text().splitlines() if "bundle" in line
        ]
        path = Path(bundle.rsplit("--key ", 1)[1])
        assert path.exists() == (name == "gitlab")
