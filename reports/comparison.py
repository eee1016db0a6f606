"""Two answers side by side: what the one holds and the other does not."""

import difflib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from reports.evidence import Piece
from reports.ledger import Exchange

Sign = Literal["same", "left", "right", "skipped"]

_MOST_LETTERS = 40_000
# Equal lines of the one and the other text, as pairs, that are looked through for the longest
# stretch in common; beyond it, all between the equal beginning and the equal end counts as
# different, so that a hostile answer cannot keep the report waiting.
_MOST_PAIRS = 5_000
_CONTEXT = 2
_MOST_LINES = 120
_LINE = 400
_AROUND = 120
_CLOCKS = frozenset({"date", "age"})
"""Headers that tell the time and so differ between any two answers."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: in both texts, in the left or the right one only, or a number of them left out."""

    sign: Sign
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two texts as one list of lines; `left` and `right` count the lines that only one has.

    `cut` says that a text was too long and only its beginning was compared.
    """

    lines: tuple[Line, ...]
    left: int
    right: int
    cut: bool

    @property
    def same(self) -> bool:
        """Whether no line differs."""
        return not self.left and not self.right


@dataclass(frozen=True, slots=True)
class Pair:
    """Two exchanges whose answers are worth comparing, and what each of them is."""

    left: Exchange
    right: Exchange
    left_is: str
    right_is: str

    @property
    def title(self) -> str:
        """What is compared with what."""
        return f"{self.right_is} against {_lowered(self.left_is)}"

    @property
    def comparison(self) -> Comparison:
        """The answers, compared."""
        return compared(answer_text(self.left), answer_text(self.right))

    @property
    def says(self) -> str:
        """The statuses in words."""
        left, right = _status(self.left), _status(self.right)
        if left == right:
            return f"Both were answered {left}."
        return f"{self.right_is} was answered {right}, {_lowered(self.left_is)} {left}."


def pairs(exchanges: Sequence[Exchange], *, most: int = 2) -> tuple[Pair, ...]:
    """What to compare among the exchanges of a finding, at most `most` pairs.

    The attempt against its control, or else its reference; and of what was read back at one
    address, the first answer against the last.
    """
    by_role: dict[str, list[Exchange]] = defaultdict(list)
    for exchange in exchanges:
        if exchange.response is not None:
            by_role[exchange.role_in_case].append(exchange)
    return tuple(_pairs(by_role))[:most]


def _pairs(by_role: dict[str, list[Exchange]]) -> Iterator[Pair]:
    attempts = by_role["attempt"]
    for role in ("control", "reference"):
        if attempts and by_role[role]:
            yield Pair(by_role[role][0], attempts[0], f"The {role}", "The attempt")
    for role, left, right in (
        ("read-back", "Before", "After"),
        ("attempt", "The first attempt", "The last attempt"),
    ):
        for group in _by_place(by_role[role]):
            if len(group) > 1:
                yield Pair(group[0], group[-1], left, right)


def _by_place(exchanges: Iterable[Exchange]) -> Iterator[list[Exchange]]:
    """Exchanges with the same method and path, in the order in which they were sent."""
    groups: dict[tuple[str, str], list[Exchange]] = defaultdict(list)
    for exchange in exchanges:
        groups[exchange.request.method, _path(exchange.request.url)].append(exchange)
    for group in groups.values():
        yield sorted(group, key=lambda one: one.started or "")


def answer_text(exchange: Exchange) -> str:
    """An answer as lines to compare: status, headers that tell no time, body."""
    response = exchange.response
    if response is None:
        return f"no answer: {exchange.error or 'the connection ended'}"
    headers = [
        f"{name}: {value}"
        for name, value in sorted(response.headers.items())
        if name.lower() not in _CLOCKS
    ]
    # Without commas at the ends of lines: that another member follows is no difference.
    return "\n".join([str(response.status), *headers, "", pretty(response.body or "", comma="")])


def pretty(body: str, *, comma: str = ",") -> str:
    """JSON with a line for each member, keys in order; anything else as it is."""
    if body.lstrip()[:1] not in ("{", "["):
        return body
    try:
        value = json.loads(body)
        return json.dumps(
            value, indent=1, sort_keys=True, ensure_ascii=False, separators=(comma, ": ")
        )
    except (ValueError, RecursionError):
        return body


def compared(left: str, right: str) -> Comparison:
    """The two texts line by line, with what differs within a line marked.

    At most `_MOST_LINES` lines; stretches that are alike are left out but for a few lines around
    each difference. The time is linear in the length of the texts.
    """
    cut = max(len(left), len(right)) > _MOST_LETTERS
    one, other = (text[:_MOST_LETTERS].split("\n") for text in (left, right))
    lines, lefts, rights = [], 0, 0
    for sign, pieces in _lines(one, other):
        lines.append(Line(sign, pieces))
        lefts += sign == "left"
        rights += sign == "right"
    return Comparison(tuple(_bounded(lines)), lefts, rights, cut)


def _lines(one: list[str], other: list[str]) -> Iterator[tuple[Sign, tuple[Piece, ...]]]:
    for tag, a, b, c, d in _operations(one, other):
        if tag == "equal":
            yield from _equal(one[a:b])
            continue
        for before, after in zip(one[a:b], other[c:d], strict=False):
            left, right = _apart(before, after)
            yield "left", left
            yield "right", right
        both = min(b - a, d - c)
        for line in one[a + both : b]:
            yield "left", (Piece(_shortened(line), marked=True),)
        for line in other[c + both : d]:
            yield "right", (Piece(_shortened(line), marked=True),)


def _equal(lines: list[str]) -> Iterator[tuple[Sign, tuple[Piece, ...]]]:
    if len(lines) <= 2 * _CONTEXT + 1:
        shown, skipped, rest = lines, 0, []
    else:
        shown, rest = lines[:_CONTEXT], lines[-_CONTEXT:]
        skipped = len(lines) - 2 * _CONTEXT
    for line in shown:
        yield "same", (Piece(_shortened(line)),)
    if skipped:
        yield "skipped", (Piece(f"{skipped:,} lines alike"),)
    for line in rest:
        yield "same", (Piece(_shortened(line)),)


def _operations(one: list[str], other: list[str]) -> Iterator[tuple[str, int, int, int, int]]:
    """As difflib names them; the equal beginning and end are found first."""
    begin = _common(one, other)
    most = min(len(one), len(other)) - begin
    end = min(most, _common(one[::-1], other[::-1]))
    if begin:
        yield "equal", 0, begin, 0, begin
    middle, its = one[begin : len(one) - end], other[begin : len(other) - end]
    times = Counter(its)
    if sum(times[line] for line in middle) > _MOST_PAIRS or not middle or not its:
        if middle or its:
            yield "replace", begin, begin + len(middle), begin, begin + len(its)
    else:
        matcher = difflib.SequenceMatcher(None, middle, its, autojunk=False)
        for tag, a, b, c, d in matcher.get_opcodes():
            yield tag, begin + a, begin + b, begin + c, begin + d
    if end:
        yield "equal", len(one) - end, len(one), len(other) - end, len(other)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many of the first members are the same."""
    for place, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return place
    return min(len(one), len(other))


def _apart(before: str, after: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Two lines of which all between the same beginning and the same end is marked."""
    begin = _common(before, after)
    end = min(_common(before[::-1], after[::-1]), min(len(before), len(after)) - begin)
    return _marked(before, begin, end), _marked(after, begin, end)


def _marked(line: str, begin: int, end: int) -> tuple[Piece, ...]:
    head, middle, tail = line[:begin], line[begin : len(line) - end], line[len(line) - end :]
    if len(line) > _LINE:
        head = head if len(head) <= _AROUND else f"…{head[-_AROUND:]}"
        tail = tail if len(tail) <= _AROUND else f"{tail[:_AROUND]}…"
    pieces = (Piece(head), Piece(_shortened(middle), marked=True), Piece(tail))
    return tuple(piece for piece in pieces if piece.text) or (Piece("", marked=True),)


def _bounded(lines: list[Line]) -> list[Line]:
    if len(lines) <= _MOST_LINES:
        return lines
    rest = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], Line("skipped", (Piece(f"{rest:,} lines not shown"),))]


def _shortened(line: str) -> str:
    return line if len(line) <= _LINE else f"{line[:_LINE]}… ({len(line) - _LINE:,} more letters)"


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return url


def _status(exchange: Exchange) -> str:
    return "nothing" if exchange.response is None else str(exchange.response.status)


def _lowered(words: str) -> str:
    return words[:1].lower() + words[1:]
