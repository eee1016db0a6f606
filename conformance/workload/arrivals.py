"""When which workflow begins, and as whom: fixed before the run, whatever the target does."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from conformance.workload.plan import Plan, Workflow


@dataclass(frozen=True, order=True)
class Due:
    """One arrival: its instant (seconds from the start), whose it is, and its actor's turn.

    `turn` counts the arrivals of this actor in this workflow from 0.
    """

    at: float
    workflow: str
    number: int
    actor: str
    turn: int


@dataclass(frozen=True)
class Share:
    """The part of one process in a run: it is number `index` of `count` that send.

    User `place` of it is user `place * count + index` of all; the first of all flood, where there
    is a flood. Of the arrivals it takes every `of`-th, from `rank` on; none where `rank` is None.
    """

    index: int = 0
    count: int = 1
    rank: int | None = 0
    of: int = 1

    def user(self, place: int) -> int:
        """The number among all users of the process's user number `place`."""
        return place * self.count + self.index

    def takes(self, due: Due) -> bool:
        """Whether the arrival is one of its own."""
        return due.number % self.of == self.rank


def shares(users: Mapping[str, int], flooding: int) -> dict[str, Share]:
    """The part of each process by its name; so many `users` each has, and so many of all flood.

    A process without users that take arrivals gets none, as nobody would ever begin them.
    """
    order = sorted(users, key=lambda name: (-users[name], name))
    count = len(order)
    taking = [
        name
        for index, name in enumerate(order)
        if any(place * count + index >= flooding for place in range(users[name]))
    ]
    return {
        name: Share(
            index, count, taking.index(name) if name in taking else None, max(1, len(taking))
        )
        for index, name in enumerate(order)
    }


def arrivals(plan: Plan) -> Iterator[Due]:
    """All arrivals of a plan in their order; the same for every process that asks."""
    return heapq.merge(*(_of(plan, workflow) for workflow in plan.workflows))


def _of(plan: Plan, workflow: Workflow) -> Iterator[Due]:
    turns: dict[str, int] = {}
    actors = _actors(plan, workflow)
    for number, at in enumerate(_instants(plan, workflow)):
        actor = next(actors, None)
        if actor is None:
            return
        turn = turns[actor] = turns.get(actor, -1) + 1
        yield Due(at, workflow.name, number, actor, turn)


def _instants(plan: Plan, workflow: Workflow) -> Iterator[float]:
    """Evenly spaced at the rate of each segment; workflows do not begin at the same instant."""
    owed = random.Random(f"{plan.seed} {workflow.name}").random()
    start = 0.0
    for segment in plan.segments:
        rate = workflow.rate * segment.factor
        at = start
        if rate > 0:
            while (at := at + owed / rate) < start + segment.seconds:
                yield at
                owed = 1.0
            owed = (at - start - segment.seconds) * rate
        start += segment.seconds


def _actors(plan: Plan, workflow: Workflow) -> Iterator[str]:
    """The mix in shuffled blocks: exact shares, and no pattern that workers could fall in with."""
    block = [name for name, weight in sorted(workflow.mix.items()) for _ in range(weight)]
    chance = random.Random(f"{plan.seed} {workflow.name} actors")
    while block:
        chance.shuffle(block)
        yield from tuple(block)
