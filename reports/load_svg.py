"""Load over time as a picture: latency, answers and errors, and how many were under way."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from reports.printable import one_line
from reports.proofs import Load, Mark, Point, Series

_WIDTH = 1000
_LEFT = 62
_RIGHT = 890
_TOP = 34
_LATENCY = 150
_RATE = 84
_RUNNING = 56
_GAP = 30
_FOOT = 30
_MOST_MARKS = 8
_SPARK = (150, 26)

STYLE = (
    ".load text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:var(--soft)}"
    ".load .head{fill:var(--ink);font-weight:600}.load .rule{stroke:var(--line);fill:none}"
    ".load .p50,.load .p95,.load .p99{fill:none;stroke:var(--accent);stroke-width:2}"
    ".load .p95{opacity:.75}.load .p99{stroke-width:1.2;stroke-dasharray:5 3;opacity:.8}"
    ".load .between{fill:var(--accent);opacity:.1}.load .slo{stroke:var(--fail);fill:none;"
    "stroke-dasharray:2 4;stroke-width:1.4}.load .slo-word{fill:var(--fail)}"
    ".load .good{fill:var(--pass);opacity:.75}.load .bad{fill:var(--fail)}"
    ".load .running{fill:none;stroke:var(--ink);stroke-width:1.4}"
    ".load .mark{fill:var(--open-fill);opacity:.18}.load .mark-line{stroke:var(--open);fill:none}"
    ".load .mark-word{fill:var(--open);font-weight:600}.load .warm{fill:var(--claim);opacity:.25}"
    ".spark .p95{fill:none;stroke:var(--accent);stroke-width:1.5}"
)
"""CSS for the pictures, on the page's own colours."""


@dataclass(frozen=True, slots=True)
class _Panel:
    """A strip of the picture: where it is, and how high a value stands in it."""

    top: float
    height: float
    place: Callable[[float], float]

    @property
    def bottom(self) -> float:
        return self.top + self.height


def load_svg(load: Load) -> str:
    """A phase of load as SVG for a page with the report's style; "" if nothing was measured.

    Latencies are seconds from the intended start, on a logarithmic scale.
    """
    series = next((one for one in load.series if one.workflow is None), None)
    points = sorted(series.points, key=lambda point: point.at) if series else []
    if not points:
        return ""
    end = max(load.seconds, points[-1].at + load.bucket)
    height = _TOP + _LATENCY + _GAP + _RATE + _GAP + _RUNNING + _FOOT

    def across(at: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * max(0.0, min(at, end)) / end

    described = quoteattr(_described(load, points))
    parts = [
        f'<svg class="load" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        f' role="img" aria-label={described}>',
        *_warm_up(load, across, height),
        *_marks(load.marks, across, end, height),
        *_latency(load, points, across),
        *_answers(load, points, across),
        *_running(points, across),
        *_seconds(across, end, height),
        "</svg>",
    ]
    return "\n".join(parts)


def spark_svg(load: Load, workflow: str) -> str:
    """The 95th percentile of one workflow over time as a small line; "" if it has none."""
    series = next((one for one in load.series if one.workflow == workflow), None)
    found = _known(series)
    if len(found) < 2:
        return ""
    width, height = _SPARK
    end = max(load.seconds, found[-1][0])
    high = max(value for _, value in found) or 1.0
    places = [
        (2 + (width - 4) * at / end, height - 3 - (height - 6) * value / high)
        for at, value in found
    ]
    return (
        f'<svg class="spark" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' aria-hidden="true"><path class="p95" d="{_path(places)}"/></svg>'
    )


def _known(series: Series | None) -> list[tuple[float, float]]:
    points = sorted(series.points, key=lambda point: point.at) if series else []
    return [(point.at, point.p95) for point in points if point.p95 is not None]


def _latency(
    load: Load, points: Sequence[Point], across: Callable[[float], float]
) -> Iterator[str]:
    limits = [one.slo.p95 for one in load.workflows if one.slo.p95 is not None]
    values = [value for one in points for value in (one.p50, one.p95, one.p99) if value]
    values += limits
    if not values:
        yield _text(_LEFT, _TOP + 20, "No answer, so no latency", "")
        return
    low = math.floor(math.log10(max(min(values), 1e-4)))
    high = max(math.ceil(math.log10(max(*values, 1e-4))), low + 1)

    def place(value: float) -> float:
        share = (math.log10(max(value, 10.0**low)) - low) / (high - low)
        return _TOP + _LATENCY * (1 - min(share, 1.0))

    panel = _Panel(_TOP, _LATENCY, place)
    yield _text(_LEFT, _TOP - 12, "Latency from the intended start", "head")
    for power in range(low, high + 1):
        yield from _grid(panel, 10.0**power, _seconds_in_words(10.0**power))
    middle = load.bucket / 2
    ends: list[tuple[float, str]] = []
    for name in ("p50", "p95", "p99"):
        heard = [(one.at + middle, getattr(one, name)) for one in points]
        for places in _unbroken((across(at), value) for at, value in heard):
            line = [(x, place(value)) for x, value in places]
            ends = [*(end for end in ends if end[1] != name), (line[-1][1], name)]
            yield f'<path class="{name}" d="{_path(line)}"/>'
    for y, name in _apart(ends):
        yield _text(_RIGHT + 8, y + 4, f"{name[1:]} %", "")
    if limits:
        # Of several limits the strictest is the one that breaks first.
        limit = min(limits)
        y = place(limit)
        yield f'<path class="slo" d="M{_LEFT} {y:.1f}H{_RIGHT}"/>'
        words = f"95 % within {_seconds_in_words(limit)}"
        yield _text(_RIGHT - 4, y - 5, words, "slo-word", "end")


def _unbroken(
    places: Iterable[tuple[float, float | None]],
) -> Iterator[list[tuple[float, float]]]:
    """Runs of places that have a value: where nothing was answered, no line is drawn."""
    run: list[tuple[float, float]] = []
    for x, value in places:
        if value is not None:
            run.append((x, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _apart(ends: list[tuple[float, str]]) -> Iterator[tuple[float, str]]:
    """The words at the ends of lines, moved so that none covers another."""
    former = -math.inf
    for y, name in sorted(ends):
        former = max(y, former + 13)
        yield former, name


def _answers(
    load: Load, points: Sequence[Point], across: Callable[[float], float]
) -> Iterator[str]:
    top = _TOP + _LATENCY + _GAP
    rates = [one.count / load.bucket for one in points]
    high = _step(max([*rates, 1.0]))

    def place(value: float) -> float:
        return top + _RATE * (1 - value / high)

    panel = _Panel(top, _RATE, place)
    yield _text(_LEFT, top - 8, "Answers a second, errors in red", "head")
    yield from _grid(panel, 0, "0")
    yield from _grid(panel, high, f"{high:,.0f}")
    wide = max(across(load.bucket) - across(0) - 1, 1)
    for one, rate in zip(points, rates, strict=True):
        bad = one.errors / load.bucket
        x = across(one.at) + 0.5
        yield _bar("good", x, place(rate), wide, place(bad))
        if bad:
            # An error among thousands has to be seen as well.
            yield _bar("bad", x, min(place(bad), panel.bottom - 3), wide, panel.bottom)


def _bar(kind: str, x: float, top: float, wide: float, bottom: float) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{top:.1f}" width="{wide:.1f}"'
        f' height="{max(bottom - top, 0):.1f}"/>'
    )


def _running(points: Sequence[Point], across: Callable[[float], float]) -> Iterator[str]:
    top = _TOP + _LATENCY + _GAP + _RATE + _GAP
    found = [(one.at, one.running) for one in points if one.running is not None]
    if not found:
        return
    high = _step(max(*(value for _, value in found), 1.0))
    panel = _Panel(top, _RUNNING, lambda value: top + _RUNNING * (1 - value / high))
    yield _text(_LEFT, top - 8, "Requests under way", "head")
    yield from _grid(panel, 0, "0")
    yield from _grid(panel, high, f"{high:,.0f}")
    places = [(across(at), panel.place(value)) for at, value in found]
    yield f'<path class="running" d="{_path(places)}"/>'


def _warm_up(load: Load, across: Callable[[float], float], height: float) -> Iterator[str]:
    if load.warm_up <= 0:
        return
    wide = across(load.warm_up) - _LEFT
    yield (
        f'<rect class="warm" x="{_LEFT}" y="{_TOP}" width="{wide:.1f}"'
        f' height="{height - _TOP - _FOOT}"/>'
    )
    yield _text(_LEFT + 4, _TOP + 12, "warm-up", "")


def _marks(
    marks: Sequence[Mark], across: Callable[[float], float], end: float, height: float
) -> Iterator[str]:
    shown = sorted(marks, key=lambda mark: mark.at)[:_MOST_MARKS]
    for number, mark in enumerate(shown):
        x = across(mark.at)
        if mark.until is not None:
            wide = max(across(mark.until) - x, 1)
            yield (
                f'<rect class="mark" x="{x:.1f}" y="{_TOP}" width="{wide:.1f}"'
                f' height="{height - _TOP - _FOOT}"/>'
            )
        yield f'<path class="mark-line" d="M{x:.1f} {_TOP}V{height - _FOOT}"/>'
        # Words that would leave the picture stand before their line.
        late = mark.at > end * 0.65
        words = escape(one_line(mark.says, 60))
        y = _TOP + 14 + 15 * (number % 3)
        yield _text(x + (-5 if late else 5), y, words, "mark-word", "end" if late else "")


def _seconds(across: Callable[[float], float], end: float, height: float) -> Iterator[str]:
    step = _step(end / 8)
    at = 0.0
    while at <= end + 1e-9:
        x = across(at)
        yield f'<path class="rule" d="M{x:.1f} {_TOP}V{height - _FOOT + 4}"/>'
        yield _text(x, height - 10, f"{at:g} s", "", "middle")
        at += step


def _grid(panel: _Panel, value: float, words: str) -> Iterator[str]:
    y = panel.place(value)
    yield f'<path class="rule" d="M{_LEFT} {y:.1f}H{_RIGHT}"/>'
    yield _text(_LEFT - 8, y + 4, words, "", "end")


def _path(places: Sequence[tuple[float, float]]) -> str:
    # One place alone is a short dash, so that it shows.
    ends = places if len(places) > 1 else [*places, (places[0][0] + 3, places[0][1])]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in ends)


def _step(rough: float) -> float:
    """The next 1, 2 or 5 times a power of ten that is not below `rough`."""
    power = 10.0 ** math.floor(math.log10(max(rough, 1e-9)))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= rough * (1 - 1e-9))


def _seconds_in_words(value: float) -> str:
    return f"{value * 1000:,.4g} ms" if value < 1 else f"{value:,.4g} s"


def _described(load: Load, points: Sequence[Point]) -> str:
    answers, errors = sum(one.count for one in points), sum(one.errors for one in points)
    slowest = max((one.p95 or 0 for one in points), default=0)
    return one_line(
        f"{load.phase}: {answers:,} answers in {load.seconds:g} s, {errors:,} of them errors; the"
        f" 95th percentile was at most {_seconds_in_words(slowest)}. "
        + " ".join(f"After {mark.at:g} s: {mark.says}." for mark in load.marks),
        600,
    )


def _text(x: float, y: float, content: str, kind: str, anchor: str = "") -> str:
    place = f' text-anchor="{anchor}"' if anchor else ""
    kinds = f' class="{kind}"' if kind else ""
    return f'<text{kinds} x="{x:.1f}" y="{y:.1f}"{place}>{content}</text>'
