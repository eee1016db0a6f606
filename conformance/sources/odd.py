"""Cases about odd values: in the fields of every write, in parameters, in exports, as bombs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from conformance import policy
from conformance.cases import Profile, of_persona, operations, subjects, unclaimed
from conformance.model import Because, Case, Expected
from conformance.schema import placeholders_in
from conformance.sources.transport import door_to
from conformance.target import SAFE_KINDS, Operation, Target

Path = tuple[str | int, ...]

_TEXTS = frozenset({"text", "name", "canary", "family", "given"})
_NAMES = frozenset({"name", "family", "given"})
_LONG = frozenset({"text"})
_DATES = frozenset({"birth_date", "date", "today", "now", "future"})
_NOT_SHOWN = re.compile(r"password|passwd|secret|token|otp|\bpin\b", re.IGNORECASE)
_TABLE = re.compile(r"csv|tsv|export|download|spreadsheet", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d+([.,]\d+)?")
_DATE = re.compile(r"\d{4}-\d\d(-\d\d)?(?!\d)")


@dataclass(frozen=True)
class Slot:
    """A place in a request that can hold an odd value: where, and what usually stands there.

    `kind` is text, number, date or other; `long` text takes more than a line, `person` a name.
    """

    path: Path
    kind: str
    long: bool = False
    person: bool = False

    @property
    def name(self) -> str:
        """The place as people write it: contact.phone, items[0].dose."""
        said = ""
        for part in self.path:
            said += f"[{part}]" if isinstance(part, int) else f".{part}" if said else part
        return said


def slots(template: Any, path: Path = ()) -> Iterator[Slot]:
    """The places in the body (or the query) of a request template, outermost first."""
    if isinstance(template, dict):
        for key, item in template.items():
            yield from slots(item, (*path, str(key)))
    elif isinstance(template, list):
        for index, item in enumerate(template):
            yield from slots(item, (*path, index))
    elif path:
        yield Slot(path, *_what(template, path))


def _what(leaf: Any, path: Path) -> tuple[str, bool, bool]:
    if isinstance(leaf, int | float) and not isinstance(leaf, bool):
        return "number", False, False
    if not isinstance(leaf, str):
        return "other", False, False
    names = {name.removeprefix("person.") for name in placeholders_in(leaf)}
    if names & _DATES or (not names and _DATE.match(leaf)):
        return "date", False, False
    if names == {"int"} or (not names and _NUMBER.fullmatch(leaf)):
        return "number", False, False
    if names and names <= _TEXTS and not _NOT_SHOWN.search(str(path[-1])):
        return "text", bool(names & _LONG), bool(names & _NAMES)
    return "other", False, False


def is_free(text: str) -> bool:
    """Whether a text of a template is one that anybody may choose."""
    return _what(text, ("",))[0] == "text"


def body_of(operation: Operation) -> Any:
    """The template of the body that has places: JSON or a form."""
    return operation.json_ if operation.json_ is not None else operation.form


def writes(target: Target) -> Iterator[Case]:
    """Every write, by the first persona that may do it, best unmasked."""
    for resource, name in operations(target):
        if target.resources[resource].kind(name) not in {*SAFE_KINDS, "delete"}:
            found = door_to(target, resource, name)
            if found is not None and target.operation(resource, name).method != "DELETE":
                yield found


def texts(target: Target, profile: Profile) -> Iterator[Case]:
    """Every write that takes a text; in the full profile with every value in every place."""
    for case in writes(target):
        body = body_of(target.operation(case.resource or "", case.operation or ""))
        if any(slot.kind == "text" for slot in slots(body)):
            yield replace(case, variant="everywhere" if profile is Profile.FULL else None)


def others(target: Target, profile: Profile) -> Iterator[Case]:
    """Every write with a body, whose numbers, dates and structures can be odd."""
    for case in writes(target):
        body = body_of(target.operation(case.resource or "", case.operation or ""))
        if next(slots(body), None) is not None:
            yield replace(case, variant="everywhere" if profile is Profile.FULL else None)


def parameters(target: Target, profile: Profile) -> Iterator[Case]:
    """Every read that takes a parameter or an id, by the first persona that may."""
    for resource, name in operations(target):
        operation = target.operation(resource, name)
        if target.resources[resource].kind(name) not in SAFE_KINDS or operation.method != "GET":
            continue
        if not (operation.query or "{" in operation.path):
            continue
        found = door_to(target, resource, name)
        if found is not None:
            yield replace(found, variant="everywhere" if profile is Profile.FULL else None)


def credentials(target: Target, _profile: Profile) -> Iterator[Case]:
    """For each login a read by the first persona that uses it: for credentials that are none."""
    seen: set[str | None] = set()
    # A list is seldom open to everybody.
    doors = sorted(
        operations(target), key=lambda one: target.resources[one[0]].kind(one[1]) != "list"
    )
    for persona in subjects(target):
        login = target.personas[persona].login
        if login in seen:
            continue
        for resource, name in doors:
            kind = target.resources[resource].kind(name)
            if kind in SAFE_KINDS and target.operation(resource, name).method == "GET":
                found = door_to(target, resource, name, [persona])
                if found is not None:
                    seen.add(login)
                    yield found
                    break


def exports(target: Target, _profile: Profile) -> Iterator[Case]:
    """Every channel without a record of its own, and every read that may be a table, by who may."""
    line = (
        "channels: {export: {make: [{request: POST /exports, json: {kind: patients}, "
        "take: {id: $.id}}], use: GET /exports/{id}/download, roles: [clerk]}}"
    )
    found = False
    for name, channel in target.channels.items():
        if channel.about is not None:
            continue
        able = [
            persona
            for persona in subjects(target)
            if not channel.roles or set(target.personas[persona].role) & set(channel.roles)
        ]
        able.sort(key=lambda one: -_makes(target, one))
        for persona in able[:1]:
            found = True
            case = of_persona(target, persona, name, because=Because.GRANTED, kind="create")
            yield replace(case, expected=Expected.ALLOW)
    for resource, name in operations(target):
        operation = target.operation(resource, name)
        safe = target.resources[resource].kind(name) in SAFE_KINDS
        table = operation.shows or _TABLE.search(operation.path)
        if safe and operation.method == "GET" and table:
            able = sorted(subjects(target), key=lambda one: -_makes(target, one))
            doors = (door_to(target, resource, name, [one]) for one in able)
            door = next((one for one in doors if one is not None), None)
            if door is not None and target.object_of(resource, name) is None:
                found = True
                yield replace(door, kind="create", variant="read")
    if not found:
        yield unclaimed("channels", line)


def _makes(target: Target, persona: str) -> int:
    """How many kinds of records with texts the persona may make, and list whosever they are."""
    roles = policy.roles_of(target, persona)
    count = 0
    for resource, described in target.resources.items():
        name = policy.creating(target, resource)
        if name is None or not policy.grants(target, roles, resource, name):
            continue
        body = body_of(target.operation(resource, name))
        lists = (one for one in described.operations if described.kind(one) == "list")
        granted = (one for name in lists for one in policy.grants(target, roles, resource, name))
        free = any(one.covers(frozenset(), same_tenant=True) for one in granted)
        count += free and any(slot.kind == "text" for slot in slots(body))
    return count


# --- bombs -----------------------------------------------------------------------------------

_XML = re.compile(r"[/+]xml\b")
_ZIP = re.compile(r"application/(x-)?zip")


def bombs(target: Target, profile: Profile) -> Iterator[Case]:
    """Bodies that unfold: packed and of many levels where JSON is taken, XML and archives."""
    doors = list(writes(target))
    packed = [case for case in doors if isinstance(_of(target, case).json_, dict)]
    packed.sort(key=lambda case: case.kind != "create")
    every = profile is Profile.FULL
    for case in packed if every else packed[:1]:
        yield replace(case, variant="packed")
    for case in packed if every else packed[:2]:
        yield replace(case, variant="levels")
    documents = [case for case in doors if takes_xml(_of(target, case))]
    for case in documents:
        yield replace(case, variant="entities")
    if not documents:
        yield unclaimed(
            "operation that takes XML",
            "take_in: {kind: create, request: POST /letters, content_type: application/xml, "
            'body: "<letter>{text}</letter>"}',
        )
    for case in doors:
        if _ZIP.search(_of(target, case).content_type or ""):
            yield replace(case, variant="archive")


def packings(target: Target, profile: Profile) -> Iterator[Case]:
    """A write with a body in JSON, in the full profile each: for bodies that cannot be unpacked."""
    found = [case for case in writes(target) if isinstance(_of(target, case).json_, dict)]
    found.sort(key=lambda case: case.kind != "create")
    yield from found if profile is Profile.FULL else found[:1]


def takes_xml(operation: Operation) -> bool:
    """Whether an operation of the target file sends XML."""
    body = operation.body
    kind = operation.content_type or ""
    return body is not None and (bool(_XML.search(kind)) or body.lstrip().startswith("<"))


def _of(target: Target, case: Case) -> Operation:
    return target.operation(case.resource or "", case.operation or "")
