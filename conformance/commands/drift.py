"""Compare who can do what in two runs: what widened, narrowed, came, went, or is unknown."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from conformance.commands import WrongCall
from conformance.commands.bundle import day
from conformance.commands.gate import written

if TYPE_CHECKING:
    from reports.drift import Drift
    from reports.ledger import Run

OWNED = "drift.yaml"
_SHOWN = 60


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the arguments."""
    parser.add_argument("old", type=Path, metavar="OLD", help="folder or bundle of the older run")
    parser.add_argument("new", type=Path, metavar="NEW", help="folder or bundle of the newer run")
    parser.add_argument(
        "--owned",
        type=Path,
        metavar="FILE",
        help=f"who owns which widened cells (default: {OWNED} here, if there is one)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the changes there as JSON")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write a picture there")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page there")
    parser.add_argument(
        "--at",
        type=day,
        metavar="YYYY-MM-DD",
        help="judge expiry as of that day (default: today, UTC)",
    )


def run(options: argparse.Namespace) -> int:
    """1 for a widened cell that nobody owns, 2 if something is unknown, else 0."""
    from conformance.owned_drift import load
    from reports.drift import drift, plain
    from reports.drift_svg import drift_html, drift_svg

    today = options.at or datetime.now(UTC).date()
    old, new = run_of(options.old), run_of(options.new)
    there = options.owned or (Path(OWNED) if Path(OWNED).exists() else None)
    found = drift(old, new, load(there) if there else (), today=today)
    if options.json:
        text = json.dumps(plain(old, new, found), indent=2, ensure_ascii=False)
        written(options.json, text + "\n")
    if options.svg:
        written(options.svg, drift_svg(old, new, found))
    if options.html:
        written(options.html, drift_html(old, new, found))
    _show(old, new, found, Console(highlight=False))
    return found.exit_code


def run_of(path: Path) -> Run:
    """The run in a folder or a bundle. Raises WrongCall."""
    from reports import sources
    from reports.bundle import BundleError
    from reports.ledger import LedgerError

    try:
        return sources.run_of(path)
    except (BundleError, LedgerError) as error:
        raise WrongCall(str(error)) from None


def _show(old: Run, new: Run, found: Drift, console: Console) -> None:
    from reports.drift import LEVEL_WORDS, MOVE_WORDS

    console.print(Text(f"from {_which(old)}\n  to {_which(new)}"), soft_wrap=True)
    for said in (*found.doubts, *found.notes):
        console.print(Text(said), soft_wrap=True)
    if found.changes:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("change", "cell", "before", "now", "owner"):
            table.add_column(name, overflow="fold")
        for one in found.changes[:_SHOWN]:
            owner = found.owned.get(one.cell)
            table.add_row(
                Text(one.move, style="bold" if one.move == "widened" else ""),
                Text(one.cell.words),
                Text(LEVEL_WORDS[one.old.level] if one.old else "not there"),
                Text(LEVEL_WORDS[one.new.level] if one.new else "not there"),
                Text(f"{owner.owner}, until {owner.expires}" if owner else ""),
            )
        console.print(table)
        if len(found.changes) > _SHOWN:
            more = len(found.changes) - _SHOWN
            console.print(Text(f"… and {more:,} more; --json or --html show them all"))
    for grant in found.policy:
        told = f"{grant.role}: {grant.resource}.{grant.operation}"
        now = f"{grant.old or 'nothing'} → {grant.new or 'nothing'}"
        console.print(Text(f"policy: {told}: {now}"), soft_wrap=True)
    for owned, why in found.stale:
        console.print(Text(f"{owned.place}: {owned.cell.words}: {why}"), soft_wrap=True)
    counts = [f"{len(found.of(move)):,} {move}" for move in MOVE_WORDS if move != "same"] + [
        f"{found.unchanged:,} the same",
        f"{len(found.still_unknown):,} unknown in both",
    ]
    console.print(Text(", ".join(counts)), soft_wrap=True)
    console.print(Text(found.sentence, style="bold"), soft_wrap=True)
    if found.unowned:
        console.print(
            Text(f"Mend the target, or have somebody own each in {OWNED}; docs/certification.md")
        )


def _which(run: Run) -> str:
    header = run.header
    return (
        f"{header.target.name} {header.target.version or ''} at {header.target.base_url}, "
        f"{header.profile} of {header.started}"
    )
