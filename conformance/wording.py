"""The seven words for what came of a case, and the one place that decides between them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import yaml

from conformance.home import HOME
from conformance.model import Case, Expected, Result, Verdict

WORDS = (
    "conform-allow",
    "conform-deny",
    "bypass",
    "over-restriction",
    "inconclusive",
    "not-claimed",
    "not-tested",
)


@lru_cache
def table() -> Mapping[str, Mapping[str, Any]]:
    """fixtures/tables/words.yaml: `kinds` and `rules`, each to its word."""
    path = HOME / "fixtures" / "tables" / "words.yaml"
    data: Mapping[str, Mapping[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return data


def word(verdict: Verdict, case: Case) -> str:
    """The word for a verdict on `case`.

    A failure that no row of the table names is a bypass: more was possible than was promised. A
    pass that none names is what the case expects.
    """
    match verdict.result:
        case Result.PASS:
            allowed = "conform-allow" if case.expected is Expected.ALLOW else "conform-deny"
            return str(table()["kinds"].get(verdict.kind) or allowed)
        case Result.FAIL:
            rule = verdict.rule or ""
            rules, kinds = table()["rules"], table()["kinds"]
            named = rules.get(rule) or rules.get(rule.split(".")[0]) or kinds.get(verdict.kind)
            return str(named or "bypass")
        case Result.NOT_CLAIMED:
            return "not-claimed"
        case Result.NOT_TESTED:
            return "not-tested"
        case _:
            return "inconclusive"
