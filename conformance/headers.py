"""Reading what an answer's header fields say: caching, cookies, the URLs it names. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from conformance.model import Answer, decode

_URL = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?/[^\s\"'<>]+", re.I)


def combined(answer: Answer, name: str) -> str:
    """All fields of that name as one (RFC 9110 section 5.2); empty if there is none."""
    wanted = name.lower()
    return ", ".join(value for key, value in answer.headers if key.lower() == wanted)


def names_in(answer: Answer, name: str) -> frozenset[str]:
    """The comma-separated members of a field in lower case, like those of Vary."""
    members = (one.strip().lower() for one in combined(answer, name).split(","))
    return frozenset(one for one in members if one)


def directives(answer: Answer, name: str = "Cache-Control") -> dict[str, str]:
    """The directives of a caching field with their arguments (RFC 9111 section 5.2)."""
    found = {}
    for part in combined(answer, name).split(","):
        key, _, argument = part.partition("=")
        if key.strip():
            found[key.strip().lower()] = argument.strip().strip('"')
    return found


@dataclass(frozen=True)
class Cookie:
    """A cookie as it was set; attributes by their names in lower case (RFC 6265bis 4.1)."""

    name: str
    value: str
    attributes: Mapping[str, str]


def cookies(answer: Answer) -> list[Cookie]:
    """The cookies that an answer sets; those that it deletes by an empty value are left out."""
    found = []
    for name, value in answer.headers:
        if name.lower() != "set-cookie":
            continue
        pair, *rest = value.split(";")
        key, _, content = pair.partition("=")
        attributes = {}
        for one in rest:
            attribute, _, argument = one.partition("=")
            attributes[attribute.strip().lower()] = argument.strip()
        if content.strip().strip('"'):
            found.append(Cookie(key.strip(), content.strip(), attributes))
    return found


def urls(answer: Answer) -> Iterator[tuple[str, str]]:
    """Every URL that an answer names, with where: Location, Link, Refresh, or the body."""
    for name in ("Location", "Content-Location", "Refresh", "Link"):
        for url in _URL.findall(combined(answer, name)):
            yield name, url
    for url in _URL.findall(decode(answer.body)):
        yield "the body", url
