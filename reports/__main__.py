"""`python -m reports DIR`: makes the reports of a finished run again and prints its outcome."""

import sys
from pathlib import Path

from rich.console import Console

from reports.ledger import LedgerError
from reports.publish import ReportsError, publish
from reports.terminal import show

USAGE = "usage: python -m reports DIR [--no-allure]"
WRONG_CALL = 3


def main(arguments: list[str]) -> int:
    """The run's exit code; 3 if the call or the ledger is wrong."""
    folders = [argument for argument in arguments if argument != "--no-allure"]
    if len(folders) != 1 or folders[0].startswith("-"):
        print(USAGE, file=sys.stderr)
        return WRONG_CALL
    try:
        published = publish(Path(folders[0]), allure="--no-allure" not in arguments)
    except (LedgerError, ReportsError) as error:
        print(error, file=sys.stderr)
        return WRONG_CALL
    show(published.run, published.decision, published.report, Console(highlight=False))
    if published.allure_problem:
        print(published.allure_problem, file=sys.stderr)
    return published.decision.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
