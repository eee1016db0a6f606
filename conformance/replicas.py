"""Replicas: further copies of the target, started for cases that would disturb everybody else."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from conformance.instances import Unclaimed
from conformance.loading import Loaded
from conformance.server import Server
from conformance.session import Session
from conformance.target import ANONYMOUS
from conformance.wire import Wire
from conformance.world import World

_KEY = tuple[str, tuple[tuple[str, str], ...]]


@dataclass
class Replica:
    """A copy of the target with a world of its own; nobody else of the run knows of it."""

    world: World
    server: Server
    data: Path

    def restart(self, *, crash: bool = False) -> None:
        """End it and start it again with the data that it kept. Raises Unreachable.

        With `crash` its processes are killed outright (SIGKILL), so that it can finish nothing;
        Unreachable also says that something of it goes on all the same.
        """
        if crash:
            self.server.kill()
            self.server.gone()
        else:
            self.server.stop()
        self.world.wire.hang_up()
        self.server.start()
        self.server.wait()


@dataclass
class Replicas:
    """The replicas of one worker, each started when it is first asked for."""

    loaded: Loaded
    main: World
    seed: int
    log: Path
    _started: dict[_KEY, Replica] = field(default_factory=dict)

    def of(
        self,
        environment: Mapping[str, str] | None = None,
        *,
        fresh: bool = False,
        kept_for: str = "",
    ) -> Replica:
        """The replica that is started with `environment` on top of the target file's.

        A `fresh` one replaces what there was; one `kept_for` a purpose nobody else is given.
        Raises Unclaimed when the target file does not say
        how to start the target, Unreachable when it does not start.
        """
        start = self.loaded.target.system.start
        if start is None:
            raise Unclaimed(
                "this needs a copy of the target of its own, and the target file does not say how "
                'to start one (system.start: {command: ["./server", "--port", "{port}"]})'
            )
        key = (kept_for, tuple(sorted((environment or {}).items())))
        if fresh and key in self._started:
            _end(self._started.pop(key))
        if key not in self._started:
            self._started[key] = self._start(environment or {})
        return self._started[key]

    def _start(self, environment: Mapping[str, str]) -> Replica:
        target = self.loaded.target
        assert target.system.start is not None
        data = Path(tempfile.mkdtemp(prefix="wardproof-"))
        data.chmod(0o711)
        server = Server(
            target.system.start,
            self.loaded.folder,
            target.system.base_url,
            {**self.loaded.generated, **environment},
            self.log.with_name(f"{self.log.stem}-{data.name[-8:]}.log"),
            data,
        )
        try:
            server.wait()
            wire = Wire(target, server.base_url, self.main.wire.redactor, _like=self.main.wire)
            wire.follow(self.main.wire)
            sessions = {name: Session(wire, name) for name in (*target.personas, ANONYMOUS)}
            world = World(target, wire, sessions, self.seed, self.main.catch_all)
        except BaseException:
            server.stop()
            shutil.rmtree(data, ignore_errors=True)
            raise
        world.asked, world.documented = self.main.asked, self.main.documented
        world.live, world.profile = self.main.live, self.main.profile
        return Replica(world, server, data)

    def close(self) -> None:
        """End all of them."""
        while self._started:
            _end(self._started.popitem()[1])


def _end(replica: Replica) -> None:
    replica.world.wire.close()
    replica.server.stop()
    shutil.rmtree(replica.data, ignore_errors=True)
