"""The command in a process of its own, without paying for its imports each time.

`python -m tests.runs.forking` imports what a run needs, then forks for every call that it reads
from its input (one JSON object per line) and answers with the exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path

from tests.runs.calling import ROOT, SECONDS, Called, environment, presentable

# Not the plugin itself: pytest rewrites its assertions when it loads it.
BEFOREHAND = (
    "conformance.cli",
    "conformance.replaying",
    "conformance.run",
    "conformance.trials",
    "faker.factory",
    "faker.providers.person.en_US",
    "reports.publish",
    "reports.terminal",
    "xdist.plugin",
)


class Forker:
    """A process that makes calls; one at a time."""

    def __init__(self, folder: Path) -> None:
        self._said = folder / "said"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.runs.forking"],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wardproof(self, *arguments: str | Path) -> Called:
        """`wardproof ARGUMENTS`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        call = {"arguments": [str(one) for one in arguments], "said": str(self._said)}
        print(json.dumps(call), file=self._process.stdin, flush=True)
        code = int(self._process.stdout.readline())
        return presentable(Called(code, self._said.read_text(encoding="utf-8"), ""))

    def end(self) -> None:
        """End the process."""
        self._process.communicate()


def _serve() -> None:
    for name in BEFOREHAND:
        importlib.import_module(name)
    for line in sys.stdin:
        call = json.loads(line)
        child = os.fork()
        if child == 0:
            _call(call["arguments"], call["said"])
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _call(arguments: list[str], said: str) -> None:
    from conformance.cli import main

    signal.alarm(SECONDS)
    code = 70
    try:
        output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        code = main(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
