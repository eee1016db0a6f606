"""Where suites, personas, fixtures and reports lie: in the checkout or the installed package."""

import sys
from pathlib import Path

_ENGINE = Path(__file__).resolve().parent
_INSTALLED = _ENGINE / "_home"

HOME: Path = _INSTALLED if _INSTALLED.is_dir() else _ENGINE.parent
"""The folder that holds `suites/`, `personas/`, `fixtures/` and `reports/`."""


def activate() -> None:
    """Put `HOME` first on `sys.path`, so that `reports` and `fixtures` are Wardproof's own.

    A child process needs it too: `HOME` and the folder above `conformance`, as its `PYTHONPATH`.
    """
    home = str(HOME)
    sys.path[:] = [home, *(entry for entry in sys.path if entry != home)]
