"""What campaigns over GraphQL find in the chart: nothing in the sound one, and each fault."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance import oracles, run, sources, trials
from conformance.cases import Profile, stamp
from conformance.fuzz import plan
from conformance.harness import Harness
from conformance.instances import NotBuilt
from conformance.loading import load
from conformance.model import Result, Verdict
from tests.chart.app import SCHEMA, make
from tests.clinic.serving import served
from tests.runs.calling import ROOT

CHART = ROOT / "tests" / "chart"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Campaigns that make up little beyond the enumeration, and have all the time they take."""
    monkeypatch.setattr(plan, "REQUESTS", dict.fromkeys(Profile, 60))
    monkeypatch.setattr(plan, "SECONDS", dict.fromkeys(Profile, 600.0))


@contextlib.contextmanager
def chart(folder: Path, *faults: str, **changes: Any) -> Iterator[Harness]:
    """A harness before a chart with `faults`."""
    with served(make(*faults)) as url:
        data = yaml.safe_load((CHART / "target.yaml").read_text())
        data["system"]["base_url"] = url
        (folder / "target.yaml").write_text(yaml.safe_dump({**data, **changes}))
        loaded = load(folder)
        with run.started(loaded, folder / "log") as place:
            yield run.harness(loaded, run.connect(loaded, place), 7, folder / "log")


def told(harness: Harness, *personas: str) -> list[Verdict]:
    """What the oracle says of the campaigns of `personas`, of all if none is named."""
    found: list[Verdict] = []
    for case in sources.fuzz.campaigns(harness.target, Profile.GATE):
        if not personas or case.persona in personas:
            case = stamp(case, "fuzz", "nothing-gives-way", "")  # noqa: PLW2901
            assert case.id.endswith(".graphql")
            found += map(oracles.fuzz.withstood, trials.fuzz.campaign(harness.world, case))
    return found


def rules(verdicts: list[Verdict]) -> set[str]:
    return {str(one.rule) for one in verdicts if one.result is Result.FAIL}


def test_nothing_is_found_in_the_sound_chart(tmp_path: Path) -> None:
    with chart(tmp_path) as harness:
        verdicts = told(harness)
    assert [one.reason for one in verdicts if one.result is not Result.PASS] == []
    nurse = next(one.detail for one in verdicts if one.detail and one.detail["persona"][0] == "n")
    reached = {one["operation"]: one["statuses"] for one in nurse["operations"]}
    assert set(reached) == {
        "query patient",
        "query patients",
        "query notes",
        "mutation addNote",
    }
    assert all("200" in statuses for statuses in reached.values())
    assert nurse["untouched"] == ["mutation logOut"]
    assert nurse["phases"].keys() >= {"examples", "coverage", "fuzzing"}


FOUND = [
    ("other-town", "nurse.east", {"leak.tenant"}),
    ("other-town-inside", "nurse.east", {"leak.tenant"}),
    ("shows-all", "porter.east", {"leak.masked"}),
    ("tells-inside", "nurse.east", {"disclosure.stack-trace"}),
    ("breaks-on-empty", "nurse.east", {"fuzz.server_error"}),
    ("fails-on-many", "nurse.east", {"fuzz.server_error"}),
    ("null-for-name", "nurse.east", {"contract.schema"}),
    ("any-type", "nurse.east", {"fuzz.accepted"}),
]


@pytest.mark.parametrize(("fault", "persona", "expected"), FOUND)
def test_each_fault_is_found(fault: str, persona: str, expected: set[str], tmp_path: Path) -> None:
    with chart(tmp_path, fault) as harness:
        verdicts = told(harness, persona)
    assert rules(verdicts) == expected


def test_a_write_that_the_target_file_names_is_read_back(tmp_path: Path) -> None:
    with chart(tmp_path, "writes-abroad") as harness:
        verdicts = told(harness, "nurse.east")
    assert any(one.rule and one.rule.startswith("tenant") for one in verdicts)


def test_a_finding_is_small_and_shows_again_by_its_recipe_alone(tmp_path: Path) -> None:
    with chart(tmp_path, "other-town") as harness:
        found = [one for one in told(harness, "nurse.east") if one.result is Result.FAIL]
    name = next(one for one in found if "patient.name" in one.reason)
    assert name.detail is not None
    recipe = name.detail["recipe"]
    (step,) = recipe["steps"]
    assert "history" not in step["body"]["query"]
    ((_key, meant),) = step["body"]["ids"].items()
    assert meant["$id"][:2] == ["patient", "foreign"]
    for fault, result in (("other-town", Result.FAIL), ("tells-inside", Result.PASS)):
        with chart(tmp_path, fault) as harness:
            harness.world.recipe = recipe
            (verdict,) = told(harness, recipe["persona"])
            assert verdict.result is result


def test_what_lies_below_a_record_is_there_again_for_a_replay(tmp_path: Path) -> None:
    with chart(tmp_path, "other-town-inside") as harness:
        found = [one for one in told(harness, "nurse.east") if one.result is Result.FAIL]
    note = next(one for one in found if "note.text" in one.reason)
    assert note.detail is not None
    with chart(tmp_path, "other-town-inside") as harness:
        harness.world.recipe = note.detail["recipe"]
        (verdict,) = told(harness, "nurse.east")
    assert verdict.rule == note.rule


def test_nothing_served_is_no_pass(tmp_path: Path) -> None:
    with chart(tmp_path, "serves-nobody", fuzz={"graphql": "schema.graphql"}) as harness:
        (tmp_path / "schema.graphql").write_text(SCHEMA)
        (verdict, *_) = told(harness, "porter.east")
    assert verdict.result is Result.INCONCLUSIVE
    assert "no query was served to porter.east" in verdict.reason


def test_a_schema_may_lie_beside_the_target_file(tmp_path: Path) -> None:
    (tmp_path / "schema.graphql").write_text(SCHEMA)
    with chart(tmp_path, "hides-schema", fuzz={"graphql": "schema.graphql"}) as harness:
        verdicts = told(harness, "porter.east")
    assert {one.result for one in verdicts} == {Result.PASS}


UNREADABLE = [
    ("/graphql", "", "answered introspection with 400"),
    ("/elsewhere", "", "/elsewhere (fuzz.graphql) answered introspection with 404"),
    ("http://127.0.0.2:1/graphql", "", "another origin"),
    ("missing.graphql", "", "missing.graphql (fuzz.graphql) cannot be read"),
    ("broken.graphql", "type Query { a: Nothing }", "Nothing"),
    ("broken.graphql", "type Query {", "is no GraphQL schema: Syntax Error"),
    ("broken.json", '{"data": {"__schema": {}}}', "is no GraphQL schema"),
]


@pytest.mark.parametrize(("where", "text", "reason"), UNREADABLE)
def test_a_schema_that_cannot_be_read_is_an_error_of_the_harness(
    where: str, text: str, reason: str, tmp_path: Path
) -> None:
    if text:
        (tmp_path / where).write_text(text)
    with (
        chart(tmp_path, "hides-schema", fuzz={"graphql": where}) as harness,
        pytest.raises(NotBuilt) as problem,
    ):
        told(harness, "porter.east")
    assert "harness error" in str(problem.value)
    assert reason in str(problem.value)
