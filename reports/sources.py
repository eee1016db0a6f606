"""Where a run can be read from: the folder that it was written to, or a bundle of it."""

from pathlib import Path

from reports.bundle import opened
from reports.ledger import Run, read


def run_of(path: Path) -> Run:
    """The run in a folder or in a bundle.

    Raises LedgerError for a folder without a ledger that can be read, BundleError for a file that
    is no bundle or whose ledger is not the one that its manifest lists. No signature is looked at.
    """
    if path.is_file():
        with opened(path) as bundle:
            return bundle.run()
    return read(path)
