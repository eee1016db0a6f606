"""The access matrix as one self-contained SVG picture, for a README or a slide."""

import textwrap
from collections.abc import Iterator
from xml.sax.saxutils import escape

from reports.defects import RELATION_WORDS
from reports.glyphs import stylesheet, symbols
from reports.ledger import Run
from reports.matrix import STATE_WORDS, Cell, Matrix, Row
from reports.printable import one_line
from reports.verdict import Decision

_SLOT = 17
_ROW = 21
_GAP = 12
_MARGIN = 24
_LABEL = 190
_TITLE = 58
_ROLE_HEAD = 46
_NAME_LINES = 3
_RELATION_HEAD = 84
_LEGEND_COLUMNS = 3

_STYLE = """
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:#1b222c}
.card{fill:#fff}.title{font-size:17px;font-weight:650}.small{font-size:12px;fill:#55606f}
.role{font-size:11.5px;font-weight:600}.relation{font-size:10px;fill:#667181}
.row{font-size:12px}.line{stroke:#e3e7ec;fill:none}.group{stroke:#b9c1cc;fill:none}.dot{fill:#b9c1cc}
@media (prefers-color-scheme:dark){text{fill:#e7ebf0}.card{fill:#12161b}
.small,.relation{fill:#a2adbb}.line{stroke:#29313b}.group{stroke:#4a5563}.dot{fill:#4a5563}}
"""


def matrix_svg(run: Run, decision: Decision, matrix: Matrix) -> str:
    """The picture. It depends on nothing but its arguments and loads nothing."""
    slots = max(len(matrix.relations), 1)
    cell_width = slots * _SLOT + _GAP
    longest = max((len(row.resource) + len(row.operation) + 1 for row in matrix.rows), default=0)
    label = max(_LABEL, 16 + 7 * min(longest, 48))
    table_width = label + cell_width * len(matrix.roles)
    width = max(2 * _MARGIN + table_width, 760)
    head = _MARGIN + _TITLE + _ROLE_HEAD + _RELATION_HEAD
    legend_top = head + _ROW * len(matrix.rows) + 26
    legend_rows = -(-(len(STATE_WORDS) + 1) // _LEGEND_COLUMNS)
    height = legend_top + legend_rows * 22 + _MARGIN
    name = one_line(run.header.target.name, 60)
    title = f"Access matrix of {name}: {decision.verdict}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" role="img" aria-labelledby="title desc">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="desc">{escape(_description(matrix))}</desc>',
        f"<style>{_STYLE}{stylesheet()}</style><defs>{symbols()}</defs>",
        f'<rect class="card" width="{width}" height="{height}" rx="10"/>',
        _text(_MARGIN, _MARGIN + 16, escape(title), "title"),
        _text(_MARGIN, _MARGIN + 38, escape(_scope(run, decision)), "small"),
        *_header(matrix, label, cell_width, head),
        *_rows(matrix, label, cell_width, head, table_width),
        *_legend(matrix, legend_top, (width - 2 * _MARGIN) / _LEGEND_COLUMNS),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _header(matrix: Matrix, label: int, cell_width: int, head: int) -> Iterator[str]:
    bottom = head + _ROW * len(matrix.rows)
    for column, role in enumerate(matrix.roles):
        left = _MARGIN + label + column * cell_width
        slots = max(len(matrix.relations), 1) * _SLOT
        if column:
            yield f'<path class="line" d="M{left - _GAP / 2:g} {head - _RELATION_HEAD}V{bottom}"/>'
        names = textwrap.wrap(
            one_line(role.replace("_", " "), 60), width=max(6, int(cell_width / 6.6))
        )
        for line, name in enumerate(reversed(names[:_NAME_LINES])):
            y = head - _RELATION_HEAD - 6 - 14 * line
            yield _text(left + slots / 2, y, escape(name), "role", "middle")
        for place, relation in enumerate(matrix.relations):
            x, y = left + place * _SLOT + _SLOT / 2 + 3.5, head - 8
            words = escape(RELATION_WORDS.get(relation, relation))
            yield (
                f'<text class="relation" transform="translate({x:g} {y}) rotate(-90)">'
                f"{words}</text>"
            )


def _rows(
    matrix: Matrix, label: int, cell_width: int, head: int, table_width: int
) -> Iterator[str]:
    former = None
    for number, row in enumerate(matrix.rows):
        top = head + number * _ROW
        line = "group" if row.resource != former else "line"
        former = row.resource
        yield f'<path class="{line}" d="M{_MARGIN} {top}h{table_width}"/>'
        yield _text(_MARGIN, top + 15, escape(_row_name(row)), "row")
        for column, cell in enumerate(row.cells):
            left = _MARGIN + label + column * cell_width
            yield from _cell(cell, matrix.relations, left, top + (_ROW - 15) / 2)


def _cell(cell: Cell, relations: tuple[str, ...], left: int, top: float) -> Iterator[str]:
    if not cell.marks:
        middle = left + len(relations) * _SLOT / 2
        yield f'<circle class="dot" cx="{middle:g}" cy="{top + 7.5:g}" r="1.4"/>'
    for relation, mark in cell.marks.items():
        slot = relations.index(relation) if relation in relations else (len(relations) - 1) / 2
        yield (
            f'<use href="#g-{mark.sign}" x="{left + slot * _SLOT + 1:g}" y="{top:g}" width="15"'
            ' height="15"/>'
        )


def _legend(matrix: Matrix, top: float, column_width: float) -> Iterator[str]:
    entries = [*STATE_WORDS.items(), (None, "Not planned")]
    for number, (state, words) in enumerate(entries):
        x = _MARGIN + (number % _LEGEND_COLUMNS) * column_width
        y = top + (number // _LEGEND_COLUMNS) * 22
        if state is None:
            yield f'<circle class="dot" cx="{x + 8:g}" cy="{y + 8:g}" r="1.4"/>'
        else:
            yield f'<use href="#g-{state}" x="{x:g}" y="{y:g}" width="16" height="16"/>'
        count = f" ({matrix.totals[state]:,})" if state else ""
        yield _text(x + 24, y + 12.5, escape(words + count), "small")


def _scope(run: Run, decision: Decision) -> str:
    header = run.header
    return (
        f"{one_line(header.target.base_url, 60)} · profile {one_line(header.profile, 20)} · seed"
        f" {header.seed} · {one_line(header.started, 20)} · {decision.executed:,} of"
        f" {decision.planned:,} cases executed"
    )


def _description(matrix: Matrix) -> str:
    counts = "; ".join(f"{words}: {matrix.totals[state]}" for state, words in STATE_WORDS.items())
    return (
        f"{len(matrix.rows)} operations, {len(matrix.roles)} roles, each split by the relation of"
        f" the caller to the record. {counts}."
    )


def _row_name(row: Row) -> str:
    return one_line(f"{row.resource}.{row.operation}", 48)


def _text(x: float, y: float, content: str, kind: str, anchor: str = "") -> str:
    place = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}"{place}>{content}</text>'
