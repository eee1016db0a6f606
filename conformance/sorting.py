"""The order in which a list promises its rows, and what comes of comparing them. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from conformance.extraction import values
from conformance.schema import JsonPath, Strict, as_list

_SHOWN = 40


class Key(Strict):
    """What rows are sorted by: the least first, or the value that is named first."""

    by: JsonPath = Field(description="in a row; a minus before it: the most first")
    descending: bool = Field(default=False, description="the most first")
    first: list[Any] = Field(
        default=[], description="words in their order, the first one first: [stat, routine]"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Key:
        if self.descending and self.first:
            raise ValueError("'first' names the words in their order; leave the minus out")
        return self

    def __str__(self) -> str:
        return f"-{self.by}" if self.descending else self.by


def _short(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return {"by": value.removeprefix("-"), "descending": value.startswith("-")}


ShortKey = Annotated[Key, BeforeValidator(_short, json_schema_input_type=str | Key)]
Keys = Annotated[
    list[ShortKey],
    BeforeValidator(as_list, json_schema_input_type=str | Key | list[str | Key]),
]


class Sorting(Strict):
    """The keys of a list, the one that counts most first, and how rows come to differ by them."""

    by: Keys = Field(min_length=1)
    made_with: list[dict[str, Any]] = Field(
        default=[],
        description="fields of 'create' for every other row that is made, where rows made alike "
        "would not differ by the first key",
    )


def short_sorting(value: Any) -> Any:
    """The long form of a key or a list of keys; None stays."""
    return value if value is None or isinstance(value, dict) else {"by": value}


# --- two values ------------------------------------------------------------------------------


def compared(key: Key, one: Any, other: Any) -> int | None:
    """-1 if `one` comes first, 1 if `other` does, 0 if that makes no difference.

    None if nobody can say: a value is missing, is none of the words, or is of another type, or
    two texts stand in another order in one usual collation than in the next.
    """
    if one is None or other is None:
        return None
    if key.first:
        if one not in key.first or other not in key.first:
            return None
        return _sign(Decimal(key.first.index(one)), Decimal(key.first.index(other)))
    found = _naturally(one, other)
    return found if found is None or not key.descending else -found


def _naturally(one: Any, other: Any) -> int | None:
    if isinstance(one, str) and isinstance(other, str):
        return _texts(one, other)
    if isinstance(one, bool) and isinstance(other, bool):
        return _sign(one, other)
    numbers = _number(one), _number(other)
    if None in numbers or isinstance(one, str) or isinstance(other, str):
        return None
    return _sign(*numbers)


def _texts(one: str, other: str) -> int | None:
    if one == other:
        return 0
    first, second = _instant(one), _instant(other)
    if first is not None and second is not None:
        return _sign(first, second) if _alike(first, second) else None
    views = [(one, other), (one.casefold(), other.casefold()), (_plain(one), _plain(other))]
    signs = {_sign(*view) for view in views}
    numbers = _number(one), _number(other)
    if None not in numbers:
        signs.add(_sign(*numbers))
    return signs.pop() if len(signs) == 1 else None


def _alike(one: datetime, other: datetime) -> bool:
    """Whether both say their offset from UTC, or neither does."""
    return (one.tzinfo is None) == (other.tzinfo is None)


def _plain(text: str) -> str:
    """A text as collations see it that look at letters and digits alone."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in apart if sign.isalnum())


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _sign(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


# --- many rows -------------------------------------------------------------------------------

Row = tuple[Any, ...]
"""The values of one row, one for each key; None where there is none."""


def row_of(keys: Sequence[Key], record: Any) -> Row:
    """What a list's row has for each key."""
    return tuple(next(iter(values(key.by, record)), None) for key in keys)


@dataclass(frozen=True)
class Misplaced:
    """Two neighbors in the wrong order: the places of both, counted from 0, and the key."""

    before: int
    after: int
    key: Key
    values: tuple[Any, Any]

    def __str__(self) -> str:
        first, second = self.values
        said = ""
        if self.key.first or not (isinstance(first, str) and _instant(first) is None):
            said = f", {_cut(first)} before {_cut(second)}"
        return (
            f"rows {self.before + 1} and {self.after + 1} are not in the order of {self.key}{said}"
        )


def _cut(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _neighbors(keys: Sequence[Key], rows: Sequence[Row]) -> Iterator[tuple[int, int, int, int]]:
    """Rows that follow each other: both places, the key that decides, and what it says.

    Where empty values go is the target's own choice, so rows without the first key are left out,
    and a pair is left alone from the first key that cannot be compared.
    """
    having = [place for place, row in enumerate(rows) if row[0] is not None]
    for before, after in pairwise(having):
        for number, key in enumerate(keys):
            said = compared(key, rows[before][number], rows[after][number])
            if said != 0:
                if said is not None:
                    yield before, after, number, said
                break


def misplaced(keys: Sequence[Key], rows: Sequence[Row]) -> Misplaced | None:
    """The first two neighbors in the wrong order; of rows that tie in all keys, any is right."""
    for before, after, number, said in _neighbors(keys, rows):
        if said > 0:
            told = rows[before][number], rows[after][number]
            return Misplaced(before, after, keys[number], told)
    return None


def tell(keys: Sequence[Key], rows: Sequence[Row]) -> bool:
    """Whether two of the rows differ by the first key, so that their order shows something."""
    first = [row[0] for row in rows]
    return any(
        compared(keys[0], one, other) in {-1, 1}
        for place, one in enumerate(first)
        for other in first[place + 1 :]
    )
