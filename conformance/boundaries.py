"""The inputs that tell a right implementation of a table from wrong ones, derived from the table.

Pure. A row is a set of inputs with every decision that is acceptable for it; a sheet is what is
tried together. What no other row tells apart is searched for: see `conformance.mutants`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from itertools import chain, combinations, islice, product
from typing import Any

from conformance import mutants
from conformance.decision import Decision, Given, Habits, evaluate
from conformance.tables import Input, Part, Span, Table, Variant, given_by

EMPTY, WORD = "", "refused"
_MOST_TOGETHER = 3
"""Inputs that are changed at once in the search for sums and for what tells mutants apart."""

_MOST_TRIED = 4000
"""Sets of inputs that are looked at in a search."""


@dataclass(frozen=True)
class Row:
    """Inputs, the decisions that are acceptable for them, and why they are tried."""

    id: str
    given: Given
    accepts: tuple[Decision, ...]
    why: str

    @property
    def expected(self) -> Decision:
        """What a system that follows the table and its habits comes to."""
        return self.accepts[0]

    @property
    def refused(self) -> bool:
        """Whether every acceptable decision is to refuse it."""
        return all(one.refused for one in self.accepts)


@dataclass(frozen=True)
class Sheet:
    """Rows that are tried together, and what they are about: a kind and, mostly, an input."""

    kind: str
    name: str
    rows: tuple[Row, ...]

    @property
    def id(self) -> str:
        """Kind and name, plain enough for the id of a case."""
        return ".".join(filter(None, (self.kind, self.name.replace(" ", "-"))))


def normal(table: Table) -> dict[str, Any]:
    """Inputs of no concern."""
    return {name: given.normal for name, given in table.inputs.items()}


def _row(table: Table, habits: Habits, name: str, given: Given, why: str) -> Row:
    return Row(name, given, (evaluate(table, given, habits),), why)


# --- edges ----------------------------------------------------------------------------------


def fitting(table: Table, way: Variant) -> dict[str, Any]:
    """Normal inputs for which a variant of a part applies."""
    given = normal(table)
    for name, condition in way.when.items():
        if isinstance(condition, Span):
            low, high = condition.ends(table.inputs[name].step or Decimal(1))
            given[name] = low if low is not None else high
        elif given[name] not in condition:
            given[name] = condition[0]
    return given


def edges(way: Variant, described: Input) -> Iterator[tuple[Decimal, Decimal]]:
    """The last value of each band and the first of the next one."""
    assert described.step is not None
    for before, after in zip(way.bands, way.bands[1:], strict=False):
        high, low = before.ends(described.step)[1], after.ends(described.step)[0]
        if high is not None and low is not None:
            yield high, low


def _all_edges(part: Part, described: Input) -> list[tuple[Decimal, Decimal]]:
    return sorted({pair for way in part.ways for pair in edges(way, described)})


def _edge_sheets(table: Table, habits: Habits) -> Iterator[Sheet]:
    """Both sides of every edge of every variant, tried in each variant of the part."""
    for name, part in table.parts.items():
        described = table.inputs[part.of]
        for way in part.ways:
            given, rows = fitting(table, way), []
            if described.step is None:
                rows = [
                    _row(table, habits, code, {**given, part.of: code}, f"{part.of} {code}")
                    for code in described.values
                ]
            for high, low in _all_edges(part, described) if described.step is not None else ():
                for value in (high, low):
                    why = f"{part.of} {value}, beside the edge between {high} and {low}"
                    rows.append(_row(table, habits, str(value), {**given, part.of: value}, why))
            unique = {row.id: row for row in rows}
            yield Sheet("edges", " ".join(filter(None, (name, way.name))), tuple(unique.values()))


# --- aggregates -----------------------------------------------------------------------------


def levels(table: Table) -> dict[str, list[Any]]:
    """For each input every value beside an edge, or every code; the normal one left out."""
    found: dict[str, list[Any]] = {}
    for name, described in table.inputs.items():
        if described.step is None:
            values: list[Any] = list(described.values)
        else:
            pairs = {
                pair
                for part in table.parts.values()
                if part.of == name
                for pair in _all_edges(part, described)
            }
            values = sorted({value for pair in pairs for value in pair})
        found[name] = [value for value in values if value != described.normal]
    return found


def together(table: Table, most: int = _MOST_TOGETHER) -> Iterator[dict[str, Any]]:
    """Normal inputs with one, two, three of them changed to another level."""
    at = levels(table)
    for many in range(1, most + 1):
        for names in combinations(at, many):
            for values in product(*(at[name] for name in names)):
                yield {**normal(table), **dict(zip(names, values, strict=True))}


def _thresholds(table: Table) -> Iterator[tuple[str, Decimal]]:
    """Where results change: the first value of a condition's span, and the last before it."""
    for result in table.results.values():
        for rule in result.first:
            for name, condition in rule.when.items():
                sums = name in table.results and isinstance(condition, Span)
                if not sums or not isinstance(condition, Span):
                    continue
                for end in condition.ends(Decimal(1)):
                    if end is not None:
                        yield name, end
                        yield name, end - 1


def _aggregate_sheet(table: Table, habits: Habits) -> Iterator[Sheet]:
    """Sums beside each threshold, with and without what any one part may trigger."""
    flags = [name for name, result in table.results.items() if result.any is not None]
    wanted = {
        (name, value, tuple(told))
        for name, value in _thresholds(table)
        if value >= 0
        for told in product((False, True), repeat=len(flags))
    }
    rows: dict[tuple[Any, ...], Row] = {}
    candidates = [given_by(table, vector) for vector in table.vectors.rows]
    for given in chain(candidates, islice(together(table), _MOST_TRIED)) if wanted else ():
        decision = evaluate(table, given, habits)
        told = tuple(decision.results.get(flag) for flag in flags)
        for key in [key for key in wanted if key[1:] == (decision.results.get(key[0]), told)]:
            wanted.discard(key)
            said = [
                f"{key[0]} {key[1]}",
                *(f"{'' if on else 'not '}{flag}" for flag, on in zip(flags, key[2], strict=True)),
            ]
            rows[key] = Row("", given, (decision,), ", ".join(said))
        if not wanted:
            break
    ordered = [rows[key] for key in sorted(rows, key=str)]
    named = tuple(replace(row, id=row.why.replace(", ", "-").replace(" ", "-")) for row in ordered)
    if named:
        yield Sheet("thresholds", "", named)


def _vector_sheets(table: Table, habits: Habits, size: int = 10) -> Iterator[Sheet]:
    rows = [
        _row(table, habits, one.id, given_by(table, one), one.why) for one in table.vectors.rows
    ]
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        yield Sheet("vectors", f"{some[0].id}-{some[-1].id}", tuple(some))


# --- what no band is about ------------------------------------------------------------------


def worst(table: Table, habits: Habits) -> dict[str, Any]:
    """Inputs that are each as severe as they can be, settings left as they are."""
    given = normal(table)
    for name, values in levels(table).items():
        if not table.inputs[name].setting:
            tried = ({**given, name: value} for value in (given[name], *values))
            given = max(tried, key=lambda one: _severity(table, evaluate(table, one, habits)))
    return given


def _severity(table: Table, decision: Decision) -> tuple[Decimal, int]:
    """The sum of what the parts give, and how early a line of the results decides."""
    numbers = (one for one in decision.parts.values() if isinstance(one, Decimal))
    lines = [
        next(place for place, rule in enumerate(reversed(result.first)) if rule.then == told)
        for name, result in table.results.items()
        if result.first and (told := decision.results.get(name)) is not None
    ]
    return sum(numbers, Decimal(0)), sum(lines)


def extremes(table: Table, habits: Habits) -> tuple[Row, Row]:
    """An ordinary set of inputs and a severe one, both complete."""
    return (
        _row(table, habits, "ordinary", normal(table), "an ordinary set"),
        _row(table, habits, "severe", worst(table, habits), "a severe set"),
    )


def lacking(table: Table, habits: Habits) -> Row | None:
    """A severe set of which one input is missing; None if that is refused."""
    name = next((name for name, one in table.inputs.items() if not one.setting), None)
    left = {key: value for key, value in worst(table, habits).items() if key != name}
    row = _row(table, habits, "lacking", left, f"a severe set without {name}")
    return None if row.refused else row


def _missing_sheets(table: Table, habits: Habits) -> Iterator[Sheet]:
    """Each input absent, null, empty, a word, and codes that there are not."""
    ordinary, severe = normal(table), worst(table, habits)
    for name, described in table.inputs.items():
        if described.setting:
            continue
        rows = []
        for said, given in (("absent", ordinary), ("absent among severe ones", severe)):
            left = {key: value for key, value in given.items() if key != name}
            if said == "absent" or given != ordinary:
                rows.append(_row(table, habits, said.replace(" ", "-"), left, f"{name} {said}"))
        absent = rows[0].accepts
        refusing = evaluate(table, {**ordinary, name: WORD}, habits)
        rows.append(Row("null", {**ordinary, name: None}, (*absent, refusing), f"{name} null"))
        for value in (EMPTY, WORD, *described.others):
            both = (refusing, *absent) if value == EMPTY else (refusing,)
            said = "empty" if value == EMPTY else f"“{value}”"
            rows.append(Row(value or "empty", {**ordinary, name: value}, both, f"{name} {said}"))
        yield Sheet("missing", name, tuple(rows))


def _between(table: Table, habits: Habits) -> Iterator[Sheet]:
    """Values between two steps: midway, and where they are rounded also below and above it."""
    shares = ("0.5",) if habits.precision == "reject" else ("0.5", "0.4", "0.6")
    for name, described in table.inputs.items():
        if described.step is None:
            continue
        rows: dict[str, Row] = {}
        for part in table.parts.values():
            if part.of != name:
                continue
            for way in part.ways:
                given = fitting(table, way)
                for high, _low in edges(way, described):
                    for share in shares:
                        value = high + described.step * Decimal(share)
                        key = f"{way.name} {value}".strip().replace(" ", "-")
                        why = f"{name} {value}, between two steps"
                        rows[key] = _row(table, habits, key, {**given, name: value}, why)
        if rows:
            yield Sheet("precision", name, tuple(rows.values()))


def _range_sheets(table: Table, habits: Habits) -> Iterator[Sheet]:
    """The first and the last plausible value, and what lies beyond them."""
    for name, described in table.inputs.items():
        if described.step is None or described.plausible is None:
            continue
        low, high = described.plausible
        tried = (
            (low, "the first plausible value"),
            (high, "the last plausible value"),
            (low - described.step, "below what can be"),
            (high + described.step, "above what can be"),
            (high * 10 + described.step, "a digit too many"),
        )
        rows = tuple(
            _row(
                table, habits, str(value), {**normal(table), name: value}, f"{name} {value}, {why}"
            )
            for value, why in tried
        )
        yield Sheet("range", name, rows)


def _unit_sheets(table: Table, habits: Habits) -> Iterator[Sheet]:
    """An ordinary value as a bare number in another unit, where that number cannot be."""
    for name, described in table.inputs.items():
        rows = []
        for unit, conversion in described.other_units.items():
            value = (described.normal * conversion.times + conversion.plus).normalize()
            given = {**normal(table), name: value}
            why = f"{name} {value:f}, an ordinary value in {unit}"
            row = _row(table, habits, f"{value:f}", given, why)
            if row.refused:
                rows.append(row)
        rows += _with_comma(table, habits, name, described)
        if rows:
            yield Sheet("units", name, tuple(rows))


def _with_comma(table: Table, habits: Habits, name: str, described: Input) -> list[Row]:
    """A value with a decimal comma that would be another one if the comma ended the number."""
    if described.step is None or described.step >= 1:
        return []
    for value in levels(table)[name]:
        right = evaluate(table, {**normal(table), name: value}, habits)
        cut = evaluate(table, {**normal(table), name: Decimal(int(value))}, habits)
        if not cut.refused and right.parts != cut.parts:
            written = f"{value:f}".replace(".", ",")
            given = {**normal(table), name: written}
            refusing = evaluate(table, given, habits)
            return [Row("comma", given, (refusing, right), f"{name} {written}, with a comma")]
    return []


# --- all of them ----------------------------------------------------------------------------


@lru_cache(maxsize=32)
def _cached(key: _Key) -> tuple[Sheet, ...]:
    table, habits, shown = key.table, key.habits, key.shown
    found = [
        *_edge_sheets(table, habits),
        *_aggregate_sheet(table, habits),
        *_vector_sheets(table, habits),
        *_missing_sheets(table, habits),
        *_between(table, habits),
        *_range_sheets(table, habits),
        *_unit_sheets(table, habits),
    ]
    found = [sheet for sheet in found if sheet.rows]
    more = _telling(table, habits, shown, [row for sheet in found for row in sheet.rows])
    if more:
        found.append(Sheet("combinations", "", tuple(more)))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Key:
    """What sheets depend on, as a key of the cache: a table is known by itself."""

    table: Table
    habits: Habits
    shown: tuple[str, ...]

    def __hash__(self) -> int:
        return hash((id(self.table), self.habits.precision, self.habits.missing, self.shown))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Key)
            and self.table is other.table
            and (self.habits, self.shown) == (other.habits, other.shown)
        )


def sheets(table: Table, habits: Habits, shown: Sequence[str]) -> tuple[Sheet, ...]:
    """Everything to try of a table, for a target that shows the outputs `shown`."""
    return _cached(_Key(table, habits, tuple(shown)))


def _telling(table: Table, habits: Habits, shown: Sequence[str], rows: Iterable[Row]) -> list[Row]:
    """Rows for mutants of the table that none of `rows` tells from it, as far as there are any."""
    left = mutants.survivors(mutants.of(table, habits, shown), rows, shown)
    found: list[Row] = []
    around = _surroundings(table, habits) if left else {}
    for part in (None, *table.parts):
        concerned = [one for one in left if one.part == part]
        for given in _beside(table, part, around) if concerned else ():
            right = evaluate(table, given, habits)
            if right.refused:
                continue
            row = Row(f"{len(found) + 1}", given, (right,), "")
            killed = [one for one in concerned if mutants.kills(row, one, shown)]
            if killed:
                why = "; ".join(one.says for one in killed[:3])
                found.append(replace(row, why=f"shows whether {why}"))
                concerned = [one for one in concerned if one not in killed]
            if not concerned:
                break
    return found


def _surroundings(table: Table, habits: Habits) -> dict[tuple[Any, ...], dict[str, Any]]:
    """One set of inputs for each combination of results that is found."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    vectors = [given_by(table, one) for one in table.vectors.rows]
    for given in (normal(table), *together(table, 2), *vectors):
        decision = evaluate(table, given, habits)
        if decision.complete:
            found.setdefault(tuple(decision.results.values()), given)
    return found


def _beside(
    table: Table, part: str | None, around: Mapping[tuple[Any, ...], dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Every level of a part's input, in each of its variants, in different surroundings."""
    if part is None:
        yield from around.values()
        yield from islice(together(table), _MOST_TRIED)
        return
    name = table.parts[part].of
    for way in table.parts[part].ways:
        for given in around.values():
            for value in (table.inputs[name].normal, *levels(table)[name]):
                yield {
                    **given,
                    **{word: fitting(table, way)[word] for word in way.when},
                    name: value,
                }
