"""Recipes: requests as JSON, with ids as symbols, so that they mean the same in any world. Pure."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from conformance.fuzz.drafts import ABSENT, Draft

Symbol = tuple[str, str, str, str]
"""Resource, how the persona stands to it, the operation that is meant, and which value of it."""

_ID, _TEXT, _NUMBER, _BYTES, _LONG = "$id", "$text", "$number", "$bytes", "$repeat"
_PARTS = ("path", "query", "headers", "cookies")
_LONGEST = 2_000


def written(draft: Draft, symbol_of: Callable[[str], Symbol | None]) -> dict[str, Any]:
    """A draft as JSON; `symbol_of` names the values that mean something in a world only."""
    found: dict[str, Any] = {"operation": draft.label, "method": draft.method}
    for name in _PARTS:
        part = getattr(draft, name)
        if part:
            found[name] = _out(dict(part), symbol_of)
    if draft.body is not ABSENT:
        found["body"] = _out(draft.body, symbol_of)
    if draft.media_type is not None:
        found["media_type"] = draft.media_type
    if draft.stranger:
        found["stranger"] = True
    return found


def read(recipe: Mapping[str, Any], value_of: Callable[[Symbol], Any]) -> Draft:
    """The draft that a recipe is, with a value for each symbol. Raises ValueError."""
    try:
        parts = {name: _in(recipe.get(name, {}), value_of) for name in _PARTS}
        return Draft(
            label=str(recipe["operation"]),
            method=str(recipe["method"]),
            body=_in(recipe["body"], value_of) if "body" in recipe else ABSENT,
            media_type=recipe.get("media_type"),
            stranger=bool(recipe.get("stranger")),
            **parts,
        )
    except (KeyError, TypeError) as problem:
        raise ValueError(f"this is no recipe: {problem}") from None


def _out(value: Any, symbol_of: Callable[[str], Symbol | None]) -> Any:
    if isinstance(value, Mapping):
        return {_key(str(key)): _out(item, symbol_of) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_out(item, symbol_of) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    symbol = symbol_of(str(value)) if isinstance(value, str | int) else None
    if symbol is not None:
        return {_ID: list(symbol)}
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bytes | bytearray):
        return {_BYTES: base64.b64encode(bytes(value)).decode()}
    if isinstance(value, float) and not math.isfinite(value):
        return {_NUMBER: str(value)}
    if isinstance(value, int) and abs(value) > 2**53:
        return {_NUMBER: str(value)}
    return value if isinstance(value, int | float) else {_TEXT: json.dumps(str(value))}


def _text(value: str) -> Any:
    whole = "".join(dict.fromkeys(value))
    if len(value) > _LONGEST and len(whole) == 1:
        return {_LONG: [value[0], len(value)]}
    plain = value.isprintable() and not any(0xD800 <= ord(sign) < 0xE000 for sign in value)
    return value if plain else {_TEXT: json.dumps(value)}


def _key(key: str) -> str:
    return key.encode("utf-8", "backslashreplace").decode()


def _in(value: Any, value_of: Callable[[Symbol], Any]) -> Any:
    if isinstance(value, list):
        return [_in(item, value_of) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((kind, item),) = value.items()
        if kind == _ID:
            resource, stand, operation, name = item
            return value_of((resource, stand, operation, name))
        if kind == _TEXT:
            return json.loads(item)
        if kind == _NUMBER:
            return int(item) if item.lstrip("-").isdigit() else float(item)
        if kind == _BYTES:
            return base64.b64decode(item)
        if kind == _LONG:
            return item[0] * item[1]
    return {key: _in(item, value_of) for key, item in value.items()}


# --- smaller -----------------------------------------------------------------------------------


def smaller(draft: Draft) -> Iterator[Draft]:
    """Drafts that say less, those that say least first; ids in the path stay."""
    if draft.body is not ABSENT:
        for body in _less(draft.body):
            yield replace(draft, body=body)
    for name in ("query", "headers", "cookies"):
        part = dict(getattr(draft, name))
        for key in part:
            rest = {other: value for other, value in part.items() if other != key}
            yield _with(draft, name, rest)
        for key, value in part.items():
            for less in _less(value):
                yield _with(draft, name, {**part, key: less})
    for key, value in draft.path.items():
        if isinstance(value, str) and len(value) > 40:
            yield replace(draft, path={**draft.path, key: value[: len(value) // 2]})


def _with(draft: Draft, part: str, value: Mapping[str, Any]) -> Draft:
    if part == "query":
        return replace(draft, query=value)
    return replace(draft, headers=value) if part == "headers" else replace(draft, cookies=value)


def _less(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        if len(value) > 2:
            half = list(value)[: len(value) // 2]
            yield {key: value[key] for key in half}
            yield {key: item for key, item in value.items() if key not in half}
        for key in value:
            yield {other: item for other, item in value.items() if other != key}
        for key, item in value.items():
            for less in _less(item):
                yield {**value, key: less}
    elif isinstance(value, list):
        if len(value) > 1:
            yield value[: len(value) // 2]
            yield value[len(value) // 2 :]
        elif value:
            yield []
        for place, item in enumerate(value[:3]):
            for less in _less(item):
                yield [*value[:place], less, *value[place + 1 :]]
    elif isinstance(value, str) and len(value) > 1:
        yield value[: len(value) // 2]
        yield value[len(value) // 2 :]
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) > 1:
        yield 0
        yield value // 2
