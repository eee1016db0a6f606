"""What a run of load measured, request by request and over time.

Times are seconds from the start of the run. Latencies count from the *intended* instant: from when
an arrival was due, not from when a user got round to it, so that a target that stalls does not
spare itself the requests it has kept waiting (coordinated omission).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.model import Answer, Message

NOT_BEGUN = "not begun before the end"
CUT_OFF = "not answered before the end"
NOT_SENT = "not sent"
NO_ROOM = frozenset({429, 503})
"""What a target answers that has no room: nothing was looked up for it."""


@dataclass(frozen=True)
class Sample:
    """One request: intended and sent at, and seconds from intended until its answer ended.

    `status` is None without an answer, `error` then says why; `error` is set for a status that is
    not done as well. `free` says that a user was free at the intended instant, so that what passed
    until `sent` is Locust's own delay. `flag` is the kind of suspicion that the answer raised.
    """

    at: float
    sent: float | None
    seconds: float
    workflow: str
    number: int
    step: str
    actor: str
    status: int | None
    error: str | None
    bytes: int
    flood: bool
    free: bool
    flag: str


@dataclass(frozen=True)
class Arrival:
    """One whole workflow: when it was due, and seconds until its last answer without thinking."""

    at: float
    seconds: float
    workflow: str
    number: int
    actor: str
    error: str | None
    flood: bool


@dataclass(frozen=True)
class Write:
    """A write that the target acknowledged: `at` in UTC seconds, when its answer had ended.

    `ids` are the ids of all records known to its workflow by then, by placeholder; `said` is what
    was asked and answered, in words.
    """

    at: float
    resource: str
    operation: str
    actor: str
    tenant: str
    id: str | None
    markers: tuple[str, ...]
    ids: Mapping[str, Any]
    said: str = ""


@dataclass(frozen=True)
class Kept:
    """An exchange that was kept whole: why, and for whom it went how. `at` is UTC seconds.

    `why` is "suspect", "other" (the answer is about another id than asked), "served" (to somebody
    who is watched), "failed" or "slow"; `kind` tells suspicions and failures apart; `carried` are
    markers of the request itself.
    """

    why: str
    kind: str
    actor: str
    workflow: str
    step: str
    about: tuple[str, str]
    request: Message
    answer: Answer | None
    error: str | None
    at: float
    seconds: float
    carried: tuple[str, ...]


@dataclass(frozen=True)
class Node:
    """One process that sent: users, answers searched, seconds that took, and its worst delays.

    `lag` is the 99th percentile of how late its own event loop was, in seconds; `fault` is what
    went wrong in the process itself; `done` is False for one that was lost.
    """

    name: str
    users: int
    responses: int
    scan_seconds: float
    busy_seconds: float
    lag: float
    done: bool
    fault: str | None = None


@dataclass(frozen=True)
class Samples:
    """All that a run of load measured. `started` is UTC seconds."""

    started: float
    requests: tuple[Sample, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    writes: tuple[Write, ...] = ()
    kept: tuple[Kept, ...] = ()
    nodes: tuple[Node, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def of(self, why: str) -> tuple[Kept, ...]:
        """The exchanges that were kept for that reason."""
        return tuple(one for one in self.kept if one.why == why)

    @property
    def responses(self) -> int:
        """How many answers were searched for markers."""
        return sum(node.responses for node in self.nodes)

    @property
    def scan_share(self) -> float:
        """The part of Locust's processor time that the search for markers took."""
        busy = sum(node.busy_seconds for node in self.nodes)
        return sum(node.scan_seconds for node in self.nodes) / busy if busy else 0.0

    @property
    def lag(self) -> float:
        """How late Locust itself was for 99 % of what it could have sent in time, in seconds."""
        late = [
            one.sent - one.at
            for one in self.requests
            if one.free and one.sent is not None and not one.flood
        ]
        return max([quantile(late, 0.99) or 0.0, *(node.lag for node in self.nodes)])


# --- over time -------------------------------------------------------------------------------


def quantile(values: Iterable[float], share: float) -> float | None:
    """The value that `share` of all do not exceed (nearest rank); None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True)
class Point:
    """One stretch of time: how many were due in it, how they went, and how many were under way.

    The percentiles are seconds from the intended instant, None where nothing was due or nobody
    waited: a connection that is refused at once has no latency, a time-out has. `running` is the
    most that were sent and unanswered at the same time.
    """

    at: float
    count: int
    errors: int
    p50: float | None
    p95: float | None
    p99: float | None
    running: int


def series(samples: Sequence[Sample], seconds: float, bucket: float) -> tuple[Point, ...]:
    """The samples by when they were due, in stretches of `bucket` seconds from the start."""
    stretches: list[list[Sample]] = [[] for _ in range(max(1, math.ceil(seconds / bucket)))]
    for sample in samples:
        place = int(sample.at / bucket)
        if 0 <= place < len(stretches):
            stretches[place].append(sample)
    running = _running(samples, len(stretches), bucket)
    at_once = _at_once(samples)
    waits = [
        [one.seconds for one in due if not _turned_away(one) or one.seconds >= at_once]
        for due in stretches
    ]
    return tuple(
        Point(
            at=round(place * bucket, 6),
            count=len(due),
            errors=sum(one.error is not None for one in due),
            p50=quantile(waits[place], 0.50),
            p95=quantile(waits[place], 0.95),
            p99=quantile(waits[place], 0.99),
            running=running[place],
        )
        for place, due in enumerate(stretches)
    )


def _turned_away(one: Sample) -> bool:
    """Whether nothing was done for the request: no answer, or that there is nobody to give one."""
    return one.error is not None and (one.status is None or one.status in NO_ROOM | {502})


def _at_once(samples: Sequence[Sample]) -> float:
    """Seconds below which a request that was turned away was refused at once, not waited for.

    Sooner than half of the answers, or than anybody notices: counted as latency, such failures
    would make a target that is down look like a fast one.
    """
    answers = quantile((one.seconds for one in samples if not _turned_away(one)), 0.5)
    return max(0.1, answers or 0.0)


def _running(samples: Sequence[Sample], count: int, bucket: float) -> list[int]:
    """The most requests under way at one time in each stretch."""
    changes = sorted(
        change
        for one in samples
        if one.sent is not None
        for change in ((one.sent, 1), (one.at + one.seconds, -1))
    )
    most, now, place = [0] * count, 0, 0
    for at, change in changes:
        while place < count and at >= (place + 1) * bucket:
            place += 1
            if place < count:
                most[place] = now
        now += change
        if place < count:
            most[place] = max(most[place], now)
    while (place := place + 1) < count:
        most[place] = now
    return most
