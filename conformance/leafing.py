"""Leafing: what small pages leave out or repeat, against the same list by large ones. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from conformance.model import Read

_MOVED, _MOVED_SHARE = 3, 0.3
"""Rows, and the share of them, that do not move by themselves between two requests."""
_SHUFFLES = 3


@dataclass(frozen=True)
class Leafing:
    """A walk by small pages between two by large ones: the ids that each showed, in order.

    `ended` says that no further page was to be had; `again` is one more walk by large pages, at
    once after the other; `pages` are the small ones.
    """

    before: tuple[str, ...]
    small: tuple[str, ...]
    ended: bool
    after: tuple[str, ...]
    again: tuple[str, ...] = ()
    pages: tuple[Read, ...] = ()


def lost(one: Leafing) -> tuple[str, ...]:
    """Rows that stood before the last one that the small pages show, and are not on them.

    Nothing can be said where rows came or went meanwhile, or stand in another order.
    """
    passed = _passed(one)
    inner = list(dict.fromkeys(one.small))
    if not one.ended and inner != [row for row in passed if row in set(inner)]:
        return ()
    return tuple(row for row in passed if row not in set(inner))


def repeated(one: Leafing) -> tuple[str, ...]:
    """Rows that the small pages show more than once, though each stands in the list once."""
    passed = set(_passed(one))
    return tuple(row for row, times in Counter(one.small).items() if times > 1 and row in passed)


def scrambled(one: Leafing) -> bool:
    """Whether small pages show rows in another order than the large ones before."""
    places = {row: place for place, row in enumerate(one.before)}
    met = [places[row] for row in dict.fromkeys(one.small) if row in places]
    return met != sorted(met)


def unordered(one: Leafing) -> bool:
    """Whether large pages, asked for twice at once, show the same rows in quite another order.

    Rows may come to the front as somebody changes them, but hardly more than one meanwhile.
    """
    places = {row: place for place, row in enumerate(one.after)}
    if len(places) < len(one.after) or set(one.again) != places.keys():
        return False
    moved = len(places) - _longest_run(places[row] for row in one.again)
    return moved >= max(_MOVED, _MOVED_SHARE * len(places))


def _longest_run(places: Iterable[int]) -> int:
    """How many of these can stay where they are and are in order."""
    ends: list[int] = []
    for place in places:
        at = bisect_left(ends, place)
        ends[at : at + 1] = [place]
    return len(ends)


def agreed(walks: Sequence[Leafing]) -> bool:
    """Whether two walks leave out, or repeat, the same row, or three find no order at all."""
    return bool(
        twice(lost(one) for one in walks)
        or twice(repeated(one) for one in walks)
        or sum(unordered(one) for one in walks) >= _SHUFFLES
    )


def twice(found: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """The rows that more than one walk has found, the first found first."""
    return tuple(
        row for row, times in Counter(row for each in found for row in each).items() if times > 1
    )


def _passed(one: Leafing) -> tuple[str, ...]:
    """The rows up to the last one that the small pages show, if they stood still for all walks."""
    places = {row: place for place, row in enumerate(one.before)}
    if len(places) < len(one.before) or not places.keys() >= set(one.small):
        return ()
    far = len(one.before) if one.ended else 1 + max((places[row] for row in one.small), default=-1)
    passed = one.before[:far]
    still = one.after == one.before if one.ended else one.after[:far] == passed
    return passed if still else ()
