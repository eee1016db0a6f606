"""What long trials say while they run: a line for each worker, beside the evidence to be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

_LINE = ".live-"


def speaker(folder: Path, worker: str) -> Callable[[str], None]:
    """What `worker` says its line with; "" takes the line away."""
    place = folder / f"{_LINE}{worker}"
    partial = folder / f".saying{_LINE}{worker}"

    def say(line: str) -> None:
        if not line:
            place.unlink(missing_ok=True)
            return
        partial.write_text(line, encoding="utf-8")
        partial.replace(place)

    return say


def lines(folder: Path) -> list[str]:
    """What is being said just now, in the order of the workers."""
    found = []
    for place in sorted(folder.glob(f"{_LINE}*")):
        try:
            found.append(place.read_text(encoding="utf-8"))
        except OSError:  # taken away in between
            continue
    return found


def silence(folder: Path) -> None:
    """Take away what a run that crashed was saying."""
    for place in folder.glob(f"{_LINE}*"):
        place.unlink(missing_ok=True)
