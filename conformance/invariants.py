"""Invariants as the target file describes them: two sides, each read, and how they must stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from conformance.books import Measure, Standing
from conformance.races import Action
from conformance.schema import JsonPath, Paging, Strict

Constant = int | float | str
_AMOUNTS: frozenset[Measure] = frozenset({"count", "distinct", "sum", "least", "most", "value"})


class Looking(Action):
    """A request that is read, all pages of it, and where in it the values stand."""

    find: str | None = Field(default=None, description="JSONPath; may hold {placeholders}")
    items: JsonPath | None = Field(default=None, description="of a request: the rows of a page")
    next: Paging | None = Field(default=None, description="of a request: how pages go on")

    @model_validator(mode="after")
    def _pages(self) -> Looking:
        if self.do is not None and (self.items is not None or self.next is not None):
            raise ValueError("the operation itself says 'items' and 'next'")
        if self.next is not None and self.items is None:
            raise ValueError("'next' needs 'items', the JSONPath of the rows")
        if self.find is not None and not self.find.startswith("$"):
            raise ValueError(f"{self.find!r} is not a JSONPath: it starts with $")
        return self


class Side(Looking):
    """One side of an invariant: what is read, and what is made of the values found."""

    is_: Measure = Field(default="value", alias="is", description="what is made of what is found")
    over: Looking | None = Field(
        default=None, description="read once for each value that this finds, as {each}"
    )
    constant: Constant | None = Field(default=None, description="a number or text; read nothing")

    def _requires_one_way(self) -> None:
        if self.constant is None:
            super()._requires_one_way()

    @model_validator(mode="after")
    def _found(self) -> Side:
        if self.constant is not None:
            return self
        if self.is_ != "answered" and self.find is None:
            raise ValueError("say where the values stand: 'find', a JSONPath")
        if self.over is not None and self.over.find is None:
            raise ValueError("'over' needs 'find', a JSONPath of the values")
        if self.over is not None and self.is_ == "answered":
            raise ValueError("'is: answered' asks for each value of 'left', so it takes no 'over'")
        return self

    @property
    def amount(self) -> bool:
        """Whether it comes to one value, not to a set of them."""
        return self.is_ in _AMOUNTS


def _side(value: Any) -> Any:
    return {"constant": value} if isinstance(value, int | float | str) else value


class Invariant(Strict):
    """What must hold of the target's data whenever nothing is under way."""

    says: str | None = Field(default=None, description="what must hold, in a few words")
    tenant: str | None = Field(default=None, description="one tenant only; all unless said")
    left: Side
    right: Annotated[Side, BeforeValidator(_side, json_schema_input_type=Constant | Side)]
    relation: Standing = Field(default="equal", description="how left stands to right")
    settles: float = Field(
        default=0, ge=0, le=30, description="seconds until a report has caught up"
    )

    @model_validator(mode="after")
    def _fits(self) -> Invariant:
        if self.left.is_ == "answered":
            raise ValueError("'is: answered' is for 'right': each value of 'left' is asked for")
        right = self.right
        if self.left.constant is not None:
            raise ValueError("'left' is read; a constant is for 'right'")
        if right.is_ == "answered":
            if self.left.is_ != "set" or self.relation not in {"equal", "subset"}:
                raise ValueError("'is: answered' goes with 'left: {is: set}', 'relation: subset'")
            return self
        if self.left.amount != right.amount:
            raise ValueError(
                "one side is a set and the other one value: make both 'is: set', or neither"
            )
        if self.relation == "subset" and self.left.amount:
            raise ValueError("'relation: subset' compares sets: 'is: set' on both sides")
        if self.relation in {"at_most", "at_least"} and not self.left.amount:
            raise ValueError(f"'relation: {self.relation}' compares amounts, not sets")
        return self


Invariants = dict[str, Invariant]


def looks(invariant: Invariant) -> Iterator[tuple[str, Side]]:
    """The sides that are read, with their names in the file."""
    yield "left", invariant.left
    if invariant.right.constant is None:
        yield "right", invariant.right
