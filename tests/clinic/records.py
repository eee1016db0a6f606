"""What the clinic keeps, and who may come near it."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from dataclasses import dataclass, field
from itertools import count
from typing import Annotated, Any

from fastapi import Header, HTTPException
from pydantic import BeforeValidator

PASSWORD = "clinic-password"
ROLES = ("doctor", "clerk")
TENANTS = ("east", "west")
RECENT = 20
RESETS = 4
MINUTE = 60.0


def _storable(value: object) -> object:
    """The value, if it can be told again as JSON: no half of a character, no infinite number."""
    if not isinstance(value, bytes):
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return value


Body = Annotated[dict[str, Any], BeforeValidator(_storable)]
Anything = Annotated[Any, BeforeValidator(_storable)]
Auth = Annotated[str | None, Header(alias="authorization")]
Tenant = Annotated[str | None, Header(alias="x-tenant")]


@dataclass
class Records:
    """The state of one clinic and its faults."""

    faults: frozenset[str]
    password: str = PASSWORD
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    patients: dict[str, Body] = field(default_factory=dict)
    notes: dict[str, Body] = field(default_factory=dict)
    appointments: dict[str, Body] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=lambda: count(1))
    logins: int = 0
    asked: dict[str, list[float]] = field(default_factory=dict)

    def log_in(self, body: Body) -> str:
        """A new token for `role@tenant` and the password of everybody."""
        role, _, tenant = str(body.get("user")).partition("@")
        if role not in ROLES or tenant not in TENANTS or body.get("password") != self.password:
            raise HTTPException(401, "wrong")
        token = secrets.token_urlsafe(24)
        self.tokens[token] = (role, tenant)
        self.logins += 1
        return token

    def who(self, authorization: str | None, named: str | None = None) -> tuple[str, str]:
        """Role and tenant of a token; a request that names another tenant is refused."""
        found = self.tokens.get((authorization or "").removeprefix("Bearer "))
        if found is None:
            raise HTTPException(401, "log in first")
        role, tenant = found
        if named not in {None, tenant}:
            if "tenant-header" not in self.faults:
                raise HTTPException(404, "not found")
            tenant = str(named)
        return role, tenant

    def only(self, role: str, *wanted: str) -> None:
        """Refuse every role but those."""
        if role not in wanted:
            raise HTTPException(400 if "wrong-refusal" in self.faults else 403, "not your role")

    def patient(self, identity: str, tenant: str) -> Body:
        """The patient, for somebody of `tenant`."""
        found = self.patients.get(identity)
        if found is None:
            raise HTTPException(404, "not found")
        if found["tenant"] != tenant and "foreign-read" not in self.faults:
            if "named-in-error" in self.faults:
                raise HTTPException(404, f"{found.get('name')} is not your patient")
            raise HTTPException(403 if "told-apart" in self.faults else 404, "not found")
        return found

    def of(self, kept: dict[str, Body], tenant: str) -> list[Body]:
        """The records of a tenant, oldest first."""
        return [one for one in kept.values() if one["tenant"] == tenant]

    def limit(self, who: str, most: int) -> None:
        """Refuse whoever asks more than `most` times in a minute."""
        now = time.monotonic()
        asked = [moment for moment in self.asked.get(who, []) if moment > now - MINUTE]
        self.asked[who] = asked
        if len(asked) >= most:
            told = {"Retry-After": str(round(MINUTE))}
            raise HTTPException(429, "later", None if "no-retry-after" in self.faults else told)
        asked.append(now)

    def identity(self) -> str:
        """An id for a new appointment."""
        if "sequential-ids" in self.faults:
            return f"A{next(self.numbers):06d}"
        return str(uuid.uuid4())
