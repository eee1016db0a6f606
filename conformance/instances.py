"""Instances: what was planted in the target, and the values of the requests that planted it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from conformance.model import Exchange, Relation
from conformance.template import Lookup


class NotBuilt(Exception):
    """The world lacks what a case needs; the message says which request failed and how."""

    def __init__(self, reason: str, *exchanges: Exchange) -> None:
        super().__init__(reason)
        self.exchanges = exchanges


class Unclaimed(Exception):
    """What the case is about turned out not to exist in the target; the message says what."""


class NotTried(Exception):
    """The case is left out on purpose; the message says how to have it tried."""


@dataclass
class Instance:
    """One instance that the run made, or that the target file names."""

    key: str
    resource: str
    tenant: str
    id: Any
    parent: Instance | None = None
    others: dict[str, Instance] = field(default_factory=dict)
    creator: str | None = None
    related: dict[Relation, set[str]] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    markers: set[str] = field(default_factory=set)
    taken: dict[tuple[str, Relation], dict[str, Any]] = field(default_factory=dict)
    made: bool = True

    def lineage(self) -> dict[str, Instance]:
        """Itself, its ancestors and what they were made with, by resource; the nearest wins."""
        found: dict[str, Instance] = {}
        current: Instance | None = self
        while current is not None:
            found.setdefault(current.resource, current)
            for name, other in current.others.items():
                found.setdefault(name, other)
            current = current.parent
        return found


@dataclass
class Payload:
    """The values of one request: what placeholders mean, and the markers they planted."""

    lookup: Lookup
    carried: set[str] = field(default_factory=set)
    fields: dict[str, Any] = field(default_factory=dict)
