"""What a run would do, without doing it."""

from __future__ import annotations

import fnmatch
import importlib.util
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from conformance import evidence, suite
from conformance.cases import Profile
from conformance.home import HOME
from conformance.model import Case
from conformance.target import ANONYMOUS, Target


@dataclass(frozen=True)
class Planned:
    """A case, and the test that will try it."""

    case: Case
    test: Callable[..., Any]


class BrokenSuite(Exception):
    """A suite cannot be loaded; the message says which, and why."""


def load_suite(path: Path) -> ModuleType:
    """The module of a suite. Raises BrokenSuite."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise BrokenSuite(f"{path} is no suite: a suite is a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise BrokenSuite(
            f"the suite {path} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    return module


def planned(target: Target, suites: Iterable[Path], profile: Profile) -> list[Planned]:
    """Every case of the suites, in their order. Raises BrokenSuite."""
    found = []
    for path in suites:
        module = load_suite(path)
        for test in vars(module).values():
            if callable(test) and suite.has_cases(test):
                found += [
                    Planned(case, test) for case in suite.cases_of(test, path.stem, target, profile)
                ]
    return found


def select(found: Iterable[Planned], patterns: Iterable[str]) -> list[Planned]:
    """Those whose case id fits one of the globs; all if there is no glob."""
    patterns = list(patterns)
    return [
        one
        for one in found
        if not patterns or any(fnmatch.fnmatchcase(one.case.id, pattern) for pattern in patterns)
    ]


def requests(target: Target, case: Case) -> Iterator[str]:
    """The case's request as a template, who sends it, and what stands around it."""
    if case.resource is None or case.operation is None:
        yield "compares the API document with the target file"
        return
    operation = target.operation(case.resource, case.operation)
    body = operation.json_ if operation.json_ is not None else operation.form or operation.body
    who = "without a login" if case.persona == ANONYMOUS else f"as {case.persona}"
    yield f"{operation.request} {who}" + (
        f" {json.dumps(body, ensure_ascii=False)}" if body is not None else ""
    )


def out_folder(given: Path | None, target: Path) -> Path:
    """Where evidence goes: as told, else reports/runs/TIME-TARGET in the checkout or here."""
    if given is not None:
        return given.absolute()
    base = HOME if (HOME / "pyproject.toml").exists() else Path.cwd()
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")[:-4]
    return base / "reports" / "runs" / f"{moment}-{Path(target).absolute().name}"


__all__ = ["Planned", "evidence", "out_folder", "planned", "requests", "select"]
