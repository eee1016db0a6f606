"""Cases about rights that have ended: they are refused on the very next request, everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance import policy
from conformance.cases import Profile, of_persona, subjects, unclaimed
from conformance.model import Because, Case, Relation
from conformance.sources.identity import CREATE, makeable, persona_of, way_of
from conformance.target import SAFE_KINDS, Target

_RELATIONS = (Relation.OWN, Relation.ASSIGNED)


def account_events(target: Target, profile: Profile) -> Iterator[Case]:
    """Accounts that are disabled or lose a role, on every channel, for the roles that there are.

    The variant is EVENT.CHANNEL; `session` and `refresh` are channels of every login.
    """
    accounts = target.accounts
    if accounts.create is None:
        yield unclaimed(*CREATE)
        return
    if accounts.disable is None:
        yield unclaimed(
            "accounts.disable",
            'disable: {as: admin, request: "POST /users/{persona.user_id}/disable"}',
        )
    if accounts.change_roles is None:
        yield unclaimed(
            "accounts.change_roles",
            'change_roles: {as: admin, request: "PUT /users/{persona.user_id}/roles", '
            'json: {roles: "{roles}"}}',
        )
    events = [
        name
        for name, step in (("disabled", accounts.disable), ("role-removed", accounts.change_roles))
        if step is not None
    ]
    roles = makeable(target)
    for role in roles if profile is not Profile.SMOKE else roles[:2]:
        persona = persona_of(target, role)
        several = f"-of-{role}" if len(target.personas[persona].role) > 1 else ""
        for event in events:
            for channel in _channels_of_account(target, persona, role):
                made = of_persona(
                    target,
                    persona,
                    f"{event}{several}.{channel}",
                    because=Because.ROLE,
                    kind="action",
                )
                yield replace(made, roles=(role,))


def _channels_of_account(target: Target, persona: str, role: str) -> Iterator[str]:
    yield "session"
    way = way_of(target, persona)
    if way and target.login[way].refresh is not None:
        yield "refresh"
    for name, channel in target.channels.items():
        if not channel.roles or role in channel.roles:
            yield name


def ended_relations(target: Target, profile: Profile) -> Iterator[Case]:
    """Relations that have ended (care team, proxy), for every operation that they opened.

    For one persona of each role, in the full profile for one in each tenant.
    """
    told: set[str] = set()
    seen: set[tuple[str, Relation, tuple[str, ...]]] = set()
    for resource, persona, relation in _brought_about(target):
        roles = policy.roles_of(target, persona)
        way = policy.way(target, resource, relation, roles)
        assert way is not None and way.step is not None
        key = (resource, relation, roles)
        if key in seen and profile is not Profile.FULL:
            continue
        seen.add(key)
        if way.step.ends is None:
            place = _place(target, resource, relation, roles)
            if place not in told:
                yield unclaimed(place, _ENDS)
            told.add(place)
            continue
        reads = opened(target, persona, resource, relation)
        for name, operation in reads:
            yield _ended(target, persona, resource, relation, f"{name}.{operation}")
        for name, channel in target.channels.items():
            fits = not channel.roles or set(roles) & set(channel.roles)
            if fits and channel.about in [one for one, _operation in reads]:
                yield _ended(target, persona, resource, relation, f"channel.{name}")
    if not seen:
        yield unclaimed("resources.NAME.relations.assigned.ends", _ENDS)


_ENDS = (
    'assigned: {request: "POST /patients/{id}/care-team", take: {membership: $.id}, '
    'ends: {request: "DELETE /patients/{id}/care-team/{membership}"}}'
)


def _place(target: Target, resource: str, relation: Relation, roles: tuple[str, ...]) -> str:
    """Where the target file says how somebody with `roles` comes to stand in the relation."""
    declared = getattr(target.resources[resource].relations, relation.value)
    by_role = [name for name in declared.roles or () if name in roles or name == "*"]
    parts = ["resources", resource, "relations", relation.value, *by_role[:1], "ends"]
    return ".".join(parts)


def _brought_about(target: Target) -> Iterator[tuple[str, str, Relation]]:
    """Every relation that somebody is put in by a request, for each persona."""
    for resource in target.resources:
        for persona in subjects(target):
            for relation in _RELATIONS:
                roles = policy.roles_of(target, persona)
                way = policy.way(target, resource, relation, roles)
                if way is not None and way.step is not None:
                    yield resource, persona, relation


def _line(target: Target, resource: str) -> set[str]:
    """The resource and everything below it."""
    return {resource} | {name for name in target.resources if resource in target.ancestors(name)}


def opened(
    target: Target, persona: str, resource: str, relation: Relation
) -> list[tuple[str, str]]:
    """The reads that the relation opens to the persona, on the resource and below it.

    What the persona may read without the relation is left out: there nothing ends.
    """
    roles = policy.roles_of(target, persona)
    found = []
    below = [name for name in target.resources if name in _line(target, resource)]
    for name in below:
        for operation, described in target.resources[name].operations.items():
            if target.resources[name].kind(operation) not in SAFE_KINDS or described.not_tested:
                continue
            about = target.object_of(name, operation)
            if about is None and described.items and described.counts is None:
                # A list or search holds what the relation opens, and no longer when it has ended.
                about = name
            if about is None or about not in _line(target, resource):
                continue
            granted = policy.grants(target, roles, name, operation)
            related = policy.standing(target, roles, about, relation)
            if any(one.covers(related, same_tenant=True) for one in granted) and not any(
                one.covers(frozenset(), same_tenant=True) for one in granted
            ):
                found.append((name, operation))
    return found


def _ended(target: Target, persona: str, resource: str, relation: Relation, variant: str) -> Case:
    made = of_persona(target, persona, variant, because=Because.UNRELATED, kind="action")
    return replace(made, resource=resource, relation=relation)
