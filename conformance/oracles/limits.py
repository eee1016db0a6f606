"""Whether declared limits hold: requests in a while, rows on a page. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from conformance.model import Answer, Case, Outcome, Read, Verdict
from conformance.verdicts import failed, no_statement, passed, unknown


@dataclass(frozen=True)
class Burst:
    """The same request again and again, by one account, until it was limited or enough.

    `declared` requests may be made in `seconds`; `margin` more are forgiven. `own` says that
    nobody else can have used up the account's share. `again` is a second one by another account,
    if the first was limited late: a window that began anew in between explains one, not two.
    `sidesteps` are the same request, once limited, with something else that the caller chooses;
    `still` is the unchanged one after them.
    """

    case: Case
    declared: int
    seconds: float
    margin: int
    reads: tuple[Read, ...]
    lasted: float
    own: bool = False
    again: Burst | None = None
    sidesteps: tuple[tuple[str, Read], ...] = ()
    still: Read | None = None

    @property
    def served(self) -> int | None:
        """Requests before the first that was limited; None if none was."""
        for index, read in enumerate(self.reads):
            if read.outcome is Outcome.LIMITED:
                return index
        return None

    @property
    def late(self) -> bool:
        """Whether it was limited, but later than is forgiven."""
        return self.served is not None and self.served > self.declared + self.margin


def holds(burst: Burst) -> Verdict:
    """More requests than declared meet 429, neither much later nor much earlier.

    The answer says when to come back (RFC 6585 section 4, RFC 9110 section 10.2.3).
    """
    first, served = burst.reads[0], burst.served
    share = f"{burst.declared} in {burst.seconds:g} s are declared"
    if served is None:
        return _never(burst, share)
    if served < burst.declared / 2:
        reason = f"limited after {served} requests; {share}"
        if burst.own and served:
            return failed("limit", "limit.early", reason, burst.reads[served])
        return unknown(f"{reason}, and others may have used the rest", burst.reads[served])
    if _unserved(first):
        return unknown(f"the first request was not served: {_unserved(first)}", first)
    if burst.late:
        if burst.again is None or not (burst.again.late or burst.again.served is None):
            return unknown(
                f"limited only after {served} requests; {share}. A window that began anew in "
                "between would explain it",
                burst.reads[served],
            )
        return failed(
            "limit",
            "limit.unlimited",
            f"limited only after {served} requests, and {burst.again.served} by another account; "
            f"{share}",
            burst.reads[served],
        )
    limited = burst.reads[served]
    answer = limited.exchange.answer
    if answer is not None and not _says_until_when(answer):
        said = answer.header("retry-after")
        shown = f"Retry-After: {said}" if said else "without Retry-After"
        return failed(
            "limit",
            "limit.retry-after",
            f"limited after {served} requests, {shown}, so nobody knows when to come back",
            limited,
        )
    still = burst.still is not None and burst.still.outcome is Outcome.LIMITED
    for says, read in burst.sidesteps if still else ():
        if read.outcome is Outcome.ALLOWED:
            return failed(
                "limit",
                "limit.sidestepped",
                f"limited after {served} requests, but served with {says}",
                read,
                limited,
            )
    return passed(
        "conform-deny", f"limited after {served} requests in {burst.lasted:.1f} s; {share}"
    )


def _never(burst: Burst, share: str) -> Verdict:
    first, last = burst.reads[0], burst.reads[-1]
    if _unserved(first):
        return unknown(f"the first request was not served: {_unserved(first)}", first)
    broken = next((read for read in burst.reads if read.outcome is Outcome.BROKEN), None)
    if broken is not None:
        return unknown(f"in a row of {len(burst.reads)} requests {no_statement(broken)}", broken)
    if len(burst.reads) <= burst.declared + burst.margin:
        return unknown(
            f"{len(burst.reads)} requests took {burst.lasted:.1f} s, too long to meet the limit; "
            f"{share}",
            last,
        )
    return failed(
        "limit",
        "limit.unlimited",
        f"none of {len(burst.reads)} requests in {burst.lasted:.1f} s was limited; {share}",
        first,
        last,
    )


def _unserved(read: Read) -> str | None:
    """Why a request says nothing of limits; one that was looked at and rejected does."""
    if read.outcome in {Outcome.ALLOWED, Outcome.CONFLICT, Outcome.INVALID}:
        return None
    return no_statement(read) or f"refused ({read.status})"


def _says_until_when(answer: Answer) -> bool:
    """Whether Retry-After holds seconds or a date."""
    said = (answer.header("retry-after") or "").strip()
    if said.isdigit():
        return True
    try:
        return parsedate_to_datetime(said) is not None
    except ValueError:
        return False


@dataclass(frozen=True)
class Page:
    """A page of more rows than any may have, and a small one as its control.

    `more` says whether the target itself told that there are rows beyond those it gave.
    """

    case: Case
    most: int
    asked: int
    small: Read
    small_rows: int
    read: Read
    rows: int
    more: bool


def bounded(page: Page) -> Verdict:
    """A page holds no more rows than declared, whatever is asked for."""
    if page.small.outcome is not Outcome.ALLOWED or page.small_rows > 1:
        reason = no_statement(page.small) or f"{page.small_rows} rows ({page.small.status})"
        return unknown(f"a page of one row was not given: {reason}", page.small)
    read = page.read
    if read.outcome in {Outcome.INVALID, Outcome.DENIED}:
        return passed("conform-deny", f"a page of {page.asked} rows is refused ({read.status})")
    if read.outcome is not Outcome.ALLOWED:
        reason = no_statement(read) or f"refused ({read.status})"
        return unknown(f"a page of {page.asked} rows: {reason}", read)
    if page.rows > page.most:
        return failed(
            "limit",
            "limit.page",
            f"asked for {page.asked} rows it gave {page.rows}; at most {page.most} are declared",
            read,
            page.small,
        )
    if not page.more:
        return unknown(
            f"asked for {page.asked} rows it gave all {page.rows} that there are, which shows no "
            f"limit of {page.most}",
            read,
        )
    return passed("conform-deny", f"asked for {page.asked} rows it gave {page.rows}, not all")
