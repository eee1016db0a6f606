"""What a run went by: digests of its suites, its policy, its target file and its tables."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from conformance.clock import tzdata
from conformance.home import HOME
from conformance.loading import Loaded
from conformance.table_files import place_of

_TABLES = HOME / "fixtures" / "tables"


def of(loaded: Loaded, suites: Iterable[Path]) -> Mapping[str, Any]:
    """The ledger's `versions`: SHA-256 by name, and the version of the time zone database.

    The policy's is that of policy.yaml, or of the target file where that holds the grants.
    """
    target = loaded.folder / "target.yaml"
    policy = loaded.folder / "policy.yaml"
    shipped = (path for path in _TABLES.iterdir() if path.is_file())
    own = (place_of(one.table, loaded.folder) for one in loaded.target.tables.values())
    return {
        "suites": dict(sorted(_named(suites).items())),
        "policy": _digest(policy if policy.is_file() else target),
        "target": _digest(target),
        "tables": {path.name: _digest(path) for path in sorted({*shipped, *own})},
        "tzdata": tzdata(),
    }


def _named(suites: Iterable[Path]) -> dict[str, str]:
    files = (
        file
        for path in suites
        for file in (sorted(path.rglob("test_*.py")) if path.is_dir() else [path])
    )
    return {file.stem.removeprefix("test_"): _digest(file) for file in files}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
