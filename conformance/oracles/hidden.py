"""What answers although nobody declared it: methods, spellings, versions, pages (API9). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.model import Case, Outcome, Read, Trial, Verdict
from conformance.oracles import altered, data_shown, marked
from conformance.verdicts import failed, no_statement, passed, unknown


@dataclass(frozen=True)
class Knock:
    """One request that the policy does not know; `says` is how it was written.

    `trial` has the attempt, its control, and the read-backs around it if it could write. `echo`
    is what it carried and no answer should repeat.
    """

    says: str
    trial: Trial
    rule: str
    echo: str | None = None


@dataclass(frozen=True)
class Hidden:
    """All that was tried about one operation; `control` shows that there is something behind."""

    case: Case
    knocks: tuple[Knock, ...]
    control: Read | None = None
    needs_control: bool = True


def opens_nothing(hidden: Hidden) -> Verdict:
    """None of the requests gives data or has an effect."""
    control = hidden.control
    page = control.exchange.answer if control is not None else None
    if control and page and page.status < 300 and control.outcome is Outcome.BROKEN:
        return unknown(f"the control: {no_statement(control)}", control)
    for knock in hidden.knocks:
        why = _behind(knock)
        if why is not None:
            read = knock.trial.attempt
            proof = (*knock.trial.before, *knock.trial.after)
            reason = f"{knock.says}: answered {read.status} {why}"
            return failed("bypass", knock.rule, reason, read, *proof)
    if control and page and control.outcome is Outcome.BROKEN:
        return unknown(f"the control: {no_statement(control)}", control)
    if hidden.needs_control and (control is None or control.outcome is not Outcome.ALLOWED):
        status = control.status if control else "nobody"
        return unknown(
            f"nothing was given, but nobody was served there either ({status})",
            *([control] if control else []),
        )
    answered = [one for one in hidden.knocks if one.trial.attempt.exchange.answer is not None]
    if not answered:
        reads = [one.trial.attempt for one in hidden.knocks[:1]]
        return unknown("nothing was answered", *reads)
    limited = [one for one in answered if one.trial.attempt.outcome is Outcome.LIMITED]
    if limited:
        read = limited[0].trial.attempt
        return unknown(f"{limited[0].says}: {no_statement(read)}", read)
    ways = ", ".join(one.says for one in answered)
    return passed("conform-deny", f"{len(answered)} ways, none with data or effect: {ways}")


def _behind(knock: Knock) -> str | None:
    """How a request shows that something is behind it, None if it does not."""
    trial = knock.trial
    answer = trial.attempt.exchange.answer
    if marked(trial) or altered(trial):
        return "and the read-back shows an effect"
    if answer is None or not 200 <= answer.status < 300:
        return None
    if knock.echo is not None and knock.echo.lower() in answer.text.lower():
        return "and repeats what the request carried"
    return data_shown(trial) if trial.attempt.outcome in _GIVEN else None


# A format that the operation does not promise counts as broken, and may hold the data all the same.
_GIVEN = frozenset({Outcome.ALLOWED, Outcome.BROKEN})


@dataclass(frozen=True)
class Page:
    """The answer for a path known from other systems; `why_not` says why it may be there."""

    path: str
    what: str
    read: Read
    telling: bool
    why_not: str | None = None


@dataclass(frozen=True)
class Pages:
    """The answers for a group of such paths."""

    case: Case
    pages: tuple[Page, ...]


def shows_no_inside(found: Pages) -> Verdict:
    """No path for developers or operators answers, unless the target's files name it."""
    for page in found.pages:
        if page.read.outcome is Outcome.ALLOWED and page.telling and page.why_not is None:
            reason = f"{page.path} ({page.what}) answered {page.read.status}"
            return failed("bypass", "hidden.path", reason, page.read)
    answered = [one for one in found.pages if one.read.exchange.answer is not None]
    if not answered:
        return unknown("nothing was answered", *(one.read for one in found.pages[:1]))
    said_no = {Outcome.ABSENT, Outcome.DENIED, Outcome.UNAUTHENTICATED, Outcome.INVALID}
    if not any(one.read.outcome in {*said_no, Outcome.ALLOWED} for one in answered):
        first = answered[0].read
        return unknown(f"no path was refused as such: {no_statement(first)}", first)
    told = [f"{one.path} ({one.why_not})" for one in answered if one.why_not]
    said = f"; known: {', '.join(told)}" if told else ""
    return passed("conform-deny", f"none of {len(answered)} paths answers{said}")
