"""A run: the target loaded, started if need be, reached, and everybody logged in."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance import logs, policy
from conformance.evidence import SCHEMA
from conformance.harness import Harness
from conformance.inventory import Documented, NoDocument
from conformance.inventory import read as read_document
from conformance.journal import Journal
from conformance.loading import Loaded
from conformance.model import Message
from conformance.redaction import Redactor, Shared
from conformance.replicas import Replicas
from conformance.server import Server
from conformance.session import Session
from conformance.target import ANONYMOUS, Target
from conformance.wire import Unreachable, Wire, catch_all, reach
from conformance.world import World


@dataclass(frozen=True)
class Place:
    """Where a run's target is and where its logins are kept, for workers to share."""

    base_url: str
    state: Path


@contextlib.contextmanager
def started(loaded: Loaded, out: Path, base_url: str | None = None) -> Iterator[Place]:
    """The target, started if it is to be; its logins in a private folder that is removed.

    When it has ended, its log is in `out`, without secrets. `base_url` names a target that already
    runs. Raises Unreachable.
    """
    system = loaded.target.system
    state = Path(tempfile.mkdtemp(prefix="wardproof-"))
    data = Path(tempfile.mkdtemp(prefix="wardproof-"))
    data.chmod(0o711)  # a target that drops its privileges has to reach what is in it
    server: Server | None = None
    try:
        if system.start is not None and base_url is None:
            server = Server(
                system.start,
                loaded.folder,
                system.base_url,
                loaded.generated,
                log_of(state),
                data,
            )
            server.wait()
        where = base_url or (server.base_url if server else system.base_url)
        yield Place(where.rstrip("/"), state)
    finally:
        if server is not None:
            server.stop()
        with contextlib.suppress(OSError):  # the log of a target is worth no run
            logs.finish(state, out, _knowing(loaded, state))
        shutil.rmtree(state, ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)


def log_of(state: Path) -> Path:
    """Where the target's log is written while the run goes on."""
    return logs.folder(state) / "target.log"


def _knowing(loaded: Loaded, state: Path) -> Redactor:
    """A redactor that knows all that any process of the run learned."""
    redactor = Redactor(loaded.secrets)
    Shared(state, redactor).close()
    return redactor


@dataclass
class Open:
    """A wire to the target and a session for every persona; what the run knows of secrets."""

    wire: Wire
    sessions: dict[str, Session]
    redactor: Redactor
    shared: Shared


def connect(loaded: Loaded, place: Place) -> Open:
    """Sessions for all personas and anonymous; nobody has logged in yet."""
    redactor = Redactor(loaded.secrets)
    shared = Shared(place.state, redactor)
    wire = Wire(loaded.target, place.base_url, redactor)
    if loaded.target.audit is not None:
        wire.journal = Journal(loaded.target, place.state, place.base_url)
    names = (*loaded.target.personas, ANONYMOUS)
    sessions = {name: Session(wire, name, place.state) for name in names}
    return Open(wire, sessions, redactor, shared)


def log_everybody_in(loaded: Loaded, opened: Open) -> None:
    """Reach the target and log every persona in. Raises Unreachable or LoginFailed."""
    start = loaded.target.system.start
    reach(opened.wire, start.ready if start else "/")
    for name, session in opened.sessions.items():
        if name != ANONYMOUS:
            session.credentials()
    _is_alive(loaded.target, opened)


def _is_alive(target: Target, opened: Open) -> None:
    """A target that fails whatever it is asked is not worth a thousand questions."""
    statuses = set()
    reads = [
        (resource, name)
        for resource, described in target.resources.items()
        for name in described.operations
        if described.kind(name) == "list" and target.object_of(resource, name) is None
    ]
    for resource, name in reads[:3]:
        for persona in target.personas:
            roles = policy.roles_of(target, persona)
            if policy.grants(target, roles, resource, name):
                path = target.operation(resource, name).path
                if "{" in path:
                    break
                headers = tuple(opened.sessions[persona].credentials().items())
                message = Message("GET", opened.wire.url(path), headers, b"")
                answer = opened.wire.send(message, persona, "reach").answer
                statuses.add(answer.status if answer else 0)
                break
    if statuses and all(status >= 500 or status == 0 for status in statuses):
        shown = ", ".join(str(status) if status else "no answer" for status in sorted(statuses))
        raise Unreachable(
            f"{opened.wire.base_url} answers, but fails everything that was asked ({shown}). "
            "Look at the target's own log first."
        )


def harness(loaded: Loaded, opened: Open, seed: int, log: Path) -> Harness:
    """A harness with an empty world; copies of the target that it starts write beside `log`."""
    page = catch_all(opened.wire)
    world = World(loaded.target, opened.wire, opened.sessions, seed, page)
    world.replicas = Replicas(loaded, world, seed, log)
    return Harness(loaded.target, world, document(loaded, opened.wire))


def document(loaded: Loaded, wire: Wire) -> list[Documented] | NoDocument | None:
    """The API document's operations, why they cannot be read, or None if none is declared."""
    if loaded.target.system.openapi is None:
        return None
    try:
        return read_document(loaded.target, wire, loaded.folder)
    except NoDocument as problem:
        return problem


def _from_here(path: Path) -> str:
    """The path as whoever stands in this folder writes it; only the name if it lies elsewhere."""
    try:
        return path.resolve().relative_to(Path.cwd().resolve()).as_posix()
    except ValueError:
        return path.name


def header(
    loaded: Loaded, *, base_url: str, profile: str, seed: int, suites: list[str], version: str
) -> dict[str, Any]:
    """The ledger's first record: what was tested, with which policy, from where."""
    target = loaded.target
    return {
        "schema": SCHEMA,
        "wardproof": version,
        "target": {
            "name": target.system.name,
            "version": target.system.version,
            "base_url": base_url,
            "digest": loaded.digest,
            "file": _from_here(loaded.folder / loaded.file),
        },
        "profile": profile,
        "seed": seed,
        "suites": suites,
        "platform": {"python": platform.python_version(), "os": f"{os.uname().sysname}"},
        "tenants": {
            name: {"timezone": target.tenants[name].timezone if name in target.tenants else None}
            for name in policy.tenants(target)
        },
        "personas": [
            {"id": name, "roles": list(account.role), "tenant": policy.tenant_of(target, name)}
            for name, account in target.personas.items()
        ]
        + [{"id": ANONYMOUS, "roles": [ANONYMOUS], "tenant": None}],
        "resources": {
            resource: {
                name: {
                    "request": operation.request,
                    "kind": described.kind(name),
                    "line": loaded.lines.get((resource, name)),
                }
                for name, operation in described.operations.items()
            }
            for resource, described in target.resources.items()
        },
        "policy": {
            role: {
                resource: {name: ", ".join(effects) for name, effects in operations.items()}
                for resource, operations in grants.items()
            }
            for role, grants in target.policy.items()
        },
    }
