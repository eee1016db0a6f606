"""The target file: the system under test, described by one folder of YAML.

`load(folder)` gives a validated Target; every problem is reported at once, with its place.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import secrets as random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

import pyotp
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    field_validator,
    model_validator,
)

from conformance import archetypes
from conformance import template as template_values
from conformance.claims import Accounts, BreakGlass, Channel, Cors, Duty, Limit, Trail
from conformance.document import Document, InvalidDocument, Loc, Problem, all_problems, meant
from conformance.schema import (
    REQUEST,
    Extraction,
    JsonPath,
    Names,
    Paging,
    Preparation,
    Regex,
    Request,
    Statuses,
    Step,
    Strict,
    as_list,
    short_request,
)

ANONYMOUS = "anonymous"
_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_-]*$")
_PERSONA = re.compile(r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$")

EFFECTS = frozenset({"allow", "own", "assigned", "global", "forbid", "deny"})

Kind = Literal["create", "read", "list", "search", "update", "delete", "action"]
SAFE_KINDS: frozenset[str] = frozenset({"read", "list", "search"})


class When(Strict):
    """Conditions on an answer; all that are given must hold."""

    status: Statuses | None = None
    json_: JsonPath | None = Field(default=None, alias="json")
    equals: Any = None
    matches: Regex | None = None
    body: Regex | None = None
    header: str | None = Field(default=None, description="NAME, or NAME ~ REGEX")
    empty: bool | None = None


Answer = Literal[
    "allowed", "denied", "absent", "unauthenticated", "invalid", "conflict", "limited", "broken"
]


class OutcomeRule(Strict):
    """How to read an answer whose status does not say what happened."""

    when: When
    then: Answer


class Refusals(Strict):
    """The statuses this target promises for each reason to refuse; what is absent is not judged."""

    unauthenticated: Statuses | None = None
    role: Statuses | None = None
    other_tenant: Statuses | None = None
    unrelated: Statuses | None = None
    missing: Statuses | None = None


class Operation(Request):
    """One thing the API can do to a resource, under its business name."""

    kind: Kind | None = None
    as_: Names = Field(default=[], alias="as", description="who does it while the world is built")
    id: Extraction | None = Field(default=None, description="where a created id is found")
    lookup: Step | None = Field(
        default=None,
        description="asks for the new id where the answer has none: {sent.FIELD}, take: {id: ...}",
    )
    items: JsonPath | None = Field(default=None, description="the rows of a list, $.items[*]")
    item_id: JsonPath | None = Field(default=None, description="the id inside one row")
    total: Extraction | None = Field(default=None, description="the count a list claims")
    next: Paging | None = None
    shows: Names = Field(default=[], description="other resources whose records it gathers")
    counts: str | None = Field(default=None, description="the list whose rows 'total' counts")
    finds: str | None = Field(default=None, description="the field that {term} searches in")
    after: list[str] = Field(default=[], description="operations done first, for the right state")
    unchanged: str | None = Field(default=None, description="operation that shows the state")
    shows_change: bool = Field(default=True, description="whether 'unchanged' would show it")
    fresh: Names = Field(default=[], description="parents that each instance needs for itself")
    object: str | None = Field(default=None, description="resource whose relation decides")
    sets: list[str] = Field(default=[], description="further fields that it may set")
    limit: Limit | None = Field(default=None, description="how often one account may do it")
    outcomes: list[OutcomeRule] = []
    refusals: Refusals = Refusals()
    not_tested: str | None = Field(default=None, description="reason to leave this one out")

    @model_validator(mode="after")
    def _list_parts(self) -> Operation:
        if self.lookup is not None and "id" not in self.lookup.take:
            raise ValueError("'lookup' needs 'take: {id: ...}', where the id is found")
        if self.counts is not None and self.total is None:
            raise ValueError("'counts' needs 'total', where the number is found")
        if self.next is not None and self.items is None:
            raise ValueError("'next' needs 'items', the JSONPath of the rows")
        return self


ShortOperation = Annotated[
    Operation, BeforeValidator(short_request, json_schema_input_type=str | Operation)
]


def _kind(name: str, operation: Operation) -> Kind:
    if operation.kind:
        return operation.kind
    if name in {"create", "read", "list", "search", "update", "delete"}:
        return name  # type: ignore[return-value]
    if operation.finds or "{term}" in str(operation.query) + operation.path:
        return "search"
    if operation.items and operation.method in {"GET", "POST"}:
        return "list"
    if operation.method in {"GET", "HEAD"}:
        return "read"
    return "delete" if operation.method == "DELETE" else "action"


class Relating(Preparation):
    """Makes a relation come true, and says how it ends."""

    ends: Annotated[
        Preparation | None,
        BeforeValidator(short_request, json_schema_input_type=str | Preparation | None),
    ] = Field(default=None, description="ends the relation; may name what the first one took")


def _relation(value: Any) -> Any:
    if isinstance(value, dict) and "request" not in value:
        return {"roles": value}
    if isinstance(value, str):
        return {"way": value}
    return {"step": value}


class Way(Strict):
    """How a persona comes to stand in a relation to an instance."""

    way: Literal["creator", "parent"] | None = None
    step: Relating | None = None
    roles: dict[str, Related] | None = None

    def for_role(self, roles: frozenset[str] | set[str] | tuple[str, ...]) -> Way | None:
        """The way for somebody with `roles`; None when that relation does not exist for them."""
        if self.roles is None:
            return self
        for name, way in self.roles.items():
            if name in roles or name == "*":
                return way
        return None


Related = Annotated[
    Way,
    BeforeValidator(_relation, json_schema_input_type=str | Relating | dict[str, Any]),
]


class Relations(Strict):
    """How `own` and `assigned` come true for this resource; a child inherits from its parent."""

    own: Related | None = None
    assigned: Related | None = None


class Existing(Strict):
    """An instance that is already there, for targets that cannot create one."""

    tenant: str | None = None
    id: str | int
    own: list[str] = []
    assigned: list[str] = []
    values: dict[str, str | int] = Field(
        default={}, description="field values that nobody else's record holds: they are markers"
    )
    parents: dict[str, str | int] = Field(default={}, description="ids of its parents")


def _claimed(value: Any) -> Any:
    return {True: ["id"], False: []}[value] if isinstance(value, bool) else as_list(value)


class Resource(BaseModel):
    """A resource: its operations by business name, and a few settings."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, ShortOperation] = Field(init=False)

    parent: str | None = None
    relations: Relations = Relations()
    instances: list[Existing] = []
    remove: Annotated[
        Preparation | None,
        BeforeValidator(short_request, json_schema_input_type=str | Preparation | None),
    ] = Field(default=None, description="how an instance made by a run is cleaned up")
    unguessable: Annotated[
        list[str], BeforeValidator(_claimed, json_schema_input_type=bool | str | list[str])
    ] = Field(
        default=[], description="true, or the values taken on create that are claimed to be random"
    )
    never: str | int | None = Field(default=None, description="an id that never existed")
    server_owned: list[str] = Field(
        default=[], description="fields that no request may set, whatever the API document says"
    )

    @model_validator(mode="before")
    @classmethod
    def _operations(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError("a resource is a mapping of operations, like 'read: GET /x/{id}'")
        settings = set(cls.model_fields)
        for name, item in value.items():
            if name in settings:
                continue
            short = isinstance(item, str) and REQUEST.match(item)
            if not short and not (isinstance(item, dict) and "request" in item):
                raise ValueError(
                    f"{name!r} is neither a setting of a resource nor an operation "
                    f"(METHOD /path, or a mapping with 'request'){meant(str(name), settings)}"
                )
            if not _NAME.match(str(name)):
                raise ValueError(f"{name!r} is no plain operation name (letters, digits, _ and -)")
        return value

    @property
    def operations(self) -> Mapping[str, Operation]:
        return self.__pydantic_extra__ or {}

    @cached_property
    def _kinds(self) -> Mapping[str, Kind]:
        return {name: _kind(name, operation) for name, operation in self.operations.items()}

    def kind(self, name: str) -> Kind:
        """What the operation does to the resource; from its name and method unless said."""
        return self._kinds[name]


class Tenant(BaseModel):
    """A tenant; further keys are facts that templates may use as {tenant.KEY}."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, str | int | bool] = Field(init=False)

    timezone: str | None = None

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError(f"{value!r} is no IANA time zone{meant(value, available_timezones())}")
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone or "UTC")


class Tenancy(Strict):
    """How a request names its tenant, where the login's claim does not say it."""

    header: dict[str, str] = {}
    host: str | None = Field(default=None, description="Host header, e.g. {tenant.slug}.example")
    path: str | None = Field(default=None, description="path prefix, e.g. /t/{tenant.slug}")
    query: dict[str, str] = {}


class OAuth2(Strict):
    """A token from an OAuth 2.0 token endpoint (RFC 6749 sections 4.3 and 4.4)."""

    token: str = Field(description="path of the token endpoint")
    grant: Literal["client_credentials", "password"]
    client_id: str = "{client_id}"
    client_secret: str | None = "{client_secret}"  # noqa: S105 - a template
    username: str = "{username}"
    password: str = "{password}"  # noqa: S105 - a template
    scope: str | None = None
    client_auth: Literal["client_secret_basic", "client_secret_post", "none"] = (
        "client_secret_basic"
    )


def _post(schema: dict[str, Any]) -> None:
    schema["properties"]["post"] = {"type": "string", "description": "short for request: POST"}


class Login(Strict):
    """How a persona proves who it is; steps in the order before, request, then, me."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_post)

    before: list[Step] = []
    request: str | None = None
    json_: Any = Field(default=None, alias="json")
    form: dict[str, Any] | None = None
    query: dict[str, Any] = {}
    headers: dict[str, str] = {}
    take: dict[str, Extraction] = {}
    bearer: Extraction | None = Field(default=None, description="where the access token is found")
    basic: bool = Field(default=False, description="HTTP Basic with {username} and {password}")
    oauth2: OAuth2 | None = None
    then: list[Step] = Field(default=[], description="second step; {totp} is the current code")
    let: dict[str, str] = Field(default={}, description="values made from what was taken")
    send: dict[str, str] = Field(default={}, description="headers of every later request")
    me: Step | None = None
    refresh: Step | None = None
    rotates: bool = Field(default=False, description="a refresh token works once (RFC 9700 4.14.2)")
    logout: Step | None = None
    keys: Step | None = Field(default=None, description="publishes the token keys (RFC 7517)")
    signing_key: str | None = Field(
        default=None, description="private key or secret of the tokens, from the environment"
    )
    leeway: float = Field(default=0, ge=0, le=300, description="seconds granted to exp and nbf")
    lifetime: float | None = Field(default=None, description="seconds, if no answer says it")

    @model_validator(mode="before")
    @classmethod
    def _post(cls, value: Any) -> Any:
        if isinstance(value, dict) and "post" in value and "request" not in value:
            value = {**value, "request": f"POST {value['post']}"}
            del value["post"]
        return value

    @model_validator(mode="after")
    def _does_something(self) -> Login:
        if not (self.request or self.basic or self.oauth2 or self.send):
            raise ValueError("a login needs 'request', 'basic: true', 'oauth2' or 'send'")
        if self.request:
            Request.model_validate({"request": self.request})
        return self

    def step(self) -> Request | None:
        """The main request as a template."""
        if self.request is None:
            return None
        return Request.model_validate(
            {
                "request": self.request,
                "json": self.json_,
                "form": self.form,
                "query": self.query,
                "headers": self.headers,
                "take": self.take,
            }
        )


class Persona(BaseModel):
    """A synthetic account; further keys are facts for templates, as {persona.KEY}."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, str | int | bool] = Field(init=False)

    role: Names
    tenant: str | None = None
    login: str | None = None

    @property
    def facts(self) -> dict[str, Any]:
        return dict(self.__pydantic_extra__ or {})


def _generating(value: Any) -> Any:
    return dict.fromkeys(value, "password") if isinstance(value, list) else value


class Start(Strict):
    """How the harness starts the target, if it may."""

    command: list[str] = Field(min_length=1, description="{port}, {python}, {home}, {target}")
    ready: str = Field(default="/", description="path that answers below 500 when ready")
    timeout: float = Field(default=60, gt=0, description="seconds")
    generate: Annotated[
        dict[str, Literal["password", "totp", "rsa"]],
        BeforeValidator(_generating, json_schema_input_type=list[str] | dict[str, str]),
    ] = Field(default={}, description="environment secrets made per run if unset, and their kind")
    environment: dict[str, str] = {}
    throwaway: bool = Field(default=False, description="its data disappears when it stops")


class System(Strict):
    """The system under test."""

    name: str
    version: str | None = None
    base_url: str
    openapi: str | None = Field(default=None, description="path or URL, or file beside the target")
    start: Start | None = None
    headers: dict[str, str] = {}
    timeout: float = Field(default=10, gt=0, description="seconds for one request")
    max_connections: int = Field(default=8, ge=1)
    allow_hosts: list[str] = Field(default=[], description="hosts outside the loopback")
    allow_writes: bool = Field(default=True, description="false: only safe operations are tried")
    allow_disruption: bool = Field(
        default=False, description="true: limits are tried out also outside the loopback"
    )
    verify_tls: bool | str = True

    @field_validator("base_url")
    @classmethod
    def _url(cls, value: str) -> str:
        parts = urlsplit(value.replace("{port}", "1"))
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{value!r} is no http(s) URL, like http://127.0.0.1:8000")
        return value.rstrip("/")


class Exclusion(Strict):
    """Operations of the API document that are left out on purpose."""

    operation: str = Field(description="METHOD /path as in the document; * matches anything")
    reason: str = Field(min_length=3)


class Mask(Strict):
    """Which fields of a resource a grant shows (or the few that it hides), and which it sets."""

    visible: list[str] | None = None
    hidden: list[str] | None = None
    writable: list[str] | None = Field(default=None, description="fields that it may set")

    @model_validator(mode="after")
    def _one_way(self) -> Mask:
        if self.visible is not None and self.hidden is not None:
            raise ValueError("a mask says either 'visible' or 'hidden'")
        if self.visible is None and self.hidden is None and self.writable is None:
            raise ValueError("a mask says 'visible', 'hidden' or 'writable'")
        return self


RoleGrants = dict[str, dict[str, Names]]
Grants = Annotated[
    RoleGrants,
    BeforeValidator(lambda value: value, json_schema_input_type=RoleGrants | Literal["archetype"]),
]


class Target(Strict):
    """Everything the harness knows of a system."""

    system: System
    tenants: dict[str, Tenant] = {}
    tenancy: Tenancy = Tenancy()
    login: dict[str, Login] = {}
    personas: dict[str, Persona]
    resources: dict[str, Resource]
    policy: dict[str, Grants] = Field(description="here, or in policy.yaml beside this file")
    masks: dict[str, Mask] = {}
    refusals: Refusals = Refusals()
    outcomes: list[OutcomeRule] = []
    exclusions: list[Exclusion] = []
    accounts: Accounts = Accounts()
    channels: dict[str, Channel] = {}
    break_glass: BreakGlass | None = None
    duties: list[Duty] = []
    audit: Trail | None = None
    cors: Cors | None = None
    _enlisted: dict[str, Persona] = PrivateAttr(default_factory=dict)

    def account(self, persona: str) -> Persona:
        """The account of a persona of the file, or of one that the run made for itself."""
        return self.personas.get(persona) or self._enlisted[persona]

    def enlist(self, name: str, account: Persona) -> None:
        """Make known an account that the run made for itself; no case is derived from it."""
        self._enlisted[name] = account

    def operation(self, resource: str, name: str) -> Operation:
        return self.resources[resource].operations[name]

    def ancestors(self, resource: str) -> tuple[str, ...]:
        """Parent, grandparent and so on."""
        found: list[str] = []
        current = self.resources[resource].parent
        while current and current in self.resources and current not in found:
            found.append(current)
            current = self.resources[current].parent
        return tuple(found)

    def needs(self, resource: str, template: Request) -> tuple[str, ...]:
        """Resources whose instances the template names, the own one left out."""
        heads = {name.split(".")[0] for name in template.placeholders if "." in name}
        return tuple(sorted(name for name in heads & set(self.resources) if name != resource))

    def object_of(self, resource: str, name: str) -> str | None:
        """The resource whose instance the operation is about, None for a collection.

        That is the own resource if the request carries {id}; else the parent whose id it
        carries, so that creating a note in a chart is judged by the relation to the chart.
        """
        operation = self.operation(resource, name)
        if operation.object:
            return operation.object
        if {"id", f"{resource}.id"} & operation.placeholders or self.batch(resource, name):
            return resource
        named = self.needs(resource, operation)
        for ancestor in self.ancestors(resource):
            if ancestor in named:
                return ancestor
        return None

    def batch(self, resource: str, name: str) -> bool:
        """Whether the operation takes a list of ids ({ids})."""
        return "ids" in self.operation(resource, name).placeholders


@dataclass(frozen=True)
class Loaded:
    """A target with where it came from."""

    target: Target
    folder: Path
    digest: str
    secrets: frozenset[str]
    generated: Mapping[str, str]


def load(
    folder: Path,
    *,
    environ: Mapping[str, str] | None = None,
    secrets_required: bool = True,
) -> Loaded:
    """Read target.yaml (and policy.yaml beside it) from `folder`.

    Raises InvalidDocument with all problems at once. With `secrets_required=False` unset
    variables are left as written, for commands that send nothing.
    """
    environ = dict(os.environ if environ is None else environ)
    path = folder / "target.yaml" if folder.is_dir() else folder
    if not path.exists():
        raise InvalidDocument(
            f"{path}: there is no such file; --target takes the folder that holds target.yaml"
        )
    main = Document(path)
    if not isinstance(main.data, dict):
        raise InvalidDocument(f"{path}:1:1: a target file is a mapping that starts with 'system:'")
    generated = _generated(main.data, environ)
    secrets = main.substitute({**environ, **generated}, required=secrets_required)
    digest = hashlib.sha256(path.read_bytes())
    documents = {"target": main}
    policy_path = path.with_name("policy.yaml")
    if policy_path.exists():
        documents["policy"] = Document(policy_path)
        digest.update(policy_path.read_bytes())
        _merge(main, documents["policy"])
    elif "policy" not in main.data:
        raise main.report(
            [Problem((), f"no 'policy' here and no {policy_path.name} beside it: write the grants")]
        )
    _expand_archetypes(main.data)
    target, problems = main.problems(Target)
    if target is not None:
        problems += check(target)
    elsewhere = documents.get("policy", main)
    of_policy = [problem for problem in problems if _owner(problem, elsewhere) is elsewhere]
    of_target = [problem for problem in problems if problem not in of_policy]
    error = all_problems([(main, of_target), (elsewhere, of_policy)])
    if error or target is None:
        raise error or InvalidDocument(f"{path}: does not describe a target")
    return Loaded(
        target=target,
        folder=path.parent.absolute(),
        digest=digest.hexdigest(),
        secrets=secrets | frozenset(generated.values()),
        generated=generated,
    )


def _owner(problem: Problem, policy: Document) -> Document | None:
    head = problem.loc[0] if problem.loc else None
    inside = isinstance(policy.data, dict) and head in policy.data
    return policy if inside else None


def _generated(data: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    system = data.get("system")
    start = system.get("start") if isinstance(system, dict) else None
    names = start.get("generate") if isinstance(start, dict) else None
    wanted = _generating(names) if isinstance(names, list | dict) else {}
    return {
        str(name): _SECRETS.get(kind, _SECRETS["password"])()
        for name, kind in wanted.items()
        if not environ.get(str(name))
    }


def _rsa_key() -> str:
    """A fresh RSA private key, PKCS#8 in PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


_SECRETS: Mapping[Any, Callable[[], str]] = {
    "password": lambda: random.token_urlsafe(18),
    "totp": pyotp.random_base32,
    "rsa": _rsa_key,
}


def _merge(main: Document, policy: Document) -> None:
    if not isinstance(policy.data, dict) or not policy.data:
        raise policy.report([Problem((), "a policy file is a mapping with 'policy' and 'masks'")])
    problems = []
    for key in policy.data:
        if key not in {"policy", "masks"}:
            known = meant(str(key), ["policy", "masks"])
            problems.append(Problem((key,), f"unknown key {key!r} in a policy file{known}"))
        elif key in main.data:
            problems.append(Problem((key,), f"'{key}' is already in {main.path}"))
    if problems:
        raise policy.report(problems)
    main.data.update(policy.data)


def _expand_archetypes(data: dict[str, Any]) -> None:
    policy, resources = data.get("policy"), data.get("resources")
    if not isinstance(policy, dict) or not isinstance(resources, dict):
        return
    for role, grants in policy.items():
        if grants == "archetype":
            policy[role] = archetypes.grants(str(role), resources)


def check(target: Target) -> list[Problem]:
    """What pydantic cannot see: names that must exist elsewhere in the file."""
    return [
        *_check_system(target),
        *_check_tenants(target),
        *_check_personas(target),
        *_check_resources(target),
        *_check_policy(target),
        *_check_logins(target),
        *_check_accounts(target),
        *_check_channels(target),
        *_check_break_glass(target),
        *_check_duties(target),
        *_check_audit(target),
    ]


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine's loopback (RFC 6761 keeps *.localhost there)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def objection_to(system: System, base_url: str) -> str | None:
    """Why nothing may be sent to `base_url`, None if it may."""
    parts = urlsplit(base_url.replace("{port}", "1"))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return f"{base_url!r} is no http(s) URL, like http://127.0.0.1:8000"
    if is_loopback(parts.hostname) or parts.hostname in system.allow_hosts:
        return None
    return (
        f"{parts.hostname} is outside the loopback; if you may test it, add it to "
        "system.allow_hosts"
    )


def _check_system(target: Target) -> Iterator[Problem]:
    objection = objection_to(target.system, target.system.base_url)
    if objection:
        yield Problem(("system", "base_url"), objection)


def _check_tenants(target: Target) -> Iterator[Problem]:
    for name in target.tenants:
        if not _NAME.match(name):
            yield Problem(
                ("tenants", name),
                f"{name!r} is no plain tenant name (letters, digits, _ and -); "
                "the real name can be a fact, like 'title'",
            )


def _unknown(word: str, what: str, known: Iterable[str]) -> str:
    names = sorted(known)
    return f"there is no {what} {word!r}{meant(word, names) or '; there are: ' + ', '.join(names)}"


def _check_personas(target: Target) -> Iterator[Problem]:
    for name, persona in target.personas.items():
        loc = ("personas", name)
        if not _PERSONA.match(name) or name == ANONYMOUS:
            yield Problem(loc, f"{name!r} is no persona name (like nurse.north; not 'anonymous')")
        if persona.tenant is not None and persona.tenant not in target.tenants:
            yield Problem((*loc, "tenant"), _unknown(persona.tenant, "tenant", target.tenants))
        if persona.tenant is None and len(target.tenants) > 1:
            yield Problem(loc, "say the persona's 'tenant': this target has several")
        if persona.login is not None and persona.login not in target.login:
            yield Problem((*loc, "login"), _unknown(persona.login, "login", target.login))
        if persona.login is None and len(target.login) != 1:
            yield Problem(loc, "say which 'login' this persona uses: there is not exactly one")
        for role in persona.role:
            if role not in target.policy:
                yield Problem((*loc, "role"), _unknown(role, "role in the policy", target.policy))


def _actors(target: Target) -> set[str]:
    return {role for persona in target.personas.values() for role in persona.role} | set(
        target.personas
    )


def _check_prepared(
    target: Target, loc: Loc, template: Request, more: Iterable[str] = ()
) -> Iterator[Problem]:
    """A request that somebody makes: who that is, and what it names."""
    actors = _actors(target)
    for actor in template.as_ if isinstance(template, Preparation) else ():
        if actor not in actors:
            yield Problem((*loc, "as"), _unknown(actor, "role or persona", actors))
    yield from _check_placeholders(target, loc, template, more)


def _check_roles(target: Target, loc: Loc, roles: Iterable[str]) -> Iterator[Problem]:
    for role in roles:
        if role not in target.policy:
            yield Problem(loc, _unknown(role, "role in the policy", target.policy))


def _facts(target: Target, login: str | None = None) -> set[str]:
    """What the accounts are known to have, those that log in by `login` if given."""
    found = {
        fact
        for persona in target.personas.values()
        if login in {None, persona.login or next(iter(target.login), None)}
        for fact in persona.facts
    }
    create = target.accounts.create
    return found | ({"username", "password", *create.take} if create else set())


def _check_logins(target: Target) -> Iterator[Problem]:
    for name, login in target.login.items():
        steps = [one for one in (*login.before, login.step(), *login.then, login.me) if one]
        taken = {value for step in steps for value in step.take} | set(login.let)
        known = {*_facts(target, name), *taken, "access_token", "refresh_token", "expires_in"}
        for key in ("refresh", "logout", "keys"):
            step = getattr(login, key)
            if step is not None:
                yield from _check_placeholders(target, ("login", name, key), step, known)


def _check_accounts(target: Target) -> Iterator[Problem]:
    accounts = target.accounts
    facts = _facts(target)
    further = {
        "create": {"username", "password", "role", "roles"},
        "change_roles": {"role", "roles", "removed"},
        "change_password": {"new_password"},
    }
    for key in Accounts.model_fields:
        step = getattr(accounts, key)
        if isinstance(step, Request):
            known = facts if key != "create" else set[str]()
            loc = ("accounts", key)
            yield from _check_prepared(target, loc, step, known | further.get(key, set()))
    create = accounts.create
    if create is None:
        return
    yield from _check_roles(target, ("accounts", "create", "roles"), create.roles)
    if create.login is not None and create.login not in target.login:
        place = ("accounts", "create", "login")
        yield Problem(place, _unknown(create.login, "login", target.login))


def _check_channels(target: Target) -> Iterator[Problem]:
    for name, channel in target.channels.items():
        loc = ("channels", name)
        if channel.about is not None and channel.about not in target.resources:
            known = target.resources
            yield Problem((*loc, "about"), _unknown(channel.about, "resource", known))
        yield from _check_roles(target, (*loc, "roles"), channel.roles)
        taken: set[str] = set()
        for place, step in enumerate(channel.make):
            yield from _check_placeholders(target, (*loc, "make", place), step, taken)
            taken |= set(step.take)
        yield from _check_placeholders(target, (*loc, "use"), channel.use, taken)


def _check_break_glass(target: Target) -> Iterator[Problem]:
    glass = target.break_glass
    if glass is None:
        return
    loc = ("break_glass",)
    yield from _check_roles(target, (*loc, "roles"), glass.roles)
    yield from _check_placeholders(target, (*loc, "open"), glass.open, {"seconds"})
    for key, step in (("end", glass.end), ("review", glass.review)):
        if step is not None:
            yield from _check_prepared(target, (*loc, key), step, glass.open.take)
    if glass.resource not in target.resources:
        known = target.resources
        yield Problem((*loc, "resource"), _unknown(glass.resource, "resource", known))
        return
    yield from _check_named(target, (*loc, "opens"), glass.resource, glass.opens)
    described = target.resources[glass.resource]
    for name in glass.opens:
        if name in described.operations and described.kind(name) not in SAFE_KINDS:
            yield Problem((*loc, "opens"), f"{name!r} is no read of {glass.resource}")


def _check_named(
    target: Target, loc: Loc, resource: str, operations: Iterable[str]
) -> Iterator[Problem]:
    known = target.resources[resource].operations
    for name in operations:
        if name not in known:
            yield Problem(loc, _unknown(name, "operation", known))


def _check_duties(target: Target) -> Iterator[Problem]:
    for place, duty in enumerate(target.duties):
        loc = ("duties", place)
        if duty.resource not in target.resources:
            known = target.resources
            yield Problem((*loc, "resource"), _unknown(duty.resource, "resource", known))
            continue
        for key in ("first", "then"):
            yield from _check_named(target, (*loc, key), duty.resource, [getattr(duty, key)])


def _check_resources(target: Target) -> Iterator[Problem]:
    actors = _actors(target)
    for name, resource in target.resources.items():
        loc: tuple[str | int, ...] = ("resources", name)
        if not _NAME.match(name):
            yield Problem(loc, f"{name!r} is no plain resource name (letters, digits, _ and -)")
        if resource.parent is not None and resource.parent not in target.resources:
            yield Problem((*loc, "parent"), _unknown(resource.parent, "resource", target.resources))
        if name in _line_of(target, name):
            yield Problem((*loc, "parent"), f"{name} would be its own ancestor")
        yield from _check_instances(target, loc, resource)
        known = {"id"} | {take for one in resource.operations.values() for take in one.take}
        for value in resource.unguessable:
            if value not in known:
                yield Problem(
                    (*loc, "unguessable"), _unknown(value, "value taken on create", known)
                )
        for key in resource.operations:
            yield from _check_operation(target, name, key, actors)
        for key in ("own", "assigned"):
            yield from _check_way(
                target, (*loc, "relations", key), getattr(resource.relations, key)
            )
        creates = [key for key in resource.operations if resource.kind(key) == "create"]
        if len(creates) > 1 and "create" not in creates:
            yield Problem(loc, f"which of {', '.join(creates)} makes instances? call it 'create'")


def _check_way(target: Target, loc: Loc, way: Way | None) -> Iterator[Problem]:
    if way is None:
        return
    for role, one in (way.roles or {}).items():
        if role != "*":
            yield from _check_roles(target, (*loc, role), [role])
        yield from _check_way(target, (*loc, role), one)
    if way.step is not None:
        yield from _check_prepared(target, loc, way.step)
        if way.step.ends is not None:
            yield from _check_prepared(target, (*loc, "ends"), way.step.ends, way.step.take)


def _check_instances(target: Target, loc: Loc, resource: Resource) -> Iterator[Problem]:
    tenants = target.tenants or {"default": Tenant()}
    for place, existing in enumerate(resource.instances):
        here = (*loc, "instances", place)
        if existing.tenant is None and len(tenants) > 1:
            yield Problem(here, "say the instance's 'tenant': this target has several")
        elif existing.tenant is not None and existing.tenant not in tenants:
            yield Problem((*here, "tenant"), _unknown(existing.tenant, "tenant", tenants))
        for persona in (*existing.own, *existing.assigned):
            if persona not in target.personas:
                yield Problem(here, _unknown(persona, "persona", target.personas))


def _check_operation(
    target: Target, resource: str, name: str, actors: set[str]
) -> Iterator[Problem]:
    here = ("resources", resource, name)
    operation = target.operation(resource, name)
    siblings = target.resources[resource].operations
    for actor in operation.as_:
        if actor not in actors:
            yield Problem((*here, "as"), _unknown(actor, "role or persona", actors))
    for other in (*operation.after, operation.unchanged, operation.counts):
        if other is not None and other not in siblings:
            yield Problem(here, _unknown(other, "operation", siblings))
    for other in (*operation.fresh, *operation.shows, operation.object):
        if other is not None and other not in target.resources:
            yield Problem(here, _unknown(other, "resource", target.resources))
    yield from _check_placeholders(target, here, operation)
    about = target.object_of(resource, name)
    if about not in target.resources or target.resources[about].instances:
        return
    if not _creatable(target, about):
        yield Problem(
            here,
            f"this needs an instance of {about}, but {about} has neither a 'create' "
            "nor 'instances'",
        )


def _creatable(target: Target, resource: str) -> bool:
    operations = target.resources[resource].operations
    return any(target.resources[resource].kind(name) == "create" for name in operations)


def _line_of(target: Target, name: str) -> list[str]:
    found, current = [], target.resources[name].parent
    while current in target.resources and current not in found:
        found.append(current)
        current = target.resources[current].parent
    return found


def _check_placeholders(
    target: Target, loc: Loc, template: Request, more: Iterable[str] = ()
) -> Iterator[Problem]:
    """Placeholders without a value here; `more` are those that this template has besides."""
    heads = {"persona", "tenant", "person", *target.resources}
    names = template_values.NAMES | set(more)
    if isinstance(template, Operation) and template.lookup is not None:
        for name in sorted(template.lookup.placeholders):
            if name.split(".")[0] not in {*heads, "sent"}:
                yield Problem(
                    (*loc, "lookup"), f"{{{name}}} has no value here; write {{sent.FIELD}}"
                )
    for name in sorted(template.placeholders):
        head, _, tail = name.partition(".")
        if tail and head not in heads:
            yield Problem(
                loc, f"{{{name}}}: " + _unknown(head, "resource or source of values", heads)
            )
        elif not tail and name not in names:
            yield Problem(loc, f"{{{name}}}: " + _unknown(name, "template value", names))


def _check_policy(target: Target) -> Iterator[Problem]:
    for role, grants in target.policy.items():
        for resource, operations in grants.items():
            loc = ("policy", role, resource)
            if resource not in target.resources:
                yield Problem(loc, _unknown(resource, "resource", target.resources))
                continue
            known = target.resources[resource].operations
            for name, effects in operations.items():
                if name != "*" and name not in known:
                    yield Problem((*loc, name), _unknown(name, "operation", known))
                for effect in effects:
                    match = re.match(r"^([a-z]+)(?::([A-Za-z0-9_-]+))?$", effect)
                    if not match or match.group(1) not in EFFECTS:
                        yield Problem(
                            (*loc, name),
                            f"{effect!r} is no effect: write {', '.join(sorted(EFFECTS))}, "
                            "or one of them with ':MASK'",
                        )
                    elif match.group(2) and match.group(2) not in target.masks:
                        yield Problem((*loc, name), _unknown(match.group(2), "mask", target.masks))


def _check_audit(target: Target) -> Iterator[Problem]:
    trail = target.audit
    if trail is None:
        return
    for key, read in (("read", trail.read), ("unattributed", trail.unattributed)):
        if read is not None:
            yield from _check_prepared(target, ("audit", key), read, {"correlation", "since"})
    if trail.patient is not None and trail.patient not in target.resources:
        yield Problem(("audit", "patient"), _unknown(trail.patient, "resource", target.resources))
    known = {
        f"{resource}.{name}"
        for resource, described in target.resources.items()
        for name in described.operations
    }
    for name in trail.exempt:
        if name not in known:
            yield Problem(("audit", "exempt"), _unknown(name, "operation", known))
