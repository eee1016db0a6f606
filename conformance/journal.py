"""The journal of a run: every request by every worker, and which cases are finished.

A request is written down before it is sent, so that no entry of the target's audit trail can show
before the journal knows of it. Each process writes a file of its own in the folder that all share;
the folder is private and goes when the run ends.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from conformance import policy
from conformance.claims import Event
from conformance.extraction import extract
from conformance.model import Exchange, Message, Outcome
from conformance.outcomes import outcome_of
from conformance.target import ANONYMOUS, Target
from conformance.trail import event_of

_NONCE_DIGITS = 12


@dataclass(frozen=True)
class Sent:
    """One request of the run.

    `key` is the correlation id by which the trail knows it, None if it has none; `operation` the
    RESOURCE.OPERATION of the target file that it is, if it is one; `event` what came of it, None
    if it was not answered. `due` says that it must have left an entry, else it may have.
    """

    key: str | None
    persona: str
    tenant: str | None
    request: str
    operation: str | None = None
    event: Event | None = None
    due: bool = False


class Journal:
    """What one process sends, and what all of them have sent and finished.

    `planned` are the ids of all cases of the run.
    """

    def __init__(self, target: Target, folder: Path, base_url: str) -> None:
        self.target = target
        self.planned: frozenset[str] = frozenset()
        self._folder = folder / "journal"
        self._folder.mkdir(exist_ok=True)
        run = self._run()
        self._nonce, self.since = str(run["nonce"]), float(run["started"])
        self._mine = secrets.token_hex(3)
        self._numbers = count(1)
        self._file = os.open(
            self._folder / f"{self._mine}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )
        self._operations = list(_operations(target, urlsplit(base_url).path))
        trail = target.audit
        self._header = trail.header.lower() if trail and trail.header else None

    def _run(self) -> dict[str, Any]:
        """What all processes of the run share; made by whichever comes first."""
        path = self._folder / "run.json"
        made = {"nonce": secrets.token_hex(_NONCE_DIGITS // 2), "started": time.time()}
        draft = path.with_suffix(f".{made['nonce']}")
        draft.write_text(json.dumps(made), encoding="utf-8")
        try:
            os.link(draft, path)
        except FileExistsError:
            made = json.loads(path.read_text(encoding="utf-8"))
        draft.unlink()
        return made

    def close(self) -> None:
        os.close(self._file)

    # --- writing ------------------------------------------------------------------------------

    def new_id(self) -> str:
        """A correlation id of this run that was never sent: a UUID of version 8 (RFC 9562, 5.8)."""
        mine = self._mine
        return f"{self._stem}{mine[:3]}-8{mine[3:]}-{next(self._numbers):012x}"

    @property
    def _stem(self) -> str:
        return f"{self._nonce[:8]}-{self._nonce[8:]}-8"

    def is_ours(self, correlation: str) -> bool:
        """Whether an id has the shape of those that this run makes."""
        return correlation.lower().startswith(self._stem) and len(correlation) == len(
            "00000000-0000-8000-8000-000000000000"
        )

    def sending(self, message: Message, persona: str) -> Message:
        """The message as it is to be sent: with a correlation id, if it has none of its own."""
        given = self._given(message)
        if given is None and self.target.audit is not None and self.target.audit.header:
            given = self.new_id()
            header = (self.target.audit.header, given)
            message = replace(message, headers=(*message.headers, header))
        if given is not None:
            self._write("sending", given, persona, self._tenant(persona), _shown(message))
        return message

    def sent(self, exchange: Exchange) -> None:
        """Note what came of a request."""
        trail = self.target.audit
        if trail is None:
            return
        given = self._given(exchange.request)
        answer = exchange.answer
        told = extract(trail.answered, answer) if trail.answered and answer is not None else None
        operation = self.operation_of(exchange.request)
        outcome = self._outcome(operation, exchange)
        event = event_of(outcome) if answer is not None else None
        # What the target's own door rejected has never reached an operation; nor has a method
        # that the path does not have (405), such as on a path that another one's {id} fits.
        outside = trail.answered is not None and told is None and event == "failed"
        outside = outside or (answer is not None and answer.status == 405)
        due = (
            event in trail.events
            and operation is not None
            and not outside
            and not self._need_not(operation)
        )
        self._write(
            "sent",
            given,
            None if told is None else str(told),
            exchange.persona,
            self._tenant(exchange.persona),
            _shown(exchange.request),
            operation,
            event,
            due,
        )

    def finished(self, case: str) -> None:
        """Note that a case has been tried, whatever came of it."""
        self._write("finished", case)

    def stop(self) -> None:
        """Tell all processes that no more cases will be tried."""
        (self._folder / "stopping").touch()

    def _write(self, *values: Any) -> None:
        os.write(self._file, json.dumps(values).encode() + b"\n")

    def _given(self, message: Message) -> str | None:
        if self._header is None:
            return None
        return next(
            (value for name, value in message.headers if name.lower() == self._header), None
        )

    def _tenant(self, persona: str) -> str | None:
        try:
            return policy.tenant_of(self.target, persona)
        except KeyError:
            return None

    def _outcome(self, operation: str | None, exchange: Exchange) -> Outcome:
        resource, _, name = (operation or "").partition(".")
        described = self.target.resources.get(resource)
        # Only an operation with rules of its own has another outcome than its status says.
        own = described is not None and described.operations[name].outcomes
        return outcome_of(self.target, (resource, name) if own else ("", ""), exchange)

    def operation_of(self, message: Message) -> str | None:
        """The RESOURCE.OPERATION that a request is by method and path, None if it is none."""
        path = urlsplit(message.url).path
        return next(
            (
                name
                for method, pattern, name in self._operations
                if method == message.method and pattern.fullmatch(path)
            ),
            None,
        )

    def _need_not(self, operation: str) -> bool:
        trail = self.target.audit
        resource, _, name = operation.partition(".")
        public = policy.grants(self.target, (ANONYMOUS,), resource, name)
        return bool(public) or (trail is not None and operation in trail.exempt)

    # --- reading ------------------------------------------------------------------------------

    @property
    def stopping(self) -> bool:
        """Whether somebody said that no more cases will be tried."""
        return (self._folder / "stopping").exists()

    def unfinished(self) -> set[str]:
        """The planned cases that no process has finished."""
        return set(self.planned) - {str(line[1]) for line in self._lines("finished")}

    def every(self) -> tuple[list[Sent], set[str]]:
        """All that was sent and came to an end, and every id that was ever sent."""
        found: list[Sent] = []
        ids: set[str] = set()
        for line in self._lines("sending", "sent"):
            if line[0] == "sending":
                ids.add(line[1])
                continue
            given, told, persona, tenant, request, operation, event, due = line[1:]
            found.append(Sent(told or given, persona, tenant, request, operation, event, due))
        return found, ids

    def keys(self) -> set[str]:
        """Every correlation id that was sent or answered."""
        found, ids = self.every()
        return ids | {one.key for one in found if one.key is not None}

    def _lines(self, *kinds: str) -> Iterator[list[Any]]:
        wanted = tuple(f'["{kind}"'.encode() for kind in kinds)
        for path in sorted(self._folder.glob("*.jsonl")):
            for line in path.read_bytes().splitlines(keepends=True):
                if line.startswith(wanted) and line.endswith(b"\n"):
                    yield json.loads(line)


def _shown(message: Message) -> str:
    return f"{message.method} {urlsplit(message.url).path}"


def _operations(target: Target, base: str) -> Iterator[tuple[str, re.Pattern[str], str]]:
    """Method, path and name of every operation; those with most of their path written out first."""
    found = []
    base, tenancy = base.rstrip("/"), (target.tenancy.path or "").rstrip("/")
    for resource, described in target.resources.items():
        for name, operation in described.operations.items():
            path = operation.path.partition("?")[0]
            if path.startswith("/"):
                whole = base + tenancy + path if operation.tenancy else base + path
                pattern = re.compile(_pattern(whole))
                found.append((path.count("{"), operation.method, pattern, f"{resource}.{name}"))
    found.sort(key=lambda one: one[0])
    return ((method, pattern, name) for _count, method, pattern, name in found)


def _pattern(path: str) -> str:
    written = re.split(r"\{[^{}]*\}", path)
    return "[^/]+".join(re.escape(part) for part in written)
