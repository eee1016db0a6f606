"""Wrong implementations of a table, made from the table, and the rows that show them to be wrong.

Pure. Mutation shows that what is tried is enough: every mutant that differs from the table in what
a target shows has to be told from it by some row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from conformance.decision import Decision, Habits, concluded, evaluate, part_of
from conformance.tables import Band, Part, Result, Span, Table, Variant

if TYPE_CHECKING:
    from conformance.boundaries import Row


@dataclass(frozen=True, eq=False)
class Mutant:
    """A table or habits with one mistake; `part` is the part that has it, if one has."""

    says: str
    table: Table
    habits: Habits
    part: str | None = None
    same_habits: bool = True

    def decides(self, given: Any) -> Decision:
        """What the mutant comes to."""
        return evaluate(self.table, given, self.habits)


def of(table: Table, habits: Habits, shown: Sequence[str] | None = None) -> list[Mutant]:
    """Every mutant of a table with these habits, as far as it bears on the outputs `shown`."""
    bears = _bearing(table, table.outputs if shown is None else shown)
    return [
        *(one for one in _of_parts(table, habits) if f"parts.{one.part}" in bears),
        *_of_results(table, habits, bears),
        *_of_habits(table, habits),
    ]


def _bearing(table: Table, shown: Sequence[str]) -> set[str]:
    """The outputs that `shown` are made of, themselves included."""
    found = set(shown)
    for name, result in reversed(table.results.items()):
        if name in found:
            which = result.sum if result.sum is not None else result.max
            named = list(table.parts) if "all" in (which,) or result.any is not None else which
            used = {*(named or ()), *(word for rule in result.first for word in rule.when)}
            found |= {f"parts.{word}" if word in table.parts else word for word in used}
    return found


def survivors(mutants: Iterable[Mutant], rows: Iterable[Row], shown: Sequence[str]) -> list[Mutant]:
    """The mutants that no row tells from the table, by the outputs that are shown."""
    tried = list(rows)
    return [one for one in mutants if not any(kills(row, one, shown) for row in tried)]


def kills(row: Row, mutant: Mutant, shown: Sequence[str]) -> bool:
    """Whether what the mutant shows of a row is none of what is acceptable."""
    right = row.expected
    if not mutant.same_habits:
        decision = mutant.decides(row.given)
    elif right.refused:
        return False
    else:
        parts = right.parts
        if mutant.part is not None:
            given = part_of(mutant.table.parts[mutant.part], right.taken)
            if given == parts[mutant.part]:
                return False
            parts = {**parts, mutant.part: given}
        decision = concluded(mutant.table, right.taken, parts, mutant.habits)
    told = _told(decision, shown)
    return all(_told(one, shown) != told for one in row.accepts)


def _told(decision: Decision, shown: Sequence[str]) -> Any:
    return "refused" if decision.refused else tuple(decision.output(name) for name in shown)


# --- parts ----------------------------------------------------------------------------------


def _of_parts(table: Table, habits: Habits) -> Iterator[Mutant]:
    for name, part in table.parts.items():
        for index, way in enumerate(part.ways):
            label = " ".join(filter(None, (name, way.name)))
            for says, changed in _ways(table, part, way):
                yield _with_way(table, habits, name, index, changed, f"{label}: {says}")
            for other, another in enumerate(part.ways):
                if other != index and another.bands != way.bands:
                    swapped = way.model_copy(
                        update={"bands": another.bands, "values": another.values}
                    )
                    says = f"{label}: scored as {another.name}"
                    yield _with_way(table, habits, name, index, swapped, says)


def _with_way(
    table: Table, habits: Habits, name: str, index: int, way: Variant, says: str
) -> Mutant:
    part = table.parts[name]
    if part.variants:
        ways = [*part.variants[:index], way, *part.variants[index + 1 :]]
        changed = Part(of=part.of, variants=ways)
    else:
        changed = Part(of=part.of, bands=way.bands, values=way.values)
    parts = {**table.parts, name: changed}
    return Mutant(says, table.model_copy(update={"parts": parts}), habits, name)


def _ways(table: Table, part: Part, way: Variant) -> Iterator[tuple[str, Variant]]:
    described = table.inputs[part.of]
    if described.step is None:
        for code, right in way.values.items():
            for wrong in _typos(right, way.values.values()):
                values = {**way.values, code: wrong}
                yield f"{code} gives {wrong}", way.model_copy(update={"values": values})
        return
    step = described.step
    for index, band in enumerate(way.bands):
        low, high = band.ends(step)
        for wrong in _typos(band.gives, (one.gives for one in way.bands)):
            bands = _replaced(way.bands, index, band.model_copy(update={"gives": wrong}))
            says = f"{_span(low, high)} gives {wrong}"
            yield says, way.model_copy(update={"bands": bands})
        if index + 1 < len(way.bands) and high is not None:
            after = way.bands[index + 1]
            for by in (-step, step):
                first = _band(low, high + by, band.gives)
                second = _band(high + by + step, after.ends(step)[1], after.gives)
                bands = [*way.bands[:index], first, second, *way.bands[index + 2 :]]
                if band.gives != after.gives:
                    says = f"the edge after {high} lies after {high + by}"
                    yield says, way.model_copy(update={"bands": bands})


def _band(low: Decimal | None, high: Decimal | None, gives: Any) -> Band:
    return Band.model_validate({"from": low, "to": high, "gives": gives})


def _replaced(bands: list[Band], index: int, band: Band) -> list[Band]:
    return [*bands[:index], band, *bands[index + 1 :]]


def _span(low: Decimal | None, high: Decimal | None) -> str:
    if low is None or high is None:
        return f"up to {high}" if low is None else f"{low} and more"
    return f"{low} to {high}"


def _typos(right: Any, beside: Iterable[Any]) -> list[Any]:
    """Other values that a slip of the pen or of symmetry would give."""
    wrong = list(beside)
    if isinstance(right, Decimal):
        wrong += [right + 1, max(right - 1, Decimal(0)), right * 11, Decimal(0)]
    return [one for one in dict.fromkeys(wrong) if one != right]


# --- results --------------------------------------------------------------------------------


def _of_results(table: Table, habits: Habits, bears: set[str]) -> Iterator[Mutant]:
    for name, result in table.results.items():
        for says, changed in _results(table, result) if name in bears else ():
            results = {**table.results, name: changed}
            mutant = table.model_copy(update={"results": results})
            yield Mutant(f"{name}: {says}", mutant, habits)


def _can_be(table: Table, part: str, value: Any) -> bool:
    return any(
        value in [*(band.gives for band in way.bands), *way.values.values()]
        for way in table.parts[part].ways
    )


def _most(table: Table, names: list[str]) -> Decimal:
    """The largest sum that there is, were all parts free of each other."""
    most = Decimal(0)
    for name in names:
        given = [
            one
            for way in table.parts[name].ways
            for one in (*(band.gives for band in way.bands), *way.values.values())
        ]
        most += max((one for one in given if isinstance(one, Decimal)), default=Decimal(0))
    return most


def _results(table: Table, result: Result) -> Iterator[tuple[str, Result]]:
    if result.sum is not None:
        names = list(table.parts) if result.sum == "all" else list(result.sum)
        for name in names:
            rest = [one for one in names if one != name]
            yield f"without {name}", result.model_copy(update={"sum": rest})
            yield f"{name} twice", result.model_copy(update={"sum": [*names, name]})
        yield "the largest, not the sum", result.model_copy(update={"sum": None, "max": names})
        top = _most(table, names) - 1
        yield f"never more than {top}", result.model_copy(update={"most": top})
    if result.max is not None:
        names = list(table.parts) if result.max == "all" else list(result.max)
        yield "the sum, not the largest", result.model_copy(update={"max": None, "sum": names})
        for name in names:
            rest = [one for one in names if one != name]
            yield f"without {name}", result.model_copy(update={"max": rest})
    if result.any is not None:
        yield "never true", result.model_copy(update={"any": "nothing"})
        for part in table.parts:
            if _can_be(table, part, result.any):
                rest = [one for one in result.among or table.parts if one != part]
                yield f"{part} is not looked at", result.model_copy(update={"among": rest})
        if isinstance(result.any, Decimal):
            for wrong in (result.any - 1, result.any + 1):
                yield f"from {wrong}", result.model_copy(update={"any": wrong})
    yield from _rules(result)


def _rules(result: Result) -> Iterator[tuple[str, Result]]:
    rules = result.first
    for index, rule in enumerate(rules):
        said = f"line {index + 1}"
        if index + 1 < len(rules):
            rest = [*rules[:index], *rules[index + 1 :]]
            yield f"without {said}", result.model_copy(update={"first": rest})
        for wrong in dict.fromkeys(one.then for one in rules if one.then != rule.then):
            changed = rule.model_copy(update={"then": wrong})
            lines = [*rules[:index], changed, *rules[index + 1 :]]
            yield f"{said} is {wrong}", result.model_copy(update={"first": lines})
        for name, condition in rule.when.items():
            for says, moved in _moved(condition):
                changed = rule.model_copy(update={"when": {**rule.when, name: moved}})
                lines = [*rules[:index], changed, *rules[index + 1 :]]
                yield f"{said} {name} {says}", result.model_copy(update={"first": lines})


def _moved(condition: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(condition, Span):
        for end in ("from_", "to", "above", "below"):
            value = getattr(condition, end)
            for by in (-1, 1) if value is not None else ():
                changed = condition.model_copy(update={end: value + by})
                yield f"{end.strip('_')} {value + by}", changed
    elif len(condition) > 1:
        for value in condition:
            yield f"without {value}", [one for one in condition if one != value]


# --- habits ---------------------------------------------------------------------------------


def _of_habits(table: Table, habits: Habits) -> Iterator[Mutant]:
    def mutant(says: str, changed: Habits) -> Mutant:
        return Mutant(says, table, changed, same_habits=False)

    if any(part.of and table.inputs[part.of].step for part in table.parts.values()):
        for precision in ("reject", "half_up", "half_even", "floor", "ceiling", "float"):
            if precision != habits.precision and {precision, habits.precision} != {
                "floor",
                "truncate",
            }:
                says = f"values between two steps: {precision}"
                yield mutant(says, replace(habits, precision=precision))
        yield mutant("values that cannot be are scored", replace(habits, ranges=False))
    for missing in ("refused", "incomplete", "partial", "zero"):
        if missing != habits.missing and habits.missing not in {"partial"}:
            yield mutant(f"what is missing: {missing}", replace(habits, missing=missing))
    for name, described in table.inputs.items():
        for value in dict.fromkeys([described.normal, *described.values]):
            if not described.setting:
                says = f"{name} is taken for {value} where it is missing"
                yield mutant(says, replace(habits, assumed={name: value}))
