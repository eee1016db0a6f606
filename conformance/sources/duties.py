"""Cases about duties: emergency access, two pairs of eyes, and denials that no role lifts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance import policy
from conformance.cases import Profile, of_persona, subjects, unclaimed
from conformance.claims import Duty
from conformance.model import Because, Case
from conformance.sources.identity import makeable, needs_a_code, persona_of
from conformance.target import SAFE_KINDS, Target

_GLASS = (
    "break_glass: {resource: patient, roles: [nurse], open: {request: POST /break-glass, json: "
    '{patient_id: "{patient.id}", reason: "{text}"}}, reason: reason, opens: [read], '
    "most_seconds: 3600}"
)


def emergencies(target: Target, profile: Profile) -> Iterator[Case]:
    """Emergency access in every way in which it must and must not open."""
    glass = target.break_glass
    if glass is None:
        yield unclaimed("break_glass", _GLASS)
        return
    variants = ["without-a-reason", "other-record", "other-operation", "wrong-role"]
    if len(policy.tenants(target)) > 1:
        variants.append("other-tenant")
    lines: dict[str, tuple[object, str, str]] = {
        "end": (glass.end, 'end: "DELETE /break-glass/{grant}"', "ended"),
        "review": (
            glass.review,
            "review: {as: privacy_officer, request: GET /break-glass}",
            "review",
        ),
        "ends_with_session": (glass.ends_with_session, "ends_with_session: true", "after-logout"),
        "open.{seconds}": (
            "seconds" in glass.open.placeholders or None,
            'open: {..., json: {..., seconds: "{seconds}"}}',
            "expired",
        ),
        "expires": (
            glass.expires if "seconds" in glass.open.placeholders else None,
            "expires: $.expires_at, with {seconds} in open",
            "too-long",
        ),
    }
    trail = target.audit
    if trail is not None and trail.entry.purpose is not None:
        lines["purpose"] = (glass.purpose, "purpose: emergency", "in-the-trail")
    for key, (claim, line, variant) in lines.items():
        if claim:
            variants.append(variant)
        else:
            yield unclaimed(f"break_glass.{key}", line)
    for role in glass.roles:
        if not any(role in target.personas[name].role for name in subjects(target)):
            continue
        persona = persona_of(target, role)
        for variant in ("opens", *variants) if role == glass.roles[0] else ("opens",):
            made = of_persona(target, persona, variant, because=Because.UNRELATED, kind="action")
            yield replace(made, resource=glass.resource)
        if profile is Profile.SMOKE:
            return


def separations(target: Target, profile: Profile) -> Iterator[Case]:
    """Both halves of a duty by one person: in one session, in two, with a role for each half."""
    if not target.duties:
        yield unclaimed("duties", "duties: [{resource: order, first: prescribe, then: verify}]")
        return
    if target.accounts.create is None:
        yield unclaimed("accounts.create", "create: {as: admin, request: POST /users, ...}")
        return
    for duty in target.duties:
        found = False
        for roles in able(target, duty):
            persona = persona_of(target, roles[0])
            # Where a login takes a code, a second one has to wait for the next code.
            coded = any(needs_a_code(target, role) for role in roles)
            brief = coded and len(roles) > 1 and profile is not Profile.FULL
            for variant in ("one-session", "two-sessions")[: 1 if brief else 2]:
                found = True
                made = of_persona(
                    target,
                    persona,
                    f"{duty.first}-{duty.then}.{'+'.join(roles)}.{variant}",
                    because=Because.ROLE,
                    kind="action",
                )
                yield replace(made, resource=duty.resource)
        if not found:
            yield unclaimed(
                f"policy for {duty.resource}.{duty.first} and {duty.then}",
                "grants that let one account of accounts.create.roles do both halves",
            )


def able(target: Target, duty: Duty) -> list[tuple[str, ...]]:
    """Sets of roles with which one account may do both halves by its grants.

    One role that is granted both, and two of which each is granted one: a check that asks for the
    role and not for the person is got round by either.
    """
    roles = makeable(target)

    def may(combined: tuple[str, ...], name: str) -> bool:
        return bool(policy.grants(target, combined, duty.resource, name))

    alone = [(one,) for one in roles if may((one,), duty.first) and may((one,), duty.then)]
    pairs = [
        (one, other)
        for one in roles
        for other in roles
        if one != other and may((one,), duty.first) and may((other,), duty.then)
    ]
    both = [one for one in pairs if may(one, duty.first) and may(one, duty.then)]
    # Roles that are granted only their own half first: there two people were meant.
    both.sort(key=lambda pair: may((pair[0],), duty.then) + may((pair[1],), duty.first))
    return [*alone[:2], *both[:2]]


def overridden(target: Target, profile: Profile) -> Iterator[Case]:
    """What one role forbids and another grants, for one who has both, in either order."""
    if not _forbidding(target):
        yield unclaimed("policy.ROLE.RESOURCE", '{"*": forbid}')
        return
    create = target.accounts.create
    if create is None or "roles" not in create.placeholders:
        yield unclaimed("accounts.create", 'create: {..., json: {..., roles: "{roles}"}}')
        return
    found = False
    seen: set[tuple[str, str]] = set()
    roles = makeable(target)
    for forbids, resource in _forbidding(target):
        for grants in roles:
            name = _taken_away(target, forbids, grants, resource)
            if name is None or forbids not in roles or (forbids, grants) in seen:
                continue
            if profile is not Profile.FULL:
                seen.add((forbids, grants))
            persona = persona_of(target, grants)
            for order in (f"{forbids}+{grants}", f"{grants}+{forbids}"):
                made = of_persona(target, persona, order, because=Because.ROLE, kind="action")
                made = replace(made, resource=resource, operation=name)
                yield replace(made, roles=(grants,))
                found = True
    if not found:
        yield unclaimed(
            "accounts.create.roles",
            "roles: [nurse, admin]  # one that forbids what another one grants",
        )


def _forbidding(target: Target) -> list[tuple[str, str]]:
    return [
        (role, resource)
        for role, resources in target.policy.items()
        for resource, operations in resources.items()
        if any("forbid" in effects for effects in operations.values())
    ]


def _taken_away(target: Target, forbids: str, grants: str, resource: str) -> str | None:
    """What `grants` may do to a record and `forbids` may not, a read if there is one."""
    described = target.resources[resource]
    names = sorted(described.operations, key=lambda name: described.kind(name) not in SAFE_KINDS)
    for name in names:
        if target.object_of(resource, name) != resource or described.operations[name].not_tested:
            continue
        alone = policy.grants(target, (grants,), resource, name)
        if alone and not policy.grants(target, (grants, forbids), resource, name):
            return name
    return None
