"""What a verdict shows beside its sentence: a race on its time line, days under a pinned clock,
the rows of a decision table, a load over time, what a fuzzer reached. Read from the ledger's
`detail`."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator


@dataclass(frozen=True, slots=True)
class Contender:
    """One request of a round; times in microseconds since the release."""

    label: str
    sent_us: float
    came: Literal["won", "lost", "unknown"]
    answered_us: float | None = None
    arrived_us: float | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read when everything had come to rest."""

    label: str
    says: str


@dataclass(frozen=True, slots=True)
class ShownRound:
    """The round that decides: the one that shows the violation, or else the last that counted."""

    number: int
    contenders: tuple[Contender, ...]
    says: str = ""
    reads: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True)
class Round:
    number: int
    counted: bool
    verdict: str = ""
    spread_us: float | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    median: float
    p95: float


@dataclass(frozen=True, slots=True)
class Power:
    """What the rounds would have shown: `window_us` at 99 %, None if that is not known."""

    rounds: int
    counted: int
    contenders: int
    overlapped: float
    spread_us: Spread | None = None
    window_us: float | None = None
    needed_us: float | None = None


@dataclass(frozen=True, slots=True)
class Race:
    kind: Literal["race"]
    race: str
    technique: str
    power: Power
    seen_by: str = "harness"
    rounds: tuple[Round, ...] = ()
    shown: ShownRound | None = None


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What the clocks said before anything was judged."""

    application: str | None = None
    database: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """One place where an event shows: on which day it has to, and on which it does."""

    place: str
    expected: str
    observed: str
    ok: bool


@dataclass(frozen=True, slots=True)
class Days:
    kind: Literal["clock"]
    pin: str
    zone: str
    local: str
    utc: str
    local_date: str
    rows: tuple[Place, ...]
    why: str = ""
    tzdata: str = ""
    adapter: str = ""
    read_back: ReadBack = field(default_factory=ReadBack)
    exposes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One set of inputs, what the table says of it and what the target said."""

    inputs: dict[str, Any]
    expected: dict[str, Any]
    observed: dict[str, Any]
    ok: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    kind: Literal["table"]
    table: str
    rows: tuple[Row, ...]
    source: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a workflow has to hold: seconds, a share, workflows per second; None if not claimed."""

    p95: float | None = None
    p99: float | None = None
    errors: float | None = None
    throughput: float | None = None


@dataclass(frozen=True, slots=True)
class Workflow:
    """One workflow under load; times in seconds from the intended start."""

    name: str
    count: int
    errors: int
    outcome: Literal["pass", "fail", "inconclusive"] | None = None
    says: str = ""
    why: str = ""
    rate: float | None = None
    throughput: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None
    slo: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Served:
    """What one persona got under load."""

    persona: str
    count: int
    errors: int
    p95: float | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One stretch of time: answers, those that were errors, latencies in seconds."""

    at: float
    count: int
    errors: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    running: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """The stretches of one workflow, or of everything together (`workflow` is None)."""

    workflow: str | None
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that was done to the target while it was under load."""

    at: float
    says: str
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Leaks:
    """Foreign data in so many responses; the bound holds with 95 % confidence."""

    responses: int
    found: int
    per_million: float | None = None
    upper_per_million: float | None = None


@dataclass(frozen=True, slots=True)
class Knee:
    """The highest rate that held."""

    says: str
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Load:
    kind: Literal["load"]
    phase: str
    seconds: float
    bucket: float = 1.0
    warm_up: float = 0.0
    workflows: tuple[Workflow, ...] = ()
    personas: tuple[Served, ...] = ()
    series: tuple[Series, ...] = ()
    marks: tuple[Mark, ...] = ()
    leaks: Leaks | None = None
    knee: Knee | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explored:
    """One operation of the API document: how often it was answered with which status."""

    operation: str
    granted: bool = False
    statuses: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fuzz:
    kind: Literal["fuzz"]
    persona: str
    requests: int
    seconds: float
    phases: dict[str, int] = field(default_factory=dict)
    operations: tuple[Explored, ...] = ()
    untouched: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    off: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fields:
    """Fields of a record that a reader saw or a writer set (`open`), and those kept from them."""

    kind: Literal["fields"]
    act: Literal["see", "set"]
    open: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()


_KINDS = ("race", "clock", "table", "load", "fuzz", "fields")


def _known(value: Any) -> Any:
    """A kind of detail that this version cannot draw is left out."""
    return value if isinstance(value, dict) and value.get("kind") in _KINDS else None


Detail = Annotated[
    Annotated[Race | Days | Table | Load | Fuzz | Fields, Discriminator("kind")] | None,
    BeforeValidator(_known),
]
