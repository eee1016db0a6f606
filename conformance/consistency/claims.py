"""What the target claims of accounts, channels, emergency access, duties and its trail."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.claims import Accounts
from conformance.consistency import names
from conformance.document import Problem
from conformance.schema import Request
from conformance.target import SAFE_KINDS, Target


def problems(target: Target) -> Iterator[Problem]:
    """What does not fit together, in the order of the file."""
    yield from _accounts(target)
    yield from _channels(target)
    yield from _break_glass(target)
    yield from _duties(target)
    yield from _audit(target)


def _accounts(target: Target) -> Iterator[Problem]:
    accounts = target.accounts
    facts = names.facts(target)
    further = {
        "create": {"username", "password", "role", "roles"},
        "change_roles": {"role", "roles", "removed"},
        "change_password": {"new_password"},
    }
    for key in Accounts.model_fields:
        step = getattr(accounts, key)
        if isinstance(step, Request):
            known = facts if key != "create" else set[str]()
            loc = ("accounts", key)
            yield from names.prepared(target, loc, step, known | further.get(key, set()))
    create = accounts.create
    if create is None:
        return
    yield from names.roles(target, ("accounts", "create", "roles"), create.roles)
    if create.login is not None and create.login not in target.login:
        place = ("accounts", "create", "login")
        yield Problem(place, names.unknown(create.login, "login", target.login))


def _channels(target: Target) -> Iterator[Problem]:
    for name, channel in target.channels.items():
        loc = ("channels", name)
        if channel.about is not None and channel.about not in target.resources:
            known = target.resources
            yield Problem((*loc, "about"), names.unknown(channel.about, "resource", known))
        yield from names.roles(target, (*loc, "roles"), channel.roles)
        taken: set[str] = set()
        for place, step in enumerate(channel.make):
            yield from names.placeholders(target, (*loc, "make", place), step, taken)
            taken |= set(step.take)
        yield from names.placeholders(target, (*loc, "use"), channel.use, taken)


def _break_glass(target: Target) -> Iterator[Problem]:
    glass = target.break_glass
    if glass is None:
        return
    loc = ("break_glass",)
    yield from names.roles(target, (*loc, "roles"), glass.roles)
    yield from names.placeholders(target, (*loc, "open"), glass.open, {"seconds"})
    for key, step in (("end", glass.end), ("review", glass.review)):
        if step is not None:
            yield from names.prepared(target, (*loc, key), step, glass.open.take)
    if glass.resource not in target.resources:
        known = target.resources
        yield Problem((*loc, "resource"), names.unknown(glass.resource, "resource", known))
        return
    yield from names.operations(target, (*loc, "opens"), glass.resource, glass.opens)
    described = target.resources[glass.resource]
    for name in glass.opens:
        if name in described.operations and described.kind(name) not in SAFE_KINDS:
            yield Problem((*loc, "opens"), f"{name!r} is no read of {glass.resource}")


def _duties(target: Target) -> Iterator[Problem]:
    for place, duty in enumerate(target.duties):
        loc = ("duties", place)
        if duty.resource not in target.resources:
            known = target.resources
            yield Problem((*loc, "resource"), names.unknown(duty.resource, "resource", known))
            continue
        for key in ("first", "then"):
            yield from names.operations(target, (*loc, key), duty.resource, [getattr(duty, key)])


def _audit(target: Target) -> Iterator[Problem]:
    trail = target.audit
    if trail is None:
        return
    for key, read in (("read", trail.read), ("unattributed", trail.unattributed)):
        if read is not None:
            yield from names.prepared(target, ("audit", key), read, {"correlation", "since"})
    if trail.patient is not None and trail.patient not in target.resources:
        yield Problem(
            ("audit", "patient"), names.unknown(trail.patient, "resource", target.resources)
        )
    known = {
        f"{resource}.{name}"
        for resource, described in target.resources.items()
        for name in described.operations
    }
    for name in trail.exempt:
        if name not in known:
            yield Problem(("audit", "exempt"), names.unknown(name, "operation", known))
