"""Say whether a finished run may pass, given the accepted risks."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from conformance.commands import WrongCall
from conformance.document import meant

if TYPE_CHECKING:
    from reports.gate import Level
    from reports.ledger import Run
    from reports.waivers import Waiver


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("run", type=Path, metavar="DIR|BUNDLE", help="a run's folder or bundle")
    parser.add_argument("--level", metavar="NAME", help="what is asked: smoke, gate, release")
    parser.add_argument(
        "--waivers",
        type=Path,
        metavar="FILE",
        help="the accepted risks, or the target's folder (default: those kept with the run)",
    )
    parser.add_argument("--at", type=day, metavar="DATE", help="as of this day (default: today)")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML there")
    parser.add_argument("--sarif", type=Path, metavar="FILE", help="write SARIF 2.1.0 there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write a summary there")


def run(options: argparse.Namespace) -> int:
    """The exit code that the gate comes to."""
    from reports.gate import judge
    from reports.gate_table import show
    from reports.junit import junit_text
    from reports.markdown import markdown
    from reports.sarif import sarif_text

    found, kept = opened(options.run)
    waivers = kept if options.waivers is None else waivers_of(options.waivers)
    gate = judge(found, waivers, level_of(options.level, found), options.at or today())
    for path, text in (
        (options.junit, junit_text),
        (options.sarif, sarif_text),
        (options.markdown, markdown),
    ):
        if path is not None:
            written(path, text(found, gate.decision, gate))
    show(found, gate, Console(highlight=False))
    return gate.exit_code


def day(text: str) -> dt.date:
    """A date of the calendar, for argparse."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write 2026-12-31") from None


def today() -> dt.date:
    """The day it is in UTC."""
    return dt.datetime.now(dt.UTC).date()


def opened(path: Path) -> tuple[Run, tuple[Waiver, ...]]:
    """A run and the waivers that are kept with it, of its folder or bundle."""
    from reports.bundle import BundleError
    from reports.bundle import opened as bundle_at
    from reports.ledger import LedgerError, read
    from reports.waivers import of_plain

    try:
        if path.is_file():
            with bundle_at(path) as bundle:
                return bundle.run(), bundle.waivers()
        found = read(path)
        kept = path / "waivers.json"
        return found, of_plain(json.loads(kept.read_text("utf-8"))) if kept.exists() else ()
    except (LedgerError, BundleError) as error:
        raise WrongCall(str(error)) from None
    except (OSError, ValueError, RecursionError) as error:
        raise WrongCall(
            f"{path / 'waivers.json'}: cannot be read ({error}); give the waivers with --waivers"
        ) from None


def waivers_of(path: Path) -> tuple[Waiver, ...]:
    """The waivers of a file, or of a target's folder. Raises WrongCall if there is no such file."""
    from conformance.waivers import load

    if not path.exists():
        raise WrongCall(f"{path}: there is no such file; --waivers takes a waivers.yaml")
    return load(path)


def level_of(name: str | None, found: Run) -> Level:
    """The level of that name, or the one that is meant for such a run."""
    from reports.gate import level_for

    return level_for(found.header.profile) if name is None else level_named(name)


def level_named(name: str) -> Level:
    """The level of that name. Raises WrongCall if there is none."""
    from reports.gate import levels

    if name not in levels():
        there = ", ".join(levels())
        raise WrongCall(f"there is no level {name!r}{meant(name, levels())}; there are: {there}")
    return levels()[name]


def written(path: Path, text: str) -> None:
    """Write a file. Raises WrongCall if that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise WrongCall(f"{path}: cannot be written: {error.strerror}; name another file") from None
