"""What an audit trail says: its entries read out of answers, and the words they use. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from conformance.claims import Event, Trail, TrailRead
from conformance.comparison import parsed
from conformance.extraction import values
from conformance.model import Answer, Outcome

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
    member = _MEMBER.match(where)
    if member is None:
        found = values(where, row)
    else:
        found = [row.get(member.group(1))] if isinstance(row, dict) else []
    flat = [leaf for one in found for leaf in (one if isinstance(one, list) else [one])]
    return tuple(str(leaf) for leaf in flat if leaf not in (None, ""))


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
