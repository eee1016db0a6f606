"""Role archetypes: the default least-privilege grants of `personas/<role>.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import yaml

from conformance.home import HOME


@lru_cache
def _archetype(role: str) -> Mapping[str, Any]:
    path = HOME / "personas" / f"{role}.yaml"
    if not path.exists():
        return {"grants": {}}
    data: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return data


def known() -> list[str]:
    """The roles that have an archetype."""
    return sorted(path.stem for path in (HOME / "personas").glob("*.yaml"))


def grants(role: str, resources: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What the archetype of `role` is granted, for the operations that `resources` has."""
    found: dict[str, dict[str, str]] = {}
    for resource, operations in _archetype(role)["grants"].items():
        have = resources.get(resource)
        if isinstance(have, dict):
            kept = {name: effect for name, effect in operations.items() if name in have}
            if kept:
                found[resource] = kept
    for resource, names in _archetype(role).get("forbid", {}).items():
        have = resources.get(resource)
        for name in names:
            if isinstance(have, dict) and name in have:
                found.setdefault(resource, {})[name] = "forbid"
    return found
