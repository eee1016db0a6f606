"""The target: the system under test, as its folder of YAML describes it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    field_validator,
    model_validator,
)

from conformance.applied import Applied
from conformance.claims import Accounts, BreakGlass, Channel, Cors, Duty, Limit, Trail
from conformance.document import meant
from conformance.durability import Durable
from conformance.fuzz.settings import Fuzz
from conformance.invariants import Invariant
from conformance.ledgers import Clock, Ledger
from conformance.races import Race, Racing
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
from conformance.sorting import Keys, Sorting, short_sorting
from conformance.table_files import load_table, place_of
from conformance.tables import Table
from conformance.workload.workflows import Load, Workflow

ANONYMOUS = "anonymous"
NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_-]*$")

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
    sorted: Annotated[
        Sorting | None,
        BeforeValidator(short_sorting, json_schema_input_type=Keys | Sorting | None),
    ] = Field(default=None, description="what the rows of a list are sorted by")
    shows: Names = Field(default=[], description="other resources whose records it gathers")
    counts: str | None = Field(default=None, description="the list whose rows 'total' counts")
    finds: str | None = Field(default=None, description="the field that {term} searches in")
    after: list[str] = Field(default=[], description="operations done first, for the right state")
    above: dict[str, list[str]] = Field(
        default={}, description="operations done first to what it belongs to: {order: [verify]}"
    )
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
        if self.sorted is not None and self.items is None:
            raise ValueError("'sorted' needs 'items', the JSONPath of the rows")
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
            if not NAME.match(str(name)):
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
    tenancy: bool = Field(default=True, description="false: 'request' names no tenant")
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
                "tenancy": self.tenancy,
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


def generating(value: Any) -> Any:
    return dict.fromkeys(value, "password") if isinstance(value, list) else value


class Start(Strict):
    """How the harness starts the target, if it may."""

    command: list[str] = Field(
        min_length=1, description="{port}, {python}, {home}, {target}, {data} (its own folder)"
    )
    ready: str = Field(default="/", description="path that answers below 500 when ready")
    timeout: float = Field(default=60, gt=0, description="seconds")
    generate: Annotated[
        dict[str, Literal["password", "totp", "rsa"]],
        BeforeValidator(generating, json_schema_input_type=list[str] | dict[str, str]),
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
    racing: Racing = Racing()
    races: dict[str, Race] = {}
    clock: Clock | None = None
    ledgers: dict[str, Ledger] = {}
    workflows: dict[str, Workflow] = {}
    load: Load = Load()
    invariants: dict[str, Invariant] = {}
    durable: dict[str, Durable] = {}
    fuzz: Fuzz = Fuzz()
    tables: dict[str, Applied] = {}
    _tables: dict[str, Table] = PrivateAttr(default_factory=dict)
    _enlisted: dict[str, Persona] = PrivateAttr(default_factory=dict)

    def bring(self, name: str, table: Table) -> None:
        """Make known the table that `tables.NAME` applies."""
        self._tables[name] = self.tables[name].narrowed(table)

    def table(self, name: str) -> Table:
        """The table that `tables.NAME` applies, as far as this target takes its inputs.

        Raises InvalidDocument if it is no table that comes with the harness and none was brought.
        """
        if name not in self._tables:
            self.bring(name, load_table(place_of(self.tables[name].table)))
        return self._tables[name]

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

    def state(self, resource: str, name: str, about: str | None) -> list[str]:
        """The operations that an instance of `about` needs done for this operation."""
        operation = self.operation(resource, name)
        return operation.after if about == resource else operation.above.get(about or "", [])

    def batch(self, resource: str, name: str) -> bool:
        """Whether the operation takes a list of ids ({ids})."""
        return "ids" in self.operation(resource, name).placeholders


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
