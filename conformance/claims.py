"""What a target claims about identity, fields, limits and its audit trail.

Every entry is a promise that the suites test. What is absent is listed as not claimed, with the
line that would claim it; nothing here is needed to test who may see and do what.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from conformance.schema import (
    Extraction,
    JsonPath,
    Names,
    Paging,
    Preparation,
    Request,
    Step,
    Strict,
    short_request,
)


class Limit(Strict):
    """At most so many requests in so many seconds by one account; then 429 (RFC 6585 section 4)."""

    requests: int = Field(ge=1, le=500)
    seconds: float = Field(default=60, gt=0)


Asking = Annotated[
    Preparation, BeforeValidator(short_request, json_schema_input_type=str | Preparation)
]


class NewAccount(Preparation):
    """Makes an account for a case; {username}, {password}, {role} and {roles} are its own."""

    roles: list[str] = Field(default=[], description="roles it can make; all if not given")
    login: str | None = Field(default=None, description="how it logs in; as others of its role do")


class Limited(Preparation):
    """A request about an account, and how often it may be made."""

    limit: Limit | None = None


LimitedStep = Annotated[
    Limited, BeforeValidator(short_request, json_schema_input_type=str | Limited)
]


class LockOut(Strict):
    """What failed logins lead to: a refusal of the right password too (NIST 800-53 AC-7)."""

    attempts: int = Field(ge=1, le=100, description="wrong passwords in a row for one account")
    codes: int | None = Field(
        default=None, ge=1, le=100, description="wrong codes of the second factor in a row"
    )
    per_source: int | None = Field(
        default=None, ge=1, le=500, description="failed logins a minute from one address"
    )


class Accounts(Strict):
    """How accounts come, change and end.

    {persona.x} are the facts of the account in question and what `create` took; {password} is its
    password, {new_password} another one.
    """

    create: NewAccount | None = None
    change_roles: Asking | None = Field(
        default=None, description="{roles} are the roles that stay, {removed} is the one that goes"
    )
    disable: Asking | None = None
    enable: Asking | None = None
    change_password: Asking | None = Field(default=None, description="by the account itself")
    reset_password: LimitedStep | None = Field(
        default=None, description="asked for by anybody, for {username}"
    )
    sign_up: LimitedStep | None = Field(default=None, description="by anybody, for {username}")
    lock_out: LockOut | None = None


class Channel(Strict):
    """A way by which access once given may live on: a signed link, a queued export, a feed."""

    about: str | None = Field(default=None, description="the resource whose record it gives out")
    make: list[Step] = Field(
        min_length=1, description="by whoever has the right; 'take' what it is"
    )
    use: Step
    credential: bool = Field(default=True, description="false: used without a login")
    roles: list[str] = Field(default=[], description="who may use it; all if not given")


class BreakGlass(Strict):
    """Emergency access: opened with a reason, for one record, for a while, and reviewed."""

    resource: str
    roles: list[str] = Field(min_length=1)
    open: Request = Field(
        description="names {RESOURCE.id}; {seconds} if its length can be asked for"
    )
    reason: str = Field(description="the key of the body that holds the reason")
    opens: list[str] = Field(min_length=1, description="operations of the resource that it opens")
    most_seconds: float = Field(gt=0)
    expires: Extraction | None = Field(default=None, description="when it ends, in the answer")
    end: Step | None = None
    ends_with_session: bool = Field(default=False, description="a logout ends it")
    review: Asking | None = Field(default=None, description="shows what is to be reviewed")
    purpose: str | None = Field(default=None, description="what the trail says for such access")

    @property
    def body(self) -> dict[str, Any]:
        """The body of `open`, by key."""
        found = self.open.form if self.open.form is not None else self.open.json_
        return found if isinstance(found, dict) else {}

    @model_validator(mode="after")
    def _reason(self) -> BreakGlass:
        if self.reason not in self.body:
            raise ValueError(f"there is no {self.reason!r} in the json or form of 'open'")
        return self


class Duty(Strict):
    """Two operations on one record that one person may not both do (NIST 800-53 AC-5)."""

    resource: str
    first: str
    then: str


class TrailEntry(Strict):
    """Where the trail says what, inside one row; what is left out is listed as not claimed.

    A place may be followed by ` ~ REGEX`; then its first group counts, in each value that fits.
    """

    correlation: JsonPath
    id: JsonPath | None = Field(default=None, description="what tells one entry from another")
    actor: JsonPath | None = None
    on_behalf_of: JsonPath | None = None
    patient: JsonPath | None = Field(default=None, description="one id, or several")
    tenant: JsonPath | None = None
    resource: JsonPath | None = None
    action: JsonPath | None = None
    outcome: JsonPath | None = None
    time: JsonPath | None = None
    source: JsonPath | None = None
    purpose: JsonPath | None = None


class TrailOutcomes(Strict):
    """The words by which the trail tells what came of an attempt."""

    allowed: Names = []
    denied: Names = []
    unauthenticated: Names = []
    failed: Names = []


class TrailRead(Preparation):
    """How the trail is read: {correlation} and {since}, where it can be asked for them.

    A query parameter whose placeholder has no value at the time is left out.
    """

    items: JsonPath
    next: Paging | None = None


Event = Literal["allowed", "denied", "unauthenticated", "failed"]


class Trail(Strict):
    """The audit trail (HIPAA 164.312(b), NIST 800-53 AU-3)."""

    read: TrailRead
    unattributed: TrailRead | None = Field(
        default=None, description="where attempts without a valid login are found"
    )
    header: str | None = Field(
        default=None, description="request header by which an attempt is given its correlation id"
    )
    answered: Extraction | None = Field(
        default=None, description="where the answer names the correlation id"
    )
    entry: TrailEntry
    actor: str = Field(default="{persona.username}", description="what names the actor")
    tenant: str = Field(default="{tenant.name}", description="what names the tenant")
    patient: str | None = Field(
        default=None, description="the resource that stands for the patient"
    )
    outcomes: TrailOutcomes = TrailOutcomes()
    events: list[Event] = Field(
        default=["allowed", "denied"], description="attempts that leave an entry"
    )
    exempt: list[str] = Field(
        default=[], description="RESOURCE.OPERATION that leave none; public ones need not"
    )
    tolerance: float = Field(default=5, gt=0, description="seconds the clocks may differ")
    delay: float = Field(default=0, ge=0, le=60, description="seconds until an entry shows")
    source: str | None = Field(default=None, description="the address that it must show")

    @model_validator(mode="after")
    def _findable(self) -> Trail:
        if self.header is None and self.answered is None:
            raise ValueError(
                "say 'header' (the target takes a correlation id) or 'answered' (it gives one): "
                "without it no entry can be matched with its attempt"
            )
        return self


class Cors(Strict):
    """Which origins a browser may call from, with credentials (the Fetch standard, 3.2)."""

    origins: list[str] = Field(default=[], description="the allowed ones, whole: https://a.example")
