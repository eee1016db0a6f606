"""What Locust runs: users who take arrivals at their instants and send the plan's workflows.

Only Locust's own process imports this module. Started alone it does everything itself; as a master
it hands the plan to its workers and writes down what they report.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import heapq
import itertools
import json
import os
import random
import resource
import ssl
import time
import uuid
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

import gevent
import gevent.event
import gevent.queue
from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError
from locust import User, constant, events, runners, task
from locust.env import Environment
from locust.rpc.protocol import Message
from locust.runners import MasterRunner, WorkerRunner

from conformance.canary import Mint
from conformance.extraction import extract
from conformance.model import Answer
from conformance.synthesis import Synthesis
from conformance.template import Unfilled
from conformance.workload import plan as plans
from conformance.workload.arrivals import Due, arrivals
from conformance.workload.filling import Filled, filled, named
from conformance.workload.plan import Actor, Flood, Plan, Step
from conformance.workload.reading import KEPT, NODES, SAMPLES, STARTED, WRITES
from conformance.workload.samples import CUT_OFF, NOT_BEGUN, Arrival, Node, Sample, Write
from conformance.workload.scanning import Scan

OUT, PLAN, RENEWED = "WARDPROOF_LOAD", "plan.json", "renewed.jsonl"
NOT_SENT = "not sent"
_REPORT = 0.25
_SLOWEST, _FAILED = 2, 3
_CHUNK = _SHOWN = _HEAD = 64 * 1024


class Broken(Exception):
    """There is no whole answer; the message says why."""


class _Line:
    """A connection that gives up on an answer without end, in bytes or in time."""

    def __init__(self, inner: Any, most: int, timeout: float) -> None:
        self._inner, self._most, self._timeout = inner, most, timeout
        self._left, self._until, self._ends = most, 0.0, False

    def sendall(self, data: bytes) -> None:
        self._left, self._ends = self._most, False
        self._until = time.monotonic() + self._timeout
        self._inner.sendall(data)

    def recv(self, size: int) -> bytes:
        # What is there already is read without a switch, so no timeout of gevent would stop it.
        if time.monotonic() > self._until:
            raise Broken(_too_long(self._timeout))
        data: bytes = self._inner.recv(size)
        self._left -= len(data)
        if self._left < 0:
            raise Broken(f"the answer is longer than {self._most} bytes")
        if not data and self._ends:
            raise Broken("the connection was closed before the answer had ended")
        self._ends = not data
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _too_long(timeout: float) -> str:
    return f"no whole answer within {timeout:g} s"


def _client(plan: Plan) -> HTTPClient:
    """A client with one connection."""
    options: dict[str, Any] = {}
    if plan.base_url.startswith("https"):
        options = {"insecure": plan.verify is False, "ssl_context_factory": _trusting(plan.verify)}
    client: HTTPClient = HTTPClient.from_url(
        plan.base_url,
        concurrency=1,
        connection_timeout=plan.timeout,
        network_timeout=plan.timeout,
        **options,
    )
    pool = client._connection_pool
    connect = pool._create_socket
    pool._create_socket = lambda: _Line(  # type: ignore[method-assign]
        connect(), plan.most_bytes + _HEAD, plan.timeout
    )
    return client


def _trusting(verify: bool | str) -> Callable[[], ssl.SSLContext]:
    def context() -> ssl.SSLContext:
        if verify is False:
            return ssl._create_unverified_context()  # noqa: S323 - the target file says so
        return ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)

    return context


# --- what this process is and writes ------------------------------------------------------------


class Book:
    """Where samples go: to files here, or by messages to the master that writes them."""

    def __init__(self, environment: Environment) -> None:
        self._runner = environment.runner
        self._lines: list[str] = []
        self._files: dict[str, TextIO] = {}
        self._folder = Path(os.environ[OUT]) if OUT in os.environ else None

    def sample(self, row: list[Any]) -> None:
        """Keep a line of samples until the next report."""
        self._lines.append(json.dumps(row, ensure_ascii=False))

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


class Sender:
    """This process while it sends: the plan, the queue of arrivals, and what has been seen."""

    def __init__(self, environment: Environment, book: Book) -> None:
        self.environment, self.book = environment, book
        self.begun = gevent.event.Event()
        self.ended = False
        self.queue: gevent.queue.Queue[tuple[Due, bool]] = gevent.queue.Queue()
        self.idle, self.users, self.busy = 0, 0, 0
        self.responses, self.scan_seconds, self._lag = 0, 0.0, [0.0]
        self._kept: Counter[tuple[str, ...]] = Counter()
        self._slow: dict[tuple[str, str], list[tuple[float, int, str]]] = defaultdict(list)
        self._order = itertools.count()
        self.under_way: dict[int, Visit] = {}

    def equip(self, plan: Plan) -> None:
        """Take the plan."""
        self.plan = plan
        nonce = uuid.uuid4().int
        self.mint = Mint(plan.tenants, plan.fields, nonce)
        zones = {name: ZoneInfo(zone) for name, zone in plan.tenants.items()}
        self.synthesis = Synthesis(zones, self.mint, nonce % 2**32)
        self.scan = Scan(plan, self.mint) if plan.scan else None
        self.actors = {actor.name: actor for actor in plan.actors}
        self.workflows = {workflow.name: workflow for workflow in plan.workflows}
        self.floods = _floods(plan)

    def begin(self, delay: float, index: int, count: int) -> None:
        """Start the clock in `delay` seconds; this is process `index` of `count`."""
        self.index, self.count = index, count
        self.start = time.monotonic() + delay
        self.started = time.time() + delay
        self._cpu = _processor_seconds()
        # A collection in the middle of a run would be taken for a delay of the target.
        gc.freeze()
        gevent.spawn(self._dispatch)
        gevent.spawn(self._report)
        gevent.spawn(self._listen)
        self.begun.set()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.start

    def pause(self, until: float) -> None:
        """Sleep until that many seconds from the start have passed."""
        while (rest := until - self.elapsed) > 0:
            gevent.sleep(rest)

    def _dispatch(self) -> None:
        for due in arrivals(self.plan):
            if due.number % self.count != self.index:
                continue
            self.pause(due.at)
            self.queue.put((due, self.idle > self.queue.qsize()))
        self.pause(self.plan.seconds)
        self._finish()

    def _finish(self) -> None:
        """Let users finish what they began, then write down what was never answered."""
        end = self.plan.seconds
        left = []
        while not self.queue.empty():
            left.append(self.queue.get())
        self.ended = True
        for due, _free in left:
            step = self.workflows[due.workflow].steps[0].name
            row = Sample(
                due.at, None, end - due.at, due.workflow, due.number, step, due.actor,
                None, NOT_BEGUN, 0, False, False, "",
            )  # fmt: skip
            self.book.sample(["r", *_values(row)])
            self.arrived(due, end - due.at, NOT_BEGUN, flood=False)
        while self.under_way and self.elapsed < end + self.plan.timeout:
            gevent.sleep(0.02)
        for visit in list(self.under_way.values()):
            visit.cut_off()
        for heap in self._slow.values():
            for _seconds, _number, line in sorted(heap, reverse=True):
                self.book.at_once(KEPT, line)
        self.book.report()
        self.book.at_once(NODES, json.dumps(asdict(self._node())))
        _done(self.environment)

    def _node(self) -> Node:
        ordered = sorted(self._lag)
        return Node(
            name=str(getattr(self.environment.runner, "client_id", os.getpid())),
            users=self.users,
            responses=self.responses,
            scan_seconds=self.scan_seconds,
            busy_seconds=_processor_seconds() - self._cpu,
            lag=ordered[int(0.99 * (len(ordered) - 1))],
            done=True,
        )

    def _report(self) -> None:
        while not self.ended:
            gevent.sleep(_REPORT)
            self.book.report()

    def _listen(self) -> None:
        """How late this process itself is with what it wants to do."""
        self.pause(0)
        while not self.ended:
            wanted = time.monotonic() + 0.02
            gevent.sleep(0.02)
            self._lag.append(time.monotonic() - wanted)

    def renew(self, new: Mapping[str, Any]) -> None:
        """Send other credentials for an actor from now on."""
        actor = self.actors[new["actor"]]
        changed = replace(actor, headers=new["headers"], cookies=new["cookies"])
        self.actors[actor.name] = changed

    # --- users ---

    def serve(self, place: int) -> None:
        """What user number `place` of this process does until the end."""
        self.begun.wait()
        client = _client(self.plan)
        if place < -(-self.plan.flooding // self.count):
            self._flood(client, place * self.count + self.index)
        else:
            self._take(client)
        # Locust would ask an idle user for its next task over and over.
        while True:
            gevent.sleep(60)

    def _take(self, client: HTTPClient) -> None:
        while not self.ended:
            self.idle += 1
            try:
                due, free = self.queue.get(timeout=1)
            except gevent.queue.Empty:
                continue
            finally:
                self.idle -= 1
            Visit(self, client, due, free=free, flood=False).go()

    def _flood(self, client: HTTPClient, user: int) -> None:
        for start, end, flood, first, last in self.floods:
            if not first <= user < last:
                continue
            self.pause(start)
            for turn in itertools.count():
                if self.elapsed >= end or self.ended:
                    break
                number = turn * flood.users + user - first
                actor = flood.actors[number % len(flood.actors)]
                due = Due(self.elapsed, flood.workflow, number, actor, number)
                Visit(self, client, due, free=True, flood=True).go()
                gevent.sleep(flood.pause)

    # --- what was seen ---

    def arrived(self, due: Due, seconds: float, error: str | None, *, flood: bool) -> None:
        """Note that a workflow has ended, `error` saying why it did so early."""
        row = Arrival(due.at, seconds, due.workflow, due.number, due.actor, error, flood)
        self.book.sample(["a", *_values(row)])

    def keep(self, kept: Mapping[str, Any]) -> None:
        """Write an exchange down, unless there are enough of its kind."""
        kind = (kept["why"], kept["kind"], kept["actor"], kept["step"])
        most = _FAILED if kept["why"] == "failed" else self.plan.kept
        if self._kept[kind] < most:
            self._kept[kind] += 1
            self.book.at_once(KEPT, json.dumps(kept))

    def slow(self, name: tuple[str, str], seconds: float, kept: Callable[[], Any]) -> None:
        """Remember an exchange if it is one of the slowest of its step."""
        heap = self._slow[name]
        if len(heap) < _SLOWEST or seconds > heap[0][0]:
            heapq.heappush(heap, (seconds, next(self._order), json.dumps(kept())))
            if len(heap) > _SLOWEST:
                heapq.heappop(heap)


@dataclass(frozen=True)
class Got:
    """What came back: status, headers and body, None and () without an answer, or what failed."""

    status: int | None
    headers: tuple[tuple[str, str], ...]
    body: bytes
    error: str | None


class Visit:
    """One arrival: somebody goes through the steps of a workflow."""

    def __init__(
        self, sender: Sender, client: HTTPClient, due: Due, *, free: bool, flood: bool
    ) -> None:
        self.sender, self.client, self.due = sender, client, due
        self.free, self.flood = free, flood
        self.workflow = sender.workflows[due.workflow]
        scenes = self.workflow.scenes.get(due.actor, ())
        self.values = dict(scenes[due.turn % len(scenes)]) if scenes else {}
        self.intended, self.thought = due.at, 0.0
        self.sent: float | None = None
        self.step = self.workflow.steps[0]

    def go(self) -> None:
        """Send the steps one after the other until one fails, and note how it went."""
        sender = self.sender
        sender.under_way[id(self)] = self
        error = None
        try:
            for place, step in enumerate(self.workflow.steps):
                self._think(step, place)
                if sender.ended and sender.elapsed > sender.plan.seconds + sender.plan.timeout:
                    return  # `cut_off` has noted it
                self.step = step
                error = self._do(step)
                if error is not None:
                    break
                self.free = True
        finally:
            if sender.under_way.pop(id(self), None) is not None:
                seconds = sender.elapsed - self.due.at - self.thought
                sender.arrived(self.due, seconds, error, flood=self.flood)

    def _think(self, step: Step, place: int) -> None:
        least, most = step.think
        if most > 0:
            chance = random.Random(f"{self.sender.plan.seed} {self.due} {place}")
            seconds = chance.uniform(least, most)
            self.thought += seconds
            self.intended += seconds
            self.sender.pause(self.intended)

    def cut_off(self) -> None:
        """Note the request that is still under way when nobody waits any longer."""
        self.sender.under_way.pop(id(self), None)
        seconds = self.sender.elapsed - self.intended
        self._note(Got(None, (), b"", CUT_OFF), seconds, 0, "")
        self.sender.arrived(
            self.due, self.sender.elapsed - self.due.at - self.thought, CUT_OFF, flood=self.flood
        )

    def _do(self, step: Step) -> str | None:
        """Send one step; why it is not done, None if it is."""
        sender = self.sender
        actor = sender.actors[self.due.actor]
        try:
            request = filled(sender.plan, actor, step, self.values, sender.synthesis)
        except (Unfilled, KeyError, ValueError) as problem:
            self._note(Got(None, (), b"", f"{NOT_SENT}: {problem}"), 0.0, 0, "")
            return f"{NOT_SENT}: {problem}"
        moment = time.time()
        self.sent = sender.elapsed
        got = self._send(request)
        ended = sender.elapsed
        if id(self) not in sender.under_way:
            return CUT_OFF
        error = got.error or _not_done(step, got)
        if error is None and got.status is not None:
            self._take(step, actor, request, got, moment + ended - self.sent)
        flag = self._suspicion(step, request, got, done=error is None)
        self._note(replace(got, error=error), ended - self.intended, len(got.body), flag)
        exchange = _Exchange(self, actor, step, request, got, error, moment, ended - self.sent)
        self._keep(exchange, flag, ended - self.intended)
        self.intended, self.sent = ended, None
        return error

    def _send(self, request: Filled) -> Got:
        limit = self.sender.plan.timeout
        try:
            with gevent.Timeout(limit, Broken(_too_long(limit))):
                response = self.client.request(
                    request.method, request.path, request.body, request.headers
                )
                body = bytearray()
                while chunk := response.read(_CHUNK):
                    body += chunk
        except FAILURES as problem:
            return Got(None, (), b"", _worded(problem))
        headers = tuple(response.items())
        return Got(response.get_code(), headers, self._plain(headers, body), None)

    def _plain(self, headers: Iterable[tuple[str, str]], body: bytearray) -> bytes:
        """The body uncompressed, as far as the limit goes."""
        coded = {value.lower() for name, value in headers if name.lower() == "content-encoding"}
        if coded & {"gzip", "x-gzip", "deflate"}:
            with contextlib.suppress(zlib.error):
                return zlib.decompressobj(47).decompress(body, self.sender.plan.most_bytes)
        return bytes(body)

    def _take(self, step: Step, actor: Actor, request: Filled, got: Got, at: float) -> None:
        """Write an acknowledged write down, and take what later steps name."""
        assert got.status is not None
        made = None
        if step.creates or step.take:
            answer = Answer(got.status, got.headers, got.body)
            resource = step.about[0]
            if step.creates:
                made = extract(step.creates, answer)
                self.values[f"{step.called or step.on.get(resource, resource)}.id"] = made
            for name, place in step.take.items():
                value = extract(place, answer)
                if value is not None:
                    self.values[name] = value
        if step.writes:
            with contextlib.suppress(KeyError):
                made = made if step.creates else named(step, self.values, "id")
            ids = {name: value for name, value in self.values.items() if name.endswith(".id")}
            write = Write(
                at, *step.about, actor.name, actor.tenant,
                None if made is None else str(made), request.carried, ids,
            )  # fmt: skip
            self.sender.book.at_once(WRITES, json.dumps(asdict(write)))
        self._renew(actor, got)

    def _renew(self, actor: Actor, got: Got) -> None:
        """A session cookie that the target has changed is sent changed from now on."""
        for name, value in got.headers:
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                if key.strip() in actor.cookies:
                    cookies = {**actor.cookies, key.strip(): rest.split(";", 1)[0].strip()}
                    self.sender.actors[actor.name] = replace(actor, cookies=cookies)

    def _suspicion(self, step: Step, request: Filled, got: Got, *, done: bool) -> str:
        sender = self.sender
        if got.status is None:
            return ""
        sender.responses += 1
        if sender.scan is not None:
            began = time.perf_counter()
            head = "\n".join(f"{name}: {value}" for name, value in got.headers)
            raw = head.encode("utf-8", "replace") + b"\n" + got.body
            found = sender.scan.suspicious(self.due.actor, raw, request.carried)
            sender.scan_seconds += time.perf_counter() - began
            if found:
                return found
        if done and step.asks and step.answers:
            asked = named(step, self.values, step.asks)
            answered = extract(step.answers, Answer(got.status, got.headers, got.body))
            if answered is not None and str(answered) != str(asked):
                return "other"
        return ""

    def _note(self, got: Got, seconds: float, size: int, flag: str) -> None:
        due, sender = self.due, self.sender
        row = Sample(
            self.intended, self.sent, seconds, due.workflow, due.number, self.step.name, due.actor,
            got.status, got.error, size, self.flood, self.free, flag,
        )  # fmt: skip
        sender.book.sample(["r", *_values(row)])
        stats, name = sender.environment.stats, f"{due.workflow}: {self.step.name}"
        stats.log_request(self.step.method, name, int(seconds * 1000), size)
        if got.error is not None:
            stats.log_error(self.step.method, name, got.error)

    def _keep(self, exchange: _Exchange, flag: str, seconds: float) -> None:
        if flag:
            why = "other" if flag == "other" else "suspect"
            self.sender.keep(exchange.row(why, flag, self.sender.plan.most_bytes))
        elif exchange.error is not None:
            self.sender.keep(exchange.row("failed", exchange.error, _SHOWN))
        else:
            name = (self.due.workflow, exchange.step.name)
            self.sender.slow(name, seconds, lambda: exchange.row("slow", "", _SHOWN))


@dataclass(frozen=True)
class _Exchange:
    """A request with what came of it, to be written down if it is worth it."""

    visit: Visit
    actor: Actor
    step: Step
    request: Filled
    got: Got
    error: str | None
    at: float
    seconds: float

    def row(self, why: str, kind: str, most: int) -> dict[str, Any]:
        """The exchange as JSON, with `most` bytes of the answer's body."""
        request, got = self.request, self.got
        return {
            "why": why,
            "kind": kind,
            "actor": self.actor.name,
            "workflow": self.visit.due.workflow,
            "step": self.step.name,
            "about": self.step.about,
            "request": {
                "method": request.method,
                "url": self.visit.sender.plan.base_url + request.path,
                "headers": list(request.headers.items()),
                "body": base64.b64encode(request.body).decode(),
            },
            "answer": None
            if got.status is None
            else {
                "status": got.status,
                "headers": got.headers,
                "body": base64.b64encode(got.body[:most]).decode(),
            },
            "error": self.error,
            "at": self.at,
            "seconds": self.seconds,
            "carried": request.carried,
        }


def _not_done(step: Step, got: Got) -> str | None:
    assert got.status is not None
    done = got.status in step.done if step.done else 200 <= got.status < 400
    return None if done else f"answered {got.status}"


FAILURES = (OSError, Broken, HTTPParseError, gevent.Timeout, ValueError)


def _worded(problem: BaseException) -> str:
    if isinstance(problem, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(problem, ConnectionResetError | BrokenPipeError | HTTPConnectionClosed):
        return "the connection was closed without an answer"
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    return str(problem) or type(problem).__name__


def _values(row: Sample | Arrival) -> list[Any]:
    return list(vars(row).values())


def _floods(plan: Plan) -> list[tuple[float, float, Flood, int, int]]:
    """Each flood with its start and end (seconds), and the first and last of its users."""
    found, start = [], 0.0
    for segment in plan.segments:
        first = 0
        for flood in segment.floods:
            found.append((start, start + segment.seconds, flood, first, first + flood.users))
            first += flood.users
        start += segment.seconds
    return found


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


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
        for index, name in enumerate(self.going):
            job = {"delay": delay, "index": index, "count": len(self.going)}
            self.runner.send_message("go", job, name)
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


def _say_started(book: Book, at: float) -> None:
    book.write(STARTED, json.dumps({"started": at}))


def _done(environment: Environment) -> None:
    runner = environment.runner
    if isinstance(runner, WorkerRunner):
        runner.send_message("done", {})
    else:
        _quit(environment)


def _quit(environment: Environment) -> None:
    assert environment.runner is not None
    environment.runner.quit()
    if environment.web_ui is not None:
        environment.web_ui.stop()  # type: ignore[no-untyped-call]


def _follow(folder: Path, tell: Callable[[dict[str, Any]], None]) -> None:
    """Pass on new credentials whenever the harness writes some."""
    path, seen = folder / RENEWED, 0
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
    global SENDER
    runner, book = environment.runner, Book(environment)
    runners.MASTER_HEARTBEAT_TIMEOUT = 10
    if isinstance(runner, MasterRunner):
        together = Together(runner, book, (Path(os.environ[OUT]) / PLAN).read_text("utf-8"))
        events.spawning_complete.add_listener(  # type: ignore[no-untyped-call]
            lambda **_: together.begin()
        )
        folder = Path(os.environ[OUT])
        gevent.spawn(_follow, folder, lambda new: runner.send_message("renewed", new))
        return
    SENDER = sender = Sender(environment, book)
    if isinstance(runner, WorkerRunner):
        _obey(runner, sender)
        return
    folder = Path(os.environ[OUT])
    sender.equip(plans.loaded((folder / PLAN).read_text("utf-8")))
    gevent.spawn(_follow, folder, sender.renew)
    events.spawning_complete.add_listener(  # type: ignore[no-untyped-call]
        lambda **_: _alone(sender)
    )


def _alone(sender: Sender) -> None:
    sender.begin(0.1, 0, 1)
    _say_started(sender.book, sender.started)


def _obey(runner: WorkerRunner, sender: Sender) -> None:
    """Let the master say what to do and when."""

    def equip(msg: Message, **_: Any) -> None:
        sender.equip(plans.loaded(msg.data["plan"]))
        runner.send_message("ready", {})

    def go(msg: Message, **_: Any) -> None:
        sender.begin(msg.data["delay"], msg.data["index"], msg.data["count"])

    runner.register_message("plan", equip)
    runner.register_message("go", go)
    runner.register_message("renewed", lambda msg, **_: sender.renew(msg.data))
    runner.send_message("plan?", {})
