"""Fuzzing: what the target file leaves out."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.consistency import names
from conformance.document import Problem
from conformance.fuzz.settings import CHECKS, Fuzz
from conformance.target import Target


def problems(target: Target) -> Iterator[Problem]:
    """Every check that is left out and does not exist."""
    for name in target.fuzz.off:
        if name not in CHECKS:
            yield Problem(("fuzz", "off", name), names.unknown(name, "check", CHECKS))
    described = target.system.openapi is not None or target.fuzz.graphql is not None
    if not described and target.fuzz != Fuzz():
        yield Problem(
            ("fuzz",), "there is no API document to fuzz by; say system.openapi or fuzz.graphql"
        )
