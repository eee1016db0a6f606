"""The nouns of the field, as frozen values. This module imports nothing of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Relation(StrEnum):
    """How a persona stands to the instance that an operation is about."""

    OWN = "own"
    ASSIGNED = "assigned"
    SAME_TENANT = "same_tenant"
    OTHER_TENANT = "other_tenant"
    NONE = "none"
    COLLECTION = "collection"


class Expected(StrEnum):
    """What the policy says of a case."""

    ALLOW = "allow"
    DENY = "deny"


class Because(StrEnum):
    """Why a case is expected to be allowed or denied; the refusal conventions follow it."""

    GRANTED = "granted"
    ROLE = "role"
    UNRELATED = "unrelated"
    OTHER_TENANT = "other_tenant"
    UNAUTHENTICATED = "unauthenticated"
    MISSING = "missing"


class Outcome(StrEnum):
    """What one answer says happened. Only the first four are statements about access."""

    ALLOWED = "allowed"
    DENIED = "denied"
    ABSENT = "absent"
    UNAUTHENTICATED = "unauthenticated"
    INVALID = "invalid"
    CONFLICT = "conflict"
    LIMITED = "limited"
    BROKEN = "broken"

    @property
    def refused(self) -> bool:
        return self in {Outcome.DENIED, Outcome.ABSENT, Outcome.UNAUTHENTICATED}


@dataclass(frozen=True)
class Case:
    """One thing to try: subject, action, instance by relation, expected effect.

    `id` is stable and plain (letters, digits, `.`, `_`, `-`). `persona` is None for cases
    about the target as a whole. `other` is the tenant of the instance when it is not the
    persona's. `variant` tells cases apart that differ in where or how an id is placed.
    `unclaimed` is what the target file would have to say for the case to be tried.
    """

    id: str
    suite: str
    property: str
    sentence: str
    persona: str | None
    roles: tuple[str, ...]
    tenant: str | None
    resource: str | None
    operation: str | None
    kind: str | None
    relation: Relation
    expected: Expected
    because: Because
    other: str | None = None
    variant: str | None = None
    unclaimed: str | None = None


@dataclass(frozen=True)
class Message:
    """A request as sent: URL, headers in order, body bytes."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def text(self) -> str:
        """URL, headers and body as one searchable text."""
        head = "\n".join(f"{name}: {value}" for name, value in self.headers)
        return f"{self.method} {self.url}\n{head}\n\n{decode(self.body)}"


@dataclass(frozen=True)
class Answer:
    """A response as received."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def text(self) -> str:
        """Headers and body as one searchable text."""
        head = "\n".join(f"{name}: {value}" for name, value in self.headers)
        return f"{head}\n\n{decode(self.body)}"

    def header(self, name: str) -> str | None:
        """The first header of that name, whatever its case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


def decode(body: bytes) -> str:
    """Bytes as text; what is not UTF-8 becomes visible replacement characters."""
    return body.decode("utf-8", "replace")


@dataclass(frozen=True)
class Exchange:
    """A request, its answer (or the error instead), and when: UTC seconds and duration."""

    id: str
    persona: str
    purpose: str
    request: Message
    answer: Answer | None
    error: str | None
    started: float
    seconds: float


@dataclass(frozen=True)
class Read:
    """An exchange with the outcome that the target's rules give it."""

    exchange: Exchange
    outcome: Outcome

    @property
    def status(self) -> str:
        """The status for a sentence: `403`, or why there was none."""
        answer = self.exchange.answer
        return str(answer.status) if answer else (self.exchange.error or "no answer")


@dataclass(frozen=True)
class Subject:
    """What an oracle must know of the instance in a case: its id, parents' ids and markers."""

    resource: str
    tenant: str
    ids: tuple[str, ...]
    markers: frozenset[str]


@dataclass(frozen=True)
class Stranger:
    """A record that an answer shows by its id and that its reader may not see: why, and the rule
    that is broken.
    """

    resource: str
    id: str
    why: str
    rule: str

    @property
    def reason(self) -> str:
        """What speaks against the answer that shows it."""
        return f"it shows the {self.resource} {self.id}, {self.why}"


@dataclass(frozen=True)
class Trial:
    """All that was seen while one case was tried; the only thing that oracles look at.

    `before`, `after` and `again` are read-backs by somebody who may read (`again` shows what
    varies by itself), `siblings` lists in which the attempt may have left a row; `reference` are
    the same requests with ids that never existed, which are `made_up`; `carried` are the markers
    of the attempt's own payload; `unproved` says why there is no read-back. `strangers` are
    records in the answer that its reader may not see.
    """

    case: Case
    attempt: Read
    control: Read | None = None
    before: tuple[Read, ...] = ()
    after: tuple[Read, ...] = ()
    again: tuple[Read, ...] = ()
    siblings: tuple[Read, ...] = ()
    reference: tuple[Read, ...] = ()
    subject: Subject | None = None
    made_up: tuple[str, ...] = ()
    carried: frozenset[str] = frozenset()
    convention: tuple[int, ...] | None = None
    unproved: str | None = None
    shows_change: bool = True
    strangers: tuple[Stranger, ...] = ()


@dataclass(frozen=True)
class Step:
    """One request of a scenario: what it is, and what has to come of it.

    `rule` is the rule that is broken otherwise; without one the step is a control, and the
    scenario proves nothing if it goes another way. `limited` says that a refusal for the rate
    (429) counts as well. `control` is an answer that a refused read is compared with; `proof` are
    markers of which one has to stand in an answer, else it gives nothing away.
    """

    says: str
    read: Read
    expected: Expected
    rule: str | None = None
    limited: bool = False
    control: Read | None = None
    proof: frozenset[str] | None = None


@dataclass(frozen=True)
class Scenario:
    """What was done about one case, in order; `note` says what a pass is worth."""

    case: Case
    steps: tuple[Step, ...]
    note: str = ""


class Result(StrEnum):
    """The three verdicts, and the two ways for a case to have none."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NOT_CLAIMED = "not_claimed"
    NOT_TESTED = "not_tested"


@dataclass(frozen=True)
class Verdict:
    """What an oracle concludes: the result, its kind, the rule it broke, and why in a sentence.

    `detail` is what a report draws: JSON with a `kind` that says what it is. `about` is what was
    tried where a case tries many things.
    """

    result: Result
    kind: str
    reason: str
    rule: str | None = None
    exchanges: tuple[Exchange, ...] = field(default=())
    detail: Mapping[str, Any] | None = field(default=None, compare=False)
    about: Case | None = field(default=None, compare=False)
