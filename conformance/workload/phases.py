"""What one phase of load showed, as data, and what follows from it. Pure.

A phase is a run of Locust: stretches of time in which the objectives have to hold, or hold for a
control, and what else is done meanwhile.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from conformance.model import Case, Exchange, Verdict
from conformance.workload import objectives
from conformance.workload.objectives import Finding, Promise, Request, Standing
from conformance.workload.samples import NO_ROOM, Kept, Sample, Samples, quantile, series

BUCKET = 0.5
"""Seconds between two points of a curve, at least."""
_POINTS = 120
_BUSY = NO_ROOM | {408, 504}
"""What a target that has too little time may answer instead of what was asked for."""
_AT_ONCE = 0.25
"""What took less than that part of what is promised was answered at once."""
_WANTING = 0.25
"""The part of a request's time for which the target waited for a processor, to be explained."""
_SOUND = 0.9
"""Of what is begun, so much is done where a target keeps up."""


@dataclass(frozen=True)
class Window:
    """Seconds of the run in which requests were due, and what they are to show.

    `factor` multiplies the declared rates. A `control` has to hold or nothing is shown; what is
    `judged` has to hold; where it is `thorough`, every objective has to show that it does.
    """

    name: str
    since: float
    until: float
    factor: float = 1.0
    control: bool = False
    judged: bool = False
    thorough: bool = False

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.until - self.since

    def holds(self, at: float) -> bool:
        """Whether something due at that time belongs to it."""
        return self.since <= at < self.until


@dataclass(frozen=True)
class Ended:
    """A login that was ended at `at` seconds, and may be served for `grace` seconds more.

    `open_` are the steps that need no login; `served` shows what was served all the same.
    """

    actor: str
    how: str
    at: float
    grace: float
    open_: frozenset[str] = frozenset()
    served: tuple[Exchange, ...] = ()


@dataclass(frozen=True)
class Mark:
    """Something that was done to the target, at a moment or for a while."""

    at: float
    until: float | None
    says: str


@dataclass(frozen=True)
class Suspect:
    """An answer that may not be as it is: what kind of suspicion, and what it comes to."""

    kind: str
    actor: str
    step: str
    exchange: Exchange
    leaks: tuple[Verdict, ...]


@dataclass(frozen=True)
class Named:
    """Whom the audit trail names for a write by `actor`, who is called `name` there."""

    actor: str
    name: str
    what: str
    found: tuple[str, ...]
    exchange: Exchange


@dataclass(frozen=True)
class Forgot:
    """Who was logged in anew after a restart; `shown` if their old sessions were seen refused."""

    renewed: tuple[str, ...]
    shown: bool

    @property
    def says(self) -> str:
        """What that means, for a note; empty if sessions outlived the restart."""
        if not self.renewed:
            return ""
        if self.shown:
            return (
                f"sessions did not outlive the restart: {len(self.renewed)} personas were logged "
                "in anew, as the target knew them no more"
            )
        return (
            f"{len(self.renewed)} personas were logged in anew after the restart; whether their "
            "sessions outlived it cannot be told without login.*.me"
        )


@dataclass(frozen=True)
class Ran:
    """One phase as it went. `tenants` are those of the actors, `flooding` the one that floods.

    `again` is the same phase a second time, where the first broke a promise or showed too little,
    and `runs` says of how many runs the samples are; `other` are answers
    about another record than was asked for; `shown` are exchanges that were kept for evidence;
    `survival` is what was read back of acknowledged writes after a crash, `forgot` whose sessions
    did not outlive it, `observations` are the
    books when all was over, and `named` the entries of writes in the audit trail; `others` is the
    share of this machine's processor time that other processes took, if that left the target too
    little; `waits` says how long the target had waited for a processor at which time of the run.
    """

    case: Case
    phase: str
    promises: tuple[Promise, ...]
    samples: Samples
    seconds: float
    warm_up: float
    windows: tuple[Window, ...]
    tenants: Mapping[str, str]
    flooding: str | None = None
    suspects: tuple[Suspect, ...] = ()
    other: tuple[Exchange, ...] = ()
    shown: tuple[tuple[Kept, Exchange], ...] = ()
    ended: Ended | None = None
    marks: tuple[Mark, ...] = ()
    notes: tuple[str, ...] = ()
    survival: Any = None
    forgot: Forgot | None = None
    observations: tuple[Any, ...] = ()
    named: tuple[Named, ...] = ()
    others: float | None = None
    waits: tuple[tuple[float, float], ...] = ()
    again: Ran | None = None
    runs: int = 1

    def requests(self, workflow: str, window: Window) -> list[Sample]:
        """The workflow's requests in the window, by those whose objectives have to hold then."""
        return [
            one
            for one in self.samples.requests
            if one.workflow == workflow and window.holds(one.at) and self._counts(one)
        ]

    def _counts(self, one: Sample) -> bool:
        if one.flood or (self.ended is not None and one.actor == self.ended.actor):
            return False
        return self.flooding is None or self.tenants.get(one.actor) != self.flooding

    def done(self, workflow: str, window: Window) -> int:
        """How many runs of the workflow were done in the window."""
        return sum(
            one.workflow == workflow
            and one.error is None
            and not one.flood
            and window.holds(one.at + one.seconds)
            for one in self.samples.arrivals
        )


# --- objectives ------------------------------------------------------------------------------


def outcomes(ran: Ran, window: Window) -> list[Finding]:
    """What became of every promise in the window."""
    found: list[Finding] = []
    for promise in ran.promises:
        some = ran.requests(promise.workflow, window)
        requests = [
            Request(one.step, one.actor, one.seconds, one.error is not None) for one in some
        ]
        # Others than those of the flooding tenant are only a part of what is promised in all.
        done = ran.done(promise.workflow, window) if ran.flooding is None else None
        found += objectives.found(promise, requests, done, window.seconds * ran.runs)
    return found


def pooled(ran: Ran) -> Ran:
    """The samples of both runs of the phase together."""
    if ran.again is None:
        return ran
    one, other = ran.samples, ran.again.samples
    samples = replace(
        one,
        requests=(*one.requests, *other.requests),
        arrivals=(*one.arrivals, *other.arrivals),
        nodes=(*one.nodes, *other.nodes),
    )
    return replace(ran, samples=samples, again=None, runs=2)


def unexplained(ran: Ran) -> Ran:
    """The run without what other processes explain: what was late for want of a processor.

    They explain nothing that came at once, no refusal for a reason of its own, and no time that was
    spent waiting for something else.
    """
    if ran.others is None:
        return ran
    limits = {
        one.workflow: min((limit for limit in (one.p95, one.p99) if limit), default=1.0)
        for one in ran.promises
    }
    kept = tuple(
        one
        for one in ran.samples.requests
        if not _explained(ran, one, limits.get(one.workflow, 1.0))
    )
    promises = ran.promises
    if len(kept) < len(ran.samples.requests):
        # Of what was late for that reason less was done as well.
        promises = tuple(replace(one, throughput=None) for one in promises)
    return replace(ran, samples=replace(ran.samples, requests=kept), promises=promises)


def _explained(ran: Ran, one: Sample, limit: float) -> bool:
    if one.error is None and one.seconds <= limit:
        return False
    if one.error is not None and one.status not in {None, *_BUSY}:
        return False
    if one.seconds < _AT_ONCE * limit:
        return False
    if not ran.waits:
        return True
    waited = _waited(ran, one.at + one.seconds) - _waited(ran, one.at)
    enough = _WANTING * one.seconds
    if one.error is None:
        enough = min(enough, one.seconds - limit)
    return waited >= enough


def _waited(ran: Ran, at: float) -> float:
    """Seconds that the target had waited for a processor by then, from one look to the next."""
    place = bisect_left(ran.waits, (at, -1.0))
    if place == 0:
        return ran.waits[0][1]
    if place == len(ran.waits):
        return ran.waits[-1][1]
    (before, least), (after, most) = ran.waits[place - 1 : place + 1]
    return least + (most - least) * (at - before) / max(1e-9, after - before)


def broken(ran: Ran, *, control: bool = False) -> list[tuple[Window, Finding]]:
    """The promises that were broken where they had to hold (or, of a control, did not hold)."""
    return [
        (window, finding)
        for window in ran.windows
        if (window.control if control else window.judged)
        for finding in outcomes(ran, window)
        if finding.standing is Standing.BROKEN
    ]


def unclear(ran: Ran) -> list[tuple[Window, Finding]]:
    """The promises of which too little was seen.

    A window that is not thorough has to show the first percentile that is promised (or the share
    of errors where none is) of some workflow: of rare ones there is not enough in a short time.
    """
    found = []
    for window in ran.windows:
        if not window.judged:
            continue
        some = [one for one in outcomes(ran, window) if window.thorough or _is_first(ran, one)]
        shown = any(one.standing is Standing.KEPT for one in some)
        if window.thorough or not shown:
            found += [(window, one) for one in some if one.standing is Standing.UNCLEAR]
    return found


def _is_first(ran: Ran, finding: Finding) -> bool:
    promise = next(one for one in ran.promises if one.workflow == finding.workflow)
    first = "p95" if promise.p95 is not None else "p99" if promise.p99 is not None else "errors"
    return finding.objective == first and finding.step is None


def slowest(ran: Ran, finding: Finding, window: Window) -> tuple[str, str, float]:
    """The step and the persona that suffered most from it, and how long its requests took.

    The seconds are the 95th percentile.
    """
    some = [
        one
        for one in ran.requests(finding.workflow, window)
        if finding.step is None or one.step == finding.step
    ]
    groups: dict[tuple[str, str], list[float]] = {}
    for one in some:
        weight = one.seconds if finding.objective != "errors" else float(one.error is not None)
        groups.setdefault((one.step, one.actor), []).append(weight)
    if not groups:
        return finding.step or "", "", 0.0

    def much(values: list[float]) -> float:
        return (
            sum(values) / len(values)
            if finding.objective == "errors"
            else (quantile(values, 0.95) or 0.0)
        )

    (step, actor), _values = max(groups.items(), key=lambda item: much(item[1]))
    took = [one.seconds for one in some if (one.step, one.actor) == (step, actor)]
    return step, actor, quantile(took, 0.95) or 0.0


def knee(ran: Ran) -> tuple[float, str]:
    """The highest rate (workflows begun per second) that the target kept up with, and why.

    0.0 if it did not even keep up with the declared one.
    """
    declared = sum(one.rate for one in ran.promises)
    last = 0.0
    for window in ran.windows:
        if window.control or not window.name.startswith("x"):
            continue
        offered = declared * window.factor
        count = sum(ran.done(one.workflow, window) for one in ran.promises)
        done = count / window.seconds / ran.runs
        most = objectives.most_counted(count) / window.seconds / ran.runs
        worst = [one for one in outcomes(ran, window) if one.standing is Standing.BROKEN]
        worst = [one for one in worst if one.objective != "throughput"]
        if worst:
            why = f"at {offered:.3g} per second: {worst[0].workflow} {worst[0].why}"
            return last, why
        if most < _SOUND * offered:
            return last, f"at {offered:.3g} per second only {done:.3g} were done"
        last = offered
    return last, "no knee up to there"


def drift(ran: Ran) -> list[str]:
    """What got worse from the first third of the judged time to the last, in words."""
    told = []
    for window in (one for one in ran.windows if one.judged):
        third = window.seconds / 3
        first = Window("first", window.since, window.since + third)
        last = Window("last", window.until - third, window.until)
        for promise in ran.promises:
            early, late = (ran.requests(promise.workflow, part) for part in (first, last))
            if min(len(early), len(late)) < objectives.needed(0.05):
                continue
            for share in (0.5, 0.95):
                _, _, most = objectives.percentile((one.seconds for one in early), share)
                value, least, _ = objectives.percentile((one.seconds for one in late), share)
                if most is not None and least > 1.5 * most + 0.02:
                    told.append(
                        f"{promise.workflow}: p{share * 100:.0f} rose from at most {most:.3g} s in "
                        f"the first third to {value:.3g} s in the last"
                    )
            failed = [sum(one.error is not None for one in part) for part in (early, late)]
            if objectives.lower(failed[1], len(late)) > objectives.upper(failed[0], len(early)):
                told.append(
                    f"{promise.workflow}: {failed[0]} of {len(early)} requests failed in the first "
                    f"third, {failed[1]} of {len(late)} in the last"
                )
    return told


# --- isolation -------------------------------------------------------------------------------


def searched(ran: Ran) -> int:
    """How many answers could have held something: those for which there was no room are none."""
    refused = sum(one.status in NO_ROOM for one in ran.samples.requests)
    return max(0, ran.samples.responses - refused)


def leaked(ran: Ran) -> int:
    """How many answers held what their reader may not see, or were about another record."""
    confirmed = {
        (one.kind, one.actor, one.step) for one in ran.suspects if one.leaks and one.kind != "other"
    }
    flagged = sum((one.flag, one.actor, one.step) in confirmed for one in ran.samples.requests)
    found = sum(bool(one.leaks) for one in ran.suspects)
    return max(flagged, found) + len(ran.other)


def of_ended(ran: Ran) -> tuple[list[Sample], list[Sample], list[Sample]]:
    """Requests with the login that was ended: before, served after its grace, and refused then."""
    if ran.ended is None:
        return [], [], []
    mine = [
        one
        for one in ran.samples.requests
        if one.actor == ran.ended.actor and one.step not in ran.ended.open_
    ]
    before = [one for one in mine if one.at + one.seconds < ran.ended.at and _served(one)]
    after = [
        one for one in mine if one.sent is not None and one.sent > ran.ended.at + ran.ended.grace
    ]
    served = [one for one in after if _served(one)]
    refused = [one for one in after if one.status in {401, 403, 404}]
    return before, served, refused


def _served(one: Sample) -> bool:
    return one.status is not None and 200 <= one.status < 300


# --- for the report --------------------------------------------------------------------------


def drawn(ran: Ran) -> dict[str, Any]:
    """What the report draws of the phase."""
    judged = [one for one in ran.windows if one.judged] or list(ran.windows)
    hits, count = leaked(ran), searched(ran)
    observed, most = objectives.per_million(hits, count)
    detail: dict[str, Any] = {
        "kind": "load",
        "phase": ran.phase,
        "seconds": round(ran.seconds, 3),
        "warm_up": ran.warm_up,
        "bucket": _bucket(ran),
        "workflows": [_workflow(ran, one, judged) for one in ran.promises],
        "personas": list(_personas(ran, judged)),
        "series": list(_series(ran)),
        "marks": [{"at": one.at, "until": one.until, "says": one.says} for one in ran.marks],
        "leaks": {
            "responses": count,
            "found": hits,
            "per_million": observed,
            "upper_per_million": most,
        },
        "canary_cost": round(ran.samples.scan_share, 4) if count else None,
        "notes": list(dict.fromkeys((*ran.notes, *ran.samples.notes))),
    }
    if ran.forgot is not None and ran.forgot.says:
        detail["notes"].append(ran.forgot.says)
    if ran.phase == "ramp":
        rate, says = knee(ran)
        detail["knee"] = {"rate": round(rate, 3), "says": says}
    return detail


def _bucket(ran: Ran) -> float:
    return max(BUCKET, round(ran.seconds / _POINTS, 1))


def _workflow(ran: Ran, promise: Promise, windows: Sequence[Window]) -> dict[str, Any]:
    some = [one for window in windows for one in ran.requests(promise.workflow, window)]
    seconds = sum(window.seconds for window in windows)
    done = sum(ran.done(promise.workflow, window) for window in windows)
    findings = [
        finding
        for window in windows
        if window.judged
        for finding in outcomes(ran, window)
        if finding.workflow == promise.workflow
    ]
    worst = [one for one in findings if one.standing is Standing.BROKEN]
    open_ = [one for one in findings if one.standing is Standing.UNCLEAR]
    outcome = "fail" if worst else "inconclusive" if open_ or not findings else "pass"
    judged = {
        "slo": {
            "p95": promise.p95,
            "p99": promise.p99,
            "errors": promise.errors,
            "throughput": promise.throughput,
        },
        "outcome": outcome,
        "why": "; ".join(one.why for one in worst or open_ or findings),
    }
    # Where nothing promised is judged, nothing is drawn as broken.
    return {
        "name": promise.workflow,
        "says": promise.says,
        "rate": promise.rate,
        **_figures(some),
        "throughput": round(done / seconds, 3) if seconds else None,
        **(judged if any(window.judged for window in windows) else {}),
    }


def _figures(some: Sequence[Sample]) -> dict[str, Any]:
    taken = [one.seconds for one in some]
    return {
        "count": len(some),
        "errors": sum(one.error is not None for one in some),
        "p50": _rounded(quantile(taken, 0.5)),
        "p95": _rounded(quantile(taken, 0.95)),
        "p99": _rounded(quantile(taken, 0.99)),
        "max": _rounded(max(taken, default=None)),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _personas(ran: Ran, windows: Sequence[Window]) -> Iterator[dict[str, Any]]:
    groups: dict[str, list[Sample]] = {}
    for one in ran.samples.requests:
        if any(window.holds(one.at) for window in windows):
            groups.setdefault(one.actor, []).append(one)
    for name in sorted(groups):
        figures = _figures(groups[name])
        yield {"persona": name, **{key: figures[key] for key in ("count", "errors", "p95")}}


def _series(ran: Ran) -> Iterator[dict[str, Any]]:
    bucket = _bucket(ran)
    names: Iterable[str | None] = (None, *(one.workflow for one in ran.promises))
    for name in names:
        some = [one for one in ran.samples.requests if name is None or one.workflow == name]
        yield {
            "workflow": name,
            "points": [
                {
                    "at": one.at,
                    "count": one.count,
                    "errors": one.errors,
                    "p50": _rounded(one.p50),
                    "p95": _rounded(one.p95),
                    "p99": _rounded(one.p99),
                    "running": one.running,
                }
                for one in series(some, ran.seconds, bucket)
            ],
        }
