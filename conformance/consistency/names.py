"""Names that a part of the target file uses, and that must exist in another part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from conformance import template as template_values
from conformance.document import Loc, Problem, meant
from conformance.schema import Preparation, Request
from conformance.target import Operation, Target


def unknown(word: str, what: str, known: Iterable[str]) -> str:
    names = sorted(known)
    return f"there is no {what} {word!r}{meant(word, names) or '; there are: ' + ', '.join(names)}"


def actors(target: Target) -> set[str]:
    return {role for persona in target.personas.values() for role in persona.role} | set(
        target.personas
    )


def prepared(
    target: Target, loc: Loc, template: Request, more: Iterable[str] = ()
) -> Iterator[Problem]:
    """A request that somebody makes: who that is, and what it names."""
    known = actors(target)
    for actor in template.as_ if isinstance(template, Preparation) else ():
        if actor not in known:
            yield Problem((*loc, "as"), unknown(actor, "role or persona", known))
    yield from placeholders(target, loc, template, more)


def roles(target: Target, loc: Loc, roles: Iterable[str]) -> Iterator[Problem]:
    for role in roles:
        if role not in target.policy:
            yield Problem(loc, unknown(role, "role in the policy", target.policy))


def facts(target: Target, login: str | None = None) -> set[str]:
    """What the accounts are known to have, those that log in by `login` if given."""
    found = {
        fact
        for persona in target.personas.values()
        if login in {None, persona.login or next(iter(target.login), None)}
        for fact in persona.facts
    }
    create = target.accounts.create
    return found | ({"username", "password", *create.take} if create else set())


def operations(
    target: Target, loc: Loc, resource: str, operations: Iterable[str]
) -> Iterator[Problem]:
    known = target.resources[resource].operations
    for name in operations:
        if name not in known:
            yield Problem(loc, unknown(name, "operation", known))


def placeholders(
    target: Target, loc: Loc, template: Request, more: Iterable[str] = ()
) -> Iterator[Problem]:
    """Placeholders without a value here; `more` are those that this template has besides."""
    heads = {"persona", "tenant", "person", *target.resources}
    names = template_values.NAMES | set(more)
    if isinstance(template, Operation) and template.lookup is not None:
        for name in sorted(template.lookup.placeholders):
            if name.split(".")[0] not in {*heads, "sent"}:
                yield Problem(
                    (*loc, "lookup"), f"{{{name}}} has no value here; write {{sent.FIELD}}"
                )
    for name in sorted(template.placeholders):
        head, _, tail = name.partition(".")
        if tail and head not in heads:
            yield Problem(
                loc, f"{{{name}}}: " + unknown(head, "resource or source of values", heads)
            )
        elif not tail and name not in names:
            yield Problem(loc, f"{{{name}}}: " + unknown(name, "template value", names))
