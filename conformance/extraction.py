"""Taking values out of answers: JSONPath (RFC 9535), headers, cookies, HTML form fields."""

from __future__ import annotations

import re
from functools import lru_cache
from html.parser import HTMLParser
from typing import Any

from jsonpath_rfc9535 import JSONPathQuery
from jsonpath_rfc9535 import compile as compile_path

from conformance.comparison import parsed
from conformance.model import Answer, decode


@lru_cache(maxsize=1024)
def _compiled(path: str) -> JSONPathQuery:
    return compile_path(path)


def values(place: str, data: Any) -> list[Any]:
    """Everything that a JSONPath finds in parsed JSON; empty when there is nothing.

    Of what ` ~ REGEX` follows, its first group (or all that fits) in each value that fits.
    """
    if data is None:
        return []
    path, _, pattern = place.partition(" ~ ")
    found = list(_compiled(path.strip()).find(data).values())
    if not pattern:
        return found
    return [part for value in found if (part := matching(value, pattern.strip())) is not None]


class _Inputs(HTMLParser):
    def __init__(self, wanted: str) -> None:
        super().__init__()
        self.wanted, self.value = wanted, None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag in {"input", "meta"} and found.get("name") == self.wanted:
            self.value = found.get("value") or found.get("content")

    value: str | None


def extract(source: str, answer: Answer) -> Any:
    """The first value at `source` (see the target file's Extraction), None if there is none."""
    place, _, pattern = source.partition(" ~ ")
    place = place.strip()
    value: Any = None
    if place.startswith("$"):
        value = next(iter(values(place, parsed(answer))), None)
    elif place == "body":
        value = decode(answer.body)
    else:
        kind, _, name = place.partition(":")
        if kind == "header":
            value = answer.header(name)
        elif kind == "cookie":
            value = _cookie(answer, name)
        elif kind == "input":
            reader = _Inputs(name)
            reader.feed(decode(answer.body))
            value = reader.value
    return matching(value, pattern.strip())


def matching(value: Any, pattern: str) -> Any:
    """What the pattern takes of a value: its first group if it has one. Without one, all."""
    if value is None or not pattern:
        return value
    match = re.search(pattern, str(value))
    if match is None:
        return None
    return match.group(1) if match.groups() else match.group(0)


def _cookie(answer: Answer, name: str) -> str | None:
    for header, value in answer.headers:
        key, _, rest = value.partition("=")
        if header.lower() == "set-cookie" and key.strip() == name:
            return rest.split(";", 1)[0].strip()
    return None
