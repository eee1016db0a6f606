"""What the writer and the readers of a ledger agree on: two modules of `reports`.

They are loaded from their files. Whoever uses the engine as a library, or has its pytest plugin
loaded, may have a package of their own that is called `reports`.
"""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import TYPE_CHECKING

from conformance.home import HOME

if TYPE_CHECKING:
    from reports import canonical, shards

__all__ = ["canonical", "shards"]


def _loaded(name: str) -> ModuleType:
    file = HOME / "reports" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{__name__}.{name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if not TYPE_CHECKING:
    canonical, shards = _loaded("canonical"), _loaded("shards")
