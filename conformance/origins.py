"""Origins that nobody allowed, made from those that somebody did (RFC 6454). Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

UNRELATED = "https://wardproof.example"
ANOTHER = "https://wardproof-other.example"
_MOST_ALLOWED = 2


def origin_of(url: str) -> str:
    """The origin of a URL as a browser writes it: scheme, host and a port that is not usual."""
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    port = "" if parts.port in {None, usual} else f":{parts.port}"
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


def foreign(own: str, allowed: Sequence[str]) -> dict[str, str]:
    """Origins that are neither `own` nor `allowed`, by what they have in common with them."""
    found = {"unrelated": UNRELATED, "null": "null"}
    known = {own, *allowed}
    for place, base in enumerate((own, *allowed[:_MOST_ALLOWED])):
        like = f"allowed-{place}" if place else "own"
        for name, origin in _alike(base):
            if origin not in known:
                known.add(origin)
                found[f"{like}-{name}"] = origin
    return found


def _alike(base: str) -> Iterator[tuple[str, str]]:
    """What a careless comparison takes for `base`: by its end, its beginning, its pattern."""
    parts = urlsplit(base)
    scheme, netloc, host = parts.scheme, parts.netloc, parts.hostname or ""
    port = netloc.removeprefix(host)
    if scheme == "https":
        yield "over-http", f"http://{netloc}"
    yield "ending", f"{scheme}://evil-{netloc}"
    yield "beginning", f"{scheme}://{host}.evil.example"
    yield "beginning-in-capitals", f"{scheme}://{host.upper()}.EVIL.EXAMPLE"
    yield "underscore", f"{scheme}://{host}_.evil.example"
    yield "odd-character", f"{scheme}://{host}%60.evil.example"
    yield "user-part", f"{scheme}://{host}@evil.example"
    yield "sub-domain", f"{scheme}://evil.{netloc}"
    if not _is_address(host) and host.count(".") >= 2:
        yield "super-domain", f"{scheme}://{host.split('.', 1)[1]}{port}"
    if "." in host:
        yield "any-character", f"{scheme}://{host.replace('.', 'x', 1)}{port}"
    yield "other-port", f"{scheme}://{host}:{8444 if port == ':8443' else 8443}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
