"""Races as the target file describes them: what is set up, who contends, and what must hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from conformance.schema import (
    REQUEST,
    Extraction,
    Names,
    Request,
    Statuses,
    Strict,
    as_list,
    changed,
)

if TYPE_CHECKING:
    from conformance.target import Operation, Target

Kind = Literal["at_most_one", "lost_update", "idempotency", "sequence", "cross", "spend_once"]
Scalar = str | int | float | bool | None

_OPERATION = re.compile(r"^([A-Za-z_][A-Za-z0-9_-]*)\.([A-Za-z_][A-Za-z0-9_-]*)$")
_PARTS = ("json", "form", "body", "content_type")


class Action(Strict):
    """One request by somebody: an operation of the target file, or a request of its own."""

    as_: Names = Field(default=[], alias="as", description="roles, personas, enlisted or anonymous")
    do: str | None = Field(default=None, description="RESOURCE.OPERATION")
    request: str | None = Field(default=None, description="METHOD /path, with {placeholders}")
    json_: Any = Field(default=None, alias="json", description="with 'do': replaces single fields")
    form: dict[str, Any] | None = None
    body: str | None = None
    content_type: str | None = None
    query: dict[str, Any] = Field(default={})
    headers: dict[str, str] = Field(default={})
    take: dict[str, Extraction] = Field(default={})
    on: dict[str, str] = Field(
        default={}, description="RESOURCE: the name under which the record meant was made"
    )
    about: str | None = Field(default=None, description="whom {persona.x} means, if not the sender")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        self._requires_one_way()
        if self.request is not None:
            self.of_request()
        elif any(part is not None for part in (self.form, self.body, self.content_type)):
            raise ValueError("with 'do', only 'json', 'query', 'headers' and 'take' can be given")
        return self

    def _requires_one_way(self) -> None:
        if (self.do is None) == (self.request is None):
            raise ValueError("say 'do: RESOURCE.OPERATION', or 'request: METHOD /path'")
        if self.do is not None and not _OPERATION.match(self.do):
            raise ValueError(f"{self.do!r} is not RESOURCE.OPERATION, like admission.admit")

    @property
    def operation(self) -> tuple[str, str] | None:
        """The operation's resource and name; None for a request of its own."""
        match = _OPERATION.match(self.do) if self.do else None
        return (match.group(1), match.group(2)) if match else None

    def of_request(self) -> Request:
        """The request of its own as a template."""
        given = {"json": self.json_, "form": self.form, "body": self.body}
        return Request.model_validate(
            {
                "request": self.request,
                "content_type": self.content_type,
                "query": self.query,
                "headers": self.headers,
                "take": self.take,
                **given,
            }
        )

    def template(self, target: Target) -> Request:
        """What is sent: the operation with what is replaced in it, or the request of its own."""
        if self.operation is None:
            return self.of_request()
        operation: Operation = target.operation(*self.operation)
        changes: dict[str, Any] = {
            "query": {**operation.query, **self.query},
            "headers": {**operation.headers, **self.headers},
            "take": {**operation.take, **self.take},
        }
        if self.json_ is not None:
            both = isinstance(self.json_, dict) and isinstance(operation.json_, dict)
            changes["json_"] = {**operation.json_, **self.json_} if both else self.json_
        return changed(operation, changes)


class Preparing(Action):
    """One step of a set-up: something made, an account, values, or a request."""

    make: str | None = Field(default=None, description="a new record of that resource")
    called: str | None = Field(default=None, description="its name here; that of its resource")
    within: str | None = Field(default=None, description="the record that it belongs to")
    after: list[str] = Field(default=[], description="operations done to it")
    own: Names = Field(default=[], description="whose it is to be")
    assigned: Names = Field(default=[], description="to whom it is to be assigned")
    enlist: Names = Field(default=[], description="roles of a new account, known as 'called'")
    let: dict[str, str] = Field(default={}, description="values made from others")

    def _requires_one_way(self) -> None:
        ways = [self.do is not None, self.request is not None, self.make is not None]
        ways += [bool(self.enlist), bool(self.let)]
        if sum(ways) != 1:
            raise ValueError("a step says one of 'make', 'do', 'request', 'enlist' and 'let'")
        if self.do is not None and not _OPERATION.match(self.do):
            raise ValueError(f"{self.do!r} is not RESOURCE.OPERATION, like admission.admit")
        if self.enlist and self.called is None:
            raise ValueError("an account needs a name here: 'called'")

    @property
    def sends(self) -> bool:
        """Whether the step is a request that the target file writes down."""
        return self.do is not None or self.request is not None


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return {"request" if REQUEST.match(value) else "do": value}
    return value


Short = BeforeValidator(_short)
Asked = Annotated[Action, BeforeValidator(_short, json_schema_input_type=str | Action)]
Prepared = Annotated[Preparing, BeforeValidator(_short, json_schema_input_type=str | Preparing)]


def _worded(value: Any) -> Any:
    """What a state was, as text: YAML reads 1 and true as something else."""
    if not isinstance(value, dict):
        return value
    return {
        name: {str(old): new for old, new in one.items()} if isinstance(one, dict) else one
        for name, one in value.items()
    }


class Contender(Action):
    """Who takes part in the race, `times` times; each of several personas in turn."""

    times: int = Field(default=1, ge=1, le=50)
    tag: str | None = Field(default=None, description="what the race calls it")
    beside: bool = Field(
        default=False, description="true: takes part, and what comes of it is not judged"
    )
    tenant: str | None = Field(default=None, description="another one: takes part beside the race")
    before: list[Prepared] = Field(default=[], description="set-up that each has for itself")
    won: Statuses | None = None
    lost: Statuses | None = None
    from_: dict[str, Scalar | list[Scalar]] = Field(
        default={}, alias="from", description="the state in which it may win"
    )
    to: Annotated[dict[str, Scalar | dict[str, Scalar]], BeforeValidator(_worded)] = Field(
        default={}, description="the state that its win leaves; {old: new} changes only these"
    )

    @property
    def aside(self) -> bool:
        """Whether it only takes part, so that nothing has to come of it."""
        return self.beside or self.tenant is not None


class Reading(Action):
    """What is read when all is quiet again, and what must be there."""

    find: str | None = Field(default=None, description="JSONPath; may hold {placeholders}")
    count: int | Literal["winners"] | None = None
    equals: Any = Field(default=None, description="what each value found must be")
    distinct: bool = False
    refused: bool = Field(default=False, description="true: this must be refused")
    each: bool | str = Field(
        default=False, description="true, or a tag: once for each (such) winner, {winner.x}"
    )
    when: Names = Field(default=[], description="only if all of these tags won")
    unless: Names = Field(default=[], description="only if none of these tags won")
    state: str | None = Field(default=None, description="the part of the state that it shows")
    absent: Scalar = Field(default=None, description="the state if nothing is found")

    @model_validator(mode="after")
    def _expects(self) -> Reading:
        some = self.count is not None or self.equals is not None or self.distinct
        if not (some or self.refused or self.state is not None):
            raise ValueError("say what must be there: count, equals, distinct, state or refused")
        if self.find is None and not self.refused:
            raise ValueError("say where it stands: 'find', a JSONPath")
        if self.find is not None and not self.find.startswith("$"):
            raise ValueError(f"{self.find!r} is not a JSONPath: it starts with $")
        return self


class Version(Strict):
    """What is promised of {version}, which the set-up takes and the contenders name."""

    missing: Statuses | None = Field(
        default=None, description="what a change that names no version gets"
    )
    read: Asked | None = Field(default=None, description="takes {version} again")
    changes: list[Asked] = Field(default=[], description="each gives the record a new version")


class Key(Strict):
    """What is promised of {key}, which makes a request that comes again take effect once."""

    same: list[str] = Field(default=["id"], description="values taken that a repetition repeats")
    other_body: Statuses | None = Field(
        default=None, description="what the key gets with another body"
    )
    other_personas: Names = Field(default=[], description="to whom the same key is another one")
    other_tenant: bool = Field(default=True, description="to other tenants it is another one")
    outlives_restart: bool = False


Tables = Annotated[
    list[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$")]],
    BeforeValidator(as_list, json_schema_input_type=str | list[str]),
]


class Race(Strict):
    """One race: the set-up of each round, the contenders, and what must hold afterwards."""

    kind: Kind
    says: str | None = Field(default=None, description="what must hold, in a few words")
    tenant: str | None = Field(default=None, description="the first one unless said")
    setup: list[Prepared] = Field(default=[], description="what each round begins with")
    contenders: list[Contender] = Field(min_length=1)
    winners: int | Literal["any"] = Field(default=1, description="how many may win")
    won: Statuses | None = Field(default=None, description="statuses that say so; 2xx")
    lost: Statuses | None = Field(default=None, description="how the others are refused")
    never: list[list[str]] = Field(default=[], description="tags that may not win together")
    reads: list[Reading] = Field(default=[], description="what is read afterwards")
    state: dict[str, Scalar] = Field(default={}, description="the state before")
    gapless: bool = Field(default=False, description="the numbers taken leave none out")
    version: Version = Version()
    key: Key = Key()
    park: Tables = Field(default=[], description="tables that contenders write to")
    rounds: int | None = Field(default=None, ge=1, le=500, description="at most, for this race")
    settles: float = Field(
        default=0, ge=0, le=30, description="seconds after the answers until all is decided"
    )
    tidy: list[Asked] = Field(default=[], description="sent after each round")

    @model_validator(mode="after")
    def _of_its_kind(self) -> Race:
        count = sum(one.times for one in self.contenders)
        if count < 2 and self.kind != "idempotency":
            raise ValueError("a race takes two contenders or more: say 'times'")
        judged = [one for one in self.contenders if not one.aside]
        if not judged:
            raise ValueError("a race needs a contender that is judged")
        if self.kind == "sequence" and not all("number" in one.take for one in judged):
            raise ValueError("a sequence needs 'take: {number: ...}' of each contender")
        if self.kind == "sequence":
            self._numbers_alike()
        if self.kind == "cross" and not (self.never or self.state or self.reads):
            raise ValueError("say what must hold: 'never', 'state' or 'reads'")
        tags = {one.tag for one in self.contenders if one.tag}
        named = {tag for pair in self.never for tag in pair}
        named |= {tag for read in self.reads for tag in (*read.when, *read.unless)}
        named |= {read.each for read in self.reads if isinstance(read.each, str)}
        if named - tags:
            raise ValueError(f"no contender has the tag {', '.join(sorted(named - tags))}")
        states = {name for one in self.contenders for name in (*one.from_, *one.to)}
        states |= {read.state for read in self.reads if read.state}
        if states - set(self.state):
            raise ValueError(f"'state' does not say {', '.join(sorted(states - set(self.state)))}")
        return self

    def _numbers_alike(self) -> None:
        """Who is to be refused may be served after all, and then its number must be known too."""
        where = {one.do: one.take["number"] for one in self.contenders if "number" in one.take}
        for one in self.contenders:
            if one.do is not None and one.do in where:
                one.take.setdefault("number", where[one.do])

    @property
    def most(self) -> int | None:
        """How many may win; None: any number."""
        if isinstance(self.winners, int) and self.kind not in {"sequence", "idempotency", "cross"}:
            return self.winners
        return None


class Racing(Strict):
    """How races are run against this target."""

    arrived: Extraction | None = Field(
        default=None, description="where an answer says when its request arrived"
    )
    unit: Literal["ns", "us", "ms", "s"] = "ns"
    http2: bool = False
    rounds: int = Field(default=60, ge=1, le=500, description="at most, for each race")
    seconds: float = Field(default=6, gt=0, le=600, description="at most, for each race")
    needed_us: float = Field(
        default=1000, gt=0, description="the window (µs) that must have shown, with 99 %"
    )
    database: str | None = Field(
        default=None, description='"${DATABASE_URL}": PostgreSQL, to hold writers back'
    )
