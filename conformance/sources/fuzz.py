"""Cases of fuzzing: one campaign for each persona, and for nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance.cases import Profile, of_persona, unclaimed
from conformance.fuzz import plan
from conformance.fuzz.settings import GRAPHQL
from conformance.model import Because, Case, Expected
from conformance.target import Target


def campaigns(target: Target, profile: Profile) -> Iterator[Case]:
    """A campaign for each persona, where there is an API document or a GraphQL schema to go by."""
    kinds: list[str | None] = [None] if target.system.openapi is not None else []
    kinds += [GRAPHQL] if target.fuzz.graphql is not None else []
    if not kinds:
        yield unclaimed("system.openapi", "system: {openapi: /openapi.json}")
    for kind in kinds:
        for persona in plan.personas(target, profile):
            case = of_persona(target, persona, "campaign", because=Because.GRANTED)
            yield replace(case, expected=Expected.ALLOW, variant=kind)
