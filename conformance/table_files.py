"""Files of decision tables: where they are, and everything that is wrong with one, at its place."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from conformance.decision import Habits, evaluate
from conformance.document import Document, Loc, Problem, meant
from conformance.home import HOME
from conformance.tables import Band, Input, Part, Result, Span, Table, given_by


def place_of(name: str, folder: Path | None = None) -> Path:
    """The file of a table: a path from `folder`, or the name of one that comes with the harness."""
    if name.endswith((".yaml", ".yml")):
        return (folder or Path()) / name
    return HOME / "fixtures" / "tables" / f"{name}.yaml"


def shipped() -> list[str]:
    """The names of the tables that come with the harness."""
    files = sorted((HOME / "fixtures" / "tables").glob("*.yaml"))
    return [file.stem for file in files if file.read_text(encoding="utf-8").find("\ntable: ") >= 0]


def load_table(path: Path) -> Table:
    """The table in a file. Raises InvalidDocument with all problems at once."""
    document = Document(path)
    table, found = document.problems(Table)
    if table is not None:
        found += list(problems(table))
    if found or table is None:
        raise document.report(found)
    return table


# --- whether its parts fit together -----------------------------------------------------------


def problems(table: Table) -> Iterator[Problem]:
    """Names without a meaning, gaps and overlaps of bands, examples that the table contradicts."""
    for name, given in table.inputs.items():
        yield from _input(("inputs", name), given)
    for name, part in table.parts.items():
        yield from _part(table, ("parts", name), part)
    known = set(table.inputs) | set(table.parts)
    for name, result in table.results.items():
        for among in (result.sum, result.max, result.among):
            for part_name in among if isinstance(among, list) else ():
                yield from _known(("results", name), part_name, table.parts)
        for index, rule in enumerate(result.first):
            for word in rule.when:
                yield from _known(("results", name, "first", index, "when"), word, known)
        if result.first and result.first[-1].when and not _covers(result):
            yield Problem(
                ("results", name, "first"), "the last line needs no 'when', so that one always fits"
            )
        known.add(name)
    yield from _vectors(table)


def _covers(result: Result) -> bool:
    """Whether the last line's only condition is a span that has no lower end, or begins at 0."""
    last = result.first[-1].when
    spans = [one for one in last.values() if isinstance(one, Span)]
    return len(last) == len(spans) == 1 and spans[0].to is None and spans[0].below is None


def _known(loc: Loc, word: str, known: Any) -> Iterator[Problem]:
    if word not in known:
        yield Problem(loc, f"there is no {word!r}{meant(word, known)}")


def _input(loc: Loc, given: Input) -> Iterator[Problem]:
    if given.step is None or given.plausible is None:
        return
    low, high = given.plausible
    if low >= high:
        yield Problem((*loc, "plausible"), "the first plausible value is not below the last")
    for name, value in (("normal", given.normal), ("plausible", low), ("plausible", high)):
        if not isinstance(value, Decimal) or value % given.step:
            yield Problem((*loc, name), f"{value} is no multiple of the step {given.step}")
    if isinstance(given.normal, Decimal) and not low <= given.normal <= high:
        yield Problem((*loc, "normal"), "the normal value is not plausible")


def _part(table: Table, loc: Loc, part: Part) -> Iterator[Problem]:
    yield from _known((*loc, "of"), part.of, table.inputs)
    given = table.inputs.get(part.of)
    for index, way in enumerate(part.ways):
        place = (*loc, "variants", index) if part.variants else loc
        for word in way.when:
            yield from _known((*place, "when"), word, table.inputs)
        if given is None:
            continue
        if given.step is None:
            wrong = set(way.values) ^ set(given.values)
            if wrong:
                yield Problem(place, f"gives something for other codes than there are: {wrong}")
        elif not way.bands:
            yield Problem(place, f"{part.of} is a quantity and needs 'bands'")
        else:
            yield from _bands((*place, "bands"), way.bands, given)


def _bands(loc: Loc, bands: list[Band], given: Input) -> Iterator[Problem]:
    """Bands lie in order, without gap or overlap, from the first plausible value to the last."""
    assert given.step is not None and given.plausible is not None
    first, last = given.plausible
    expected: Decimal | None = first
    for index, band in enumerate(bands):
        low, high = band.ends(given.step)
        start = first if low is None and index == 0 else low
        if start is None or expected is None or (index and start != expected):
            what = "overlaps the one before" if start and expected and start < expected else "gap"
            yield Problem((*loc, index), f"the band begins at {start}, not at {expected}: {what}")
        elif index == 0 and start > first:
            yield Problem((*loc, index), f"nothing is given from {first} on")
        expected = None if high is None else high + given.step
    if expected is not None and expected <= last:
        yield Problem((*loc, len(bands) - 1), f"nothing is given from {expected} to {last}")


def _vectors(table: Table) -> Iterator[Problem]:
    columns, names = table.vectors.columns, table.vectors.parts
    for place, words, known in (("columns", columns, table.inputs), ("parts", names, table.parts)):
        for index, word in enumerate(words):
            yield from _known(("vectors", place, index), word, known)
    for index, row in enumerate(table.vectors.rows):
        loc: Loc = ("vectors", "rows", index)
        if len(row.given) != len(columns) or (row.parts and len(row.parts) != len(names)):
            yield Problem(loc, "has not as many values as there are columns")
            continue
        decision = evaluate(table, given_by(table, row), Habits.of(table))
        said = {
            **{f"parts.{name}": one for name, one in zip(names, row.parts, strict=False)},
            **row.results,
        }
        for name, wanted in said.items():
            if name not in table.outputs:
                yield from _known(loc, name, table.outputs)
            elif decision.output(name) != wanted:
                told = decision.output(name)
                yield Problem(loc, f"says {name} = {wanted}, and the table gives {told}")
