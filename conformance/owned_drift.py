"""The file in which people own cells of access that widened: drift.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from conformance.document import Document, Problem

if TYPE_CHECKING:
    from reports.drift import Owned

MOST_DAYS = 365
_STRICT = ConfigDict(extra="forbid")
_Level = Literal["closed", "tells", "open", "open and tells"]


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


_Text = Annotated[str, BeforeValidator(_stripped), Field(min_length=1)]


class _Entry(BaseModel):
    model_config = _STRICT

    role: _Text
    relation: Literal["own", "assigned", "same_tenant", "other_tenant", "none", "collection"]
    operation: Annotated[str, Field(pattern=r"^[^.\s]+\.[^\s]+$")]
    field: str = ""
    act: Literal["use", "see", "set"] = "use"
    tenant: str = ""
    old: _Level
    new: _Level
    reason: _Text
    owner: _Text
    approver: _Text
    granted: date
    expires: date
    ticket: str = ""


class _File(BaseModel):
    model_config = _STRICT

    schema_: Literal[1] = Field(alias="schema")
    drift: list[_Entry]


def load(path: Path) -> tuple[Owned, ...]:
    """What the file accepts, in its order.

    Raises InvalidDocument with file, line and column of everything wrong: a missing reason, an
    owner who approves for themselves, a cell twice, more than a year, levels that do not widen.
    """
    from reports.drift import Cell, Owned

    document = Document(path)
    read, problems = document.problems(_File)
    if read is not None:
        problems += _objections(read)
    if read is None or problems:
        raise document.report(problems)
    return tuple(
        Owned(
            cell=Cell(
                resource=one.operation.partition(".")[0],
                operation=one.operation.partition(".")[2],
                role=one.role,
                relation=one.relation,
                field=one.field,
                act=one.act,
                tenant=one.tenant,
            ),
            old=one.old,
            new=one.new,
            reason=one.reason,
            owner=one.owner,
            approver=one.approver,
            granted=one.granted,
            expires=one.expires,
            ticket=one.ticket,
            place=document.cite(("drift", index)),
        )
        for index, one in enumerate(read.drift)
    )


def _objections(read: _File) -> Iterator[Problem]:
    from reports.drift import LEVELS

    seen: set[tuple[str, ...]] = set()
    for index, one in enumerate(read.drift):
        place = ("drift", index)
        cell = (one.role, one.relation, one.operation, one.field, one.act, one.tenant)
        if cell in seen:
            yield Problem(place, "this cell was already owned above")
        seen.add(cell)
        if one.owner.casefold() == one.approver.casefold():
            yield Problem((*place, "approver"), "the owner cannot approve for themselves")
        if one.expires <= one.granted:
            yield Problem((*place, "expires"), "it must end after the day on which it was granted")
        elif (one.expires - one.granted).days > MOST_DAYS:
            message = f"{MOST_DAYS} days are the most that can be accepted at a time"
            yield Problem((*place, "expires"), message)
        if LEVELS.index(one.new) <= LEVELS.index(one.old):
            yield Problem((*place, "new"), f"{one.old} → {one.new} widens nothing")
        if bool(one.field) != (one.act != "use"):
            message = "say 'field' and 'act: see' or 'act: set' together, or neither"
            yield Problem((*place, "act"), message)
