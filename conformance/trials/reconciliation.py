"""The whole run against the whole trail."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator

from conformance import policy
from conformance.claims import TrailRead
from conformance.journal import Journal, Sent
from conformance.model import Case
from conformance.target import Target
from conformance.trail import (
    Due,
    Entry,
    Reconciled,
)
from conformance.trials.entries import distinct, look, reader_of, trail_of
from conformance.world import World

PAGES_FOR_ALL = 500
_PATIENCE = 150.0
"""Seconds in which no case was finished, after which none is waited for any more."""
_POLL = 0.1
_LOOKED_UP = 10


def reconciled(world: World, case: Case) -> Reconciled:
    """Everything that the run sent and the trail since it began, once all else has been tried."""
    trail, journal = trail_of(world), world.wire.journal
    assert journal is not None
    unfinished = _await_all(journal, case)
    if trail.delay:
        time.sleep(trail.delay)
    unattributed = case.variant == "unattributed"
    where = trail.read
    if unattributed and trail.unattributed is not None:
        where = trail.unattributed
    reader = reader_of(world, where, None if unattributed else case.tenant)
    sent, _ = journal.every()
    due = [_due(one) for one in sent if _belongs(one, case, unattributed=unattributed)]
    since = journal.since - trail.tolerance
    looked, rows = look(world, where, reader, since, PAGES_FOR_ALL)
    found = distinct(rows)
    known, ids = journal.every()
    counted = Counter(one.key for one in known if one.key is not None)
    for one in ids - set(counted):
        counted[one] += 1
    keys = {entry.of("correlation")[0] for entry in found if entry.of("correlation")}
    missing = [one for one in due if one.key not in keys]
    elsewhere = _elsewhere(world, missing, since) if missing else frozenset()
    return Reconciled(
        case=case,
        trail=trail,
        reads=tuple(looked),
        entries=found,
        due=tuple(due),
        sent=counted,
        elsewhere=elsewhere,
        invented=tuple(_invented(journal, found, ids | set(counted))),
        plain=frozenset(_plain(world.target)),
        kinds=_kinds(world.target),
        unfinished=unfinished,
        cut=len(looked) == PAGES_FOR_ALL,
    )


def _await_all(journal: Journal, case: Case) -> str | None:
    """Wait until all other cases are finished; why not, if they will not be."""
    mine = f"{case.suite}.{case.property}."
    left = {one for one in journal.unfinished() if not one.startswith(mine)}
    moved = time.monotonic()
    while left and not journal.stopping and time.monotonic() - moved < _PATIENCE:
        time.sleep(_POLL)
        now = {one for one in journal.unfinished() if not one.startswith(mine)}
        if len(now) < len(left):
            moved = time.monotonic()
        left = now
    if not left:
        return None
    return f"{len(left):,} of {len(journal.planned):,} planned cases were not finished"


def _belongs(sent: Sent, case: Case, *, unattributed: bool) -> bool:
    """Whether a request must have left an entry in the trail that the case is about."""
    if not sent.due or sent.key is None:
        return False
    if sent.event == "unauthenticated":
        return unattributed
    return not unattributed and sent.tenant == case.tenant


def _due(sent: Sent) -> Due:
    assert sent.key is not None and sent.operation is not None and sent.event is not None
    return Due(sent.key, sent.persona, sent.request, sent.operation, sent.event)


def _elsewhere(world: World, missing: list[Due], since: float) -> frozenset[str]:
    """Those of the missing ids that stand in another trail: of another tenant, or unattributed.

    A request with somebody else's or an ended credential may be entered there. Many are not
    looked up one by one: if none of the first is in a trail, none of them is taken to be.
    """
    found: set[str] = set()
    for read, reader in _every_reader(world):
        before = len(found)
        for one in missing[:_LOOKED_UP]:
            _looked, rows = look(world, read, reader, since, correlation=one.key)
            if any(row.of("correlation") == (one.key,) for row in rows):
                found.add(one.key)
        if len(found) > before and len(missing) > _LOOKED_UP:
            _looked, rows = look(world, read, reader, since, PAGES_FOR_ALL)
            found |= {row.of("correlation")[0] for row in rows if row.of("correlation")}
    return frozenset(found)


def _every_reader(world: World) -> Iterator[tuple[TrailRead, str]]:
    trail = trail_of(world)
    for tenant in policy.tenants(world.target):
        yield trail.read, reader_of(world, trail.read, tenant)
    if trail.unattributed is not None:
        yield trail.unattributed, reader_of(world, trail.unattributed, None)


def _invented(journal: Journal, found: Iterable[Entry], known: set[str]) -> Iterator[Entry]:
    for entry in found:
        key = entry.of("correlation")[0] if entry.of("correlation") else ""
        if journal.is_ours(key) and key not in known:
            yield entry


def _plain(target: Target) -> Iterator[str]:
    """Operations of which the status alone says what came of them."""
    if target.outcomes:
        return
    for resource, described in target.resources.items():
        for name, operation in described.operations.items():
            if not operation.outcomes:
                yield f"{resource}.{name}"


def _kinds(target: Target) -> dict[str, tuple[str, str]]:
    return {
        f"{resource}.{name}": (described.kind(name), operation.request)
        for resource, described in target.resources.items()
        for name, operation in described.operations.items()
    }
