"""Comparing answers: what is the same once ids and things that vary by themselves are set aside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from conformance.model import Answer, decode

_HEX = re.compile(
    r"(?<![0-9a-zA-Z])[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}(?![0-9a-zA-Z])"
)
_TRANSPORT = frozenset({"date", "connection", "keep-alive", "age"})


def without(text: str, ids: Iterable[str]) -> str:
    """`text` with every id replaced by one sign, longest first."""
    for found in sorted({one for one in ids if one}, key=len, reverse=True):
        text = re.sub(rf"(?<![0-9A-Za-z]){re.escape(found)}(?![0-9A-Za-z])", "<id>", text)
    return text


def headers(answer: Answer, ids: Iterable[str]) -> dict[str, str]:
    """Lower-case header names with their values, ids removed; the clock's headers are left out."""
    ids = list(ids)
    found: dict[str, str] = {}
    for name, value in answer.headers:
        key, shown = name.lower(), without(value, ids)
        if key not in _TRANSPORT:
            found[key] = f"{found[key]}, {shown}" if key in found else shown
    return found


def leaves(value: Any, path: str = "$") -> Iterator[tuple[str, Any]]:
    """Every scalar of a JSON value with its path; list positions count."""
    if isinstance(value, dict):
        if not value:
            yield path, {}
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        if not value:
            yield path, []
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def parsed(answer: Answer) -> Any:
    """The body as JSON; None when it is not."""
    try:
        return json.loads(decode(answer.body))
    except (ValueError, RecursionError):
        return None


def facets(answer: Answer, ids: Iterable[str]) -> dict[str, Any]:
    """An answer as named parts that can be compared one by one: status, headers, body leaves.

    A body that is no JSON is one part; its size is a part of its own, ids counted as one sign.
    """
    ids = list(ids)
    found: dict[str, Any] = {"status": answer.status}
    for name, value in headers(answer, ids).items():
        if name != "content-length":
            found[f"header {name}"] = value
    text = without(decode(answer.body), ids)
    data = parsed(answer)
    if data is None:
        found["body"] = _HEX.sub("<id>", text)
    else:
        for path, leaf in leaves(data):
            text_leaf = isinstance(leaf, str) or str(leaf) in ids
            found[f"body {path}"] = without(str(leaf), ids) if text_leaf else leaf
    found["size"] = len(text)
    return found


def told_apart(
    known: dict[str, Any],
    unknown: tuple[dict[str, Any], dict[str, Any]],
    aside: Iterable[str] = (),
) -> list[str]:
    """The parts in which what is there differs from what is not, the most telling first.

    What differs between the two that are not there varies by itself and is set aside, like `aside`.
    """
    varying = {*differences(*unknown), *aside}
    told = [name for name in differences(known, unknown[0]) if name not in varying]
    if any(name.startswith("body") for name in varying):
        return [name for name in told if name != "size"]
    return told


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The parts that are not alike, by name; the size comes last, because others explain it."""
    names = list(one) + [name for name in other if name not in one]
    names.sort(key=lambda name: name == "size")
    missing = object()
    return [name for name in names if one.get(name, missing) != other.get(name, missing)]
