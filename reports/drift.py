"""Drift of access between two runs: which cells of the lattice opened, closed, came or went.

A cell is a role, its relation to the record, an operation, and perhaps one field of the record.
How it stands is what was observed, not what the policy says, and never what was not tried:
a cell that nobody could conclude is unknown, and unknown is not closed. Personas and addresses
play no part, so runs in two environments can be compared. Tenants play one where they stand
differently and both runs have them: what opens in one is not hidden by another that was open.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml

from reports.defects import RELATION_WORDS, counted
from reports.ledger import Case, Run, Verdict
from reports.matrix import role_name
from reports.proofs import Fields

Level = Literal["closed", "tells", "open", "open and tells", "unknown"]
Act = Literal["use", "see", "set"]
Move = Literal["widened", "narrowed", "unknown now", "known now", "new", "gone", "same"]

SCHEMA = 1

LEVELS: tuple[Level, ...] = ("closed", "tells", "open", "open and tells")
"""From the narrowest to the widest; `unknown` is none of them."""

LEVEL_WORDS: dict[Level, str] = {
    "closed": "closed",
    "tells": "closed, but tells something",
    "open": "open",
    "open and tells": "open, and tells more than it should",
    "unknown": "unknown",
}
MOVE_WORDS: dict[Move, str] = {
    "widened": "Widened: more is possible than before",
    "narrowed": "Narrowed: less is possible than before",
    "unknown now": "Unknown now: nobody can say whether it is still as it was",
    "known now": "Known now: nobody could say before",
    "new": "New: the older run had no such operation or role",
    "gone": "Gone: the newer run has no such operation or role",
    "same": "The same",
}
_MOVES = tuple(MOVE_WORDS)

ACT_WORDS: dict[Act, str] = {"use": "", "see": "seen", "set": "set"}

_DATA = Path(__file__).with_name("data") / "lattice.yaml"


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One place of the lattice; `field` is "" for the operation as a whole (`act` is `use`).

    `tenant` is "" for all tenants alike, else the actor's, as `east`, with that of the record
    where it is another one, as `east on west`.
    """

    resource: str
    operation: str
    role: str
    relation: str
    field: str = ""
    act: Act = "use"
    tenant: str = ""

    @property
    def words(self) -> str:
        """The cell as people read it: `nurse: patient.read, other tenant, field email seen`."""
        of = f", tenant {self.tenant}" if self.tenant else ""
        told = (
            f"{self.role}{of}: {self.resource}.{self.operation}, "
            f"{RELATION_WORDS.get(self.relation, self.relation)}"
        )
        return f"{told}, field {self.field} {ACT_WORDS[self.act]}" if self.field else told


@dataclass(frozen=True, slots=True)
class Standing:
    """How a cell stands, and the case that says so (the newest of the widest)."""

    level: Level
    case: str


@dataclass(frozen=True, slots=True)
class Change:
    """A cell of two runs; None where a run has no such cell at all."""

    cell: Cell
    old: Standing | None
    new: Standing | None
    move: Move

    @property
    def words(self) -> str:
        """Both levels as people read them."""
        return f"{_level_words(self.old)} → {_level_words(self.new)}"


@dataclass(frozen=True, slots=True)
class Grant:
    """What the policy of the one run says of an operation and that of the other does not."""

    role: str
    resource: str
    operation: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Owned:
    """The acceptance of one widened cell: exact, dated, and with an owner.

    `old` and `new` are the levels that were accepted; a cell that is wider than `new` is not.
    `place` says where it was written, for messages.
    """

    cell: Cell
    old: Level
    new: Level
    reason: str
    owner: str
    approver: str
    expires: date
    granted: date
    ticket: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """All changes between two runs. `owned` maps cells to the acceptance that holds for them."""

    changes: tuple[Change, ...]
    unchanged: int
    still_unknown: tuple[Cell, ...]
    policy: tuple[Grant, ...]
    owned: Mapping[Cell, Owned]
    stale: tuple[tuple[Owned, str], ...]
    notes: tuple[str, ...]
    doubts: tuple[str, ...] = ()

    def of(self, move: Move) -> tuple[Change, ...]:
        """The changes of one kind."""
        return tuple(one for one in self.changes if one.move == move)

    @property
    def unowned(self) -> tuple[Change, ...]:
        """The widened cells that nobody owns."""
        return tuple(one for one in self.of("widened") if one.cell not in self.owned)

    @property
    def exit_code(self) -> int:
        """1 for a widened cell without an owner or an acceptance that no longer holds; 2 where
        something is unknown that matters, or a ledger is not to be relied on; else 0."""
        if self.unowned or self.stale:
            return 1
        open_in_doubt = self.of("unknown now") or self.still_unknown or self.opened_unseen
        return 2 if open_in_doubt or self.doubts else 0

    @property
    def opened_unseen(self) -> tuple[Change, ...]:
        """Cells that are not closed and of which nobody knows whether they were."""
        return tuple(one for one in self.of("known now") if one.new and one.new.level != "closed")

    @property
    def sentence(self) -> str:
        """The outcome in one sentence."""
        widened, unowned = self.of("widened"), self.unowned
        if unowned:
            return (
                f"{counted(len(unowned), 'cell')} of the lattice widened and nobody owns "
                f"{'it' if len(unowned) == 1 else 'them'}."
            )
        if self.stale:
            count = len(self.stale)
            return (
                f"No cell widened without an owner, but {counted(count, 'acceptance')} of drift "
                f"no longer {'holds' if count == 1 else 'hold'}."
            )
        accepted = f" but {counted(len(widened), 'cell')} that somebody owns" if widened else ""
        if self.exit_code == 2:
            if self.doubts:
                return f"No cell widened{accepted}, as far as these two runs can be relied on."
            return (
                f"No cell that is known in both runs widened{accepted}, but there are cells of "
                "which nobody can say it."
            )
        return f"No cell widened{accepted}."


@dataclass(frozen=True, slots=True)
class _Rules:
    openings: frozenset[str]
    tells: frozenset[str]
    elsewhere: frozenset[str]


@lru_cache
def _rules() -> _Rules:
    data = yaml.safe_load(_DATA.read_text(encoding="utf-8"))
    return _Rules(
        frozenset(data["openings"]), frozenset(data["tells"]), frozenset(data["elsewhere"])
    )


# --- the lattice of one run -----------------------------------------------------------------------


def lattice(run: Run) -> Mapping[Cell, Standing]:
    """How every cell that the run planned stands.

    Where several cases are about one cell (in several tenants, with a variant), the widest level
    that was observed counts; a cell in which nothing was open and something could not be
    concluded is unknown.
    """
    return {
        cell: _together([one for found in tenants.values() for one in found])
        for cell, tenants in _by_tenant(run).items()
    }


def _by_tenant(run: Run) -> dict[Cell, dict[str, list[Standing]]]:
    """What was observed of each cell, by the name that `Cell.tenant` has for who tried it."""
    found: dict[Cell, dict[str, list[Standing]]] = defaultdict(lambda: defaultdict(list))
    for case, verdict in run.judged():
        tenant = case.tenant or ""
        if case.other:
            tenant = f"{tenant or 'none'} on {case.other}"
        for cell, standing in _observed(case, verdict):
            found[cell][tenant].append(standing)
    return found


def _together(found: Sequence[Standing]) -> Standing:
    known = [one for one in found if one.level != "unknown"]
    widest = max(known, key=lambda one: LEVELS.index(one.level), default=None)
    if widest is None or (widest.level == "closed" and len(known) < len(found)):
        return next(one for one in found if one.level == "unknown")
    return widest


def _observed(case: Case, verdict: Verdict) -> Iterator[tuple[Cell, Standing]]:
    """The cells of which a judged case says something."""
    if not (case.resource and case.operation and case.roles):
        return
    whole = Cell(
        case.resource, case.operation, role_name(case.roles), case.relation or "collection"
    )
    fields = verdict.detail if isinstance(verdict.detail, Fields) else None
    if fields is not None:
        for name in fields.closed:
            yield replace(whole, field=name, act=fields.act), Standing("closed", case.id)
        for name in fields.open:
            yield replace(whole, field=name, act=fields.act), Standing("open", case.id)
        return
    level = _level(case, verdict)
    if level is not None:
        yield whole, Standing(level, case.id)


def _level(case: Case, verdict: Verdict) -> Level | None:
    """The level that a verdict shows; None if it says nothing about access."""
    rules = _rules()
    aside = not rules.elsewhere.isdisjoint({case.suite, f"{case.suite}.{case.property}"})
    if verdict.kind in rules.openings and verdict.outcome == "fail":
        return "open"
    if verdict.kind in rules.tells and verdict.outcome == "fail":
        return "open and tells" if case.expected == "allow" and not aside else "tells"
    if aside:
        return None
    match verdict.word:
        case "conform-allow":
            return "open"
        case "conform-deny":
            # Where the operation was to be served, it was something else that was refused.
            return "closed" if case.expected != "allow" else None
        case "over-restriction":
            return "closed"
        case "inconclusive" | "not-tested":
            return "unknown"
        case _:
            return None


# --- two runs -------------------------------------------------------------------------------------


def drift(old: Run, new: Run, owned: Sequence[Owned] = (), *, today: date) -> Drift:
    """The drift from `old` to `new`. `owned` acceptances count until they expire before `today`."""
    before, after = _by_tenant(old), _by_tenant(new)
    there_before, there_after = _Extent.of(old, before), _Extent.of(new, after)
    changes: list[Change] = []
    unknown: list[Cell] = []
    unchanged = 0
    for whole in sorted(before.keys() | after.keys()):
        for cell, was, is_ in _parts(whole, before.get(whole, {}), after.get(whole, {})):
            change = _change(cell, was, is_, there_before, there_after)
            if change.move != "same":
                changes.append(change)
            elif change.new is None or change.new.level == "unknown":
                unknown.append(cell)
            else:
                unchanged += 1
    holding, stale = _owned(changes, owned, today)
    return Drift(
        changes=tuple(sorted(changes, key=lambda one: (_MOVES.index(one.move), one.cell))),
        unchanged=unchanged,
        still_unknown=tuple(unknown),
        policy=tuple(_policy(old, new)),
        owned=holding,
        stale=tuple(stale),
        notes=tuple(_notes(old, new)),
        doubts=tuple(_doubts(old, new)),
    )


_Tenants = Mapping[str, list[Standing]]


def _parts(
    cell: Cell, before: _Tenants, after: _Tenants
) -> Iterator[tuple[Cell, Standing | None, Standing | None]]:
    """The cell with how it stood and stands: as one where its tenants are alike, else by tenant.

    A tenant that only one of the runs has is compared with all of the other run together.
    """
    whole_before, whole_after = _all(before), _all(after)
    was = {tenant: _together(found) for tenant, found in before.items()}
    is_ = {tenant: _together(found) for tenant, found in after.items()}
    differ = any(len({one.level for one in found.values()}) > 1 for found in (was, is_))
    if not differ or not was.keys() & is_.keys():
        yield cell, whole_before, whole_after
        return
    for tenant in sorted(was.keys() | is_.keys()):
        yield (
            replace(cell, tenant=tenant),
            was.get(tenant, whole_before),
            is_.get(tenant, whole_after),
        )


def _all(tenants: _Tenants) -> Standing | None:
    found = [one for some in tenants.values() for one in some]
    return _together(found) if found else None


@dataclass(frozen=True, slots=True)
class _Extent:
    """Which operations and roles a run knows at all, whether it tried them or not."""

    operations: frozenset[tuple[str, str]]
    roles: frozenset[str]

    @classmethod
    def of(cls, run: Run, cells: Iterable[Cell]) -> _Extent:
        declared = {(name, one) for name, made in run.header.resources.items() for one in made}
        roles = {role_name(persona.roles) for persona in run.header.personas}
        return cls(
            frozenset(declared | {(cell.resource, cell.operation) for cell in cells}),
            frozenset(roles | {cell.role for cell in cells}),
        )

    def has(self, cell: Cell) -> bool:
        return (cell.resource, cell.operation) in self.operations and cell.role in self.roles


def _change(
    cell: Cell, old: Standing | None, new: Standing | None, before: _Extent, after: _Extent
) -> Change:
    # Not planned where it could have been is not the same as closed: nobody knows.
    if old is None and before.has(cell):
        old = Standing("unknown", "")
    if new is None and after.has(cell):
        new = Standing("unknown", "")
    return Change(cell, old, new, _move(old, new))


def _move(old: Standing | None, new: Standing | None) -> Move:
    if old is None or new is None:
        return "new" if old is None else "gone"
    if old.level == new.level:
        return "same"
    if "unknown" in (old.level, new.level):
        return "unknown now" if new.level == "unknown" else "known now"
    return "widened" if LEVELS.index(new.level) > LEVELS.index(old.level) else "narrowed"


def _owned(
    changes: Sequence[Change], owned: Sequence[Owned], today: date
) -> tuple[dict[Cell, Owned], list[tuple[Owned, str]]]:
    widened = {one.cell: one for one in changes if one.move == "widened"}
    holding: dict[Cell, Owned] = {}
    stale: list[tuple[Owned, str]] = []
    for one in owned:
        change = widened.get(one.cell)
        if change is None or change.old is None or change.new is None:
            stale.append((one, _not_widened(one.cell, widened)))
        elif one.expires < today:
            stale.append((one, f"it expired on {one.expires}; mend the target or accept it anew"))
        elif (change.old.level, change.new.level) != (one.old, one.new):
            what = f"{_level_words(change.old)} → {_level_words(change.new)}"
            accepted = f"{LEVEL_WORDS[one.old]} → {LEVEL_WORDS[one.new]}"
            stale.append((one, f"accepted was {accepted}, and what happened is {what}"))
        else:
            holding[one.cell] = one
    return holding, stale


def _not_widened(cell: Cell, widened: Iterable[Cell]) -> str:
    tenants = [
        one.tenant or "all tenants"
        for one in widened
        if one != cell and replace(one, tenant=cell.tenant) == cell
    ]
    if not tenants:
        return "this cell did not widen, so take the acceptance out"
    return f"what widened is that of {', '.join(tenants)}: say so under `tenant`, or mend it"


def _policy(old: Run, new: Run) -> Iterator[Grant]:
    before, after = _grants(old), _grants(new)
    for place in sorted(before.keys() | after.keys()):
        if before.get(place, "") != after.get(place, ""):
            yield Grant(*place, old=before.get(place, ""), new=after.get(place, ""))


def _grants(run: Run) -> dict[tuple[str, str, str], str]:
    return {
        (role, resource, operation): effects
        for role, resources in run.header.policy.items()
        for resource, operations in resources.items()
        for operation, effects in operations.items()
    }


def _notes(old: Run, new: Run) -> Iterator[str]:
    """What a reader has to know before comparing these two."""
    one, other = old.header, new.header
    if one.target.name != other.target.name:
        yield f"The runs are of targets with two names: {one.target.name}, {other.target.name}."
    if one.profile != other.profile:
        yield (
            f"The runs have two profiles ({one.profile}, {other.profile}), so they tried different "
            "sets of cases; what only one of them tried is unknown in the other."
        )
    if one.wardproof != other.wardproof:
        yield (
            f"They were made by Wardproof {one.wardproof} and {other.wardproof}: what changed may "
            "be what was tried, not the target."
        )
    if sorted(one.suites) != sorted(other.suites):
        yield "They ran different suites."


def _doubts(old: Run, new: Run) -> Iterator[str]:
    """Why one of the two cannot be relied on."""
    for which, run in (("older", old), ("newer", new)):
        if run.broken_at is not None:
            yield f"The ledger of the {which} run was changed: its chain of hashes is broken."
        if run.end is None or run.end.interrupted or run.cut:
            yield f"The {which} run did not come to its end."


def _level_words(standing: Standing | None) -> str:
    return LEVEL_WORDS[standing.level] if standing else "not there"


# --- for other programs ---------------------------------------------------------------------------


def plain(old: Run, new: Run, found: Drift) -> dict[str, Any]:
    """The drift as a JSON value, as drift.schema.json describes it."""
    return {
        "schema": SCHEMA,
        "exit_code": found.exit_code,
        "sentence": found.sentence,
        "old": _side(old),
        "new": _side(new),
        "changes": [
            {
                **_plain_cell(one.cell),
                "move": one.move,
                "old": _plain_standing(one.old),
                "new": _plain_standing(one.new),
                "owner": found.owned[one.cell].owner if one.cell in found.owned else None,
            }
            for one in found.changes
        ],
        "unchanged": found.unchanged,
        "unknown_in_both": [_plain_cell(cell) for cell in found.still_unknown],
        "policy": [
            {
                "role": one.role,
                "resource": one.resource,
                "operation": one.operation,
                "old": one.old,
                "new": one.new,
            }
            for one in found.policy
        ],
        "stale": [{**_plain_cell(one.cell), "why": why} for one, why in found.stale],
        "notes": list(found.notes),
        "doubts": list(found.doubts),
    }


def _side(run: Run) -> dict[str, Any]:
    header = run.header
    return {
        "target": header.target.name,
        "version": header.target.version,
        "base_url": header.target.base_url,
        "profile": header.profile,
        "started": header.started,
        "ledger": run.head,
    }


def _plain_cell(cell: Cell) -> dict[str, Any]:
    return {
        "role": cell.role,
        "relation": cell.relation,
        "resource": cell.resource,
        "operation": cell.operation,
        "field": cell.field or None,
        "act": cell.act,
        "tenant": cell.tenant or None,
    }


def _plain_standing(standing: Standing | None) -> dict[str, Any] | None:
    return {"level": standing.level, "case": standing.case or None} if standing else None
