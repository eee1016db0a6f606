"""Starting a target that the harness may start, and making sure that it ends."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from conformance.home import HOME
from conformance.target import Start
from conformance.wire import Unreachable, answers


def free_port() -> int:
    """A TCP port on the loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ending_with_parent() -> None:
    """For `preexec_fn`: the process ends when the thread that started it does, even by kill -9."""
    # PR_SET_PDEATHSIG of Linux; elsewhere there is no such thing.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


_GOING = 3.0
"""Seconds after which a killed target has to be silent."""


@cache
def _lasting() -> ThreadPoolExecutor:
    """One thread for as long as this process lives."""
    return ThreadPoolExecutor(1, "targets")


class Server:
    """A started target; `stop` ends it with all its children."""

    def __init__(
        self,
        start: Start,
        folder: Path,
        base_url: str,
        secrets: Mapping[str, str],
        log: Path,
        data: Path,
    ) -> None:
        self.base_url = base_url.replace("{port}", str(free_port()))
        port = self.base_url.rsplit(":", 1)[-1].split("/")[0]
        names = {
            "port": port,
            "python": sys.executable,
            "home": str(HOME),
            "target": str(folder),
            "data": str(data),
        }
        self._start = start
        self._log = log
        self._folder = folder
        self._command = [_filled(part, names) for part in start.command]
        environ = {**os.environ}
        environ |= {key: _filled(value, names) for key, value in start.environment.items()}
        environ |= {key: _filled(value, names) for key, value in secrets.items()}
        own = environ.get("PYTHONPATH", "") if "PYTHONPATH" in start.environment else ""
        paths = [own, str(HOME), os.environ.get("PYTHONPATH", "")]
        environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        self._environ = environ
        self.start()

    @property
    def pid(self) -> int:
        """The process that was started; it may have started others."""
        return self._process.pid

    def start(self) -> None:
        """Start the target; `wait` tells when it answers. Raises Unreachable."""
        try:
            if threading.current_thread() is threading.main_thread():
                self._process = self._started()
            else:
                # The target would end with the thread that started it, so one that lasts does.
                self._process = _lasting().submit(self._started).result()
        except OSError as error:
            name = self._command[0]
            raise Unreachable(f"the target could not be started ({name}: {error})") from None

    def _started(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as output:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environ,
                cwd=self._folder,
                start_new_session=True,
                preexec_fn=ending_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
            )

    def wait(self) -> None:
        """Return when the target answers. Raises Unreachable with the end of its log."""
        deadline = time.monotonic() + self._start.timeout
        url = self.base_url + self._start.ready
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                code = self._process.returncode
                raise Unreachable(f"the target ended while starting ({code}):\n{self._tail()}")
            if answers(url):
                return
            time.sleep(0.05)
        self.stop()
        raise Unreachable(
            f"the target did not answer at {url} within {self._start.timeout:g} s:\n{self._tail()}"
        )

    def _tail(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
        return "\n".join(f"    {line}" for line in lines)

    def kill(self) -> None:
        """Kill the target's whole process group at once, as a crash does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)

    def gone(self) -> None:
        """Return when nothing answers for the killed target any more. Raises Unreachable.

        What still does has left the process group, and would be taken for the target that is
        started next.
        """
        url = self.base_url + self._start.ready
        deadline = time.monotonic() + _GOING
        while self._process.poll() is None or answers(url):
            if time.monotonic() > deadline:
                raise Unreachable(
                    f"the target was killed with its process group, and {url} still answers: let "
                    "system.start.command start it in the foreground, without a daemon or a "
                    "session of its own"
                )
            time.sleep(0.05)

    def stop(self) -> None:
        """End the target's whole process group, gently first."""
        for number, patience in ((signal.SIGTERM, 8.0), (signal.SIGKILL, 2.0)):
            if self._process.poll() is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


def _filled(text: str, names: Mapping[str, str]) -> str:
    for name, value in names.items():
        text = text.replace("{" + name + "}", value)
    return text
