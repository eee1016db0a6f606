"""Other ways to write a request: spellings of its path, headers that name it, versions. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_VERSION = re.compile(r"/v(\d+)(?=/|$)")
_PREFIXES = (
    "/v0", "/v1", "/v2", "/api", "/api/v1", "/internal", "/admin", "/beta", "/legacy",
)  # fmt: skip


@dataclass(frozen=True)
class Spelling:
    """A path template written otherwise, or headers that are to stand for it."""

    says: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


def spellings(path: str) -> Iterator[Spelling]:
    """Ways to write `path` that servers, frameworks and proxies may read as the same.

    RFC 3986 section 6 says which are the same; the others are known from path confusion between
    a proxy that decides and a server that answers (CWE-436, CWE-41). Plain dot segments are not
    among them, because clients remove them before they send.
    """
    head, _, tail = path.lstrip("/").partition("/")
    rest = f"/{tail}" if tail else ""
    told = {path}
    for says, spelt in (
        ("a trailing slash", f"{path}/"),
        ("a doubled slash in front", f"/{path}"),
        ("a doubled slash inside", f"/{head}/{rest or '/'}"),
        ("capitals", f"/{head.upper()}{rest}"),
        ("an encoded letter", f"/%{ord(head[:1] or '/'):02x}{head[1:]}{rest}"),
        ("an encoded slash", f"/{head}%2f{tail}" if tail else f"/%2f{head}"),
        ("an encoded dot segment", f"/%2e/{head}{rest}"),
        ("an encoded way back", f"/wardproof/%2e%2e/{head}{rest}"),
        ("a way back behind a semicolon", f"/wardproof/..;/{head}{rest}"),
        ("a parameter of the first segment", f"/{head};x=y{rest}"),
        ("a parameter at the end", f"{path};x=y"),
        (".json at the end", f"{path}.json"),
        ("a space at the end", f"{path}%20"),
        ("a tab at the end", f"{path}%09"),
        ("an empty query", f"{path}?"),
    ):
        if spelt not in told:
            told.add(spelt)
            yield Spelling(says, spelt)


def aliases(path: str) -> Iterator[Spelling]:
    """Headers by which proxies name the path, the host or the caller, and other formats."""
    named = {"X-Original-URL": path, "X-Rewrite-URL": path}
    yield Spelling("X-Original-URL and X-Rewrite-URL on /", "/", named)
    inside = {
        "X-Forwarded-For": "127.0.0.1",
        "X-Real-IP": "127.0.0.1",
        "X-Forwarded-Host": "localhost",
        "X-Forwarded-Proto": "https",
        "X-Custom-IP-Authorization": "127.0.0.1",
    }
    yield Spelling("headers that name the inside", path, inside)
    yield Spelling("the host localhost", path, {"Host": "localhost"})
    for kind in ("application/xml", "text/csv"):
        yield Spelling(f"Accept: {kind}", path, {"Accept": kind})
    yield Spelling("format=csv", path, query={"format": "csv", "_format": "csv"})


def versions(path: str, base: str = "") -> Iterator[Spelling]:
    """Other versions of `path`: with a prefix, or with another version where it names one.

    `base` is the path of the base URL, for the versions that it names.
    """
    for prefix in _PREFIXES:
        yield Spelling(f"{prefix} in front", prefix + path)
    for where in (path, base):
        for match in _VERSION.finditer(where):
            number = int(match.group(1))
            for other in sorted({0, number - 1, number + 1} - {number, -1}):
                spelt = f"{where[: match.start()]}/v{other}{where[match.end() :]}"
                yield Spelling(
                    f"/v{other} for /v{number}", spelt if where is path else spelt + path
                )


ONCE = frozenset({"OPTIONS", "TRACE"})
"""Methods that servers answer for themselves: one path of each resource is enough."""

METHODS = ("GET", "OPTIONS", "TRACE", "POST", "PATCH", "PUT", "DELETE")
"""The methods that are tried; HEAD tells what GET would and no more (RFC 9110 section 9.3.2)."""

OVERRIDES = ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method")
