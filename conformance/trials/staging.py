"""The set-up of one round of a race: what is made for it, by whom, and under which names."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pyotp

from conformance import policy
from conformance.extraction import extract
from conformance.instances import Instance, NotBuilt, Payload
from conformance.model import Answer, Exchange, Message, Outcome, Read, Relation
from conformance.races import Action, Preparing
from conformance.schema import Request, changed
from conformance.target import ANONYMOUS, Operation
from conformance.template import Lookup, Unfilled, render, render_jsonpath
from conformance.world import World

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LAST_SECONDS = 4.0
"""A one-time code with less than that to live is not begun with."""


@dataclass(frozen=True)
class Asked:
    """A request ready to be sent: by whom, about which operation, with which values."""

    persona: str
    message: Message
    about: tuple[str, str]
    payload: Payload
    template: Request
    lineage: Mapping[str, Instance]
    key: str | None
    """Of the instance that it makes, if it makes one."""


@dataclass
class Stage:
    """What has a name in one round: records, accounts and values; each contender adds its own."""

    world: World
    tenant: str
    values: dict[str, Any] = field(default_factory=dict)
    records: dict[str, Instance] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)

    def apart(self, **values: Any) -> Stage:
        """The same for somebody who adds to it for themselves."""
        mine = {**self.values, **values}
        return replace(self, values=mine, records=dict(self.records), people=dict(self.people))

    # --- who ----------------------------------------------------------------------------------

    def who(self, action: Action, turn: int = 0) -> str:
        """Who sends it; of several, the one whose turn it is. Raises NotBuilt."""
        if action.as_:
            able = [person for name in action.as_ for person in self.people_of(name)]
            return able[turn % len(able)]
        if action.operation is None:
            raise NotBuilt(f"{action.request}: say who sends it ('as')")
        resource, name = action.operation
        only = self.world.target.operation(resource, name).as_ or None
        persona = self.world.choose(self.tenant, resource, name, {}, only=only)
        if persona is None:
            raise NotBuilt(f"nobody in {self.tenant} may do {action.do} without more: say 'as'")
        return persona

    def people_of(self, name: str) -> list[str]:
        """The account that is called so here, the persona, or all of the tenant with that role.

        Raises NotBuilt if there is nobody.
        """
        target = self.world.target
        if name in self.people:
            return [self.people[name]]
        if name == ANONYMOUS or name in target.personas:
            return [name]
        found = [
            persona
            for persona, account in target.personas.items()
            if name in account.role and policy.tenant_of(target, persona) == self.tenant
        ]
        if not found:
            raise NotBuilt(f"nobody in {self.tenant} is {name}")
        return found

    # --- what is sent ---------------------------------------------------------------------------

    def asked(self, action: Action, turn: int = 0, *, without: str | None = None) -> Asked:
        """The action ready to be sent; `without` is a value whose place is left out of it."""
        persona = self.who(action, turn)
        template = action.template(self.world.target)
        if without is not None:
            template = lacking(template, without)
        about = action.operation or ("race", action.request or "")
        lineage = self.lineage(action, template)
        key = None
        if self._creates(action):
            key = f"{about[0]}#{len(self.world.instances) + 1}.{len(self.world.mint.planted)}"
        subject = self.people_of(action.about)[0] if action.about else None
        payload = self.world.payload(
            persona, about[0], self.tenant, lineage, instance=key, subject=subject
        )
        payload.lookup = self._names(payload.lookup)
        self._takes_part(persona)
        session = self.world.sessions[persona]
        try:
            message = session.message(
                template, payload.lookup, self.world.tenancy(self._named(persona))
            )
        except (Unfilled, ValueError) as problem:
            raise NotBuilt(f"{template.request}: {problem}") from None
        return Asked(persona, message, about, payload, template, lineage, key)

    def _named(self, persona: str) -> str:
        account = None if persona == ANONYMOUS else self.world.target.account(persona)
        return (account.tenant if account else None) or self.tenant

    def _takes_part(self, persona: str) -> None:
        """Whom the race has act on its records may see them: steps can have brought that about."""
        for record in self.records.values():
            for relation in (Relation.OWN, Relation.ASSIGNED):
                record.related.setdefault(relation, set()).add(persona)

    def _creates(self, action: Action) -> bool:
        target = self.world.target
        if action.operation is None:
            return False
        resource, name = action.operation
        return target.resources[resource].kind(name) == "create"

    def lineage(self, action: Action, template: Request) -> dict[str, Instance]:
        """The record of each resource that the request may name: those of the set-up first."""
        found: dict[str, Instance] = {}
        for one in reversed(self.records.values()):
            found.setdefault(one.resource, one)
        found |= {name: one for name, one in self.records.items() if name == one.resource}
        found |= {resource: self.records[name] for resource, name in action.on.items()}
        for one in list(found.values()):
            for name, other in one.lineage().items():
                found.setdefault(name, other)
        if action.operation is not None:
            needs = self.world.target.needs(action.operation[0], template)
            fresh = template.fresh if isinstance(template, Operation) else []
            for name in needs:
                if name not in found and name not in self.records:
                    found[name] = self.world.obtain(name, self.tenant, {}, fresh=name in fresh)
        return found

    def _names(self, otherwise: Lookup) -> Lookup:
        """Placeholders: values, records and accounts of the round before everything else."""

        def lookup(name: str, argument: str | None, of: str) -> Any:
            if name in self.values:
                value = self.values[name]
                return later(value, argument) if argument else value
            head, _, tail = name.partition(".")
            if tail and head in self.people:
                return self._fact(self.people[head], tail)
            if tail and head in self.records:
                record = self.records[head]
                return record.id if tail == "id" else record.values[tail]
            return otherwise(name, argument, of)

        return lookup

    def _fact(self, persona: str, name: str) -> Any:
        session = self.world.sessions[persona]
        if name == "code":
            secret = str(self.world.target.account(persona).facts["totp"])
            return fresh_code(secret)
        return session.fact(name)

    def filled(self, template: Any) -> Any:
        """Any value with the placeholders of this round. Raises NotBuilt."""
        return self._rendered(render, template)

    def found_at(self, path: str) -> str:
        """A JSONPath with the placeholders of this round. Raises NotBuilt."""
        return str(self._rendered(render_jsonpath, path))

    def _rendered(self, how: Callable[[Any, Lookup], Any], template: Any) -> Any:
        payload = self.world.payload(ANONYMOUS, "race", self.tenant, {})
        try:
            return how(template, self._names(payload.lookup))
        except Unfilled as problem:
            raise NotBuilt(str(problem)) from None

    def send(self, asked: Asked, purpose: str) -> Read:
        """Send it now, as it is."""
        exchange = self.world.wire.send(asked.message, asked.persona, purpose)
        return self.read(asked, exchange)

    def read(self, asked: Asked, exchange: Exchange) -> Read:
        """The exchange with its outcome, as the answer to that operation."""
        self.world.asked[exchange.id] = asked.about
        return self.world.read(exchange)

    # --- what comes of it -------------------------------------------------------------------------

    def takes(self, asked: Asked, answer: Answer) -> dict[str, Any]:
        """What the answer gives: what is taken from it, and the id of what was made."""
        found = {name: extract(place, answer) for name, place in asked.template.take.items()}
        if asked.key is not None and isinstance(asked.template, Operation):
            found.setdefault("id", extract(asked.template.id or "$.id", answer))
        return {name: value for name, value in found.items() if value is not None}

    def made(self, asked: Asked, answer: Answer) -> Instance | None:
        """What the request made, known to the world from here on; None if it made nothing."""
        if asked.key is None:
            return None
        resource, name = asked.about
        parent_name = self.world.target.resources[resource].parent
        named = {one.partition(".")[0] for one in asked.template.placeholders if "." in one}
        parent = asked.lineage.get(parent_name) if parent_name in named and parent_name else None
        others = {
            one: instance
            for one, instance in asked.lineage.items()
            if one in named and one not in (parent_name, resource)
        }
        return self.world.remember(
            resource,
            name,
            self.tenant,
            answer,
            asked.persona,
            parent,
            others,
            asked.payload,
            asked.key,
        )

    # --- set-up -----------------------------------------------------------------------------------

    def prepare(self, steps: Iterable[Preparing]) -> None:
        """Do the steps, one after another. Raises NotBuilt."""
        for step in steps:
            self._prepare(step)

    def _prepare(self, step: Preparing) -> None:
        if step.make is not None:
            self.records[step.called or step.make] = self._made(step.make, step)
        elif step.enlist:
            assert step.called is not None
            self.people[step.called] = self.world.enlist(step.enlist, self.tenant)
        elif step.let:
            for name, value in step.let.items():
                self.values[name] = self.filled(value)
        else:
            self._done(step)

    def _made(self, resource: str, step: Preparing) -> Instance:
        need = {one: Relation.OWN for name in step.own for one in self.people_of(name)}
        need |= {one: Relation.ASSIGNED for name in step.assigned for one in self.people_of(name)}
        above = self.world.target.resources[resource].parent
        within = self.records[step.within] if step.within else self.records.get(above or "")
        return self.world.obtain(
            resource, self.tenant, need, fresh=True, state=step.after, within=within
        )

    def _done(self, step: Preparing) -> None:
        asked, read = self.tried(step)
        answer = read.exchange.answer
        if read.outcome is not Outcome.ALLOWED or answer is None:
            said = answer.body[:200].decode("utf-8", "replace") if answer else ""
            raise NotBuilt(
                f"the race could not be set up: {asked.template.request} as {asked.persona} "
                f"got {read.status}{': ' + said if said else ''}",
                read.exchange,
            )
        self.keep(asked, answer, step.called)

    def tried(self, step: Action) -> tuple[Asked, Read]:
        """The step sent as set-up, once more where the target says to wait."""
        asked = self.asked(step)
        read = self.send(asked, "set-up")
        return asked, self.send(asked, "set-up") if self.world.waits(read) else read

    def keep(self, asked: Asked, answer: Answer, called: str | None) -> None:
        """Know from now on what the answer gave, and the record that it made as `called`."""
        taken = self.takes(asked, answer)
        self.values |= {name: taken[name] for name in asked.template.take if name in taken}
        made = self.made(asked, answer)
        if made is not None:
            self.records[called or made.resource] = made


def lacking(template: Request, name: str) -> Request:
    """The template without the headers, parameters and fields that name the value."""
    word = f"{{{name}"

    def kept(values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return {key: kept(value) for key, value in values.items() if word not in str(value)}

    parts = ("headers", "query", "json_", "form")
    return changed(template, {part: kept(getattr(template, part)) for part in parts})


def later(value: Any, by: str) -> str:
    """A moment (RFC 3339) that much later: `+15m`, `-1h`, `+2d`. Raises NotBuilt."""
    try:
        moment = datetime.fromisoformat(str(value))
        seconds = int(by[:-1]) * _SECONDS[by[-1]]
    except (ValueError, KeyError):
        raise NotBuilt(f"{value!r} cannot be shifted by {by!r}; write {{slot:+15m}}") from None
    shifted = moment + timedelta(seconds=seconds)
    return shifted.isoformat(timespec="seconds").replace("+00:00", "Z")


def fresh_code(secret: str) -> str:
    """The current one-time code of a secret (RFC 6238), with some seconds left to live."""
    code = pyotp.TOTP(secret)
    left = code.interval - time.time() % code.interval
    if left < _LAST_SECONDS:
        time.sleep(left + 0.1)
    return code.now()
