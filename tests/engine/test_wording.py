"""One of seven words for every verdict, whatever its kind."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from conformance.model import Expected, Result, Verdict
from conformance.verdicts import failed, passed
from conformance.wording import WORDS, table, word
from tests.engine.exchanges import CASE
from tests.reports import sample

ROOT = Path(__file__).parents[2]


def failing() -> Iterator[str]:
    """The kinds of failure that are written out in the sources of the engine."""
    for path in sorted((ROOT / "conformance").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            fails = name == "Verdict" and ast.unparse(node.args[0]) == "Result.FAIL"
            kind = node.args[1] if fails else node.args[0] if name == "failed" else None
            if isinstance(kind, ast.Constant):
                yield str(kind.value)


def test_every_kind_of_failure_has_a_word() -> None:
    kinds = set(failing())
    assert len(kinds) > 30
    assert kinds <= set(table()["kinds"])


def test_only_the_seven_words_and_known_rules_are_named() -> None:
    assert {*table()["kinds"].values(), *table()["rules"].values()} <= set(WORDS[:4])
    rules = yaml.safe_load((ROOT / "fixtures/tables/rules.yaml").read_text(encoding="utf-8"))
    known = set(rules["rules"])
    families = {rule.split(".")[0] for rule in known}
    unknown = [one for one in table()["rules"] if one not in known | families]
    assert [one for one in unknown if one.split(".")[0] not in families] == []


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (failed("bypass", "bola.update", ""), "bypass"),
        (failed("leak", "leak.tenant", ""), "bypass"),
        (failed("side-effect", "side-effect.bfla", ""), "bypass"),
        (failed("over-restriction", "over-restriction.read", ""), "over-restriction"),
        (failed("load", "load", ""), "over-restriction"),
        (failed("load", "load.revoked", ""), "bypass"),
        (failed("load", "load.drift", ""), "over-restriction"),
        (failed("fuzz", "fuzz.refused", ""), "over-restriction"),
        (failed("fuzz", "fuzz.accepted", ""), "bypass"),
        (failed("race", "race.none", ""), "over-restriction"),
        (failed("race", "race.double", ""), "bypass"),
        (failed("never-heard-of", "nobody.knows", ""), "bypass"),
        (passed("conform-allow", ""), "conform-allow"),
        (passed("conform-deny", ""), "conform-deny"),
        (Verdict(Result.INCONCLUSIVE, "inconclusive", ""), "inconclusive"),
        (Verdict(Result.NOT_CLAIMED, "not-claimed", ""), "not-claimed"),
        (Verdict(Result.NOT_TESTED, "not-tested", ""), "not-tested"),
    ],
)
def test_the_word_follows_kind_and_rule(verdict: Verdict, said: str) -> None:
    assert word(verdict, CASE) == said


@pytest.mark.parametrize("kind", ["invariant-holds", "conform-table", "withstood"])
def test_what_else_passes_is_what_was_expected(kind: str) -> None:
    for expected, said in ((Expected.ALLOW, "conform-allow"), (Expected.DENY, "conform-deny")):
        assert word(passed(kind, ""), replace(CASE, expected=expected)) == said


def test_the_samples_of_the_reports_have_the_words_of_the_engine() -> None:
    for kind in ("bypass", "leak", "distinguishable", "over-restriction", "side-effect"):
        assert sample.word("fail", kind) == word(failed(kind, "", ""), CASE)
