"""Mass assignment: writes that carry properties which are not their sender's to set."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from conformance import inventory, known, policy
from conformance.fields import (
    Record,
    objects,
    other_spelling,
    plain,
    same,
    value_of,
    with_values,
)
from conformance.instances import Instance, NotBuilt
from conformance.inventory import Property
from conformance.model import Case, Outcome, Read
from conformance.oracles.properties import Assignment, Write, landed
from conformance.target import Operation
from conformance.trials.properties import Seer, readers, seen_by, seer, whole
from conformance.trials.setting import Setting, on, permitted, remember, send
from conformance.world import World

_MOST_ALONE = 20
_UNKNOWN_OBJECT = 3
"""So many properties refused as invalid one after the other say that their object is unknown."""
_MOST_ACCEPTED = 8
_STATES_TRIED = 3
# Further than the writes of one case move a counter: what a record has then, it was given.
_BEYOND_COUNTING = 10_000
_NO_NAMES = frozenset({"password", "role", "tenant"})


@dataclass
class _Ground:
    """What one write stands on: the setting, and the record before it as somebody sees it."""

    setting: Setting
    before: Record
    seer: Seer | None = None
    used: bool = False


def assigned(world: World, case: Case) -> Assignment:
    """Everything that it may not set in one write, then one by one, then in other shapes."""
    assert case.resource and case.operation
    trying = _Trying(world, case)
    usual = trying.usual()
    if trying.control is None or trying.control.outcome is not Outcome.ALLOWED:
        return Assignment(case, trying.control, (), ("anything",))
    tried = _tried(world, case, trying.ground, usual)
    if not tried:
        return Assignment(case, trying.control, (), ())
    trying.once("a plain write", tried)
    if trying.writes[-1].after is None:
        most = _bound(trying.ground.setting.operation)
        tried = dict(list(tried.items())[:most])
        for name, value in tried.items():
            if trying.done or trying.accepted > _MOST_ACCEPTED:
                break
            trying.once("a plain write", {name: value})
    if not trying.done:
        trying.in_other_shapes(tried)
    trying.look_back()
    return Assignment(case, trying.control, tuple(trying.writes), tuple(tried), trying.unproved)


def _bound(operation: Operation) -> int:
    """How many properties are tried alone: fewer where the target limits how often."""
    return min(_MOST_ALONE, operation.limit.requests // 4) if operation.limit else _MOST_ALONE


# --- what is written on ------------------------------------------------------------------------


def _ground(world: World, case: Case) -> _Ground:
    if case.kind == "create":
        return _Ground(permitted(world, case), {})
    found = whole(world, case, fresh=True)
    setting = on(world, case, found.instance)
    if found.record is not None:
        return _Ground(setting, found.record, found.seer)
    return _Ground(setting, *_best_view(world, found.instance))


def _best_view(world: World, instance: Instance) -> tuple[Record, Seer | None]:
    """The record as whoever may read it sees it, even through a mask; empty if nobody may."""
    for who in readers(world, instance):
        record, _read = seen_by(world, who, instance)
        if record is not None:
            return record, who
    return {}, None


# --- what is written ---------------------------------------------------------------------------


class _Trying:
    """Sends the writes of one case, and keeps what became of each."""

    def __init__(self, world: World, case: Case) -> None:
        self.world, self.case = world, case
        self.ground = _ground(world, case)
        self.control: Read | None = None
        self.writes: list[Write] = []
        self.unproved: str | None = None
        self.limited = False

    @property
    def done(self) -> bool:
        """Whether something was set, so that no more need be tried, or no more may be."""
        return self.limited or any(landed(one) or one.elsewhere for one in self.writes)

    @property
    def accepted(self) -> int:
        """How many writes were answered as done."""
        return sum(one.read.outcome is Outcome.ALLOWED for one in self.writes)

    def once(self, says: str, tried: Mapping[str, Any], template: Operation | None = None) -> None:
        """One write with `tried` in its body, or as `template` has it, and what it did."""
        ground = self._fresh()
        operation = ground.setting.operation
        if template is None:
            body = operation.json_ if isinstance(operation.json_, dict) else {}
            filled = with_values(body, tried, ground.before)
            template = operation.model_copy(update={"json_": filled})
        read, instance = self._sent(ground, template)
        write = Write(says, dict(tried), read, ground.before)
        if read.outcome is Outcome.ALLOWED and instance is not None:
            write = self._read_back(write, ground, instance)
        self.writes.append(write)

    def usual(self) -> Record:
        """What the write as the target file has it makes of a record, as somebody sees it.

        It shows that the write is right otherwise, and which values come by themselves.
        """
        ground = self._fresh()
        self.control, instance = self._sent(ground, ground.setting.operation, "control")
        if self.control.outcome is not Outcome.ALLOWED or instance is None:
            return ground.before
        if ground.seer is None:
            return _best_view(self.world, instance)[0]
        return seen_by(self.world, ground.seer, instance)[0] or ground.before

    def _fresh(self) -> _Ground:
        """A record on which nothing was done yet; an update may be done again on the same."""
        if self.ground.used:
            self.ground = _ground(self.world, self.case)
        return self.ground

    def _sent(
        self, ground: _Ground, template: Operation, purpose: str = "attempt"
    ) -> tuple[Read, Instance | None]:
        persona = ground.setting.persona
        read, payload = send(self.world, ground.setting, persona, purpose, template=template)
        instance = ground.setting.instance
        allowed = read.outcome is Outcome.ALLOWED
        self.limited = self.limited or read.outcome is Outcome.LIMITED
        if self.case.kind == "create":
            instance = None
            if allowed and read.exchange.answer is not None:
                instance = remember(self.world, ground.setting, persona, read.exchange, payload)
        ground.used = allowed and self.case.kind != "update"
        return read, instance

    def _read_back(self, write: Write, ground: _Ground, instance: Instance) -> Write:
        who = ground.seer or next(readers(self.world, instance), None)
        if who is None:
            self.unproved = "nobody may read the record"
            return write
        record, read = seen_by(self.world, who, instance)
        if record is not None:
            return replace(write, after=record, proof=(read,))
        if self.case.kind == "update":
            # The next write needs a record that is there.
            ground.used = True
            elsewhere = self._elsewhere(write, instance, read)
            if len(write.tried) == 1 or elsewhere is not None:
                gone = "could not be read any more"
                return replace(write, elsewhere=elsewhere or gone, proof=(read,))
        elif (elsewhere := self._elsewhere(write, instance, read)) is not None:
            return replace(write, elsewhere=elsewhere, proof=(read,))
        return write

    def _elsewhere(self, write: Write, instance: Instance, read: Read) -> str | None:
        """Where a record went that its own readers do not find any more."""
        if not read.outcome.refused:
            return None
        for tenant in policy.tenants(self.world.target):
            moved = replace(instance, tenant=tenant)
            named = any(_mentions(value, self.world, tenant) for value in write.tried.values())
            if tenant == instance.tenant or not named:
                continue
            who = seer(self.world, instance.resource, tenant, {})
            if who is not None and seen_by(self.world, who, moved)[0] is not None:
                return f"was found in tenant {tenant}"
        return None

    def in_other_shapes(self, tried: Mapping[str, Any]) -> None:
        """The same properties spelt otherwise, wrapped, in the query, and as patches."""
        operation = self.ground.setting.operation
        body = operation.json_ if isinstance(operation.json_, dict) else {}
        tried = {name: value for name, value in tried.items() if "." not in name}
        spelt = {other_spelling(name): value for name, value in tried.items()}
        self.once("a write in another spelling", {**spelt})
        if self._refused_together():
            for name, value in list(spelt.items())[: _bound(operation)]:
                if not self.done and name not in tried:
                    self.once("a write in another spelling", {name: value})
        keys = (self.case.resource or "data", "data", "attributes")
        for key in dict.fromkeys(keys):
            self._nested(operation, body, key, tried)
        simple = {name: one for name, one in tried.items() if not isinstance(one, dict | list)}
        queried = operation.model_copy(update={"query": {**operation.query, **simple}})
        self.once("a write with properties in the query", simple, queried)
        if operation.method == "PATCH":
            patch = [
                {"op": "add", "path": f"/{name}", "value": value} for name, value in tried.items()
            ]
            typed = {"content_type": "application/json-patch+json"}
            self.once("a JSON Patch", tried, operation.model_copy(update={"json_": patch, **typed}))
            typed = {"content_type": "application/merge-patch+json"}
            merged = operation.model_copy(update={"json_": {**body, **tried}, **typed})
            self.once("a merge patch", tried, merged)
        inside = {
            name: [{**one, **tried} if isinstance(one, dict) else one for one in value]
            for name, value in body.items()
            if isinstance(value, list) and any(isinstance(one, dict) for one in value)
        }
        if inside:
            elements = operation.model_copy(update={"json_": {**body, **inside}})
            self.once("a write with properties in array elements", tried, elements)
            last = self.writes[-1]
            if last.after is not None:
                found = [one for one in objects(dict(last.after)) if one is not last.after][1:]
                merged_elements = {key: item for one in found for key, item in one.items()}
                self.writes[-1] = replace(last, before={}, after=merged_elements)

    def _nested(
        self, operation: Operation, body: Mapping[str, Any], key: str, tried: Mapping[str, Any]
    ) -> None:
        """The properties inside an object: all, or alone if that object as such is taken."""

        def inside(some: Mapping[str, Any]) -> None:
            wrapped = operation.model_copy(update={"json_": {**body, key: dict(some)}})
            self.once(f"a write with properties inside {key!r}", some, wrapped)

        if self.done:
            return
        inside(tried)
        if not self._refused_together():
            return
        inside({})
        # Where the object as such is unknown, its contents do not matter.
        enough = _UNKNOWN_OBJECT if self._refused_together() else len(tried)
        refused = 0
        for name, value in list(tried.items())[: _bound(operation)]:
            if any((self.done, refused == enough)):
                return
            inside({name: value})
            if self.writes[-1].read.outcome is not Outcome.INVALID:
                refused = -len(tried)
            refused += 1

    def _refused_together(self) -> bool:
        """Whether the last write failed, perhaps for one of its properties alone."""
        passes = {Outcome.ALLOWED, Outcome.LIMITED}
        return bool(self.writes) and self.writes[-1].read.outcome not in passes

    def look_back(self) -> None:
        """A last look at the record, in case a refused write did something all the same."""
        refused = [one for one in self.writes if one.after is None and one.elsewhere is None]
        instance, who = self.ground.setting.instance, self.ground.seer
        if self.case.kind == "create" or not refused or instance is None or who is None:
            return
        record, read = seen_by(self.world, who, instance)
        if record is not None:
            tried = {name: value for one in reversed(refused) for name, value in one.tried.items()}
            self.writes.append(
                Write(
                    "a refused write",
                    tried,
                    refused[-1].read,
                    self.ground.before,
                    record,
                    (read,),
                )
            )


def _mentions(value: Any, world: World, tenant: str) -> bool:
    return str(value) in {str(fact) for fact in world.tenant_facts(tenant).values()}


# --- names -------------------------------------------------------------------------------------


def _tried(world: World, case: Case, ground: _Ground, usual: Record) -> dict[str, Any]:
    """Every property that the case may not set, with a value to try; known names first.

    The value is neither the present one nor the one that comes by itself (`usual`).
    """
    assert case.resource and case.operation and case.tenant
    may = _own(world, case)
    example = {**ground.before, **usual}
    described = _described(world, case.resource)
    table = known.server_owned()
    names = [
        *(name for name, value in example.items() if not _is_structure(value)),
        *(one.name for one in described.values() if one.type not in {"object", "array"}),
        *world.target.resources[case.resource].server_owned,
        *(
            f"{name}.{key}"
            for name, value in example.items()
            if isinstance(value, dict)
            for key in value
            if plain(key) in {plain(one) for one in table}
        ),
        *table,
    ]
    choosing = _Choosing(world, case, (example, ground.before), described)
    found: dict[str, Any] = {}
    for name in names:
        if plain(name) in may or plain(name) in {plain(one) for one in found}:
            continue
        value = choosing.value(name, table.get(name.rpartition(".")[2]))
        if value is not None and not choosing.comes_anyway(name, value):
            found[name] = value
    return found


def _is_structure(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(one, dict | list) for one in value)
    )


def _own(world: World, case: Case) -> set[str]:
    """The properties that the case's request may set.

    Its template's, those that `sets` names or a like operation that it is granted sends, and what
    the document's schema takes; of these what the masks' `writable` names, and nothing that is
    server-owned. Where the document names no property, all that some permitted write sends.
    """
    assert case.resource and case.operation
    target, described = world.target, world.target.resources[case.resource]
    operation = described.operations[case.operation]
    sent = {plain(name) for name in _keys(operation)}
    found = {plain(name) for name in operation.sets}
    refused: set[str] = set()
    document = inventory.described(target, world.documented, operation)
    loose = document is None or document.takes_anything
    if document is not None:
        found |= {plain(one.name) for one in document.takes if not one.read_only}
    for name, other in described.operations.items():
        granted = bool(policy.grants(target, case.roles, case.resource, name))
        alike = other.request == operation.request
        keys = {plain(key) for key in (*_keys(other), *other.sets)}
        if granted and (alike or (loose and described.kind(name) in {"create", "update"})):
            found |= keys
        elif alike:
            refused |= keys
    writable = policy.writable(target, case.roles, case.resource, case.operation)
    if writable is None:
        found -= refused - sent
    else:
        found &= {plain(name) for name in writable}
    found -= {plain(name) for name in described.server_owned}
    return found | sent


def _keys(operation: Operation) -> tuple[str, ...]:
    body = operation.json_ if isinstance(operation.json_, dict) else operation.form
    return tuple(body or ())


def _described(world: World, resource: str) -> dict[str, Property]:
    """The properties of a resource's records in the API document, by their plain names."""
    found: dict[str, Property] = {}
    for name, operation in world.target.resources[resource].operations.items():
        document = inventory.described(world.target, world.documented, operation)
        if document is None:
            continue
        single = name in {"create", "read", "update"} or operation.kind == "create"
        answers = document.answers if single and operation.items is None else ()
        for one in (*document.takes, *answers):
            key = plain(one.name)
            if key not in found or (one.values and not found[key].values):
                found[key] = one
    return found


# --- values ------------------------------------------------------------------------------------


def _others(world: World, resource: str, tenant: str) -> tuple[Record, ...]:
    """Records of the resource in other states and in another tenant, as somebody sees them."""
    key = (resource, tenant)
    if key not in world.specimens:
        described = world.target.resources[resource]
        acts = [
            name
            for name, operation in described.operations.items()
            if described.kind(name) == "action"
            and world.target.object_of(resource, name) == resource
            and not operation.not_tested
        ]
        wanted = [(tenant, (*described.operations[name].after, name)) for name in acts]
        wanted = wanted[:_STATES_TRIED]
        wanted += [(one, ()) for one in policy.tenants(world.target) if one != tenant][:1]
        found = []
        for where, state in wanted:
            need: dict[str, Any] = {}
            who = seer(world, resource, where, need)
            try:
                made = world.obtain(resource, where, need, state=state)
            except NotBuilt:
                continue
            record = seen_by(world, who, made)[0] if who else _best_view(world, made)[0]
            if record:
                found.append(record)
        world.specimens[key] = tuple(found)
    return world.specimens[key]


@dataclass
class _Choosing:
    """Chooses values that differ from the present ones and would do harm if they were taken."""

    world: World
    case: Case
    examples: tuple[Record, ...]
    described: Mapping[str, Property]

    def comes_anyway(self, name: str, value: Any) -> bool:
        """Whether the property has that value without being set."""
        return any(same(value_of(one, name), value) for one in self.examples)

    def value(self, name: str, kind: str | None) -> Any:
        """A value for the property `name`, None if nothing sensible can be tried."""
        assert self.case.resource and self.case.tenant
        present = value_of(self.examples[0], name)
        described = self.described.get(plain(name))
        if plain(name) == "id":
            known_id = present if present is not None else uuid.uuid4()
            return self.world.synthesis.similar(str(known_id) if present is None else present)
        if kind == "tenant" or (isinstance(present, str) and present == self.case.tenant):
            return self._tenant(present)
        if (most := self._counted(name)) is not None:
            return most + _BEYOND_COUNTING
        listed = described.values if described is not None else ()
        likely = (
            *self._people(present, kind),
            *self._others_of_its_kind(present),
            *self._of_others(name),
            *listed,
        )
        fitting = [one for one in likely if not self.comes_anyway(name, one)]
        if fitting or listed:
            return fitting[0] if fitting else None
        return self._by_type(name, kind, present, described)

    def _counted(self, name: str) -> int | None:
        """The largest value of a property that writes move by themselves, None if none is."""
        found = [value_of(one, name) for one in self.examples]
        numbers = {one for one in found if isinstance(one, int) and not isinstance(one, bool)}
        return max(numbers) if len(numbers) > 1 else None

    def _tenant(self, present: Any) -> Any:
        """The other tenant, by the fact by which records name theirs."""
        world = self.world
        other = next((one for one in policy.tenants(world.target) if one != self.case.tenant), None)
        if other is None:
            return "tried-tenant"
        mine, theirs = world.tenant_facts(self.case.tenant or ""), world.tenant_facts(other)
        fitting = (theirs[key] for key, fact in mine.items() if fact == present and key in theirs)
        return next(fitting, other)

    def _people(self, present: Any, kind: str | None) -> list[Any]:
        """What names other personas where the present value names one."""
        target = self.world.target
        colleagues = [
            self.world.sessions[one].facts()
            for one in target.personas
            if policy.tenant_of(target, one) == self.case.tenant
        ]
        keys = {
            key
            for facts in colleagues
            for key, fact in facts.items()
            if fact == present and key not in _NO_NAMES
        }
        if not keys and kind == "person" and present is None:
            keys = {key for facts in colleagues for key in facts if key.endswith("id")}
        return [facts[key] for key in sorted(keys)[:1] for facts in colleagues if key in facts]

    def _others_of_its_kind(self, present: Any) -> list[Any]:
        """Ids of other records where the present value is one's."""
        known_ids = self.world.instances.values()
        of = {(one.resource, one.tenant) for one in known_ids if str(one.id) == str(present)}
        return [one.id for one in known_ids if (one.resource, one.tenant) in of]

    def _of_others(self, name: str) -> list[Any]:
        """What other records have there."""
        assert self.case.resource and self.case.tenant
        others = _others(self.world, self.case.resource, self.case.tenant)
        found = [value_of(one, name) for one in others]
        return [value for value in found if value is not None and not _is_structure(value)]

    def _by_type(
        self, name: str, kind: str | None, present: Any, described: Property | None
    ) -> Any:
        type_ = described.type if described else None
        shape = described.format if described else None
        if isinstance(present, bool) or type_ == "boolean" or (kind == "flag" and present is None):
            return not present
        if isinstance(present, int | float):
            return present + 1
        if kind == "role":
            return self._role(present, plural=name.endswith("s"))
        if isinstance(present, list) or type_ == "array":
            return None
        if type_ in {"integer", "number"} or (kind == "amount" and type_ is None):
            return 987
        text = str(present or "")
        if shape == "date" or (len(text) == 10 and text[4:5] == "-"):
            return "2001-02-03"
        if shape == "date-time" or (text[4:5] == "-" and "T" in text) or kind == "moment":
            return "2001-02-03T04:05:06Z"
        if shape == "uuid":
            return str(uuid.uuid4())
        if kind == "status":
            return next((one for one in known.states() if one != present), None)
        return f"tried{secrets.token_hex(6)}"

    def _role(self, present: Any, *, plural: bool) -> Any:
        held = {str(one) for one in present} if isinstance(present, list) else {str(present)}
        grants = self.world.target.policy
        roles = [role for role in grants if role != "anonymous" and role not in held]
        if not roles:
            return None
        chosen = max(roles, key=lambda role: sum(len(one) for one in grants[role].values()))
        return [chosen] if plural else chosen
