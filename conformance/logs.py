"""What a target writes into its log: kept private while it runs, shown without secrets.

A target logs tokens and passwords that the harness learns of later, or never. So its own log lies
in the private folder of the run; beside the evidence lies a copy without secrets, brought up to
date while the run goes on, and made anew from the whole log when it ends.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from conformance.redaction import MASKED, Redactor

_FOLDER = "logs"
_CHUNK = 1 << 20
_JWT = re.compile(rb"eyJ[\w-]{8,}\.(?:eyJ)?[\w-]{8,}\.[\w-]*")


def folder(state: Path) -> Path:
    """Where logs are written while the run goes on, in its private folder."""
    made = state / _FOLDER
    made.mkdir(exist_ok=True)
    return made


def finish(state: Path, out: Path, redactor: Redactor) -> None:
    """Copy all logs into `out`, without any secret."""
    for log in sorted(folder(state).glob("*.log")):
        if log.stat().st_size:
            draft = out / f".{log.name}"
            with log.open("rb") as source, draft.open("wb") as copy:
                for lines in _lines(source):
                    copy.write(_without_secrets(lines, redactor))
            draft.replace(out / log.name)


class Mirror:
    """Copies in `out` that follow the logs of a run.

    What was written since the last time is held back once: by then its secrets are known.
    """

    def __init__(self, state: Path, out: Path, redactor: Redactor) -> None:
        self._folder, self._out, self._redactor = folder(state), out, redactor
        self._copied: dict[str, int] = {}
        self._due: dict[str, int] = {}

    def follow(self) -> None:
        """Copy what is due. What cannot be written now is copied when the run ends."""
        for log in self._folder.glob("*.log"):
            with contextlib.suppress(OSError):
                self._copy(log)

    def _copy(self, log: Path) -> None:
        begin, due = self._copied.get(log.name, 0), self._due.get(log.name, 0)
        self._due[log.name] = log.stat().st_size
        if due <= begin:
            return
        with log.open("rb") as source, (self._out / log.name).open("ab") as copy:
            source.seek(begin)
            lines = source.read(due - begin)
            lines = lines[: lines.rfind(b"\n") + 1]
            copy.write(_without_secrets(lines, self._redactor))
        self._copied[log.name] = begin + len(lines)


def _lines(source: BinaryIO) -> Iterator[bytes]:
    """Whole lines, many at a time."""
    rest = b""
    while chunk := source.read(_CHUNK):
        lines, end, rest = (rest + chunk).rpartition(b"\n")
        if end:
            yield lines + end
    yield rest


def _without_secrets(lines: bytes, redactor: Redactor) -> bytes:
    masked = redactor.binary(lines)
    return _JWT.sub(MASKED.encode(), masked) if b"eyJ" in masked else masked
