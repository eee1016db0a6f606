"""Comparing durations: rank statistics with their power. Pure.

The Mann-Whitney U test (Mann and Whitney 1947) with its normal approximation; the effect size is
the chance that an answer for one side takes longer than one for the other (0.5: no difference).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

SIGNIFICANCE = 1e-4
"""Two-sided; both rounds must reach it."""

EFFECT = 0.25
"""How far from 0.5 the chance must be: ranks overlap by no more than a half."""

_Z_SIGNIFICANCE = 3.891  # two-sided 1e-4
_Z_POWER = 2.326  # 99 %


def chance_longer(one: Sequence[float], other: Sequence[float]) -> float:
    """The chance that a value of `one` exceeds a value of `other`, ties counted half."""
    wins = sum((a > b) + 0.5 * (a == b) for a in one for b in other)
    return wins / (len(one) * len(other))


def p_value(one: Sequence[float], other: Sequence[float]) -> float:
    """Two-sided, by the normal approximation; for more than some 20 values on each side."""
    m, n = len(one), len(other)
    deviation = math.sqrt(m * n * (m + n + 1) / 12)
    z = (chance_longer(one, other) * m * n - m * n / 2) / deviation
    return math.erfc(abs(z) / math.sqrt(2))


def suspicious(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether the two differ clearly, in significance and in size."""
    return p_value(one, other) < SIGNIFICANCE and abs(chance_longer(one, other) - 0.5) >= EFFECT


def detectable(one: Sequence[float], other: Sequence[float]) -> float:
    """The smallest chance above 0.5 that these many values would show with 99 % power."""
    m, n = len(one), len(other)
    return 0.5 + (_Z_SIGNIFICANCE + _Z_POWER) * math.sqrt((m + n + 1) / (12 * m * n))


def described(one: Sequence[float], other: Sequence[float]) -> str:
    """Medians in milliseconds, effect and power, as a sentence shows them."""
    return (
        f"median {median(one) * 1000:.2f} ms against {median(other) * 1000:.2f} ms, longer in "
        f"{chance_longer(one, other):.0%} of comparisons; {len(one)} of each would show "
        f"{min(detectable(one, other), 1):.0%} or more with 99 % power"
    )
