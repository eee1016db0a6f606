"""Sessions: personas logged in, one login each, renewed when it expires."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import filelock

from conformance import login as logins
from conformance.login import Credentials, Identity
from conformance.model import Answer, Exchange, Message
from conformance.schema import Request
from conformance.target import ANONYMOUS, Login
from conformance.template import Lookup
from conformance.wire import Unreachable, Wire, build, set_cookies

_EXPIRY_LEEWAY = 30.0


class Session:
    """One persona, logged in; `anonymous` sends no credential at all.

    A `fixed` session is never renewed: it shows what becomes of just these credentials.
    """

    def __init__(
        self,
        wire: Wire,
        persona: str,
        state: Path | None = None,
        fixed: Identity | None = None,
    ) -> None:
        self.wire = wire
        self.persona = persona
        self._state = state
        self._fixed = fixed is not None
        self._identity: Identity | None = Identity() if persona == ANONYMOUS else fixed

    @property
    def login(self) -> Login:
        """The way this persona logs in."""
        target = self.wire.target
        name = target.account(self.persona).login or next(iter(target.login))
        return target.login[name]

    @property
    def logged_in(self) -> bool:
        """Whether the login has been done; it is done when it is first needed."""
        return self._identity is not None

    @property
    def identity(self) -> Identity:
        """What the login gave; logs in, or refreshes what expired, when need be."""
        if self._identity is None:
            self._identity = self._shared(renew=False)
        expires = None if self._fixed else self._identity.expires
        leeway = min(_EXPIRY_LEEWAY, self._lifetime / 4)
        if expires is not None and self.wire.now() > expires - leeway:
            self._identity = self._shared(renew=True)
        return self._identity

    @property
    def _lifetime(self) -> float:
        assert self._identity is not None
        expires = self._identity.expires
        return (expires - self._identity.obtained) if expires else 0.0

    def _shared(self, *, renew: bool) -> Identity:
        """One login per persona, also between workers: the state file is the common memory."""
        if self._state is None:
            return self._log_in(self._identity if renew else None)
        path = self._state / f"{self.persona}.json"
        with filelock.FileLock(f"{path}.lock"):
            if path.exists():
                kept = Identity(**json.loads(path.read_text(encoding="utf-8")))
                stale = renew and self._identity and kept.obtained <= self._identity.obtained
                if not stale:
                    self._remember(kept)
                    return kept
            found = self._log_in(self._identity if renew else None)
            path.touch(mode=0o600)
            path.write_text(json.dumps(asdict(found)), encoding="utf-8")
            return found

    def _log_in(self, old: Identity | None) -> Identity:
        found = None
        if old is not None and self.login.refresh is not None:
            try:
                found = logins.refresh(self.wire, self.persona, self.login, old)
            except (logins.LoginFailed, Unreachable):
                found = None  # the refresh token has ended as well: log in from the start
        found = found or logins.log_in(self.wire, self.persona, self.login)
        self._remember(found)
        return found

    def _remember(self, identity: Identity) -> None:
        logins.hide(self.wire, self.login, identity)

    def renew(self) -> None:
        """Log in again, after the target has forgotten the session."""
        self._identity = self._shared(renew=True)

    def fact(self, name: str) -> Any:
        """What templates name as {persona.NAME}; KeyError if there is none.

        What the login gives comes first once it is there; nobody logs in for a fact of the file.
        """
        if self.persona == ANONYMOUS:
            raise KeyError(name)
        known = self.wire.target.account(self.persona).facts
        if self._identity is None and name in known:
            return known[name]
        return self.facts()[name]

    def facts(self) -> Mapping[str, Any]:
        """All facts of the account, with what its login gives."""
        if self.persona == ANONYMOUS:
            return {}
        return {**self.wire.target.account(self.persona).facts, **self.identity.values}

    def credentials(self) -> dict[str, str]:
        """The headers that say who this is, cookies left out."""
        if self.persona == ANONYMOUS:
            return {}
        return logins.credentials(self.persona, self.wire.target, self.login, self.identity)

    def shown(self) -> Credentials:
        """All that says who this is: headers and cookies."""
        if self.persona == ANONYMOUS:
            return Credentials()
        return Credentials(self.credentials(), dict(self.identity.cookies))

    def message(
        self,
        template: Request,
        lookup: Lookup,
        tenant: Lookup | None = None,
        credentials: Credentials | None = None,
    ) -> Message:
        """The template as this persona would send it, with other `credentials` if given."""
        carried = self.shown() if credentials is None else credentials
        return build(
            self.wire,
            template,
            lookup,
            headers=carried.headers,
            cookies=carried.cookies,
            tenant=tenant,
        )

    def send(
        self,
        template: Request,
        lookup: Lookup,
        purpose: str,
        tenant: Lookup | None = None,
        credentials: Credentials | None = None,
    ) -> Exchange:
        """Send the template as this persona; a session that the target forgot is renewed once.

        With `credentials` of its own the request is sent just so, and nothing is renewed.
        """
        message = self.message(template, lookup, tenant, credentials)
        exchange = self.wire.send(message, self.persona, purpose)
        answer = exchange.answer
        kept = credentials is not None or self._fixed
        if answer is not None and self.persona != ANONYMOUS and not kept:
            self._keep_cookies(answer)
            old = self.identity.obtained
            if answer.status == 401 and self.wire.now() - old > _EXPIRY_LEEWAY:
                self.renew()
                message = self.message(template, lookup, tenant)
                exchange = self.wire.send(message, self.persona, purpose)
        return exchange

    def _keep_cookies(self, answer: Answer) -> None:
        if self.identity.cookies:
            self.identity.cookies.update(set_cookies(answer))
