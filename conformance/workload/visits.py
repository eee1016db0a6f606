"""One arrival under way: somebody goes through the steps of a workflow."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from geventhttpclient import HTTPClient

from conformance.extraction import extract
from conformance.model import Answer
from conformance.template import Unfilled
from conformance.workload.arrivals import Due
from conformance.workload.connection import Got, ask
from conformance.workload.filling import Filled, filled, named
from conformance.workload.plan import Actor, Step
from conformance.workload.reading import WRITES
from conformance.workload.samples import CUT_OFF, NO_ROOM, NOT_SENT, Sample, Write

if TYPE_CHECKING:
    from conformance.workload.sender import Sender

_SHOWN = 64 * 1024
_TIMED = 32
_REFUSED = 400
_ASKING = min(-time.thread_time() + time.thread_time() for _ in range(100))
"""Seconds that asking for the processor's time takes."""


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
        self.no_room = False

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
        if self.sent is None:
            return  # somebody who thinks waits for no answer
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
        got = ask(self.client, request, sender.plan)
        ended = sender.elapsed
        if id(self) not in sender.under_way:
            return CUT_OFF
        self.no_room = got.status in NO_ROOM
        error = got.error or _not_done(step, got)
        if error is None and got.status is not None:
            self._take(step, actor, request, got, moment + ended - self.sent)
        flag = self._suspicion(step, request, got, done=error is None)
        self._note(replace(got, error=error), ended - self.intended, len(got.body), flag)
        exchange = _Exchange(self, actor, step, request, got, error, moment, ended - self.sent)
        self._keep(exchange, flag, ended - self.intended)
        self.intended, self.sent = ended, None
        return error

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
        # A refusal may be all right for the workflow; it acknowledges nothing.
        if step.writes and got.status < _REFUSED:
            with contextlib.suppress(KeyError):
                made = made if step.creates else named(step, self.values, "id")
            ids = {name: value for name, value in self.values.items() if name.endswith(".id")}
            write = Write(
                at, *step.about, actor.name, actor.tenant,
                None if made is None else str(made), request.carried, ids,
                f"{request.method} {request.path} answered {got.status}",
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
            found = self._search(step, request, got)
            if found:
                return found
        if done and step.asks and step.answers:
            asked = named(step, self.values, step.asks)
            answered = extract(step.answers, Answer(got.status, got.headers, got.body))
            if answered is not None and str(answered) != str(asked):
                return "other"
        return ""

    def _search(self, step: Step, request: Filled, got: Got) -> str:
        sender = self.sender
        assert sender.scan is not None
        # Asking for the processor's time takes long itself, so a sample has to do.
        timed = sender.responses % _TIMED == 0
        began = time.thread_time() if timed else 0.0
        head = "\n".join([value for _name, value in got.headers]).encode("utf-8", "replace")
        found = sender.scan.suspicious(self.due.actor, head, got.body, request.carried, step.about)
        if timed:
            sender.scan_seconds += _TIMED * max(0.0, time.thread_time() - began - _ASKING)
        return found

    def _note(self, got: Got, seconds: float, size: int, flag: str) -> None:
        due, sender = self.due, self.sender
        row = Sample(
            self.intended, self.sent, seconds, due.workflow, due.number, self.step.name, due.actor,
            got.status, got.error, size, self.flood, self.free, flag,
        )  # fmt: skip
        sender.book.sample(["r", *vars(row).values()])
        stats, name = sender.environment.stats, f"{due.workflow}: {self.step.name}"
        stats.log_request(self.step.method, name, int(seconds * 1000), size)
        if got.error is not None:
            stats.log_error(self.step.method, name, got.error)

    def _keep(self, exchange: _Exchange, flag: str, seconds: float) -> None:
        sender, most = self.sender, self.sender.plan.most_bytes
        if flag:
            self._keep_as("other" if flag == "other" else "suspect", flag, exchange, most)
        watched = sender.watched.get(self.due.actor)
        if exchange.error is not None:
            self._keep_as("failed", exchange.error, exchange, _SHOWN)
        elif watched is not None and self.sent is not None and self.sent > watched:
            self._keep_as("served", "", exchange, most)
        elif not flag and not self.flood:
            name = (self.due.workflow, exchange.step.name)
            sender.slow(name, seconds, lambda: exchange.row("slow", "", _SHOWN))

    def _keep_as(self, why: str, kind: str, exchange: _Exchange, most: int) -> None:
        place = (why, kind, self.due.actor, exchange.step.name)
        self.sender.keep(place, self.sender.plan.kept, lambda: exchange.row(why, kind, most))


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
