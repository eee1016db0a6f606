"""What a machine was busy with: the target, the harness, or others that have nothing to do with it.

Where other processes take the processor, what the target promises cannot be seen. Linux only; where
there is no /proc, nothing is said.
"""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_CROWDED = 0.2
"""The share of the processor time that others may take without a word."""
_SPARE = 0.4
"""The share of what others leave that a target may need and still be as quick as ever."""


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
    total, waiting = 0, [root]
    while waiting:
        current = waiting.pop()
        total += used.get(current, 0)
        waiting += [pid for pid, parent in parents.items() if parent == current]
    return total


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
