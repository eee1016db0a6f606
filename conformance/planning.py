"""What a run would do, without doing it."""

from __future__ import annotations

import fnmatch
import importlib.util
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from conformance import evidence, suite, sweep
from conformance.cases import Profile
from conformance.home import HOME
from conformance.invariants import looks
from conformance.ledgers import acts
from conformance.model import Case
from conformance.races import Action, Preparing, Race
from conformance.schema import Request
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
    sweep.follow(module)
    return module


def planned(target: Target, suites: Iterable[Path], profile: Profile) -> list[Planned]:
    """Every case of the suites, in their order. Raises BrokenSuite."""
    found: list[Planned] = []
    for path in suites:
        module = load_suite(path)
        for test in vars(module).values():
            if callable(test) and suite.has_cases(test):
                found += [
                    Planned(case, test) for case in suite.cases_of(test, path.stem, target, profile)
                ]
    ids = Counter(one.case.id for one in found)
    for name, times in ids.items():
        if times > 1:
            raise BrokenSuite(f"{times} cases have the id {name}; names in the target file clash")
    return found


def select(found: Iterable[Planned], patterns: Iterable[str]) -> list[Planned]:
    """Those whose case id fits one of the globs; all if there is no glob."""
    patterns = list(patterns)
    return [
        one
        for one in found
        if not patterns or any(fnmatch.fnmatchcase(one.case.id, pattern) for pattern in patterns)
    ]


def expectation(case: Case) -> str | None:
    """`allow` or `deny`; None for a case that is not about who may do what."""
    elsewhere = case.suite in {"concurrency", "day_boundary", "clinical"}
    elsewhere = elsewhere or case.property == suite.SWEEP
    return None if elsewhere or case.unclaimed else case.expected.value


def requests(target: Target, case: Case) -> Iterator[str]:
    """The case's requests as templates, and who sends them; what it is about where it says none."""
    name = (case.variant or "").split(".")[0]
    if case.unclaimed:
        yield f"not claimed: {case.unclaimed}"
    elif case.property == suite.SWEEP and name in target.invariants:
        for side, looking in looks(target.invariants[name]):
            yield f"{side}: {_request(looking.template(target), _senders(looking))}"
    elif case.suite == "concurrency" and name in target.races:
        yield from _of_race(target, target.races[name], (case.variant or "").partition(".")[2])
    elif case.suite == "day_boundary" and name in target.ledgers:
        for _, action in acts(target.ledgers[name]):
            yield _request(action.template(target), _senders(action))
    elif case.resource is None or case.operation is None:
        yield case.sentence
    else:
        who = "without a login" if case.persona == ANONYMOUS else f"as {case.persona}"
        yield _request(target.operation(case.resource, case.operation), who)


def _of_race(target: Target, race: Race, variant: str) -> Iterator[str]:
    """The set-up of a race, its contenders, and what is read afterwards."""
    together = variant.startswith("at-once")
    for step in race.setup:
        yield f"before: {_prepared(target, step)}"
    for contender in race.contenders:
        for step in contender.before:
            yield f"before, for each: {_prepared(target, step)}"
        sent = _request(contender.template(target), _senders(contender))
        yield f"at once: {contender.times} × {sent}" if together else f"in turn: {sent}"
    for reading in race.reads:
        yield f"afterwards: {_request(reading.template(target), _senders(reading))}"


def _prepared(target: Target, step: Preparing) -> str:
    if step.make is not None:
        return f"a new {step.make}"
    if step.enlist:
        return f"a new account: {', '.join(step.enlist)}"
    if step.let:
        return ", ".join(f"{name} = {value}" for name, value in step.let.items())
    return _request(step.template(target), _senders(step))


def _senders(action: Action) -> str:
    if action.as_ == [ANONYMOUS]:
        return "without a login"
    return f"as {' or '.join(action.as_)}" if action.as_ else "as whoever may"


def _request(template: Request, who: str) -> str:
    body = template.json_ if template.json_ is not None else template.form or template.body
    shown = f" {json.dumps(body, ensure_ascii=False)}" if body is not None else ""
    return f"{template.request} {who}{shown}"


def out_folder(given: Path | None, target: Path) -> Path:
    """Where evidence goes: as told, else reports/runs/TIME-TARGET in the checkout or here."""
    if given is not None:
        return given.absolute()
    base = HOME if (HOME / "pyproject.toml").exists() else Path.cwd()
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")[:-4]
    return base / "reports" / "runs" / f"{moment}-{Path(target).absolute().name}"


__all__ = ["Planned", "evidence", "expectation", "out_folder", "planned", "requests", "select"]
