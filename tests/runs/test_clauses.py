"""A run keeps which clauses its planned tests give evidence for, whoever collects them."""

from pathlib import Path
from typing import Any

from tests.runs.calling import CLINIC, Run, call, run

UNAUTHENTICATED = ["unauthenticated", "operations-ask-for-a-login"]


def cited(done: Run) -> dict[str, Any]:
    (record,) = done.of("clauses")
    return {one["id"]: one["properties"] for one in record["clauses"] if one["properties"]}


def test_one_process_and_two_workers_keep_the_same(clinic: str, tmp_path: Path) -> None:
    suite = ("--suite", "unauthenticated", "--base-url", clinic)
    alone = run(tmp_path / "alone", *suite)
    halved = run(tmp_path / "halved", *suite, "-n", "2")
    assert alone.code == halved.code == 0, alone.called.said + halved.called.said
    assert cited(alone) == cited(halved)
    assert cited(alone)["nist-800-53r5:AC-14"] == [UNAUTHENTICATED]
    assert [record["type"] for record in halved.records[:3]] == ["run", "plan", "clauses"]
    assert "#clauses" in alone.called.said


def test_properties_without_a_planned_case_are_left_out(sound: Run) -> None:
    planned = {(one["suite"], one["property"]) for one in sound.of("plan")[0]["cases"]}
    kept = {(suite, name) for properties in cited(sound).values() for suite, name in properties}
    assert kept == planned
    covered = [one for one in sound.summary["clauses"] if one["state"] == "covered"]
    assert covered
    assert not any(one["against"] for one in covered)


def test_an_unknown_clause_is_no_run(tmp_path: Path) -> None:
    suite = tmp_path / "test_mine.py"
    suite.write_text(
        "from conformance import cases, clauses, sources\n"
        "@cases(sources.whole)\n"
        "@clauses('nist-800-53r5:AC-03')\n"
        "def test_it(case, harness): ...\n",
        encoding="utf-8",
    )
    called = call(
        "-m", "pytest", suite, "--collect-only", "--target", CLINIC, "-p", "conformance.plugin"
    )
    assert called.code != 0
    assert "did you mean 'nist-800-53r5:AC-3'?" in called.out
