"""What a campaign saw, as data. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.model import Case, Exchange, Read, Trial


@dataclass(frozen=True)
class Suspicion:
    """What speaks against one operation: `rule` and why, with the exchanges that show it.

    `recipe` is what has to be sent to see it again, as JSON; None where nothing can be sent again.
    """

    case: Case
    rule: str
    label: str
    reason: str
    exchanges: tuple[Exchange, ...]
    essence: str = ""
    recipe: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Effect:
    """A write that had to be refused, tried on a record of its own and read back."""

    trial: Trial
    label: str
    recipe: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Tried:
    """A recipe that was tried again and did not show what it showed before."""

    case: Case
    label: str
    reason: str
    exchanges: tuple[Exchange, ...]


@dataclass(frozen=True)
class Campaign:
    """One persona's campaign: what was sent, what came of it, and what could not be tried.

    `statuses` counts answers by operation; `phases` requests by phase. `engine` are errors of the
    engine, each of which leaves the campaign without a verdict; `ended` says why it ended early,
    `unserved` that nothing was served to somebody who may read.
    """

    case: Case
    requests: int
    seconds: float
    phases: Mapping[str, int]
    statuses: Mapping[str, Mapping[str, int]]
    granted: frozenset[str]
    untouched: Mapping[str, str]
    checks: Sequence[str]
    off: Mapping[str, str]
    engine: Sequence[str] = ()
    unserved: str | None = None
    notes: Sequence[str] = ()
    ended: str | None = None
    last: tuple[Read, ...] = ()
    ungenerated: Mapping[str, str] = field(default_factory=dict)
