"""What the gatehouse knows of accounts, sessions, failed logins and refresh tokens."""

from __future__ import annotations

import secrets
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field

import pyotp
from fastapi import HTTPException, Request

from tests.gatehouse import tokens
from tests.gatehouse.tokens import Claims

PASSWORD = "gatehouse-password"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
ATTEMPTS, PER_SOURCE = 3, 40
STEP = 30
COOKIE = "gate"


@dataclass
class Account:
    """Somebody who may log in; `totp` is the secret of the second factor."""

    name: str
    passwords: list[str]
    tenant: str
    roles: list[str]
    totp: str | None = None
    disabled: bool = False
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    codes: set[int] = field(default_factory=set)


@dataclass
class Caller:
    """Who sends a request, in which session, with the roles and the tenant that count for it."""

    account: Account
    session: str
    roles: list[str]
    tenant: str

    def only(self, *wanted: str) -> None:
        """Refuse every role but those."""
        if not set(wanted) & set(self.roles):
            raise HTTPException(403, "not your role")


@dataclass
class Open:
    """A session, for as long as it is open."""

    account: Account
    open: bool = True


class House:
    """The state of one gatehouse and its faults."""

    def __init__(self, faults: frozenset[str]) -> None:
        self.faults = faults
        self.accounts: dict[str, Account] = {}
        self.sessions: dict[str, Open] = {}
        self.cookies: dict[str, str] = {}
        self.pages: dict[str, str] = {}
        self.halves: dict[str, Account] = {}
        self.fresh: dict[str, str] = {}
        self.spent: dict[str, str] = {}
        self.failed: Counter[str] = Counter()
        for name in ("nurse", "nurse2", "nurse3", "clerk", "chief"):
            for tenant in ("east", "west"):
                totp = SECRET if name == "chief" else None
                self.add(f"{name}.{tenant}", PASSWORD, tenant, [name.rstrip("23")], totp)

    def add(
        self, name: str, password: str, tenant: str, roles: list[str], totp: str | None
    ) -> Account:
        """A new account."""
        made = Account(name, [password], tenant, roles, totp)
        self.accounts[name.strip().lower()] = made
        return made

    def by_id(self, identity: str) -> Account:
        """The account with that id."""
        for account in self.accounts.values():
            if account.id == identity:
                return account
        raise HTTPException(404, "not found")

    # --- logging in ---------------------------------------------------------------------------

    def password(self, body: Claims, request: Request) -> Account:
        """Whose name and password these are; failures in a row lock the name and the address."""
        faults = self.faults
        if "strict" in faults and set(body) - {"user", "password", "code"}:
            raise HTTPException(422, "unknown fields")
        said = str(body.get("user"))
        known = self.accounts.get(said.strip().lower())
        source = request.client.host if request.client else ""
        counted = said if "counts-spellings" in faults else said.strip().lower()
        if "counts-by-address" in faults:
            counted += request.headers.get("x-forwarded-for", source)
        locked = self.failed[counted] >= ATTEMPTS and "no-lock-out" not in faults
        locked &= known is not None or "locks-told" not in faults
        busy = self.failed[source] >= PER_SOURCE and "counts-accounts-only" not in faults
        if locked or busy:
            raise HTTPException(429, "later", {"Retry-After": "60"})
        if known is None and "names-told" in faults:
            raise HTTPException(404, "nobody has that name")
        if known is None or known.disabled or body.get("password") not in known.passwords:
            if known is not None and "slower-for-names" in faults:
                time.sleep(0.05)
            self.failed[counted] += 1
            self.failed[source] += 1
            raise HTTPException(401, "wrong")
        self.failed.pop(counted, None)
        return known

    def code(self, account: Account, code: object) -> None:
        """Refuse a code that is wrong or was used (RFC 6238 section 5.2), and one too many."""
        if "code-ignored" in self.faults or account.totp is None:
            return
        tries = f"codes of {account.id}"
        if self.failed[tries] >= ATTEMPTS and "codes-without-end" not in self.faults:
            raise HTTPException(429, "later", {"Retry-After": "60"})
        now = int(time.time()) // STEP
        fitting = [
            step
            for step in (now - 1, now, now + 1)
            if pyotp.TOTP(account.totp).at(step * STEP) == code
        ]
        if not fitting or (fitting[0] in account.codes and "code-again" not in self.faults):
            self.failed[tries] += 1
            raise HTTPException(401, "wrong")
        self.failed.pop(tries, None)
        account.codes.add(fitting[0])

    def half(self, account: Account) -> Claims:
        """What the first of two steps gives."""
        half = secrets.token_urlsafe(24)
        self.halves[half] = account
        return {"half": half}

    def session(self, account: Account) -> str:
        """A new session."""
        made = uuid.uuid4().hex
        self.sessions[made] = Open(account)
        return made

    def give(self, session: str, account: Account) -> Claims:
        """An access token and a refresh token for a session."""
        refresh = secrets.token_urlsafe(24)
        self.fresh[refresh] = session
        claims: Claims = {"sub": account.id, "sid": session, "use": "access"}
        claims |= {"tenant": account.tenant, "roles": account.roles}
        return {"token": tokens.signed(claims, self.faults), "refresh_token": refresh}

    def renew(self, refresh: str, caller: Caller | None) -> Claims:
        """New tokens for a refresh token, which counts once; sent again it ends its session."""
        faults = self.faults
        if "refresh-again" in faults:
            session = self.fresh.get(refresh)
        elif "refresh-race" in faults:
            session = self.fresh.get(refresh)
            time.sleep(0.03)
            self.fresh.pop(refresh, None)
        else:
            session = self.fresh.pop(refresh, None)
        if session is None:
            if refresh in self.spent and "reuse-unnoticed" not in faults:
                self.sessions[self.spent[refresh]].open = False
            raise HTTPException(401, "no such token")
        self.spent[refresh] = session
        kept = self.sessions[session]
        if "refresh-outlives" in faults:
            kept.open = True
        if not kept.open or (kept.account.disabled and "disabled-goes-on" not in faults):
            raise HTTPException(401, "no such token")
        account = kept.account
        if caller is not None and "refresh-for-caller" in faults:
            session, account = caller.session, caller.account
        return self.give(session, account)

    def end_all(self, account: Account) -> None:
        """End every session of an account."""
        for session in self.sessions.values():
            if session.account is account:
                session.open = False

    # --- coming in ----------------------------------------------------------------------------

    def who(self, request: Request) -> Caller:
        """Who sends a request; 401 and a cookie for whoever does not say."""
        found = self.told(request)
        if found is not None:
            return found
        cookie = f"{COOKIE}={secrets.token_urlsafe(24)}; HttpOnly; Secure; SameSite=Strict; Path=/"
        raise HTTPException(401, "log in first", {"Set-Cookie": cookie})

    def told(self, request: Request) -> Caller | None:
        """Who sends a request, by its header or else by its cookie."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        cookie = request.cookies.get(COOKIE, "")
        if value and (scheme == "Bearer" or "any-scheme" in self.faults):
            found = self._by_token(value)
        else:
            found = self._in(self.cookies.get(cookie))
            if found is not None:
                self._by_its_page(request, found.session)
        named = self.accounts.get(request.headers.get("x-user", ""))
        if found is not None and named is not None and "believes-user" in self.faults:
            found.account, found.roles, found.tenant = named, named.roles, named.tenant
        if found is None and value and "open-on-garbage" in self.faults:
            account = self.accounts["nurse.east"]
            return Caller(account, "", account.roles, account.tenant)
        return found

    def _by_its_page(self, request: Request, session: str) -> None:
        """Refuse a write that comes with a cookie and nothing that only its own page knows."""
        told = request.headers.get("x-page") == self.pages[session]
        reads = request.method in {"GET", "HEAD"}
        if not (told or reads or "cookies-write" in self.faults):
            raise HTTPException(403, "not from its own page")

    def _by_token(self, value: str) -> Caller | None:
        faults = self.faults
        if "half-is-whole" in faults and value in self.halves:
            return self._in(self.session(self.halves[value]))
        if "refresh-as-access" in faults and value in self.fresh:
            return self._in(self.fresh[value])
        claims = tokens.read(value, faults)
        found = self._in(str(claims.get("sid"))) if claims else None
        if found is None or claims is None:
            return None
        if found.account.id != claims.get("sub") and "any-subject" not in faults:
            return None
        if "tenant-from-token" in faults:
            found.tenant = str(claims.get("tenant"))
        elif found.tenant != claims.get("tenant"):
            return None
        if "roles-from-token" in faults:
            found.roles = list(claims.get("roles", []))
        return found

    def _in(self, session: str | None) -> Caller | None:
        kept = self.sessions.get(session or "")
        if kept is None or session is None or not kept.open:
            return None
        account = kept.account
        if account.disabled and "disabled-goes-on" not in self.faults:
            return None
        return Caller(account, session, account.roles, account.tenant)
