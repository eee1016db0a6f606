"""Redaction: secrets are taken out of everything before it becomes evidence."""

from __future__ import annotations

import base64
import binascii
import contextlib
import html
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, quote_plus, unquote

_SENSITIVE_HEADERS = re.compile(
    r"authorization|cookie|token|secret|passw|api[-_]?key|session[-_]?id", re.IGNORECASE
)
MASKED = "[redacted]"
_MASK = MASKED.encode()
_SHORTEST = 6

_SHORTEST_OVERHEARD = 16
_TOKENS = re.compile(rb'_token"\s*:\s*"([^"\\]{16,})"')
_JWT_START = b"eyJ"  # base64 of `{"`
_JWTS = re.compile(rb"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}")

_BLOCKS: tuple[tuple[int, Literal["Q", "I"]], ...] = ((8, "Q"), (4, "I"))
"""Bytes in a block, and how a memoryview reads one as a number; greatest first."""


class Redactor:
    """Knows every secret of a run, in the encodings in which it may turn up.

    `told` is called with every secret that is new to it.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.told: Callable[[str], None] | None = None
        self._secrets: set[str] = set()
        self._forms: set[bytes] = set()
        # A text is read in blocks of a few bytes, each as one number. Of a form that is at least
        # 2n - 1 bytes long some whole block of n lies in every occurrence, beginning at one of n
        # neighbouring places of the form: those lead to it.
        self._known: dict[int, dict[int, list[tuple[bytes, int]]]] = {
            size: {} for size, _ in _BLOCKS
        }
        self._tiny: list[bytes] = []
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Redact `secret` from now on; very short values would blank out ordinary text."""
        if len(secret) < _SHORTEST or secret in self._secrets:
            return
        self._secrets.add(secret)
        for form in set(_forms(secret)) - self._forms:
            self._learn(form)
        if self.told is not None:
            self.told(secret)

    def _learn(self, form: bytes) -> None:
        self._forms.add(form)
        size = next((size for size, _ in _BLOCKS if len(form) >= 2 * size - 1), None)
        if size is None:
            self._tiny.append(form)
            return
        # How forms begin is less telling than how they end: many a token begins as all others do.
        last = len(form) - size
        for place in range(last - size + 1, last + 1):
            block = int.from_bytes(form[place : place + size], sys.byteorder)
            self._known[size].setdefault(block, []).append((form, place))

    def overhear(self, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Learn the credentials that an answer hands out, whoever asked for them, and why.

        Those are the cookies that it sets, what RFC 6749 calls a token, and JSON web tokens.
        """
        for name, value in headers:
            if name.lower() == "set-cookie":
                given = value.partition("=")[2].partition(";")[0].strip(' "')
                for one in {given, unquote(given)}:
                    if len(one) >= _SHORTEST_OVERHEARD:
                        self.add(one)
        if b"_token" in body:
            for token in _TOKENS.findall(body):
                self.add(token.decode("utf-8", "replace"))
        if _JWT_START in body:
            for token in _JWTS.findall(body):
                self.add(token.decode())

    def text(self, text: str) -> str:
        """`text` without any secret."""
        if len(text) < _SHORTEST:
            return text
        data = text.encode("utf-8", "surrogatepass")
        masked = self.binary(data)
        if masked is data:
            return text
        try:
            return masked.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return masked.decode("utf-8", "replace")

    def binary(self, data: bytes) -> bytes:
        """`data` without any secret; the very same object if it holds none."""
        found = sorted(self._occurrences(data))
        if not found:
            return data
        spans = [found[0]]
        for start, end in found[1:]:
            if start < spans[-1][1]:
                spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
            else:
                spans.append((start, end))
        around = [(0, 0), *spans, (len(data), len(data))]
        return _MASK.join(data[end:start] for (_, end), (start, _) in pairwise(around))

    def _occurrences(self, data: bytes) -> Iterator[tuple[int, int]]:
        padded = memoryview(data + b"\0" * (-len(data) % _BLOCKS[0][0]))
        for size, code in _BLOCKS:
            known = self._known[size]
            blocks = padded.cast(code)
            if not known or known.keys().isdisjoint(blocks):
                continue
            for number, block in enumerate(blocks):
                for form, place in known.get(block, ()):
                    start = number * size - place
                    if start >= 0 and data.startswith(form, start):
                        yield start, start + len(form)
        for form in self._tiny:
            start = data.find(form)
            while start >= 0:
                yield start, start + len(form)
                start = data.find(form, start + 1)

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
            if _SENSITIVE_HEADERS.search(name):
                scheme, _, rest = value.partition(" ")
                shown = f"{scheme} {MASKED}" if rest and scheme.isalpha() else MASKED
            else:
                shown = self.text(value)
            key = self.text(name)
            found[key] = f"{found[key]}, {shown}" if key in found else shown
        return found


class Shared:
    """What the processes of a run learn of secrets: a file in the folder that is private to them.

    Each tells the others at once, and hears what they told before it writes evidence.
    """

    def __init__(self, folder: Path, redactor: Redactor) -> None:
        self._redactor = redactor
        self._path = folder / "secrets.jsonl"
        self._heard = 0
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        redactor.told = self._tell
        self.hear()

    def _tell(self, secret: str) -> None:
        os.write(self._file, json.dumps(secret).encode() + b"\n")

    def hear(self) -> bool:
        """Learn what others told; whether there was anything that might be new."""
        size = os.fstat(self._file).st_size
        if size == self._heard:
            return False
        lines = os.pread(self._file, size - self._heard, self._heard)
        whole = lines[: lines.rfind(b"\n") + 1]
        self._heard += len(whole)
        self._redactor.told = None  # what was heard need not be told again
        try:
            for line in whole.splitlines():
                self._redactor.add(json.loads(line))
        finally:
            self._redactor.told = self._tell
        return True

    def close(self) -> None:
        self._redactor.told = None
        os.close(self._file)


# --- the forms of a secret ---------------------------------------------------------------------


def _forms(secret: str) -> Iterator[bytes]:
    """How a secret may be written: as it is, escaped, and encoded."""
    raw = secret.encode("utf-8", "surrogatepass")
    for text in _texts(secret):
        yield text.encode("utf-8", "surrogatepass")
    yield from _encoded(raw)
    if not secret.isascii():
        yield raw.decode("latin-1").encode()
        for other in ("latin-1", "utf-16-le", "utf-16-be"):
            with contextlib.suppress(UnicodeEncodeError):
                yield secret.encode(other)
    for inner in _inside(secret):
        if len(inner) >= _SHORTEST:
            yield inner
            yield inner.decode("latin-1").encode()
            yield from _encoded(inner)


def _texts(secret: str) -> Iterator[str]:
    yield secret
    yield repr(secret)[1:-1]
    yield repr(secret.encode("utf-8", "surrogatepass"))[2:-1]
    for written in _in_urls(secret):
        yield written
        yield _lower(written)
    yield html.escape(secret)
    yield html.escape(secret, quote=False)
    yield html.escape(secret, quote=False).replace('"', "&#34;").replace("'", "&#39;")
    yield from _in_json(secret)


def _lower(text: str) -> str:
    """`text` with the digits of its percent-encoding in lower case."""
    return re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), text)


def _in_urls(secret: str) -> Iterator[str]:
    plain = secret.encode("utf-8", "surrogatepass")
    for once in (quote(plain, safe=""), quote(plain), quote_plus(plain)):
        yield once
        yield quote(once, safe="")
    if not secret.isascii():
        yield quote(secret, safe="", encoding="latin-1", errors="replace")


def _in_json(secret: str) -> Iterator[str]:
    """JSON's ways: as few escapes as may be, ASCII only, safe inside HTML, and all escaped."""
    for written in (json.dumps(secret, ensure_ascii=False)[1:-1], json.dumps(secret)[1:-1]):
        guarded = "".join(
            f"\\u{ord(sign):04x}" if sign in "<>&'+`\u2028\u2029" else sign for sign in written
        )
        for one in (written, guarded):
            yield one
            yield one.replace("/", "\\/")
            yield re.sub(r"\\u[0-9a-f]{4}", lambda found: "\\u" + found[0][2:].upper(), one)
    units = secret.encode("utf-16-be", "surrogatepass").hex()
    whole = "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
    yield whole
    yield "\\u" + "\\u".join(part.upper() for part in whole.split("\\u")[1:])


def _encoded(raw: bytes) -> Iterator[bytes]:
    """Hexadecimal digits, and base64 as it stands inside base64 of a longer text."""
    digits = raw.hex()
    yield digits.encode()
    yield digits.upper().encode()
    for offset in range(3):
        whole = base64.b64encode(b"\0" * offset + raw).decode()
        # What neighbours the secret takes part in the first signs and in the last.
        core = whole[(0, 2, 3)[offset] :].rstrip("=")[:-1]
        if len(core) >= _SHORTEST + 2:
            written = quote(core, safe="")
            safe = core.replace("+", "-").replace("/", "_")
            for one in (core, safe, core.replace("/", "\\/"), written, _lower(written)):
                yield one.encode()


def _inside(secret: str) -> Iterator[bytes]:
    """What a secret stands for: the bytes of a base32 seed (RFC 6238), the parts of a PEM key."""
    if "-----BEGIN " in secret:
        lines = [line for line in secret.split() if re.fullmatch("[A-Za-z0-9+/=]{16,}", line)]
        yield from (line.encode() for line in lines)
        yield "".join(lines).encode()
        yield from _decoded(base64.b64decode, "".join(lines))
    elif re.fullmatch("[A-Za-z2-7]{16,}=*", secret):
        bare = secret.rstrip("=").upper()
        yield bare.encode()
        yield bare.lower().encode()
        yield " ".join(bare[at : at + 4] for at in range(0, len(bare), 4)).encode()
        yield from _decoded(base64.b32decode, bare + "=" * (-len(bare) % 8))


def _decoded(decode: Callable[[str], bytes], text: str) -> Iterator[bytes]:
    try:
        yield decode(text)
    except (binascii.Error, ValueError):
        return
