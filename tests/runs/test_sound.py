"""A sound target is found conformant, whichever way the suites are run."""

import json
from pathlib import Path

import jsonschema

from tests.clinic.app import make
from tests.clinic.serving import served
from tests.runs.calling import CLINIC, ROOT, SEED, Run, call, run


def test_a_sound_clinic_is_conformant(sound: Run) -> None:
    assert sound.code == 0, sound.called.said
    assert sound.summary["verdict"] == "conformant"
    assert sound.summary["findings"] == []
    assert set(sound.outcomes.values()) == {"pass", "not_claimed"}


def test_every_planned_case_is_executed(sound: Run) -> None:
    planned = [case["id"] for plan in sound.of("plan") for case in plan["cases"]]
    assert sorted(planned) == sorted(sound.outcomes)
    assert len(planned) > 150
    counted = sound.summary
    assert counted["planned"] == counted["executed"] == len(planned)


def test_the_summary_fits_its_schema(sound: Run, masked: Run) -> None:
    schema = json.loads((ROOT / "reports" / "summary.schema.json").read_text())
    for one in (sound, masked):
        jsonschema.validate(one.summary, schema)


def test_the_ledger_begins_with_the_run_and_ends_with_its_end(sound: Run) -> None:
    types = [record["type"] for record in sound.records]
    assert types[:2] == ["run", "plan"]
    assert types[-1] == "end"
    assert [record["seq"] for record in sound.records] == list(range(len(types)))
    assert sound.of("end")[0]["interrupted"] is False


def test_what_cannot_be_removed_is_listed(sound: Run) -> None:
    left = {record["resource"] for record in sound.of("left_over")}
    assert left == {"note", "appointment"}


def test_two_workers_give_the_same_plan_and_verdicts(
    sound: Run, masked: Run, tmp_path: Path
) -> None:
    halved = run(tmp_path / "out", "--suite", "role_access", "-n", "2", "--seed", SEED)
    assert halved.code == 0, halved.called.said
    expected = {case: one for case, one in sound.outcomes.items() if case.startswith("role_access")}
    assert halved.outcomes == expected
    assert halved.of("plan")[0]["digest"] == masked.of("plan")[0]["digest"]
    assert halved.of("run")[0]["seed"] == masked.of("run")[0]["seed"] == int(SEED)
    assert {one["resource"] for one in halved.of("left_over")} == {"note", "appointment"}


def test_plain_pytest_gives_the_same_verdicts(masked: Run, tmp_path: Path) -> None:
    suite = ROOT / "suites" / "test_role_access.py"
    place = ("--target", CLINIC, "--out", tmp_path / "out")
    with served(make("unmasked")) as url:
        called = call("-m", "pytest", suite, "-q", "--base-url", url, *place)
    assert called.code == masked.code == 1, called.said
    assert Run(called, tmp_path / "out").outcomes == masked.outcomes


def test_a_glob_selects_cases(clinic: str, tmp_path: Path) -> None:
    chosen = "*.clerk.east.patient.read.*"
    done = run(tmp_path / "out", "--base-url", clinic, "--case", chosen, "--suite", "role_access")
    assert done.code == 0, done.called.said
    assert done.outcomes == {
        "role_access.granted-operations-work.clerk.east.patient.read.same_tenant": "pass"
    }


def test_a_glob_that_fits_nothing_is_no_success(clinic: str, tmp_path: Path) -> None:
    done = run(tmp_path / "out", "--base-url", clinic, "--case", "no.such.case")
    assert done.code == 2
    assert "nothing was tested" in " ".join(done.summary["reasons"])
