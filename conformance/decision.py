"""Decisions by a table: what given inputs come to, and what an implementation may make of them.

Pure. All arithmetic is decimal. What a standard leaves open (values between two steps, values that
are missing, values that cannot be) is a habit, which the table or a target declares.
"""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from conformance.tables import Condition, Input, Part, Result, Span, Table

Given = Mapping[str, Any]

_ROUNDING = {
    "half_up": decimal.ROUND_HALF_UP,
    "half_even": decimal.ROUND_HALF_EVEN,
    "floor": decimal.ROUND_FLOOR,
    "ceiling": decimal.ROUND_CEILING,
    "truncate": decimal.ROUND_DOWN,
}


@dataclass(frozen=True)
class Habits:
    """How a system treats what a table does not define.

    `precision`: values between two steps are refused (`reject`) or rounded. `missing`: what is not
    given is `refused`, makes the set `incomplete` (no sum, no result of it), or leaves it `partial`
    (a sum of the rest). `ranges`: implausible values are refused. `assumed` are values taken for
    missing ones, which no sound system does.
    """

    precision: str
    missing: str
    ranges: bool = True
    assumed: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(table: Table, precision: str | None = None, missing: str | None = None) -> Habits:
        """The table's own, unless others are declared."""
        return Habits(precision or table.precision, missing or table.missing)


@dataclass(frozen=True)
class Decision:
    """What inputs come to; `refused` says of each input that is not accepted why. None: unknown.

    `taken` is what the accepted inputs were taken for.
    """

    taken: Mapping[str, Any]
    refused: Mapping[str, str]
    parts: Mapping[str, Any]
    results: Mapping[str, Any]
    complete: bool

    def output(self, name: str) -> Any:
        """One output by its name: complete, parts.NAME, or a result."""
        if name == "complete":
            return self.complete
        head, _, tail = name.partition(".")
        return self.parts.get(tail) if head == "parts" and tail else self.results.get(name)


def evaluate(table: Table, given: Given, habits: Habits) -> Decision:
    """What `given` comes to. An input that is absent or None is missing."""
    refused: dict[str, str] = {}
    values: dict[str, Any] = {}
    for name, described in table.inputs.items():
        value = given.get(name)
        if value is None:
            value = habits.assumed.get(name)
        if value is None:
            if habits.missing == "refused":
                refused[name] = "it is missing"
            continue
        why, taken = _taken(described, value, habits)
        if why is not None:
            refused[name] = why
        else:
            values[name] = taken
    if refused:
        return Decision({}, refused, {}, {}, complete=False)
    parts = {name: part_of(part, values) for name, part in table.parts.items()}
    return concluded(table, values, parts, habits)


def concluded(table: Table, values: Given, parts: Given, habits: Habits) -> Decision:
    """What results from parts that are known."""
    partial = habits.missing in {"partial", "zero"}
    results: dict[str, Any] = {}
    for name, result in table.results.items():
        results[name] = _result(result, parts, {**values, **parts, **results}, partial)
    complete = None not in parts.values() or habits.missing == "zero"
    return Decision(values, {}, parts, results, complete)


def _taken(described: Input, value: Any, habits: Habits) -> tuple[str | None, Any]:
    """Why a value is refused, and else what it is taken for."""
    if described.step is None:
        known = isinstance(value, str) and value in described.values
        return (None, value) if known else ("it is none of the codes", None)
    if not isinstance(value, Decimal):
        return "it is no number", None
    assert described.plausible is not None
    if habits.ranges and not described.plausible[0] <= value <= described.plausible[1]:
        return "it cannot be", None
    steps = value / described.step
    if steps == steps.to_integral_value():
        return None, value
    if habits.precision == "reject":
        return "it lies between two steps", None
    return None, rounded(value, described.step, habits.precision)


def rounded(value: Decimal, step: Decimal, how: str) -> Decimal:
    """`value` on the grid of `step`; `float` rounds as binary floating point does."""
    if how == "float":
        nearest = round(float(value) / float(step))
        return nearest * step
    return (value / step).quantize(Decimal(1), rounding=_ROUNDING[how]) * step


def holds(condition: Condition, value: Any) -> bool | None:
    """Whether a condition is true of a value; None if the value is not known."""
    if value is None:
        return None
    if isinstance(condition, Span):
        return isinstance(value, Decimal) and condition.holds(value)
    return any(
        value == one and isinstance(value, bool) == isinstance(one, bool) for one in condition
    )


def _all(when: Mapping[str, Condition], values: Given) -> bool | None:
    told = [holds(condition, values.get(name)) for name, condition in when.items()]
    if False in told:
        return False
    return None if None in told else True


def part_of(part: Part, values: Given) -> Any:
    """What a part gives; None if its input, or what its variant depends on, is not known."""
    value = values.get(part.of)
    if value is None:
        return None
    for way in part.ways:
        fits = _all(way.when, values)
        if fits is None:
            return None
        if fits:
            if way.values:
                return way.values[value]
            return next((band.gives for band in way.bands if band.holds(value)), None)
    return None


def _among(which: Any, parts: Given) -> list[Any]:
    return [parts[name] for name in (parts if which == "all" else which)]


def _result(result: Result, parts: Given, known: Given, partial: bool) -> Any:
    if result.first:
        for rule in result.first:
            fits = _all(rule.when, known)
            if fits is None:
                return None
            if fits:
                return rule.then
        return None
    if result.any is not None:
        given = _among(result.among or "all", parts)
        found = any(holds([result.any], one) for one in given)
        return True if found else (None if None in given and not partial else False)
    which = result.sum if result.sum is not None else result.max
    given = _among(which, parts)
    if None in given and not partial:
        return None
    numbers = [one for one in given if one is not None]
    if result.sum is not None:
        total = sum(numbers, Decimal(0))
        return total if result.most is None else min(total, result.most)
    return max(numbers, default=None)


def agrees(table: Table, name: str, expected: Any, observed: Any) -> bool:
    """Whether an observed output is the expected one.

    Numbers count by value. What is expected to be unknown has to be shown as nothing; for a result
    with `any`, "none so far" is nothing as well.
    """
    if expected is None:
        result = table.results.get(name)
        nothing = observed is None or observed == ""
        return nothing or (result is not None and result.any is not None and observed is False)
    if isinstance(expected, bool) or isinstance(observed, bool):
        return expected is observed
    if isinstance(expected, Decimal):
        return number(observed) == expected
    return str(observed) == str(expected)


def number(value: Any) -> Decimal | None:
    """A JSON number, or a text that is one, as a decimal; None if it is neither."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        found = Decimal(str(value).strip())
    except decimal.InvalidOperation:
        return None
    return found if found.is_finite() else None
