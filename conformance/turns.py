"""Turns: cases that must be alone on the target wait for the others of the run, and hold them."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def turn(folder: Path, *, alone: bool) -> Iterator[None]:
    """Hold a turn among the workers that share `folder`: with others, or with nobody.

    Whoever waits to be alone lets nobody else begin, so it never waits for longer than the cases
    that are under way.
    """
    kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
    with (folder / "entrance").open("a") as entrance, (folder / "turn").open("a") as room:
        fcntl.flock(entrance, kind)
        fcntl.flock(room, kind)
        fcntl.flock(entrance, fcntl.LOCK_UN)
        yield
