"""Starting Locust, acting while it runs, and making sure that it ends.

Locust is a process of its own (or several): importing it here would replace the sockets of
everything else. What it needs goes into a private folder, and what it measured comes from there.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from conformance.home import HOME
from conformance.server import free_port
from conformance.workload import reading
from conformance.workload.plan import Plan, dumped
from conformance.workload.samples import Samples

_HERE = Path(__file__).parent
LOOPBACK = "127.0.0.1"
PORT = 5557
"""Where a run listens for workers of other machines unless `bind` says another port."""
MEANS = "WARDPROOF_LOAD_MEANS"
_STARTING = 60.0
_JOINING = 300.0


class NotDriven(Exception):
    """Locust sent nothing, or not all of it: nothing can be said about the target. Says why."""


@dataclass(frozen=True)
class Means:
    """What sends: processes here, workers on other machines, and where a master listens for them.

    `web` shows Locust's page, on the loopback.
    """

    processes: int = 1
    workers: int = 0
    bind: str = LOOPBACK
    web: bool = False

    @property
    def together(self) -> bool:
        """Whether it takes a master that tells the others what to do."""
        return self.processes > 1 or self.workers > 0


def asked() -> Means:
    """The means that the command line asked for, in the environment of this process."""
    return Means(**json.loads(os.environ.get(MEANS, "{}")))


def ask(means: Means) -> None:
    """Have every run of this process and its children use these means."""
    os.environ[MEANS] = json.dumps(asdict(means))


@dataclass(frozen=True)
class Act:
    """Something done to the target so many seconds after the start of a run."""

    at: float
    do: Callable[[Driving], object]


@dataclass
class Driving:
    """A run of Locust that is under way; `page` is where its web page is, if it has one."""

    plan: Plan
    folder: Path
    started: float = 0.0
    page: str | None = None
    _failed: list[BaseException] = field(default_factory=list)

    @property
    def elapsed(self) -> float:
        """Seconds since the start of the plan's first segment."""
        return time.time() - self.started

    def renew(
        self, actor: str, headers: Mapping[str, str], cookies: Mapping[str, str] | None = None
    ) -> None:
        """Have all that `actor` sends from now on carry these credentials."""
        self._order({"renew": actor, "headers": dict(headers), "cookies": dict(cookies or {})})

    def watch(self, actor: str) -> None:
        """Have what `actor` is answered from now on kept, as `served`, if it counts as done."""
        self._order({"watch": actor})

    def _order(self, order: Mapping[str, object]) -> None:
        with (self.folder / reading.ORDERS).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(order) + "\n")

    def act(self, acts: Sequence[Act], ended: threading.Event) -> None:
        """Do everything at its time, one after the other."""
        for act in sorted(acts, key=lambda act: act.at):
            if ended.wait(max(0.0, act.at - self.elapsed)):
                return
            try:
                act.do(self)
            except BaseException as problem:
                self._failed.append(problem)
                return


def run(
    plan: Plan,
    out: Path,
    *,
    means: Means | None = None,
    acts: Sequence[Act] = (),
    live: Callable[[str], None] | None = None,
) -> Samples:
    """What a run of the plan measured; samples and Locust's log are left in the folder `out`.

    `means` are those that the command line asked for unless given. `acts` are done in a thread of
    their own; what one of them raises ends the run and is raised. Raises NotDriven when nothing
    was sent, or not by everybody.
    """
    if plan.users + plan.flooding < 1 or not plan.workflows:
        raise NotDriven("the plan has no users or no workflow, so nothing would be sent")
    out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="wardproof-load-"))
    driving = Driving(plan, folder)
    say, means = live or _unheard, means or asked()
    try:
        (folder / reading.PLAN).touch(mode=0o600)
        (folder / reading.PLAN).write_text(dumped(plan), encoding="utf-8")
        log = out / "locust.log"
        with _processes(driving, log, means, say) as started:
            _conduct(driving, started, acts, say, means, log)
        found = reading.read(folder)
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(folder / reading.SAMPLES, out / reading.SAMPLES)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _checked(found, means.processes + means.workers, log)


def _unheard(_line: str) -> None:
    """Nobody looks on."""


def _checked(found: Samples, expected: int, log: Path) -> Samples:
    lost = [node.name for node in found.nodes if not node.done]
    done = [node for node in found.nodes if node.done]
    if lost or len(done) < expected:
        raise NotDriven(
            f"of {expected} processes that were to send, {len(done)} did so to the end; "
            f"what they measured is not whole{_tail(log)}"
        )
    if fault := next((node.fault for node in found.nodes if node.fault), None):
        raise NotDriven(f"the harness failed while it sent load:\n{fault}")
    if not any(node.users for node in found.nodes):
        raise NotDriven(f"Locust ran without users{_tail(log)}")
    if not any(one.sent is not None for one in found.requests):
        raise NotDriven(f"Locust sent no request{_why(found)}{_tail(log)}")
    return found


def _why(found: Samples) -> str:
    reasons = {one.error for one in found.requests if one.error}
    return f" ({'; '.join(sorted(reasons)[:3])})" if reasons else ""


def _tail(log: Path) -> str:
    with contextlib.suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
        return "".join(f"\n    {line}" for line in lines)
    return ""


# --- processes ---------------------------------------------------------------------------------


@contextlib.contextmanager
def _processes(
    driving: Driving, log: Path, means: Means, say: Callable[[str], None]
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Locust's processes, the one that conducts first; all of them have ended afterwards."""
    started: list[subprocess.Popen[bytes]] = []
    plan, folder = driving.plan, driving.folder
    users = str(plan.users + plan.flooding)
    options = ["--users", users, "--spawn-rate", users]
    if means.web:
        page = free_port()
        options += ["--autostart", "--web-host", LOOPBACK, "--web-port", str(page)]
        driving.page = f"http://{LOOPBACK}:{page}"
    else:
        options += ["--headless", "--only-summary"]
    host, port = address(means.bind) if means.workers else (means.bind, free_port())
    if means.together:
        options += ["--master", "--master-bind-host", host, "--master-bind-port", str(port)]
        options += ["--expect-workers", str(means.processes + means.workers)]
    if means.workers:
        say(f"waiting for {means.workers} workers: wardproof load-worker {host}:{port}")
    try:
        with log.open("ab") as output:
            here = {reading.OUT: str(folder), "LOCUST_WAIT_FOR_WORKERS_REPORT_AFTER_RAMP_UP": "5"}
            started.append(_start(options, here, output.fileno()))
            for _ in range(means.processes if means.together else 0):
                options = worker_options(LOOPBACK if host in _ANY else host, port)
                started.append(_start(options, {}, output.fileno()))
        yield started
    finally:
        for process in started:
            end(process)


_ANY = ("*", "0.0.0.0")  # noqa: S104 - addresses to recognize, not to listen on


def worker_options(host: str, port: int) -> list[str]:
    """Locust's options for a worker of the master at `host` and `port`."""
    return ["--worker", "--master-host", host, "--master-port", str(port)]


def command(options: Sequence[str]) -> list[str]:
    """The command that starts Locust with our users."""
    return [
        *(sys.executable, "-P", str(_HERE / "generator.py")),
        *("--locustfile", str(_HERE / "locustfile.py"), "--loglevel", "WARNING", *options),
    ]


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """The environment for Locust: ours, without settings for Locust that somebody left in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    paths = os.pathsep.join(path for path in (str(HOME), os.environ.get("PYTHONPATH", "")) if path)
    return {**kept, "PYTHONPATH": paths, **more}


def _start(options: list[str], more: Mapping[str, str], output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(options),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment(more),
        start_new_session=True,
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
    )


def _die_with_parent() -> None:
    # Linux: PR_SET_PDEATHSIG. Locust keeps nothing that it would have to save first.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process with its whole group."""
    for number, patience in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0)):
        if process.poll() is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _conduct(
    driving: Driving,
    started: list[subprocess.Popen[bytes]],
    acts: Sequence[Act],
    say: Callable[[str], None],
    means: Means,
    log: Path,
) -> None:
    """Wait for the start, act and tell while it runs, and return when Locust has ended."""
    first, begun = driving.folder / reading.STARTED, time.monotonic()
    patience = _JOINING if means.workers else _STARTING
    while not first.exists() or not first.read_text().endswith("\n"):
        if any(process.poll() is not None for process in started):
            raise NotDriven(f"Locust ended before it had begun{_tail(log)}")
        if time.monotonic() - begun > patience:
            raise NotDriven(f"{_never_joined(means, patience)}{_tail(log)}")
        time.sleep(0.02)
    driving.started = json.loads(first.read_text())["started"]
    ended = threading.Event()
    acting = threading.Thread(target=driving.act, args=(acts, ended), daemon=True)
    acting.start()
    try:
        _wait(driving, started[0], say, log)
    finally:
        ended.set()
    acting.join(30)
    if driving._failed:
        raise driving._failed[0]


def _never_joined(means: Means, patience: float) -> str:
    if not means.workers:
        return f"Locust was not ready within {patience:g} s"
    host, port = address(means.bind)
    return (
        f"not all of the {means.workers} workers of other machines joined within {patience:g} s: "
        f"start on each, with the same version of Wardproof, wardproof load-worker {host}:{port}; "
        f"port {port} (TCP) of this machine has to be open to them"
    )


def _wait(
    driving: Driving, process: subprocess.Popen[bytes], say: Callable[[str], None], log: Path
) -> None:
    count = _Count(driving.folder / reading.SAMPLES)
    latest = driving.plan.seconds + driving.plan.timeout + 30
    while process.poll() is None and not driving._failed:
        if driving.elapsed > latest:
            raise NotDriven(f"Locust did not end in time{_tail(log)}")
        line = f"{max(0, driving.elapsed):.0f} of {driving.plan.seconds:.0f} s, "
        line += f"{count.lines()} requests"
        say(f"{line}, page {driving.page}" if driving.page else line)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5)


@dataclass
class _Count:
    """How many requests a file tells of, read on from where it was left."""

    path: Path
    _at: int = 0
    _found: int = 0

    def lines(self) -> int:
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            file.seek(self._at)
            data = file.read()
            self._found += data.count(b'["r"')
            self._at += len(data)
        return self._found


# --- a worker for runs on another machine --------------------------------------------------------


def address(text: str) -> tuple[str, int]:
    """Host and port of HOST[:PORT]. Raises ValueError."""
    host, _colon, port = text.rpartition(":") if ":" in text else (text, "", str(PORT))
    if ":" in host:
        raise ValueError(
            f"{text!r} looks like an address of IPv6; Locust's workers join by IPv4: say a host's "
            f"name or HOST:PORT, like 10.0.0.5:{PORT}"
        )
    if not host.strip() or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is not HOST or HOST:PORT, like 10.0.0.5:{PORT}")
    return host, int(port)


def listening(text: str) -> None:
    """Return if this machine can listen at HOST[:PORT]. Raises ValueError, with what to do."""
    host, port = address(text)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("" if host in _ANY else host, port))
            probe.listen(1)
        except OSError as problem:
            raise ValueError(_cannot(host, port, problem)) from None


def _cannot(host: str, port: int, problem: OSError) -> str:
    if isinstance(problem, socket.gaierror):
        return f"nobody here knows the host {host!r}: say an address of this machine"
    if problem.errno == errno.EADDRINUSE:
        return (
            f"port {port} of {host} is in use, perhaps by another run: say another one, like "
            f"--bind {host}:{port + 1 if port < 65535 else PORT}, to the workers as well"
        )
    if problem.errno == errno.EADDRNOTAVAIL:
        return (
            f"{host} is no address of this machine: --bind takes the one by which the other "
            "machines reach it"
        )
    return f"this machine cannot listen at {host}:{port}: {problem.strerror}"


def reachable(text: str) -> None:
    """Return if HOST[:PORT] may be the address of a run. Raises ValueError."""
    host, port = address(text)
    try:
        socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ValueError(f"nobody here knows the host {host!r}") from None


def work(master: str) -> int:
    """Send what runs at HOST[:PORT] ask for, one after the other, until there is none any more.

    Returns how many phases it had a part in when no run has been there for some five minutes.
    """
    options, served = worker_options(*address(master)), 0
    while True:
        process = subprocess.Popen(
            command(options),
            env=environment({}),
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )
        try:
            code = process.wait()
        finally:
            process.kill()
            process.wait()
        if code:
            return served
        served += 1
