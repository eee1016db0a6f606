"""A round of a race as a picture: who arrived when, who was answered when, and who won."""

from collections.abc import Iterator
from xml.sax.saxutils import escape

from reports.printable import one_line
from reports.proofs import Contender, Race, ShownRound

_WIDTH = 1000
_ROW = 30
_HEAD = 58
_FOOT = 30
_ARRIVALS = (312, 540)
_ANSWERS = (580, 840)
_STATUS = 856
_MOST_ROWS = 24
_LABEL_LETTERS = 44

_CAME = {"won": "won", "lost": "lost", "unknown": "unknown"}

STYLE = (
    ".race text{font:12.5px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:var(--ink)}"
    ".race .soft{fill:var(--soft);font-size:11.5px}.race .rule{stroke:var(--line);fill:none}"
    ".race .band{fill:var(--accent);opacity:.12}"
    ".race .dot{fill:var(--accent)}"
    ".race .bar{stroke-width:8;fill:none}.race .won{stroke:var(--pass)}"
    ".race .lost{stroke:var(--skip)}.race .unknown{stroke:var(--open-fill);stroke-dasharray:4 3}"
    ".race .two .won{stroke:var(--fail)}"
    ".race .came{font-weight:650}.race .two .came.is-won{fill:var(--fail)}"
    ".race .is-won{fill:var(--pass)}.race .is-lost{fill:var(--soft);font-weight:400}"
    ".race .is-unknown{fill:var(--open)}"
)
"""CSS for the pictures, on the page's own colours."""


def race_svg(race: Race, *, violated: bool) -> str:
    """The decisive round of `race` as SVG for a page with the report's style; "" without one.

    Two scales side by side: arrivals in microseconds, answers in milliseconds since the release.
    With `violated` the winners stand out as what should not be.
    """
    shown = race.shown
    if shown is None or not shown.contenders:
        return ""
    rows = sorted(shown.contenders, key=_arrival)[:_MOST_ROWS]
    height = _HEAD + _ROW * len(rows) + _FOOT
    seen = "target" if race.seen_by == "target" else "harness"
    parts = [
        f'<svg class="race" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        f' role="img" aria-label="{escape(_described(shown), {chr(34): "&quot;"})}">',
        f"<g{' class=' + chr(34) + 'two' + chr(34) if violated else ''}>",
        *_arrivals(rows, height, seen),
        *_answers(rows, height),
        *_labels(rows),
        "</g></svg>",
    ]
    return "\n".join(parts)


def _arrival(one: Contender) -> float:
    return one.sent_us if one.arrived_us is None else one.arrived_us


def _arrivals(rows: list[Contender], height: int, seen: str) -> Iterator[str]:
    left, right = _ARRIVALS
    first = min(_arrival(one) for one in rows)
    points = [_arrival(one) - first for one in rows]
    spread = max(points)
    scale = (right - left) / max(spread * 1.15, 1.0)
    what = "Arrived at the target" if seen == "target" else "Sent by the harness"
    yield _text(left, 18, f"{what}, µs after the first", "soft")
    yield from _ticks(left, 0.0, max(spread * 1.15, 1.0), scale, height, 1.0)
    yield (
        f'<rect class="band" x="{left}" y="{_HEAD - 8}" width="{max(spread * scale, 2):.1f}"'
        f' height="{height - _HEAD - _FOOT + 16}"/>'
    )
    yield _text(left, height - 8, f"spread {spread:,.0f} µs", "soft")
    for number, point in enumerate(points):
        x = left + point * scale
        yield f'<circle class="dot" cx="{x:.1f}" cy="{_middle(number)}" r="4"/>'


def _answers(rows: list[Contender], height: int) -> Iterator[str]:
    left, right = _ANSWERS
    ends = [one.answered_us for one in rows if one.answered_us is not None]
    high = max([*ends, 1000.0])
    scale = (right - left) / high
    yield _text(left, 18, "Under way until answered, ms", "soft")
    yield from _ticks(left, 0.0, high, scale, height, 1000.0)
    for number, one in enumerate(rows):
        start = left + max(0.0, _arrival(one)) * scale
        end = right if one.answered_us is None else left + one.answered_us * scale
        y = _middle(number)
        yield f'<path class="bar {one.came}" d="M{start:.1f} {y}H{max(end, start + 2):.1f}"/>'
        status = "no answer" if one.status is None else str(one.status)
        words = f"{status} {_CAME[one.came]}"
        yield _text(_STATUS, y + 4.5, words, f"came is-{one.came}")


def _labels(rows: list[Contender]) -> Iterator[str]:
    for number, one in enumerate(rows):
        y = _HEAD + number * _ROW
        yield f'<path class="rule" d="M0 {y}H{_WIDTH}"/>'
        words = _shortened(one_line(one.label, 200))
        yield _text(4, _middle(number) + 4.5, escape(words), "")


def _ticks(
    left: float, low: float, high: float, scale: float, height: int, unit: float
) -> Iterator[str]:
    step = _step((high - low) / unit / 3) * unit
    tick = -(-low // step) * step
    while tick <= high + 1e-9:
        x = left + (tick - low) * scale
        yield f'<path class="rule" d="M{x:.1f} {_HEAD - 8}V{height - _FOOT + 8}"/>'
        yield _text(x, 40, f"{tick / unit:,.10g}", "soft", "middle")
        tick += step


def _step(rough: float) -> float:
    """The next 1, 2 or 5 times a power of ten that is not below `rough`."""
    power = 10.0 ** (len(str(int(rough))) - 1) if rough >= 1 else 0.1
    return next((power * n for n in (1, 2, 5, 10) if power * n >= rough), power * 10)


def _shortened(label: str) -> str:
    """The label with the beginning of a long path left out, which requests have in common."""
    who, slash, path = label.partition("/")
    left = _LABEL_LETTERS - len(who) - 1
    if len(label) <= _LABEL_LETTERS:
        return label
    return f"{who}…{path[-left:]}" if slash and left > 0 else f"{label[: _LABEL_LETTERS - 1]}…"


def _middle(number: int) -> float:
    return _HEAD + number * _ROW + _ROW / 2


def _described(shown: ShownRound) -> str:
    came = [f"{one.label}: {one.status or 'no answer'}, {one.came}" for one in shown.contenders]
    return one_line(f"Round {shown.number}. {'; '.join(came)}. {shown.says}", 600)


def _text(x: float, y: float, content: str, kind: str, anchor: str = "") -> str:
    place = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}"{place}>{content}</text>'
