"""A process of Locust while it sends: the queue of arrivals, the users, and what they saw."""

from __future__ import annotations

import gc
import heapq
import itertools
import json
import os
import resource
import time
import traceback
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import gevent
import gevent.event
import gevent.queue
from geventhttpclient import HTTPClient
from locust.env import Environment

from conformance.canary import Mint
from conformance.synthesis import Synthesis
from conformance.workload.arrivals import Due, Share, arrivals
from conformance.workload.connection import client
from conformance.workload.plan import Flood, Plan
from conformance.workload.reading import KEPT, NODES
from conformance.workload.samples import NOT_BEGUN, Arrival, Node, Sample
from conformance.workload.scanning import Scan
from conformance.workload.visits import Visit

_REPORT = 0.25
_OVERTIME = 1.0
"""Seconds after the end in which users may still begin what was due before it."""
_SLOWEST = 2


class Book(Protocol):
    """Where what was seen goes."""

    def sample(self, row: list[Any]) -> None: ...

    def at_once(self, name: str, text: str) -> None: ...

    def report(self) -> None: ...


class Sender:
    """This process while it sends: the plan, the queue of arrivals, and what has been seen."""

    def __init__(self, environment: Environment, book: Book, finished: Callable[[], None]) -> None:
        self.environment, self.book, self._finished = environment, book, finished
        self.begun = gevent.event.Event()
        self.ended = False
        self.queue: gevent.queue.Queue[tuple[Due, bool]] = gevent.queue.Queue()
        self.idle, self.users = 0, 0
        self.responses, self.scan_seconds, self._lag = 0, 0.0, [0.0]
        self._kept: Counter[tuple[str, ...]] = Counter()
        self._slow: dict[tuple[str, str], list[tuple[float, int, str]]] = defaultdict(list)
        self._order = itertools.count()
        self.under_way: dict[int, Visit] = {}
        self.watched: dict[str, float] = {}
        self.fault: str | None = None

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

    def begin(self, delay: float, share: Share) -> None:
        """Start the clock in `delay` seconds, and do this process's share."""
        self.share = share
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
            if not self.share.takes(due):
                continue
            self.pause(due.at)
            self.queue.put((due, self.idle > self.queue.qsize()))
        self.pause(self.plan.seconds)
        self._finish()

    def _finish(self) -> None:
        """Let users finish what they began, then write down what was never answered."""
        end, left = self.plan.seconds, []
        while not self.queue.empty() and self.elapsed < end + min(_OVERTIME, self.plan.timeout):
            gevent.sleep(0.02)
        while not self.queue.empty():
            left.append(self.queue.get())
        self.ended = True
        for due, _free in left:
            step = self.workflows[due.workflow].steps[0].name
            late = self.elapsed - due.at
            row = Sample(
                due.at, None, late, due.workflow, due.number, step, due.actor,
                None, NOT_BEGUN, 0, False, False, "",
            )  # fmt: skip
            self.book.sample(["r", *vars(row).values()])
            self.arrived(due, late, NOT_BEGUN, flood=False)
        while self.under_way and self.elapsed < end + self.plan.timeout:
            gevent.sleep(0.02)
        for visit in list(self.under_way.values()):
            visit.cut_off()
        for heap in self._slow.values():
            for _seconds, _number, line in sorted(heap, reverse=True):
                self.book.at_once(KEPT, line)
        self.book.report()
        self.book.at_once(NODES, json.dumps(asdict(self._node())))
        self._finished()

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
            fault=self.fault,
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

    def obey(self, order: Mapping[str, Any]) -> None:
        """Send other credentials for an actor from now on, or keep what it is answered."""
        if "watch" in order:
            self.watched.setdefault(order["watch"], self.elapsed)
            return
        actor = self.actors[order["renew"]]
        changed = replace(actor, headers=order["headers"], cookies=order["cookies"])
        self.actors[actor.name] = changed

    # --- users ---

    def serve(self, place: int) -> None:
        """What user number `place` of this process does until the end."""
        self.begun.wait()
        try:
            if self.share.user(place) < self.plan.flooding:
                self._flood(client(self.plan), self.share.user(place))
            else:
                self._take(client(self.plan))
        except Exception:
            self.fault = traceback.format_exc(limit=-3)
        # Locust would ask an idle user for its next task over and over.
        while True:
            gevent.sleep(60)

    def _take(self, connection: HTTPClient) -> None:
        while not self.ended:
            self.idle += 1
            try:
                due, free = self.queue.get(timeout=1)
            except gevent.queue.Empty:
                continue
            finally:
                self.idle -= 1
            Visit(self, connection, due, free=free, flood=False).go()

    def _flood(self, connection: HTTPClient, user: int) -> None:
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
                visit = Visit(self, connection, due, free=True, flood=True)
                visit.go()
                gevent.sleep(max(flood.pause, flood.patience if visit.no_room else 0.0))

    # --- what was seen ---

    def arrived(self, due: Due, seconds: float, error: str | None, *, flood: bool) -> None:
        """Note that a workflow has ended, `error` saying why it did so early."""
        row = Arrival(due.at, seconds, due.workflow, due.number, due.actor, error, flood)
        self.book.sample(["a", *vars(row).values()])

    def keep(self, kind: tuple[str, ...], most: int, kept: Callable[[], Any]) -> None:
        """Write an exchange down, unless there are as many of its kind."""
        if self._kept[kind] < most:
            self._kept[kind] += 1
            self.book.at_once(KEPT, json.dumps(kept()))

    def slow(self, name: tuple[str, str], seconds: float, kept: Callable[[], Any]) -> None:
        """Remember an exchange if it is one of the slowest of its step."""
        heap = self._slow[name]
        if len(heap) < _SLOWEST or seconds > heap[0][0]:
            heapq.heappush(heap, (seconds, next(self._order), json.dumps(kept())))
            if len(heap) > _SLOWEST:
                heapq.heappop(heap)


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
