"""When which workflow begins, and as whom: fixed before the run, whatever the target does."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
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
