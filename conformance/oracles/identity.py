"""Oracles on logins: whether they tell which names somebody has. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from conformance import timings
from conformance.comparison import facets, told_apart
from conformance.model import Outcome, Read, Verdict
from conformance.verdicts import failed, passed, unknown


class Named(Protocol):
    """Answers for a name that somebody has and for two that nobody has."""

    @property
    def known(self) -> Read: ...
    @property
    def unknown(self) -> tuple[Read, Read]: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def control(self) -> Read | None: ...


class Timed(Protocol):
    """Seconds that answers took, for names that somebody has and that nobody has."""

    @property
    def known(self) -> Sequence[float]: ...
    @property
    def unknown(self) -> Sequence[float]: ...
    @property
    def example(self) -> Read: ...
    @property
    def again(self) -> Timed | None: ...


# Seconds left differ by one between two answers of the same second's two sides.
_COUNTED_DOWN = frozenset(
    {"header retry-after", "header ratelimit-reset", "header x-ratelimit-reset"}
)


def names_alike(asked: Named) -> Verdict:
    """A name that somebody has is answered as names that nobody has: status, headers, body, size.

    What differs between the two unknown names varies by itself and is set aside.
    """
    reads = (asked.known, *asked.unknown)
    for read in reads:
        answer = read.exchange.answer
        if answer is None or answer.status >= 500:
            return unknown(f"nothing to compare: answered {read.status}", read)
    sent = {(one.exchange.request.url, one.exchange.request.body) for one in reads}
    if len(sent) < len(reads):
        return unknown("the same request was sent for different names", asked.known)
    if asked.control is not None and asked.control.outcome is not Outcome.ALLOWED:
        return unknown("nobody showed that the account exists", asked.control)
    parts = [
        facets(read.exchange.answer, asked.names)
        for read in reads
        if read.exchange.answer is not None
    ]
    told = told_apart(parts[0], (parts[1], parts[2]), _COUNTED_DOWN)
    if not told:
        return passed("conform-deny", "answered alike, whether or not somebody has the name")
    first = told[0]
    return failed(
        "distinguishable",
        f"account-enumeration.{first.split()[0]}",
        f"{first} tells them apart: {parts[0].get(first)!r} for a name that somebody has, "
        f"{parts[1].get(first)!r} for one that nobody has",
        *reads,
    )


def names_take_as_long(timed: Timed) -> Verdict:
    """The time does not tell which names somebody has; two rounds must differ alike to fail."""
    if timed.again is None:
        return unknown("there was no second round", timed.example)
    rounds = [timed, timed.again, *([timed.again.again] if timed.again.again else [])]
    differing = [one for one in rounds if timings.suspicious(one.known, one.unknown)]
    longer = {timings.chance_longer(one.known, one.unknown) > 0.5 for one in differing}
    if len(differing) < 2 or len(longer) > 1:
        told = timings.described(timed.known, timed.unknown)
        return passed("conform-deny", f"no difference shows: {told}")
    first, second = (timings.described(one.known, one.unknown) for one in differing[:2])
    return failed(
        "distinguishable",
        "account-enumeration.timing",
        f"the time tells a name that somebody has from one that nobody has: {first}; in another "
        f"round {second}",
        timed.example,
    )
