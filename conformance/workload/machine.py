"""What a machine was busy with: the target, the harness, or others that have nothing to do with it.

Where other processes take the processor, what the target promises cannot be seen; but only for
what waited for a processor meanwhile. Linux only; where there is no /proc, nothing is said.
"""

from __future__ import annotations

import contextlib
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_PROC = Path("/proc")
_CROWDED = 0.2
"""The share of the processor time that others may take without a word."""
_SPARE = 0.4
"""The share of what others leave that a target may need and still be as quick as ever."""
_LOOK = 0.25
"""Seconds between two looks at how long the target waited for a processor."""
_FAMILY = 8
"""Looks after which it is asked anew which processes the target has."""


@dataclass(frozen=True)
class Use:
    """Seconds of processor time so far: of all, of the target and of the harness; and when."""

    at: float
    all: float
    target: float
    own: float


def use(target: int | None) -> Use | None:
    """What has been used so far, `target` being the process that the harness started."""
    if target is None:
        return None
    try:
        fields = (_PROC / "stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
        ticks = os.sysconf("SC_CLK_TCK")
        # user, nice, system, irq, softirq and steal; not idle and iowait.
        busy = sum(int(fields[place]) for place in (0, 1, 2, 5, 6, 7)) / ticks
        of_target = _of_tree(target) / ticks
    except (OSError, ValueError, IndexError):
        return None
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = time.process_time() + ended.ru_utime + ended.ru_stime
    return Use(time.monotonic(), busy, of_target, own)


def _of_tree(root: int) -> int:
    """Ticks of the process and all that it has started."""
    return sum(_tree(root).values())


def _tree(root: int) -> dict[int, int]:
    """The process and all that it has started, each with its ticks."""
    parents: dict[int, int] = {}
    used: dict[int, int] = {}
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        fields = text.rpartition(")")[2].split()
        parents[int(entry.name)] = int(fields[1])
        used[int(entry.name)] = sum(map(int, fields[11:15]))
    found: dict[int, int] = {}
    waiting = [root]
    while waiting:
        current = waiting.pop()
        if current in used:
            found[current] = used[current]
        waiting += [pid for pid, parent in parents.items() if parent == current]
    return found


def taken_by_others(before: Use | None, after: Use | None) -> float | None:
    """The share of the processor time that others took, if it left the target too little."""
    if before is None or after is None or after.at <= before.at:
        return None
    whole = (after.at - before.at) * (os.cpu_count() or 1)
    target = max(0.0, after.target - before.target)
    own = max(0.0, after.own - before.own)
    others = max(0.0, (after.all - before.all) - target - own) / whole
    left = max(1e-9, whole * (1 - others))
    return others if others > _CROWDED and target / left > _SPARE else None


@dataclass
class Waits:
    """How long the target has waited for a processor: (UTC seconds, seconds so far), by and by.

    The seconds of all its threads are added up; they could have run, and something else did.
    """

    seen: list[tuple[float, float]] = field(default_factory=list)
    _last: dict[str, int] = field(default_factory=dict)
    _total: int = 0

    def look(self, processes: Iterator[int] | list[int]) -> None:
        """Add what the threads of these processes have waited by now."""
        found: dict[str, int] = {}
        for pid in processes:
            with contextlib.suppress(OSError, ValueError, IndexError):
                for thread in (_PROC / str(pid) / "task").iterdir():
                    text = (thread / "schedstat").read_text(encoding="ascii")
                    found[thread.name] = int(text.split()[1])
        for thread_id, waited in found.items():
            self._total += max(0, waited - self._last.get(thread_id, 0 if self.seen else waited))
        self._last |= found
        if found:
            self.seen.append((time.time(), self._total / 1e9))


@contextlib.contextmanager
def waits(target: Callable[[], int | None]) -> Iterator[Waits]:
    """What the target's processes wait for a processor meanwhile; nothing where that is unknown.

    `target` says which process was started; it may be another one in between.
    """
    found, ended = Waits(), threading.Event()

    def watch() -> None:
        family: list[int] = []
        count, known = 0, None
        while not ended.is_set():
            root = target()
            if root is not None and (root != known or count % _FAMILY == 0):
                with contextlib.suppress(OSError, ValueError, IndexError):
                    family, known = list(_tree(root)), root
            count += 1
            found.look(family)
            ended.wait(_LOOK)

    watching = None
    if target() is not None and (_PROC / "self" / "schedstat").exists():
        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
    try:
        yield found
    finally:
        ended.set()
        if watching is not None:
            watching.join(5)
