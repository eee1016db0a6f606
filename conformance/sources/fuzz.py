"""Cases of fuzzing: one campaign for each persona, and for nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance.cases import Profile, of_persona, unclaimed
from conformance.fuzz import plan
from conformance.model import Because, Case, Expected
from conformance.target import Target


def campaigns(target: Target, profile: Profile) -> Iterator[Case]:
    """A campaign for each persona, where there is an API document to go by."""
    if target.system.openapi is None:
        yield unclaimed("system.openapi", "system: {openapi: /openapi.json}")
        return
    for persona in plan.personas(target, profile):
        case = of_persona(target, persona, "campaign", because=Because.GRANTED)
        yield replace(case, expected=Expected.ALLOW, variant=None)
