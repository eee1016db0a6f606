"""Fields of records: as answers show them, as masks name them, and values to try in them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Record = Mapping[str, Any]
"""One JSON object of an answer."""

_WRAPPED = ("attributes",)
_TELLING = 6


def plain(name: str) -> str:
    """A name as all its spellings share it: createdAt and created_at are `createdat`."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def objects(data: Any) -> Iterator[Record]:
    """Every JSON object in `data`, outermost first."""
    if isinstance(data, dict):
        yield data
        for item in data.values():
            yield from objects(item)
    elif isinstance(data, list):
        for item in data:
            yield from objects(item)


def properties(record: Record) -> Record:
    """The properties of a record, those that JSON:API keeps under `attributes` included."""
    found = dict(record)
    for name in _WRAPPED:
        inner = found.get(name)
        if isinstance(inner, dict):
            del found[name]
            found |= inner
    return found


def own(data: Any, identity: Any) -> list[Record]:
    """The objects of an answer whose `id` is `identity`; not those that only wrap such a one."""
    found = [one for one in objects(data) if _is_of(one, identity)]
    return [
        properties(one)
        for one in found
        if not any(_is_of(inner, identity) for item in one.values() for inner in objects(item))
    ]


def _is_of(record: Record, identity: Any) -> bool:
    keys = [key for key in record if plain(key) in {"id", "uuid"}]
    return any(str(record[key]) == str(identity) for key in keys)


@dataclass(frozen=True)
class Sight:
    """What the masks of one or several grants let through, of one resource's own fields."""

    visible: frozenset[str]
    hidden: frozenset[str] | None
    embeds: bool

    def shows(self, name: str) -> bool:
        """Whether a property of that name may be shown; `id` always may."""
        key = plain(name)
        if key == "id" or key in self.visible or "*" in self.visible:
            return True
        return self.hidden is not None and key not in self.hidden


def surplus(record: Record, seen: Sight) -> list[str]:
    """The names in a record that its reader's mask does not let through."""
    return [
        name
        for name, value in record.items()
        if not seen.shows(name) and not (seen.embeds and _holds_objects(value))
    ]


def _holds_objects(value: Any) -> bool:
    return next(objects(value), None) is not None


def scalars(record: Record) -> Record:
    """The properties that are neither objects nor lists."""
    return {name: value for name, value in record.items() if not isinstance(value, dict | list)}


def secrets(record: Record, seen: Sight) -> Mapping[str, str]:
    """By name, the hidden values of a record that are long enough to know them by.

    What a visible field says as well is no secret.
    """
    told = {str(value).lower() for name, value in record.items() if seen.shows(name)}
    return {
        name: value.lower()
        for name, value in record.items()
        if isinstance(value, str)
        and len(value) >= _TELLING
        and not seen.shows(name)
        and not any(value.lower() in one for one in told)
        and _moment(value) is None
    }


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d", value):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo is None else found.astimezone().replace(tzinfo=None)


def same(one: Any, other: Any) -> bool:
    """Whether two values say the same, as text or as moments; the order of lists is nothing."""
    if isinstance(one, list) and isinstance(other, list):
        return sorted(map(str, one)) == sorted(map(str, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return str(one).lower() == str(other).lower()
    moments = _moment(one), _moment(other)
    if None not in moments:
        return moments[0] == moments[1]
    return one is not None and str(one) == str(other)


def value_of(record: Record, name: str) -> Any:
    """The value under that name in any spelling, None if there is none; a.b is b inside a."""
    found = next((value for key, value in record.items() if plain(key) == plain(name)), None)
    head, dot, rest = name.partition(".")
    if found is None and dot:
        inside = value_of(record, head)
        return value_of(inside, rest) if isinstance(inside, dict) else None
    return found


def with_values(body: Record, values: Record, present: Record) -> dict[str, Any]:
    """The body with those values; a.b goes inside a, beside what a holds at present."""
    found = dict(body)
    for name, value in values.items():
        head, dot, rest = name.partition(".")
        if not dot:
            found[name] = value
            continue
        beside = found.get(head, value_of(present, head))
        inside = dict(beside) if isinstance(beside, dict) else {}
        found[head] = with_values(inside, {rest: value}, inside)
    return found


def other_spelling(name: str) -> str:
    """camelCase for snake_case and the other way round; the same for a single word."""
    if "_" in name:
        first, *rest = name.split("_")
        return first + "".join(part.capitalize() for part in rest)
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match.group(1).lower(), name)
