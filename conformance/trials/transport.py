"""How answers travel: doors asked by those who may, from other pages, without TLS."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from conformance import handshake, origins, policy
from conformance.headers import cookies
from conformance.instances import Instance, NotBuilt, NotTried, Unclaimed
from conformance.login import Credentials
from conformance.model import Case, Exchange, Expected, Message, Outcome, Read, Scenario
from conformance.oracles.transport import (
    Answers,
    Asked,
    Conditional,
    Cookies,
    CrossOrigin,
    Kept,
    Plain,
    Told,
    Versions,
)
from conformance.session import Session
from conformance.synthesis import planted_fields
from conformance.target import ANONYMOUS, Operation
from conformance.trials.doors import door_of, knock, opens, stays_shut
from conformance.trials.rights import make, use
from conformance.trials.series import listed, planted
from conformance.trials.sessions import closed, watched
from conformance.trials.sessions import subject as subject_of
from conformance.trials.setting import (
    Setting,
    control_of,
    ghosts_of,
    opened,
    permitted,
    remember,
    searched,
    send,
    set_up,
    subject,
)
from conformance.world import World

_RECORD, _STRANGER, _MISSING = "the record", "without a login", "an id that never existed"
_SECRET = 8
_CARRIERS = 3


# --- doors -----------------------------------------------------------------------------------


def answers(world: World, case: Case) -> Answers:
    """The door to somebody who may and sees what was planted, to nobody, and for a missing id."""
    assert case.persona and case.resource and case.operation
    session = world.sessions[case.persona]
    found = [
        Told(says, read, _holds(world, read, echoes=says != _RECORD))
        for says, read in _asked(world, case)
    ]
    public = bool(policy.grants(world.target, (ANONYMOUS,), case.resource, case.operation))
    return Answers(
        case,
        tuple(found),
        carries=_carries(world, case),
        credentials=() if public else _names(session),
        secrets=tuple(_secrets(session)),
    )


def written(world: World, case: Case) -> Answers:
    """What an operation that is no read answers to somebody who may do it."""
    assert case.persona
    setting = permitted(world, case)
    read, payload = send(world, setting, case.persona, "attempt")
    if read.outcome is not Outcome.ALLOWED:
        raise NotBuilt(f"the write was not done ({read.status})", read.exchange)
    if case.kind == "create":
        remember(world, setting, case.persona, read.exchange, payload)
    told = Told(_RECORD, read, ())
    return Answers(case, (told,), secrets=tuple(_secrets(world.sessions[case.persona])))


def channel(world: World, case: Case) -> Answers:
    """What a link, a feed or an export gives when it is used."""
    assert case.persona and case.variant
    described = world.target.channels[case.variant.removeprefix("channel.")]
    instance = permitted(world, case).instance if described.about else None
    session = world.sessions[case.persona]
    given = make(world, case.persona, described, None, instance)
    read = use(world, case.persona, described, given, session.shown(), instance)
    told = Told("what it gives", read, _holds(world, read, echoes=False))
    return Answers(case, (told,), carries=described.about is not None)


def _asked(world: World, case: Case) -> Iterator[tuple[str, Read]]:
    """The answers of a door; asked once, whatever is to be known of them."""
    assert case.persona and case.resource and case.operation
    setting: tuple[Setting, dict[str, Any]] | None = None
    for says in (_RECORD, _STRANGER, _MISSING):
        key = (case.persona, case.resource, case.operation, says)
        if key not in world.controls:
            setting = setting or _before(world, case)
            read = _tried(world, *setting, says)
            if read is None:
                continue
            world.controls[key] = read
        yield says, world.controls[key]


def _before(world: World, case: Case) -> tuple[Setting, dict[str, Any]]:
    """What stands behind a door, planted, and what a request there must say to meet it."""
    assert case.persona and case.resource and case.operation and case.tenant
    operation = world.target.operation(case.resource, case.operation)
    if operation.shows:
        planted(world, case)
        return permitted(world, case, fresh=True), {}
    if case.kind not in {"list", "search"}:
        return permitted(world, case), {}
    mine = listed(world, case)
    setting = opened(world, case, case.tenant)
    setting.lineage = world.around(case.resource, case.operation, case.tenant, mine)
    setting.instance = setting.lineage.get(setting.about) if setting.about else None
    return setting, _term(world, mine, operation)


def _term(world: World, mine: Instance | None, operation: Operation) -> dict[str, Any]:
    """What a search must ask for to find the record, as far as that is known."""
    if mine is None or not (operation.finds or "term" in operation.placeholders):
        return {}
    try:
        return {"term": searched(world, mine, operation.finds)}
    except NotBuilt:
        return {}


def _tried(world: World, setting: Setting, given: dict[str, Any], says: str) -> Read | None:
    """One answer of a door; None where there is nothing to ask."""
    if says == _RECORD:
        return send(world, setting, setting.persona, "attempt", **given)[0]
    if says == _STRANGER:
        # A request may name facts of its sender, and nobody has none.
        with contextlib.suppress(NotBuilt):
            return send(world, setting, ANONYMOUS, "attempt", **given)[0]
        return None
    if setting.instance is None:
        return None
    more = {**given, "lineage": ghosts_of(world, setting)}
    return send(world, setting, setting.persona, "attempt", **more)[0]


def _holds(world: World, read: Read, *, echoes: bool) -> tuple[str, ...]:
    """The planted fields that an answer holds, by name.

    With `echoes` those are left out that the request brought, since an error may repeat it.
    """
    answer = read.exchange.answer
    if answer is None:
        return ()
    asked = read.exchange.request.text.lower() if echoes else ""
    found = world.mint.find(answer.text).items()
    return tuple(sorted({f"{one.resource}.{one.field}" for key, one in found if key not in asked}))


def _carries(world: World, case: Case) -> bool:
    """Whether what is planted for this reader would show in the answer."""
    assert case.resource and case.operation
    operation = world.target.operation(case.resource, case.operation)
    if operation.counts:
        return False
    about = world.target.object_of(case.resource, case.operation)
    shown = {case.resource, about, *operation.shows}
    made = {name for name in shown if name and policy.creating(world.target, name)}
    return any(resource in made for resource, _field in planted_fields(world.target))


def _names(session: Session) -> tuple[str, ...]:
    """The request headers by which a session says who it is."""
    shown = session.shown()
    return (*shown.headers, *(["Cookie"] if shown.cookies else []))


def _secrets(session: Session) -> Iterator[str]:
    """What nobody but the persona may know of its session, bare of schemes."""
    if session.persona == ANONYMOUS:
        return
    shown, identity = session.shown(), session.identity
    me = session.login.me
    facts = {str(identity.values.get(name)) for name in (me.take if me else ())}
    password = session.wire.target.account(session.persona).facts.get("password")
    found = [
        *(_bare(value) for value in shown.headers.values()),
        *shown.cookies.values(),
        *(identity.values.get(name) for name in ("access_token", "refresh_token")),
        password,
    ]
    known = session.wire.redactor
    for value in dict.fromkeys(str(one) for one in found if one is not None):
        if len(value) >= _SECRET and value not in facts and known.text(value) != value:
            yield value


def _bare(value: str) -> str:
    """A credential without its scheme."""
    return value.rpartition(" ")[2]


# --- conditions ------------------------------------------------------------------------------


def conditional(world: World, case: Case) -> Conditional:
    """What a permitted reader got as validators, sent by somebody who may not read the record."""
    setting = set_up(world, case)
    control = control_of(world, setting)
    if control is None or control.exchange.answer is None:
        raise NotBuilt(f"nobody else may do {case.operation} there, so there is nothing to repeat")
    if control.outcome is not Outcome.ALLOWED:
        raise NotBuilt(
            f"{control.exchange.persona}, who may do {case.operation}, got {control.status}",
            control.exchange,
        )
    answer = control.exchange.answer
    known = {
        "If-None-Match": answer.header("etag"),
        "If-Modified-Since": answer.header("last-modified"),
    }
    headers = {name: value for name, value in known.items() if value}
    if not headers:
        raise Unclaimed(
            "the answer has neither ETag nor Last-Modified, so there is no conditional request to "
            "make"
        )
    tries = [
        (name, _with(world, setting, setting.persona, "attempt", {name: value}))
        for name, value in headers.items()
    ]
    assert setting.control is not None
    again = [
        _with(world, setting, setting.control, "control", {name: value})
        for name, value in headers.items()
    ]
    about = subject(setting)
    return Conditional(
        case,
        control,
        any(read.exchange.answer and read.exchange.answer.status == 304 for read in again),
        tuple(tries),
        about.markers if about else frozenset(),
    )


def _with(
    world: World, setting: Setting, persona: str, purpose: str, headers: dict[str, str]
) -> Read:
    """The operation with further headers."""
    # Braces in a value would be read as placeholders.
    given = {name: value.replace("{", "%7B") for name, value in headers.items()}
    template = setting.operation.model_copy(
        update={"headers": {**setting.operation.headers, **given}}
    )
    return send(world, setting, persona, purpose, template=template)[0]


# --- origins ---------------------------------------------------------------------------------


def cross_origin(world: World, case: Case) -> CrossOrigin:
    """A door as a page of another origin asks there, with and without a login."""
    setting, given = _before(world, case)
    origin = _origin(world, case)
    asked = [
        Asked(origin, says, read)
        for says in (_RECORD, _STRANGER, _MISSING)
        if (read := _tried(world, _from(setting, origin), given, says)) is not None
    ]
    asked.append(Asked(origin, "preflight", _preflight(world, setting, given, origin), True))
    other = None
    if any(_echoes(one) for one in asked):
        other = _tried(world, _from(setting, origins.ANOTHER), given, _RECORD)
    return CrossOrigin(case, tuple(asked), other)


def cross_origin_once(world: World, case: Case) -> CrossOrigin:
    """A door as a page of another origin asks there for what its visitor may read."""
    setting, given = _before(world, case)
    origin = _origin(world, case)
    read = _tried(world, _from(setting, origin), given, _RECORD)
    assert read is not None
    asked = (
        Asked(origin, _RECORD, read),
        Asked(origin, "preflight", _preflight(world, setting, given, origin), True),
    )
    other = None
    if any(_echoes(one) for one in asked):
        other = _tried(world, _from(setting, origins.ANOTHER), given, _RECORD)
    return CrossOrigin(case, asked, other)


def _echoes(asked: Asked) -> bool:
    answer = asked.read.exchange.answer
    return answer is not None and answer.header("access-control-allow-origin") == asked.origin


def _origin(world: World, case: Case) -> str:
    """The origin that the case's variant names."""
    claimed = world.target.cors.origins if world.target.cors else []
    name = case.variant or ""
    if case.expected is Expected.ALLOW:
        return claimed[int(name.removeprefix("allowed-")) - 1]
    found = origins.foreign(origins.origin_of(world.wire.base_url), claimed).get(name)
    if found is None:
        raise NotTried(f"there is no such origin for {world.wire.base_url}")
    return found


def _from(setting: Setting, origin: str) -> Setting:
    headers = {**setting.operation.headers, "Origin": origin}
    return replace(setting, operation=setting.operation.model_copy(update={"headers": headers}))


def _preflight(world: World, setting: Setting, given: dict[str, Any], origin: str) -> Read:
    """What a browser asks before it sends a credential in a header (Fetch standard 4.8)."""
    operation = setting.operation
    template = operation.model_copy(
        update={
            "request": f"OPTIONS {operation.path}",
            "json_": None,
            "form": None,
            "body": None,
            "headers": {
                "Origin": origin,
                "Access-Control-Request-Method": operation.method,
                "Access-Control-Request-Headers": "authorization",
            },
        }
    )
    # A browser sends no credentials with it, but the path may name what only a persona knows.
    more = {**given, "template": template, "credentials": Credentials()}
    return send(world, setting, setting.persona, "attempt", **more)[0]


# --- credentials -----------------------------------------------------------------------------


def parameter(world: World, case: Case) -> Scenario:
    """The session's credential in the query instead of its right place."""
    assert case.persona and case.variant
    way, name = case.variant.rsplit(".", 1)
    session = world.sessions[case.persona]
    carried = _carriers(session)
    if not carried:
        raise Unclaimed(f"the login {way} has no credential that a query could carry")
    door = door_of(world, case.persona)
    control = knock(world, case.persona, door, "control")
    steps = [opens("its credential in its right place", control), closed(world, door)]
    for called, value in carried[:_CARRIERS]:
        query = {called if name == "its-own-name" else name: value}
        tried = knock(world, case.persona, door, credentials=Credentials(), query=query)
        says = f"the value of {called} as the query parameter {next(iter(query))}"
        steps.append(stays_shut(says, tried, "transport.token-in-query", control))
    return Scenario(case, tuple(steps))


def _carriers(session: Session) -> list[tuple[str, str]]:
    """What carries the session: names of headers and cookies with their bare values."""
    shown = session.shown()
    secret = set(_secrets(session))
    named = [(name, _bare(value)) for name, value in shown.headers.items()]
    named += list(shown.cookies.items())
    return [(name, value) for name, value in named if value in secret]


def login(world: World, case: Case) -> Answers:
    """All answers of a fresh login, and the first door behind it."""
    persona = subject_of(world, case)
    session, exchanges = _logged_in(world, persona)
    told = [Told("the login", Read(one, Outcome.ALLOWED)) for one in exchanges if one.answer]
    door = knock(world, persona, door_of(world, persona), session=session)
    return Answers(case, (Told("after the login", door), *told), secrets=tuple(_secrets(session)))


def _logged_in(world: World, persona: str) -> tuple[Session, list[Exchange]]:
    """A further session, and what was said until it was there."""
    with watched(world) as exchanges:
        session = world.log_in_again(persona)
    return session, list(exchanges)


def cookies_of_login(world: World, case: Case) -> Cookies:
    """The cookies that a login sets, and which of them open a door.

    A cookie opens it if the door is shut without that one cookie.
    """
    persona = subject_of(world, case)
    session, exchanges = _logged_in(world, persona)
    read = knock(world, persona, door_of(world, persona), "control", session=session)
    exchanges.append(read.exchange)
    if read.outcome is not Outcome.ALLOWED:
        raise NotBuilt(f"after its login {persona} got {read.status}", read.exchange)
    found = {
        cookie.name: (cookie, Read(exchange, Outcome.ALLOWED))
        for exchange in exchanges
        if exchange.answer is not None
        for cookie in cookies(exchange.answer)
    }
    if not found:
        raise Unclaimed("this login sets no cookie, so there is none to look at")
    kept = [
        Kept(cookie, read, _opens(world, persona, session, cookie.name))
        for cookie, read in found.values()
    ]
    host = urlsplit(world.wire.base_url).hostname or ""
    return Cookies(case, host, tuple(kept))


def _opens(world: World, persona: str, session: Session, name: str) -> bool:
    """Whether the session's door is shut without that cookie."""
    shown = session.shown()
    rest = {key: value for key, value in shown.cookies.items() if key != name}
    if len(rest) == len(shown.cookies):
        return False
    credentials = Credentials(shown.headers, rest)
    without = knock(world, persona, door_of(world, persona), credentials=credentials)
    return without.outcome is not Outcome.ALLOWED


# --- TLS -------------------------------------------------------------------------------------

_VERSIONS = {
    "TLS-1.0": (ssl.TLSVersion.TLSv1, "-tls1"),
    "TLS-1.1": (ssl.TLSVersion.TLSv1_1, "-tls1_1"),
}


def old_version(world: World, case: Case) -> Versions:
    """A handshake in a version that is given up, and one as usual."""
    host, port = _place(world)
    assert case.variant
    version, option = _VERSIONS[case.variant]
    timeout = world.target.system.timeout
    return Versions(
        case,
        case.variant.replace("-", " "),
        option,
        f"{host}:{port}",
        handshake.shake(host, port, version, timeout),
        handshake.shake(host, port, None, timeout),
        handshake.unable(version),
    )


def without_tls(world: World, case: Case) -> Plain:
    """A door over TLS and, on the same host, without; never with a credential."""
    assert case.persona
    host, port = _place(world)
    door = door_of(world, case.persona)
    secured = knock(world, case.persona, door, "control", credentials=Credentials())
    url = urlsplit(secured.exchange.request.url)
    ports = dict.fromkeys((80, port) if port == 443 else (port,))
    shown = f"[{host}]" if ":" in host else host
    tried = []
    for one in ports:
        plain = url._replace(scheme="http", netloc=f"{shown}:{one}").geturl()
        headers = tuple(
            (name, value)
            for name, value in secured.exchange.request.headers
            if name.lower() != "host"
        )
        message = Message(secured.exchange.request.method, plain, headers, b"")
        read = world.read(world.wire.send(message, ANONYMOUS, "attempt"))
        tried.append((f"http://{shown}:{one}", read))
    return Plain(case, secured, tuple(tried))


def _place(world: World) -> tuple[str, int]:
    """Host and port of the target. Raises Unclaimed where it has no TLS."""
    url = urlsplit(world.wire.base_url)
    if url.scheme != "https":
        raise Unclaimed(f"the target runs at {world.wire.base_url}, without TLS")
    return url.hostname or "", url.port or 443
