"""What an audit trail says: its entries read out of answers, and the words they use. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from conformance.claims import Event, Trail, TrailRead
from conformance.comparison import parsed
from conformance.extraction import matching, values
from conformance.model import Answer, Case, Outcome, Read

PLACES = (
    "correlation",
    "id",
    "actor",
    "on_behalf_of",
    "patient",
    "tenant",
    "resource",
    "action",
    "outcome",
    "time",
    "source",
    "purpose",
)
_MEMBER = re.compile(r"^\$\.([A-Za-z_]\w*)$")
_EVENTS: Mapping[Outcome, Event] = {
    Outcome.ALLOWED: "allowed",
    Outcome.DENIED: "denied",
    Outcome.ABSENT: "denied",
    Outcome.UNAUTHENTICATED: "unauthenticated",
}


@dataclass(frozen=True)
class Entry:
    """One row of the trail: the values at each place that the target file names, as text."""

    said: Mapping[str, tuple[str, ...]]
    raw: Any

    def of(self, place: str) -> tuple[str, ...]:
        """What stands at a place; empty if there is nothing."""
        return self.said.get(place, ())

    @property
    def text(self) -> str:
        """The whole row as searchable text."""
        return json.dumps(self.raw, ensure_ascii=False)

    @property
    def identity(self) -> str:
        """What tells this row from others: its id, or all of it."""
        return self.of("id")[0] if self.of("id") else self.text


def entries(trail: Trail, read: TrailRead, answer: Answer) -> list[Entry]:
    """The rows in one answer of the trail."""
    places = {place: where for place in PLACES if (where := getattr(trail.entry, place))}
    return [
        Entry({place: _said(where, row) for place, where in places.items()}, row)
        for row in values(read.items, parsed(answer))
    ]


def _said(where: str, row: Any) -> tuple[str, ...]:
    where, _, pattern = where.partition(" ~ ")
    member = _MEMBER.match(where)
    if member is None:
        found = values(where, row)
    else:
        found = [row.get(member.group(1))] if isinstance(row, dict) else []
    flat = [leaf for one in found for leaf in (one if isinstance(one, list) else [one])]
    texts = (str(leaf) for leaf in flat if leaf not in (None, ""))
    return tuple(part for text in texts if (part := matching(text, pattern)) is not None)


def claimed(trail: Trail) -> tuple[str, ...]:
    """The places that the target file names."""
    return tuple(place for place in PLACES if getattr(trail.entry, place))


def event_of(outcome: Outcome) -> Event:
    """What kind of attempt an outcome makes of a request."""
    return _EVENTS.get(outcome, "failed")


def instant(text: str) -> float | str:
    """UTC seconds of a time stamp, or why it names no moment.

    ISO 8601 with its zone, or seconds or milliseconds since 1970 (NIST 800-53 AU-8 b).
    """
    if re.fullmatch(r"\d+(\.\d+)?", text):
        number = float(text)
        return number / 1000 if number > 1e11 else number
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return f"{text!r} is no time of ISO 8601"
    if moment.tzinfo is None:
        return f"{text!r} names no time zone"
    return moment.timestamp()


@dataclass(frozen=True)
class Told:
    """One attempt, and what the trail tells of it.

    `attempt` was made for `case`; `reads` are the pages of the trail in which `entries` were
    looked for. What is to be expected there: `actor` (None: nobody), `others` who must not be
    named, `tenant`, `patients` who must be named and `within` whom all must be (None: whoever).
    `forbidden` are texts that must not stand in an entry, with what they are; `forged` what the
    caller invented. Unless `exactly`, entries were found by actor and time instead of by id. A
    `batch` is answered for each of its ids, so its status does not say what came of it.
    """

    case: Case
    trail: Trail
    attempt: Read
    reads: tuple[Read, ...]
    entries: tuple[Entry, ...]
    correlation: str | None
    actor: str | None
    others: frozenset[str] = frozenset()
    tenant: str | None = None
    patients: frozenset[str] = frozenset()
    within: frozenset[str] | None = None
    forbidden: Mapping[str, str] = field(default_factory=dict)
    forged: tuple[str, ...] = ()
    exactly: bool = True
    batch: bool = False

    @property
    def event(self) -> Event:
        """What kind of attempt it turned out to be."""
        return event_of(self.attempt.outcome)


@dataclass(frozen=True)
class Reused:
    """A correlation id that was sent twice: the entries after the first time and after both."""

    case: Case
    trail: Trail
    attempts: tuple[Read, Read]
    actors: tuple[str, str]
    reads: tuple[Read, ...]
    before: tuple[Entry, ...]
    after: tuple[Entry, ...]


@dataclass(frozen=True)
class Bordered:
    """An entry looked for by its own tenant's reader and by another's, and the other's own."""

    case: Case
    trail: Trail
    attempt: Read
    tenant: str
    own: tuple[Entry, ...]
    there: tuple[Entry, ...]
    control: tuple[Entry, ...]
    reads: tuple[Read, ...]


@dataclass(frozen=True)
class Kept:
    """An entry before and after attempts to change, remove and add entries through the API.

    `added` are entries with the correlation id of the one that was to be added.
    """

    case: Case
    trail: Trail
    reads: tuple[Read, ...]
    attacks: tuple[Read, ...]
    before: tuple[Entry, ...]
    after: tuple[Entry, ...]
    added: tuple[Entry, ...]


@dataclass(frozen=True)
class Due:
    """An attempt of the run that must have left an entry."""

    key: str
    persona: str
    request: str
    operation: str
    event: Event


@dataclass(frozen=True)
class Reconciled:
    """What the run sent, and the whole trail since it began.

    `due` must have left an entry each; `sent` counts everything that may have left one, by its
    correlation id; `elsewhere` are ids that were found in other trails. `invented` are entries
    with an id of the run's making that it never sent. `plain` are operations whose status says
    what came of them, `kinds` says of each operation what it does and by which request.
    `unfinished` says why not everything was tried yet, `cut` that the trail was too long.
    """

    case: Case
    trail: Trail
    reads: tuple[Read, ...]
    entries: tuple[Entry, ...]
    due: tuple[Due, ...]
    sent: Mapping[str, int]
    elsewhere: frozenset[str] = frozenset()
    invented: tuple[Entry, ...] = ()
    plain: frozenset[str] = frozenset()
    kinds: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    unfinished: str | None = None
    cut: bool = False
