"""What a campaign came to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.fuzz.history import Campaign, Effect, Suspicion
from conformance.model import Result, Verdict
from conformance.verdicts import passed, unknown

Seen = Campaign | Suspicion | Effect


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
            {"kind": "recipe", "recipe": seen.recipe, "key": f"{seen.label} {seen.essence}"}
            if seen.recipe
            else None,
        )
    if isinstance(seen, Effect):
        return passed("conform-deny", "see the trial")
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
    touched = len(seen.statuses)
    return passed(
        "withstood",
        f"{seen.requests:,} requests to {touched} operations broke no rule",
        detail=detail,
    )


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
