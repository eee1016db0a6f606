"""The system, its tenants, personas, logins and grants."""

from __future__ import annotations

import re
from collections.abc import Iterator

from conformance.consistency import names
from conformance.document import Problem
from conformance.target import ANONYMOUS, EFFECTS, NAME, Target, objection_to

_PERSONA = re.compile(r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$")


def problems(target: Target) -> Iterator[Problem]:
    """What does not fit together, in the order of the file."""
    yield from _system(target)
    yield from _tenants(target)
    yield from _personas(target)
    yield from _logins(target)
    yield from _policy(target)


def _system(target: Target) -> Iterator[Problem]:
    objection = objection_to(target.system, target.system.base_url)
    if objection:
        yield Problem(("system", "base_url"), objection)


def _tenants(target: Target) -> Iterator[Problem]:
    for name in target.tenants:
        if not NAME.match(name):
            yield Problem(
                ("tenants", name),
                f"{name!r} is no plain tenant name (letters, digits, _ and -); "
                "the real name can be a fact, like 'title'",
            )


def _personas(target: Target) -> Iterator[Problem]:
    for name, persona in target.personas.items():
        loc = ("personas", name)
        if not _PERSONA.match(name) or name == ANONYMOUS:
            yield Problem(loc, f"{name!r} is no persona name (like nurse.north; not 'anonymous')")
        if persona.tenant is not None and persona.tenant not in target.tenants:
            yield Problem((*loc, "tenant"), names.unknown(persona.tenant, "tenant", target.tenants))
        if persona.tenant is None and len(target.tenants) > 1:
            yield Problem(loc, "say the persona's 'tenant': this target has several")
        if persona.login is not None and persona.login not in target.login:
            yield Problem((*loc, "login"), names.unknown(persona.login, "login", target.login))
        if persona.login is None and len(target.login) != 1:
            yield Problem(loc, "say which 'login' this persona uses: there is not exactly one")
        for role in persona.role:
            if role not in target.policy:
                yield Problem(
                    (*loc, "role"), names.unknown(role, "role in the policy", target.policy)
                )


def _logins(target: Target) -> Iterator[Problem]:
    for name, login in target.login.items():
        steps = [one for one in (*login.before, login.step(), *login.then, login.me) if one]
        taken = {value for step in steps for value in step.take} | set(login.let)
        known = {*names.facts(target, name), *taken, "access_token", "refresh_token", "expires_in"}
        for key in ("refresh", "logout", "keys"):
            step = getattr(login, key)
            if step is not None:
                yield from names.placeholders(target, ("login", name, key), step, known)


def _policy(target: Target) -> Iterator[Problem]:
    for role, grants in target.policy.items():
        for resource, operations in grants.items():
            loc = ("policy", role, resource)
            if resource not in target.resources:
                yield Problem(loc, names.unknown(resource, "resource", target.resources))
                continue
            known = target.resources[resource].operations
            for name, effects in operations.items():
                if name != "*" and name not in known:
                    yield Problem((*loc, name), names.unknown(name, "operation", known))
                for effect in effects:
                    match = re.match(r"^([a-z]+)(?::([A-Za-z0-9_-]+))?$", effect)
                    if not match or match.group(1) not in EFFECTS:
                        yield Problem(
                            (*loc, name),
                            f"{effect!r} is no effect: write {', '.join(sorted(EFFECTS))}, "
                            "or one of them with ':MASK'",
                        )
                    elif match.group(2) and match.group(2) not in target.masks:
                        yield Problem(
                            (*loc, name), names.unknown(match.group(2), "mask", target.masks)
                        )
