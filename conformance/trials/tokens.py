"""Trials of tokens: forged from a valid one of the target's, and tried at the persona's door.

Around them the valid token itself is tried, so that a refusal is one of the forgery alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from conformance import forgery, policy
from conformance.comparison import parsed
from conformance.forgery import Forgery
from conformance.instances import NotBuilt, Unclaimed
from conformance.listener import listening
from conformance.login import Credentials
from conformance.model import Case, Expected, Read, Scenario, Step
from conformance.target import Login
from conformance.trials.doors import door_of, knock, opens, stays_shut
from conformance.trials.sessions import closed, way_of_case
from conformance.world import World

_FOR_OTHERS = "https://wardproof.invalid"


def _token(shown: Credentials) -> str:
    """The JSON Web Token among the credentials. Raises Unclaimed when there is none."""
    for value in (*shown.headers.values(), *shown.cookies.values()):
        for word in value.split():
            if forgery.is_jwt(word):
                return word
    raise Unclaimed("the login gives no JSON Web Token, so there is none to forge")


def _with(shown: Credentials, token: str, other: str) -> Credentials:
    def put(values: Mapping[str, str]) -> dict[str, str]:
        return {name: value.replace(token, other) for name, value in values.items()}

    return Credentials(put(shown.headers), put(shown.cookies))


def _tried(
    world: World,
    case: Case,
    rule: str,
    forged: Iterable[Forgery],
    *,
    twin: Forgery | None = None,
) -> Scenario:
    """Each forgery at the door, between two knocks with the valid token (and its minted `twin`)."""
    assert case.persona
    persona, door = case.persona, door_of(world, case.persona)
    shown = world.sessions[persona].shown()
    token = _token(shown)
    before = knock(world, persona, door, "control")
    steps = [opens("the valid token", before), closed(world, door)]
    if twin is not None:
        read = knock(world, persona, door, "control", credentials=_with(shown, token, twin.token))
        steps.append(opens("the same token signed again", read))
    for one in forged:
        world.wire.redactor.add(one.token)
        read = knock(world, persona, door, credentials=_with(shown, token, one.token))
        steps.append(stays_shut(one.name, read, f"{rule}.{_slug(one.name)}", before))
    steps.append(opens("the valid token again", knock(world, persona, door, "control")))
    return Scenario(case, tuple(steps))


def _slug(name: str) -> str:
    return name.split(maxsplit=1)[0].strip(",:").lower()


def forged(world: World, case: Case) -> Scenario:
    """Tokens made without the key: unsigned, altered, signed with a key of one's own or a guess."""
    assert case.persona
    token = _token(world.sessions[case.persona].shown())
    variant = way_of_case(case)[1]
    if variant == "weak-secret":
        return _guessed(world, case, token)
    if variant == "remote-key":
        return _fetched(world, case, token)
    made = {
        "unsigned": forgery.unsigned,
        "altered-signature": _altered_signature,
        "altered-claims": _altered_claims,
        "foreign-key": forgery.foreign_key,
        "kid-traversal": forgery.kid_traversal,
    }[variant](token)
    return _tried(world, case, f"token.{variant}", made)


def _altered_signature(token: str) -> list[Forgery]:
    return [one for one in forgery.altered(token) if "signature" in one.name]


def _altered_claims(token: str) -> list[Forgery]:
    return [one for one in forgery.altered(token) if "signature" not in one.name]


def _guessed(world: World, case: Case, token: str) -> Scenario:
    """A dictionary run on the captured token, offline; what it finds signs a token of its own."""
    target = world.target
    algorithm = str(forgery.header(token).get("alg", ""))
    if not algorithm.upper().startswith("HS"):
        raise Unclaimed(f"the token is signed with {algorithm}: there is no secret to guess")
    claims = forgery.claims(token)
    known = [target.system.name, world.wire.base_url, *target.tenants]
    known += [str(claims[name]) for name in ("iss", "aud", "client_id") if name in claims]
    words = forgery.words(known)
    secret = forgery.weak_secret(token, words)
    if secret is None:
        untouched = _tried(world, case, "token.weak-secret", [])
        says = f"the valid token, which none of {len(words):,} known secrets signs"
        sound = opens(says, untouched.steps[-1].read, "token.weak-secret")
        return Scenario(case, (*untouched.steps, sound))
    longer = {"exp": int(time.time()) + 7 * 86_400}
    made = Forgery("guessed", forgery.minted(token, secret, longer), "signs with a known word")
    return _tried(world, case, "token.weak-secret", [made])


def _fetched(world: World, case: Case, token: str) -> Scenario:
    """Tokens that name a key at the harness's own listener: refused, and nobody fetches it."""
    with listening({}) as listener:
        made, documents = forgery.remote_key(token, listener.url)
        listener.documents.update(documents)
        scenario = _tried(world, case, "token.remote-key", made)
        came = list(listener.received)
    if not came:
        return scenario
    last = next(step for step in scenario.steps if step.rule is not None)
    fetched = Step(
        f"the target fetched {came[0].path} from the address that the token names",
        Read(last.read.exchange, scenario.steps[0].read.outcome),
        Expected.DENY,
        "token.remote-key.fetched",
    )
    return Scenario(case, (*scenario.steps, fetched))


def confused(world: World, case: Case) -> Scenario:
    """Tokens signed with the published key as if it were a shared secret."""
    assert case.persona
    login = world.sessions[case.persona].login
    assert login.keys is not None
    persona = case.persona
    payload = world.payload(persona, "account", policy.tenant_of(world.target, persona) or "", {})
    read = world.send(persona, login.keys, payload, "set-up", ("account", "keys"))
    answer = read.exchange.answer
    document = parsed(answer) if answer else None
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not keys:
        raise NotBuilt(f"{login.keys.request} gives no JSON Web Key Set ({read.status})")
    token = _token(world.sessions[persona].shown())
    return _tried(world, case, "token.key-confusion", forgery.resigned_with_public_key(token, keys))


# --- signed by the target's own key ----------------------------------------------------------

_PURPOSES = ("token_use", "token_type", "typ", "type", "use", "purpose")


def minted(world: World, case: Case) -> Scenario:
    """Tokens signed with the target's own key, with one claim that is wrong."""
    assert case.persona
    login = world.sessions[case.persona].login
    assert login.signing_key is not None
    key = login.signing_key
    token = _token(world.sessions[case.persona].shown())
    variant = way_of_case(case)[1]
    changes = _wrong_claims(world, case, login, forgery.claims(token), variant)
    twin = Forgery("twin", forgery.minted(token, key, {}), "checks nothing")
    made = [
        Forgery(f"{variant}: {_shown(one)}", _changed(token, key, one), "ignores the claim")
        for one in changes
    ]
    return _tried(world, case, "token.claims", made, twin=twin)


def _changed(token: str, key: str, changes: Mapping[str, Any]) -> str:
    """The token with `changes` to its claims; those of None are taken out."""
    kept = {name: value for name, value in changes.items() if value is not None}
    return forgery.minted(token, key, kept, [name for name in changes if name not in kept])


def _shown(changes: Mapping[str, Any]) -> str:
    told = {name: "nothing" if value is None else repr(value) for name, value in changes.items()}
    return ", ".join(f"{name} = {value}" for name, value in told.items())


def _wrong_claims(
    world: World, case: Case, login: Login, claims: Mapping[str, Any], variant: str
) -> list[dict[str, Any]]:
    """Changes to the claims, each of which makes the token worthless; None takes one out."""
    now = int(time.time())
    late = int(login.leeway) + 2
    if variant == "expired":
        return [
            {"iat": now - 3600, "exp": now - late} if "iat" in claims else {"exp": now - late},
            {"exp": now - 86_400},
        ]
    if variant == "not-yet-valid":
        return [{"nbf": now + int(login.leeway) + 120}]
    if variant == "no-expiry":
        if "exp" not in claims:
            raise Unclaimed("the token has no claim 'exp'")
        return [{"exp": None}]
    named = {"other-audience": "aud", "other-issuer": "iss", "other-subject": "sub"}
    if variant in named:
        claim = named[variant]
        if claim not in claims:
            raise Unclaimed(f"the token has no claim {claim!r}")
        if claim == "sub":
            return [{claim: world.synthesis.similar(claims[claim])}]
        listed = isinstance(claims[claim], list)
        return [{claim: [_FOR_OTHERS] if listed else _FOR_OTHERS}]
    if variant == "other-purpose":
        present = [name for name in _PURPOSES if name in claims]
        if not present:
            raise Unclaimed("the token does not say what it is for (token_use, typ)")
        return [
            {name: other}
            for name in present
            for other in ("refresh", "id")
            if other != claims[name]
        ]
    return _of_other_tenant(world, case, claims)


def _of_other_tenant(world: World, case: Case, claims: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The claims that name the persona's tenant, naming another one."""
    target = world.target
    others = [name for name in policy.tenants(target) if name != case.tenant]
    if not others or case.tenant is None:
        raise Unclaimed("there is no other tenant")
    mine, theirs = world.tenant_facts(case.tenant), world.tenant_facts(others[0])
    changes = [
        {claim: theirs[fact]}
        for claim, value in claims.items()
        for fact, known in mine.items()
        if str(value) == str(known) and fact in theirs
    ]
    if not changes:
        raise Unclaimed("no claim of the token names the tenant")
    return changes


# --- tokens for something else ---------------------------------------------------------------


def other_kinds(world: World, case: Case) -> Scenario:
    """Everything else that the login gave (refresh token, id token), used as access token."""
    assert case.persona
    persona, door = case.persona, door_of(world, case.persona)
    session = world.sessions[persona]
    shown = session.shown()
    carried = " ".join((*shown.headers.values(), *shown.cookies.values()))
    others = {
        name: value
        for name, value in session.identity.values.items()
        if isinstance(value, str) and len(value) >= 16 and value not in carried
    }
    if not others:
        raise Unclaimed("the login gives no other token than the one it uses")
    before = knock(world, persona, door, "control")
    steps = [opens("the access token", before), closed(world, door)]
    for name, value in others.items():
        headers = {**shown.headers, "Authorization": f"Bearer {value}"}
        read = knock(world, persona, door, credentials=Credentials(headers))
        steps.append(stays_shut(f"{name} as access token", read, "token.other-kind", before))
    return Scenario(case, tuple(steps))
