"""Make the reports of a finished run again from its evidence."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from conformance.commands import WrongCall
from conformance.commands.gate import day, level_named, today, waivers_of

if TYPE_CHECKING:
    from reports.waivers import Waiver

HISTORY = "wardproof-history.jsonl"
"""Gathers the outcomes of runs, beside their folders."""


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the arguments."""
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--no-allure", action="store_true", help="without the Allure report")
    parser.add_argument("--level", metavar="NAME", help="what is asked: smoke, gate, release")
    parser.add_argument(
        "--waivers",
        type=Path,
        metavar="FILE",
        help="the accepted risks, or the target's folder (default: those kept with the run)",
    )
    parser.add_argument("--at", type=day, metavar="DATE", help="as of this day (default: today)")
    parser.add_argument(
        "--history",
        type=Path,
        metavar="FILE",
        help=f"where runs are gathered for trends (default: {HISTORY} beside DIR)",
    )
    parser.add_argument(
        "--serve", action="store_true", help="then show them to a browser on this machine"
    )
    parser.add_argument(
        "--port", type=int, default=0, metavar="P", help="of --serve (default: any free one)"
    )


def run(options: argparse.Namespace) -> int:
    """The exit code of the gate on the run that the reports are about."""
    if not 0 <= options.port <= 65535:
        raise WrongCall("--port takes a number from 0 to 65535")
    if options.port and not options.serve:
        raise WrongCall("--port is where --serve listens: say --serve as well")
    code = make(
        options.folder,
        allure=not options.no_allure,
        waivers=waivers_of(options.waivers) if options.waivers else None,
        level=options.level,
        at=options.at,
        history=options.history,
    )
    if options.serve:
        _serve(options.folder / "report", options.port)
    return code


def make(
    folder: Path,
    *,
    allure: bool,
    waivers: Sequence[Waiver] | None = None,
    level: str | None = None,
    at: date | None = None,
    history: Path | None = None,
) -> int:
    """Writes the reports of the run in `folder`, shows its outcome and returns the gate's code.

    Without `waivers`, those kept with the run count. Raises WrongCall if there is no evidence, or
    if the reports cannot be written.
    """
    from reports import gate_table
    from reports.allure.executor import executor
    from reports.ledger import LedgerError
    from reports.publish import ReportsError, publish
    from reports.terminal import show

    try:
        with Console(stderr=True).status("making the reports"):
            published = publish(
                folder,
                waivers=waivers,
                level=level_named(level) if level else None,
                today=at or today(),
                allure=allure,
                allure_history=history or folder.absolute().parent / HISTORY,
                executor=executor(os.environ),
            )
    except (LedgerError, ReportsError) as error:
        raise WrongCall(str(error)) from None
    console, gate = Console(highlight=False), published.gate
    if gate.exit_code != published.decision.exit_code or gate.accepted or gate.why:
        show(published.run, published.decision, None, console, gate=gate)
        console.print()
        gate_table.show(published.run, gate, console)
        print(f"Report: {published.report}")
    else:
        show(published.run, published.decision, published.report, console)
    if published.allure_problem:
        print(published.allure_problem, file=sys.stderr)
    return gate.exit_code


def _serve(folder: Path, port: int) -> None:
    from reports.serve import serve

    try:
        serve(folder, port, _said)
    except OSError as error:
        raise WrongCall(
            f"--port {port}: nothing can listen there ({error.strerror or error}); take another "
            "port, or none and a free one is found"
        ) from None


def _said(address: str) -> None:
    print(f"Reports: {address} (Ctrl-C ends this)", flush=True)
