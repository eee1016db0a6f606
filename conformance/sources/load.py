"""Cases about load: one for each phase in which the declared workflows are run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance import policy
from conformance.cases import WHOLE, Profile, Source, unclaimed
from conformance.model import Case
from conformance.target import SAFE_KINDS, Target

_LINE = (
    "ward_round: {as: {nurse: 3, physician: 1}, setup: [{make: patient, assigned: me, times: 5}], "
    "steps: [patient.list, patient.read], rate: 5, slo: {p95: 0.5, p99: 1, errors: 0.01}}"
)
_SHORT = frozenset({"steady", "isolation"})
"""The phases of the smallest profile."""
_LONG = frozenset({"soak"})
"""The phases of the largest one only."""


def phase(name: str) -> Source:
    """The one case of a phase; not claimed where the target file declares no workflows."""

    def source(target: Target, profile: Profile) -> Iterator[Case]:
        if (profile is Profile.SMOKE and name not in _SHORT) or (
            profile is not Profile.FULL and name in _LONG
        ):
            return
        if not target.workflows:
            yield unclaimed("workflows", _LINE)
        elif name == "neighbour" and len(policy.tenants(target)) < 2:
            yield unclaimed("second tenant", "tenants: {north: {}, south: {}}")
        else:
            yield replace(WHOLE, variant=name, kind="action" if _writes(target) else "read")

    return source


def _writes(target: Target) -> bool:
    """Whether any workflow changes something, or needs something made."""
    for workflow in target.workflows.values():
        if workflow.setup:
            return True
        for step in workflow.steps:
            if step.operation is None:
                return True
            resource, name = step.operation
            if target.resources[resource].kind(name) not in SAFE_KINDS:
                return True
    return bool(target.load.volume)
