"""Trials of logins and sessions. Each makes what it needs, and spoils no persona of the file."""

from __future__ import annotations

import contextlib
import random
import secrets
import string
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from conformance import login as logins
from conformance import policy
from conformance.doors import Door
from conformance.instances import NotBuilt, Unclaimed
from conformance.login import Credentials, Identity, LoginFailed
from conformance.model import Case, Exchange, Outcome, Read, Scenario, Step
from conformance.schema import placeholders_in
from conformance.session import Session
from conformance.target import ANONYMOUS, Login
from conformance.trials.doors import door_of, knock, opens, stays_shut
from conformance.trials.setting import permitted, remember, send
from conformance.wire import Unreachable, Wire, set_cookies
from conformance.world import World

ABOUT = ("account", "login")


def way_of_case(case: Case) -> tuple[str, str]:
    """The way to log in and the variant that a case is about."""
    way, _, variant = (case.variant or "").rpartition(".")
    return way, variant


def login_of(world: World, persona: str) -> Login:
    return world.sessions[persona].login


def subject(world: World, case: Case) -> str:
    """An account of its own that logs in as the case's persona does, or else that persona."""
    assert case.persona
    create = world.target.accounts.create
    makeable = create is not None and (not create.roles or set(case.roles) <= set(create.roles))
    known = {"username", "password", *create.take} if create is not None else set()
    if not makeable or not _named(world, case.persona) <= known:
        return case.persona
    account = world.target.account(case.persona)
    way = account.login or next(iter(world.target.login))
    return world.enlist(case.roles, case.tenant or policy.sole_tenant(world.target), way)


def _named(world: World, persona: str) -> set[str]:
    """The facts of the persona that its login names."""
    login = login_of(world, persona)
    steps = [one for one in (*login.before, login.step(), *login.then) if one is not None]
    named = {name for step in steps for name in step.placeholders}
    named |= placeholders_in(login.send) | placeholders_in(login.let)
    if login.basic:
        named |= {"username", "password"}
    if login.oauth2 is not None:
        named |= placeholders_in(login.oauth2.model_dump())
    return named & set(world.target.account(persona).facts)


def _lives_on(world: World, case: Case, persona: str) -> Step:
    """Shows that logins still work: a new one, or where that takes a code, the case's persona."""
    assert case.persona
    if login_of(world, persona).then:
        read = knock(world, case.persona, door_of(world, case.persona), "control")
        return opens("another account", read)
    return opens("a new login", try_login(world, persona)[0])


def watched(world: World) -> contextlib.AbstractContextManager[list[Exchange]]:
    """The exchanges that are made meanwhile."""

    @contextlib.contextmanager
    def watching() -> Iterator[list[Exchange]]:
        seen: list[Exchange] = []
        world.wire.watchers.append(seen.append)
        try:
            yield seen
        finally:
            world.wire.watchers.remove(seen.append)

    return watching()


def try_login(
    world: World,
    persona: str,
    *,
    wire: Wire | None = None,
    login: Login | None = None,
    given: Mapping[str, Any] | None = None,
    cookies: Mapping[str, str] | None = None,
) -> tuple[Read, Identity | None]:
    """What comes of a login: allowed only if what it gave opens the persona's door."""
    wire = wire or world.wire
    login = login or login_of(world, persona)
    with watched(world) as seen:
        try:
            identity = logins.log_in(wire, persona, login, given=given, cookies=cookies)
        except LoginFailed:
            if not seen:
                raise
            return refused(world, seen[-1]), None
    session = Session(wire, persona, fixed=identity)
    try:
        credentials = logins.credentials(persona, world.target, login, identity)
    except LoginFailed:
        return refused(world, seen[-1]), None
    shown = Credentials(credentials, dict(identity.cookies))
    read = knock(world, persona, door_of(world, persona), session=session, credentials=shown)
    return read, identity if read.outcome is Outcome.ALLOWED else None


def refused(world: World, exchange: Exchange) -> Read:
    """A failed login as a refusal, unless the answer says that nothing was decided."""
    read = world.read(exchange)
    undecided = read.outcome in {Outcome.LIMITED, Outcome.BROKEN}
    return read if undecided else Read(exchange, Outcome.UNAUTHENTICATED)


def try_refresh(
    world: World,
    persona: str,
    old: Identity,
    *,
    wire: Wire | None = None,
    door: Door | None = None,
) -> tuple[Read, Identity | None]:
    """What comes of a refresh: allowed only if what it gave opens the door."""
    wire = wire or world.wire
    login = login_of(world, persona)
    with watched(world) as seen:
        try:
            identity = logins.refresh(wire, persona, login, old)
        except LoginFailed:
            if not seen:
                raise
            return refused(world, seen[-1]), None
    session = Session(wire, persona, fixed=identity)
    read = knock(world, persona, door or door_of(world, persona), session=session)
    return read, identity if read.outcome is Outcome.ALLOWED else None


def closed(world: World, door: Door) -> Step:
    """Shows that the door is not open to everybody; otherwise no refusal there means a thing."""
    read = knock(world, ANONYMOUS, door, "control")
    return replace(stays_shut("the door without any login", read, ""), rule=None)


# --- credentials -----------------------------------------------------------------------------


def worthless(world: World, case: Case) -> Scenario:
    """The door with credentials that prove nothing, between two knocks with the right ones."""
    assert case.persona
    way, variant = way_of_case(case)
    door = door_of(world, case.persona)
    right = world.sessions[case.persona].shown()
    before = knock(world, case.persona, door, "control")
    steps = [opens("with its own login", before), closed(world, door)]
    if variant == "someone-elses":
        steps += _mixed(world, case, way, right, door, before)
    else:
        for says, wrong in _worthless(way, variant, right):
            read = knock(world, case.persona, door, credentials=wrong)
            steps.append(stays_shut(says, read, "credential", before))
    steps.append(opens("with its own login again", knock(world, case.persona, door, "control")))
    return Scenario(case, tuple(steps))


def _worthless(way: str, variant: str, right: Credentials) -> list[tuple[str, Credentials]]:
    if variant == "none":
        return [("without any credential", Credentials())]
    if variant == "other-scheme":
        if "Authorization" not in right.headers:
            raise Unclaimed(f"the login {way!r} sends no Authorization header, so it has no scheme")
        scheme, _, value = right.headers["Authorization"].partition(" ")
        others = [one for one in ("Basic", "Bearer", "Digest", "Token") if one != scheme]
        return [
            (
                f"with the credential under the scheme {other}",
                Credentials({**right.headers, "Authorization": f"{other} {value}"}, right.cookies),
            )
            for other in others[:2]
        ]
    change = {"empty": _empty, "garbage": garbage, "truncated": _half, "altered": _altered}[variant]
    headers = {name: _keeping_scheme(value, change) for name, value in right.headers.items()}
    cookies = {name: change(value) for name, value in right.cookies.items()}
    return [(f"with {variant} credentials", Credentials(headers, cookies))]


def _mixed(
    world: World, case: Case, way: str, right: Credentials, door: Door, mine: Read
) -> list[Step]:
    """Somebody else's headers beside one's own credential: one stays who one is, or is refused."""
    assert case.persona
    extra = [name for name in right.headers if name != "Authorization"]
    if not extra or len(right.headers) + len(right.cookies) < 2:
        raise Unclaimed(f"the login {way!r} has one credential only, so there is nothing to mix")
    other = next(
        (
            name
            for name in world.target.personas
            if name != case.persona and login_of(world, name) is login_of(world, case.persona)
        ),
        None,
    )
    if other is None:
        raise NotBuilt(f"nobody else logs in by {way!r}")
    theirs, steps = world.sessions[other].shown(), []
    stranger = knock(world, other, door, "control")
    for name in extra:
        mixed = Credentials({**right.headers, name: theirs.headers[name]}, right.cookies)
        read = knock(world, case.persona, door, credentials=mixed)
        steps.append(
            stays_itself(f"with the {name} of {other}", read, mine, stranger, "credential")
        )
    return steps


def stays_itself(says: str, read: Read, mine: Read, stranger: Read, rule: str) -> Step:
    """A step in which one may be refused or served as oneself, but not as the stranger.

    Raises NotBuilt where the door answers both alike, because then nothing shows as whom.
    """
    answer, own, other = (one.exchange.answer for one in (read, mine, stranger))
    if own is not None and other is not None and own.body == other.body:
        raise NotBuilt(
            f"{mine.exchange.persona} and {stranger.exchange.persona} are answered alike, so "
            "nothing shows as whom a request is taken; declare 'account: {read: GET /me}' or such",
            mine.exchange,
            stranger.exchange,
        )
    became = bool(answer and own and other) and answer.body == other.body != own.body  # type: ignore[union-attr]
    if became or read.outcome is not Outcome.ALLOWED:
        return stays_shut(says, read, rule)
    return opens(f"{says}, as oneself", read, rule)


def _keeping_scheme(value: str, change: Any) -> str:
    scheme, space, rest = value.partition(" ")
    return f"{scheme} {change(rest)}".rstrip() if space else str(change(value))


def _empty(_value: str) -> str:
    return ""


def garbage(value: str) -> str:
    letters = random.Random(value)
    return "".join(letters.choice(string.ascii_letters) for _ in value) or "garbage"


def _half(value: str) -> str:
    return value[: len(value) // 2]


def _altered(value: str) -> str:
    place = len(value) // 2
    return value[:place] + ("A" if value[place : place + 1] != "A" else "B") + value[place + 1 :]


# --- the end of a session --------------------------------------------------------------------


def logout(world: World, case: Case) -> Scenario:
    """A session of its own, logged out; then what it had is tried again."""
    variant = way_of_case(case)[1]
    persona = subject(world, case)
    login = login_of(world, persona)
    assert login.logout is not None
    session = world.log_in_again(persona)
    door = door_of(world, persona)
    before = knock(world, persona, door, "control", session=session)
    shown = session.shown()
    payload = world.payload(
        persona, "account", policy.tenant_of(world.target, persona) or "", {}, **facts_of(session)
    )
    out = world.send(persona, login.logout, payload, "set-up", ABOUT, session=session)
    steps = [
        opens("the session before its logout", before),
        closed(world, door),
        opens("the logout", _done(out)),
    ]
    if variant == "refresh":
        read, _ = try_refresh(world, persona, session.identity)
        steps.append(stays_shut("the refresh token of a session that was logged out", read, _ENDED))
    else:
        after = knock(world, persona, door, session=session, credentials=shown)
        steps.append(stays_shut("the session after its logout", after, _ENDED, before))
    steps.append(_lives_on(world, case, persona))
    return Scenario(case, tuple(steps))


_ENDED = "session.logout"


def _done(read: Read) -> Read:
    """A redirect after a logout is how browsers are sent on, and no failure."""
    answer = read.exchange.answer
    redirected = answer is not None and 300 <= answer.status < 400
    return Read(read.exchange, Outcome.ALLOWED) if redirected else read


def facts_of(session: Session) -> dict[str, Any]:
    """What the login's own steps may name: the account's facts, and what the login gave."""
    account = session.wire.target.account(session.persona)
    return {**account.facts, **session.identity.values}


def password_change(world: World, case: Case) -> Scenario:
    """The password is changed in one session; then the other one and the old password are tried."""
    accounts = world.target.accounts
    assert accounts.change_password is not None and case.variant
    persona = world.enlist(case.roles, case.tenant or policy.sole_tenant(world.target))
    door = door_of(world, persona)
    other = world.log_in_again(persona)
    before = knock(world, persona, door, "control", session=other)
    shown = other.shown()
    fresh = f"Wq9-{secrets.token_urlsafe(15)}"
    world.wire.redactor.add(fresh)
    old = str(world.target.account(persona).facts["password"])
    changed = world.ask_about(accounts.change_password, persona, new_password=fresh)
    steps = [
        opens("another session of the account", before),
        closed(world, door),
        opens("the change of the password", changed),
    ]
    rule = "session.password-change"
    if case.variant == "old-password":
        read, _ = try_login(world, persona, given={"password": old})
        steps.append(stays_shut("a login with the old password", read, rule))
    elif case.variant == "refresh":
        if login_of(world, persona).refresh is None:
            raise Unclaimed("the login of such an account has no refresh token")
        read, _ = try_refresh(world, persona, other.identity)
        steps.append(stays_shut("the refresh token from before the change", read, rule))
    else:
        read = knock(world, persona, door, session=other, credentials=shown)
        steps.append(stays_shut("a session from before the change", read, rule, before))
    new, _ = try_login(world, persona, given={"password": fresh})
    steps.append(opens("a login with the new password", new))
    return Scenario(case, tuple(steps))


# --- sessions that were there before ---------------------------------------------------------


def fixation(world: World, case: Case) -> Scenario:
    """A session that somebody else may know of, brought to the login; then it is tried."""
    assert case.persona
    way, variant = way_of_case(case)
    usual = world.sessions[case.persona].identity.cookies
    if not usual:
        raise Unclaimed(f"the login {way!r} sets no cookie")
    persona = subject(world, case)
    login = login_of(world, persona)
    door = door_of(world, persona)
    if variant == "chosen":
        cookies = {name: garbage(value) for name, value in usual.items()}
    else:
        cookies = _before_login(world, persona, door, login)
    identity = logins.log_in(world.wire, persona, login, cookies=cookies)
    session = Session(world.wire, persona, fixed=identity)
    alone = Credentials({}, dict(identity.cookies))
    inside = knock(world, persona, door, "control", session=session, credentials=alone)
    if inside.outcome.refused:
        raise Unclaimed(f"the cookies of the login {way!r} alone open nothing")
    brought = knock(world, persona, door, session=session, credentials=Credentials({}, cookies))
    return Scenario(
        case,
        (
            opens("the cookies after the login", inside),
            closed(world, door),
            stays_shut("the cookies from before the login", brought, "session.fixation", inside),
        ),
    )


def _before_login(world: World, persona: str, door: Door, login: Login) -> dict[str, str]:
    """The cookies that a browser has been given when it comes to the login."""
    knocked = knock(world, ANONYMOUS, door, "set-up")
    found = set_cookies(knocked.exchange.answer) if knocked.exchange.answer else {}
    identity = Identity(cookies=found)
    with contextlib.suppress(LoginFailed):
        logins.first_step(world.wire, persona, login, identity, None)
    if not identity.cookies:
        raise Unclaimed("the target sets no cookie before the login")
    return dict(identity.cookies)


def forged_write(world: World, case: Case) -> Scenario:
    """A write with the cookies alone, as another site's page makes the browser send it."""
    assert case.persona and case.resource and case.operation
    shown = world.sessions[case.persona].shown()
    if not shown.cookies:
        raise Unclaimed("the login sets no cookie, so no other page can use it")
    setting = permitted(world, case)
    alone = Credentials({}, shown.cookies)
    forged, _ = send(world, setting, case.persona, "attempt", credentials=alone)
    whole = permitted(world, case) if forged.outcome is Outcome.ALLOWED else setting
    made, payload = send(world, whole, case.persona, "control")
    if (
        made.outcome is Outcome.ALLOWED
        and world.target.resources[case.resource].kind(case.operation) == "create"
    ):
        remember(world, whole, case.persona, made.exchange, payload)
    says = f"{case.resource}.{case.operation} by the cookies alone"
    return Scenario(
        case,
        (stays_shut(says, forged, "session.csrf"), opens("the same as its page sends it", made)),
    )


# --- refreshing ------------------------------------------------------------------------------

CONTENDERS = 4
ROUNDS = 5


def refreshing(world: World, case: Case) -> Scenario:
    """A refresh token used twice, used at the same time, or beside somebody else's login."""
    variant = way_of_case(case)[1]
    persona = subject(world, case)
    session = world.log_in_again(persona)
    door = door_of(world, persona)
    if "refresh_token" not in session.identity.values and not session.identity.cookies:
        raise NotBuilt(f"the login of {persona} gave no refresh_token to refresh with")
    if variant == "at-once":
        return _at_once(world, case, persona)
    if variant == "someone-elses":
        return _beside(world, case, persona, session, door)
    first, renewed = try_refresh(world, persona, session.identity)
    steps = [opens("the first use", first)]
    second, _ = try_refresh(world, persona, session.identity)
    rule = "token.refresh"
    if variant == "used-twice":
        steps.append(stays_shut("the same refresh token a second time", second, rule, first))
    elif renewed is not None:
        after, _ = try_refresh(world, persona, renewed)
        says = "the newest refresh token, after an older one was used again"
        steps.append(stays_shut(says, after, rule, first))
    steps.append(_lives_on(world, case, persona))
    return Scenario(case, tuple(steps))


def _beside(world: World, case: Case, persona: str, session: Session, door: Door) -> Scenario:
    """Somebody's refresh token in a request that is otherwise another account's."""
    login = login_of(world, persona)
    assert login.refresh is not None
    other = next(
        (
            name
            for name in world.target.personas
            if name != case.persona and login_of(world, name) is login
        ),
        None,
    )
    if other is None:
        raise NotBuilt("nobody else logs in this way")
    mine = knock(world, persona, door, "control", session=session)
    theirs = knock(world, other, door, "control")
    mixed = Identity(dict(session.identity.values), dict(world.sessions[other].identity.cookies))
    beside = login.refresh.model_copy(
        update={"headers": {**login.refresh.headers, **world.sessions[other].credentials()}}
    )
    way = login.model_copy(update={"refresh": beside})
    with watched(world) as seen:
        try:
            renewed = logins.refresh(world.wire, persona, way, mixed)
        except LoginFailed:
            shut = stays_shut(
                "the token beside another login", refused(world, seen[-1]), "token.refresh"
            )
            return Scenario(case, (opens("its owner", mine), opens("the other", theirs), shut))
    read = knock(world, persona, door, session=Session(world.wire, persona, fixed=renewed))
    last = stays_itself("the renewed session", read, mine, theirs, "token.refresh")
    return Scenario(case, (opens("its owner", mine), opens("the other", theirs), last))


def _at_once(world: World, case: Case, persona: str) -> Scenario:
    """One refresh token sent by several at the same time, in rounds: at most one may win."""
    steps: list[Step] = []
    # Each login with a code has to wait for the next one.
    rounds = 2 if login_of(world, persona).then else ROUNDS
    for _ in range(rounds):
        identity = world.log_in_again(persona).identity
        reads = _together(world, persona, identity)
        won = [read for read in reads if read.outcome is Outcome.ALLOWED]
        lost = [read for read in reads if read.outcome is not Outcome.ALLOWED]
        if not won:
            steps.append(opens("one of several at once", lost[0]))
            break
        steps.append(opens("one of several at once", won[0]))
        for read in [*won[1:], *lost]:
            says = "the same refresh token at the same time"
            steps.append(stays_shut(says, read, "token.refresh", limited=True))
    note = f"one of {CONTENDERS} at once was served in each of {rounds} rounds"
    return Scenario(case, tuple(steps), note)


def _together(world: World, persona: str, identity: Identity) -> Sequence[Read]:
    """What came of `CONTENDERS` refreshes that were let go at the same moment."""
    login = login_of(world, persona)
    barrier = threading.Barrier(CONTENDERS)
    found: list[Read] = []

    def one(wire: Wire) -> None:
        copy = Identity(dict(identity.values), dict(identity.cookies), identity.obtained)
        with contextlib.suppress(threading.BrokenBarrierError):
            barrier.wait(5)
        try:
            logins.refresh(wire, persona, login, copy)
        except (LoginFailed, Unreachable):
            return

    wires = [world.wire.apart() for _ in range(CONTENDERS)]
    with watched(world) as seen:
        threads = [threading.Thread(target=one, args=(wire,)) for wire in wires]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for wire in wires:
        wire.close()
    for exchange in seen:
        read = world.read(exchange)
        refused = read.outcome in {Outcome.INVALID, Outcome.CONFLICT}
        found.append(Read(exchange, Outcome.UNAUTHENTICATED) if refused else read)
    return found
