"""Workflows: who does them, what is arranged for them, and what their steps name."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.consistency import names
from conformance.consistency.races import Known, asked, prepared, taken
from conformance.document import Loc, Problem
from conformance.target import Target
from conformance.workload.workflows import ME, Workflow


def problems(target: Target) -> Iterator[Problem]:
    """What does not fit together, in the order of the file."""
    common = Known((), (), ())
    yield from prepared(target, ("load", "volume"), target.load.volume, common)
    for name, workflow in target.workflows.items():
        yield from _workflow(target, ("workflows", name), workflow)
    yield from _load(target)


def _workflow(target: Target, loc: Loc, workflow: Workflow) -> Iterator[Problem]:
    who = names.actors(target)
    for one in workflow.as_:
        if one not in who:
            yield Problem((*loc, "as", one), names.unknown(one, "role or persona", who))
    known = Known((), {ME}, ())
    yield from prepared(target, (*loc, "setup"), workflow.setup, known)
    for place, step in enumerate(workflow.steps):
        here = (*loc, "steps", place)
        if step.as_:
            yield Problem(
                (*here, "as"),
                "the steps of a workflow are done by whoever runs it: say who in the workflow's "
                "'as', and what others do before in its 'setup'",
            )
        yield from asked(target, here, step, known)
        operation = step.operation
        if operation is not None or step.called is not None:
            known.records.add(step.called or (operation or ("",))[0])
        known.values |= set(taken(target, step))
        least, most = step.think
        if most < least:
            yield Problem((*here, "think"), f"[{least:g}, {most:g}]: the least comes first")


def _load(target: Target) -> Iterator[Problem]:
    load = target.load
    if load.flood.tenant is not None and load.flood.tenant not in target.tenants:
        unknown = names.unknown(load.flood.tenant, "tenant", target.tenants)
        yield Problem(("load", "flood", "tenant"), unknown)
    if load.flood.workflow is not None and load.flood.workflow not in target.workflows:
        unknown = names.unknown(load.flood.workflow, "workflow", target.workflows)
        yield Problem(("load", "flood", "workflow"), unknown)
    if load.evict is not None:
        yield from names.prepared(target, ("load", "evict"), load.evict)
