"""What a phase of load proves: promises kept, neighbours apart, and logins that end. Pure.

The bounds are exact and assume nothing of how durations are distributed (workload.objectives). A
promise counts as broken only if it was broken twice; what Locust itself sent late proves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from conformance.model import Exchange, Result, Verdict
from conformance.oracles import durability, invariants
from conformance.verdicts import passed, worst
from conformance.workload import objectives
from conformance.workload.objectives import Finding, Standing
from conformance.workload.phases import (
    Ran,
    Window,
    broken,
    drawn,
    drift,
    knee,
    leaked,
    of_ended,
    outcomes,
    pooled,
    searched,
    slowest,
    unclear,
    unexplained,
)

_RULES = {"p95": "load.slow", "p99": "load.slow", "errors": "load.errors"}
_OWN_RULES = {"neighbour": "load.starved", "spike": "load.recovery", "restart": "load.recovery"}
_LATE = 0.1
"""Seconds by which Locust may be late without a word, or half of the shortest promise."""
_FEWEST_AFTER = 5
_TOLD = 3
_SPARE = 1.15


def open_to_doubt(ran: Ran) -> bool:
    """Whether a second run is needed before anything can be said."""
    return bool(broken(ran) or broken(ran, control=True) or unclear(ran)) and not _leaks(ran)


def kept(ran: Ran) -> Verdict:
    """What is promised of the workflows holds where it has to."""
    detail = drawn(ran)
    both = [ran, *([ran.again] if ran.again is not None else [])]
    bad = _broken_each_time(both)
    last = both[-1]
    if bad:
        late = min(_too_late(one) or 0.0 for one in both)
        if late:
            return _unknown(
                f"Locust itself was up to {late:.3g} s late in sending, so what took long may not "
                f"be the target's ({_said(last, bad)}); run it on a machine that has time",
                detail,
            )
        if all(one.others is not None for one in both):
            own = _broken_each_time([unexplained(one) for one in both])
            if not own:
                return _unknown(
                    f"other processes took {last.others or 0:.0%} of this machine's processor time "
                    "and left the target too little, so what took long may not be its own doing "
                    f"({_said(last, bad)}); run it when the machine has time",
                    detail,
                )
            bad = own
        own_rule = _OWN_RULES.get(ran.phase)
        if own_rule is not None and all(broken(one, control=True) for one in both):
            # It has nothing to do with the phase: what is declared does not hold by itself.
            own_rule, bad = None, _broken_each_time(both, control=True)
            if not bad:
                return _unknown(_without(last), detail)
        window, finding = bad[0]
        rule = own_rule or _RULES.get(finding.objective, "load.throughput")
        reason = _said(last, bad)
        return Verdict(
            Result.FAIL, "load", reason, rule, tuple(_evidence(last, window, finding)), detail
        )
    worse = drift(ran) if ran.phase == "soak" else []
    if worse:
        return Verdict(Result.FAIL, "load", "; ".join(worse), "load.drift", (), detail)
    open_ = _unclear_each_time(both)
    if open_ and len(both) > 1:
        whole = pooled(ran)
        open_ = [*unclear(whole), *broken(whole)]
    if open_:
        window, finding = open_[0]
        return _unknown(
            f"{finding.workflow}{_in(ran, window)}: {finding.why}, in "
            f"{window.seconds * len(both):.3g} s{_enough(ran, window, finding, len(both))}"
            + (f"; and {len(open_) - 1} more" if len(open_) > 1 else ""),
            detail,
        )
    quiet = _nothing_flooded(ran)
    if quiet:
        return _unknown(quiet, detail)
    first = broken(ran) if ran.again is not None else []
    twice = f" (in a first run {_said(ran, first[:1])}; it was measured again)" if first else ""
    return passed("conform-allow", _summary(last) + twice, detail)


def _broken_each_time(runs: list[Ran], *, control: bool = False) -> list[tuple[Window, Finding]]:
    """What was broken in every run, as the last one shows it; the same objective of a workflow."""
    found = [broken(one, control=control) for one in runs]
    if len(found) == 1:
        return found[0]
    before = {(finding.workflow, _kind(finding)) for _, finding in found[0]}
    return [pair for pair in found[-1] if (pair[1].workflow, _kind(pair[1])) in before]


def _kind(finding: Finding) -> str:
    return {"p95": "slow", "p99": "slow"}.get(finding.objective, finding.objective)


def _unclear_each_time(runs: list[Ran]) -> list[tuple[Window, Finding]]:
    """What no run has shown to be kept."""
    found = [{(one.workflow, one.objective): (at, one) for at, one in unclear(run)} for run in runs]
    found_broken = [{(one.workflow, one.objective) for _, one in broken(run)} for run in runs]
    # Broken once and kept once is as unclear as too few samples.
    wanting = [set(some) | bad for some, bad in zip(found, found_broken, strict=True)]
    common = set.intersection(*wanting)
    first = {key: pair for run in found for key, pair in run.items()}
    first |= (
        {(one.workflow, one.objective): (at, one) for run in runs for at, one in broken(run)}
        if any(found_broken)
        else {}
    )
    return [first[key] for key in sorted(common)]


def _too_late(ran: Ran) -> float | None:
    """How late Locust was, if that was too late to say anything."""
    shortest = min(
        (limit for one in ran.promises for limit in (one.p95, one.p99) if limit), default=2 * _LATE
    )
    return ran.samples.lag if ran.samples.lag > max(_LATE, shortest / 2) else None


def _enough(ran: Ran, window: Window, finding: Finding, runs: int) -> str:
    """What would do where there were too few requests: a higher rate, or a longer run."""
    rate = next((one.rate for one in ran.promises if one.workflow == finding.workflow), 0.0)
    if finding.short <= 1 or not rate:
        return ""
    # A little more than it takes, so that one miss does not spoil it.
    much = _SPARE * finding.short
    return (
        f". What would do: rate {_rounded_up(rate * much)} instead of {rate:g} per second for "
        f"{finding.workflow}, or {math.ceil(window.seconds * runs * much)} s at the declared rate "
        "(--profile full takes longer)"
    )


def _rounded_up(rate: float) -> str:
    return f"{math.ceil(rate * 10) / 10:g}"


def _without(ran: Ran) -> str:
    """That promises were broken by themselves in every run, but never the same one."""
    window, finding = broken(ran, control=True)[0]
    return f"{finding.workflow}{_in(ran, window)} did not keep its promise either: {finding.why}"


def _in(ran: Ran, window: Window) -> str:
    says = {
        ("neighbour", "flood"): f", while {ran.flooding} floods",
        ("neighbour", "quiet"): " at its declared rate, without a flood",
        ("spike", "before"): " at its declared rate, without a spike",
        ("restart", "before"): " at its declared rate, without a restart",
        ("spike", "after"): ", after the spike",
        ("restart", "after"): ", after the restart",
    }
    return says.get((ran.phase, window.name), "")


def _said(ran: Ran, bad: Iterable[tuple[Window, Finding]]) -> str:
    told: dict[tuple[str, str], str] = {}
    for window, finding in bad:
        step, actor, seconds = slowest(ran, finding, window)
        worst = f" (worst: {step} as {actor}, p95 {seconds:.3g} s)" if step else ""
        told.setdefault(
            (finding.workflow, finding.objective),
            f"{finding.workflow}{_in(ran, window)}: {finding.why}{worst}",
        )
    shown = list(told.values())
    more = f"; and {len(shown) - _TOLD} more" if len(shown) > _TOLD else ""
    return "; ".join(shown[:_TOLD]) + more


def _evidence(ran: Ran, window: Window, finding: Finding) -> list[Exchange]:
    """A failed or slow exchange of the step that suffered most."""
    step, actor, _ = slowest(ran, finding, window)
    why = "failed" if finding.objective == "errors" else "slow"
    fitting = [
        (kept.why == why, kept.step == step, kept.actor == actor, exchange)
        for kept, exchange in ran.shown
        if kept.workflow == finding.workflow
    ]
    fitting.sort(key=lambda one: one[:3], reverse=True)
    return [one[3] for one in fitting[:2]]


def _nothing_flooded(ran: Ran) -> str | None:
    """Why the flood was none."""
    if ran.flooding is None:
        return None
    flooded = [one for one in ran.samples.requests if one.flood]
    usual = sum(
        not one.flood and ran.tenants.get(one.actor) == ran.flooding for one in ran.samples.requests
    )
    if len(flooded) <= usual:
        return (
            f"{ran.flooding} sent {len(flooded)} requests more while it was to flood, beside "
            f"{usual} as usual, which is no flood"
        )
    return None


def _summary(ran: Ran) -> str:
    if ran.phase == "ramp":
        rate, says = knee(ran)
        return f"the declared rates hold; it keeps up with {rate:.3g} per second: {says}"
    told = [
        f"{finding.workflow} {finding.why}"
        for window in ran.windows
        if window.judged
        for finding in outcomes(ran, window)
        if finding.step is None and finding.standing is Standing.KEPT
    ]
    where = "".join(_in(ran, one) for one in ran.windows if one.judged).removeprefix(", ")
    anew = f"; {ran.forgot.says}" if ran.forgot is not None and ran.forgot.says else ""
    return f"{where + ': ' if where else ''}{'; '.join(told[:_TOLD])}{anew}"


# --- isolation -------------------------------------------------------------------------------


def _leaks(ran: Ran) -> list[Verdict]:
    return [verdict for one in ran.suspects for verdict in one.leaks]


def sealed(ran: Ran) -> Verdict:
    """No answer holds what its reader may not see, or is about another record than asked for."""
    detail = drawn(ran)
    both = [ran, *([ran.again] if ran.again is not None else [])]
    hits, count = sum(map(leaked, both)), sum(map(searched, both))
    for one in both:
        for verdict in _leaks(one):
            return Verdict(
                Result.FAIL,
                "leak",
                f"{verdict.reason}, in {hits} of {count} answers under load "
                f"({hits / count * 1e6:,.0f} in a million)",
                verdict.rule,
                verdict.exchanges,
                detail,
            )
        for exchange in one.other:
            return Verdict(
                Result.FAIL,
                "load",
                f"{exchange.persona} was answered with another record than it had asked for, in "
                f"{hits} of {count} answers under load",
                "load.mixed",
                (exchange,),
                detail,
            )
    if not count:
        return _unknown("no answer was searched for markers", detail)
    _, most = objectives.per_million(0, count)
    return passed(
        "conform-deny",
        f"none of {count} answers held anything that was not its reader's: at most "
        f"{most:,.0f} in a million, with 95 % certainty",
        detail,
    )


def login_ended(ran: Ran) -> Verdict:
    """A login that is ended in the middle is served no more."""
    detail = drawn(ran)
    ended = ran.ended
    if ended is None:
        return passed("conform-deny", "no login was ended", detail)
    before, served, refused = of_ended(ran)
    if len(before) < _FEWEST_AFTER:
        return _unknown(
            f"{ended.actor} was served only {len(before)} times before it {_past(ended.how)}, so "
            "its being refused afterwards shows nothing",
            detail,
        )
    if served:
        last = max(one.sent or 0.0 for one in served) - ended.at
        return Verdict(
            Result.FAIL,
            "load",
            f"{ended.actor} was served {len(served)} more times, up to {last:.1f} s after it "
            f"{_past(ended.how)} ({len(refused)} times it was refused)",
            "load.revoked",
            ended.served,
            detail,
        )
    if len(refused) < _FEWEST_AFTER:
        return _unknown(
            f"{ended.actor} was answered only {len(refused)} times after it {_past(ended.how)}",
            detail,
        )
    return passed(
        "conform-deny",
        f"{ended.actor} was served {len(before)} times before it {_past(ended.how)}, and refused "
        f"{len(refused)} times afterwards",
        detail,
    )


def survived(ran: Ran) -> Verdict:
    """What had been acknowledged before the target was killed is there afterwards."""
    runs = [one for one in (ran, ran.again) if one is not None and one.survival is not None]
    if not runs:
        return passed("conform-allow", "nothing had been acknowledged that could be read back")
    found = [durability.survived(one.survival) for one in runs if one.survival is not None]
    if any(one.result is Result.FAIL for one in found):
        return worst(found)
    # How sure that is, is said by the suite that crashes the target while it only writes.
    count = sum(len(one.survival.kept) for one in runs if one.survival is not None)
    return passed("conform-allow", f"nothing is missing of {count} acknowledged writes")


def balanced(ran: Ran) -> Verdict:
    """What must agree in the target's data does so after it all."""
    found = [*ran.observations, *(ran.again.observations if ran.again is not None else ())]
    if not found:
        return passed("conform-allow", "no invariants are declared")
    return worst([invariants.holds(one) for one in found])


def attributed(ran: Ran) -> Verdict:
    """The audit trail names whoever wrote, however many did so at a time."""
    wrong = [one for one in ran.named if one.name not in one.found]
    if wrong:
        first = wrong[0]
        return Verdict(
            Result.FAIL,
            "load",
            f"{first.what} by {first.name} stands in the audit trail as done by "
            f"{', '.join(first.found)}; so do {len(wrong)} of {len(ran.named)} writes that were "
            "looked up after the rush",
            "trail.actor",
            (first.exchange,),
        )
    return passed("conform-allow", f"the trail names the right person for {len(ran.named)} writes")


def _past(how: str) -> str:
    return {"is disabled": "was disabled", "logs out": "had logged out"}.get(how, how)


def _unknown(reason: str, detail: Mapping[str, Any]) -> Verdict:
    return Verdict(Result.INCONCLUSIVE, "inconclusive", reason, detail=detail)


APART = (sealed, login_ended, balanced, attributed)
"""What has to be true when everybody wants something at once."""
AFTER_A_CRASH = (kept, sealed, survived, balanced)
"""What has to be true when the target was killed under load."""
