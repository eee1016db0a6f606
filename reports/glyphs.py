"""The signs of the access matrix: each state has a shape, a letter and a colour of its own."""

from dataclasses import dataclass

from reports.matrix import ACCEPTABLE, State


@dataclass(frozen=True, slots=True)
class Tone:
    """Fill, outline and letter colour."""

    fill: str
    stroke: str
    ink: str


@dataclass(frozen=True, slots=True)
class Glyph:
    """A sign on a 16 × 16 field: `shape` is SVG, `letter` stands at (8, `baseline`)."""

    shape: str
    letter: str
    light: Tone
    dark: Tone
    baseline: float = 11.3
    style: str = ""
    weight: int = 700


GLYPHS: dict[State, Glyph] = {
    "bypass": Glyph(
        shape='<path d="M8 .3 15.9 15.2H.1Z"/>',
        letter="B",
        baseline=13.6,
        light=Tone("#c4231c", "#c4231c", "#ffffff"),
        dark=Tone("#ff7a70", "#ff7a70", "#2b0402"),
    ),
    "leak": Glyph(
        shape='<path d="M8 0 16 8 8 16 0 8Z"/>',
        letter="L",
        light=Tone("#7a2ea0", "#7a2ea0", "#ffffff"),
        dark=Tone("#d8a4f4", "#d8a4f4", "#24072f"),
    ),
    "over-restriction": Glyph(
        shape='<path d="M5 .7h6L15.3 5v6L11 15.3H5L.7 11V5Z"/>',
        letter="O",
        light=Tone("#a85400", "#a85400", "#ffffff"),
        dark=Tone("#f4ab52", "#f4ab52", "#2b1500"),
    ),
    "failure": Glyph(
        shape='<path d="M4.4.8h7.2v3.6h3.6v7.2h-3.6v3.6H4.4v-3.6H.8V4.4h3.6Z"/>',
        letter="F",
        light=Tone("#1f4f96", "#1f4f96", "#ffffff"),
        dark=Tone("#8dbcff", "#8dbcff", "#04142b"),
    ),
    "waived": Glyph(
        shape='<path d="M1.6 1h12.8v8.6L8 15.4 1.6 9.6Z"/>',
        letter="W",
        baseline=10.2,
        light=Tone("none", "#2f3947", "#1b222c"),
        dark=Tone("none", "#c3ccd8", "#e7ebf0"),
        style="stroke-width:1.5;",
    ),
    "inconclusive": Glyph(
        shape='<circle cx="8" cy="8" r="7"/>',
        letter="?",
        light=Tone("#fff6d1", "#80680a", "#5f4c00"),
        dark=Tone("#3a3110", "#d9bd55", "#f0d777"),
        style="stroke-dasharray:2.6 1.8;",
    ),
    "not-tested": Glyph(
        shape='<path d="M.8 4h14.4v8.2H.8Z"/>',
        letter="N",
        baseline=11.4,
        light=Tone("none", "#7b8594", "#4c5665"),
        dark=Tone("none", "#7f8a99", "#b3bdca"),
        style="stroke-dasharray:1.4 1.4;",
    ),
    "granted": Glyph(
        shape='<circle cx="8" cy="8" r="7"/>',
        letter="A",
        light=Tone("#d8ece4", "#d8ece4", "#0f5a43"),
        dark=Tone("#1b4538", "#1b4538", "#a4e3cb"),
        weight=600,
    ),
    "denied": Glyph(
        shape='<rect x="1.8" y="1.8" width="12.4" height="12.4" rx="2"/>',
        letter="D",
        light=Tone("none", "#d3d8df", "#667181"),
        dark=Tone("none", "#38424e", "#98a3b2"),
        weight=400,
    ),
    "not-claimed": Glyph(
        shape='<path d="M3.5 12.5 12.5 3.5"/>',
        letter="",
        light=Tone("none", "#7b8594", "#4c5665"),
        dark=Tone("none", "#7f8a99", "#b3bdca"),
    ),
}


def symbols() -> str:
    """SVG `<symbol>` elements, named `g-<state>`; a waived state beside each that can be."""
    plain = [_symbol(state, state, glyph.letter) for state, glyph in GLYPHS.items()]
    beside = [
        _symbol(f"waived-{state}", "waived", glyph.letter)
        for state, glyph in GLYPHS.items()
        if state in ACCEPTABLE
    ]
    return "".join([*plain, *beside])


def _symbol(name: str, state: State, letter: str) -> str:
    """The sign of `state` with that letter."""
    glyph = GLYPHS[state]
    text = f'<text class="t-{state}" x="8" y="{glyph.baseline}">{letter}</text>' if letter else ""
    return (
        f'<symbol id="g-{name}" viewBox="0 0 16 16"><g class="s-{state}">{glyph.shape}</g>{text}'
        "</symbol>"
    )


def stylesheet() -> str:
    """CSS for the symbols, light and dark."""
    dark = "".join(_rules(state, glyph.dark) for state, glyph in GLYPHS.items())
    light = "".join(
        _rules(state, glyph.light, shape=glyph.style, letter=f"font-weight:{glyph.weight};")
        for state, glyph in GLYPHS.items()
    )
    letters = (
        "symbol text{font:9.4px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;"
        "text-anchor:middle}"
    )
    return f"{letters}{light}@media screen and (prefers-color-scheme:dark){{{dark}}}"


def _rules(state: State, tone: Tone, *, shape: str = "", letter: str = "") -> str:
    return (
        f".s-{state}{{fill:{tone.fill};stroke:{tone.stroke};{shape}}}"
        f".t-{state}{{fill:{tone.ink};{letter}}}"
    )
