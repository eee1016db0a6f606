"""What Locust runs: users of the plan, in one process or in several with a master.

Only Locust's own process imports this module and those that it needs besides. Started alone it
does everything itself; as a master it hands the plan to its workers and writes what they report.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import gevent
from locust import User, constant, events, runners, task
from locust.env import Environment
from locust.rpc.protocol import Message
from locust.runners import MasterRunner, Runner, WorkerRunner

from conformance.workload import plan as plans
from conformance.workload.arrivals import Share, shares
from conformance.workload.reading import NODES, ORDERS, OUT, PLAN, SAMPLES, STARTED
from conformance.workload.samples import Node
from conformance.workload.sender import Book as SendersBook
from conformance.workload.sender import Sender


class Book:
    """Where samples go: to files here, or by messages to the master that writes them."""

    def __init__(self, runner: Runner | None) -> None:
        self._runner = runner
        self._lines: list[str] = []
        self._files: dict[str, TextIO] = {}
        self._folder = Path(os.environ[OUT]) if OUT in os.environ else None

    def sample(self, row: list[Any]) -> None:
        """Keep a line of samples until the next report."""
        self._lines.append(json.dumps(row))

    def report(self) -> None:
        """Hand over what has been kept."""
        if self._lines:
            lines, self._lines = self._lines, []
            self.at_once(SAMPLES, "\n".join(lines))

    def at_once(self, name: str, text: str) -> None:
        """Hand lines over without waiting: they must outlive whatever happens next."""
        if isinstance(self._runner, WorkerRunner):
            self._runner.send_message("lines", {"name": name, "text": text})
        else:
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        """Append lines to a file of the run's folder."""
        assert self._folder is not None
        if name not in self._files:
            self._files[name] = (self._folder / name).open("a", encoding="utf-8")
        self._files[name].write(text + "\n")
        self._files[name].flush()


# --- one process, or a master with its workers --------------------------------------------------


class Together:
    """The master's part: the plan for every worker, a common start, lines, and the end."""

    def __init__(self, runner: MasterRunner, book: Book, text: str) -> None:
        self.runner, self.book, self.text = runner, book, text
        self.plan = plans.loaded(text)
        self.ready: set[str] = set()
        self.done: set[str] = set()
        self.going: tuple[str, ...] = ()
        runner.register_message("plan?", self._asked)
        runner.register_message("ready", self._ready)
        runner.register_message("lines", self._lines)
        runner.register_message("done", self._done)

    def _asked(self, msg: Message, **_: Any) -> None:
        self.runner.send_message("plan", {"plan": self.text}, msg.node_id)

    def _ready(self, msg: Message, **_: Any) -> None:
        self.ready.add(msg.node_id)

    def _lines(self, msg: Message, **_: Any) -> None:
        self.book.write(msg.data["name"], msg.data["text"])

    def _done(self, msg: Message, **_: Any) -> None:
        self.done.add(msg.node_id)

    def begin(self) -> None:
        """Have all workers that are there begin at the same time, and end when they have."""
        gevent.spawn(self._conduct)

    def _conduct(self) -> None:
        clients = self.runner.clients
        while not self.ready >= set(clients) or not clients:
            gevent.sleep(0.02)
        self.going = tuple(sorted(clients))
        delay = 0.5
        users = {name: clients[name].user_count for name in self.going}
        for name, share in shares(users, self.plan.flooding).items():
            self.runner.send_message("go", {"delay": delay, "share": asdict(share)}, name)
        _say_started(self.book, time.time() + delay)
        most = time.monotonic() + delay + self.plan.seconds + self.plan.timeout + 5
        while time.monotonic() < most and not self.done >= self._living():
            gevent.sleep(0.05)
        for name in sorted(set(self.going) - self.done):
            lost = Node(name, 0, 0, 0.0, 0.0, 0.0, done=False)
            self.book.write(NODES, json.dumps(asdict(lost)))
        _quit(self.runner.environment)

    def _living(self) -> set[str]:
        missing = {client.id for client in self.runner.clients.missing}
        return set(self.going) & (set(self.runner.clients) - missing)


def _say_started(book: SendersBook, at: float) -> None:
    book.at_once(STARTED, json.dumps({"started": at}))


def _quit(environment: Environment) -> None:
    assert environment.runner is not None
    environment.runner.quit()
    if environment.web_ui is not None:
        environment.web_ui.stop()  # type: ignore[no-untyped-call]


def _follow(folder: Path, tell: Callable[[dict[str, Any]], None]) -> None:
    """Pass on what the harness orders while the run is under way."""
    path, seen = folder / ORDERS, 0
    while True:
        gevent.sleep(0.05)
        with contextlib.suppress(FileNotFoundError):
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            for line in lines[seen:]:
                if line.endswith("\n"):
                    seen += 1
                    tell(json.loads(line))


SENDER: Sender | None = None
_PLACES = itertools.count()


class Visitor(User):
    """One user of the plan."""

    wait_time = constant(0)

    @task
    def serve(self) -> None:
        """Take arrivals until the run has ended."""
        assert SENDER is not None
        SENDER.users += 1
        SENDER.serve(next(_PLACES))


@events.init.add_listener  # type: ignore[untyped-decorator]
def prepare(environment: Environment, **_: Any) -> None:
    """Find the plan and wait for the start, by what this process is."""
    # A worker whose master has gone has nothing left to do.
    runners.MASTER_HEARTBEAT_TIMEOUT = 10
    # Requests that fail say something of the target, not of this process.
    environment.process_exit_code = 0
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        _conduct(runner, Path(os.environ[OUT]))
    elif isinstance(runner, WorkerRunner):
        _obey(runner)
    else:
        _alone(environment, Path(os.environ[OUT]))


def _conduct(runner: MasterRunner, folder: Path) -> None:
    together = Together(runner, Book(runner), (folder / PLAN).read_text("utf-8"))
    events.spawning_complete.add_listener(  # type: ignore[no-untyped-call]
        lambda **_: together.begin()
    )
    gevent.spawn(_follow, folder, lambda order: runner.send_message("order", order))


def _alone(environment: Environment, folder: Path) -> None:
    global SENDER
    SENDER = sender = Sender(environment, Book(environment.runner), lambda: _quit(environment))
    sender.equip(plans.loaded((folder / PLAN).read_text("utf-8")))
    gevent.spawn(_follow, folder, sender.obey)

    def begin(**_: Any) -> None:
        sender.begin(0.1, Share())
        _say_started(sender.book, sender.started)

    events.spawning_complete.add_listener(begin)  # type: ignore[no-untyped-call]


def _obey(runner: WorkerRunner) -> None:
    """Let the master say what to do and when."""
    global SENDER
    environment = runner.environment
    SENDER = sender = Sender(environment, Book(runner), lambda: runner.send_message("done", {}))

    def equip(msg: Message, **_: Any) -> None:
        sender.equip(plans.loaded(msg.data["plan"]))
        runner.send_message("ready", {})

    def go(msg: Message, **_: Any) -> None:
        sender.begin(msg.data["delay"], Share(**msg.data["share"]))

    runner.register_message("plan", equip)
    runner.register_message("go", go)
    runner.register_message("order", lambda msg, **_: sender.obey(msg.data))
    runner.send_message("plan?", {})
