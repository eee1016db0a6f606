"""Two places that must agree, as they were read, and how they stand to each other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeVar

from conformance.model import Exchange

Measure = Literal["count", "distinct", "sum", "least", "most", "set", "value", "answered"]
Standing = Literal["equal", "subset", "at_most", "at_least"]
T = TypeVar("T")
SHOWN = 5
"""So many values of a difference are written out."""


@dataclass(frozen=True)
class Seen:
    """One side as it was read: the values found, or why they could not be.

    `refused` are values of the other side for which there was no answer (`is: answered`), `asked`
    how many were asked for, of `of`.
    """

    label: str
    measure: Measure
    values: tuple[Any, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    unread: str | None = None
    refused: tuple[str, ...] = ()
    asked: int = 0
    of: int = 0


@dataclass(frozen=True)
class Observation:
    """An invariant in one tenant: what was read of both sides, the last time last."""

    name: str
    says: str
    tenant: str
    relation: Standing
    looks: tuple[tuple[Seen, Seen], ...] = ()
    problem: str | None = None
    place: str = ""

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """What shows the last look: the ends of what was read of either side."""
        if not self.looks:
            return ()
        left, right = self.looks[-1]
        return (*left.exchanges[-3:], *right.exchanges[-3:])


class NoAmount(ValueError):
    """What was found makes no amount; the message says what it is."""


def amount(measure: Measure, values: Iterable[Any]) -> Any:
    """What the values come to: a Decimal, or the value itself. Null counts as not there.

    Raises NoAmount if a number is needed and there is none.
    """
    found = [value for value in values if value is not None]
    if measure == "count":
        return Decimal(len(found))
    if measure == "distinct":
        return Decimal(len({word(value) for value in found}))
    if measure == "value":
        if not found:
            raise NoAmount("nothing was found")
        return _plain(found[0])
    numbers = [_number(value) for value in found]
    if measure == "sum":
        return sum(numbers, Decimal(0))
    if not numbers:
        raise NoAmount("nothing was found")
    return min(numbers) if measure == "least" else max(numbers)


def _number(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise NoAmount(f"{value!r} is no number")
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise NoAmount(f"{str(value)[:40]!r} is no number") from None
    if not number.is_finite():
        raise NoAmount(f"{str(value)[:40]!r} is no number")
    return number


def _plain(value: Any) -> Any:
    """A number as a Decimal, so that 12.5 and "12.50" are one amount; else the value."""
    try:
        return _number(value)
    except NoAmount:
        return word(value)


def word(value: Any) -> str:
    """A value of a set as text, so that the ids 7 and "7" are one."""
    return str(value)


def broken(relation: Standing, left: Seen, right: Seen) -> str | None:
    """How the sides do not stand as they must, in words; None if they do. Raises NoAmount."""
    if right.measure == "answered":
        return _unanswered(left, right)
    if left.measure == "set":
        return _of_sets(relation, left, right)
    one, other = amount(left.measure, left.values), amount(right.measure, right.values)
    if relation == "equal":
        holds = one == other
    else:
        if not (isinstance(one, Decimal) and isinstance(other, Decimal)):
            raise NoAmount(f"{_shown(one)} and {_shown(other)} are no two numbers")
        holds = one <= other if relation == "at_most" else one >= other
    if holds:
        return None
    says = {"equal": "is not", "at_most": "is more than", "at_least": "is less than"}[relation]
    return f"{left.label} is {_shown(one)}, which {says} {right.label}: {_shown(other)}"


def _of_sets(relation: Standing, left: Seen, right: Seen) -> str | None:
    one = {word(value) for value in left.values if value is not None}
    other = {word(value) for value in right.values if value is not None}
    parts = []
    if one - other:
        parts.append(f"{_some(one - other)} in {left.label}, not in {right.label}")
    if relation == "equal" and other - one:
        parts.append(f"{_some(other - one)} in {right.label}, not in {left.label}")
    return "; ".join(parts) or None


def _unanswered(left: Seen, right: Seen) -> str | None:
    if not right.refused:
        return None
    return f"{_some(right.refused)} in {left.label} without a record: {right.label} has none"


def _some(values: Iterable[str]) -> str:
    found = sorted(values)
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{', '.join(found[:SHOWN])}{more}"


def _shown(value: Any) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)[:80]


def same(first: tuple[Seen, Seen], second: tuple[Seen, Seen]) -> bool:
    """Whether two looks found the same on both sides, so that nothing moved between them."""
    return all(
        sorted(map(word, one.values)) == sorted(map(word, other.values))
        and set(one.refused) == set(other.refused)
        for one, other in zip(first, second, strict=True)
    )


def empty(look: tuple[Seen, Seen]) -> bool:
    """Whether there was nothing to compare: no value on either side, or none but zero."""
    return all(
        all(value in (None, 0, "", "0") for value in seen.values) for seen in look
    ) and not any(seen.refused for seen in look)


def spread(found: Sequence[T], most: int) -> list[T]:
    """At most so many of them: the last half as they are, the rest spread over all."""
    if len(found) <= most:
        return list(found)
    last = most // 2
    step = (len(found) - last) / (most - last)
    early = [found[int(number * step)] for number in range(most - last)]
    return [*early, *found[-last:]]
