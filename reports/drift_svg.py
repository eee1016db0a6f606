"""Drift between two runs as one self-contained SVG picture and as a page around it.

Every change has a shape and a letter of its own, so nothing rests on colour.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Literal
from xml.sax.saxutils import escape

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports.defects import RELATION_WORDS
from reports.drift import ACT_WORDS, LEVEL_WORDS, MOVE_WORDS, Change, Drift
from reports.glyphs import Glyph, Tone
from reports.ledger import Run
from reports.printable import one_line

Sign = Literal["widened", "owned", "narrowed", "unknown now", "known now", "new", "gone"]

SIGN_WORDS: dict[Sign, str] = {
    "widened": MOVE_WORDS["widened"] + ", and nobody owns it",
    "owned": MOVE_WORDS["widened"] + ", and somebody owns it",
    "narrowed": MOVE_WORDS["narrowed"],
    "unknown now": MOVE_WORDS["unknown now"],
    "known now": MOVE_WORDS["known now"],
    "new": MOVE_WORDS["new"],
    "gone": MOVE_WORDS["gone"],
}

GLYPHS: dict[Sign, Glyph] = {
    "widened": Glyph(
        shape='<path d="M8 .3 15.9 15.2H.1Z"/>',
        letter="W",
        baseline=13.8,
        light=Tone("#c4231c", "#c4231c", "#ffffff"),
        dark=Tone("#ff7a70", "#ff7a70", "#2b0402"),
    ),
    "owned": Glyph(
        shape='<path d="M8 1.4 14.9 14.6H1.1Z"/>',
        letter="o",
        baseline=13,
        light=Tone("#ffffff", "#c4231c", "#8f1712"),
        dark=Tone("#12161b", "#ff7a70", "#ffb4ae"),
        style="stroke-width:1.4;",
    ),
    "narrowed": Glyph(
        shape='<path d="M8 15.7.1.8h15.8Z"/>',
        letter="N",
        baseline=9.6,
        light=Tone("#1f4f96", "#1f4f96", "#ffffff"),
        dark=Tone("#8dbcff", "#8dbcff", "#04142b"),
    ),
    "unknown now": Glyph(
        shape='<circle cx="8" cy="8" r="7"/>',
        letter="?",
        light=Tone("#fff6d1", "#80680a", "#5f4c00"),
        dark=Tone("#3a3110", "#d9bd55", "#f0d777"),
        style="stroke-dasharray:2.6 1.8;",
    ),
    "known now": Glyph(
        shape='<circle cx="8" cy="8" r="7"/>',
        letter="K",
        light=Tone("none", "#55606f", "#3c4654"),
        dark=Tone("none", "#a2adbb", "#c6ced8"),
        weight=600,
    ),
    "new": Glyph(
        shape='<path d="M5.2.8h5.6v4.4h4.4v5.6h-4.4v4.4H5.2v-4.4H.8V5.2h4.4Z"/>',
        letter="+",
        baseline=11.2,
        light=Tone("#d8ece4", "#1f7a5c", "#0f5a43"),
        dark=Tone("#1b4538", "#6fcfae", "#a4e3cb"),
    ),
    "gone": Glyph(
        shape='<rect x="1.4" y="1.4" width="13.2" height="13.2"/>'
        '<path d="M3.6 3.6l8.8 8.8M12.4 3.6l-8.8 8.8"/>',
        letter="",
        light=Tone("none", "#55606f", "#3c4654"),
        dark=Tone("none", "#a2adbb", "#c6ced8"),
    ),
}

_SLOT, _ROW, _GAP, _MARGIN, _LABEL = 18, 22, 14, 24, 190
_TITLE, _ROLE_HEAD, _RELATION_HEAD = 84, 46, 90
_LEGEND_WIDTH = 470
_MOST_ROWS = 200

_STYLE = """
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:#1b222c}
.card{fill:#fff}.title{font-size:17px;font-weight:650}.small{font-size:12px;fill:#55606f}
.role{font-size:11.5px;font-weight:600}.relation{font-size:10px;fill:#667181}
.row{font-size:12px}.line{stroke:#e3e7ec;fill:none}.same{fill:#b9c1cc}
@media screen and (prefers-color-scheme:dark){text{fill:#e7ebf0}.card{fill:#12161b}
.small,.relation{fill:#a2adbb}.line{stroke:#29313b}.same{fill:#4a5563}}
"""


def sign_of(drift: Drift, change: Change) -> Sign:
    """The sign of a change; a widened cell that somebody owns has one of its own."""
    if change.move == "same":
        raise ValueError("what is the same has no sign")
    if change.move == "widened" and change.cell in drift.owned:
        return "owned"
    return change.move


def symbols() -> str:
    """SVG `<symbol>` elements, one per sign, named `d-<sign>`."""
    return "".join(
        f'<symbol id="d-{_name(sign)}" viewBox="0 0 16 16"><g class="ds-{_name(sign)}">'
        f"{glyph.shape}</g>"
        + (
            f'<text class="dt-{_name(sign)}" x="8" y="{glyph.baseline}">{glyph.letter}</text>'
            if glyph.letter
            else ""
        )
        + "</symbol>"
        for sign, glyph in GLYPHS.items()
    )


def stylesheet() -> str:
    """CSS for the symbols, light and dark."""
    letters = (
        "symbol text{font:9.2px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;"
        "text-anchor:middle}"
    )
    light = "".join(
        _rules(sign, glyph.light, glyph.style, f"font-weight:{glyph.weight};")
        for sign, glyph in GLYPHS.items()
    )
    dark = "".join(_rules(sign, glyph.dark) for sign, glyph in GLYPHS.items())
    return f"{letters}{light}@media screen and (prefers-color-scheme:dark){{{dark}}}"


def _rules(sign: Sign, tone: Tone, shape: str = "", letter: str = "") -> str:
    name = _name(sign)
    return (
        f".ds-{name}{{fill:{tone.fill};stroke:{tone.stroke};{shape}}}"
        f".dt-{name}{{fill:{tone.ink};{letter}}}"
    )


def _name(sign: Sign) -> str:
    return sign.replace(" ", "-")


# --- the picture ----------------------------------------------------------------------------------

Row = tuple[str, str, str, str, str]


def drift_svg(old: Run, new: Run, drift: Drift) -> str:
    """The picture: a row for each operation or field with a change, a column for each role.

    It depends on nothing but its arguments and loads nothing. Beyond 200 rows it says how many
    are left out.
    """
    rows: dict[Row, dict[tuple[str, str], Change]] = {}
    for change in drift.changes:
        cell = change.cell
        place = (cell.resource, cell.operation, cell.field, cell.act, cell.tenant)
        rows.setdefault(place, {})[cell.role, cell.relation] = change
    left_out = max(0, len(rows) - _MOST_ROWS)
    # The gravest stay in when there are too many; those that are drawn stand in their order.
    shown = sorted(list(rows.items())[:_MOST_ROWS], key=lambda row: row[0])
    roles = _in_order(
        [*_roles(old), *_roles(new)], {role for _, cells in shown for role, _ in cells}
    )
    relations = _in_order(RELATION_WORDS, {one for _, cells in shown for _, one in cells})
    cell_width = max(len(relations) * _SLOT + _GAP, 74)
    label = max(_LABEL, *(16 + 7 * min(len(_row_name(row)), 52) for row, _ in shown), _LABEL)
    table_width = label + cell_width * len(roles)
    width = max(2 * _MARGIN + table_width, 760)
    head = _MARGIN + _TITLE + (_ROLE_HEAD + _RELATION_HEAD if shown else 0)
    bottom = head + _ROW * len(shown)
    legend_top = bottom + (26 if shown else 4)
    columns = 2 if width - 2 * _MARGIN >= 2 * _LEGEND_WIDTH else 1
    legend_rows = -(-len(SIGN_WORDS) // columns)
    height = legend_top + legend_rows * 22 + _MARGIN + (22 if left_out else 0)
    title = f"Drift of access: {drift.sentence}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" role="img" aria-labelledby="drift-title drift-desc">',
        f'<title id="drift-title">{escape(title)}</title>',
        f'<desc id="drift-desc">{escape(_description(drift))}</desc>',
        f"<style>{_STYLE}{stylesheet()}</style><defs>{symbols()}</defs>",
        f'<rect class="card" width="{width}" height="{height}" rx="10"/>',
        _text(_MARGIN, _MARGIN + 16, title, "title"),
        _text(_MARGIN, _MARGIN + 38, f"from {_which(old)}", "small"),
        _text(_MARGIN, _MARGIN + 55, f"to {_which(new)}", "small"),
        *(_header(roles, relations, label, cell_width, head, bottom) if shown else ()),
        *_rows(drift, shown, roles, relations, label, cell_width, head, table_width),
        *_legend(drift, legend_top, columns),
    ]
    if left_out:
        told = f"{left_out:,} more operations and fields changed; the table and the JSON name them."
        parts.append(_text(_MARGIN, height - _MARGIN, told, "small"))
    return "\n".join([*parts, "</svg>\n"])


def _roles(run: Run) -> list[str]:
    return [" + ".join(persona.roles) for persona in run.header.personas]


def _in_order(known: Iterable[str], used: set[str]) -> list[str]:
    order = list(dict.fromkeys(known))
    return [one for one in order if one in used] + sorted(used - set(order))


def _row_name(row: Row) -> str:
    resource, operation, field, act, tenant = row
    name = f"{one_line(resource, 40)}.{one_line(operation, 40)}"
    told = {"see": ACT_WORDS["see"], "set": ACT_WORDS["set"]}.get(act, "")
    name = f"{name} · {one_line(field, 40)} {told}" if field else name
    return f"{name} · {one_line(tenant, 40)}" if tenant else name


def _header(
    roles: Sequence[str],
    relations: Sequence[str],
    label: int,
    cell_width: int,
    head: int,
    bottom: int,
) -> Iterator[str]:
    for column, role in enumerate(roles):
        left = _MARGIN + label + column * cell_width
        if column:
            yield f'<path class="line" d="M{left - _GAP / 2:g} {head - _RELATION_HEAD}V{bottom}"/>'
        names = textwrap.wrap(one_line(role.replace("_", " "), 60), width=int(cell_width / 7))
        for line, name in enumerate(reversed(names[:3])):
            y = head - _RELATION_HEAD - 6 - 14 * line
            yield _text(left + len(relations) * _SLOT / 2, y, name, "role", "middle")
        for place, relation in enumerate(relations):
            x, y = left + place * _SLOT + _SLOT / 2 + 3.5, head - 8
            words = escape(RELATION_WORDS.get(relation, one_line(relation, 20)))
            yield (
                f'<text class="relation" transform="translate({x:g} {y}) rotate(-90)">'
                f"{words}</text>"
            )


def _rows(
    drift: Drift,
    rows: Sequence[tuple[Row, dict[tuple[str, str], Change]]],
    roles: Sequence[str],
    relations: Sequence[str],
    label: int,
    cell_width: int,
    head: int,
    table_width: int,
) -> Iterator[str]:
    for number, (row, cells) in enumerate(rows):
        top = head + number * _ROW
        yield f'<path class="line" d="M{_MARGIN} {top}h{table_width}"/>'
        yield _text(_MARGIN, top + 15, _row_name(row), "row")
        for column, role in enumerate(roles):
            for place, relation in enumerate(relations):
                x = _MARGIN + label + column * cell_width + place * _SLOT
                change = cells.get((role, relation))
                if change is None:
                    yield f'<circle class="same" cx="{x + 8:g}" cy="{top + 11:g}" r="1.3"/>'
                    continue
                told = escape(f"{change.cell.words}: {change.words}")
                yield (
                    f'<use href="#d-{_name(sign_of(drift, change))}" x="{x:g}" y="{top + 3:g}"'
                    f' width="16" height="16"><title>{told}</title></use>'
                )


def _legend(drift: Drift, top: float, columns: int) -> Iterator[str]:
    counts = dict.fromkeys(SIGN_WORDS, 0)
    for change in drift.changes:
        counts[sign_of(drift, change)] += 1
    for number, (sign, words) in enumerate(SIGN_WORDS.items()):
        x = _MARGIN + (number % columns) * _LEGEND_WIDTH
        y = top + (number // columns) * 22
        yield f'<use href="#d-{_name(sign)}" x="{x:g}" y="{y:g}" width="16" height="16"/>'
        yield _text(x + 24, y + 12.5, f"{words} ({counts[sign]:,})", "small")


def _which(run: Run) -> str:
    header = run.header
    version = f" {one_line(header.target.version, 20)}" if header.target.version else ""
    return (
        f"{one_line(header.target.name, 40)}{version} at {one_line(header.target.base_url, 60)},"
        f" run of {one_line(header.started, 30)}, profile {one_line(header.profile, 20)}"
    )


def _description(drift: Drift) -> str:
    counts = "; ".join(
        f"{words}: {len(drift.of(move))}" for move, words in MOVE_WORDS.items() if move != "same"
    )
    return f"{counts}; unchanged: {drift.unchanged}; unknown in both: {len(drift.still_unknown)}."


def _text(x: float, y: float, text: str, style: str, anchor: str = "start") -> str:
    return f'<text class="{style}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


# --- the page -------------------------------------------------------------------------------------

_TEMPLATES = Path(__file__).parent / "templates"


def drift_html(old: Run, new: Run, drift: Drift) -> str:
    """The picture with every change as a row of a table, on a page without scripts."""
    return (
        _environment()
        .get_template("drift.html.j2")
        .render(
            old=old,
            new=new,
            which_old=_which(old),
            which_new=_which(new),
            drift=drift,
            picture=drift_svg(old, new, drift),
            signs=[(change, sign_of(drift, change)) for change in drift.changes],
            sign_words=SIGN_WORDS,
            level_words=LEVEL_WORDS,
            relation_words=RELATION_WORDS,
            act_words=ACT_WORDS,
            style=(_TEMPLATES / "report.css").read_text(encoding="utf-8"),
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["one_line"] = one_line
    return environment
