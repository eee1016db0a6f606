"""Odd values: what clinical systems choke on, as data."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from conformance.document import Document, Problem
from conformance.home import HOME
from conformance.schema import Strict

PATH = HOME / "fixtures" / "tables" / "odd_values.yaml"

OddKind = Literal["text", "number", "date", "structure"]
_MOST_SIGNS = 100_000


class Repeated(Strict):
    """A text or a list, so many times."""

    repeat: str | list[Any]
    times: int = Field(ge=1, le=_MOST_SIGNS)


class CodePoints(Strict):
    """A text by its code points; surrogates may be among them."""

    code_points: list[Annotated[int, Field(ge=0, le=0x10FFFF)]] = Field(min_length=1)


class PowerOfTen(Strict):
    """A one with so many zeros."""

    power_of_ten: int = Field(ge=1, le=4000)


class Nested(Strict):
    """Lists or objects inside each other."""

    nested: Literal["list", "object"]
    times: int = Field(ge=1, le=500)


class Written(Strict):
    """A number as it is written, that no float is."""

    written: str = Field(pattern=r"^-?\d+(\.\d+)?([eE][+-]?\d+)?$")


class Numeral(str):
    """A number that is sent as it is written here."""


Making = Repeated | CodePoints | PowerOfTen | Nested | Written


class Row(Strict):
    """A value as the table holds it."""

    name: str = Field(min_length=1)
    kind: OddKind
    value: Any = None
    made: Making | None = None
    alone: bool = False
    first: bool = False
    long: bool = False
    harsh: bool = False
    formula: bool = False
    person: bool = False
    means: Any = None
    why: str = Field(min_length=1)
    source: str | None = None

    @model_validator(mode="after")
    def _one_value(self) -> Row:
        if ("value" in self.model_fields_set) == (self.made is not None):
            raise ValueError("say either 'value' or how it is 'made'")
        if self.kind == "text" and not isinstance(made(self), str):
            raise ValueError("a row of kind text has a text")
        return self


class Rows(Strict):
    """The table."""

    values: list[Row] = Field(min_length=1)


@dataclass(frozen=True)
class Odd:
    """An odd value; `value` is what JSON would hold, but for NaN, infinity and lone surrogates.

    What is to `fill` a field is as long as `value`, whatever else the field holds.
    """

    name: str
    kind: OddKind
    value: Any
    why: str
    alone: bool = False
    first: bool = False
    long: bool = False
    harsh: bool = False
    formula: bool = False
    means: Any = None
    person: bool = False
    fill: bool = False


def made(row: Row) -> Any:
    """The value of a row."""
    match row.made:
        case None:
            return row.value
        case Repeated(repeat=part, times=times):
            return part * times
        case CodePoints(code_points=points):
            return "".join(map(chr, points))
        case PowerOfTen(power_of_ten=power):
            return 10**power
        case Written(written=written):
            return Numeral(written)
        case Nested(nested=kind, times=times):
            value: Any = [] if kind == "list" else {}
            for _ in range(times - 1):
                value = [value] if kind == "list" else {"a": value}
            return value


def load(path: Path = PATH) -> tuple[Odd, ...]:
    """The values in a file. Raises InvalidDocument with everything wrong at its place."""
    document = Document(path)
    rows, found = document.problems(Rows)
    seen: set[str] = set()
    for index, row in enumerate(rows.values if rows else ()):
        if row.name in seen:
            found.append(Problem(("values", index, "name"), f"there are two {row.name!r}"))
        seen.add(row.name)
    if found or rows is None:
        raise document.report(found)
    return tuple(
        Odd(
            row.name,
            row.kind,
            made(row),
            row.why,
            row.alone,
            row.first,
            row.long,
            row.harsh,
            row.formula,
            row.means,
            row.person,
        )
        for row in rows.values
    )


@functools.cache
def shipped() -> tuple[Odd, ...]:
    """The table that comes with the harness."""
    return load()


def values(*kinds: OddKind) -> tuple[Odd, ...]:
    """The odd values of these kinds, all if none is named."""
    return tuple(one for one in shipped() if not kinds or one.kind in kinds)
