"""Oracle for crashes: what was answered as done is there afterwards, with all that follows."""

from __future__ import annotations

from collections import Counter

from conformance.books import Observation
from conformance.model import Result, Verdict
from conformance.oracles import invariants
from conformance.survival import Kept, Survival
from conformance.verdicts import Detail, passed

LEAST = 5
"""With fewer writes acknowledged in the last second before a crash it shows too little."""
_SHOWN = 4


def judged(seen: Survival | Observation) -> Verdict:
    """A crash, or what must hold of the target's data after it."""
    return survived(seen) if isinstance(seen, Survival) else invariants.holds(seen)


def survived(seen: Survival) -> Verdict:
    """Of what was acknowledged before a crash nothing is gone, and what must follow is there."""
    detail = _detail(seen)
    if seen.down is not None:
        return _unknown(f"after the crash the target did not come back: {seen.down}", (), detail)
    lost = [one for one in seen.kept if one.there is False]
    if lost:
        return _failed("durability.lost", "lost-write", _lost(seen, lost), lost, detail)
    halves = [one for one in seen.kept if one.lacking]
    if halves:
        return _failed("durability.half_done", "half-done", _halves(halves), halves, detail)
    unread = [one for one in seen.kept if one.there is None]
    told = len(seen.kept) - len(unread)
    if unread and not told:
        return _unknown(f"nothing could be read back: {unread[0].why}", unread[:1], detail)
    if seen.last_second < LEAST:
        reason = (
            f"{seen.last_second} writes were acknowledged in the last second before the crash; "
            f"{LEAST} are needed to show anything"
        )
        return _unknown(reason, (), detail)
    return passed(
        "writes-survive",
        f"{told} of {seen.written} acknowledged writes were looked for and are there, "
        f"{seen.last_second} of them from the last second before the target was killed",
        detail,
    )


def _lost(seen: Survival, lost: list[Kept]) -> str:
    by_kind = Counter(one.write.label for one in lost)
    kinds = ", ".join(f"{count} × {label}" for label, count in by_kind.most_common(_SHOWN))
    times = sorted(seen.killed - one.write.at for one in lost)
    return (
        f"{len(lost)} of {len(seen.kept)} acknowledged writes are gone after the target was killed "
        f"and started again ({kinds}); they had been answered as done "
        f"{_ago(times[0])} to {_ago(times[-1])} before{_acknowledged(lost)}"
    )


def _acknowledged(lost: list[Kept]) -> str:
    """How the last of them was acknowledged, where no exchange shows it."""
    said = next((one.write for one in reversed(lost) if one.write.said), None)
    return f" (the last: {said.said}, with the id {said.id})" if said is not None else ""


def _ago(seconds: float) -> str:
    return f"{max(0.0, seconds):.2f} s"


def _halves(halves: list[Kept]) -> str:
    what = Counter(
        f"{one.write.label} without its {lacking}" for one in halves for lacking in one.lacking
    )
    said = ", ".join(f"{count} × {name}" for name, count in what.most_common(_SHOWN))
    return f"after the target was killed and started again there is {said}"


def _failed(rule: str, kind: str, reason: str, kept: list[Kept], detail: Detail) -> Verdict:
    shown = tuple(exchange for one in kept[-_SHOWN:] for exchange in one.exchanges)
    return Verdict(Result.FAIL, kind, reason, rule, shown, detail)


def _unknown(reason: str, kept: list[Kept] | tuple[()], detail: Detail) -> Verdict:
    shown = tuple(exchange for one in kept for exchange in one.exchanges)
    return Verdict(Result.INCONCLUSIVE, "inconclusive", reason, exchanges=shown, detail=detail)


def _detail(seen: Survival) -> Detail:
    counts = Counter(one.write.label for one in seen.kept)
    gone = Counter(one.write.label for one in seen.kept if one.there is False)
    return {
        "kind": "durability",
        "written": seen.written,
        "looked_for": len(seen.kept),
        "last_second": seen.last_second,
        "writes": [
            {"operation": name, "looked_for": count, "gone": gone[name]}
            for name, count in counts.items()
        ],
        "lost": [
            {
                "operation": one.write.label,
                "persona": one.write.persona,
                "id": str(one.write.id),
                "before": round(seen.killed - one.write.at, 3),
            }
            for one in seen.kept
            if one.there is False
        ],
        "left_out": list(seen.left_out),
    }
