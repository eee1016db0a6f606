"""Load: the declared workflows run by Locust, phase by phase, on a copy of the target.

What only one run would show is measured a second time before it counts, as the machine may have
been busy with something else.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from conformance import oracles, policy
from conformance.cases import Profile
from conformance.instances import NotBuilt, NotTried, Unclaimed
from conformance.login import LoginFailed
from conformance.model import Answer, Case, Exchange, Outcome, Read
from conformance.oracles import load as judging
from conformance.replicas import Replica
from conformance.schema import placeholders_in
from conformance.session import Session
from conformance.survival import Acknowledged, Survival
from conformance.target import ANONYMOUS
from conformance.trials import durability, entries, invariants
from conformance.trials.arranging import (
    CORRELATION,
    Arrangement,
    arranged,
    arranged_for,
    planned,
)
from conformance.trials.setting import may_disrupt
from conformance.visibility import sightings
from conformance.wire import Unreachable
from conformance.workload import driving, machine, objectives, plan
from conformance.workload.driving import Act, Driving
from conformance.workload.phases import Ended, Forgot, Mark, Named, Ran, Suspect, Window
from conformance.workload.samples import Kept, Samples
from conformance.workload.workflows import promise
from conformance.world import World

_WARM_UP = {Profile.SMOKE: 0.5, Profile.GATE: 1.0, Profile.FULL: 5.0}
_LONGER = {Profile.SMOKE: 0.5, Profile.GATE: 1.0, Profile.FULL: 10.0}
"""By how much the phases of a profile are longer than those of the gate."""
_MOST_STEADY = {Profile.SMOKE: 30.0, Profile.GATE: 60.0, Profile.FULL: 300.0}
_SOAK = 600.0
_MOST = 20.0
"""Seconds for which another phase waits, at most, until some promise can show."""
_SPARE = 1.15
"""How many more samples are taken than a promise needs to show when nothing is amiss."""
_ANSWERED = 8.0
"""Seconds that an answer under load may take at most, or less if the target file says so."""
_SHOWN = 12
_CROWD = 1.5
"""More users than the pool has connections, by that factor."""
_AFTERWARDS = 1.5
"""Seconds, at least, in which a login that was ended is asked for when its grace is over."""
_FLOOD_PAUSE = 0.01
_NO_ROOM = 0.1
"""Seconds after which somebody of the crowd asks again who was told that there is no room."""
_ANYTHING = tuple(range(100, 600))
"""Every status, where what comes of a request shows elsewhere."""
_READERS = 0.5
"""Of the crowd, so many more only read single records, as often as they can."""
_SERVED = 3
_NAMED = 60
"""Writes of the rush whose entries in the audit trail are looked at."""
_BACK = 12
"""Writes of each persona that are read back after a crash, the last before it."""
_HANDS = 4
"""Connections over which a login that is ended goes on."""


@dataclass
class _Phase:
    """A phase to be run: its stretches of time, what is done meanwhile, and who takes part."""

    name: str
    segments: list[plan.Segment]
    windows: list[Window]
    acts: list[Act] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    flooding: str | None = None
    extra: plan.Workflow | None = None
    ended: Ended | None = None
    sealed: bool = False
    forgot: Forgot | None = None
    readers: dict[str, dict[tuple[str, str], durability.Reader]] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return sum(one.seconds for one in self.segments)

    @property
    def read_books(self) -> bool:
        """Whether the invariants are read when it is over."""
        return self.sealed or self.name == "restart"


@dataclass
class _Place:
    """Where a phase is run: a copy of the target if one can be started, else the target itself."""

    world: World
    replica: Replica | None
    arrangement: Arrangement


def _place(world: World) -> _Place:
    """Raises NotTried where the target may not be disturbed."""
    # Workers on other machines reach the target's own address, and no copy on the loopback here.
    if world.target.system.start is None or driving.asked().workers:
        may_disrupt(world)
        return _Place(world, None, arranged(world))
    world.live("load: starting a copy of the target")
    replica = world.replica(kept_for="load")
    return _Place(replica.world, replica, arranged(replica.world))


# --- phases ----------------------------------------------------------------------------------


def steady(world: World, case: Case) -> Ran:
    """The declared rates for as long as the promises take to show."""
    place = _place(world)
    profile = world.profile
    least = 4 * _LONGER[profile]
    seconds = min(_MOST_STEADY[profile], max(least, _enough(place.world)))
    return _twice(place, case, lambda: _even(place, "steady", seconds))


def soak(world: World, case: Case) -> Ran:
    """The declared rates for long."""
    place = _place(world)
    return _ran(place, case, _even(place, "soak", _SOAK))


def _even(place: _Place, name: str, seconds: float) -> _Phase:
    warm = _WARM_UP[place.world.profile]
    return _Phase(
        name,
        [plan.Segment("warm-up", warm), plan.Segment(name, seconds)],
        [Window(name, warm, warm + seconds, judged=True, thorough=True)],
    )


def _enough(world: World) -> float:
    """Seconds until every promise can show, with some to spare."""
    found = 0.0
    for name, workflow in world.target.workflows.items():
        said = promise(name, workflow)
        shares = [
            share
            for share, limit in ((0.05, said.p95), (0.01, said.p99), (said.errors, True))
            if limit is not None and share
        ]
        count = max((_SPARE * objectives.needed(share) for share in shares), default=0)
        found = max(found, count / (workflow.rate * len(workflow.steps)))
    return math.ceil(found * 2) / 2


def _long(world: World, least: float, share: float = 1.0) -> float:
    """Seconds, at least those, in which some workflow can show its first percentile.

    `share` is that of the personas whose promises count.
    """
    often = max(one.rate * len(one.steps) for one in world.target.workflows.values())
    wanted = _SPARE * objectives.needed(0.05) / (often * share)
    return max(least, math.ceil(2 * min(wanted, _MOST)) / 2)


def ramp(world: World, case: Case) -> Ran:
    """Multiples of the declared rates, one after another, until the target does not keep up."""
    place = _place(world)

    def phase() -> _Phase:
        warm = _WARM_UP[world.profile]
        seconds = 1.25 * _LONGER[world.profile]
        segments, windows, at = [plan.Segment("warm-up", warm)], [], warm
        for place_, factor in enumerate(world.target.load.ramp):
            name = f"x{factor:g}"
            lasts = _long(world, 2 * seconds) if place_ == 0 else seconds
            segments.append(plan.Segment(name, lasts, factor))
            windows.append(Window(name, at, at + lasts, factor, judged=place_ == 0))
            at += lasts
        return _Phase("ramp", segments, windows)

    return _twice(place, case, phase)


def spike(world: World, case: Case) -> Ran:
    """Several times the declared rates for a moment; then all is as before within a while."""
    place = _place(world)
    load = world.target.load

    def phase() -> _Phase:
        longer, warm = _LONGER[world.profile], _WARM_UP[world.profile]
        before, high = 1.5 * longer, 1.25 * longer
        after = _long(world, 2.5 * longer)
        segments = [
            plan.Segment("warm-up", warm),
            plan.Segment("before", before),
            plan.Segment("spike", high, load.spike),
            plan.Segment("recovery", load.recovers),
            plan.Segment("after", after),
        ]
        since = warm + before
        back = since + high + load.recovers
        return _Phase(
            "spike",
            segments,
            [
                Window("before", warm, since, control=True),
                Window("after", back, back + after, judged=True),
            ],
            marks=[Mark(since, since + high, f"{load.spike:g} times the rates")],
        )

    return _twice(place, case, phase)


def neighbour(world: World, case: Case) -> Ran:
    """One tenant floods, and what is promised to the others has to hold."""
    place = _place(world)
    flood = world.target.load.flood
    tenant = flood.tenant or policy.tenants(world.target)[0]

    def phase() -> _Phase:
        longer, warm = _LONGER[world.profile], _WARM_UP[world.profile]
        others = 1 - 1 / len(policy.tenants(world.target))
        quiet, loud = 2 * longer, 0.5 + _long(world, 3 * longer, others)
        name = flood.workflow or next(iter(place.arrangement.workflows))
        people = _of_tenant(place.world, place.arrangement.workflows[name], tenant)
        flooding = plan.Flood(name, people, flood.users, _FLOOD_PAUSE)
        since = warm + quiet
        return _Phase(
            "neighbour",
            [
                plan.Segment("warm-up", warm),
                plan.Segment("quiet", quiet),
                plan.Segment("flood", loud, floods=(flooding,)),
            ],
            [
                Window("quiet", warm, since, control=True),
                Window("flood", since + min(0.5, loud / 8), since + loud, judged=True),
            ],
            marks=[Mark(since, since + loud, f"{flood.users} users of {tenant} flood")],
            flooding=tenant,
        )

    return _twice(place, case, phase)


def _of_tenant(world: World, workflow: plan.Workflow, tenant: str) -> tuple[str, ...]:
    found = tuple(
        name for name in workflow.mix if policy.tenant_of(world.target, name) in {tenant, None}
    )
    if not found:
        raise NotBuilt(f"nobody of {tenant} runs {workflow.name}, so nobody there can flood")
    return found


# --- isolation -------------------------------------------------------------------------------


def isolation(world: World, case: Case) -> Ran:
    """More users than the pool has connections, of all tenants, while logins and caches change."""
    place = _place(world)
    longer, warm = _LONGER[world.profile], _WARM_UP[world.profile]
    # What is ended in the middle has to be asked for long enough afterwards.
    seconds = max(6 * longer, 2 * (world.target.load.grace + _AFTERWARDS))
    workflows = list(place.arrangement.workflows.values())
    crowd = math.ceil(_CROWD * world.target.load.pool / len(workflows))
    floods = tuple(plan.Flood(one.name, tuple(one.mix), crowd, 0.0, _NO_ROOM) for one in workflows)
    since = warm
    phase = _Phase(
        "isolation",
        [
            plan.Segment("warm-up", warm),
            plan.Segment("crowd", seconds, floods=floods),
        ],
        [Window("crowd", since, since + seconds)],
        marks=[Mark(since, since + seconds, f"{crowd * len(workflows)} users at once")],
        sealed=True,
    )
    _emptied(place, phase, since + 0.2 * seconds)
    _revoked(place, phase, since + 0.35 * seconds)
    # Logins take longest in a crowd, so they hold up nothing else.
    _refreshed(place, phase, since + 0.55 * seconds)
    return _ran(place, case, phase)


def _refreshed(place: _Place, phase: _Phase, at: float) -> None:
    """Some of the personas get new credentials, as far as their login knows how to."""
    people = [
        name
        for name in place.arrangement.actors
        if place.world.sessions[name].login.refresh is not None
    ][:6]
    if not people:
        phase.notes.append("no login declares a refresh, so none was refreshed")
        return

    def act(run: Driving) -> None:
        for name in people:
            with contextlib.suppress(LoginFailed, Unreachable):
                place.world.sessions[name].renew()
                _renew(run, place.world, name)

    phase.acts.append(Act(at, act))
    phase.marks.append(Mark(at, None, f"tokens of {len(people)} personas refreshed"))


def _renew(run: Driving, world: World, name: str) -> None:
    actor = next(one for one in run.plan.actors if one.name == name)
    shown = world.sessions[name].shown()
    run.renew(name, {**actor.headers, **shown.headers}, shown.cookies)


def _emptied(place: _Place, phase: _Phase, at: float) -> None:
    """The target's caches are emptied."""
    evict = place.world.target.load.evict
    if evict is None:
        phase.notes.append("no way to empty caches is declared (load.evict), so none were")
        return
    world = place.world

    def act(_run: Driving) -> None:
        for tenant in policy.tenants(world.target):
            persona = world.someone(evict.as_, tenant)
            payload = world.payload(persona, "load", tenant, {})
            read = _patiently(
                world,
                partial(world.send, persona, evict, payload, "set-up", ("load", "evict")),
            )
            if read.outcome is not Outcome.ALLOWED:
                raise NotBuilt(
                    f"the caches were not emptied: {evict.request} as {persona} got {read.status}",
                    read.exchange,
                )

    phase.acts.append(Act(at, act))
    phase.marks.append(Mark(at, None, "caches emptied"))


def _revoked(place: _Place, phase: _Phase, at: float) -> None:
    """A login that takes part is ended in the middle: the account is disabled, or logs out."""
    world = place.world
    name, workflow = next(iter(world.target.workflows.items()))
    found = _fresh_account(world, list(workflow.as_)) or _further_session(world, place.arrangement)
    if found is None:
        phase.notes.append(
            "no login was ended: neither accounts.create with accounts.disable nor a logout of "
            "the personas is declared"
        )
        return
    persona, end, how = found
    scenes, _steps = arranged_for(world, name, workflow, persona)
    planned_one = place.arrangement.workflows[name]
    share = max(1, sum(planned_one.mix.values()) // 10)
    phase.extra = replace(
        planned_one,
        mix={**planned_one.mix, persona: share},
        scenes={**planned_one.scenes, persona: scenes},
    )
    # Somebody has to be under way with it all the time, or nothing would show.
    busy = plan.Flood(name, (persona,), _HANDS, 0.05)
    last = phase.segments[-1]
    phase.segments[-1] = replace(last, floods=(*last.floods, busy))

    def act(run: Driving) -> None:
        end()
        at = run.elapsed
        run.watch(persona)
        phase.marks.append(Mark(round(at, 2), None, f"{persona} {how}"))
        phase.ended = Ended(persona, how, at, world.target.load.grace, _open(world, planned_one))

    phase.acts.append(Act(at, act))
    phase.ended = Ended(persona, how, math.inf, world.target.load.grace)


def _open(world: World, workflow: plan.Workflow) -> frozenset[str]:
    """The steps that are open to everybody, whatever becomes of a login."""
    return frozenset(
        step.name
        for step in workflow.steps
        if step.about[0] and policy.grants(world.target, (ANONYMOUS,), *step.about)
    )


def _patiently(world: World, send: Callable[[], Read]) -> Read:
    """What comes of it in the middle of the rush: who is told to wait does so and asks again."""
    read = send()
    for _ in range(_TRIES):
        if not world.waits(read):
            break
        read = send()
    return read


_TRIES = 4
_Ending = tuple[str, Callable[[], None], str]


def _fresh_account(world: World, names: Sequence[str]) -> _Ending | None:
    """An account made for the run that is disabled."""
    accounts = world.target.accounts
    if accounts.create is None or accounts.disable is None:
        return None
    roles = [
        role
        for name in names
        for role in (world.target.personas[name].role if name in world.target.personas else [name])
        if not accounts.create.roles or role in accounts.create.roles
    ]
    if not roles:
        return None
    persona = world.enlist(roles[:1], policy.tenants(world.target)[-1])
    disable = accounts.disable

    def end() -> None:
        read = _patiently(world, lambda: world.ask_about(disable, persona))
        if read.outcome is not Outcome.ALLOWED:
            raise NotBuilt(f"{persona} could not be disabled: {read.status}", read.exchange)

    return persona, end, "is disabled"


def _further_session(world: World, arrangement: Arrangement) -> _Ending | None:
    """A further login of a persona, under a name of its own, that logs out."""
    for name in arrangement.actors:
        session = world.sessions[name]
        if session.login.logout is None:
            continue
        again = world.log_in_again(name)
        persona = f"{name}.again"
        world.target.enlist(persona, world.target.account(name))
        world.sessions[persona] = again
        return persona, partial(_log_out, world, name, again), "logs out"
    return None


def _log_out(world: World, name: str, session: Session) -> None:
    logout = session.login.logout
    assert logout is not None
    payload = world.payload(name, "account", _tenant(world, name), {})
    exchange = session.send(logout, payload.lookup, "set-up")
    if exchange.answer is None or exchange.answer.status >= 400:
        raise NotBuilt(f"{name} could not log out", exchange)


def _tenant(world: World, persona: str) -> str:
    return policy.tenant_of(world.target, persona) or policy.sole_tenant(world.target)


# --- restart ---------------------------------------------------------------------------------


def restart(world: World, case: Case) -> Ran:
    """Killed in the middle of it all and started again: the promises hold again within a while."""
    start = world.target.system.start
    if start is None:
        raise Unclaimed(
            "this needs a copy of the target of its own, and the target file does not say how to "
            'start one (system.start: {command: ["./server", "--port", "{port}"]})'
        )
    if start.throwaway and "{data}" not in " ".join(start.command):
        raise Unclaimed(
            "a copy that is started again has lost its data: let system.start.command keep them "
            "in the folder {data}"
        )
    place = _place(world)
    replica = place.replica
    if replica is None:
        raise NotTried("only a copy that the harness started here is killed")

    def phase() -> _Phase:
        longer, warm = _LONGER[world.profile], _WARM_UP[world.profile]
        before, after = 1.5 * longer, _long(world, 2.5 * longer)
        killed = warm + before
        down = _down(place)
        back = killed + down + world.target.load.recovers
        found = _Phase(
            "restart",
            [
                plan.Segment("warm-up", warm),
                plan.Segment("before", before),
                plan.Segment("restart", down + world.target.load.recovers),
                plan.Segment("after", after),
            ],
            [
                Window("before", warm, killed, control=True),
                Window("after", back, back + after, judged=True),
            ],
        )

        def act(run: Driving) -> None:
            at = run.elapsed
            durability.back(replica)
            until = run.elapsed
            _DOWN[place.world.wire.base_url] = until - at
            found.marks.append(Mark(round(at, 2), round(until, 2), "killed and started again"))
            found.forgot = _log_in_anew(run, place)

        found.acts.append(Act(killed, act))
        found.readers = _readers(place)
        return found

    return _twice(place, case, phase)


def _readers(place: _Place) -> dict[str, dict[tuple[str, str], durability.Reader]]:
    """By whom what each persona writes can be read back, shown while all is well."""
    found: dict[str, dict[tuple[str, str], durability.Reader]] = {}
    for workflow in place.arrangement.workflows.values():
        written = [step.about for step in workflow.steps if step.writes]
        for persona in workflow.mix:
            for about in written:
                made = [
                    one
                    for one in place.world.instances.values()
                    if one.resource == about[0] and one.creator == persona and one.made
                ]
                with contextlib.suppress(NotBuilt):
                    if made:
                        reader = durability.reader_for(place.world, made[-1])
                        found.setdefault(persona, {})[about] = reader
    return found


_DOWN: dict[str, float] = {}
"""How long a restart took, in seconds, by the address of the target."""
_EXPECTED_DOWN = 4.0


def _down(place: _Place) -> float:
    return math.ceil(_DOWN.get(place.world.wire.base_url, _EXPECTED_DOWN) * 2) / 2 + 0.5


def _log_in_anew(run: Driving, place: _Place) -> Forgot:
    """New credentials for everybody whose session the target has forgotten.

    Where no login can be asked whether it still holds, everybody gets new ones.
    """
    world = place.world
    renewed: list[str] = []
    shown = False
    for name in place.arrangement.actors:
        session = world.sessions[name]
        me = session.login.me
        if me is not None:
            kept = Session(world.wire, name, fixed=session.identity)
            payload = world.payload(name, "account", _tenant(world, name), {})
            exchange = kept.send(me, payload.lookup, "set-up", world.tenancy(_tenant(world, name)))
            if exchange.answer is not None and exchange.answer.status != 401:
                # Whether sessions outlive a restart does not depend on whose they are.
                return Forgot((), shown=True)
            shown = shown or exchange.answer is not None
        with contextlib.suppress(LoginFailed, Unreachable):
            before = session.shown()
            session.renew()
            # Credentials that are no session, like a key, stay what they are.
            if session.shown() != before:
                _renew(run, world, name)
                renewed.append(name)
    return Forgot(tuple(renewed), shown=shown)


# --- running a phase -------------------------------------------------------------------------


def _twice(place: _Place, case: Case, phase: Callable[[], _Phase]) -> Ran:
    """The phase, and once more where it did not show that every promise is kept.

    Before that the target has the time that it is given to recover.
    """
    first = _ran(place, case, phase())
    if not judging.open_to_doubt(first):
        return first
    time.sleep(place.world.target.load.recovers)
    return replace(first, again=_ran(place, case, phase()))


def _ran(place: _Place, case: Case, phase: _Phase) -> Ran:
    world = place.world
    workflows = dict(place.arrangement.workflows)
    if phase.extra is not None:
        workflows[phase.extra.name] = phase.extra
    if phase.sealed:
        workflows = {name: _hurried(one) for name, one in workflows.items()}
        probes = list(_probes(world, list(workflows.values())))
        reads = list(_reads(workflows.values()))
        mistakes = list(_mistakes(workflows.values()))
        workflows |= {one.name: one for one in (*probes, *reads, *mistakes)}
        last = phase.segments[-1]
        users = math.ceil(_READERS * max(one.users for one in last.floods))
        more = [plan.Flood(one.name, tuple(one.mix), 2, 0.02, _NO_ROOM) for one in probes]
        more += [plan.Flood(one.name, tuple(one.mix), users, 0.0, _NO_ROOM) for one in reads]
        more += [plan.Flood(one.name, tuple(one.mix), 1, 0.05, _NO_ROOM) for one in mistakes]
        phase.segments[-1] = replace(last, floods=(*last.floods, *more))
    made = _plan(world, phase, list(workflows.values()))
    before = machine.use(_process(place))
    with tempfile.TemporaryDirectory(prefix="wardproof-") as folder:
        try:
            with machine.waits(lambda: _process(place)) as waits:
                samples = driving.run(
                    made,
                    Path(folder),
                    acts=phase.acts,
                    live=lambda line: world.live(f"load, {phase.name}: {line}"),
                )
        except driving.NotDriven as problem:
            raise NotBuilt(f"harness error: {problem}") from None
    others = machine.taken_by_others(before, machine.use(_process(place)))
    waited = tuple((at - samples.started, seconds) for at, seconds in waits.seen)
    return replace(_told(place, case, phase, made, samples), others=others, waits=waited)


def _process(place: _Place) -> int | None:
    return place.replica.server.pid if place.replica is not None else None


def _plan(world: World, phase: _Phase, workflows: Sequence[plan.Workflow]) -> plan.Plan:
    factor = max(one.factor for one in phase.segments)
    users = math.ceil(world.target.load.users * max(1.0, factor))
    timeout = min(world.target.system.timeout, _ANSWERED)
    return planned(world, workflows, phase.segments, users, timeout)


def _probes(world: World, workflows: Sequence[plan.Workflow]) -> Iterator[plan.Workflow]:
    """The reads of each workflow, asked for with the ids of other people's records.

    What comes of them shows in the markers of the answers; refusals are what is expected.
    """
    for workflow in workflows:
        steps = tuple(
            replace(step, done=_ANYTHING, think=(0.0, 0.0), asks=None, answers=None, take={})
            for step in workflow.steps
            if step.method == "GET" and "{" in step.path and _in_scenes(workflow, step)
        )
        if not steps:
            continue
        scenes = {}
        for actor in workflow.mix:
            others = [one for one in workflow.mix if one != actor]
            # Other tenants first: their records are nobody else's business in any case.
            others.sort(key=lambda one: _tenant(world, one) == _tenant(world, actor))
            found = [scene for one in others for scene in workflow.scenes[one][:2]]
            if found:
                scenes[actor] = tuple(found)
        if scenes:
            mix = dict.fromkeys(scenes, 1)
            yield plan.Workflow(f"{workflow.name}: not theirs", 0.0, mix, steps, scenes)


def _mistakes(workflows: Iterable[plan.Workflow]) -> Iterator[plan.Workflow]:
    """The writes of each workflow with a body that is none of theirs: requests that fail.

    What a request leaves behind when it fails (a tenant, a transaction) would meet the next one.
    """
    for workflow in workflows:
        steps = tuple(
            replace(
                step,
                json=None if step.json is None else [],
                form=None if step.form is None else {},
                done=_ANYTHING,
                think=(0.0, 0.0),
                creates=None,
                take={},
                asks=None,
                answers=None,
                writes=False,
            )
            for step in workflow.steps
            if (step.json is not None or step.form is not None)
            and ("{" not in step.path or workflow.scenes)
            and _in_scenes(workflow, step)
        )
        if steps:
            yield replace(workflow, name=f"{workflow.name}: mistaken", rate=0.0, steps=steps)


def _hurried(workflow: plan.Workflow) -> plan.Workflow:
    """The workflow by people who think no longer than they have to."""
    steps = (replace(step, think=(step.think[0], step.think[0])) for step in workflow.steps)
    return replace(workflow, steps=tuple(steps))


def _reads(workflows: Iterable[plan.Workflow]) -> Iterator[plan.Workflow]:
    """The reads of single records alone: what costs least shows the most answers in a given time.

    Those whose answers say which record they are about come first, as they show more.
    """
    for workflow in workflows:
        known = [
            replace(step, think=(0.0, 0.0), take={})
            for step in workflow.steps
            if step.method == "GET" and "{" in step.path and _in_scenes(workflow, step)
        ]
        steps = tuple([step for step in known if step.answers] or known)
        if steps and workflow.scenes:
            yield replace(workflow, name=f"{workflow.name}: reads", rate=0.0, steps=steps)


def _in_scenes(workflow: plan.Workflow, step: plan.Step) -> bool:
    """Whether all ids in the path of the step are known before anything is sent."""
    resource = step.about[0]
    names = set()
    for name in placeholders_in(step.path):
        head, dot, tail = name.partition(".")
        own = f"{step.on.get(resource, resource)}.id"
        names.add(own if name == "id" else f"{step.on.get(head, head)}.{tail}" if dot else name)
    return all(names <= set(scene) for scenes in workflow.scenes.values() for scene in scenes)


def _told(place: _Place, case: Case, phase: _Phase, made: plan.Plan, samples: Samples) -> Ran:
    world = place.world
    promises = tuple(promise(name, workflow) for name, workflow in world.target.workflows.items())
    failed, slow = samples.of("failed"), samples.of("slow")
    shown = [(one, _noted(world, one)) for one in (*failed[:_SHOWN], *slow[:_SHOWN])]
    suspects = tuple(_suspect(world, one) for one in samples.of("suspect"))
    other = tuple(_noted(world, one) for one in samples.of("other"))
    ended = phase.ended
    if ended is not None:
        late = samples.started + ended.at + ended.grace
        kept = [one for one in samples.of("served") if one.at > late]
        ended = replace(ended, served=tuple(_noted(world, one) for one in kept[:_SERVED]))
    recovers = world.target.load.recovers
    windows = tuple(_after_restart(one, phase, made, recovers) for one in phase.windows)
    notes = [*phase.notes, place.arrangement.cost]
    survival = None
    if phase.name == "restart":
        survival = _survival(world, phase, samples, notes)
    return Ran(
        case=case,
        phase=phase.name,
        promises=promises,
        samples=samples,
        seconds=made.seconds,
        warm_up=phase.segments[0].seconds,
        windows=windows,
        tenants={actor.name: actor.tenant for actor in made.actors},
        flooding=phase.flooding,
        suspects=suspects,
        other=other,
        shown=tuple(shown),
        ended=ended,
        marks=tuple(phase.marks),
        notes=tuple(notes),
        survival=survival,
        forgot=phase.forgot,
        observations=tuple(invariants.observed(world)) if phase.read_books else (),
        named=tuple(_named(world, samples)) if phase.sealed else (),
    )


def _named(world: World, samples: Samples) -> Iterator[Named]:
    """Whom the audit trail names for writes that were done in the rush, as far as it has them."""
    trail = world.target.audit
    written = [one for one in samples.writes if one.ids.get(CORRELATION)]
    if trail is None or not trail.entry.actor or "allowed" not in trail.events:
        return
    step = max(1, len(written) // _NAMED)
    for one in written[::step][:_NAMED]:
        try:
            reader = entries.reader_of(world, trail.read, one.tenant)
            found, reads = entries.find(
                world, trail.read, reader, str(one.ids[CORRELATION]), one.at
            )
            mine = entries.rendered(world, trail.actor, one.actor)
        except (NotBuilt, Unclaimed):
            continue
        actors = tuple(dict.fromkeys(name for entry in found for name in entry.of("actor")))
        if actors:
            what = f"{one.resource}.{one.operation}"
            yield Named(one.actor, mine, what, actors, reads[-1].exchange)


def _survival(world: World, phase: _Phase, samples: Samples, notes: list[str]) -> Survival | None:
    """What is left of the writes that were acknowledged before the target was killed."""
    killed = next((samples.started + one.at for one in phase.marks if one.until is not None), None)
    writes = [
        Acknowledged(
            operation=(one.resource, one.operation),
            persona=one.actor,
            tenant=one.tenant,
            id=one.id,
            at=one.at,
            markers=frozenset(one.markers),
            parents={
                name.removesuffix(".id"): value
                for name, value in one.ids.items()
                if name.endswith(".id") and name != CORRELATION
            },
            correlation=one.ids.get(CORRELATION),
            said=one.said,
        )
        for one in samples.writes
        if one.id is not None and killed is not None and one.at < killed
    ]
    if killed is None or not writes:
        notes.append("no write had been acknowledged when the target was killed")
        return None
    # Everybody reads their own back: nobody else need be able to.
    found = [
        durability.read_back(
            world,
            [one for one in writes if one.persona == name][-_BACK:],
            killed,
            phase.readers.get(name),
        )
        for name in dict.fromkeys(one.persona for one in writes)
    ]
    kept = tuple(one for survival in found for one in survival.kept)
    return Survival(killed, len(writes), kept)


def _after_restart(window: Window, phase: _Phase, made: plan.Plan, recovers: float) -> Window:
    """The window as it came to lie, where how long a restart takes decides that."""
    until = [one.until for one in phase.marks if phase.name == "restart" and one.until]
    if window.name != "after" or not until:
        return window
    return replace(window, since=min(until[-1] + recovers, made.seconds), until=made.seconds)


def _suspect(world: World, kept: Kept) -> Suspect:
    exchange = _noted(world, kept)
    seen = [one for one in sightings(world, exchange) if one.marker not in kept.carried]
    leaks = tuple(oracles.leaks(exchange, seen))
    return Suspect(kept.kind, kept.actor, kept.step, exchange, leaks)


def _noted(world: World, kept: Kept) -> Exchange:
    """What Locust sent, as an exchange of the run."""
    result: Answer | str = kept.answer if kept.answer is not None else kept.error or "no answer"
    exchange = world.wire.noted(kept.request, kept.actor, "load", result, kept.at, kept.seconds)
    world.asked[exchange.id] = kept.about
    return exchange
