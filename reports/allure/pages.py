"""Pages to attach to Allure results: static HTML, which Allure shows in a sandbox.

They are small, because there may be one for each of tens of thousands of findings.
"""

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from reports.comparison import Comparison, Pair, Sign, pairs
from reports.evidence import Piece, shown
from reports.ledger import Exchange, Finding
from reports.printable import one_line

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:14px/1.45 system-ui,sans-serif;margin:1rem;max-width:72rem}"
    "h1{font-size:1.05rem;margin:0 0 .4rem}h2{font-size:1rem;margin:1.2rem 0 .3rem}"
    "h3{font-size:.85rem;margin:.6rem 0 .2rem;font-weight:600}"
    "p{margin:.2rem 0 .5rem}"
    "pre{font:12px/1.5 ui-monospace,monospace;margin:0;padding:.5rem .7rem;"
    "border:1px solid #8886;border-radius:4px;white-space:pre-wrap;overflow-wrap:anywhere}"
    "mark{background:#ffe08a;color:#1a1a1a;font-weight:700;outline:1px solid #8a6100}"
    ".l,.r,.s{display:block}"
    ".l::before{content:'- '}.r::before{content:'+ '}.s::before{content:'  '}"
    ".k{display:block;color:GrayText;font-style:italic}"
)
_HEAD = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "style-src 'unsafe-inline'\"><title>{title}</title><style>" + _STYLE + "</style></head><body>"
)
_CLASSES: dict[Sign, str] = {"left": "l", "right": "r", "same": "s", "skipped": "k"}


def evidence_page(finding: Finding, exchanges: Sequence[Exchange], *, compare: bool) -> str:
    """What was sent and answered, what proves the finding marked, and how to repeat it.

    With `compare`, answers that belong together are shown line by line against each other.
    """
    parts = (
        *_summary(finding),
        *(_compared(exchanges) if compare else ()),
        *_exchanges(finding, exchanges),
    )
    return _page(one_line(finding.title or finding.rule, 160), parts)


def open_page(finding: Finding, exchanges: Sequence[Exchange]) -> str:
    """The last exchanges of a case that could not be concluded; `finding` says why."""
    return _page("What was sent and answered", _exchanges(finding, exchanges))


def _page(title: str, parts: Iterable[str]) -> str:
    title = escape(title)
    body = "".join(parts)
    return f"{_HEAD.replace('{title}', title)}<h1>{title}</h1>{body}</body></html>\n"


def _summary(finding: Finding) -> Iterator[str]:
    said = (
        ("Expected", finding.expected),
        ("Observed", finding.observed),
        ("Who is affected", finding.affected),
        ("What could happen", finding.could),
    )
    lines = [f"{name}: {escape(one_line(text, 400))}" for name, text in said if text]
    if lines:
        yield f"<p>{'<br>'.join(lines)}</p>"
    if finding.reproduction:
        yield f"<h2>Command that repeats it</h2><pre>{escape(finding.reproduction)}</pre>"


def _compared(exchanges: Sequence[Exchange]) -> Iterator[str]:
    for pair in pairs(exchanges):
        comparison = pair.comparison
        says = f"{pair.says} {_legend(pair, comparison)}"
        yield f"<h2>{escape(pair.title)}</h2><p>{escape(says)}</p>"
        if not comparison.same:
            yield f"<pre>{''.join(_lines(comparison))}</pre>"


def _exchanges(finding: Finding, exchanges: Sequence[Exchange]) -> Iterator[str]:
    for exchange in exchanges:
        view = shown(exchange, finding)
        yield (
            f"<h2>{escape(view.title)}</h2><h3>Request</h3><pre>{escape(view.request)}</pre>"
            f"<h3>Response</h3><pre>{_marked(view.response)}</pre>"
        )


def _legend(pair: Pair, comparison: Comparison) -> str:
    if comparison.same:
        return "No line differs."
    cut = " Only their beginnings were compared." if comparison.cut else ""
    return f"Lines with - are of “{pair.left_is}” only, with + of “{pair.right_is}” only.{cut}"


def _lines(comparison: Comparison) -> Iterator[str]:
    for line in comparison.lines:
        yield f'<span class="{_CLASSES[line.sign]}">{_marked(line.pieces)}</span>'


def _marked(pieces: Iterable[Piece]) -> str:
    return "".join(
        f"<mark>{escape(piece.text)}</mark>" if piece.marked else escape(piece.text)
        for piece in pieces
    )
