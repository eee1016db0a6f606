"""Redaction: secrets are taken out of everything before it becomes evidence."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

_SENSITIVE_HEADERS = frozenset(
    {"authorization", "cookie", "set-cookie", "proxy-authorization", "x-csrf-token", "x-api-key"}
)
MASKED = "[redacted]"
_SHORTEST = 6


class Redactor:
    """Knows every secret of a run, in the encodings in which it may turn up."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: set[str] = set()
        self._by_start: dict[str, list[str]] = {}
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Redact `secret` from now on; very short values would blank out ordinary text."""
        if len(secret) < _SHORTEST or secret in self._forms:
            return
        raw = secret.encode()
        forms = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
        forms |= {raw.hex()}
        # Inside a longer text, base64 of the secret starts at one of three offsets.
        for offset in range(3):
            encoded = base64.b64encode(b"\0" * offset + raw).decode()
            core = encoded[(0, 2, 3)[offset] :].rstrip("=")[:-1]
            if len(core) >= _SHORTEST + 2:
                forms |= {core, core.replace("+", "-").replace("/", "_")}
        # A run learns thousands of secrets, and one pattern of them all would be slow to make and
        # slow to match; how a form starts leads to it at once.
        for form in forms - self._forms:
            alike = self._by_start.setdefault(form[:_SHORTEST], [])
            alike.append(form)
            alike.sort(key=len, reverse=True)
        self._forms |= forms

    def text(self, text: str) -> str:
        """`text` without any secret."""
        starts = self._by_start
        parts: list[str] = []
        place = kept = 0
        last = len(text) - _SHORTEST if starts else -1
        while place <= last:
            for form in starts.get(text[place : place + _SHORTEST], ()):
                if text.startswith(form, place):
                    parts += (text[kept:place], MASKED)
                    place += len(form)
                    kept = place
                    break
            else:
                place += 1
        return "".join((*parts, text[kept:])) if parts else text

    def tree(self, value: Any) -> Any:
        """JSON without any secret in its texts."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.tree(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.tree(item) for item in value]
        return value

    def headers(self, headers: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Headers by name; those that carry credentials keep their scheme only."""
        found: dict[str, str] = {}
        for name, value in headers:
            if name.lower() in _SENSITIVE_HEADERS:
                scheme, _, rest = value.partition(" ")
                shown = f"{scheme} {MASKED}" if rest and scheme.isalpha() else MASKED
            else:
                shown = self.text(value)
            found[name] = f"{found[name]}, {shown}" if name in found else shown
        return found
