"""Small requests that unfold: whether they are defused, and what they cost. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.model import Case, Outcome, Read, Verdict
from conformance.oracles.odd import failed_to_answer
from conformance.verdicts import failed, no_statement, passed, unknown


@dataclass(frozen=True)
class Bomb:
    """One small request that unfolds, and ordinary ones around it.

    `before` and `after` are the operation with ordinary values; `again` is the bomb once more where
    the target failed; `open` is the same content sent in full; `taken` says that the target took
    what the bomb became, `fetched` what it fetched for it, and `shown` where that came to light.
    """

    case: Case
    says: str
    before: Read
    bomb: Read
    again: Read | None
    after: Read
    open: Read | None = None
    taken: str = ""
    fetched: str = ""
    shown: Read | None = None


@dataclass(frozen=True)
class Bombs:
    """All bombs of one kind; `note` says why there are none."""

    case: Case
    before: Read
    bombs: tuple[Bomb, ...]
    note: str = ""


def defused(tried: Bombs) -> Verdict:
    """A request that unfolds is refused or answered, and the target goes on as before."""
    if tried.before.outcome is not Outcome.ALLOWED:
        why = no_statement(tried.before) or f"it was answered with {tried.before.status}"
        return unknown(f"the ordinary request did not work: {why}", tried.before)
    for bomb in sorted(tried.bombs, key=lambda bomb: not bomb.fetched):
        wrong = _wrong(bomb)
        if wrong is not None:
            return wrong
    for bomb in tried.bombs:
        if failed_to_answer(bomb.after):
            reason = f"after {bomb.says} ordinary requests fail once ({bomb.after.status})"
            return unknown(reason, bomb.bomb, bomb.after)
    if not tried.bombs:
        return passed("conform-deny", tried.note or "nothing unfolds here")
    said = ", ".join(f"{bomb.says} ({bomb.bomb.status})" for bomb in tried.bombs[:6])
    return passed("conform-deny", f"defused: {said}" + (f"; {tried.note}" if tried.note else ""))


def _wrong(bomb: Bomb) -> Verdict | None:
    shown = [bomb.before, bomb.bomb, *([bomb.again] if bomb.again else []), bomb.after]
    if bomb.fetched:
        reason = f"{bomb.says} made the target fetch {bomb.fetched}"
        seen = (bomb.shown,) if bomb.shown is not None and bomb.shown is not bomb.bomb else ()
        return failed("entity", "fuzz.entity", reason, bomb.before, bomb.bomb, *seen)
    if bomb.again is not None and failed_to_answer(bomb.bomb) and failed_to_answer(bomb.again):
        what = bomb.again.status
        how = f"answered {what}" if bomb.again.exchange.answer else f"not answered: {what}"
        rest = "; ordinary requests fail from then on" if failed_to_answer(bomb.after) else ""
        return failed("bomb", "fuzz.bomb", f"{bomb.says} was {how}, twice{rest}", *shown)
    if bomb.taken:
        return failed("bomb", "fuzz.bomb", f"{bomb.says} was taken: {bomb.taken}", *shown)
    opened = bomb.open
    accepted = bomb.bomb.outcome is Outcome.ALLOWED
    if accepted and opened is not None and opened.outcome is not Outcome.ALLOWED:
        return failed(
            "bomb",
            "fuzz.bomb",
            f"{bomb.says} was taken ({bomb.bomb.status}), and the same in full was refused "
            f"({opened.status}): the limit counts what comes, not what it becomes",
            *shown,
            opened,
        )
    return None
