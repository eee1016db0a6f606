"""The case about a crash: one, because all kinds of writes are under way when it comes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance import policy
from conformance.cases import WHOLE, Profile
from conformance.model import Case
from conformance.target import Target


def crashes(target: Target, _profile: Profile) -> Iterator[Case]:
    """The crash of a copy of the target that is written to."""
    tenant = policy.tenants(target)[0]
    yield replace(WHOLE, tenant=tenant, kind="create", variant="killed")
