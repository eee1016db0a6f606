"""Cases about declared limits: requests in a while, rows on a page (OWASP API4:2023)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance.cases import Profile, of_persona, operations, subjects, unclaimed
from conformance.model import Case
from conformance.sources.identity import makeable
from conformance.sources.transport import door_to
from conformance.target import Target

_LIMIT = "limit: {requests: 60, seconds: 60}"


def limited(target: Target, _profile: Profile) -> Iterator[Case]:
    """Operations that one account may do so often only, by one that can be made for it."""
    found = False
    for resource, name in operations(target):
        if target.operation(resource, name).limit is None:
            continue
        made = [one for one in subjects(target) if _makeable(target, one)]
        case = door_to(target, resource, name, made) or door_to(target, resource, name)
        if case is not None:
            found = True
            yield replace(case, variant="burst")
    if not found:
        yield unclaimed("resources.NAME.OPERATION.limit", _LIMIT)


def _makeable(target: Target, persona: str) -> bool:
    """Whether accounts with the persona's roles can be made."""
    return set(target.personas[persona].role) <= set(makeable(target))


def resets(target: Target, _profile: Profile) -> Iterator[Case]:
    """Password resets for a name that somebody has, and for one that nobody has."""
    step = target.accounts.reset_password
    if step is None or step.limit is None:
        yield unclaimed(
            "accounts.reset_password.limit",
            'reset_password: {request: POST /reset, json: {username: "{username}"}, '
            "limit: {requests: 5, seconds: 60}}",
        )
        return
    yield from _names(target, "reset")


def sign_ups(target: Target, _profile: Profile) -> Iterator[Case]:
    """Sign-ups for a name that somebody has, and for one that nobody has."""
    step = target.accounts.sign_up
    if step is None or step.limit is None:
        yield unclaimed(
            "accounts.sign_up.limit",
            'sign_up: {request: POST /register, json: {username: "{username}", '
            'password: "{password}"}, limit: {requests: 5, seconds: 60}}',
        )
        return
    yield from _names(target, "sign-up")


def _names(target: Target, request: str) -> Iterator[Case]:
    made = [one for one in subjects(target) if _makeable(target, one)]
    for persona in (made or subjects(target))[:1]:
        for whose in ("somebody", "nobody"):
            yield of_persona(target, persona, f"{request}.{whose}", kind="action")


PAGES = {"a-hundred-thousand": 100_000, "minus-one": -1}


def pages(target: Target, _profile: Profile) -> Iterator[Case]:
    """Lists whose pages have an end, asked for more rows than that."""
    found = False
    for resource, name in operations(target):
        paging = target.operation(resource, name).next
        if paging is None or paging.size is None or paging.most is None:
            continue
        # What a search finds are the few records that one term fits, and never more than a page.
        if target.resources[resource].kind(name) == "search":
            continue
        case = door_to(target, resource, name)
        if case is not None:
            found = True
            for variant in PAGES:
                yield replace(case, variant=variant)
    if not found:
        yield unclaimed(
            "resources.NAME.LIST.next.most",
            "next: {param: cursor, cursor: $.next, size: limit, most: 200}",
        )
