"""Oracles for series: the pages of a list, ids in a row, durations in turns. Pure."""

from __future__ import annotations

from conformance import leafing, timings
from conformance.leafing import Leafing
from conformance.model import Exchange, Outcome, Read, Result, Verdict
from conformance.oracles import guessable
from conformance.trials import Identifiers, Listing, Timing

_ROUND = frozenset({10, 15, 20, 25, 30, 50, 100, 200, 250, 500, 1000})
"""Sizes at which lists are usually cut."""


def holds_own(listing: Listing) -> Verdict:
    """The list holds a record that its reader may see: only then its silence proves something."""
    first = listing.pages[0]
    if first.outcome is not Outcome.ALLOWED:
        return Verdict(
            Result.INCONCLUSIVE,
            "inconclusive",
            f"the list was not served ({first.status})",
            exchanges=(first.exchange,),
        )
    missing = [one for one in listing.expected if one not in listing.shown]
    if missing and not listing.complete:
        return Verdict(
            Result.INCONCLUSIVE,
            "inconclusive",
            f"the record was not among the first {listing.rows} rows, and there are more pages; "
            "let 'query' ask for the newest first, or name the page size in next.size",
            exchanges=tuple(page.exchange for page in listing.pages[-2:]),
        )
    if missing:
        return Verdict(
            Result.FAIL,
            "incomplete",
            f"{missing[0]} is not in it, though this reader may see it",
            "incomplete",
            tuple(page.exchange for page in listing.pages[-2:]),
        )
    return Verdict(Result.PASS, "conform-allow", f"{listing.rows} rows, the planted one among them")


def counts_what_it_shows(listing: Listing) -> Verdict:
    """The total that a list claims is the number of rows that its reader can reach."""
    if listing.total is None or not listing.complete:
        return Verdict(Result.PASS, "conform-allow", "the list claims no total, or has more pages")
    try:
        total = int(listing.total)
    except (TypeError, ValueError):
        return Verdict(Result.PASS, "conform-allow", "the list claims no number")
    if total != listing.rows and not listing.steady:
        return Verdict(
            Result.INCONCLUSIVE, "inconclusive", "its rows changed from one walk to the next"
        )
    if not listing.paged and total > listing.rows and listing.rows in _ROUND:
        return Verdict(
            Result.INCONCLUSIVE,
            "inconclusive",
            f"it claims {total} and shows {listing.rows}, which looks like a first page; say with "
            "'next' how the others are asked for",
            exchanges=tuple(page.exchange for page in listing.pages[-1:]),
        )
    if total != listing.rows:
        return Verdict(
            Result.FAIL,
            "leak",
            f"it claims {total} and shows {listing.rows}",
            "count",
            tuple(page.exchange for page in listing.pages[-2:]),
        )
    return Verdict(Result.PASS, "conform-allow", f"the total {total} is what is shown")


def shows_no_stranger(listing: Listing) -> Verdict:
    """No row is that of a record that its reader may not see, whatever the row holds.

    What rows hold of such a record is judged by the leak oracle; here their ids are enough.
    """
    if not listing.strangers:
        return Verdict(Result.PASS, "conform-allow", "no row that its reader may not see")
    first = listing.strangers[0]
    page = next((one for one in listing.pages if _holds(one, first.id)), listing.pages[0])
    return Verdict(Result.FAIL, "leak", first.reason, first.rule, (page.exchange,))


def _holds(page: Read, text: str) -> bool:
    return page.exchange.answer is not None and text in page.exchange.answer.text


def shows_each_once(listing: Listing) -> Verdict:
    """Whoever leafs through a list meets every row of it, and each once.

    Two walks by small pages must leave out, or repeat, the same row, which two walks by large
    pages show at the same place.
    """
    if listing.twice:
        reason = f"{listing.twice[0]} stands on one page more than once"
        page = next((one for one in listing.pages if _holds(one, listing.twice[0])), None)
        shown = (page.exchange,) if page is not None else ()
        return Verdict(Result.FAIL, "wrong-result", reason, "repeated", shown)
    walks = listing.leafings
    gone = leafing.twice(leafing.lost(one) for one in walks)
    if gone:
        reason = f"{gone[0]} is on no page when it is read by small pages, and on the large one"
        return Verdict(Result.FAIL, "incomplete", reason, "incomplete.page", _exchanges(walks[-1]))
    more = leafing.twice(leafing.repeated(one) for one in walks)
    if more:
        reason = f"{more[0]} stands on more than one page, and in the list once"
        return Verdict(Result.FAIL, "wrong-result", reason, "repeated", _exchanges(walks[-1]))
    if walks and leafing.agreed(walks):
        reason = "its rows stand in another order each time, so pages leave some out"
        return Verdict(Result.FAIL, "incomplete", reason, "incomplete.page", _exchanges(walks[-1]))
    reason = "small pages show the rows of the large one" if walks else "it has no small pages"
    return Verdict(Result.PASS, "conform-allow", reason)


def _exchanges(one: Leafing) -> tuple[Exchange, ...]:
    return tuple(page.exchange for page in one.pages)


def unguessable(made: Identifiers) -> Verdict:
    """Values that the target claims to be random do not follow one another."""
    if len(made.values) < 3:
        return Verdict(Result.INCONCLUSIVE, "inconclusive", "too few were made to tell")
    why = guessable(made.values)
    if why:
        return Verdict(Result.FAIL, "guessable", why, "guessable")
    reason = f"{len(made.values)} in a row do not follow one another"
    return Verdict(Result.PASS, "conform-deny", reason)


def takes_as_long(timing: Timing) -> Verdict:
    """How long a refusal takes does not tell whether the record exists.

    Both of two rounds must differ clearly for a failure; the power is part of the reason.
    """
    told = timings.described(timing.theirs, timing.missing)
    if timing.example.outcome is Outcome.BROKEN:
        return Verdict(Result.INCONCLUSIVE, "inconclusive", f"answered {timing.example.status}")
    if timing.control is None or timing.control.outcome is not Outcome.ALLOWED:
        status = timing.control.status if timing.control else "nobody may read it"
        reason = f"nobody showed that the record exists ({status})"
        return Verdict(Result.INCONCLUSIVE, "inconclusive", reason)
    again = timing.again
    longer = timings.chance_longer(timing.theirs, timing.missing) > 0.5
    if (
        again is None
        or not timings.suspicious(again.theirs, again.missing)
        or longer != (timings.chance_longer(again.theirs, again.missing) > 0.5)
    ):
        return Verdict(Result.PASS, "conform-deny", f"no difference shows: {told}")
    return Verdict(
        Result.FAIL,
        "distinguishable",
        f"the time tells a record that exists from one that never did: {told}; in a second round "
        + timings.described(again.theirs, again.missing),
        "enumeration.timing",
        (timing.example.exchange,),
    )
