"""Cases about how answers travel: what is asked, by whom, and from which page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from conformance import origins, policy
from conformance.cases import (
    WHOLE,
    Profile,
    matrix,
    of_persona,
    operations,
    subjects,
    unclaimed,
)
from conformance.model import Because, Case, Expected, Relation
from conformance.sources.identity import ways
from conformance.target import SAFE_KINDS, Target

_TLS = ("https in system.base_url", "system: {base_url: https://ward.example}")


def doors(target: Target, _profile: Profile) -> Iterator[Case]:
    """Every operation that shows something, by the first persona that may, best unmasked."""
    for resource, name in operations(target):
        kind = target.resources[resource].kind(name)
        if kind not in SAFE_KINDS and not target.operation(resource, name).shows:
            continue
        case = door_to(target, resource, name)
        if case is not None:
            yield case


def door_to(
    target: Target, resource: str, name: str, among: Sequence[str] | None = None
) -> Case | None:
    """The operation by the first persona that may, best unmasked; None if there is nobody."""
    able = sorted(
        (masked, index, persona, relation)
        for index, persona in enumerate(subjects(target) if among is None else among)
        for masked, relation in _able(target, persona, resource, name)
    )
    if not able:
        return None
    _masked, _index, persona, relation = able[0]
    kind = target.resources[resource].kind(name)
    return replace(
        of_persona(target, persona, "", because=Because.GRANTED, kind=kind),
        resource=resource,
        operation=name,
        relation=relation,
        expected=Expected.ALLOW,
        variant=None,
    )


def _able(
    target: Target, persona: str, resource: str, name: str
) -> Iterator[tuple[bool, Relation]]:
    """The first relation in which the persona is granted the operation, and whether by a mask."""
    roles = policy.roles_of(target, persona)
    granted = policy.grants(target, roles, resource, name)
    about = target.object_of(resource, name)
    masked = all(grant.mask for grant in granted)
    if about is None:
        if granted:
            yield masked, Relation.COLLECTION
        return
    for relation in policy.relations_of(target, persona, about):
        related = policy.standing(target, roles, about, relation)
        if any(grant.covers(related, same_tenant=True) for grant in granted):
            yield masked, relation
            return


def channels(target: Target, _profile: Profile) -> Iterator[Case]:
    """Every link, feed or export by which access lives on, by the first persona that may."""
    if not target.channels:
        yield unclaimed(
            "channels",
            "channels: {link: {about: letter, make: [{request: POST /letters/{id}/link, "
            "take: {url: $.url}}], use: GET {url}, credential: false}}",
        )
    for name, channel in target.channels.items():
        fitting = [
            persona
            for persona in subjects(target)
            if not channel.roles or set(target.personas[persona].role) & set(channel.roles)
        ]
        found: Case | None = None
        if channel.about is not None:
            described = target.resources[channel.about]
            reads = [one for one in described.operations if described.kind(one) == "read"]
            doors_to = (door_to(target, channel.about, one, fitting) for one in reads)
            found = next((case for case in doors_to if case is not None), None)
        elif fitting:
            found = replace(
                of_persona(target, fitting[0], "", because=Because.GRANTED), expected=Expected.ALLOW
            )
        if found is not None:
            yield replace(found, variant=f"channel.{name}")


def conditions(target: Target, profile: Profile) -> Iterator[Case]:
    """Every read of a record by somebody who may not, for each reason; in the full profile all."""
    found: dict[tuple[object, ...], Case] = {}
    for case in matrix(target, profile):
        if case.kind not in SAFE_KINDS or case.expected is not Expected.DENY:
            continue
        if target.object_of(case.resource or "", case.operation or "") is None:
            continue
        person = case.persona if profile is Profile.FULL else None
        found.setdefault((case.resource, case.operation, case.because, person), case)
    yield from found.values()


def writes(target: Target, _profile: Profile) -> Iterator[Case]:
    """Every operation that is no read, by the first persona that may do it."""
    for resource, name in operations(target):
        if target.resources[resource].kind(name) not in SAFE_KINDS:
            found = door_to(target, resource, name)
            if found is not None:
                yield found


def _first_door(target: Target, profile: Profile) -> Case | None:
    """A door to one record rather than to many, since there is a missing id to ask for as well."""
    found = list(doors(target, profile))
    single = (case for case in found if case.relation is not Relation.COLLECTION)
    plain = (case for case in single if case.kind == "read")
    return next(plain, None) or (found[0] if found else None)


def _claimed(target: Target) -> list[str]:
    return target.cors.origins if target.cors else []


def foreign_pages(target: Target, profile: Profile) -> Iterator[Case]:
    """One door, asked from pages of every origin that nobody allowed."""
    door = _first_door(target, profile)
    if door is None:
        return
    own = origins.origin_of(target.system.base_url.replace("{port}", "1"))
    for name in origins.foreign(own, _claimed(target)):
        yield replace(door, expected=Expected.DENY, because=Because.UNAUTHENTICATED, variant=name)


def foreign_pages_everywhere(target: Target, profile: Profile) -> Iterator[Case]:
    """Every door, asked from an unrelated page, in the full profile from all of them."""
    own = origins.origin_of(target.system.base_url.replace("{port}", "1"))
    every = origins.foreign(own, _claimed(target))
    for door in doors(target, profile):
        for name in every if profile is Profile.FULL else ("unrelated",):
            yield replace(
                door, expected=Expected.DENY, because=Because.UNAUTHENTICATED, variant=name
            )


def own_pages(target: Target, profile: Profile) -> Iterator[Case]:
    """One door, asked from the pages that the target file allows."""
    door = _first_door(target, profile)
    if not _claimed(target):
        yield unclaimed("cors.origins", "cors: {origins: [https://portal.ward.example]}")
    elif door is not None:
        for index, _origin in enumerate(_claimed(target), 1):
            yield replace(door, variant=f"allowed-{index}")


PARAMETERS = ("access_token", "token", "api_key", "auth", "jwt", "session", "its-own-name")


def parameters(target: Target, profile: Profile) -> Iterator[Case]:
    """The session's credential in the query, under usual names, for each way to log in."""
    for way, persona in ways(target, profile):
        for name in PARAMETERS:
            yield of_persona(target, persona, f"{way}.{name}")


def logins(target: Target, profile: Profile) -> Iterator[Case]:
    """Each way to log in."""
    for way, persona in ways(target, profile):
        yield replace(of_persona(target, persona, way), because=Because.GRANTED)


def over_tls(target: Target, profile: Profile) -> Iterator[Case]:
    """The door whose answers tell browsers to keep to TLS, if the target has TLS."""
    if not _has_tls(target):
        yield unclaimed(*_TLS)
        return
    door = _first_door(target, profile)
    if door is not None:
        yield door


def old_versions(target: Target, _profile: Profile) -> Iterator[Case]:
    """The versions of TLS that are given up (RFC 8996)."""
    if not _has_tls(target):
        yield unclaimed(*_TLS)
        return
    for name in ("TLS-1.0", "TLS-1.1"):
        yield replace(WHOLE, expected=Expected.DENY, variant=name)


def without_tls(target: Target, _profile: Profile) -> Iterator[Case]:
    """The same host without TLS."""
    if not _has_tls(target):
        yield unclaimed(*_TLS)
        return
    for persona in subjects(target)[:1]:
        yield of_persona(target, persona, "plain-http")


def _has_tls(target: Target) -> bool:
    return urlsplit(target.system.base_url.replace("{port}", "1")).scheme == "https"
