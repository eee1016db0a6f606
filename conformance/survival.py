"""Acknowledged writes, and what there was of them after a crash. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance.model import Case, Exchange


@dataclass(frozen=True)
class Acknowledged:
    """A write that was answered as done at `at` (UTC seconds).

    `parents` are the ids of the records that its path needs, by resource; `name` is that of the
    `durable` entry that made it, None if none did; `values` what the entry's `follows` may name;
    `said` what was asked and answered, in words, where no exchange was kept.
    """

    operation: tuple[str, str]
    persona: str
    tenant: str
    id: Any
    at: float
    markers: frozenset[str] = frozenset()
    parents: Mapping[str, Any] | None = None
    correlation: str | None = None
    name: str | None = None
    values: Mapping[str, Any] | None = None
    exchange: Exchange | None = None
    said: str = ""

    @property
    def label(self) -> str:
        return ".".join(self.operation)


@dataclass(frozen=True)
class Kept:
    """What there was of an acknowledged write when it was looked for after the restart.

    `there` is None if that could not be told, for the reason in `why`. `lacking` are the names of
    what had to follow and did not.
    """

    write: Acknowledged
    there: bool | None
    exchanges: tuple[Exchange, ...] = ()
    why: str = ""
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True)
class Survival:
    """One crash: what had been acknowledged when the target was killed, and what was read back.

    `killed` is when (UTC seconds); `written` how many writes had been acknowledged by then;
    `down` says why the target did not come back.
    """

    killed: float
    written: int
    kept: tuple[Kept, ...]
    left_out: tuple[str, ...] = ()
    down: str | None = None
    case: Case | None = None

    @property
    def last_second(self) -> int:
        """How many of what was read back had been acknowledged in the last second before."""
        return sum(one.write.at > self.killed - 1 for one in self.kept)
