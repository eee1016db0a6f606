"""Trials of guessing: passwords, names, codes. They come from an address of their own."""

from __future__ import annotations

import contextlib
import secrets
import socket
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from conformance import login as logins
from conformance import policy, timings
from conformance.comparison import leaves, parsed
from conformance.instances import NotBuilt, Unclaimed
from conformance.login import Credentials, Identity, LoginFailed
from conformance.model import Case, Outcome, Read, Scenario, Step
from conformance.schema import Request
from conformance.target import ANONYMOUS, Login, is_loopback
from conformance.trials.doors import door_of, knock, opens, stays_shut
from conformance.trials.sessions import (
    ABOUT,
    closed,
    login_of,
    subject,
    try_login,
    watched,
    way_of_case,
)
from conformance.trials.setting import may_disrupt
from conformance.wire import Unreachable, Wire
from conformance.world import World

# --- failed logins ---------------------------------------------------------------------------


def _wrong(length: int = 20) -> str:
    return "".join(secrets.choice(string.ascii_letters) for _ in range(length))


@contextlib.contextmanager
def _from_elsewhere(world: World) -> Iterator[Wire]:
    """A wire from another loopback address, so that what it provokes meets nobody else."""
    host = world.wire.base_url.split("//", 1)[-1].rsplit(":", 1)[0].split("/")[0]
    source = f"127.0.{secrets.randbelow(200) + 10}.{secrets.randbelow(200) + 10}"
    wire = world.wire.apart(source if is_loopback(host) and _binds(source) else None)
    try:
        yield wire
    finally:
        wire.close()


def _binds(address: str) -> bool:
    """Whether this machine lets a connection come from `address` (Linux does on all of 127/8)."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def failed_logins(world: World, case: Case) -> Scenario:
    """Wrong passwords in a row, then the right one; another account shows that logins work."""
    claim = world.target.accounts.lock_out
    assert claim is not None and case.variant
    may_disrupt(world)
    tenant = case.tenant or policy.sole_tenant(world.target)
    persona, other = world.enlist(case.roles, tenant), world.enlist(case.roles, tenant)
    username = str(world.target.account(persona).facts["username"])
    with _from_elsewhere(world) as wire:
        steps = [opens("the right password at first", try_login(world, persona, wire=wire)[0])]
        if case.variant == "spread-over-accounts":
            assert claim.per_source is not None
            key = name_key(world.target.account(persona).facts, login_of(world, persona).step())
            like = str(world.target.account(persona).facts[key])
            wrong = [{key: like_name(like)} for _ in range(claim.per_source)]
            says = f"the right password after {len(wrong)} failed logins for as many names"
        elif case.variant == "other-spelling":
            wrong = _spellings(world, persona, username, claim.attempts, wire)
            if not wrong:
                note = "no other spelling of the name logs in"
                read, _ = try_login(world, persona, given={"username": username.upper()}, wire=wire)
                shut = stays_shut("the name in capitals", read, "lock-out")
                return Scenario(case, (*steps, shut), note)
            says = f"the right password after {len(wrong)} wrong ones under other spellings"
        else:
            wrong = [{} for _ in range(claim.attempts)]
            says = f"the right password after {len(wrong)} wrong ones"
        varied = case.variant == "other-fields"
        login = login_of(world, persona)
        body = varied and _takes_more_fields(world, persona, wire)
        for turn, given in enumerate(wrong):
            way = with_other_parts(login, turn, body=body) if varied else login
            tried = {**given, "password": _wrong()}
            read, _ = try_login(world, persona, wire=wire, login=way, given=tried)
            if turn in {0, len(wrong) - 1}:
                shut = stays_shut("a wrong password", read, "lock-out", limited=True)
                steps.append(shut)
        read, _ = try_login(world, persona, wire=wire)
        steps.append(stays_shut(says, read, "lock-out", limited=True))
    if case.variant != "spread-over-accounts":
        steps.append(opens("another account at the same time", try_login(world, other)[0]))
    return Scenario(case, tuple(steps))


def _spellings(
    world: World, persona: str, username: str, attempts: int, wire: Wire
) -> list[dict[str, Any]]:
    """Spellings under which the right password logs the same account in, as often as needed."""
    known = [username.upper(), f" {username} ", username.capitalize(), f"{username}\t"]
    same = [
        one for one in known if try_login(world, persona, given={"username": one}, wire=wire)[1]
    ]
    return [{"username": same[turn % len(same)]} for turn in range(attempts)] if same else []


def _takes_more_fields(world: World, persona: str, wire: Wire) -> bool:
    """Whether a body with fields of nobody's is answered as one without them.

    Where it is refused for them, no password is looked at, and it is no failed login.
    """
    login, facts = login_of(world, persona), world.target.account(persona).facts
    statuses = set()
    for way in (login, with_other_parts(login, 0, body=True)):
        key = name_key(facts, login.step())
        given = {**facts, "password": _wrong(), key: like_name(_wrong(12).lower())}
        answer = _first_answer(world, persona, given, wire, way).exchange.answer
        statuses.add(answer.status if answer else None)
    return len(statuses) == 1


def with_other_parts(login: Login, turn: int, *, body: bool) -> Login:
    """The login with parts that say nothing about the account, other ones at every turn."""
    address = f"198.51.100.{turn + 1}"  # RFC 5737: an address of nobody
    headers = {
        **login.headers,
        "X-Forwarded-For": address,
        "X-Real-IP": address,
        "Forwarded": f"for={address}",
        "User-Agent": f"wardproof/{turn}",
        "X-Request-Id": secrets.token_hex(8),
    }
    extra = {"client": secrets.token_hex(4), "device_id": secrets.token_hex(4)}
    changes: dict[str, Any] = {"headers": headers}
    if not body:
        pass
    elif isinstance(login.json_, dict):
        changes["json_"] = {**login.json_, **extra}
    elif login.form is not None:
        changes["form"] = {**login.form, **extra}
    return login.model_copy(update=changes)


# --- names that nobody has -------------------------------------------------------------------


@dataclass(frozen=True)
class Names:
    """Answers for a name that somebody has and for two that nobody has."""

    case: Case
    known: Read
    unknown: tuple[Read, Read]
    names: tuple[str, ...]
    control: Read | None = None


def names(world: World, case: Case) -> Names:
    """The same request for an account that exists and for two that do not."""
    assert case.persona and case.variant
    if not case.variant.startswith(("reset", "sign-up")):
        takes_a_password(login_of(world, case.persona))
    if case.variant == "locked":
        return _locked(world, case)
    persona = subject(world, case)
    account = world.target.account(persona)
    key = name_key(account.facts, _step_of(world, case, persona))
    name = str(account.facts[key])
    made_up = [like_name(name), like_name(name)]
    control = None
    wrong = _wrong()
    reads = []
    for one in (name, *made_up):
        given = {**account.facts, key: one, "password": wrong}
        reads.append(_ask_for(world, case, persona, given))
    for read in reads:
        if read.outcome is Outcome.LIMITED:
            raise NotBuilt(f"too much was asked already ({read.status})", read.exchange)
    if case.variant.startswith("login."):
        control, _ = try_login(world, persona)
    return Names(case, reads[0], (reads[1], reads[2]), (name, *made_up), control)


def _step_of(world: World, case: Case, persona: str) -> Request | None:
    """The request that a case about names is made with."""
    accounts, variant = world.target.accounts, case.variant or ""
    if variant == "reset":
        return accounts.reset_password
    return accounts.sign_up if variant == "sign-up" else login_of(world, persona).step()


def takes_a_password(login: Login) -> None:
    """A wrong password can only be sent where the login names it. Raises Unclaimed."""
    step = login.step()
    if login.basic or (step is not None and "password" in step.placeholders):
        return
    raise Unclaimed(
        "the login does not name {password}, so no wrong one can be sent; write it as a fact of "
        "the personas and {password} in the login"
    )


def name_key(facts: Mapping[str, Any], step: Request | None) -> str:
    """The fact by which a request names the account. Raises NotBuilt if it names none."""
    named = step.placeholders if step is not None else frozenset(facts)
    plain = {name.removeprefix("persona.") for name in named}
    known = [*_NAMES, *(key for key in sorted(facts) if key not in _SECRETS)]
    found = next((key for key in known if key in facts and key in plain), None)
    if found is None:
        raise NotBuilt(
            f"{step.request if step else 'the login'} names no fact of the account that could be "
            "exchanged, like {username} or {email}"
        )
    return found


_NAMES = ("username", "email", "user", "login", "client_id")
_SECRETS = frozenset({"password", "totp", "secret", "client_secret", "pin"})


def like_name(name: str) -> str:
    """A name of the same shape that nobody has."""
    local, at, host = name.partition("@")
    swapped = "".join(secrets.choice(string.ascii_lowercase) for _ in range(max(len(local), 8)))
    return swapped[: len(local)] + at + host if len(local) >= 8 else swapped + at + host


def _ask_for(world: World, case: Case, persona: str, given: Mapping[str, Any]) -> Read:
    accounts = world.target.accounts
    variant = case.variant or ""
    if variant.startswith("login."):
        return _first_answer(world, persona, given)
    step = accounts.reset_password if variant == "reset" else accounts.sign_up
    assert step is not None
    tenant = case.tenant or policy.sole_tenant(world.target)
    known = {**given, **{f"persona.{fact}": value for fact, value in given.items()}}
    payload = world.payload(ANONYMOUS, "account", tenant, {}, **known)
    return world.send(ANONYMOUS, step, payload, "attempt", ABOUT, tenant)


def _first_answer(
    world: World,
    persona: str,
    given: Mapping[str, Any],
    wire: Wire | None = None,
    login: Login | None = None,
) -> Read:
    """The answer to the main login request, whatever it says."""
    login = login or login_of(world, persona)
    # The answer itself is what is compared, whether or not it lets anybody in.
    with watched(world) as seen, contextlib.suppress(LoginFailed, Unreachable):
        logins.first_step(wire or world.wire, persona, login, Identity(), login.step(), given)
    if not seen:
        raise NotBuilt(f"the login of {persona} sends no request of its own")
    return world.read(seen[-1])


def _locked(world: World, case: Case) -> Names:
    """The answer after too many failures, for a name that somebody has and for two of nobody."""
    claim = world.target.accounts.lock_out
    assert claim is not None
    may_disrupt(world)
    persona = world.enlist(case.roles, case.tenant or policy.sole_tenant(world.target))
    account = world.target.account(persona)
    key = name_key(account.facts, login_of(world, persona).step())
    tried = (
        str(account.facts[key]),
        like_name(str(account.facts[key])),
        like_name(str(account.facts[key])),
    )
    with _from_elsewhere(world) as wire:
        control, _ = try_login(world, persona, wire=wire)
        reads = []
        for name in tried:
            for _ in range(claim.attempts + 1):
                given = {**account.facts, key: name, "password": _wrong()}
                read = _first_answer(world, persona, given, wire)
            reads.append(read)
    return Names(case, reads[0], (reads[1], reads[2]), tried, control)


# --- how long it takes -----------------------------------------------------------------------

SAMPLES = 16


@dataclass(frozen=True)
class NamesTimed:
    """Seconds that answers took, in turns, for names that somebody has and that nobody has."""

    case: Case
    known: tuple[float, ...]
    unknown: tuple[float, ...]
    example: Read
    again: NamesTimed | None = None


def names_timed(world: World, case: Case) -> NamesTimed:
    """Two rounds of turns, so that one slow moment is no finding; a third if they disagree."""
    assert case.persona
    if case.variant != "reset":
        takes_a_password(login_of(world, case.persona))
    first, second = _round(world, case), _round(world, case)
    if timings.suspicious(first.known, first.unknown) == timings.suspicious(
        second.known, second.unknown
    ):
        return replace(first, again=second)
    # One of the two was held up by something else: a third one decides.
    return replace(first, again=replace(second, again=_round(world, case)))


def _round(world: World, case: Case) -> NamesTimed:
    claim = world.target.accounts.lock_out
    each = max(min((claim.attempts if claim else 4) - 1, 4), 1)
    tenant = case.tenant or policy.sole_tenant(world.target)
    spans: dict[bool, list[float]] = {True: [], False: []}
    read: Read | None = None
    while len(spans[True]) < SAMPLES:
        # Each account's turns come from an address of their own, for limits by address.
        with _from_elsewhere(world) as wire:
            persona = world.enlist(case.roles, tenant)
            account = world.target.account(persona)
            key = name_key(account.facts, login_of(world, persona).step())
            named = {True: str(account.facts[key]), False: like_name(str(account.facts[key]))}
            # The first request of an address also opens its connection.
            nobody = {**account.facts, key: like_name(named[False]), "password": _wrong()}
            _first_answer(world, persona, nobody, wire)
            for turn in range(each):
                for real in (True, False) if turn % 2 else (False, True):
                    given = {**account.facts, key: named[real], "password": _wrong()}
                    if case.variant == "reset":
                        read = _ask_for(world, case, persona, given)
                    else:
                        read = _first_answer(world, persona, given, wire)
                    if read.outcome in {Outcome.LIMITED, Outcome.BROKEN}:
                        raise NotBuilt(
                            f"after {len(spans[True])} turns the target answered {read.status}: it "
                            "limits such requests in another way than the target file says "
                            "(accounts.lock_out, accounts.reset_password.limit)",
                            read.exchange,
                        )
                    spans[real].append(read.exchange.seconds)
    assert read is not None
    return NamesTimed(case, tuple(spans[True]), tuple(spans[False]), read)


# --- second factors --------------------------------------------------------------------------


def second_factor(world: World, case: Case) -> Scenario:
    """The login without its second step, with a wrong code, with a used one, by another way."""
    assert case.persona
    way, variant = way_of_case(case)
    persona, login = subject(world, case), world.target.login[way]
    door = door_of(world, persona)
    steps = [opens("after both steps", knock(world, case.persona, door, "control"))]
    control = steps[0].read
    steps.append(closed(world, door))
    if variant == "half-way":
        halves = _half_way(world, persona, login)
        tried = [(says, knock(world, persona, door, credentials=half)) for says, half in halves]
        if persona != case.persona:
            # What half a login gave can only be known by what this very account is given.
            whole = world.log_in_again(persona)
            control = knock(world, persona, door, "control", session=whole)
            steps.append(opens("the same account after both steps", control))
        steps += [stays_shut(says, read, "second-factor", control) for says, read in tried]
    elif variant == "wrong-code":
        right = logins.code(persona, str(world.target.account(persona).facts["totp"]))
        wrong = f"{(int(right) + 500_000) % 1_000_000:06d}"
        read, _ = try_login(world, persona, login=login, given={"code": wrong})
        steps.append(stays_shut("a login with a wrong code", read, "second-factor"))
    elif variant == "many-codes":
        return _many_codes(world, case, persona, login, steps)
    elif variant == "used-code":
        logins.await_unused_code(world.wire, persona)
        code = {"code": logins.code(persona, str(world.target.account(persona).facts["totp"]))}
        first, _ = try_login(world, persona, login=login, given=code)
        again, _ = try_login(world, persona, login=login, given=code)
        steps.append(opens("a login with a code", first))
        steps.append(stays_shut("a second login with the same code", again, "second-factor.replay"))
    else:
        other = variant.removeprefix("by-")
        read, _ = try_login(world, persona, login=world.target.login[other])
        steps.append(stays_shut(f"a login by {other!r}, without the code", read, "second-factor"))
    return Scenario(case, tuple(steps))


def _many_codes(
    world: World, case: Case, persona: str, login: Login, steps: list[Step]
) -> Scenario:
    """As many wrong codes as wrong passwords are allowed, then the right one."""
    claim = world.target.accounts.lock_out
    assert claim is not None and claim.codes is not None
    if persona == case.persona:
        raise Unclaimed(
            "accounts.create takes no {totp}, and no persona of the file is to be locked out"
        )
    secret = str(world.target.account(persona).facts["totp"])
    with _from_elsewhere(world) as wire:
        for turn in range(claim.codes):
            code = f"{(int(logins.code(persona, secret)) + 111_111 * (turn + 1)) % 1_000_000:06d}"
            read, _ = try_login(world, persona, wire=wire, login=login, given={"code": code})
        steps.append(stays_shut("a wrong code", read, "lock-out", limited=True))
        right, _ = try_login(world, persona, wire=wire, login=login)
        says = f"the right code after {claim.codes} wrong ones"
        steps.append(stays_shut(says, right, "lock-out", limited=True))
    return Scenario(case, tuple(steps))


def _half_way(world: World, persona: str, login: Login) -> list[tuple[str, Credentials]]:
    """Everything that the first step gave, used as a credential."""
    identity = Identity()
    answer = logins.first_step(world.wire, persona, login, identity, login.step())
    told = [leaf for _path, leaf in leaves(parsed(answer) if answer else None)]
    strings = dict.fromkeys(
        one for one in (*identity.values.values(), *told) if isinstance(one, str) and len(one) >= 8
    )
    found = [
        (
            "a value of the first answer as bearer token",
            Credentials({"Authorization": f"Bearer {one}"}),
        )
        for one in list(strings)[:8]
    ]
    if identity.cookies:
        found.append(("the cookies of the first step", Credentials({}, dict(identity.cookies))))
    for one in strings:
        world.wire.redactor.add(one)
    return found or [("without anything, as the first step gave nothing", Credentials())]
