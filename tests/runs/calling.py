"""Calling the command as a person or a CI does: in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CLINIC = ROOT / "tests" / "clinic"
SECONDS = 90
SEED = "7"


@dataclass(frozen=True)
class Called:
    """What a call left behind: its exit code and all that it said."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


@dataclass(frozen=True)
class Run:
    """A finished run: the call and its folder."""

    called: Called
    folder: Path

    @property
    def code(self) -> int:
        return self.called.code

    @cached_property
    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "summary.json").read_text())
        return found

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """The ledger; empty if there is none."""
        return ledger(self.folder)

    def of(self, type_: str) -> list[dict[str, Any]]:
        """The ledger's records of one type."""
        return [record for record in self.records if record["type"] == type_]

    @cached_property
    def outcomes(self) -> dict[str, str]:
        """Case id -> pass, fail, inconclusive, not_tested or not_claimed."""
        return {record["case"]: record["outcome"] for record in self.of("verdict")}

    @cached_property
    def rules(self) -> set[str]:
        return {finding["rule"] for finding in self.summary["findings"]}

    def passed(self) -> list[str]:
        """The cases that passed."""
        return [case for case, outcome in self.outcomes.items() if outcome == "pass"]


def ledger(folder: Path) -> list[dict[str, Any]]:
    """The records of a run's ledger so far; empty if there is none."""
    path = folder / "evidence.jsonl"
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def environment(**more: str) -> dict[str, str]:
    """The environment of a person's shell: nothing of the tests that run just now."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return {**kept, **more}


def call(*arguments: str | Path, environ: Mapping[str, str] | None = None) -> Called:
    """`python ARGUMENTS` in the checkout."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env=environment(**(environ or {})),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
    )
    return presentable(Called(done.returncode, done.stdout, done.stderr))


def presentable(called: Called) -> Called:
    """The same, if it shows no traceback of the harness."""
    assert not re.search(r"^Traceback \(most recent", called.said, re.M), called.said
    assert "INTERNALERROR" not in called.said, called.said
    return called


def wardproof(*arguments: str | Path, environ: Mapping[str, str] | None = None) -> Called:
    """`wardproof ARGUMENTS`."""
    return call("-m", "conformance", *arguments, environ=environ)


def run(
    out: Path,
    *arguments: str | Path,
    target: Path = CLINIC,
    environ: Mapping[str, str] | None = None,
    by: Callable[..., Called] | None = None,
) -> Run:
    """`wardproof run` with evidence in `out`, without the Allure report, in a process `by`."""
    whole = ("run", "--target", target, "--out", out, "--no-allure", *arguments)
    return Run(by(*whole) if by else wardproof(*whole, environ=environ), out)


def target(folder: Path, change: Callable[[dict[str, Any]], object], like: Path = CLINIC) -> Path:
    """A target folder that is the clinic's, or `like` another, but for what `change` does."""
    data = yaml.safe_load((like / "target.yaml").read_text(encoding="utf-8"))
    change(data)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "target.yaml").write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return folder


def without_start(base_url: str, timeout: float = 2) -> Callable[[dict[str, Any]], object]:
    """A change: the clinic runs at `base_url` already, and answers within `timeout` seconds."""

    def change(data: dict[str, Any]) -> None:
        del data["system"]["start"]
        data["system"] |= {"base_url": base_url, "timeout": timeout}

    return change
