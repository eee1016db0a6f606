"""Names and paths known from other systems: the tables of fixtures/tables that the trials use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import yaml

from conformance.home import HOME
from conformance.instants import at_wall
from conformance.pins import Pin


@lru_cache
def _table(name: str) -> Mapping[str, Any]:
    path = HOME / "fixtures" / "tables" / f"{name}.yaml"
    found: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def server_owned() -> Mapping[str, str]:
    """Properties that servers own in the wild, with the kind of value that is tried."""
    return {row["name"]: row["kind"] for row in _table("server_owned")["names"]}


def states() -> tuple[str, ...]:
    """States that a record may be in, for want of better ones."""
    return tuple(_table("server_owned")["states"])


@lru_cache
def clock_pins() -> tuple[Pin, ...]:
    """The instants at which clocks are pinned, in the order of the table."""
    return tuple(
        Pin(
            row["id"],
            row["why"],
            row["zone"],
            at_wall(datetime.fromisoformat(row["local"]), row["zone"], row["fold"]),
            row["smallest_set"],
        )
        for row in _table("clock_pins")["pins"]
    )


def keep_alive() -> tuple[str, ...]:
    """Query parameters that are known to prolong sessions, whatever asks with them."""
    return tuple(row["name"] for row in _table("keep_alive")["names"])


@dataclass(frozen=True)
class HiddenPath:
    """A path that tells about the inside where it answers; `tells` is a regex of such a body."""

    path: str
    what: str
    source: str
    tells: str | None = None


@lru_cache
def hidden_paths() -> Mapping[str, tuple[HiddenPath, ...]]:
    """Paths for operators and developers that are found in the wild, by group."""
    return {
        group: tuple(HiddenPath(**row) for row in rows)
        for group, rows in _table("hidden_paths")["groups"].items()
    }
