"""Canaries: unique synthetic markers that say whose data they are, wherever they turn up."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

# Consonants only: names, notes and e-mail addresses accept them, and no word looks like one.
LETTERS = "bcdfghjkmnpqrstvwxz"
_BASE = len(LETTERS)
_SERIAL = 7
_TOKEN = re.compile(rf"wq([{LETTERS}]{{2}})([{LETTERS}]{{4}})([{LETTERS}]{{7}})([{LETTERS}]{{3}})")
_NUMBER = re.compile(r"9707\d{8}")


@dataclass(frozen=True)
class Planted:
    """Where a marker was put: tenant, resource, field, and the instance (None if not ours)."""

    tenant: str
    resource: str
    field: str
    instance: str | None


def _letters(number: int, width: int) -> str:
    text = ""
    for _ in range(width):
        number, digit = divmod(number, _BASE)
        text += LETTERS[digit]
    return text


def _hashed(text: str, width: int) -> str:
    return _letters(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"), width)


def _codes(names: Iterable[str], width: int) -> dict[str, str]:
    """A code for each name: its hash, hashed on where two names would share one."""
    found: dict[str, str] = {}
    for name in sorted(set(names)):
        text, code = name, _hashed(name, width)
        while code in found.values():
            text += "+"
            code = _hashed(text, width)
        found[name] = code
    return found


def _check(body: str) -> str:
    return _hashed("canary " + body, 3)


class Mint:
    """Makes canaries for one run and reads them back.

    A token names tenant and resource.field in itself, so one planted by another worker or an
    earlier run is still known for what it is; the instance is known for this run's own.
    """

    def __init__(self, tenants: Iterable[str], fields: Iterable[tuple[str, str]], nonce: int):
        self._tenant_codes = _codes(tenants, 2)
        self._field_codes = _codes((f"{r}.{f}" for r, f in fields), 4)
        self._tenants = {code: name for name, code in self._tenant_codes.items()}
        self._fields = {code: name for name, code in self._field_codes.items()}
        self._serial = nonce % _BASE**_SERIAL
        self._number = nonce % 10**8
        self._planted: dict[str, Planted] = {}
        self._literals: list[str] = []

    def token(self, planted: Planted) -> str:
        """A new letters-only marker for that place."""
        self._serial = (self._serial + 1) % _BASE**_SERIAL
        body = self.place(planted.tenant, f"{planted.resource}.{planted.field}")
        body += _letters(self._serial, _SERIAL)
        token = "wq" + body + _check(body)
        self._planted[token] = planted
        return token

    def place(self, tenant: str, name: str) -> str:
        """Six letters after "wq" that all tokens of a tenant in one resource.field `name` have."""
        tenant_code = self._tenant_codes.get(tenant) or _hashed(tenant, 2)
        return tenant_code + (self._field_codes.get(name) or _hashed(name, 4))

    def number(self, planted: Planted) -> str:
        """A new 12-digit marker, for phones and identifiers."""
        self._number = (self._number + 1) % 10**8
        number = f"9707{self._number:08d}"
        self._planted[number] = planted
        return number

    def known(self, text: str, planted: Planted) -> None:
        """Treat `text`, a value that the target file says is unique, as a marker."""
        if len(text) >= 4:
            self._planted[text.lower()] = planted
            self._literals.append(text.lower())

    def never_planted(self, tenant: str, resource: str, field: str) -> str:
        """A well-formed marker that stands in no record."""
        token = self.token(Planted(tenant, resource, field, None))
        del self._planted[token]
        return token

    def belongs(self, tokens: Iterable[str], instance: str) -> None:
        """These markers turned out to be in `instance`."""
        for token in tokens:
            self._planted[token] = replace(self._planted[token], instance=instance)

    @property
    def planted(self) -> Mapping[str, Planted]:
        return self._planted

    def find(self, *texts: str) -> dict[str, Planted]:
        """Every marker in `texts`, whatever its case, with where it was planted."""
        found: dict[str, Planted] = {}
        for text in texts:
            lower = text.lower()
            for match in _TOKEN.finditer(lower):
                planted = self._read(match)
                if planted:
                    found[match.group(0)] = planted
            for number in _NUMBER.findall(text):
                if number in self._planted:
                    found[number] = self._planted[number]
            for literal in self._literals:
                if literal in lower:
                    found[literal] = self._planted[literal]
        return found

    def _read(self, match: re.Match[str]) -> Planted | None:
        known = self._planted.get(match.group(0))
        if known:
            return known
        tenant_code, field_code, serial, check = match.groups()
        if check != _check(tenant_code + field_code + serial):
            return None
        tenant, field = self._tenants.get(tenant_code), self._fields.get(field_code)
        if tenant is None or field is None:
            return None
        resource, _, name = field.partition(".")
        return Planted(tenant, resource, name, None)
