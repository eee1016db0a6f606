"""The world: instances planted in each tenant through the target's own API.

Every text field carries a canary. What is made is remembered, and removed at the end in reverse
order, or listed when it cannot be.
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from conformance import login as logins
from conformance import policy
from conformance.canary import Mint, Planted
from conformance.cases import Profile
from conformance.extraction import extract
from conformance.instances import Instance, NotBuilt, Payload
from conformance.instants import SHIFT, shifted
from conformance.inventory import Documented
from conformance.login import Credentials
from conformance.model import Answer, Exchange, Outcome, Read, Relation
from conformance.outcomes import outcome_of
from conformance.schema import Preparation, Request, changed
from conformance.session import Session
from conformance.synthesis import Synthesis, planted_fields
from conformance.target import SAFE_KINDS, Existing, Persona, Target
from conformance.template import Lookup, Unfilled, render_jsonpath
from conformance.wire import Unreachable, Wire

if TYPE_CHECKING:
    from conformance.books import Observation
    from conformance.model import Case
    from conformance.replicas import Replica, Replicas

Need = Mapping[str, Relation]

_LONGEST_WAIT = 65
_LOOKERS = 4
"""Seconds for which set-up waits where the target limits its rate: a minute's window."""


def _unheard(_line: str) -> None:
    """Nobody looks on."""


def _unread(_case: Case) -> Sequence[Observation] | None:
    """Nobody has read the books."""
    return None


class World:
    """Makes and remembers instances, and knows how every persona stands to each of them."""

    def __init__(
        self,
        target: Target,
        wire: Wire,
        sessions: dict[str, Session],
        seed: int,
        catch_all: bytes | None = None,
    ):
        self.target = target
        self.wire = wire
        self.sessions = sessions
        self.mint = Mint(policy.tenants(target), planted_fields(target), uuid.uuid4().int)
        zones = {name: tenant.zone for name, tenant in target.tenants.items()}
        self.synthesis = Synthesis(zones, self.mint, seed, wire.now)
        self.seed = seed
        self.instances: dict[str, Instance] = {}
        self.left_over: list[tuple[Instance, str]] = []
        self.asked: dict[str, tuple[str, str]] = {}
        self.altered: set[str] = set()
        """Ids of exchanges with somebody who may have been given another role by fuzzing."""
        self.catch_all = catch_all
        self.readable: dict[tuple[tuple[str, ...], str], list[policy.Grant]] = {}
        self.filled: set[tuple[str, str, str]] = set()
        self.rows_planted = 0
        self.controls: dict[tuple[str, str, str, str], Read] = {}
        self._shared: dict[tuple[Any, ...], Instance | NotBuilt] = {}
        self._order: list[Instance] = []
        self._enlisted: list[str] = []
        self.documented: Sequence[Documented] = ()
        self.replicas: Replicas | None = None
        self.live: Callable[[str], None] = _unheard
        self.swept: Callable[[Case], Sequence[Observation] | None] = _unread
        self.recipe: Mapping[str, Any] | None = None
        self.profile = Profile.GATE
        self.specimens: dict[tuple[str, str], tuple[Mapping[str, Any], ...]] = {}
        for resource, described in target.resources.items():
            for existing in described.instances:
                self._adopt(resource, existing)

    def replica(
        self,
        environment: Mapping[str, str] | None = None,
        *,
        fresh: bool = False,
        kept_for: str = "",
    ) -> Replica:
        """A copy of the target of one's own, as `Replicas.of` starts it."""
        assert self.replicas is not None
        return self.replicas.of(environment, fresh=fresh, kept_for=kept_for)

    def anew(self, wire: Wire) -> World:
        """A further world on the target behind `wire`, with sessions and instances of its own.

        What it makes is removed together with everything else.
        """
        sessions = {name: Session(wire, name) for name in self.sessions}
        other = World(self.target, wire, sessions, self.seed, self.catch_all)
        other.asked, other.documented, other.replicas = self.asked, self.documented, self.replicas
        other._order, other.left_over = self._order, self.left_over
        other.live, other.profile = self.live, self.profile
        return other

    # --- values -------------------------------------------------------------------------------

    def payload(
        self,
        persona: str,
        resource: str,
        tenant: str,
        lineage: Mapping[str, Instance],
        /,
        *,
        instance: str | None = None,
        subject: str | None = None,
        planted: str | None = None,
        **given: Any,
    ) -> Payload:
        """What placeholders mean in a request of `persona` about `resource` in `tenant`.

        `lineage` gives the ids of instances, `given` overrides simple names like id, ids, term;
        `subject` is the persona meant by {persona.x} when another one sends the request, and
        `planted` what markers are said to be of where the request writes no record of `resource`.
        """
        payload = Payload(lambda _name, _argument, _field: None)
        planted_in = instance or f"attempt:{persona}"

        def lookup(name: str, argument: str | None, of: str) -> Any:
            if name in given:
                return _given(given[name], argument)
            head, _, tail = name.partition(".")
            if name == "id":
                return lineage[resource].id
            if tail and head == "persona":
                return self.sessions[subject or persona].fact(tail)
            if tail and head == "tenant":
                return self.tenant_facts(tenant)[tail]
            if tail and head in lineage:
                found = lineage[head]
                return found.id if tail == "id" else found.values[tail]
            place = Planted(tenant, planted or resource, of, planted_in)
            value, marker = self.synthesis.value(name, argument, place)
            if marker:
                payload.carried.add(marker)
            payload.fields[of] = value
            return value

        payload.lookup = lookup
        return payload

    def tenant_facts(self, tenant: str) -> Mapping[str, Any]:
        """What templates may name as {tenant.x}; {tenant.name} is its key in the target file."""
        described = self.target.tenants.get(tenant)
        extra = dict(described.__pydantic_extra__ or {}) if described else {}
        return {"name": tenant, **extra}

    def tenancy(self, tenant: str | None) -> Lookup | None:
        """Values for the target's tenancy rules; None when nobody's tenant is to be named."""
        if tenant is None:
            return None
        facts = self.tenant_facts(tenant)

        def lookup(name: str, _argument: str | None, _field: str) -> Any:
            return facts[name.removeprefix("tenant.")]

        return lookup

    # --- sending ------------------------------------------------------------------------------

    def send(
        self,
        persona: str,
        template: Request,
        payload: Payload,
        purpose: str,
        about: tuple[str, str],
        tenant: str | None = None,
        *,
        session: Session | None = None,
        credentials: Credentials | None = None,
    ) -> Read:
        """Send as `persona` and read the outcome; `about` is (resource, operation).

        `session` is another one of the persona's than the usual, `credentials` are sent instead
        of its own.
        """
        own = policy.tenant_of(self.target, persona)
        named = self.tenancy(tenant or own)
        sender = session or self.sessions[persona]
        try:
            exchange = sender.send(template, payload.lookup, purpose, named, credentials)
        except Unfilled as missing:
            raise NotBuilt(f"{about[0]}.{about[1]}: {missing}") from None
        except ValueError as problem:
            raise NotBuilt(f"{about[0]}.{about[1]}: {problem}") from None
        self.asked[exchange.id] = about
        return self.read(exchange)

    def read(self, exchange: Exchange) -> Read:
        """The exchange with its outcome."""
        about = self.asked.get(exchange.id, ("", ""))
        return Read(exchange, outcome_of(self.target, about, exchange, self.catch_all))

    # --- relations ----------------------------------------------------------------------------

    def relations(self, persona: str, instance: Instance) -> set[Relation]:
        """own and assigned, as far as they are true of persona and instance."""
        kinds = (Relation.OWN, Relation.ASSIGNED)
        return {kind for kind in kinds if self._related(persona, instance, kind)}

    def _related(self, persona: str, instance: Instance, relation: Relation) -> bool:
        if persona in instance.related.get(relation, ()):
            return True
        roles = policy.roles_of(self.target, persona)
        way = policy.way(self.target, instance.resource, relation, roles)
        if way is None:
            return False
        if way.way == "creator":
            return instance.creator == persona
        if way.way == "parent" and instance.parent is not None:
            return self._related(persona, instance.parent, relation)
        return False

    def candidates(
        self,
        tenant: str,
        resource: str,
        operation: str,
        only: list[str] | None = None,
        *,
        seeing: bool = False,
    ) -> Iterator[tuple[str, Relation | None]]:
        """Personas of `tenant` who may do it, with the relation that they need; the free first.

        For a collection any grant will do; with `seeing` it must be one that shows the record in
        question, so a relation to it may be needed there too.
        """
        related: list[tuple[str, Relation | None]] = []
        about = self.target.object_of(resource, operation)
        for persona, account in self.target.personas.items():
            named = not only or {persona, *account.role} & set(only)
            if policy.tenant_of(self.target, persona) != tenant or not named:
                continue
            granted = policy.grants(self.target, account.role, resource, operation)
            if any(grant.covers(frozenset(), same_tenant=True) for grant in granted):
                yield persona, None
            elif granted and about is None and not seeing:
                related.append((persona, None))
            else:
                related += [
                    (persona, relation)
                    for relation in policy.relations_of(self.target, persona, about or resource)
                    if any(grant.effect == relation for grant in granted)
                ]
            if only:
                related.append((persona, None))
        yield from related
        if not only:
            yield from self._from_anywhere(tenant, resource, operation)

    def _from_anywhere(
        self, tenant: str, resource: str, operation: str
    ) -> Iterator[tuple[str, Relation | None]]:
        """Personas of other tenants who are granted it across all of them."""
        for persona, account in self.target.personas.items():
            granted = policy.grants(self.target, account.role, resource, operation)
            elsewhere = policy.tenant_of(self.target, persona) != tenant
            if elsewhere and any(grant.effect == "global" for grant in granted):
                yield persona, None

    def choose(
        self,
        tenant: str,
        resource: str,
        operation: str,
        need: dict[str, Relation],
        *,
        apart_from: str | None = None,
        only: list[str] | None = None,
        free: bool = False,
        seeing: bool = False,
    ) -> str | None:
        """Somebody who may do it; the relation that takes is added to `need`.

        With `free` only somebody for whom nothing has to be brought about; `seeing` as above.
        """
        fitting = [
            (persona, relation)
            for persona, relation in self.candidates(
                tenant, resource, operation, only, seeing=seeing
            )
            if persona != apart_from
            and (relation is None or need.get(persona, relation) is relation)
            and not (free and relation is not None)
        ]
        # Whoever sees everything proves most; whoever is already part of the setting is cheap.
        fitting.sort(
            key=lambda one: (
                self._masked(one[0], resource, operation),
                one[0] not in need and one[1] is not None,
            )
        )
        for persona, relation in fitting:
            if relation is not None:
                need[persona] = relation
            return persona
        return None

    def _masked(self, persona: str, resource: str, operation: str) -> bool:
        roles = policy.roles_of(self.target, persona)
        granted = policy.grants(self.target, roles, resource, operation)
        return bool(granted) and all(grant.mask for grant in granted)

    # --- making -------------------------------------------------------------------------------

    def obtain(
        self,
        resource: str,
        tenant: str,
        need: Need,
        *,
        fresh: bool = False,
        state: Sequence[str] = (),
        above: Mapping[str, Need] | None = None,
        within: Instance | None = None,
        apart_from: str | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> Instance:
        """An instance of `resource` in `tenant` to which each persona stands as `need` says.

        `state` are the operations done to it first; `above` says of its ancestors what `need`
        says of it. A fresh one is nobody else's; others are shared between cases that need the
        same. With `within` it is made below that very instance, and not by `apart_from`. One that
        is made for itself has the fields `given`. Raises NotBuilt.
        """
        if within is not None:
            need = dict(need)
            for operation in state:
                only = self.target.operation(resource, operation).as_ or None
                self.choose(tenant, resource, operation, need, apart_from=apart_from, only=only)
            made = self._make(resource, tenant, need, {}, within, apart_from, given)
            self._bring_about(resource, state, made)
            return made
        if self.target.resources[resource].instances:
            return self._existing(resource, tenant, need)
        # Whoever brings it into its state takes part as well.
        need = dict(need)
        for operation in state:
            only = self.target.operation(resource, operation).as_ or None
            self.choose(tenant, resource, operation, need, only=only)
        asked = [(name, tuple(sorted(one.items()))) for name, one in (above or {}).items()]
        long = self.synthesis.long
        key = (resource, tenant, tuple(sorted(need.items())), tuple(state), tuple(asked), long)
        if not fresh:
            kept = self._shared.get(key)
            if isinstance(kept, NotBuilt):
                raise NotBuilt(str(kept), *kept.exchanges)
            if kept is not None:
                return kept
        try:
            made = self._make(resource, tenant, need, above or {}, given=given if fresh else None)
            self._bring_about(resource, state, made)
        except NotBuilt as problem:
            self._shared[key] = problem
            raise
        if not fresh:
            self._shared[key] = made
        return made

    def spend(self, spent: Iterable[Instance], *, again: bool = False) -> None:
        """Share nothing any more that is, is below or was made with one of these instances.

        Whoever asks next is given what is made anew; with `again`, what could not be made is
        tried again too.
        """
        keys = {one.key for one in spent}
        for key, shared in list(self._shared.items()):
            if keys and (
                again
                if isinstance(shared, NotBuilt)
                else any(one.key in keys for one in shared.lineage().values())
            ):
                del self._shared[key]

    def _adopt(self, resource: str, existing: Existing) -> None:
        tenant = existing.tenant or policy.sole_tenant(self.target)
        instance = Instance(
            key=f"{resource}/{existing.id}",
            resource=resource,
            tenant=tenant,
            id=existing.id,
            related={
                Relation.OWN: set(existing.own),
                Relation.ASSIGNED: set(existing.assigned),
            },
            values=dict(existing.values),
            made=False,
        )
        for name, parent in existing.parents.items():
            known = self.instances.get(f"{name}/{parent}")
            found = known or Instance(f"{name}/{parent}", name, tenant, parent, made=False)
            if name == self.target.resources[resource].parent:
                instance.parent = found
            else:
                instance.others[name] = found
        for name, value in existing.values.items():
            self.mint.known(str(value), Planted(tenant, resource, name, instance.key))
            if len(str(value)) >= 4:
                instance.markers.add(str(value).lower())
        self.instances[instance.key] = instance

    def _existing(self, resource: str, tenant: str, need: Need) -> Instance:
        for instance in self.instances.values():
            if instance.made or instance.resource != resource or instance.tenant != tenant:
                continue
            if all(self._stands(persona, instance, rel) for persona, rel in need.items()):
                return instance
        wanted = ", ".join(f"{rel.value} of {persona}" for persona, rel in need.items()) or "any"
        raise NotBuilt(
            f"no instance of {resource} in {tenant} is listed that is {wanted}; "
            f"add it to resources.{resource}.instances"
        )

    def _stands(self, persona: str, instance: Instance, wanted: Relation) -> bool:
        relations = self.relations(persona, instance)
        return not relations if wanted is Relation.SAME_TENANT else wanted in relations

    def _make(
        self,
        resource: str,
        tenant: str,
        need: Need,
        asked: Mapping[str, Need],
        within: Instance | None = None,
        apart_from: str | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> Instance:
        target = self.target
        if not target.system.allow_writes:
            raise NotBuilt("nothing is made in this target (system.allow_writes is false)")
        name = policy.creating(target, resource)
        if name is None:
            raise NotBuilt(f"{resource} has neither a 'create' operation nor 'instances'")
        template = target.operation(resource, name)
        if given:
            place = "form" if template.form is not None else "json_"
            fields = {**(getattr(template, place) or {}), **given}
            template = changed(template, {place: fields})
        creator, above = self._creator(resource, name, tenant, need, apart_from)
        if within is None:
            parent, others = self._surroundings(resource, name, tenant, above, asked)
        else:
            parent, others = self._below(resource, name, tenant, above, within, apart_from)
        lineage = dict(parent.lineage()) if parent else {}
        lineage |= others
        key = f"{resource}#{len(self.instances) + 1}"
        payload = self.payload(creator, resource, tenant, lineage, instance=key)
        read = self.send(creator, template, payload, "set-up", (resource, name))
        if self.waits(read):
            read = self.send(creator, template, payload, "set-up", (resource, name))
        if read.outcome is not Outcome.ALLOWED or read.exchange.answer is None:
            raise NotBuilt(
                f"{resource} could not be made: {template.request} as {creator} "
                f"got {read.status}{_why(read.exchange)}",
                read.exchange,
            )
        made = self.remember(
            resource, name, tenant, read.exchange.answer, creator, parent, others, payload, key
        )
        if made is None:
            looked = template.lookup
            where = (looked.take["id"] if looked else template.id) or "$.id"
            raise NotBuilt(
                f"{resource} was made, but there is no id at {where} in the answer to "
                f"{(looked or template).request}",
                read.exchange,
            )
        for persona, relation in need.items():
            self._relate(persona, made, relation)
        return made

    def waits(self, read: Read) -> bool:
        """Whether the target limited the rate and said for how long; waits that long, once."""
        answer = read.exchange.answer
        told = answer.header("retry-after") if answer else None
        if read.outcome is not Outcome.LIMITED or told is None or not told.isdigit():
            return False
        if int(told) > _LONGEST_WAIT:
            return False
        time.sleep(int(told) + 0.1)
        return True

    def remember(
        self,
        resource: str,
        operation: str,
        tenant: str,
        answer: Answer,
        creator: str,
        parent: Instance | None,
        others: dict[str, Instance],
        payload: Payload,
        key: str | None = None,
    ) -> Instance | None:
        """The instance that a create's answer tells of, to be removed in the end; None if none."""
        template = self.target.operation(resource, operation)
        found = None
        if template.id is not None or template.lookup is None:
            found = extract(template.id or "$.id", answer)
        if found is None and template.lookup is not None:
            around = {**(parent.lineage() if parent else {}), **others}
            found = self._looked_up(resource, operation, tenant, creator, payload, around)
        if found is None:
            return None
        instance = Instance(
            key=key or f"{resource}#{len(self.instances) + 1}",
            resource=resource,
            tenant=tenant,
            id=found,
            parent=parent,
            others=others,
            creator=creator,
            values=dict(payload.fields),
            markers=set(payload.carried),
        )
        for name, source in template.take.items():
            value = extract(source, answer)
            if value is not None:
                instance.values[name] = value
        self.instances[instance.key] = instance
        self._order.append(instance)
        return instance

    def _looked_up(
        self,
        resource: str,
        operation: str,
        tenant: str,
        creator: str,
        payload: Payload,
        around: Mapping[str, Instance],
    ) -> Any:
        """The id of what was just made, asked for by what was sent and what it belongs to.

        Whoever makes something may not be shown where it stands, so others who are are asked too.
        """
        lookup = self.target.operation(resource, operation).lookup
        assert lookup is not None
        sent = {f"sent.{name}": value for name, value in payload.fields.items()}
        where, tilde, pattern = lookup.take["id"].partition(" ~ ")
        for persona in islice(self._lookers(resource, tenant, creator), _LOOKERS):
            asking = self.payload(persona, resource, tenant, around, **sent)
            read = self.send(persona, lookup, asking, "set-up", (resource, "lookup"))
            if read.outcome is not Outcome.ALLOWED or read.exchange.answer is None:
                continue
            try:
                place = render_jsonpath(where, asking.lookup)
            except Unfilled as missing:
                raise NotBuilt(f"lookup.take of {resource}.{operation}: {missing}") from None
            return extract(f"{place}{tilde}{pattern}", read.exchange.answer)
        return None

    def _lookers(self, resource: str, tenant: str, creator: str) -> Iterator[str]:
        described = self.target.resources[resource]
        shown = [name for name in described.operations if described.kind(name) in SAFE_KINDS]
        found = (
            persona
            for name in shown
            for persona, relation in self.candidates(tenant, resource, name)
            if relation is None
        )
        yield from dict.fromkeys((creator, *found))

    def _creator(
        self, resource: str, operation: str, tenant: str, need: Need, apart_from: str | None = None
    ) -> tuple[str, dict[str, Relation]]:
        """Who makes it, and what everybody must be to its parent beforehand."""
        above: dict[str, Relation] = {}
        owner: str | None = None
        unrelated = set()
        for persona, relation in need.items():
            if relation is Relation.SAME_TENANT:
                above[persona] = relation
                if self._would_own(persona, resource):
                    above[persona] = relation
                if self._would_own(persona, resource):
                    unrelated.add(persona)
                continue
            if relation is Relation.ASSIGNED and self._would_own(persona, resource):
                unrelated.add(persona)
            way = policy.way(self.target, resource, relation, policy.roles_of(self.target, persona))
            if way is None:
                raise NotBuilt(f"nothing says how {persona} comes to be {relation} of {resource}")
            if way.way == "creator":
                owner = persona
            elif way.way == "parent":
                above[persona] = relation
        template = self.target.operation(resource, operation)
        about = self.target.object_of(resource, operation)
        for persona, wanted in self.candidates(tenant, resource, operation, template.as_):
            if persona in unrelated or (owner is not None and persona != owner):
                continue
            if persona == apart_from:
                continue
            if wanted is not None:
                if above.get(persona, wanted) is not wanted:
                    continue
                above[persona] = wanted
            if about is None and self.target.resources[resource].parent is None:
                above = {}
            return persona, above
        who = f"{owner} " if owner else "nobody "
        raise NotBuilt(f"{who}may make a {resource} in {tenant} for this case (policy, 'as')")

    def _would_own(self, persona: str, resource: str) -> bool:
        """Whether making an instance would make the persona its owner."""
        roles = policy.roles_of(self.target, persona)
        way = policy.way(self.target, resource, Relation.OWN, roles)
        return way is not None and way.way == "creator"

    def _surroundings(
        self,
        resource: str,
        operation: str,
        tenant: str,
        above: Need,
        asked: Mapping[str, Need],
    ) -> tuple[Instance | None, dict[str, Instance]]:
        """The parent and the other instances that a request about `resource` names."""
        target = self.target
        template = target.operation(resource, operation)
        named = target.needs(resource, template)
        parent_name = target.resources[resource].parent
        line = target.ancestors(resource)
        parent: Instance | None = None
        if parent_name and any(name in named for name in line):
            relevant = {
                persona: relation
                for persona, relation in above.items()
                if relation is Relation.SAME_TENANT
                or policy.way(target, parent_name, relation, policy.roles_of(target, persona))
            }
            further = {name: need for name, need in asked.items() if name != parent_name}
            parent = self.obtain(
                parent_name,
                tenant,
                {**relevant, **asked.get(parent_name, {})},
                fresh=parent_name in template.fresh,
                state=template.above.get(parent_name, ()),
                above=further,
            )
        known = parent.lineage() if parent else {}
        others = {
            name: self.obtain(name, tenant, {}, fresh=name in template.fresh)
            for name in named
            if name not in known
        }
        return parent, others

    def _below(
        self,
        resource: str,
        operation: str,
        tenant: str,
        above: Need,
        within: Instance,
        apart_from: str | None,
    ) -> tuple[Instance | None, dict[str, Instance]]:
        """The same with `within` as the parent, or as an ancestor of a parent that is made."""
        parent_name = self.target.resources[resource].parent
        if parent_name is None:
            raise NotBuilt(f"{resource} is not below {within.resource}")
        template = self.target.operation(resource, operation)
        if parent_name == within.resource:
            parent = within
            for persona, relation in above.items():
                self._relate(persona, parent, relation)
        else:
            parent = self.obtain(
                parent_name,
                tenant,
                above,
                state=template.above.get(parent_name, ()),
                within=within,
                apart_from=apart_from,
            )
        known = parent.lineage()
        others = {
            name: self.obtain(name, tenant, {}, fresh=name in template.fresh)
            for name in self.target.needs(resource, template)
            if name not in known
        }
        return parent, others

    def around(
        self, resource: str, operation: str, tenant: str, instance: Instance | None
    ) -> dict[str, Instance]:
        """Everything that a request about `instance` names, by resource."""
        lineage = dict(instance.lineage()) if instance else {}
        template = self.target.operation(resource, operation)
        for name in self.target.needs(resource, template):
            if name not in lineage or (name in template.fresh and lineage[name] is not instance):
                lineage[name] = self.obtain(name, tenant, {}, fresh=name in template.fresh)
        return lineage

    def _relate(self, persona: str, instance: Instance, relation: Relation) -> None:
        if relation not in {Relation.OWN, Relation.ASSIGNED}:
            return
        if self._related(persona, instance, relation):
            return
        way = policy.way(
            self.target, instance.resource, relation, policy.roles_of(self.target, persona)
        )
        if way is None or way.step is None:
            raise NotBuilt(f"{persona} did not come to be {relation} of {instance.resource}")
        taken = self._prepare(
            way.step, instance, f"make {persona} {relation} of it", subject=persona
        )
        instance.related.setdefault(relation, set()).add(persona)
        instance.taken[persona, relation] = taken

    def stand(self, persona: str, instance: Instance, relation: Relation) -> None:
        """Have the persona stand in `relation` to the instance or, where that says so, above it.

        Raises NotBuilt.
        """
        roles = policy.roles_of(self.target, persona)
        way = policy.way(self.target, instance.resource, relation, roles)
        if way is not None and way.way == "parent" and instance.parent is not None:
            self.stand(persona, instance.parent, relation)
        else:
            self._relate(persona, instance, relation)

    def end_relation(self, persona: str, instance: Instance, relation: Relation) -> Read:
        """End what makes `persona` stand in `relation`. Raises NotBuilt if nothing says how."""
        roles = policy.roles_of(self.target, persona)
        way = policy.way(self.target, instance.resource, relation, roles)
        if way is None or way.step is None or way.step.ends is None:
            raise NotBuilt(f"nothing says how {persona} ceases to be {relation} of a record")
        given = instance.taken.get((persona, relation), {})
        return self._ask(way.step.ends, instance, subject=persona, **given)

    def _prepare(
        self, step: Preparation, instance: Instance, what: str, subject: str | None = None
    ) -> dict[str, Any]:
        """What the step took from its answer. Raises NotBuilt."""
        read = self._ask(step, instance, subject)
        if read.outcome is not Outcome.ALLOWED or read.exchange.answer is None:
            raise NotBuilt(
                f"could not {what} ({instance.resource}): {step.request} as "
                f"{read.exchange.persona} got {read.status}{_why(read.exchange)}",
                read.exchange,
            )
        return taken(step, read)

    def _ask(
        self, step: Preparation, instance: Instance, subject: str | None = None, **given: Any
    ) -> Read:
        persona = self.someone(step.as_, instance.tenant)
        payload = self.payload(
            persona,
            instance.resource,
            instance.tenant,
            instance.lineage(),
            subject=subject,
            planted="relation",
            **given,
        )
        return self.send(persona, step, payload, "set-up", (instance.resource, "relation"))

    # --- accounts -----------------------------------------------------------------------------

    def enlist(self, roles: Sequence[str], tenant: str, login: str | None = None) -> str:
        """The name of a new account with `roles` in `tenant`, made for one case. Raises NotBuilt.

        It is no persona of the target file: no case is derived from it, and nobody else uses it.
        `login` is how it logs in; as the target file says unless given.
        """
        create = self.target.accounts.create
        if create is None:
            raise NotBuilt("the target file says no way to make an account (accounts.create)")
        name = f"{'-'.join(roles)}.{tenant}.{len(self._enlisted) + 1}"
        password = f"Wq7-{secrets.token_urlsafe(15)}"
        username = f"wardproof{secrets.token_hex(5)}"
        self.wire.redactor.add(password)
        facts = {"username": username, "password": password}
        given: dict[str, Any] = {
            **facts,
            **_personal(username),
            "role": roles[0],
            "roles": list(roles),
        }
        admin = self.someone(create.as_, tenant)
        payload = self.payload(admin, "account", tenant, {}, **given)
        read = self.send(admin, create, payload, "set-up", ("account", "create"))
        if read.outcome is not Outcome.ALLOWED:
            raise NotBuilt(
                f"no account could be made: {create.request} as {admin} "
                f"got {read.status}{_why(read.exchange)}",
                read.exchange,
            )
        facts |= {key: value for key, value in taken(create, read).items() if value is not None}
        account = Persona(
            role=list(roles),
            tenant=tenant if tenant in self.target.tenants else None,
            login=login or create.login or self._login_of(roles),
            **facts,
        )
        self.target.enlist(name, account)
        self.sessions[name] = Session(self.wire, name)
        self._enlisted.append(name)
        return name

    def _login_of(self, roles: Sequence[str]) -> str | None:
        """How accounts of the target file with such roles log in; in two steps if any does."""
        fitting = [one.login for one in self.target.personas.values() if set(one.role) & set(roles)]
        fitting.sort(key=lambda way: way is None or not self.target.login[way].then)
        return next(iter(fitting), None)

    def log_in_again(self, persona: str) -> Session:
        """A further session of the persona, never renewed. Raises LoginFailed, Unreachable."""
        login = self.sessions[persona].login
        return Session(self.wire, persona, fixed=logins.log_in(self.wire, persona, login))

    def ask_about(self, step: Preparation, persona: str, **given: Any) -> Read:
        """Send a step about the account of `persona`, by whom `as` names or else by itself."""
        tenant = policy.tenant_of(self.target, persona) or policy.sole_tenant(self.target)
        sender = self.someone(step.as_, tenant) if step.as_ else persona
        facts = {**self.target.account(persona).facts, **given}
        payload = self.payload(sender, "account", tenant, {}, subject=persona, **facts)
        return self.send(sender, step, payload, "set-up", ("account", "life"))

    def someone(self, names: list[str], tenant: str) -> str:
        for persona, account in self.target.personas.items():
            if policy.tenant_of(self.target, persona) == tenant and (
                not names or {persona, *account.role} & set(names)
            ):
                return persona
        raise NotBuilt(f"nobody in {tenant} is {' or '.join(names)}")

    def _bring_about(self, resource: str, operations: Sequence[str], instance: Instance) -> None:
        """Do `operations` on the instance, by whoever may, so that it is in the right state."""
        for name in operations:
            done = False
            problem: NotBuilt | None = None
            template = self.target.operation(resource, name)
            for persona, relation in self.candidates(
                instance.tenant, resource, name, template.as_ or None
            ):
                if relation is not None and relation not in self.relations(persona, instance):
                    continue
                lineage = self.around(resource, name, instance.tenant, instance)
                payload = self.payload(persona, resource, instance.tenant, lineage)
                read = self.send(persona, template, payload, "set-up", (resource, name))
                done = read.outcome is Outcome.ALLOWED
                if not done:
                    problem = NotBuilt(
                        f"'after: {name}' of {resource}: {template.request} as {persona} "
                        f"got {read.status}{_why(read.exchange)}",
                        read.exchange,
                    )
                break
            if not done:
                raise problem or NotBuilt(f"nobody may do {resource}.{name}, which comes before")

    def never_existed(self, resource: str, like: Any) -> Any:
        """An id of the same shape as `like` that the target has never given out."""
        declared = self.target.resources[resource].never
        return declared if declared is not None else self.synthesis.similar(like)

    # --- end ----------------------------------------------------------------------------------

    def remove_all(self) -> None:
        """Remove what the run made, last first; what stays is in `left_over` with the reason.

        Accounts are disabled, and always stay.
        """
        start = self.target.system.start
        if start is not None and start.throwaway:
            return
        for instance in reversed(self._order):
            reason = self._remove(instance)
            if reason:
                self.left_over.append((instance, reason))
        self._order.clear()
        for persona in self._enlisted:
            facts = self.target.account(persona).facts
            tenant = policy.tenant_of(self.target, persona) or policy.sole_tenant(self.target)
            instance = Instance(persona, "account", tenant, facts["username"])
            self.left_over.append((instance, self._disabled(persona)))
        self._enlisted.clear()

    def _disabled(self, persona: str) -> str:
        """What became of an account that the run made."""
        disable = self.target.accounts.disable
        if disable is None:
            return "an account, and the target file says no way to disable it (accounts.disable)"
        try:
            read = self.ask_about(disable, persona)
        except (NotBuilt, logins.LoginFailed, Unreachable) as problem:
            return f"an account, and it could not be disabled: {problem}"
        done = read.outcome is Outcome.ALLOWED
        return f"an account, and {'it was disabled' if done else f'disabling got {read.status}'}"

    def _remove(self, instance: Instance) -> str | None:
        described = self.target.resources[instance.resource]
        template: Request | None = described.remove
        people: list[str] = []
        if described.remove is not None:
            people = [self.someone(described.remove.as_, instance.tenant)]
        else:
            name = next(
                (name for name in described.operations if described.kind(name) == "delete"), None
            )
            if name is None:
                return "the target file declares no way to remove it"
            template = described.operations[name]
            people = [
                persona
                for persona, relation in self.candidates(instance.tenant, instance.resource, name)
                if relation is None or relation in self.relations(persona, instance)
            ]
        status = "nobody may"
        for persona in people[:2]:
            payload = self.payload(persona, instance.resource, instance.tenant, instance.lineage())
            assert template is not None
            try:
                read = self.send(
                    persona, template, payload, "clean-up", (instance.resource, "remove")
                )
            except NotBuilt as problem:
                return str(problem)
            if read.outcome in {Outcome.ALLOWED, Outcome.ABSENT}:
                return None
            status = f"{persona} got {read.status}"
        return f"removing it failed: {status}"


def _personal(username: str) -> dict[str, str]:
    """What a request for an account may ask for; no canaries, because accounts are no records."""
    named = dict.fromkeys(("name", "family", "given", "text", "canary", "code"), username)
    digits = str(int(username.removeprefix("wardproof"), 16))[:10]
    return {**named, "email": f"{username}@example.org", "phone": f"+999{digits}"}


def taken(step: Request, read: Read) -> dict[str, Any]:
    """What the step takes from its answer; None where there is nothing."""
    answer = read.exchange.answer
    return {name: extract(place, answer) if answer else None for name, place in step.take.items()}


def _why(exchange: Exchange) -> str:
    answer = exchange.answer
    if answer is None or not answer.body:
        return ""
    return f": {answer.body[:200].decode('utf-8', 'replace')}"


def _given(value: Any, by: str | None) -> Any:
    """The value, shifted where the template says by how much."""
    if by is None or not SHIFT.fullmatch(by):
        return value
    try:
        return shifted(str(value), by)
    except (ValueError, OverflowError) as problem:
        raise KeyError(str(problem)) from None
