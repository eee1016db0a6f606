"""Scenes: what the people of one case do one after another, under a pinned clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import islice
from types import MappingProxyType
from typing import Any

from conformance import policy
from conformance.clock import LEAD, PinnedClock
from conformance.instances import Instance, NotBuilt
from conformance.instants import DAY, local_date, month_of, written
from conformance.ledgers import SHIFTS
from conformance.login import Credentials
from conformance.model import Answer, Outcome, Read, Relation
from conformance.pins import Pin
from conformance.races import Action
from conformance.schema import Request
from conformance.session import Session
from conformance.target import ANONYMOUS, Operation
from conformance.trials.pages import PAGE_LIMIT, follow
from conformance.world import World, taken

_STALE = timedelta(seconds=0.1)
"""How far a clock may run on before it is pinned again."""


@dataclass
class Ready:
    """An action with whoever does it and all that it is about, before it is sent."""

    action: Action
    template: Request
    persona: str
    operation: tuple[str, str] | None
    lineage: dict[str, Instance]

    @property
    def about(self) -> tuple[str, str]:
        return self.operation or ("ledger", "request")


@dataclass
class Scene:
    """The people and records of one case in one tenant, at one pin."""

    clock: PinnedClock
    world: World
    tenant: str
    pin: Pin
    records: dict[str, Instance] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    actor: str | None = None

    # --- time ---------------------------------------------------------------------------------

    def early(self) -> None:
        """Have it be a little before the pin, for set-up and logins."""
        self.clock.pin(self.pin.instant - LEAD)

    def come(self, instant: datetime | None = None) -> None:
        """Have it be the pin's instant, or another."""
        wanted = instant or self.pin.instant
        if abs(self.clock.now() - wanted) > (timedelta(0) if self.clock.exact else _STALE):
            self.clock.pin(wanted)

    # --- doing --------------------------------------------------------------------------------

    def ready(self, action: Action) -> Ready:
        """Everything that the action needs, made if it is not there. Raises NotBuilt."""
        if action.operation is None:
            return self._request(action)
        return self._operation(action, *action.operation)

    def _operation(self, action: Action, resource: str, name: str) -> Ready:
        world, target = self.world, self.world.target
        template = action.template(target)
        assert isinstance(template, Operation)
        about = target.object_of(resource, name)
        need: dict[str, Relation] = {}
        only = list(action.as_ or template.as_) or None
        persona = world.choose(self.tenant, resource, name, need, only=only)
        if persona is None:
            raise NotBuilt(f"nobody in {self.tenant} may do {resource}.{name}")
        if about is not None and about not in self.records:
            state = target.state(resource, name, about)
            fresh = about in template.fresh or target.resources[resource].kind(name) != "read"
            self.record(world.obtain(about, self.tenant, need, fresh=fresh, state=state))
        elif about is not None:
            for one, relation in need.items():
                world.stand(one, self.records[about], relation)
        lineage = dict(self.records)
        for other in target.needs(resource, template):
            if other not in lineage:
                found = world.obtain(other, self.tenant, {}, fresh=other in template.fresh)
                lineage[other] = found
        return Ready(action, template, persona, (resource, name), lineage)

    def _request(self, action: Action) -> Ready:
        world, target = self.world, self.world.target
        template = action.template(target)
        persona = self.actor or ANONYMOUS
        if ANONYMOUS in action.as_:
            persona = ANONYMOUS
        elif action.as_:
            persona = world.someone(action.as_, self.tenant)
        named = {name.split(".")[0] for name in template.placeholders if "." in name}
        resources = sorted(
            named & set(target.resources), key=lambda one: -len(target.ancestors(one))
        )
        for name in resources:
            need = self._way(persona, name)
            if name not in self.records:
                self.record(world.obtain(name, self.tenant, need, fresh=True))
            for one, relation in need.items():
                world.stand(one, self.records[name], relation)
        return Ready(action, template, persona, None, dict(self.records))

    def _way(self, persona: str, resource: str) -> dict[str, Relation]:
        """How the persona can come to stand to a record, if that can be brought about."""
        if persona == ANONYMOUS:
            return {}
        roles = policy.roles_of(self.world.target, persona)
        for relation in (Relation.ASSIGNED, Relation.OWN):
            current: str | None = resource
            while current is not None:
                way = policy.way(self.world.target, current, relation, roles)
                if way is not None and way.step is not None:
                    return {persona: relation}
                parented = way is not None and way.way == "parent"
                current = self.world.target.resources[current].parent if parented else None
        return {}

    def record(self, instance: Instance) -> None:
        """Make known an instance with all that it belongs to."""
        for name, one in instance.lineage().items():
            self.records.setdefault(name, one)
        self.records[instance.resource] = instance

    def log_in(self, persona: str) -> None:
        """Have the persona logged in, a little before the pin as everybody."""
        session = self.world.sessions[persona]
        if not session.logged_in:
            at = self.clock.now()
            self.clock.pin(at - LEAD)
            session.shown()
            self.clock.pin(at)

    def act(
        self,
        ready: Ready,
        given: Mapping[str, Any] = MappingProxyType({}),
        purpose: str = "attempt",
        session: Session | None = None,
        credentials: Credentials | None = None,
    ) -> Read:
        """Send it; what its answer gives is known from then on."""
        known = {**self.values, **given}
        if ready.operation is not None:
            known.pop("id", None)
        payload = self.world.payload(
            ready.persona,
            ready.about[0],
            self.tenant,
            {**ready.lineage, **self.records},
            planted=None if ready.operation else "ledger",
            **known,
        )

        def send() -> Read:
            return self.world.send(
                ready.persona,
                ready.template,
                payload,
                purpose,
                ready.about,
                session=session,
                credentials=credentials,
            )

        read = send()
        if self.world.waits(read):
            read = send()
        answer = read.exchange.answer
        if read.outcome is not Outcome.ALLOWED or answer is None:
            return read
        self.values |= {
            key: one for key, one in taken(ready.template, read).items() if one is not None
        }
        if ready.operation is not None:
            self._remember(ready, answer, payload)
        return read

    def _remember(self, ready: Ready, answer: Answer, payload: Any) -> None:
        assert ready.operation is not None
        resource, name = ready.operation
        if self.world.target.resources[resource].kind(name) != "create":
            return
        parent_name = self.world.target.resources[resource].parent
        parent = ready.lineage.get(parent_name or "")
        others = {key: one for key, one in ready.lineage.items() if one is not parent}
        made = self.world.remember(
            resource, name, self.tenant, answer, ready.persona, parent, others, payload
        )
        if made is not None:
            self.record(made)

    def subject(self, ready: Ready) -> None:
        """From now on {id} is the record that the action was about."""
        if ready.operation is not None and ready.operation[0] in self.records:
            self.values["id"] = self.records[ready.operation[0]].id

    def do(self, actions: Iterable[Action], purpose: str = "read-back", **given: Any) -> list[Read]:
        """The actions one after another; ends with the first that is not let through.

        The last one is walked page after page where the target file says how.
        """
        reads: list[Read] = []
        for action in actions:
            prepared = self.ready(action)
            self.log_in(prepared.persona)
            reads = self._pages(prepared, purpose, given)
            if reads[-1].outcome is not Outcome.ALLOWED:
                break
        return reads

    def _pages(self, ready: Ready, purpose: str, given: Mapping[str, Any]) -> list[Read]:
        """The answer, or all its pages where the operation has a way to the next one."""
        template = ready.template
        if not isinstance(template, Operation) or template.next is None:
            return [self.act(ready, given, purpose)]
        known = {key: one for key, one in {**self.values, **given}.items() if key != "id"}
        payload = self.world.payload(
            ready.persona, ready.about[0], self.tenant, {**ready.lineage, **self.records}, **known
        )
        found = follow(
            self.world,
            ready.persona,
            ready.about,
            template,
            template.next,
            template.items or "$",
            payload,
            purpose,
        )
        return list(islice(found, PAGE_LIMIT))


def named(day: date, shift: int = 0) -> dict[str, str]:
    """What {day}, {month}, {year} and their neighbors are for a day, moved by so many periods."""
    months = [month_of(day, shift + one) for one in (-1, 0, 1)]
    found = {}
    for index, suffix in enumerate(("_before", "", "_after")):
        found[f"day{suffix}"] = (day + (shift + index - 1) * DAY).isoformat()
        found[f"month{suffix}"] = months[index]
        found[f"year{suffix}"] = f"{day.year + shift + index - 1:04d}"
    return found


def about_day(pin: Pin, about: str) -> date:
    """The local day that something is entered for at the pin."""
    return local_date(pin.instant, pin.zone) + SHIFTS[about] * DAY


def at(pin: Pin) -> Mapping[str, str]:
    """What requests may name of the instant itself."""
    return {"now": written(pin.instant), "instant": written(pin.instant)}
