"""What a race that found nothing is worth: how narrow a window it would have found. Pure.

A check-then-insert has a *window*: the time from its check to its insert. In one round the bug
shows if a second request makes its check while the first is still between the two, so each round
has a *critical window*: from the first check to the second. Any wider window would have shown in
that round, any narrower one would not.

Nobody sees the checks inside a target. What is seen of a round is when its requests arrived (if
the target tells) or when their ends were sent (else), and from that the *gap* from the first to
the second. What lies between arrival and check is measured on a twin with that very bug, on the
same machine and in the same run, released in the same way: each of its rounds says by how much
the critical window differed from the gap. Added to the gap of a round against the target, that is
the critical window which the round would have had, had the target treated it as the twin did.

Assumed, and not measured: that the delay from arrival to check varies in the target as it does
in the twin. A target that does more before its check, or hands requests to a second machine,
varies more; one whose requests wait for each other (one worker that blocks) cannot show the bug
at all, whatever the gap; a proxy on the way widens gaps that only the target can tell of.

With m rounds of the twin a chance is known to about 1/m, so that one further round which never
shows is always added to them: no window has the chance 1.
"""

from __future__ import annotations

import bisect
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

SeenBy = Literal["target", "harness"]

CERTAINTY = 0.99
"""The chance, over all counted rounds, with which a window has to have shown."""


@dataclass(frozen=True)
class Shot:
    """One counted round: when its requests arrived as the target told, or were sent (ns)."""

    arrivals: tuple[int, ...]
    seen_by: SeenBy = "harness"


@dataclass(frozen=True)
class Sample:
    """One round of the twin: the gaps of what was sent and of what arrived, and the critical
    window (ns); None if that was wider than the twin could tell."""

    sent: int
    arrived: int
    critical: int | None

    def excess(self, seen_by: SeenBy) -> float:
        """By how much the critical window was wider than the gap, as `seen_by` sees gaps.

        Where the twin's checks lay closer together than the arrivals, because its pool waited for
        the thread that reads, the arrivals count: another target need not do so.
        """
        if self.critical is None:
            return math.inf
        wide = max(self.critical, self.arrived)
        return wide - (self.arrived if seen_by == "target" else self.sent)


@dataclass(frozen=True)
class Calibration:
    """What the twin's rounds showed, for so many contenders."""

    contenders: int
    samples: tuple[Sample, ...]


def gap(moments: Sequence[int]) -> int:
    """The time from the first to the second; raises ValueError for fewer than two."""
    if len(moments) < 2:
        raise ValueError("one request alone is no race")
    first, second = sorted(moments)[:2]
    return second - first


def spread(moments: Sequence[int]) -> float:
    """The time from the first to the last, in microseconds, of moments in nanoseconds."""
    return (max(moments) - min(moments)) / 1000


def median(values: Sequence[float]) -> float:
    """The median; raises statistics.StatisticsError for none."""
    return statistics.median(values)


def p95(values: Sequence[float]) -> float:
    """The smallest value that at least 95 % of the values do not exceed."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def overlapped(intervals: Sequence[tuple[int, int]]) -> bool:
    """Whether two requests were under way at one moment, from (sent, answered) of each.

    It is necessary for a race, not sufficient: a target may take one after another all the same.
    """
    ordered = sorted(intervals)
    return any(later[0] < earlier[1] for earlier, later in pairwise(ordered))


def chance(window: float, shots: Sequence[Shot], calibration: Calibration) -> float:
    """The chance that a window of so many microseconds had shown in at least one of the rounds."""
    return 1 - math.exp(_silence(window * 1000, shots, _excesses(calibration)))


def window(
    shots: Sequence[Shot], calibration: Calibration, certainty: float = CERTAINTY
) -> float | None:
    """The narrowest window, in microseconds, that the rounds would have shown with that certainty.

    None if there is no such window: no round, nothing measured, or too few rounds for the
    certainty. It is never below one microsecond.
    """
    excesses = _excesses(calibration)
    silence = math.log1p(-certainty)
    candidates = sorted(
        {
            max(1000.0, gap(shot.arrivals) + excess)
            for shot in shots
            for excess in excesses[shot.seen_by]
            if excess < math.inf
        }
    )
    found = bisect.bisect_left(
        candidates, True, key=lambda wide: _silence(wide, shots, excesses) <= silence
    )
    return candidates[found] / 1000 if found < len(candidates) else None


def _excesses(calibration: Calibration) -> dict[SeenBy, list[float]]:
    kinds: tuple[SeenBy, ...] = ("target", "harness")
    return {
        seen_by: sorted(sample.excess(seen_by) for sample in calibration.samples)
        for seen_by in kinds
    }


def _silence(wide: float, shots: Sequence[Shot], excesses: dict[SeenBy, list[float]]) -> float:
    """The logarithm of the chance that a window (ns) shows in none of the rounds."""
    total = 0.0
    for shot in shots:
        known = excesses[shot.seen_by]
        shown = bisect.bisect_right(known, wide - gap(shot.arrivals))
        # One further round that never shows.
        total += math.log1p(-shown / (len(known) + 1))
    return total
