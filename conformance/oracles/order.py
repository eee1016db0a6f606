"""Whether a list comes in the order that it promises. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from conformance.model import Case, Outcome, Read, Verdict
from conformance.sorting import Key, Misplaced, Row, misplaced, tell
from conformance.verdicts import failed, no_statement, passed, unknown


@dataclass(frozen=True)
class Walk:
    """A list from its first page on: its rows in the order shown, and the page of each."""

    pages: tuple[Read, ...]
    ids: tuple[str, ...]
    rows: tuple[Row, ...]
    page_of: tuple[int, ...]


@dataclass(frozen=True)
class Ordered:
    """A list that promises an order, walked in one or several ways after rows were added to it.

    Each way is walked once more if the first walk was not in order, because rows may change
    between two pages. `known` are the ids of rows that were there before.
    """

    case: Case
    keys: tuple[Key, ...]
    ways: tuple[tuple[Walk, ...], ...]
    known: frozenset[str] = frozenset()

    @property
    def tells(self) -> bool:
        """Whether rows that were added differ by the first key."""
        walk = self.ways[0][-1]
        added = [row for row, one in zip(walk.rows, walk.ids, strict=True) if one not in self.known]
        return tell(self.keys, added)


def kept(seen: Ordered) -> Verdict:
    """Rows stand in the promised order, on one page and from one page to the next."""
    for walks in seen.ways:
        for walk in walks:
            first = walk.pages[0]
            if first.outcome is not Outcome.ALLOWED:
                why = no_statement(first) or f"the answer was {first.status}"
                return unknown(f"the list was not served: {why}", first)
    wrong = [(walks[-1], found) for walks in seen.ways if (found := _always(seen.keys, walks))]
    if wrong:
        walk, found = wrong[0]
        pages = dict.fromkeys((walk.page_of[found.before], walk.page_of[found.after]))
        return failed(
            "out-of-order",
            "contract.order",
            f"of {len(walk.rows)} rows, {found}",
            *(walk.pages[page] for page in pages),
        )
    names = ", ".join(map(str, seen.keys))
    if not seen.tells:
        return unknown(
            f"no two of the rows that were added differ in {seen.keys[0]}, or the list does not "
            "show it, so its order shows nothing; let sorted.made_with name fields of 'create' "
            "by which they do",
            seen.ways[0][-1].pages[-1],
        )
    count = len(seen.ways[0][-1].rows)
    return passed("conform-order", f"{count} rows in the order of {names}")


def _always(keys: Sequence[Key], walks: Sequence[Walk]) -> Misplaced | None:
    """What was out of order in the last walk, if every walk before was out of order as well."""
    found = [misplaced(keys, walk.rows) for walk in walks]
    return found[-1] if all(found) else None
