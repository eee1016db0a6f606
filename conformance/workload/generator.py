"""Starts Locust, as a script: the process that sends load needs little of the engine.

Importing the package as a whole would take longer than everything else that Locust does before it
sends its first request.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType


def main() -> None:
    """Locust's command line, with the engine's modules importable one by one."""
    package = ModuleType("conformance")
    package.__path__ = [str(Path(__file__).parents[1])]
    sys.modules["conformance"] = package
    # Importing Locust replaces the sockets of this process; nothing may have used them before.
    from locust.main import main as locust

    locust()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
