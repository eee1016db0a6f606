"""What is given out for a while, used around its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from conformance.clock import clock_of, moment
from conformance.instances import NotBuilt
from conformance.instants import (
    written,
)
from conformance.known import keep_alive
from conformance.ledgers import (
    LifetimeLedger,
)
from conformance.login import Credentials, LoginFailed, log_in, refresh
from conformance.model import Case, Outcome, Read
from conformance.oracles.day_boundary import Happening, Row
from conformance.races import Action
from conformance.session import Session
from conformance.sources.day_boundary import pin_of
from conformance.target import ANONYMOUS
from conformance.trials.day_boundary.acting import (
    begin,
    clock_off,
    later_scene,
    ledger_of,
    said_of,
    scene_of,
    value_of,
    with_rules,
)
from conformance.trials.scenes import Ready, Scene
from conformance.verdicts import no_statement
from conformance.world import World


@with_rules
def lifetime(world: World, case: Case) -> Happening:
    """What is given out at the pin, used just before and just after it has to end."""
    clock = clock_of(world)
    ledger = ledger_of(world, case)
    assert isinstance(ledger, LifetimeLedger)
    pin = pin_of(world.target, case)
    what, adapter = said_of(world, case), clock.claims.adapter
    with clock.held():
        scene = scene_of(world, case, pin)
        given = {"seconds": round(ledger.seconds)}
        ready = begin(scene, ledger, ledger.event or ledger.use, given)
        clock.pin(pin.instant)
        session = _own_session(scene, ready.persona) if ledger.keeps == "session" else None
        events: list[Read] = []
        rows: list[Row] = []
        if ledger.event is not None:
            event = scene.act(ready, session=session)
            scene.subject(ready)
            events.append(event)
        given_out = clock.now()
        said, off = clock_off(clock, pin)
        if off or (events and events[0].outcome is not Outcome.ALLOWED):
            return Happening(case, pin, adapter, what, tuple(events), (), said, off)
        if ledger.expires is not None and events:
            rows.append(_ends_row(scene, ledger, events[0], pin.instant))
        use = _Use(scene, ledger, session)
        rows += use.around_the_end(given_out)
        return Happening(case, pin, adapter, what, tuple(events), tuple(rows), said)


def _own_session(scene: Scene, persona: str) -> Session:
    world = scene.world
    login = world.sessions[persona].login
    return Session(world.wire, persona, fixed=log_in(world.wire, persona, login))


def _ends_row(scene: Scene, ledger: LifetimeLedger, event: Read, since: datetime) -> Row:
    assert ledger.expires is not None
    ends = since + timedelta(seconds=ledger.seconds)
    told = moment(value_of(ledger.expires, scene.values, [event]))
    if told is None:
        trouble = f"there is no instant at {ledger.expires}"
        return Row("when it ends", "lifetime.end", written(ends), "", (event,), trouble)
    near = abs((told - ends).total_seconds()) <= ledger.margin
    return Row(
        "when it ends", "lifetime.end", written(ends), written(ends if near else told), (event,)
    )


def _asking_with(action: Action, query: Mapping[str, str]) -> Action:
    return action.model_copy(update={"query": {**action.query, **query}})


class _Use:
    """What was given out, used at moments after that."""

    def __init__(self, scene: Scene, ledger: LifetimeLedger, session: Session | None) -> None:
        self.scene, self.ledger, self.session = scene, ledger, session

    def around_the_end(self, since: datetime) -> Iterator[Row]:
        ledger = self.ledger
        length = timedelta(seconds=ledger.seconds)
        margin = timedelta(seconds=ledger.margin)
        if ledger.alive is not None:
            step = timedelta(seconds=ledger.alive)
            moment_ = since + step
            while moment_ < since + length - margin:
                self._ask(ledger.use, moment_)
                moment_ += step
        yield self._row(since + length - margin, "just before its end", "served", "lifetime.early")
        last = self.scene.clock.now() if ledger.idle else since
        if ledger.polls is not None:
            for part in (1, 2):
                self._ask(ledger.polls, last + part * length / 3)
        rule = "lifetime.idle" if ledger.idle else "lifetime.late"
        yield self._row(last + length + margin, "just after its end", "refused", rule)
        if ledger.idle and ledger.polls is not None and self.session is not None:
            yield self._with_flags(ledger.polls, length, margin)

    def _with_flags(self, polls: Action, length: timedelta, margin: timedelta) -> Row:
        """Another session, on a page that asks with parameters known to prolong sessions."""
        assert self.session is not None
        self.session = _own_session(self.scene, self.session.persona)
        last = self.scene.clock.now()
        self._ask(self.ledger.use, last)
        everything = dict.fromkeys(keep_alive(), "true")
        for part in (1, 2):
            at_ = last + part * length / 3
            read = self._ask(_asking_with(polls, everything), at_)
            if read.outcome in {Outcome.INVALID, Outcome.ABSENT}:
                for name, value in everything.items():
                    self._ask(_asking_with(polls, {name: value}), at_)
        label = "just after its end, asked with parameters such as keepAlive"
        return self._row(last + length + margin, label, "refused", "lifetime.idle")

    def _ask(self, action: Action, instant: datetime) -> Read:
        """By whoever got it, to whom nothing else opens it; or by nobody who is logged in."""
        scene, target = self.scene, self.scene.world.target
        if self.ledger.keeps == "login":
            scene = later_scene(scene, instant, scene.pin.id)
        persona = scene.actor or ANONYMOUS
        ready = Ready(
            action, action.template(target), persona, action.operation, dict(scene.records)
        )
        nobody = self.ledger.keeps == "none"
        if self.session is None and not nobody:
            scene.log_in(persona)
        scene.clock.pin(instant)
        if self.ledger.renews:
            self._renew()
        credentials = Credentials() if nobody else None
        return scene.act(ready, session=self.session, credentials=credentials)

    def _renew(self) -> None:
        """New tokens for the session, without its password; none if that is refused."""
        session = self.session
        if session is None or session.login.refresh is None:
            raise NotBuilt("'renews' needs 'keeps: session', and a login with 'refresh'")
        wire = self.scene.world.wire
        try:
            found = refresh(wire, session.persona, session.login, session.identity)
        except LoginFailed:
            return
        self.session = Session(wire, session.persona, fixed=found)

    def _row(self, instant: datetime, label: str, expected: str, rule: str) -> Row:
        read = self._ask(self.ledger.use, instant)
        if read.outcome is Outcome.ALLOWED:
            return Row(label, rule, expected, "served", (read,))
        gone = read.outcome.refused or (
            read.exchange.answer is not None and read.exchange.answer.status == 410
        )
        if gone:
            return Row(label, rule, expected, "refused", (read,))
        return Row(label, rule, expected, "", (read,), no_statement(read) or read.status)
