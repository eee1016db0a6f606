"""Drafts: requests as the API document writes them, before anybody's credentials are added."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance.model import Exchange


class Absent:
    """The body of a request that has none; not None, because null is a body too."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent()


@dataclass(frozen=True)
class Draft:
    """A request to the operation `label` (`GET /patients/{patient_id}`), part by part.

    `method` may be another than the operation's. `stranger` is sent without any credential,
    whoever sends it.
    """

    label: str
    method: str
    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(default_factory=dict)
    cookies: Mapping[str, Any] = field(default_factory=dict)
    body: Any = ABSENT
    media_type: str | None = None
    stranger: bool = False

    @property
    def size(self) -> int:
        """How much it says; of two that show the same, the smaller one is the better finding."""
        parts = (self.path, self.query, self.headers, self.cookies)
        length = sum(len(part) + len(json.dumps(dict(part), default=str)) for part in parts)
        return length + (0 if self.body is ABSENT else len(json.dumps(self.body, default=str)))


@dataclass(frozen=True)
class Objection:
    """What a check has against an answer: which check, why, and what tells it from others.

    `before` are the requests whose answers the draft was made from, oldest first.
    """

    check: str
    label: str
    reason: str
    essence: str
    draft: Draft
    exchange: Exchange
    before: tuple[Draft, ...] = ()


class Enough(KeyboardInterrupt):
    """Nothing more is to be sent; Schemathesis' engine stops for nothing less."""
