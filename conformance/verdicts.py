"""Verdicts, and the answers that allow none. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from conformance.model import Outcome, Read, Result, Verdict

Detail = Mapping[str, Any] | None

_SEVERITY = {
    Result.FAIL: 0,
    Result.INCONCLUSIVE: 1,
    Result.NOT_TESTED: 2,
    Result.NOT_CLAIMED: 3,
    Result.PASS: 4,
}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict that decides: a failure before an inconclusive one before a pass."""
    return min(verdicts, key=lambda verdict: _SEVERITY[verdict.result])


def passed(kind: str, reason: str, detail: Detail = None) -> Verdict:
    """It is as it has to be."""
    return Verdict(Result.PASS, kind, reason, detail=detail)


def unknown(reason: str, *reads: Read, detail: Detail = None) -> Verdict:
    """Nothing is shown, for that reason."""
    exchanges = tuple(read.exchange for read in reads)
    return Verdict(Result.INCONCLUSIVE, "inconclusive", reason, exchanges=exchanges, detail=detail)


def failed(kind: str, rule: str, reason: str, *reads: Read, detail: Detail = None) -> Verdict:
    """It is not as it has to be, as these answers show."""
    exchanges = tuple(read.exchange for read in reads)
    return Verdict(Result.FAIL, kind, reason, rule, exchanges, detail)


def no_statement(read: Read) -> str | None:
    """Why an answer says nothing about access, None if it does."""
    answer = read.exchange.answer
    if answer is None:
        return f"there was no answer ({read.exchange.error})"
    if 300 <= answer.status < 400:
        where = answer.header("location") or "nowhere"
        return f"the answer was a redirect ({answer.status} to {where}), which was not followed"
    if answer.status < 300 and read.outcome is Outcome.BROKEN:
        return (
            f"{answer.status} came with a page that every path gets, without the JSON that the "
            "operation promises, or as an error by the target's own rules"
        )
    return {
        Outcome.BROKEN: f"the target failed with {answer.status}",
        Outcome.LIMITED: f"the target limited the rate ({answer.status})",
        Outcome.CONFLICT: f"the state did not allow it ({answer.status})",
        Outcome.INVALID: f"the request was rejected as invalid ({answer.status})",
    }.get(read.outcome)
