"""Cases of the sweep that follows each suite, and of what is not claimed about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance.cases import WHOLE, Profile, unclaimed
from conformance.model import Case
from conformance.target import Target

_LINE = (
    "invariants: {every_stay_has_its_patient: {left: {as: clerk, do: stay.list, "
    'find: "$[*].patient_id", is: set}, right: {as: clerk, do: patient.list, '
    'find: "$[*].id", is: set}, relation: subset}}'
)


def sweep(target: Target, _profile: Profile) -> Iterator[Case]:
    """Each invariant, once; nothing where the target file declares none."""
    for name in target.invariants:
        yield replace(WHOLE, kind="list", variant=name)


def claimed(target: Target, _profile: Profile) -> Iterator[Case]:
    """What stands for the sweeps of all suites where the target file declares no invariant."""
    if not target.invariants:
        yield unclaimed("invariants", _LINE)
