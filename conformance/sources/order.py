"""Cases about the order of lists: one for each list that promises one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from conformance import policy
from conformance.cases import Profile, can, operations, subjects, unclaimed
from conformance.model import Case
from conformance.sources.transport import door_to
from conformance.target import Target

_LINE = 'sorted: ["-$.priority", $.booked_at]'
_FIELD = re.compile(r"\$(?:\.|\[['\"])([A-Za-z_]\w*)")


def lists(target: Target, _profile: Profile) -> Iterator[Case]:
    """Lists that promise an order, by somebody who sees what they are sorted by."""
    found = False
    for resource, name in operations(target):
        if target.operation(resource, name).sorted is None:
            continue
        able = [one for one in subjects(target) if can(target, one, resource, name)]
        able.sort(key=lambda one: not _sees(target, one, resource, name))
        case = door_to(target, resource, name, able)
        if case is not None:
            found = True
            yield replace(case, variant="order")
    if not found:
        yield unclaimed("resources.NAME.LIST.sorted", _LINE)


def _sees(target: Target, persona: str, resource: str, name: str) -> bool:
    """Whether every record that the persona may list shows it all the keys."""
    sorting = target.operation(resource, name).sorted
    assert sorting is not None
    fields = [match[1] for key in sorting.by if (match := _FIELD.match(key.by))]
    granted = policy.grants(target, policy.roles_of(target, persona), resource, name)
    return all(
        policy.visible(target, grant, resource, field, resource)
        for grant in granted
        for field in fields
    )
