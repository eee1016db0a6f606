"""Series: the pages of a list, what answers gather or count, ids in a row, durations in turns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from conformance import leafing, policy, timings
from conformance.canary import Planted
from conformance.comparison import parsed
from conformance.extraction import extract, values
from conformance.instances import Instance, NotBuilt, Payload
from conformance.leafing import Leafing
from conformance.model import Case, Outcome, Read, Relation, Stranger, Subject, Trial
from conformance.target import ANONYMOUS, SAFE_KINDS
from conformance.trials.pages import PAGE_LIMIT, walk
from conformance.trials.setting import (
    Setting,
    control_of,
    ghosts_of,
    opened,
    permitted,
    searched,
    send,
    set_up,
    tenant_of,
)
from conformance.visibility import TELLING, hidden
from conformance.world import World


@dataclass(frozen=True)
class Listing:
    """All pages of a list, what they claim to hold, and the instances that must be in them.

    `leafings` are walks by small pages, as many as it takes to be sure; `strangers` are rows that
    the reader may not see; `twice` are rows that one page shows more than once.
    """

    case: Case
    pages: tuple[Read, ...]
    rows: int
    total: Any
    expected: tuple[str, ...]
    shown: tuple[str, ...]
    complete: bool
    steady: bool = True
    paged: bool = True
    leafings: tuple[Leafing, ...] = ()
    strangers: tuple[Stranger, ...] = ()
    twice: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether the total, if there is one, is the number of rows."""
        return self.total is None or not self.complete or str(self.total) == str(self.rows)

    def same_rows(self, other: Listing) -> bool:
        """Whether another walk found the very same rows."""
        return self.rows == other.rows and sorted(self.shown) == sorted(other.shown)


_WALKS = 6


def listing(world: World, case: Case) -> Listing:
    """A list, page after page, with an instance that the persona may see planted first.

    Others may add rows at any time. So a count that disagrees counts only if the next walk finds
    the very same rows; if rows never stand still, the listing is not steady.
    """
    found = _stood_still(world, case)
    strangers = tuple(_strangers(world, case, found))
    return replace(found, strangers=strangers, leafings=tuple(_leafed(world, case, found)))


def _stood_still(world: World, case: Case) -> Listing:
    found = _listing(world, case)
    for _ in range(_WALKS):
        if found.agrees:
            return found
        following = _listing(world, case)
        if found.same_rows(following):
            return found
        found = following
    return found if found.agrees else replace(found, steady=False)


def _strangers(world: World, case: Case, found: Listing) -> Iterator[Stranger]:
    """Rows of records of this run that the reader may not see, whatever the rows hold.

    A short id may be that of another record, of another tenant or below another one. So it counts
    only where two new strangers bring a row each that was not there before.
    """
    assert case.persona and case.resource and case.operation
    about, shown = (case.resource, case.operation), set(found.shown)
    doubtful: list[tuple[Stranger, Instance]] = []
    for one in list(world.instances.values()):
        if one.resource != case.resource or str(one.id) not in shown:
            continue
        why = hidden(world, case.persona, about, one)
        if why is None:
            continue
        stranger = Stranger(one.resource, str(one.id), *why)
        if len(stranger.id) >= TELLING:
            yield stranger
        else:
            doubtful.append((stranger, one))
    for stranger, one in doubtful[:1]:
        if all(_comes_along(world, case, one) for _ in range(2)):
            yield stranger


def _comes_along(world: World, case: Case, stranger: Instance) -> bool:
    """Whether a new record like this one brings a row that was not there before."""
    before = set(_listing(world, case).shown)
    try:
        anew = world.obtain(stranger.resource, stranger.tenant, {}, fresh=True)
    except NotBuilt:
        return False
    return str(anew.id) not in before and str(anew.id) in _listing(world, case).shown


def _leafed(world: World, case: Case, found: Listing) -> Iterator[Leafing]:
    """Walks by small pages, each between two by large ones, until one is in order or they agree.

    What goes wrong from the second page on hides in one large page. The rows of small pages need
    no oracle of their own for leaks, every answer passes that.
    """
    assert case.resource and case.operation
    paging = world.target.operation(case.resource, case.operation).next
    if paging is None or not paging.size:
        return
    odd: list[Leafing] = []
    while len(odd) < _WALKS and found.complete:
        pages, ended = _small_pages(world, case, len(found.shown))
        shown = tuple(_ids(world, case, pages))
        one = Leafing(found.shown, shown, ended, found.shown, pages=pages)
        if not (leafing.lost(one) or leafing.repeated(one) or leafing.scrambled(one)):
            yield one
            return
        after = _listing(world, case).shown
        found = _listing(world, case)
        odd.append(replace(one, after=after, again=found.shown))
        yield odd[-1]
        if leafing.agreed(odd):
            return


_SMALL_PAGES = 4
_USUALLY_LEAST = 10
"""Rows that a page has where targets refuse to make it smaller."""


def _small_pages(world: World, case: Case, there: int) -> tuple[tuple[Read, ...], bool]:
    """The first small pages of a list of `there` rows, and whether there are no more."""
    assert case.persona and case.resource and case.operation
    payload, _mine = _asking(world, case)
    about = (case.persona, case.resource, case.operation)
    pages: list[Read] = []
    # Two rows show where one page begins and another ends; one, where there is no third.
    for rows in (2 if there > 2 else 1, _USUALLY_LEAST):
        pages = walk(world, *about, payload, "attempt", rows=rows, limit=_SMALL_PAGES)
        if pages[0].outcome is Outcome.ALLOWED:
            break
    served = tuple(page for page in pages if page.outcome is Outcome.ALLOWED)
    last = pages[-1]
    # A following page that is refused for good ends the list as well: nobody can get further.
    answer = last.exchange.answer
    cut = last.outcome is not Outcome.ALLOWED and (answer is None or answer.status == 429)
    return tuple(pages), bool(served) and len(pages) < _SMALL_PAGES and not cut


def counting(world: World, case: Case) -> Listing:
    """What an operation counts, with the rows that the same reader reaches in the list.

    The count stands between two walks; rows that come and go in between do not count against it.
    """
    assert case.resource and case.operation and case.persona
    operation = world.target.operation(case.resource, case.operation)
    rows = replace(case, operation=operation.counts, kind="list")
    before = replace(_listing(world, rows), total=None)
    for _ in range(_WALKS):
        read, _payload = send(world, permitted(world, case), case.persona, "attempt")
        answer = read.exchange.answer
        total = extract(operation.total or "$", answer) if answer else None
        after = replace(_listing(world, rows), total=None)
        pages = (*after.pages, read)
        found = replace(after, case=case, total=total, pages=pages)
        if found.agrees or before.same_rows(after):
            return found
        if replace(before, total=total).agrees:
            return replace(found, rows=before.rows)
        before = after
    return replace(found, steady=False)


def _asking(world: World, case: Case) -> tuple[Payload, Instance | None]:
    """What the list is asked with, and the instance that must be in it."""
    assert case.persona and case.resource and case.operation and case.tenant
    operation = world.target.operation(case.resource, case.operation)
    mine = listed(world, case)
    lineage = dict(mine.lineage()) if mine else {}
    for name in world.target.needs(case.resource, operation):
        if name not in lineage:
            lineage[name] = world.obtain(name, case.tenant, {})
    return world.payload(case.persona, case.resource, case.tenant, lineage), mine


def _listing(world: World, case: Case) -> Listing:
    assert case.persona and case.resource and case.operation and case.tenant
    operation = world.target.operation(case.resource, case.operation)
    payload, mine = _asking(world, case)
    _plant_strangers(world, case)
    _fill_pages(world, case, mine)
    pages = walk(world, case.persona, case.resource, case.operation, payload, "attempt")
    last = pages[-1].exchange.answer
    return Listing(
        case=case,
        pages=tuple(pages),
        rows=len(_rows(world, case, pages)),
        total=extract(operation.total, last) if operation.total and last is not None else None,
        expected=(str(mine.id),) if mine is not None and operation.items else (),
        shown=tuple(_ids(world, case, pages)),
        complete=len(pages) < PAGE_LIMIT,
        paged=operation.next is not None,
        twice=tuple(_twice(world, case, pages)) if operation.item_id is None else (),
    )


def _twice(world: World, case: Case, pages: Iterable[Read]) -> Iterator[str]:
    """Ids of rows, their own and not what they refer to, that one page shows more than once."""
    for page in pages:
        counted = Counter(_ids(world, case, [page]))
        yield from (one for one, times in counted.items() if times > 1)


def _rows(world: World, case: Case, pages: Iterable[Read]) -> list[Any]:
    assert case.resource and case.operation
    items = world.target.operation(case.resource, case.operation).items
    if not items:
        return []
    answers = [page.exchange.answer for page in pages]
    return [row for answer in answers if answer for row in values(items, parsed(answer))]


def _ids(world: World, case: Case, pages: Iterable[Read]) -> list[str]:
    assert case.resource and case.operation
    item_id = world.target.operation(case.resource, case.operation).item_id or "$.id"
    return [str(one) for row in _rows(world, case, pages) for one in values(item_id, row)]


def _plant_strangers(world: World, case: Case) -> None:
    """A record of another tenant, and an unrelated one, so that there is something to leak."""
    assert case.persona and case.resource and case.operation and case.tenant
    if policy.creating(world.target, case.resource) is None:
        return
    granted = policy.grants(world.target, case.roles, case.resource, case.operation)
    strangers: list[tuple[str, dict[str, Relation]]] = []
    other = next((one for one in policy.tenants(world.target) if one != case.tenant), None)
    if other is not None:
        strangers.append((other, {}))
    if not any(grant.covers(frozenset(), same_tenant=True) for grant in granted):
        strangers.append((case.tenant, {case.persona: Relation.SAME_TENANT}))
    for tenant, need in strangers:
        try:
            world.obtain(case.resource, tenant, need)
        except NotBuilt:
            # The list is judged all the same; cases about that record say what is missing.
            continue


def _fill_pages(world: World, case: Case, mine: Instance | None) -> None:
    """Rows enough for a second page, here and in another tenant, so that there is what may leak.

    A list of what belongs to one record is filled below that very record, once for all personas.
    """
    assert case.persona and case.resource and case.operation and case.tenant
    operation = world.target.operation(case.resource, case.operation)
    paging = operation.next
    if paging is None or mine is None or not mine.made:
        return
    about = world.target.object_of(case.resource, case.operation)
    above = mine.lineage().get(about) if about else None
    if about and (above is None or above is mine or not paging.size):
        return
    other = next((one for one in policy.tenants(world.target) if one != case.tenant), None)
    places = [(case.operation, case.tenant)] if above else [("", case.tenant), ("", other)]
    for list_of, tenant in places:
        if tenant is None or (case.resource, list_of, tenant) in world.filled:
            continue
        world.filled.add((case.resource, list_of, tenant))
        for _ in range(3):
            try:
                world.obtain(
                    case.resource, tenant, {}, fresh=True, state=operation.after, within=above
                )
            except NotBuilt:
                break


def listed(world: World, case: Case, *, fresh: bool = False) -> Instance | None:
    """An instance of the resource that the persona's grant on the list covers."""
    assert case.persona and case.resource and case.operation and case.tenant
    if policy.creating(world.target, case.resource) is None and not (
        world.target.resources[case.resource].instances
    ):
        return None
    granted = policy.grants(world.target, case.roles, case.resource, case.operation)
    operation = world.target.operation(case.resource, case.operation)
    about = world.target.object_of(case.resource, case.operation)
    above: dict[str, dict[str, Relation]] = {}
    if about is not None and case.relation in {Relation.OWN, Relation.ASSIGNED}:
        above[about] = {case.persona: case.relation}
    problem: NotBuilt | None = None
    for relation in policy.relations_of(world.target, case.persona, case.resource):
        related = policy.standing(world.target, case.roles, case.resource, relation)
        if any(grant.covers(related, same_tenant=True) for grant in granted):
            try:
                return world.obtain(
                    case.resource,
                    case.tenant,
                    {case.persona: relation} if related else {},
                    fresh=fresh,
                    state=operation.after,
                    above=above,
                )
            except NotBuilt as error:
                problem = error
    if problem is not None:
        raise problem
    return None


def planted(world: World, case: Case) -> list[Instance]:
    """Records for an answer that gathers some: those that its reader may see, strange ones too."""
    assert case.resource and case.operation
    seen: list[Instance] = []
    for resource in world.target.operation(case.resource, case.operation).shows:
        described = world.target.resources[resource]
        safe = [name for name in described.operations if described.kind(name) in SAFE_KINDS]
        # The strange ones by each reading that the reader has, the visible one by the first.
        for name in safe:
            if policy.grants(world.target, case.roles, resource, name):
                reading = replace(case, resource=resource, operation=name)
                _plant_strangers(world, reading)
                instance = listed(world, reading)
                if instance is not None:
                    seen.append(instance)
                break
    return seen


def gathered(world: World, case: Case) -> Trial:
    """An answer that gathers records, made after a visible and a strange one were planted."""
    assert case.persona and case.resource and case.operation and case.tenant
    operation = world.target.operation(case.resource, case.operation)
    seen = planted(world, case)
    setting = permitted(world, case, fresh=True)
    read, _payload = send(world, setting, case.persona, "attempt")
    about = (case.resource, case.operation)
    text = read.exchange.answer.text if read.exchange.answer is not None else ""
    strangers = [
        Stranger(one.resource, str(one.id), *why)
        for one in world.instances.values()
        if one.resource in operation.shows and one.tenant != case.tenant
        if len(str(one.id)) >= TELLING and str(one.id) in text
        if (why := hidden(world, case.persona, about, one)) is not None
    ]
    return Trial(
        case=case,
        attempt=read,
        strangers=tuple(strangers),
        subject=Subject(
            ", ".join(operation.shows),
            case.tenant,
            tuple(str(one.id) for one in seen),
            frozenset(marker for one in seen for marker in one.markers),
        ),
    )


def cursor(world: World, case: Case) -> Trial:
    """Another tenant's cursor in one's own list."""
    assert case.persona and case.resource and case.operation and case.other
    operation = world.target.operation(case.resource, case.operation)
    paging = operation.next
    assert paging is not None
    need: dict[str, Relation] = {}
    listing = (case.other, case.resource, case.operation, need)
    lister = world.choose(*listing, free=True, seeing=True) or world.choose(*listing, seeing=True)
    if lister is None:
        raise NotBuilt(f"nobody in {case.other} may list {case.resource}")
    if policy.creating(world.target, case.resource):
        for _ in range(3):
            world.obtain(case.resource, case.other, need, fresh=True)
    payload = world.payload(lister, case.resource, case.other, {})
    about = (case.resource, case.operation)
    if policy.creating(world.target, case.resource) is None:
        # A trail of what was refused to nobody has entries once something was.
        for _ in range(3):
            world.send(ANONYMOUS, operation, payload, "set-up", about, case.other)
    if paging.size:
        small = {**operation.query, paging.size: 1}
        operation = operation.model_copy(update={"query": small})
    first = world.send(lister, operation, payload, "control", about)
    answer = first.exchange.answer
    following = extract(paging.cursor or paging.link or "$", answer) if answer else None
    if not following:
        raise NotBuilt(
            f"the list of {case.resource} has no second page, so there is no cursor to carry "
            "over; name the query parameter that sets the page size in next.size"
        )
    if paging.link:
        template = operation.model_copy(
            update={"request": f"{operation.method} {following}", "query": {}}
        )
    else:
        query = {**operation.query, str(paging.param): following}
        template = operation.model_copy(update={"query": query})
    payload = world.payload(case.persona, case.resource, case.tenant or "", {})
    read = world.send(case.persona, template, payload, "attempt", about)
    return Trial(case=case, attempt=read, control=first)


def search(world: World, case: Case) -> Trial:
    """A search for their value, the same for a value that nobody has, and by one who may."""
    assert case.persona and case.resource and case.operation
    tenant = tenant_of(world, case)
    operation = world.target.operation(case.resource, case.operation)
    theirs = world.obtain(case.resource, tenant, {})
    term = searched(world, theirs, operation.finds)
    field_name = operation.finds or "name"
    never = world.mint.token(Planted("nowhere", case.resource, field_name, None))
    if case.variant == "beginning":
        # Without its end a token still stands for few records.
        term, never = term[:-4], never[:-4]
    setting = opened(world, case, tenant, theirs)
    read, _ = send(world, setting, case.persona, "attempt", term=term)
    references = [send(world, setting, case.persona, "reference", term=never)[0] for _ in range(2)]
    searcher = next(
        (who for who, _ in world.candidates(tenant, case.resource, case.operation)), None
    )
    control = None
    if searcher is not None:
        control, _ = send(world, setting, searcher, "control", term=term)
    return Trial(
        case=case,
        attempt=read,
        control=control,
        reference=tuple(references),
        subject=Subject(
            theirs.resource, theirs.tenant, (str(theirs.id), term, never), frozenset(theirs.markers)
        ),
    )


@dataclass(frozen=True)
class Identifiers:
    """Values of one kind in the order in which their instances were made."""

    case: Case
    values: tuple[str, ...]


def identifiers(world: World, case: Case) -> Identifiers:
    """The ids (or another claimed value) of five instances made one after another."""
    assert case.resource and case.variant
    tenant = policy.tenants(world.target)[0]
    made = [world.obtain(case.resource, tenant, {}, fresh=True) for _ in range(5)]
    found = [one.id if case.variant == "id" else one.values.get(case.variant) for one in made]
    return Identifiers(case, tuple(str(value) for value in found if value is not None))


PAIRS = 40


@dataclass(frozen=True)
class Timing:
    """Seconds that answers took, measured in turns, for their id and for made-up ones."""

    case: Case
    theirs: tuple[float, ...]
    missing: tuple[float, ...]
    example: Read
    control: Read | None = None
    again: Timing | None = None


def timing(world: World, case: Case) -> Timing:
    """Their id against ids that never existed, in turns; a second round if the first shows much.

    The record is planted with long texts where the target takes them, so that work on a record
    that is then refused has time to show.
    """
    with world.synthesis.long_texts():
        try:
            setting = set_up(world, case, fresh=True)
        except NotBuilt:
            setting = None
    setting = setting or set_up(world, case, fresh=True)
    first = replace(_timed(world, setting), control=control_of(world, setting))
    if timings.suspicious(first.theirs, first.missing):
        return replace(first, again=_timed(world, setting))
    return first


def _timed(world: World, setting: Setting) -> Timing:
    theirs: list[float] = []
    missing: list[float] = []
    example: Read | None = None
    for turn in range(PAIRS + 2):
        ghosts = ghosts_of(world, setting)
        ghost = ghosts[setting.about or setting.resource]
        # The order changes from turn to turn, so that neither side always goes first.
        for real in (True, False) if turn % 2 else (False, True):
            given = {} if real else {"lineage": ghosts, "ids": [ghost.id]}
            read, _ = send(world, setting, setting.persona, "attempt", **given)
            if turn >= 2:
                (theirs if real else missing).append(read.exchange.seconds)
            if real:
                example = read
    assert example is not None
    return Timing(setting.case, tuple(theirs), tuple(missing), example)
