"""What workflows need is made in the world, each step is tried once, and a plan comes of it."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any
from weakref import WeakKeyDictionary

from conformance import policy
from conformance.canary import Planted
from conformance.extraction import extract
from conformance.instances import Instance, NotBuilt
from conformance.model import Exchange, Outcome, Read
from conformance.schema import Request
from conformance.synthesis import planted_fields
from conformance.target import ANONYMOUS, SAFE_KINDS, Operation, Target
from conformance.template import render, render_path
from conformance.trials.setting import searched
from conformance.trials.staging import Asked, Stage
from conformance.visibility import objection
from conformance.workload import plan
from conformance.workload.workflows import ME, Act, Arranged, Workflow
from conformance.world import World

CORRELATION = "wardproof-trail.id"
"""The placeholder under which a write's correlation id comes with it."""
_PER_ROLE = 2
"""Accounts of a role in a tenant that take part; further ones would only cost logins."""
_PARTS = 1000
"""What the weights of a workflow add up to, as whole numbers, at most."""


@dataclass
class Arrangement:
    """The workflows with what was made for each persona, ready to be planned.

    It took `requests` and `seconds`, once for all phases.
    """

    workflows: dict[str, plan.Workflow] = field(default_factory=dict)
    requests: int = 0
    seconds: float = 0.0

    @property
    def cost(self) -> str:
        """What it took, for a note."""
        return (
            f"what the workflows need was made, and each step tried, by {self.requests} requests "
            f"in {self.seconds:.1f} s, once for all phases"
        )

    @property
    def actors(self) -> tuple[str, ...]:
        """Everybody who takes part, in the order of the target file."""
        return tuple(dict.fromkeys(name for one in self.workflows.values() for name in one.mix))


_ARRANGED: WeakKeyDictionary[World, Arrangement] = WeakKeyDictionary()


def arranged(world: World) -> Arrangement:
    """What the workflows of the target need, made when it is first asked for. Raises NotBuilt."""
    if world not in _ARRANGED:
        with _counted(world) as found:
            _arrange(world, found)
        _ARRANGED[world] = found
    return _ARRANGED[world]


@contextlib.contextmanager
def _counted(world: World) -> Iterator[Arrangement]:
    """An arrangement that knows in the end what was sent meanwhile, and how long it took."""
    found, began = Arrangement(), time.monotonic()

    def count(_exchange: Exchange) -> None:
        found.requests += 1

    world.wire.watchers.append(count)
    try:
        yield found
    finally:
        world.wire.watchers.remove(count)
        found.seconds = time.monotonic() - began


def _arrange(world: World, found: Arrangement) -> None:
    people = {
        name: cast(world.target, workflow) for name, workflow in world.target.workflows.items()
    }
    for tenant in policy.tenants(world.target):
        world.live(f"load: making what is there in {tenant}")
        stage = Stage(world, tenant)
        for step in world.target.load.volume:
            for _ in range(step.times):
                stage.prepare([step])
    for name, workflow in world.target.workflows.items():
        found.workflows[name] = _arranged(world, name, workflow, people[name])


def cast(target: Target, workflow: Workflow) -> dict[str, float]:
    """Who runs the workflow, with the share of each; tenants take turns."""
    found: dict[str, float] = {}
    for name, weight in workflow.as_.items():
        if name in target.personas:
            people = [name]
        else:
            people = [
                persona
                for tenant in policy.tenants(target)
                for persona in _of_role(target, name, tenant)[:_PER_ROLE]
            ]
        for persona in people:
            found[persona] = found.get(persona, 0) + weight / len(people)
    return found


def _of_role(target: Target, role: str, tenant: str) -> list[str]:
    return [
        name
        for name, account in target.personas.items()
        if role in account.role and policy.tenant_of(target, name) == tenant
    ]


def _arranged(
    world: World, name: str, workflow: Workflow, people: Mapping[str, float]
) -> plan.Workflow:
    if not people:
        raise NotBuilt(f"nobody of the target file runs {name}")
    mix = _whole(people)
    scenes: dict[str, tuple[Mapping[str, Any], ...]] = {}
    steps: list[plan.Step] = []
    for persona in people:
        world.live(f"load: making what {name} needs as {persona}")
        scenes[persona], mine = arranged_for(world, name, workflow, persona)
        steps = mine if not steps else [_both(*pair) for pair in zip(steps, mine, strict=True)]
    return plan.Workflow(name, workflow.rate, mix, tuple(steps), scenes)


def _whole(shares: Mapping[str, float]) -> dict[str, int]:
    """The shares as the smallest whole numbers that stand to each other as they do, about."""
    whole = sum(shares.values())
    parts = {
        one: Fraction(share / whole).limit_denominator(_PARTS) for one, share in shares.items()
    }
    common = math.lcm(*(part.denominator for part in parts.values()))
    common = min(common, _PARTS)
    return {one: max(1, round(part * common)) for one, part in parts.items()}


def _both(one: plan.Step, other: plan.Step) -> plan.Step:
    """The step, looked at for ids only if the answers of both personas say them."""
    if one.answers == other.answers:
        return one
    return replace(one, asks=None, answers=None)


def arranged_for(
    world: World, name: str, workflow: Workflow, persona: str
) -> tuple[tuple[Mapping[str, Any], ...], list[plan.Step]]:
    """The scenes of one persona, and the steps as they came out when they were tried once.

    Raises NotBuilt if one of them did not work.
    """
    tenant = policy.tenant_of(world.target, persona) or policy.sole_tenant(world.target)
    stage = Stage(world, tenant, people={ME: persona})
    pools = _prepared(stage, workflow.setup)
    count = max((len(pool) for pool in pools), default=1)
    first: Stage | None = None
    scenes = []
    for turn in range(count):
        mine = stage.apart()
        for pool in pools:
            values, records = pool[turn % len(pool)]
            mine.values |= values
            mine.records |= records
        first = first or mine
        scenes.append(_scene(world, mine, workflow.steps, persona))
    assert first is not None
    return tuple(scenes), _tried(world, name, first, workflow.steps, scenes[0])


_Made = tuple[dict[str, Any], dict[str, Instance]]


def _prepared(stage: Stage, steps: Sequence[Arranged]) -> list[list[_Made]]:
    """What each step gave, each time that it was done: values and records by name.

    A step that is done several times finds what those before it made in turn.
    """
    pools: list[list[_Made]] = []
    for step in steps:
        made: list[_Made] = []
        for turn in range(step.times):
            for values, records in (pool[turn % len(pool)] for pool in pools):
                stage.values |= values
                stage.records |= records
            before = dict(stage.values), dict(stage.records)
            stage.prepare([step])
            made.append((_new(stage.values, before[0]), _new(stage.records, before[1])))
        pools.append(made)
    return pools


def _new(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in now.items() if before.get(key) is not value}


# --- scenes ----------------------------------------------------------------------------------


def _scene(world: World, stage: Stage, steps: Iterable[Act], persona: str) -> dict[str, Any]:
    """What the placeholders of the steps mean here; what steps make or take comes later."""
    found: dict[str, Any] = {}
    later: set[str] = set()
    for place, step in enumerate(steps):
        template = step.template(world.target)
        resource = (step.operation or ("", ""))[0]
        lineage = {
            name: one for name, one in _around(stage, step, template).items() if name not in later
        }
        for name in template.placeholders:
            key = _key(step, name)
            head, _, tail = key.partition(".")
            if key in found or head in later or name in later:
                continue
            value = _meant(world, stage, lineage, persona, head, tail)
            if value is not None:
                found[key] = value
        record = stage.records.get(step.on.get(resource, resource)) or lineage.get(resource)
        if "ids" in template.placeholders and record is not None:
            found[f"{_turn(place)}.ids"] = [record.id]
        if "term" in template.placeholders and isinstance(template, Operation):
            if record is None:
                record = world.obtain(resource, stage.tenant, {})
            found[f"{_turn(place)}.term"] = searched(world, record, template.finds)
        later |= set(template.take)
        if step.operation is not None and _creates(world.target, step):
            later.add(step.called or resource)
    return found


def _turn(place: int) -> str:
    return f"step{place + 1}"


def _around(stage: Stage, step: Act, template: Request) -> dict[str, Instance]:
    own = step.model_copy(
        update={"on": {one: name for one, name in step.on.items() if name in stage.records}}
    )
    return stage.lineage(own, template)


def _key(step: Act, name: str) -> str:
    """The name by which a placeholder of the step is known in a scene."""
    head, dot, tail = name.partition(".")
    resource = (step.operation or ("", ""))[0]
    if name == "id":
        return f"{step.on.get(resource, resource)}.id"
    return f"{step.on.get(head, head)}.{tail}" if dot else name


def _meant(
    world: World,
    stage: Stage,
    lineage: Mapping[str, Instance],
    persona: str,
    head: str,
    tail: str,
) -> Any:
    """The value of a placeholder before anything is sent; None if it is synthetic or comes later.

    Raises NotBuilt if it names what nobody knows.
    """
    try:
        if not tail:
            return stage.values.get(head)
        if head in stage.people:
            return world.sessions[stage.people[head]].fact(tail)
        record = stage.records.get(head) or lineage.get(head)
        if record is not None:
            return record.id if tail == "id" else record.values[tail]
        if head == "persona":
            return world.sessions[persona].fact(tail)
        if head == "tenant":
            return world.tenant_facts(stage.tenant)[tail]
    except KeyError:
        raise NotBuilt(f"{{{head}.{tail}}} has no value for {persona}") from None
    return None


# --- steps -----------------------------------------------------------------------------------


def _tried(
    world: World, name: str, stage: Stage, steps: Sequence[Act], scene: Mapping[str, Any]
) -> list[plan.Step]:
    """The steps as the persona does them once, one after another. Raises NotBuilt."""
    found = []
    for place, step in enumerate(steps):
        stage.values |= {
            part: scene[f"{_turn(place)}.{part}"]
            for part in ("ids", "term")
            if f"{_turn(place)}.{part}" in scene
        }
        asked, read = stage.tried(step.model_copy(update={"as_": [ME]}))
        answer = read.exchange.answer
        if answer is None or not _done(step, read):
            said = answer.body[:200].decode("utf-8", "replace") if answer else ""
            raise NotBuilt(
                f"step {place + 1} of {name} does not work even once: {asked.template.request} as "
                f"{asked.persona} got {read.status}{': ' + said if said else ''}",
                read.exchange,
            )
        stage.keep(asked, answer, step.called)
        found.append(_planned(world.target, place, step, asked, read))
    return found


def _done(step: Act, read: Read) -> bool:
    answer = read.exchange.answer
    if step.done is not None:
        return answer is not None and answer.status in step.done
    return read.outcome is Outcome.ALLOWED


def _planned(target: Target, place: int, step: Act, asked: Asked, read: Read) -> plan.Step:
    template = asked.template
    own = {name: f"{_turn(place)}.{name}" for name in ("ids", "term")}
    about = step.operation or ("", "")
    creates = _creates(target, step)
    where = _says_id(target, step, asked, read)
    kind = target.resources[about[0]].kind(about[1]) if step.operation else None
    return plan.Step(
        name=step.do or template.request,
        method=template.method,
        path=_renamed(template.path, own),
        query=_renamed(dict(template.query), own),
        headers=_renamed(dict(template.headers), own),
        json=_renamed(template.json_, own),
        form=_renamed(template.form, own),
        body=_renamed(template.body, own),
        content_type=template.content_type,
        about=about,
        on=dict(step.on),
        done=tuple(step.done or ()),
        creates=_id_of(template) if creates else None,
        called=step.called,
        take={**template.take, **_correlating(target, creates)},
        think=step.think,
        asks="id" if where else None,
        answers=where,
        writes=creates and kind not in SAFE_KINDS,
        tenancy=template.tenancy,
    )


def _correlating(target: Target, creates: bool) -> dict[str, str]:
    """Where the answer to a write says by what the audit trail knows it."""
    trail = target.audit
    return {CORRELATION: trail.answered} if creates and trail and trail.answered else {}


def _id_of(template: Request) -> str:
    return (template.id if isinstance(template, Operation) else None) or "$.id"


def _creates(target: Target, step: Act) -> bool:
    if step.operation is None:
        return False
    resource, name = step.operation
    return target.resources[resource].kind(name) == "create"


def _says_id(target: Target, step: Act, asked: Asked, read: Read) -> str | None:
    """Where the answer of a read says which record it is about, if it does."""
    answer = read.exchange.answer
    if step.operation is None or answer is None:
        return None
    resource, name = step.operation
    described = target.resources[resource]
    if described.kind(name) != "read" or "id" not in asked.template.placeholders:
        return None
    record = asked.lineage.get(resource)
    making = policy.creating(target, resource)
    where = _id_of(described.operations[making]) if making else "$.id"
    if not where.startswith("$") or record is None:
        return None
    return where if str(extract(where, answer)) == str(record.id) else None


def _renamed(template: Any, names: Mapping[str, str]) -> Any:
    """The template with some of its simple placeholders under other names."""
    if isinstance(template, str):
        for old, new in names.items():
            template = template.replace(f"{{{old}}}", f"{{{new}}}")
        return template
    if isinstance(template, dict):
        return {key: _renamed(value, names) for key, value in template.items()}
    if isinstance(template, list):
        return [_renamed(value, names) for value in template]
    return template


# --- the plan --------------------------------------------------------------------------------


def planned(
    world: World,
    workflows: Sequence[plan.Workflow],
    segments: Sequence[plan.Segment],
    users: int,
    timeout: float,
) -> plan.Plan:
    """All that a run needs: the workflows, and everybody in them as they are logged in now."""
    target = world.target
    fields = tuple(dict.fromkeys(planted_fields(target)))
    people = dict.fromkeys(name for one in workflows for name in one.mix)
    people |= dict.fromkeys(
        name for segment in segments for flood in segment.floods for name in flood.actors
    )
    sights: dict[plan.Sight, int] = {}
    actors = []
    seen: dict[tuple[Any, ...], tuple[tuple[str, ...], tuple[str, ...]]] = {}
    for name in people:
        tenant = _tenant(target, name)
        at, standing = {}, _standing(world, name, tenant)
        for about in _abouts(workflows, segments, name):
            key = (policy.roles_of(target, name), tenant, about)
            if key not in seen:
                seen[key] = _sight(world, name, tenant, about, fields)
            sees, everywhere = seen[key]
            sight = plan.Sight(sees, everywhere, _hidden(world, name, about, standing, set(sees)))
            at[".".join(about)] = sights.setdefault(sight, len(sights))
        actors.append(_actor(world, name, tenant, at))
    return plan.Plan(
        base_url=world.wire.base_url,
        actors=tuple(actors),
        workflows=tuple(workflows),
        segments=tuple(segments),
        users=users,
        seed=world.seed,
        timeout=timeout,
        verify=target.system.verify_tls,
        headers={**target.system.headers, **world.wire.headers},
        tenants={name: described.timezone or "UTC" for name, described in target.tenants.items()},
        fields=fields,
        markers={
            marker: (planted.tenant, planted.resource, planted.field)
            for marker, planted in world.mint.planted.items()
            if not marker.startswith("wq")
        },
        sights=tuple(sights),
    )


def _tenant(target: Target, persona: str) -> str:
    return policy.tenant_of(target, persona) or policy.sole_tenant(target)


def _abouts(
    workflows: Iterable[plan.Workflow], segments: Iterable[plan.Segment], name: str
) -> tuple[tuple[str, str], ...]:
    flooded = {
        flood.workflow for segment in segments for flood in segment.floods if name in flood.actors
    }
    return tuple(
        dict.fromkeys(
            step.about
            for workflow in workflows
            if name in workflow.mix or workflow.name in flooded
            for step in workflow.steps
        )
    )


def _sight(
    world: World,
    persona: str,
    tenant: str,
    about: tuple[str, str],
    fields: Iterable[tuple[str, str]],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields that the persona may see in such answers: of its own tenant, and of any."""
    others = [one for one in policy.tenants(world.target) if one != tenant]

    def free(of: str, resource: str, name: str) -> bool:
        return objection(world, persona, about, Planted(of, resource, name, None)) is None

    sees = [(resource, name) for resource, name in fields if free(tenant, resource, name)]
    everywhere = [
        (resource, name)
        for resource, name in sees
        if others and all(free(other, resource, name) for other in others)
    ]
    return _dotted(sees), _dotted(everywhere)


def _dotted(fields: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(f"{resource}.{name}" for resource, name in fields)


def _actor(world: World, persona: str, tenant: str, sights: Mapping[str, int]) -> plan.Actor:
    shown = world.sessions[persona].shown()
    tenancy, named = world.target.tenancy, world.tenancy(tenant)
    assert named is not None
    headers = {key: str(render(text, named)) for key, text in tenancy.header.items()}
    if tenancy.host:
        headers["Host"] = str(render(tenancy.host, named))
    return plan.Actor(
        name=persona,
        tenant=tenant,
        roles=policy.roles_of(world.target, persona),
        headers=dict(shown.headers),
        cookies=dict(shown.cookies),
        path=render_path(tenancy.path, named).rstrip("/") if tenancy.path else "",
        query={key: render(text, named) for key, text in tenancy.query.items()},
        naming=headers,
        sights=sights,
    )


_Standing = Mapping[tuple[Any, ...], tuple[Planted, list[str]]]


def _standing(world: World, persona: str, tenant: str) -> _Standing:
    """The markers in records of the own tenant, by all that decides whether one may be seen.

    That is the field, and how the persona stands to the record. Each with one of them.
    """
    stands: dict[str, tuple[Any, ...]] = {}
    found: dict[tuple[Any, ...], tuple[Planted, list[str]]] = {}
    for marker, planted in world.mint.planted.items():
        if planted.tenant != tenant or planted.instance is None:
            continue
        if planted.instance not in stands:
            instance = world.instances.get(planted.instance)
            stands[planted.instance] = (
                (planted.instance == f"attempt:{persona}",)
                if instance is None
                else (frozenset(world.relations(persona, instance)), instance.creator == persona)
            )
        key = (planted.resource, planted.field, stands[planted.instance])
        found.setdefault(key, (planted, []))[1].append(marker)
    return found


def _hidden(
    world: World, persona: str, about: tuple[str, str], standing: _Standing, sees: set[str]
) -> tuple[str, ...]:
    """Markers of records of the own tenant that the persona has no relation to."""
    if persona == ANONYMOUS:
        return ()
    return tuple(
        marker
        for planted, markers in standing.values()
        if f"{planted.resource}.{planted.field}" in sees
        and objection(world, persona, about, planted) is not None
        for marker in markers
    )
