"""Join the evidence of the shards of one run, and make its reports."""

from __future__ import annotations

import argparse
from pathlib import Path

from conformance.commands import WrongCall, report


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the arguments."""
    parser.add_argument("parts", type=Path, nargs="+", metavar="DIR", help="of run --shard K/N")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="of the whole run")
    parser.add_argument(
        "--incomplete",
        action="store_true",
        help="join parts that were cut short as well; the whole is then inconclusive",
    )
    parser.add_argument("--no-allure", action="store_true", help="without the Allure report")


def run(options: argparse.Namespace) -> int:
    """The exit code of the whole run."""
    from reports.merge import LedgerError, MergeError, merge

    try:
        merge(options.parts, options.out, incomplete=options.incomplete)
    except (LedgerError, MergeError) as error:
        raise WrongCall(str(error)) from None
    return report.make(options.out, allure=not options.no_allure)
