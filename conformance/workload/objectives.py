"""Whether service level objectives were kept, as far as the number of samples can tell. Pure.

Nothing is assumed of how durations are distributed: of n requests k took longer than promised, and
the share of such requests lies, with 95 % certainty on each side, within the exact bounds of
Clopper and Pearson (1934). A promise is broken if even the lower bound is more than it allows, and
kept if even the upper one is not; between the two there were too few samples, or they lie too
close to the promise. The bounds of a percentile are order statistics by the same binomial law.

Samples that follow each other are alike, as a target that stalls keeps many waiting, so the bounds
are a little too narrow; what is found broken is therefore measured a second time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

_HANDFUL = 10
DOUBT = 0.05
"""The chance of being wrong that each bound allows."""


def _masses(count: int, share: float) -> Iterator[float]:
    """The chances of 0, 1, 2, ... successes in `count` trials."""
    if share <= 0:
        yield 1.0
        return
    if share >= 1:
        yield from (0.0 for _ in range(count))
        yield 1.0
        return
    whole = math.lgamma(count + 1)
    for k in range(count + 1):
        logs = whole - math.lgamma(k + 1) - math.lgamma(count - k + 1)
        yield math.exp(logs + k * math.log(share) + (count - k) * math.log1p(-share))


def at_most(hits: int, count: int, share: float) -> float:
    """The chance of at most `hits` successes in `count` trials."""
    if hits >= count:
        return 1.0
    if hits > count / 2:
        return 1.0 - at_most(count - hits - 1, count, 1 - share)
    total = 0.0
    for k, mass in enumerate(_masses(count, share)):
        total += mass
        if k == hits:
            break
    return min(1.0, total)


@lru_cache(maxsize=4096)
def upper(hits: int, count: int) -> float:
    """The largest share that `hits` of `count` still allow, with 95 % certainty."""
    if hits >= count:
        return 1.0
    if hits == 0:
        return float(1 - DOUBT ** (1 / count))
    return _edge(lambda share: at_most(hits, count, share) > DOUBT)


@lru_cache(maxsize=4096)
def lower(hits: int, count: int) -> float:
    """The smallest share that `hits` of `count` still allow, with 95 % certainty."""
    if hits <= 0:
        return 0.0
    return _edge(lambda share: 1 - at_most(hits - 1, count, share) < DOUBT)


def _edge(inside: Callable[[float], bool]) -> float:
    """The share up to which `inside` holds."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if inside(middle) else (low, middle)
    return (low + high) / 2


def needed(share: float) -> int:
    """How many samples without a miss show that at most `share` miss, with 95 % certainty."""
    return math.ceil(math.log(DOUBT) / math.log1p(-share))


def percentile(values: Iterable[float], share: float) -> tuple[float, float, float | None]:
    """The percentile with its lower and upper bound; no upper bound of too few values."""
    ordered = sorted(values)
    count = len(ordered)
    middle = ordered[max(0, math.ceil(share * count) - 1)]
    least, most, total = 0, None, 0.0
    # E, the number that exceed the percentile, follows a binomial law with 1 - share.
    for exceeding, mass in enumerate(_masses(count, 1 - share)):
        total += mass
        if total <= DOUBT:
            most = count - exceeding
        if total >= 1 - DOUBT:
            least = count - exceeding
            break
    bound = ordered[most - 1] if most is not None else None
    return middle, ordered[least - 1] if least >= 1 else 0.0, bound


# --- promises ----------------------------------------------------------------------------------


class Standing(StrEnum):
    """What became of a promise, so far as it shows."""

    KEPT = "kept"
    BROKEN = "broken"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Promise:
    """What is promised of a workflow: durations in seconds, errors as a share, done per second."""

    workflow: str
    says: str
    rate: float
    p95: float | None = None
    p99: float | None = None
    errors: float | None = None
    throughput: float | None = None


@dataclass(frozen=True)
class Request:
    """One request as far as objectives go: seconds from the intended instant, and whether done."""

    step: str
    actor: str
    seconds: float
    failed: bool


@dataclass(frozen=True)
class Finding:
    """One objective, and what became of it; `step` is None for all steps together.

    `short` says how many times as many requests it takes to show anything, 1.0 if it is not that.
    """

    workflow: str
    objective: str
    step: str | None
    standing: Standing
    why: str
    short: float = 1.0


def found(
    promise: Promise,
    requests: Sequence[Request],
    done: int | None = None,
    seconds: float = 0.0,
) -> list[Finding]:
    """What became of each objective of the promise.

    `done` workflows were done in `seconds`; None leaves the throughput out. Each step has to keep
    what the workflow promises as well, but only all of them together have to show it.
    """
    findings: list[Finding] = []
    for objective, share in (("p95", 0.95), ("p99", 0.99)):
        limit = getattr(promise, objective)
        if limit is not None:
            findings += _durations(promise.workflow, objective, share, limit, requests)
    if promise.errors is not None:
        findings += _errors(promise.workflow, promise.errors, requests)
    if promise.throughput is not None and done is not None and seconds > 0:
        findings.append(_throughput(promise.workflow, promise.throughput, done, seconds))
    return findings


def _steps(requests: Sequence[Request]) -> Iterator[tuple[str, list[Request]]]:
    for step in dict.fromkeys(one.step for one in requests):
        yield step, [one for one in requests if one.step == step]


def _durations(
    workflow: str, objective: str, share: float, limit: float, requests: Sequence[Request]
) -> Iterator[Finding]:
    for step, some in [(None, list(requests)), *_steps(requests)]:
        if not some:
            yield Finding(workflow, objective, step, Standing.UNCLEAR, "nothing was sent")
            continue
        standing = _standing(sum(one.seconds > limit for one in some), len(some), 1 - share)
        if _counts(step, standing, some):
            why = _told(objective, share, limit, some, standing)
            yield Finding(
                workflow, objective, step, standing, why, _short(standing, some, 1 - share)
            )


def _counts(step: str | None, standing: Standing, some: Sequence[Request]) -> bool:
    """Whether it is told: of a single step only what is broken, and not of a handful of requests,
    which one moment may have held up together."""
    return step is None or (standing is Standing.BROKEN and len(some) >= _HANDFUL)


def _short(standing: Standing, some: Sequence[Request], share: float) -> float:
    if standing is not Standing.UNCLEAR:
        return 1.0
    return max(1.0, needed(share) / len(some))


def _standing(hits: int, count: int, allowed: float) -> Standing:
    if lower(hits, count) > allowed:
        return Standing.BROKEN
    return Standing.KEPT if upper(hits, count) <= allowed else Standing.UNCLEAR


def _told(
    objective: str, share: float, limit: float, some: Sequence[Request], standing: Standing
) -> str:
    value, least, most = percentile((one.seconds for one in some), share)
    bounds = f"{least:.3g} to {f'{most:.3g}' if most is not None else 'unknown'} s"
    text = f"{objective} {value:.3g} s ({bounds}, {len(some)} requests), promised {limit:g} s"
    if standing is Standing.UNCLEAR:
        fewest = needed(1 - share)
        if len(some) < fewest:
            return f"{text}: that takes {fewest} requests or more"
        return f"{text}: too close to tell"
    return text


def _errors(workflow: str, allowed: float, requests: Sequence[Request]) -> Iterator[Finding]:
    for step, some in [(None, list(requests)), *_steps(requests)]:
        hits, count = sum(one.failed for one in some), len(some)
        if not count:
            yield Finding(workflow, "errors", step, Standing.UNCLEAR, "nothing was sent")
            continue
        standing = _standing(hits, count, allowed)
        text = (
            f"{hits} of {count} requests failed (at most {upper(hits, count):.2%}), "
            f"promised {allowed:.2%}"
        )
        if allowed == 0 and not hits:
            standing = Standing.KEPT
        elif allowed and standing is Standing.UNCLEAR and count < needed(allowed):
            text += f": that takes {needed(allowed)} requests or more"
        if _counts(step, standing, some):
            short = _short(standing, some, allowed) if allowed else 1.0
            yield Finding(workflow, "errors", step, standing, text, short)


def _throughput(workflow: str, least: float, done: int, seconds: float) -> Finding:
    """Broken if even the upper bound of a Poisson count is below what was promised."""
    text = f"{done / seconds:.3g} done per second, promised {least:g}"
    if done / seconds >= least:
        return Finding(workflow, "throughput", None, Standing.KEPT, text)
    most = most_counted(done) / seconds
    standing = Standing.BROKEN if most < least else Standing.UNCLEAR
    return Finding(workflow, "throughput", None, standing, f"{text} (at most {most:.3g})")


def most_counted(count: int) -> float:
    """The largest mean of a Poisson law that a count still allows, with 95 % certainty."""

    def chance(mean: float) -> float:
        return sum(
            math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1)
        )

    low, high = 1e-9, count + 10 * math.sqrt(count + 1) + 10
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(middle) > DOUBT else (low, middle)
    return (low + high) / 2


def per_million(hits: int, count: int) -> tuple[float | None, float | None]:
    """Hits per million, None if there was none; and the upper bound with 95 % certainty."""
    if not count:
        return None, None
    return (hits / count * 1e6 if hits else None), upper(hits, count) * 1e6
