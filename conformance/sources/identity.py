"""Cases about logins, sessions and tokens: who somebody is, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from conformance import policy
from conformance.cases import Profile, of_persona, subjects, unclaimed
from conformance.model import Case
from conformance.target import SAFE_KINDS, Login, Target

CREATE = (
    "accounts.create",
    'create: {as: admin, request: POST /users, json: {username: "{username}", '
    'password: "{password}", roles: "{roles}"}, take: {user_id: $.id}}',
)
_REFRESH = 'refresh: {request: POST /auth/refresh, json: {refresh_token: "{refresh_token}"}}'


def ways(target: Target, profile: Profile) -> Iterator[tuple[str, str]]:
    """Every way to log in with the first persona that uses it; in the full profile with all."""
    seen: set[str] = set()
    first = subjects(target)
    rest = [name for name in target.personas if name not in first]
    for persona in [*first, *rest]:
        way = way_of(target, persona)
        if way is not None and (way not in seen or profile is Profile.FULL):
            seen.add(way)
            yield way, persona


def way_of(target: Target, persona: str) -> str | None:
    """The name of the persona's way to log in."""
    return target.account(persona).login or next(iter(target.login), None)


def _of_ways(
    target: Target,
    profile: Profile,
    claimed: Callable[[Login], object],
    key: str,
    line: str,
    variants: tuple[str, ...],
    among: Callable[[Login], bool] = lambda _login: True,
) -> Iterator[Case]:
    """One case for each variant and way that claims it, one unclaimed case for each other way.

    Ways that share what is claimed are tried by the first, those of one step before the others.
    """
    told: set[str] = set()
    shared: list[object] = []
    by_steps = sorted(ways(target, profile), key=lambda one: len(target.login[one[0]].then))
    for way, persona in by_steps:
        if not among(target.login[way]):
            continue
        claim = claimed(target.login[way])
        if claim:
            if claim in shared and profile is not Profile.FULL:
                continue
            shared.append(claim)
            for variant in variants:
                yield of_persona(target, persona, f"{way}.{variant}")
        elif way not in told:
            told.add(way)
            yield unclaimed(f"login.{way}.{key}", line)


WORTHLESS = ("none", "empty", "garbage", "truncated", "altered", "other-scheme", "someone-elses")


def credentials(target: Target, profile: Profile) -> Iterator[Case]:
    """Credentials that prove nothing, for each way to log in."""
    for way, persona in ways(target, profile):
        for variant in WORTHLESS:
            yield of_persona(target, persona, f"{way}.{variant}")


def logouts(target: Target, profile: Profile) -> Iterator[Case]:
    """What a session gave, after its logout."""
    yield from _of_ways(
        target,
        profile,
        lambda login: login.logout.request if login.logout else None,
        "logout",
        "logout: POST /auth/logout",
        ("access",),
    )
    yield from _of_ways(
        target,
        profile,
        lambda login: login.refresh.request if login.refresh else None,
        "refresh",
        _REFRESH,
        ("refresh",),
        among=lambda login: login.logout is not None,
    )


def password_changes(target: Target, _profile: Profile) -> Iterator[Case]:
    """Sessions that were open when the password was changed."""
    if target.accounts.change_password is None:
        yield unclaimed(
            "accounts.change_password",
            "change_password: {request: POST /me/password, json: "
            '{current_password: "{password}", new_password: "{new_password}"}}',
        )
        return
    variants = ("other-session", "old-password", "refresh")
    yield from _with_account(target, variants)


def _with_account(target: Target, variants: tuple[str, ...]) -> Iterator[Case]:
    """One case for each variant, by a role that an account can be made with."""
    if target.accounts.create is None:
        yield unclaimed(*CREATE)
        return
    role = next(iter(makeable(target)), None)
    if role is None:
        yield unclaimed("accounts.create.roles", "roles: [nurse]  # of a persona of the file")
        return
    for variant in variants:
        made = of_persona(target, persona_of(target, role), variant, kind="action")
        yield replace(made, roles=(role,))


def makeable(target: Target) -> list[str]:
    """Roles that a new account can be given, those without a second login step first."""
    create = target.accounts.create
    if create is None:
        return []
    known = {role for name in subjects(target) for role in target.personas[name].role}
    roles = [role for role in target.policy if role in known]
    roles = [role for role in roles if not create.roles or role in create.roles]
    return sorted(roles, key=lambda role: needs_a_code(target, role))


def persona_of(target: Target, role: str) -> str:
    """The first persona with the role, one that has no other role if there is one."""
    fitting = [name for name in subjects(target) if role in target.personas[name].role]
    return min(fitting, key=lambda name: len(target.personas[name].role))


def needs_a_code(target: Target, role: str) -> bool:
    """Whether people with the role log in in two steps."""
    way = way_of(target, persona_of(target, role))
    return bool(way and target.login[way].then)


def lock_outs(target: Target, _profile: Profile) -> Iterator[Case]:
    """Failed logins in a row: for one account, told apart by other fields, and spread."""
    claim = target.accounts.lock_out
    if claim is None:
        yield unclaimed("accounts.lock_out", "lock_out: {attempts: 5}")
        return
    spread = () if claim.per_source is None else ("spread-over-accounts",)
    yield from _with_account(target, ("one-account", "other-fields", "other-spelling", *spread))
    if claim.per_source is None:
        yield unclaimed("accounts.lock_out.per_source", "lock_out: {attempts: 5, per_source: 100}")


def enumeration(target: Target, profile: Profile) -> Iterator[Case]:
    """Names that somebody has against names that nobody has: at login, reset and sign-up."""
    for way, persona in ways(target, profile):
        login = target.login[way]
        if login.request and not login.oauth2:
            yield of_persona(target, persona, f"login.{way}")
    accounts = target.accounts
    first = next(iter(subjects(target)))
    if accounts.reset_password is None:
        yield unclaimed(
            "accounts.reset_password",
            'reset_password: {request: POST /auth/reset, json: {username: "{username}"}}',
        )
    else:
        yield of_persona(target, first, "reset")
    if accounts.sign_up is None:
        yield unclaimed(
            "accounts.sign_up",
            'sign_up: {request: POST /register, json: {username: "{username}", '
            'password: "{password}"}}',
        )
    else:
        yield of_persona(target, first, "sign-up")
    if accounts.lock_out is not None:
        yield from _with_account(target, ("locked",))


def login_timing(target: Target, profile: Profile) -> Iterator[Case]:
    """How long a wrong password takes, for names that somebody has and that nobody has."""
    if profile is Profile.SMOKE:
        return
    reset = () if target.accounts.reset_password is None else ("reset",)
    yield from _with_account(target, ("login", *reset))


def fixation(target: Target, profile: Profile) -> Iterator[Case]:
    """A session that was there before the login."""
    found = False
    for way, persona in ways(target, profile):
        if target.login[way].request:
            found = True
            for variant in ("kept", "chosen"):
                yield of_persona(target, persona, f"{way}.{variant}")
    if not found:
        yield unclaimed(
            "login.NAME.request",
            'browser: {request: POST /login, form: {user: "{user}", password: "{password}"}}',
        )


def forgeries(target: Target, profile: Profile) -> Iterator[Case]:
    """A write by a browser's cookies alone, without what the page itself would add."""
    line = 'send: {X-CSRF-Token: "{csrf}"}  # of a login by cookies'
    found = False
    for way, persona in ways(target, profile):
        login = target.login[way]
        if login.bearer or login.oauth2 or login.basic or "Authorization" in login.send:
            continue
        place = next(iter(_writes(target, persona)), None)
        if not login.send:
            found = True
            yield unclaimed(f"login.{way}.send", line)
        elif place is not None:
            found = True
            made = of_persona(target, persona, way, kind="action")
            yield replace(made, resource=place[0], operation=place[1])
    if not found:
        yield unclaimed("login.NAME.send", line)


def _writes(target: Target, persona: str) -> Iterator[tuple[str, str]]:
    """What the persona may write, in its own collections first, then to records."""
    roles = policy.roles_of(target, persona)
    found = [
        (target.object_of(resource, name) is not None, resource, name)
        for resource, described in target.resources.items()
        for name, operation in described.operations.items()
        if described.kind(name) not in SAFE_KINDS
        and not operation.not_tested
        and policy.grants(target, roles, resource, name)
    ]
    for _about, resource, name in sorted(found, key=lambda one: one[0]):
        yield resource, name


def second_factors(target: Target, profile: Profile) -> Iterator[Case]:
    """Logins that stop before, or fail at, the second step."""
    line = 'then: [{request: POST /auth/mfa, json: {code: "{totp}"}}]'
    found = unlimited = unmade = False
    for way, persona in ways(target, profile):
        if target.login[way].then:
            found = True
            variants = ["half-way", "wrong-code", "used-code"]
            claim = target.accounts.lock_out
            if claim is None or claim.codes is None:
                unlimited = True
            elif target.accounts.create is None:
                unmade = True
            else:
                variants.append("many-codes")
            for variant in variants:
                yield of_persona(target, persona, f"{way}.{variant}")
            for other in target.login:
                if other != way and not target.login[other].then:
                    yield of_persona(target, persona, f"{way}.by-{other}")
    if not found:
        yield unclaimed("login.NAME.then", line)
    elif unlimited:
        yield unclaimed("accounts.lock_out.codes", "lock_out: {attempts: 5, codes: 5}")
    elif unmade:
        yield unclaimed(*CREATE)


def refreshes(target: Target, profile: Profile) -> Iterator[Case]:
    """Refresh tokens: used twice, at the same time, and beside somebody else's login."""
    yield from _of_ways(
        target,
        profile,
        lambda login: login.refresh.request if login.refresh else None,
        "refresh",
        _REFRESH,
        ("someone-elses",),
    )
    yield from _of_ways(
        target,
        profile,
        lambda login: login.refresh.request if login.refresh and login.rotates else None,
        "rotates",
        "rotates: true",
        ("used-twice", "after-reuse", "at-once"),
        among=lambda login: login.refresh is not None,
    )


# --- tokens ----------------------------------------------------------------------------------

_BEARER = (
    'password: {post: /login, json: {user: "{user}", password: "{password}"}, '
    "bearer: $.access_token}"
)
FORGED = (
    "unsigned",
    "altered-signature",
    "altered-claims",
    "foreign-key",
    "kid-traversal",
    "remote-key",
    "weak-secret",
)


def tokens(target: Target, profile: Profile) -> Iterator[Case]:
    """Tokens made from a valid one without its key."""
    found = False
    for way, persona in ways(target, profile):
        if not target.login[way].basic:
            found = True
            for variant in FORGED:
                yield of_persona(target, persona, f"{way}.{variant}")
    if not found:
        yield unclaimed("login.NAME.bearer", _BEARER)


def published_keys(target: Target, profile: Profile) -> Iterator[Case]:
    """Tokens signed with the key that everybody may read."""
    yield from _of_ways(
        target,
        profile,
        lambda login: login.keys,
        "keys",
        "keys: GET /.well-known/jwks.json",
        ("key-confusion",),
    )


CLAIMS = (
    "expired",
    "not-yet-valid",
    "no-expiry",
    "other-audience",
    "other-issuer",
    "other-subject",
    "other-purpose",
    "other-tenant",
)


def signed_claims(target: Target, profile: Profile) -> Iterator[Case]:
    """Tokens that are properly signed, with one claim that is wrong."""
    yield from _of_ways(
        target,
        profile,
        lambda login: login.signing_key,
        "signing_key",
        'signing_key: "${TOKEN_KEY}"',
        CLAIMS,
    )


def other_tokens(target: Target, profile: Profile) -> Iterator[Case]:
    """Tokens that are meant for something else, used as access tokens."""
    found = False
    for way, persona in ways(target, profile):
        login = target.login[way]
        if login.bearer or login.oauth2 or "Authorization" in login.send:
            found = True
            yield of_persona(target, persona, f"{way}.other-kind")
    if not found:
        yield unclaimed("login.NAME.bearer", _BEARER)
