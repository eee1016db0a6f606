"""The table of clauses, and that every test of every suite cites some of it."""

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance import suite
from conformance.clauses import load, objection_to, record
from conformance.document import InvalidDocument

SUITES = sorted((Path(__file__).parents[2] / "suites").glob("test_*.py"))

TABLE = """\
schema: 1
legend: {evidence: {direct: a run shows it}}
frameworks:
  law: {name: A law, version: "1", source: its text, license: public domain}
clauses:
  - id: law:1
    framework: law
    ref: "1"
    title: Access
    meaning: Only who may gets in.
    evidence: direct
    families: [matrix]
    tier: core
    verified: primary
"""
CLAUSE = TABLE.partition("clauses:\n")[2]


def written(folder: Path, text: str) -> Path:
    path = folder / "clauses.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def in_suite(path: Path) -> Iterator[Callable[..., Any]]:
    module = importlib.import_module(f"suites.{path.stem}")
    for name, found in vars(module).items():
        if name.startswith("test_") and inspect.isfunction(found):
            yield found


def test_every_framework_of_the_table_has_clauses() -> None:
    table = load()
    assert len(table.clauses) > 100
    assert {clause.framework for clause in table.clauses.values()} == set(table.frameworks)
    assert {clause.evidence for clause in table.clauses.values()} == {
        "direct",
        "partial",
        "attestation-only",
    }


def test_a_table_is_read(tmp_path: Path) -> None:
    table = load(written(tmp_path, TABLE))
    assert table.clauses["law:1"].families == ("matrix",)
    assert table.frameworks["law"].name == "A law"


@pytest.mark.parametrize(
    ("changed", "place", "message"),
    [
        (("evidence: direct\n    f", "evidence: perhaps\n    f"), "11:5", "'direct', 'partial'"),
        (("tier: core", "tier: core\n    weight: 3"), "14:5", "clauses.0.weight: Unexpected"),
        (("    tier: core\n", ""), "6:5", "tier: required, but not there"),
        (('ref: "1"', 'ref: "2"'), "6:5", "must be framework:ref, which is law:2"),
        (("framework: law", "framework: lawn"), "7:5", "did you mean 'law'?"),
        (("clauses:\n", f"clauses:\n{CLAUSE}"), "15:5", "a second clause law:1"),
        (("schema: 1", "schema: 2"), "1:1", "schema"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_place(
    tmp_path: Path, changed: tuple[str, str], place: str, message: str
) -> None:
    path = written(tmp_path, TABLE.replace(*changed))
    with pytest.raises(InvalidDocument, match=re.escape(message)) as caught:
        load(path)
    assert f"{path}:{place}" in str(caught.value)


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_every_test_of_a_suite_cites_clauses(path: Path) -> None:
    found = list(in_suite(path))
    assert found
    for test in found:
        cited = suite.cited_by(test)
        assert cited, f"{path.name}: {test.__name__} has no @clauses(...)"
        assert len(cited) == len(set(cited)), f"{path.name}: {test.__name__} cites one twice"
        assert suite.objections_to_clauses(test) == [], f"{path.name}: {test.__name__}"


def test_decorators_add_up_in_either_order() -> None:
    @suite.clauses("law:1")
    @suite.clauses("law:2", "law:3")
    def test() -> None: ...

    assert suite.cited_by(test) == ("law:1", "law:2", "law:3")
    assert suite.cited_by(lambda: None) == ()


def test_an_unknown_clause_is_refused_with_what_was_meant() -> None:
    assert objection_to("nist-800-53r5:AC-3") is None
    assert "did you mean 'nist-800-53r5:AC-3'?" in str(objection_to("nist-800-53r5:AC-03"))


def test_a_clause_that_only_a_vendor_can_state_is_refused() -> None:
    only = [one.id for one in load().clauses.values() if one.evidence == "attestation-only"]
    assert only
    assert all("vendor" in str(objection_to(one)) for one in only)


def test_the_record_names_the_properties_that_cite_each_clause() -> None:
    made = record(
        {
            ("object_scope", "a"): ("nist-800-53r5:AC-3", "owasp-api:API1:2023"),
            ("role_access", "b"): ("nist-800-53r5:AC-3",),
        }
    )
    cited = {one["id"]: one["properties"] for one in made["clauses"]}
    assert list(cited) == list(load().clauses)
    assert cited["nist-800-53r5:AC-3"] == [["object_scope", "a"], ["role_access", "b"]]
    assert cited["owasp-api:API1:2023"] == [["object_scope", "a"]]
    assert cited["hipaa:164.312(b)"] == []
    assert {one["id"] for one in made["frameworks"]} == set(load().frameworks)
