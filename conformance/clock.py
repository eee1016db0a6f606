"""Pinning the target's clock: by its endpoint, by its header, or from outside by libfaketime.

A copy of the target is started for it wherever the harness can start one. On a target that
everybody shares the clock is given back after each case.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import shutil
import sys
import tempfile
import time
import weakref
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from conformance import policy
from conformance.instances import NotBuilt, Unclaimed
from conformance.instants import written
from conformance.ledgers import Clock
from conformance.login import Credentials
from conformance.model import Exchange, Outcome, Read
from conformance.pins import Pin
from conformance.races import Action
from conformance.schema import Request
from conformance.session import Session
from conformance.target import ANONYMOUS
from conformance.template import Lookup, render
from conformance.wire import Unreachable
from conformance.world import World, taken

LEAD = timedelta(seconds=30)
"""How long before its pin a case begins: sessions and set-up are a little older than the event."""

_LIBRARIES = (
    "/usr/lib/*/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
    "/usr/local/lib/faketime/libfaketime.so.1",
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/opt/homebrew/lib/faketime/libfaketime.1.dylib",
)


_MONOTONIC = "FAKETIME_DONT_FAKE_MONOTONIC"


def faketime_library(places: tuple[str, ...] = _LIBRARIES) -> Path | None:
    """Where libfaketime lies, None if it is not installed."""
    for place in places:
        top, *rest = Path(place).parts
        found = sorted(Path(top).glob(str(Path(*rest))))
        if found:
            return found[0]
    return None


def faketime_environment(library: Path, offset: Path) -> dict[str, str]:
    """What steers a process and all its children by an offset file, which must be there."""
    preload = "DYLD_INSERT_LIBRARIES" if sys.platform == "darwin" else "LD_PRELOAD"
    return {
        preload: str(library),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        # Sleeps and time-outs go by this clock, and must not jump.
        _MONOTONIC: "1",
    }


def write_offset(offset: Path, text: str) -> None:
    """By renaming, so that nobody ever reads half a number."""
    beside = offset.with_suffix(".new")
    beside.write_text(f"{text}\n", encoding="ascii")
    # The database may run as somebody else.
    beside.chmod(0o644)
    beside.rename(offset)


@dataclass(frozen=True)
class Reading:
    """What the target itself says the time is, and what was answered."""

    application: datetime | None
    database: datetime | None
    read: Read

    @property
    def said(self) -> dict[str, str]:
        """Each clock with its time, as a report shows it."""
        both = {"application": self.application, "database": self.database}
        return {name: written(at) for name, at in both.items() if at is not None}


@dataclass(eq=False)
class PinnedClock:
    """The clock of one target in the hand of one worker.

    `exact` says that it stands still at the pin; otherwise it runs on from there. `shared` says
    that others use the same target.
    """

    claims: Clock
    base: World
    offset: Path | None
    shared: bool
    kept: dict[Any, Any] = field(default_factory=dict)
    _at: datetime | None = None
    _since: float = 0.0
    _worlds: dict[tuple[str, str], World] = field(default_factory=dict)
    _zones: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wire = self.base.wire
        wire.headers, wire.now, wire.sleep = {}, self.seconds, self.advance

    @property
    def exact(self) -> bool:
        return self.claims.adapter == "header"

    def now(self) -> datetime:
        """What time it is for the target."""
        if self._at is None:
            return datetime.now(UTC)
        gone = 0.0 if self.exact else time.monotonic() - self._since
        return self._at + timedelta(seconds=gone)

    def seconds(self) -> float:
        """The same in UTC seconds."""
        return self.now().timestamp()

    def advance(self, seconds: float) -> None:
        """Move the clock forward, instead of sleeping."""
        if self._at is None:
            time.sleep(seconds)
        else:
            self.pin(self.now() + timedelta(seconds=seconds))

    def pin(self, instant: datetime) -> None:
        """Have it be `instant` for the target. Raises NotBuilt where the target refuses."""
        if self.claims.adapter == "header":
            given = given_of(instant)
            header = {
                name: str(render(text, lambda key, _argument, _field: given[key]))
                for name, text in self.claims.header.items()
            }
            self.base.wire.headers.update(header)
        elif self.claims.adapter == "faketime":
            self._shift(f"{(instant - datetime.now(UTC)).total_seconds():+.6f}")
        else:
            assert self.claims.set is not None
            self._ask(self.claims.set, "pin the clock", **given_of(instant))
        self._at, self._since = instant, time.monotonic()

    def release(self) -> None:
        """Give the real time back. Raises NotBuilt where the target refuses."""
        if self._at is None:
            return
        self.base.wire.headers.clear()
        if self.claims.adapter == "faketime":
            self._shift("+0")
        elif self.claims.adapter == "endpoint":
            assert self.claims.reset is not None
            self._ask(self.claims.reset, "give the real time back")
        self._at = None

    def _shift(self, text: str) -> None:
        assert self.offset is not None
        write_offset(self.offset, text)

    def read(self) -> Reading | None:
        """What the target says the time is, by its own operation or by the header `Date`.

        None if it says nothing.
        """
        if self.claims.read is None:
            return self._by_date()
        read, found = self._ask(self.claims.read, "read the clock")
        return Reading(moment(found.get("application")), moment(found.get("database")), read)

    def _by_date(self) -> Reading | None:
        path = self.base.target.system.start.ready if self.base.target.system.start else "/"
        action = Action.model_validate({"request": f"GET {path}"})
        read = ask(self.base, action, self.session(action))
        answer = read.exchange.answer
        said = answer.header("date") if answer else None
        try:
            at = parsedate_to_datetime(said) if said else None
        except ValueError:
            at = None
        if at is None or self.exact:
            return None
        # The header has no fractions of seconds.
        return Reading(at + timedelta(seconds=0.5), None, read)

    def move(self, tenant: str, zone: str) -> None:
        """Move a tenant to a zone, if it is not there. Raises NotBuilt."""
        if self._zones.get(tenant) == zone or self.claims.zone is None:
            return
        self._ask(self.claims.zone, f"move {tenant} to {zone}", tenant, zone=zone)
        self._zones[tenant] = zone

    def _ask(
        self, action: Action, what: str, tenant: str | None = None, **given: Any
    ) -> tuple[Read, Mapping[str, Any]]:
        read = ask(self.base, action, self.session(action), tenant, **given)
        if read.outcome is not Outcome.ALLOWED:
            raise NotBuilt(
                f"could not {what}: {action.request or action.do} got {read.status}", read.exchange
            )
        return read, taken(action.template(self.base.target), read)

    def session(self, action: Action) -> Session:
        """A session of whoever asks, logged in anew: an older one has another time in it."""
        return Session(self.base.wire, sender(self.base, action))

    def world(self, tenant: str, pin: Pin) -> World:
        """The world of one pin, whose people log in at that time."""
        key = (tenant, pin.id)
        if key not in self._worlds:
            made = self.base.anew(self.base.wire)
            for persona, session in made.sessions.items():
                if persona != ANONYMOUS and _takes_codes(session):
                    made.sessions[persona] = _InRealTime(self, persona)
            self._worlds[key] = made
        return self._worlds[key]

    def forget(self, tenant: str, pin: Pin) -> None:
        """Drop what was made at that pin, and its sessions."""
        self._worlds.pop((tenant, pin.id), None)

    @contextlib.contextmanager
    def let_go(self) -> Iterator[None]:
        """While this lasts it is the real time for the target."""
        at = self._at and self.now()
        self.release()
        try:
            yield
        finally:
            if at is not None:
                self.pin(at)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """While this lasts the clock may be pinned; a shared one is given back, come what may."""
        try:
            yield
        finally:
            if self.shared:
                self.release()
                for tenant in list(self._zones):
                    described = self.base.target.tenants.get(tenant)
                    self.move(tenant, (described.timezone if described else None) or "UTC")


class _InRealTime(Session):
    """Somebody who logs in with a one-time code, and does set-up in the real time.

    Whoever takes each code once refuses those of an earlier time, and pins go back and forth.
    """

    def __init__(self, clock: PinnedClock, persona: str) -> None:
        super().__init__(clock.base.wire, persona)
        self._clock = clock

    @property
    def _usual(self) -> Session:
        return self._clock.base.sessions[self.persona]

    def fact(self, name: str) -> Any:
        known = self.wire.target.account(self.persona).facts
        if name in known:
            return known[name]
        with self._clock.let_go():
            return self._usual.fact(name)

    def send(
        self,
        template: Request,
        lookup: Lookup,
        purpose: str,
        tenant: Lookup | None = None,
        credentials: Credentials | None = None,
    ) -> Exchange:
        if purpose != "set-up":
            return super().send(template, lookup, purpose, tenant, credentials)
        with self._clock.let_go():
            return self._usual.send(template, lookup, purpose, tenant, credentials)


def _takes_codes(session: Session) -> bool:
    return any("totp" in step.placeholders for step in session.login.then)


def given_of(instant: datetime) -> dict[str, Any]:
    """What requests and headers of the clock may name."""
    return {
        "instant": written(instant),
        "epoch": instant.timestamp(),
        "epoch_ms": round(instant.timestamp() * 1000),
        "offset": (instant - datetime.now(UTC)).total_seconds(),
    }


def moment(value: Any) -> datetime | None:
    """An instant as targets write it: RFC 3339, or seconds or milliseconds since 1970."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        try:
            found = datetime.fromisoformat(str(value).strip())
        except ValueError:
            return None
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    try:
        return datetime.fromtimestamp(number / 1000 if number > 1e11 else number, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def sender(world: World, action: Action) -> str:
    """Who asks: whom `as` names, in the first tenant, or nobody who is logged in."""
    if not action.as_ or ANONYMOUS in action.as_:
        return ANONYMOUS
    return world.someone(action.as_, policy.tenants(world.target)[0])


def ask(
    world: World, action: Action, session: Session, tenant: str | None = None, **given: Any
) -> Read:
    """The action as a request about the clock, in that session."""
    template = action.template(world.target)
    place = tenant or policy.tenants(world.target)[0]
    payload = world.payload(session.persona, "clock", place, {}, planted="clock", **given)
    about = action.operation or ("clock", "set")
    return world.send(session.persona, template, payload, "set-up", about, session=session)


def tzdata() -> str:
    """Which version of the time zone database decides here, such as `2026b (system)`."""
    for folder in zoneinfo.TZPATH:
        for name, start in (("tzdata.zi", "# version "), ("+VERSION", "")):
            path = Path(folder) / name
            if path.is_file():
                with path.open(encoding="utf-8") as lines:
                    first = lines.readline().strip()
                return f"{first.removeprefix(start)} (system)"
    try:
        return f"{importlib.metadata.version('tzdata')} (package)"
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


_CLOCKS: WeakKeyDictionary[World, PinnedClock | Exception] = WeakKeyDictionary()


def clock_of(world: World) -> PinnedClock:
    """The clock that cases of this worker pin; of a copy of the target where there can be one.

    Raises Unclaimed, NotBuilt, and Unreachable if the copy does not start.
    """
    if world not in _CLOCKS:
        try:
            _CLOCKS[world] = _found(world)
        except (Unclaimed, NotBuilt, Unreachable) as problem:
            _CLOCKS[world] = problem
    found = _CLOCKS[world]
    if isinstance(found, Exception):
        raise found
    return found


def _found(world: World) -> PinnedClock:
    claims = world.target.clock
    if claims is None:
        raise Unclaimed("the target file says no way to pin the clock (clock)")
    environment = dict(claims.environment)
    offset: Path | None = None
    if claims.adapter == "faketime":
        library = faketime_library()
        if library is None:
            raise NotBuilt("libfaketime is not installed: apt-get install faketime")
        offset = _offset_file(world)
        environment = {**faketime_environment(library, offset), **environment}
    elif world.target.system.start is None:
        wire = world.wire.apart()
        return PinnedClock(claims, world.anew(wire), None, shared=True)
    try:
        replica = world.replica(environment)
    except Unreachable:
        if environment.get(_MONOTONIC) != "1":
            raise
        # libfaketime 0.9.10 then breaks sleeps until a moment, such as Python's own since 3.11.
        replica = world.replica({**environment, _MONOTONIC: "0"})
    return PinnedClock(claims, replica.world, offset, shared=False)


def _offset_file(world: World) -> Path:
    """A file that every process of the target may read, gone when the world is."""
    folder = Path(tempfile.mkdtemp(prefix="wardproof-clock-"))
    folder.chmod(0o711)
    weakref.finalize(world, shutil.rmtree, folder, ignore_errors=True)
    offset = folder / "offset"
    write_offset(offset, "+0")
    return offset
