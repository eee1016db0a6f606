"""What other programs read: summary, SARIF, JUnit."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import reports
from reports.defects import roll_up
from reports.junit import junit_text
from reports.ledger import Run, read
from reports.sarif import sarif, sarif_text
from reports.summary import summary, summary_text
from reports.verdict import decide
from tests.reports import sample

SCHEMA = json.loads(
    (Path(reports.__file__).parent / "summary.schema.json").read_text(encoding="utf-8")
)


def test_the_summary_keeps_its_schema(hospital: Run) -> None:
    value = json.loads(summary_text(hospital, decide(hospital)))
    jsonschema.validate(value, SCHEMA)
    assert value["verdict"] == "not conformant"
    assert sum(value["counts"].values()) == value["planned"] == len(hospital.cases)
    assert {finding["case"] for finding in value["findings"]} == {
        verdict.case for verdict in hospital.verdicts.values() if verdict.outcome == "fail"
    }


@pytest.mark.parametrize("outcomes", [(), ("pass",), ("inconclusive", "not_tested")])
def test_the_summary_of_small_runs_keeps_its_schema(
    tmp_path: Path, outcomes: tuple[str, ...]
) -> None:
    run = read(sample.write(tmp_path, sample.small(*outcomes, ended=False)))
    value = summary(run, decide(run))
    jsonschema.validate(value, SCHEMA)
    assert value["finished"] is None
    assert value["interrupted"] is True


def test_the_schema_describes_every_key_of_the_summary(hospital: Run) -> None:
    value = summary(hospital, decide(hospital))
    assert set(value) == set(SCHEMA["properties"])
    assert set(value["findings"][0]) == set(SCHEMA["$defs"]["finding"]["properties"])
    assert set(value["defects"][0]) == set(SCHEMA["properties"]["defects"]["items"]["properties"])


def test_findings_that_one_mend_would_cure_are_one_defect(hospital: Run) -> None:
    defects = {defect.key: defect for defect in roll_up(hospital)}
    read_defect = defects["bola.read patient.read"]
    assert read_defect.roles == ("lab_technician", "nurse", "pharmacist", "physician")
    assert read_defect.relations == ("same_tenant",)
    assert read_defect.cases == len(read_defect.findings) == 5
    assert next(iter(defects.values())).severity == "care_blocking"


def test_sarif_holds_what_dashboards_need(hospital: Run) -> None:
    log = json.loads(sarif_text(hospital, decide(hospital)))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert len(run["results"]) == len(hospital.findings)
    for result in run["results"]:
        check_sarif_result(result, rules)
    prints = [result["partialFingerprints"]["wardproofCase/v1"] for result in run["results"]]
    assert len(set(prints)) == len(prints)
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is True
    assert invocation["exitCode"] == 1


def check_sarif_result(result: dict[str, Any], rules: list[dict[str, Any]]) -> None:
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    assert result["level"] in ("error", "warning", "note")
    assert result["message"]["text"]
    (location,) = result["locations"]
    physical = location["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "target.yaml"
    assert physical["region"]["startLine"] >= 1
    assert location["logicalLocations"][0]["fullyQualifiedName"].count(".") == 1


def test_sarif_of_a_clean_run_has_no_results(tmp_path: Path) -> None:
    run = read(sample.write(tmp_path, sample.small("pass")))
    assert sarif(run, decide(run))["runs"][0]["results"] == []


def test_junit_never_shows_an_open_case_as_passed(hospital: Run) -> None:
    decision = decide(hospital)
    root = ET.fromstring(junit_text(hospital, decision))
    cases = list(root.iter("testcase"))
    assert len(cases) == decision.planned
    assert sum(not list(case) for case in cases) == decision.counts.passed
    assert len(list(root.iter("failure"))) == decision.counts.failed
    assert len(list(root.iter("error"))) == decision.counts.inconclusive
    for suite in root.iter("testsuite"):
        found = list(suite.iter("testcase"))
        assert suite.get("tests") == str(len(found))
        assert suite.get("failures") == str(sum(case.find("failure") is not None for case in found))


def test_junit_bears_hostile_text(tmp_path: Path) -> None:
    records = sample.small("fail")
    records[2]["reason"] = sample.HOSTILE
    records[2]["findings"][0]["message"] = sample.HOSTILE
    run = read(sample.write(tmp_path, records))
    failure = ET.fromstring(junit_text(run, decide(run))).find(".//failure")
    assert failure is not None
    assert "<script>alert(1)</script>" in (failure.text or "")
    assert "]]>" in (failure.get("message") or "")
