"""Logging in: forms and JSON to bearer, cookies with CSRF, Basic, API keys, OAuth 2.0, TOTP."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyotp

from conformance.extraction import extract
from conformance.model import Answer, Exchange, decode
from conformance.schema import Request
from conformance.target import Login, OAuth2, Target
from conformance.template import Lookup, Unfilled, render
from conformance.wire import Refused, Unreachable, Wire, build, oauth2_token, set_cookies


class LoginFailed(Exception):
    """A persona could not log in; the message says at which step and what was answered."""


@dataclass(frozen=True)
class Credentials:
    """What a request carries to say who sends it."""

    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)


@dataclass
class Identity:
    """What a login gave a persona: values taken from answers, cookies, and when (UTC seconds)."""

    values: dict[str, Any] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    obtained: float = 0.0

    @property
    def expires(self) -> float | None:
        """UTC seconds at which the token ends, None if nobody said."""
        lifetime = self.values.get("expires_in")
        try:
            return self.obtained + float(lifetime) if lifetime is not None else None
        except (TypeError, ValueError):
            return None


def scope(
    target: Target,
    persona: str,
    identity: Identity,
    given: Mapping[str, Any] | None = None,
    now: float | None = None,
) -> Lookup:
    """Values for login templates: the persona's facts, what was taken, the TOTP code, cookies.

    `given` stands in for facts; `code` there for the TOTP code. `now` is the time (UTC seconds) of
    the TOTP code, the real one unless given.
    """
    given = given or {}
    account = target.account(persona)
    tenant = target.tenants.get(account.tenant or "")
    facts = {**account.facts, **identity.values, **given}

    def lookup(name: str, _argument: str | None, _field: str) -> Any:
        head, _, tail = name.partition(".")
        if name == "totp":
            return given["code"] if "code" in given else code(persona, str(facts["totp"]), now)
        if head == "cookie" and tail:
            return identity.cookies[tail]
        if head == "persona" and tail:
            return facts[tail]
        if head == "tenant" and tail:
            known = tenant.__pydantic_extra__ if tenant else None
            return {"name": account.tenant, **(known or {})}[tail]
        return facts[name]

    return lookup


class _Totp(pyotp.TOTP):
    """Any secret that the target has given out, also one shorter than pyotp would make."""

    def byte_secret(self) -> bytes:
        padded = self.secret + "=" * (-len(self.secret) % 8)
        return base64.b32decode(padded, casefold=True)


def code(persona: str, secret: str, now: float | None = None) -> str:
    """The TOTP code (RFC 6238) of `now`, UTC seconds. Raises LoginFailed if `secret` is none."""
    try:
        return _Totp(secret.replace(" ", "")).at(int(time.time() if now is None else now))
    except (ValueError, TypeError) as error:
        raise LoginFailed(f"{persona}: the fact 'totp' is no base32 secret: {error}") from None


_TOTP_SECONDS = 30


def await_unused_code(wire: Wire, persona: str) -> None:
    """A code works once (RFC 6238 section 5.2): wait for the next one if this one was sent."""
    if wire.codes.get(persona) == int(wire.now() // _TOTP_SECONDS):
        wire.sleep(_TOTP_SECONDS - wire.now() % _TOTP_SECONDS + 0.05)
    wire.codes[persona] = int(wire.now() // _TOTP_SECONDS)


def _shown(answer: Answer) -> str:
    kind = (answer.header("content-type") or "no content type").split(";")[0]
    return f"{answer.status} ({kind}): {decode(answer.body)[:160].strip()!r}"


def _check(wire: Wire, persona: str, step: Request, exchange: Exchange) -> Answer:
    answer = exchange.answer
    where = f"{persona} could not log in at {step.request}"
    if answer is None:
        raise Unreachable(f"{where}: {exchange.error}")
    if answer.status >= 500:
        raise Unreachable(f"{where}: the target failed with {wire.redactor.text(_shown(answer))}")
    if answer.status >= 400:
        raise LoginFailed(
            f"{where}: answered {wire.redactor.text(_shown(answer))}. "
            "Are the account and its secret right?"
        )
    return answer


def _do(
    wire: Wire,
    persona: str,
    step: Request,
    identity: Identity,
    headers: dict[str, str],
    *,
    secret: bool = True,
    given: Mapping[str, Any] | None = None,
) -> Answer:
    if "totp" in step.placeholders and "code" not in (given or {}):
        await_unused_code(wire, persona)
    lookup = scope(wire.target, persona, identity, given, wire.now())
    try:
        message = build(
            wire, step, lookup, headers=headers, cookies=identity.cookies, tenant=lookup
        )
    except Unfilled as missing:
        raise LoginFailed(f"{persona} cannot log in at {step.request}: {missing}") from None
    answer = _check(wire, persona, step, wire.send(message, persona, "login"))
    identity.cookies.update(set_cookies(answer))
    for name, source in step.take.items():
        value = extract(source, answer)
        if value is None:
            raise LoginFailed(
                f"{persona} could not log in at {step.request}: there is nothing at {source} "
                f"for {name!r} in the answer {wire.redactor.text(_shown(answer))}"
            )
        identity.values[name] = value
        # What `me` takes are facts about the account; everything else may be a credential.
        if isinstance(value, str) and secret:
            wire.redactor.add(value)
    return answer


def log_in(
    wire: Wire,
    persona: str,
    login: Login,
    *,
    given: Mapping[str, Any] | None = None,
    cookies: Mapping[str, str] | None = None,
) -> Identity:
    """A fresh identity for the persona. Raises LoginFailed, or Unreachable on 5xx and silence.

    `given` stands in for facts of the account, `cookies` are there before the login.
    """
    identity = Identity(cookies=dict(cookies or {}))
    if login.oauth2:
        identity.values |= _oauth2(wire, persona, login.oauth2)
    main = login.step()
    if main is not None and login.bearer:
        main = main.model_copy(update={"take": {"access_token": login.bearer, **main.take}})
    first_step(wire, persona, login, identity, main, given)
    if login.lifetime is not None:
        identity.values.setdefault("expires_in", login.lifetime)
    identity.obtained = wire.now()
    for step in login.then:
        headers = _safe_credentials(persona, wire, login, identity)
        answer = _do(wire, persona, step, identity, headers, given=given)
        _keep_usual(answer, identity)
    _work_out(wire, persona, login, identity)
    hide(wire, login, identity)
    if login.me is not None:
        headers = credentials(persona, wire.target, login, identity)
        _do(wire, persona, login.me, identity, headers, secret=False)
    return identity


def first_step(
    wire: Wire,
    persona: str,
    login: Login,
    identity: Identity,
    main: Request | None,
    given: Mapping[str, Any] | None = None,
) -> Answer | None:
    """The answer to the main request, after those that come before it. Raises like `log_in`."""
    for step in login.before:
        _do(wire, persona, step, identity, {}, given=given)
    if main is None:
        return None
    answer = _do(wire, persona, main, identity, {}, given=given)
    _keep_usual(answer, identity)
    return answer


def _keep_usual(answer: Answer, identity: Identity) -> None:
    """What RFC 6749 section 5.1 calls by these names, without being asked for."""
    for name in ("refresh_token", "expires_in"):
        value = extract(f"$.{name}", answer)
        if value is not None:
            identity.values.setdefault(name, value)


def hide(wire: Wire, login: Login, identity: Identity) -> None:
    """Let nothing that the login gave reach the evidence."""
    facts = set(login.me.take) if login.me else set()
    kept = {name: value for name, value in identity.values.items() if name not in facts}
    for value in (*kept.values(), *identity.cookies.values()):
        if isinstance(value, str) and len(value) >= 16:
            wire.redactor.add(value)


def _work_out(wire: Wire, persona: str, login: Login, identity: Identity) -> None:
    lookup = scope(wire.target, persona, identity, now=wire.now())
    for name, template in login.let.items():
        try:
            identity.values[name] = render(template, lookup)
        except Unfilled as missing:
            raise LoginFailed(f"{persona}: login.let.{name}: {missing}") from None


def refresh(wire: Wire, persona: str, login: Login, old: Identity) -> Identity:
    """A renewed identity by the login's refresh step. Raises LoginFailed."""
    assert login.refresh is not None
    identity = Identity(dict(old.values), dict(old.cookies), old.obtained)
    step = login.refresh
    if login.bearer and "access_token" not in step.take:
        step = step.model_copy(update={"take": {"access_token": login.bearer, **step.take}})
    answer = _do(wire, persona, step, identity, {})
    for name in ("refresh_token", "expires_in"):
        value = extract(f"$.{name}", answer)
        if value is not None:
            identity.values[name] = value
    # Where the login found its values, the refresh may have them as well.
    for name, source in login.take.items():
        value = extract(source, answer) if name not in step.take else None
        if value is not None:
            identity.values[name] = value
    identity.obtained = wire.now()
    _work_out(wire, persona, login, identity)
    hide(wire, login, identity)
    return identity


def _safe_credentials(persona: str, wire: Wire, login: Login, identity: Identity) -> dict[str, str]:
    try:
        return credentials(persona, wire.target, login, identity)
    except LoginFailed:
        return {}


def credentials(persona: str, target: Target, login: Login, identity: Identity) -> dict[str, str]:
    """The headers that carry the identity; raises LoginFailed when a value for them is missing."""
    lookup = scope(target, persona, identity)
    found: dict[str, str] = {}
    try:
        if login.basic:
            pair = render("{username}:{password}", lookup)
            found["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        if (login.bearer or login.oauth2) and "Authorization" not in login.send:
            found["Authorization"] = str(render("Bearer {access_token}", lookup))
        for name, template in login.send.items():
            found[name] = str(render(template, lookup))
    except Unfilled as missing:
        raise LoginFailed(f"{persona}: the login sends {missing}") from None
    return found


def _oauth2(wire: Wire, persona: str, settings: OAuth2) -> dict[str, Any]:
    lookup = scope(wire.target, persona, Identity(), now=wire.now())
    where = f"{persona} could not get a token at {settings.token}"
    try:
        client: dict[str, Any] = {
            "client_id": render(settings.client_id, lookup),
            "token_endpoint_auth_method": settings.client_auth,
            "scope": settings.scope,
        }
        if settings.client_secret and settings.client_auth != "none":
            client["client_secret"] = render(settings.client_secret, lookup)
        if settings.grant == "password":
            client["username"] = render(settings.username, lookup)
            client["password"] = render(settings.password, lookup)
        token = oauth2_token(wire, wire.url(settings.token), settings.grant, client)
    except Unfilled as missing:
        raise LoginFailed(f"{where}: {missing}") from None
    except Refused as refused:
        raise LoginFailed(f"{where}: {refused}") from None
    if not token.get("access_token"):
        raise LoginFailed(f"{where}: the answer holds no access_token")
    wire.redactor.add(str(token["access_token"]))
    return token
