"""Wall times that never come, and wall times that come twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from conformance import pins
from conformance.clock import clock_of, moment
from conformance.instants import (
    DAY,
    at_wall,
    exists,
    happens_twice,
    written,
)
from conformance.ledgers import (
    LocalTimeLedger,
)
from conformance.model import Case, Outcome, Read
from conformance.oracles.day_boundary import Happening, Row
from conformance.races import Action
from conformance.sources.day_boundary import pin_of
from conformance.trials.day_boundary.acting import (
    begin,
    clock_off,
    gap_end,
    ledger_of,
    said_of,
    scene_of,
    value_of,
    with_rules,
)
from conformance.verdicts import no_statement
from conformance.world import World


@with_rules
def local_time(world: World, case: Case) -> Happening:
    """Wall times around the next clock change: an ordinary one, one left out, one twice."""
    clock = clock_of(world)
    ledger = ledger_of(world, case)
    assert isinstance(ledger, LocalTimeLedger)
    pin = pin_of(world.target, case)
    what, adapter = said_of(world, case), clock.claims.adapter
    with clock.held():
        scene = scene_of(world, case, pin)
        scene.come()
        said, off = clock_off(clock, pin)
        usual = datetime.combine(pin.date + DAY, time(11, 20))
        row, control = _named_time(world, case, ledger, usual, "an ordinary time")
        rows = [row]
        change = pins.change_after(pin)
        if change is not None:
            rows += _around(world, case, ledger, change)
        return Happening(case, pin, adapter, what, (control,), tuple(rows), said, off)


def _around(world: World, case: Case, ledger: LocalTimeLedger, change: datetime) -> Iterator[Row]:
    pin = pin_of(world.target, case)
    where = ZoneInfo(pin.zone)
    sooner = (change - timedelta(seconds=1)).astimezone(where).utcoffset() or timedelta()
    later = change.astimezone(where).utcoffset() or timedelta()
    local = (change + (sooner + later) / 2).replace(tzinfo=None)
    if not exists(local, pin.zone):
        yield _named_time(world, case, ledger, local, "a time that does not exist")[0]
    elif happens_twice(local, pin.zone):
        yield _named_time(world, case, ledger, local, "a time that happens twice")[0]
        if ledger.with_fold is not None:
            for fold in (0, 1):
                label = f"the {('first', 'second')[fold]} of a time that happens twice"
                yield _named_time(world, case, ledger, local, label, fold)[0]
        if ledger.by_instant is not None:
            for fold in (0, 1):
                label = f"the instant of the {('first', 'second')[fold]} of two equal times"
                row, _read = _named_time(world, case, ledger, local, label, fold, ledger.by_instant)
                yield row


def _named_time(
    world: World,
    case: Case,
    ledger: LocalTimeLedger,
    local: datetime,
    label: str,
    fold: int | None = None,
    event: Action | None = None,
) -> tuple[Row, Read]:
    pin = pin_of(world.target, case)
    scene = scene_of(world, case, pin)
    if event is None:
        event = ledger.with_fold if fold is not None and ledger.with_fold else ledger.event
    given: dict[str, Any] = {
        "local": local.isoformat(timespec="minutes"),
        "instant": written(at_wall(local, pin.zone, fold or 0)),
    }
    if fold is not None:
        given["fold"] = fold
    ready = begin(scene, ledger, event, given)
    scene.come()
    read = scene.act(ready)
    scene.subject(ready)
    missing = not exists(local, pin.zone)
    rule = "local-time.missing" if missing else "local-time.twice"
    expected = _expected_time(ledger, local, pin.zone, fold)
    reads = [read]
    if read.outcome is Outcome.ALLOWED:
        reads = scene.do(ledger.read) if ledger.read else reads
        told = moment(value_of(ledger.value, scene.values, reads))
        observed = written(told) if told else "no instant"
        if missing and ledger.missing == "moved" and told is not None:
            able = [at_wall(local, pin.zone, one) for one in (0, 1)]
            moved = [*able, gap_end(able, pin.zone)]
            expected = observed if told in moved else expected
        return Row(label, rule, expected, observed, tuple(reads)), read
    refused = read.outcome in {Outcome.INVALID, Outcome.CONFLICT, Outcome.DENIED}
    promised = ledger.refusals is None or (
        read.exchange.answer is not None and read.exchange.answer.status in ledger.refusals
    )
    if refused and promised:
        return Row(label, rule, expected, "refused", (read,)), read
    trouble = no_statement(read) or f"answered {read.status}"
    return Row(label, rule, expected, "", (read,), trouble), read


def _expected_time(ledger: LocalTimeLedger, local: datetime, zone: str, fold: int | None) -> str:
    if not exists(local, zone):
        return "refused" if ledger.missing == "refused" else "moved past the gap"
    if happens_twice(local, zone) and fold is None:
        if ledger.twice == "refused":
            return "refused"
        return written(at_wall(local, zone, int(ledger.twice == "second")))
    return written(at_wall(local, zone, fold or 0))
