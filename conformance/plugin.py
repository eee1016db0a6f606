"""The pytest plugin: suites become items, one for each case; verdicts become the ledger.

Each worker of pytest-xdist has a world of its own; the controller starts the target, logs
everybody in and alone writes evidence.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import random
import re
import signal
import sys
import threading
import time
import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from conformance import (
    __version__,
    evidence,
    live,
    logs,
    planning,
    recording,
    resuming,
    run,
    suite,
    sweep,
    turns,
    versions,
    wording,
)
from conformance.cases import Profile
from conformance.clauses import load as load_clauses
from conformance.clauses import record as clauses_record
from conformance.document import InvalidDocument
from conformance.harness import Harness, Inconclusive, Judged, NotConformant, NotTested
from conformance.ledger_form import canonical, shards
from conformance.loading import Loaded, load
from conformance.login import LoginFailed
from conformance.model import Case, Result, Verdict
from conformance.target import objection_to
from conformance.wire import Unreachable

_PROPERTY = "wardproof"
_STATE = pytest.StashKey["State"]()
_FOLLOWING = 5.0
"""Seconds between two copies of what the target has logged."""
_CUT_SHORT = (
    "The run was ended, as what cannot be recorded proves nothing. What was recorded before can be "
    "read, and continued with --resume when there is room."
)


@dataclass
class State:
    """What the plugin knows during a session, in the controller or in a worker."""

    loaded: Loaded
    profile: Profile
    seed: int
    patterns: list[str]
    out: Path
    worker: dict[str, Any] | None
    place: run.Place | None = None
    opened: run.Open | None = None
    harness: Harness | None = None
    ledger: evidence.Ledger | None = None
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    planned: dict[str, Case] = field(default_factory=dict)
    cited: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    everywhere: set[str] = field(default_factory=set)
    shard: tuple[int, int] | None = None
    past: resuming.Past | None = None
    done: frozenset[str] = frozenset()
    here: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()
    plan_written: bool = False
    interrupted: bool = False
    left_over: list[dict[str, Any]] = field(default_factory=list)
    lost: str = ""
    sweeps: sweep.Sweeps | None = None


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("wardproof", "conformance of a healthcare system")
    group.addoption("--target", metavar="DIR", help="folder of the target file (target.yaml)")
    group.addoption(
        "--profile",
        choices=[profile.value for profile in Profile],
        default=Profile.GATE.value,
        help="how much of the matrix to walk (default: gate)",
    )
    group.addoption("--seed", type=int, help="seed of everything random (default: a new one)")
    group.addoption("--case", action="append", default=[], metavar="ID", help="only these (globs)")
    group.addoption("--out", metavar="DIR", help="where evidence goes (default: reports/runs/TIME)")
    group.addoption("--stop-after", type=int, metavar="N", help="stop at so many failed cases")
    group.addoption("--recipe", metavar="FILE", help="of a case that tries many things, only this")
    group.addoption("--base-url", metavar="URL", help="a target that already runs there")
    group.addoption("--shard", metavar="K/N", help="only the K-th of N parts; --seed says the same")
    group.addoption("--resume", action="store_true", help="go on with the run that --out holds")


def pytest_configure(config: pytest.Config) -> None:
    shared = getattr(config, "workerinput", {}).get(_PROPERTY)
    given = config.getoption("target")
    if not given and shared is None:
        return
    try:
        load_clauses()
        loaded = load(
            Path(shared["target"] if shared else given),
            environ=None if shared is None else {**os.environ, **shared["generated"]},
            secrets_required=not config.option.collectonly,
        )
    except InvalidDocument as error:
        pytest.exit(str(error), returncode=3)
    if shared is not None:
        loaded = replace(loaded, generated=shared["generated"])
    elsewhere = config.getoption("base_url")
    objection = objection_to(loaded.target.system, elsewhere) if elsewhere else None
    if objection:
        pytest.exit(f"--base-url: {objection}", returncode=3)
    out = config.getoption("out")
    try:
        shard = shard_from(config.getoption("shard"))
    except ValueError as problem:
        pytest.exit(f"--shard: {problem}", returncode=3)
    seed = shared["seed"] if shared else config.getoption("seed")
    state = State(
        loaded=loaded,
        profile=Profile(config.getoption("profile")),
        seed=seed if seed is not None else random.SystemRandom().randrange(2**31),
        patterns=list(config.getoption("case")),
        out=planning.out_folder(Path(out) if out else None, loaded.folder),
        worker=shared,
        shard=shard,
    )
    if shared is not None:
        state.done = frozenset(json.loads(Path(shared["done"]).read_text(encoding="utf-8")))
    config.stash[_STATE] = state
    if not config.option.collectonly and shared is None:
        config.pluginmanager.register(_Controller(config, state), "wardproof-controller")
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        config.pluginmanager.register(_Worker(config, state), "wardproof-worker")


def shard_from(text: str | None) -> tuple[int, int] | None:
    """Number and count of `K/N`; None if there is no text. Raises ValueError."""
    if text is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,3})/([1-9]\d{0,3})", text)
    if found is None or int(found[1]) > int(found[2]):
        raise ValueError(f"{text!r} is no part; the first of three is written 1/3")
    return int(found[1]), int(found[2])


def pytest_collectstart(collector: pytest.Collector) -> None:
    if isinstance(collector, pytest.Module) and _STATE in collector.config.stash:
        with contextlib.suppress(Exception):  # one that cannot be imported says so when collected
            sweep.follow(collector.obj)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if not suite.has_cases(metafunc.function):
        return
    state = metafunc.config.stash.get(_STATE, None)
    if state is None:
        raise pytest.UsageError(
            "the suites need a target: --target DIR, for example fixtures/targets/hospital"
        )
    for objection in suite.objections_to_clauses(metafunc.function):
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: {objection}")
    of = suite.property_of(metafunc.function, metafunc.module.__name__)
    state.cited[of] = suite.cited_by(metafunc.function)
    found = [
        case
        for case in suite.cases_of(
            metafunc.function, metafunc.module.__name__, state.loaded.target, state.profile
        )
        if _selected(case.id, state.patterns)
    ]
    for case in found:
        if case.id in state.planned:
            raise pytest.UsageError(f"two cases have the id {case.id}; names in the target clash")
        state.planned[case.id] = case
        if suite.is_everywhere(metafunc.function):
            state.everywhere.add(case.id)
    metafunc.parametrize("case", found, ids=[case.id for case in found])


def _selected(identity: str, patterns: Iterable[str]) -> bool:
    patterns = list(patterns)
    return not patterns or any(fnmatch.fnmatchcase(identity, one) for one in patterns)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # pytest makes one skipped item where a parameter set is empty; here that is no case at all.
    empty = [item for item in items if _is_empty(item)]
    if empty:
        config.hook.pytest_deselected(items=empty)
        items[:] = [item for item in items if not _is_empty(item)]
    state = config.stash.get(_STATE, None)
    shared = state is not None and state.worker is not None
    if state is not None:
        _leave_out(config, state, items)

    def turn_of(item: pytest.Item) -> int:
        if suite.is_last(getattr(item, "function", None)):
            return 2
        # Several workers read the books when a suite is over, and judge later what they read.
        return 1 if shared and _is_sweep(item) else 0

    items.sort(key=turn_of)


def _leave_out(config: pytest.Config, state: State, items: list[pytest.Item]) -> None:
    """Leave out what another shard tries, and what has a verdict since before the run resumed.

    What judges all that was done, in a suite or in the run, is tried again if more is done.
    """
    cases = [case for item in items if isinstance(case := _case_of(item), Case)]
    todo = [
        case
        for case in cases
        if case.id not in state.done
        and case.id not in state.everywhere
        and (state.shard is None or shards.shard_of(case.id, state.shard[1]) == state.shard[0])
    ]
    suites, here = {case.suite for case in todo}, {case.id for case in todo}
    for case in cases:
        if case.id in state.everywhere:
            more = case.suite in suites if case.property == suite.SWEEP else bool(todo)
            if more or case.id not in state.done:
                here.add(case.id)
    gone = [item for item in items if isinstance(c := _case_of(item), Case) and c.id not in here]
    if gone:
        config.hook.pytest_deselected(items=gone)
        left_out = set(gone)
        items[:] = [item for item in items if item not in left_out]
    state.elsewhere = frozenset(case.id for case in cases) - here


def _is_empty(item: pytest.Item) -> bool:
    marked = suite.has_cases(getattr(item, "function", None))
    return marked and not isinstance(_case_of(item), Case)


def _case_of(item: pytest.Item) -> object:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("case") if callspec is not None else None


def _is_sweep(item: pytest.Item) -> bool:
    case = _case_of(item)
    return isinstance(case, Case) and case.property == suite.SWEEP


@pytest.fixture
def harness(request: pytest.FixtureRequest) -> Harness:
    """What a suite holds in its hand: it tries a case and asks the oracles."""
    state = request.config.stash[_STATE]
    if state.harness is None:
        assert state.place is not None
        state.opened = state.opened or run.connect(state.loaded, state.place)
        log = run.log_of(state.place.state)
        state.harness = run.harness(state.loaded, state.opened, state.seed, log)
        state.harness.world.profile = state.profile
        recipe = request.config.getoption("recipe")
        if recipe:
            state.harness.world.recipe = json.loads(Path(recipe).read_text(encoding="utf-8"))
        if state.out.is_dir():
            name = state.worker["id"] if state.worker else "main"
            state.harness.world.live = live.speaker(state.out, name)
        if state.sweeps is not None:
            state.harness.world.swept = state.sweeps.kept
        if state.opened.wire.journal is not None:
            state.opened.wire.journal.planned = state.here
    return state.harness


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Labels for teams that run the suites with `--alluredir`."""
    case = _case_of(item)
    if not isinstance(case, Case) or not item.config.pluginmanager.has_plugin("allure_listener"):
        return
    import allure

    labels: Any = allure.dynamic
    labels.epic(item.config.stash[_STATE].loaded.target.system.name)
    labels.feature(case.suite)
    labels.story(case.property)
    labels.title(case.id)
    labels.description(case.sentence)
    for name in ("persona", "resource", "operation", "relation"):
        labels.label(name, str(getattr(case, name) or "-"))


class _Worker:
    """Runs in whoever runs items: a worker of xdist, or the only process."""

    def __init__(self, config: pytest.Config, state: State) -> None:
        self.config, self.state = config, state
        if state.worker is not None:
            state.place = run.Place(state.worker["base_url"], Path(state.worker["state"]))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        kept = {item.callspec.id for item in session.items if hasattr(item, "callspec")}
        self.state.here = frozenset(kept & self.state.planned.keys())
        kept |= self.state.elsewhere
        self.state.planned = {key: case for key, case in self.state.planned.items() if key in kept}
        self._arrange_sweeps(session.items)
        if self.state.worker is not None:
            plan = Path(self.state.worker["state"]) / "plan.json"
            partial = plan.with_name(f"plan-{self.state.worker['id']}.json")
            partial.write_text(json.dumps(_plan_of(self.state)), encoding="utf-8")
            partial.replace(plan)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        case = _case_of(item)
        if not isinstance(case, Case):
            return (yield)
        assert self.state.place is not None
        test = getattr(item, "function", None)
        if suite.is_last(test):  # it waits for the others, who may wait for their turn
            return (yield)
        alone = suite.is_alone(test, self.state.loaded.target)
        if self.state.sweeps is not None and self.state.sweeps.kept(case) is not None:
            alone = False  # it only judges what was read before
        with turns.turn(self.state.place.state, alone=alone):
            return (yield)

    def _arrange_sweeps(self, items: Iterable[pytest.Item]) -> None:
        """Have the books read by whoever finishes a suite, where several share the run."""
        if self.state.worker is None or not self.state.loaded.target.invariants:
            return
        cases = [
            case
            for item in items
            if isinstance(case := _case_of(item), Case)
            and not suite.is_last(getattr(item, "function", None))
        ]
        assert self.state.place is not None
        self.state.sweeps = sweep.Sweeps(
            self.state.place.state,
            (case for case in cases if case.property != suite.SWEEP),
            {case.suite for case in cases if case.property == suite.SWEEP},
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, None, None]:
        yield
        state, case = self.state, _case_of(item)
        if state.sweeps is None or state.harness is None or not isinstance(case, Case):
            return
        if suite.is_last(getattr(item, "function", None)) or not state.sweeps.over(case):
            return
        assert state.place is not None
        assert state.worker is not None
        state.harness.world.live(f"{case.suite}: reading the books")
        # What cannot be read now is read, and judged, by the cases of the sweep themselves.
        with contextlib.suppress(Exception), turns.turn(state.place.state, alone=True):
            state.sweeps.read(state.harness.world, case.suite, state.worker["id"])
        state.harness.world.live("")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        case = _case_of(item)
        if not isinstance(case, Case):
            return report
        if call.when == "call" or (call.when == "setup" and call.excinfo is not None):
            self._record(item, call, case, report)
        return report

    def _record(
        self,
        item: pytest.Item,
        call: pytest.CallInfo[None],
        case: Case,
        report: pytest.TestReport,
    ) -> None:
        harness = self.state.harness
        error = call.excinfo.value if call.excinfo else None
        judged = harness.judged if harness is not None else None
        if harness is not None:
            harness.judged = None
            harness.world.live("")
        ours = isinstance(error, NotConformant | Inconclusive | NotTested)
        if judged is None or judged.case.id != case.id or (error is not None and not ours):
            # A suite that asks no oracle, or an error of the harness: never a pass.
            reason = f"{type(error).__name__}: {error}" if error else "the test judged nothing"
            judged = Judged(
                case,
                Verdict(Result.INCONCLUSIVE, "inconclusive", f"harness error: {reason}"),
                (),
                (),
            )
            report.outcome = "failed"
            if error is None:
                report.longrepr = reason
        else:
            report.longrepr = str(error) if error else None
        if judged.verdict.result in {Result.NOT_CLAIMED, Result.NOT_TESTED}:
            report.outcome = "skipped"
            report.longrepr = (str(item.path), 0, judged.verdict.reason)
        if harness is not None and harness.world.wire.journal is not None:
            harness.world.wire.journal.finished(case.id)
        try:
            record = self._records(judged, harness)
        except Exception as problem:
            # One verdict that cannot be put into words must not end the run.
            reason = f"harness error: {type(problem).__name__}: {problem}, about a case that "
            reason += f"came out as {judged.verdict.result.value}: {judged.verdict.reason}"
            judged = Judged(case, Verdict(Result.INCONCLUSIVE, "inconclusive", reason), (), ())
            report.outcome, report.longrepr = "failed", reason
            record = self._records(judged, None)
        report.user_properties.append((_PROPERTY, json.dumps(record)))

    def _records(self, judged: Judged, harness: Harness | None) -> dict[str, Any]:
        redact = self.state.opened.redactor if self.state.opened else None
        if self.state.opened is not None:
            self.state.opened.shared.hear()
        verdict: dict[str, Any] = {
            "case": judged.case.id,
            "outcome": judged.verdict.result.value,
            "kind": judged.verdict.kind,
            "word": wording.word(judged.verdict, judged.case),
            "reason": (redact.text(judged.verdict.reason) if redact else judged.verdict.reason)
            + self._of_what(judged.case),
            "seconds": round(judged.seconds, 4),
            "control": {
                "persona": judged.control.exchange.persona,
                "outcome": judged.control.outcome.value,
            }
            if judged.control
            else None,
            "findings": harness.findings(judged) if harness else [],
        }
        if judged.detail is not None and redact:
            verdict["detail"] = redact.tree(judged.detail)
        exchanges = (
            [evidence.exchange_record(one, redact) for one in judged.exchanges] if redact else []
        )
        if redact:
            known = {one["id"]: one["hash"] for one in exchanges}
            hashes = [
                known.get(one.id) or evidence.exchange_record(one, redact)["hash"]
                for one in judged.seen
            ]
            verdict["seen"] = evidence.seen(hashes)
        return {"verdict": verdict, "exchanges": exchanges}

    def _of_what(self, case: Case) -> str:
        """What a verdict on all that was done is about, where that is not the whole run."""
        if case.id not in self.state.everywhere:
            return ""
        if self.state.done:
            return " (about what was done since the run was resumed)"
        if self.state.shard is not None:
            return f" (about what shard {self.state.shard[0]} of {self.state.shard[1]} did)"
        return ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        state = self.state
        left: list[dict[str, Any]] = []
        if state.harness is not None:
            world = state.harness.world
            if world.replicas is not None:
                world.replicas.close()
            world.remove_all()
            left = [
                {
                    "tenant": instance.tenant,
                    "resource": instance.resource,
                    "id": str(instance.id),
                    "reason": world.wire.redactor.text(reason),
                }
                for instance, reason in world.left_over
            ]
            world.wire.close()
        if state.worker is not None:
            self.config.workeroutput[_PROPERTY] = left  # type: ignore[attr-defined]
        else:
            state.left_over += left


class _Controller:
    """Runs once: starts the target, logs everybody in, writes the ledger."""

    def __init__(self, config: pytest.Config, state: State) -> None:
        self.config, self.state = config, state
        self._session: pytest.Session | None = None
        self._failed = 0
        self._mirror: logs.Mirror | None = None
        self._followed = time.monotonic()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        state = self.state
        self._session = session
        state.stack.enter_context(_terminated_as_interrupted())
        try:
            if self.config.getoption("resume"):
                state.past = resuming.past(state.out)
                state.done = state.past.done
            else:
                evidence.place(state.out)
        except (evidence.Unwritable, InvalidDocument) as problem:
            self._stop(str(problem), 3)
        try:
            state.place = state.stack.enter_context(
                run.started(state.loaded, state.out, self.config.getoption("base_url"))
            )
            state.opened = run.connect(state.loaded, state.place)
            run.log_everybody_in(state.loaded, state.opened)
        except Unreachable as error:
            self._stop(str(error), 4)
        except LoginFailed as error:
            self._stop(str(error), 3)
        except BaseException:
            state.stack.close()
            raise
        self._mirror = logs.Mirror(state.place.state, state.out, state.opened.redactor)
        try:
            state.ledger = evidence.Ledger(state.out, state.past.tail if state.past else None)
        except evidence.Unwritable as problem:
            self._stop(str(problem), 3)
        if state.past is not None:
            self._resume(state.past)
            return
        self._append(
            "run",
            {
                **run.header(
                    state.loaded,
                    base_url=state.place.base_url,
                    profile=state.profile.value,
                    seed=state.seed,
                    suites=self._suites(),
                    version=__version__,
                ),
                "id": uuid.uuid4().hex,
                "versions": versions.of(state.loaded, self._files()),
                "selection": {
                    "suites": self._suites(),
                    "cases": state.patterns,
                    "stop_after": self.config.getoption("stop_after"),
                },
                "shard": {"number": state.shard[0], "of": state.shard[1]} if state.shard else None,
                "started": evidence.timestamp(),
            },
        )

    def _resume(self, past: resuming.Past) -> None:
        self._append(
            "resumed", {"at": evidence.timestamp(), "part": past.part, "lost_bytes": past.lost}
        )
        start = self.state.loaded.target.system.start
        if "end" not in past.types and (start is None or self.config.getoption("base_url")):
            self.state.left_over.append(
                {
                    "tenant": None,
                    "resource": "(unknown)",
                    "id": "(unknown)",
                    "reason": "the run was killed before it could remove or list what it had made",
                }
            )

    def _append(self, type_: str, record: Mapping[str, Any]) -> None:
        """Into the ledger; where that cannot be, the run ends."""
        state = self.state
        if state.ledger is None:
            return
        try:
            state.ledger.append(type_, record)
        except evidence.Unwritable as problem:
            state.ledger = None
            state.lost = str(problem)
            self._end_early("the evidence cannot be written")
            return
        if self._mirror is not None and time.monotonic() - self._followed > _FOLLOWING:
            self._followed = time.monotonic()
            self._mirror.follow()

    def _end_early(self, reason: str) -> None:
        """Let no further case begin."""
        if self._session is not None:
            self._session.shouldstop = reason
        workers: Any = self.config.pluginmanager.getplugin("dsession")
        if workers is not None:
            workers.shouldstop = reason
        if self.state.opened is not None and self.state.opened.wire.journal is not None:
            self.state.opened.wire.journal.stop()

    def _stop(self, message: str, code: int) -> NoReturn:
        self.state.stack.close()
        redactor = self.state.opened.redactor if self.state.opened else None
        pytest.exit(redactor.text(message) if redactor else message, returncode=code)

    def _files(self) -> list[Path]:
        return sorted({Path(one.split("::")[0]) for one in self.config.args})

    def _suites(self) -> list[str]:
        return sorted({path.stem.removeprefix("test_") for path in self._files()})

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        state = self.state
        assert state.place is not None
        node.workerinput[_PROPERTY] = {
            "id": node.gateway.id,
            "target": str(state.loaded.folder.absolute()),
            "generated": dict(state.loaded.generated),
            "seed": state.seed,
            "base_url": state.place.base_url,
            "state": str(state.place.state),
            "done": str(self._done()),
        }

    def _done(self) -> Path:
        """Which cases have a verdict already, for workers to read."""
        assert self.state.place is not None
        path = self.state.place.state / "done.json"
        if not path.exists():
            path.write_text(json.dumps(sorted(self.state.done)), encoding="utf-8")
        return path

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        assert self.state.place is not None
        plan = self.state.place.state / "plan.json"
        if plan.exists():
            self._plan(json.loads(plan.read_text(encoding="utf-8")))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        if not self.config.getoption("numprocesses", None):
            self._plan(_plan_of(self.state))

    def _plan(self, plan: dict[str, dict[str, Any]]) -> None:
        if self.state.plan_written or self.state.ledger is None:
            return
        self.state.plan_written = True
        past = self.state.past
        if past is not None and past.plan not in {None, plan["plan"]["digest"]}:
            self._stop(
                f"{self.state.out}: other cases were planned when this run began; run again with "
                "another --out",
                3,
            )
        for type_, record in plan.items():
            if past is None or type_ not in past.types:
                self._append(type_, record)
        if self.state.ledger is not None:
            with contextlib.suppress(OSError):  # what cannot be written is told by what writes
                self.state.ledger.sync()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self.state.ledger is None:
            return
        worker = getattr(report, "worker_id", "")
        past = self.state.past
        sign = "-".join(one for one in (f"r{past.part}" if past else "", worker) if one)
        for name, value in report.user_properties:
            if name != _PROPERTY:
                continue
            record = recording.numbered(json.loads(str(value)), sign)
            if self.state.opened is not None:
                self.state.opened.shared.hear()
                record = recording.redacted(record, self.state.opened.redactor)
            for exchange in record["exchanges"]:
                self._append("exchange", exchange)
            self._append("verdict", record["verdict"])
            self._failed += record["verdict"]["outcome"] == Result.FAIL.value
        enough = self.config.getoption("stop_after")
        if enough and self._failed >= enough:
            self._end_early(f"{self._failed} cases failed")
        report.user_properties = [
            (name, value) for name, value in report.user_properties if name != _PROPERTY
        ]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.state.left_over += getattr(node, "workeroutput", {}).get(_PROPERTY, [])

    def pytest_keyboard_interrupt(self) -> None:
        self.state.interrupted = True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        self._end()

    def pytest_unconfigure(self) -> None:
        self._end()
        self.state.stack.close()
        if self.state.lost:
            print(f"{self.state.lost}\n{_CUT_SHORT}", file=sys.stderr)
            self.state.lost = ""

    def _end(self) -> None:
        if self.state.ledger is None:
            return
        redactor = self.state.opened.redactor if self.state.opened else None
        for record in self.state.left_over:
            self._append("left_over", redactor.tree(record) if redactor else record)
        self._append(
            "end",
            {"finished": evidence.timestamp(), "interrupted": self.state.interrupted},
        )
        ledger, self.state.ledger = self.state.ledger, None
        if ledger is not None:
            with contextlib.suppress(OSError):
                ledger.sync()
            ledger.close()


def _plan_of(state: State) -> dict[str, dict[str, Any]]:
    """The records by type that say what is planned, and which clauses it gives evidence for."""
    cases = [
        evidence.holdable(evidence.case_record(case, everywhere=case.id in state.everywhere))
        for case in state.planned.values()
    ]
    planned = {(case.suite, case.property) for case in state.planned.values()}
    cited = {of: ids for of, ids in state.cited.items() if of in planned}
    return {
        "plan": {"digest": canonical.plan_digest(cases), "cases": cases},
        "clauses": clauses_record(cited),
    }


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM, by which CI systems cancel a job, ends a run as Ctrl-C does: cleaned up."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def pytest_report_header(config: pytest.Config) -> str | None:
    state = config.stash.get(_STATE, None)
    if state is None:
        return None
    return f"wardproof {__version__}: {state.loaded.target.system.name}, seed {state.seed}"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    state = config.stash.get(_STATE, None)
    if state is not None and not config.option.collectonly:
        terminalreporter.write_line(f"evidence: {state.out}")
