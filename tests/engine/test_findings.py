"""Findings in words: what is to be mended once, and how people are named inside a sentence."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from conformance import findings
from conformance.model import Verdict
from conformance.redaction import Redactor
from conformance.verdicts import failed
from conformance.wire import Wire
from conformance.world import World
from tests.engine.exchanges import CASE, read
from tests.engine.targets import target


@pytest.fixture
def world() -> Iterator[World]:
    of = target()
    wire = Wire(of, of.system.base_url, Redactor())
    yield World(of, wire, {}, seed=1)
    wire.close()


def found(world: World, rule: str, **case: Any) -> dict[str, Any]:
    verdict: Verdict = failed("bypass", rule, "so it was", read(200, {}))
    return findings.finding(world, replace(CASE, **case), verdict)


@pytest.mark.parametrize(
    ("rule", "defect"),
    [
        ("session.csrf", "session.csrf"),
        ("lock-out", "lock-out"),
        ("token.claims.expired", "token.claims"),
        ("trail.missing", "trail.missing"),
    ],
)
def test_what_one_mend_cures_is_one_defect_whatever_the_operation(
    world: World, rule: str, defect: str
) -> None:
    told = {found(world, rule, operation=name)["defect"] for name in ("read", "list")}
    assert told == {defect}


@pytest.mark.parametrize("rule", ["bola.read", "limit.sidestepped", "property.set"])
def test_other_rules_are_mended_at_each_operation(world: World, rule: str) -> None:
    told = {found(world, rule, operation=name)["defect"] for name in ("read", "list")}
    assert told == {f"{rule} patient.read", f"{rule} patient.list"}


def test_people_are_named_as_their_place_in_the_sentence_wants(world: World) -> None:
    inside = found(world, "trail.actor")["message"]
    assert "a nurse of north" in inside
    at_first = found(world, "second-factor")["message"]
    assert at_first.startswith("A nurse of north")


def test_every_rule_says_a_sentence(world: World) -> None:
    """No rule names what is not told, or leaves a brace behind."""
    for rule in findings.rules():
        message = found(world, rule)["message"]
        assert "so it was" in message or len(message) > 20, rule
        assert "{" not in message, rule
