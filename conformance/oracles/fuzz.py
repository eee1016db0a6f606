"""What a campaign came to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from conformance import oracles
from conformance.books import Observation
from conformance.fuzz.history import Campaign, Effect, Suspicion, Tried
from conformance.model import Outcome, Result, Verdict
from conformance.verdicts import passed, unknown

Seen = Campaign | Suspicion | Effect | Tried | Observation


def withstood(seen: Seen) -> Verdict:
    """Nothing that was sent broke a rule, and something was sent.

    A campaign that sent nothing, or in which the engine itself failed, shows nothing.
    """
    if isinstance(seen, Suspicion):
        return Verdict(
            Result.FAIL,
            "fuzz",
            f"{seen.label}: {seen.reason}",
            seen.rule,
            seen.exchanges,
            _recipe(seen, seen.essence),
            seen.case,
        )
    if isinstance(seen, Effect):
        return _effect(seen)
    if isinstance(seen, Tried):
        reason = f"{seen.label}: not seen again ({seen.reason})"
        return Verdict(Result.PASS, "withstood", reason, exchanges=seen.exchanges)
    if isinstance(seen, Observation):
        return _stands(seen)
    detail = drawn(seen)
    if seen.engine:
        return unknown(f"harness error: {seen.engine[0]}", *seen.last, detail=detail)
    if not seen.requests:
        why = seen.ended or "no request could be made"
        return unknown(f"harness error: nothing was sent ({why})", *seen.last, detail=detail)
    answered = sum(sum(each.values()) for each in seen.statuses.values())
    if not answered or set().union(*seen.statuses.values()) == {"none"}:
        return unknown(f"nothing was answered ({seen.ended})", *seen.last, detail=detail)
    if seen.ended:
        return unknown(f"ended early: {seen.ended}", *seen.last, detail=detail)
    if seen.unserved:
        return unknown(seen.unserved, *seen.last, detail=detail)
    touched = len(seen.statuses)
    return passed(
        "withstood",
        f"{seen.requests:,} requests to {touched} operations broke no rule",
        detail=detail,
    )


def _stands(seen: Observation) -> Verdict:
    """What must hold of the data does so after the campaign; what cannot be read is no finding."""
    verdict = oracles.invariants.holds(seen)
    if verdict.result is not Result.FAIL:
        return passed("withstood", verdict.reason)
    return replace(verdict, detail=None, reason=f"after what the campaign wrote: {verdict.reason}")


def _effect(seen: Effect) -> Verdict:
    """A write that had to be refused was, and nothing of it was done."""
    allowed = seen.trial.attempt.outcome is Outcome.ALLOWED
    verdict = oracles.refused(seen.trial) if allowed else oracles.unchanged(seen.trial)
    if verdict.result is not Result.FAIL:
        return passed("conform-deny", verdict.reason)
    return replace(
        verdict,
        reason=f"{seen.label}: {verdict.reason}",
        detail=_recipe(seen, str(verdict.rule)),
        about=seen.trial.case,
    )


def _recipe(seen: Suspicion | Effect, essence: str) -> Mapping[str, Any]:
    key = f"{seen.label} {essence}"
    return {"kind": "recipe", "label": seen.label, "key": key, "recipe": seen.recipe}


def drawn(seen: Campaign) -> Mapping[str, Any]:
    """What the report shows of a campaign."""
    return {
        "kind": "fuzz",
        "persona": seen.case.persona,
        "requests": seen.requests,
        "seconds": round(seen.seconds, 2),
        "phases": dict(seen.phases),
        "operations": [
            {
                "operation": label,
                "granted": label in seen.granted,
                "statuses": dict(sorted(statuses.items())),
            }
            for label, statuses in sorted(seen.statuses.items())
        ],
        "untouched": sorted(seen.untouched),
        "checks": list(seen.checks),
        "off": dict(seen.off),
        "notes": list(seen.notes),
    }
