"""What a verdict shows beside its sentence: a race on its time line, days under a pinned clock,
the rows of a decision table. Read from the ledger's `detail`."""

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


_KINDS = ("race", "clock", "table")


def _known(value: Any) -> Any:
    """A kind of detail that this version cannot draw is left out."""
    return value if isinstance(value, dict) and value.get("kind") in _KINDS else None


Detail = Annotated[
    Annotated[Race | Days | Table, Discriminator("kind")] | None, BeforeValidator(_known)
]
