"""What one run of Locust does, as data: who sends which workflows, when, and what may be seen.

A plan needs nothing besides: it goes to Locust's process, and to other machines, as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Sight:
    """What somebody may see in an answer: `resource.field` of the own tenant, and of any.

    `hidden` are markers of the own tenant that may not be seen all the same.
    """

    sees: tuple[str, ...] = ()
    everywhere: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True)
class Actor:
    """One persona with all that its requests carry.

    `path` goes before every path, `query` and `naming` (headers) to every request that names its
    tenant: the tenancy rules, filled.
    `sees` are the `resource.field` of its own tenant whose markers it may see, `everywhere` those
    of any tenant; `hidden` are markers of its own tenant that it may not see all the same. Where
    that depends on what is asked, `sights` says by `resource.operation` which of the plan's it is.
    """

    name: str
    tenant: str
    roles: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    query: Mapping[str, Any] = field(default_factory=dict)
    naming: Mapping[str, str] = field(default_factory=dict)
    sees: tuple[str, ...] = ()
    everywhere: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    sights: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One request of a workflow, its templates unfilled.

    `about` is (resource, operation), or empty strings; `on` says by resource which record is meant
    in its placeholders, where that has another name. `done` are the statuses that count as done;
    without any, 200 to 399. `creates` says where an answer gives the new record's id; the record
    is then known as `called`. `take` are further values of the answer. `think` are least and most
    seconds of a pause before the step. `asks` names the placeholder whose id the answer has to be
    about, and `answers` where it says so. An answered `writes` is a write acknowledged.
    Without `tenancy` it names no tenant.
    """

    name: str
    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, Any] | None = None
    body: str | None = None
    content_type: str | None = None
    about: tuple[str, str] = ("", "")
    on: Mapping[str, str] = field(default_factory=dict)
    done: tuple[int, ...] = ()
    creates: str | None = None
    called: str | None = None
    take: Mapping[str, str] = field(default_factory=dict)
    think: tuple[float, float] = (0.0, 0.0)
    asks: str | None = None
    answers: str | None = None
    writes: bool = False
    tenancy: bool = True


@dataclass(frozen=True)
class Workflow:
    """Steps in order, at `rate` arrivals a second over all actors.

    `mix` weighs the actors by name. `scenes` are values of placeholders for each actor
    ("patient.id", "tenant.name", what was taken in the set-up); every arrival of the actor takes
    its next one in turn.
    """

    name: str
    rate: float
    mix: Mapping[str, int]
    steps: tuple[Step, ...]
    scenes: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Flood:
    """So many users who repeat a workflow as fast as they are answered, `pause` seconds between.

    Who is told that there is no room (429, 503) waits `patience` seconds instead.
    """

    workflow: str
    actors: tuple[str, ...]
    users: int
    pause: float = 0.0
    patience: float = 0.0


@dataclass(frozen=True)
class Segment:
    """A stretch of time: seconds, how many times the declared rates, and who floods meanwhile."""

    name: str
    seconds: float
    factor: float = 1.0
    floods: tuple[Flood, ...] = ()


@dataclass(frozen=True)
class Plan:
    """All that a run of Locust needs.

    `users` take the arrivals; each has a connection of its own. `timeout` are the seconds that an
    answer may take until it ends, `most_bytes` how long it may be. `tenants` gives each tenant's
    time zone; `fields` are the (resource, field) whose markers are told apart; `markers` are
    markers that do not name their place themselves: text -> (tenant, resource, field).
    Suspect exchanges are handed out whole, `kept` at most of each kind.
    """

    base_url: str
    actors: tuple[Actor, ...]
    workflows: tuple[Workflow, ...]
    segments: tuple[Segment, ...]
    users: int
    seed: int
    timeout: float = 30.0
    most_bytes: int = 8 * 1024 * 1024
    verify: bool | str = True
    headers: Mapping[str, str] = field(default_factory=dict)
    tenants: Mapping[str, str] = field(default_factory=dict)
    fields: tuple[tuple[str, str], ...] = ()
    markers: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    sights: tuple[Sight, ...] = ()
    scan: bool = True
    kept: int = 3

    @property
    def seconds(self) -> float:
        """How long its segments last together."""
        return sum(segment.seconds for segment in self.segments)

    @property
    def flooding(self) -> int:
        """The most users that flood at one time."""
        return max(
            (sum(flood.users for flood in segment.floods) for segment in self.segments), default=0
        )


def dumped(plan: Plan) -> str:
    """The plan as JSON."""
    return json.dumps(asdict(plan))


def loaded(text: str) -> Plan:
    """The plan that `dumped` wrote."""
    found = built(Plan, json.loads(text))
    assert isinstance(found, Plan)
    return found


def built(kind: Any, value: Any) -> Any:
    """A value of JSON as the annotation `kind` says: dataclasses, tuples, mappings, scalars."""
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        known = {one.name for one in fields(kind)}
        given = {key: built(hints[key], item) for key, item in value.items() if key in known}
        return kind(**given)  # type: ignore[operator]
    if origin in (Union, UnionType):
        wanted = next((one for one in inner if get_origin(one) is not None), None)
        return value if value is None or wanted is None else built(wanted, value)
    if origin is tuple:
        each = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(built(one, item) for one, item in zip(each, value, strict=True))
    if origin is Mapping:
        return {key: built(inner[1], item) for key, item in value.items()}
    return value
