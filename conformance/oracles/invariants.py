"""Oracle for the sweep: what must hold of the target's data whenever nothing is under way."""

from __future__ import annotations

from conformance.books import NoAmount, Observation, broken, empty, same
from conformance.model import Result, Verdict
from conformance.verdicts import Detail, failed, passed


def holds(seen: Observation) -> Verdict:
    """The sides stand as they must, and stood so the last time that they were read."""
    where = f"{seen.says} ({seen.tenant}{seen.place})"
    if seen.problem is not None or not seen.looks:
        return _unknown(seen, f"{where}: {seen.problem or 'it was not read'}")
    left, right = seen.looks[-1]
    unread = left.unread or right.unread
    if unread:
        return _unknown(seen, f"{where}: {unread}")
    if empty(seen.looks[-1]):
        return passed("invariant-holds", f"{where}: there is nothing to compare yet", _detail(seen))
    try:
        wrong = broken(seen.relation, left, right)
    except NoAmount as problem:
        return _unknown(seen, f"{where}: {left.label} or {right.label}: {problem}")
    if wrong is None:
        again = "" if len(seen.looks) == 1 else f", at look {len(seen.looks)}"
        return passed("invariant-holds", f"{where}{_found(seen)}{again}", _detail(seen))
    if len(seen.looks) < 2 or not same(seen.looks[-2], seen.looks[-1]):
        return _unknown(seen, f"{where}: what is compared moved while it was read: {wrong}")
    rule = "invariants.orphan" if seen.relation == "subset" else "invariants.differ"
    if right.measure == "answered":
        rule = "invariants.orphan"
    verdict = failed("invariant-broken", rule, f"{where}: {wrong}", detail=_detail(seen))
    return Verdict(
        verdict.result, verdict.kind, verdict.reason, rule, seen.exchanges, verdict.detail
    )


def _unknown(seen: Observation, reason: str) -> Verdict:
    return Verdict(Result.INCONCLUSIVE, "inconclusive", reason, exchanges=seen.exchanges)


def _found(seen: Observation) -> str:
    left, right = seen.looks[-1]
    if right.measure == "answered":
        return f": {right.asked} of {right.of} asked for"
    if left.measure == "set":
        return f": {len(left.values)} and {len(right.values)} values"
    return f": {len(left.values)} and {len(right.values)} values read"


def _detail(seen: Observation) -> Detail:
    left, right = seen.looks[-1]
    return {
        "kind": "invariant",
        "name": seen.name,
        "tenant": seen.tenant,
        "relation": seen.relation,
        "left": {"label": left.label, "is": left.measure, "values": len(left.values)},
        "right": {"label": right.label, "is": right.measure, "values": len(right.values)},
        "looks": len(seen.looks),
    }
