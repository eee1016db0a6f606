"""What other programs read: summary, SARIF, JUnit."""

import gzip
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import reports
from reports.defects import roll_up
from reports.junit import junit_text
from reports.ledger import Run, read
from reports.sarif import MOST_RESULTS, sarif, sarif_text
from reports.summary import summary, summary_text
from reports.verdict import decide
from tests.reports import sample
from tests.reports.test_gate import TODAY, judged, waived

# The schema of the standard, as the package @microsoft/jest-sarif (MIT licence) hands it on.
SARIF = json.loads(Path(__file__).with_name("sarif-2.1.0.schema.json").read_text(encoding="utf-8"))
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
    assert re.fullmatch(r"[0-9a-f]{16}:1", result["partialFingerprints"]["primaryLocationLineHash"])
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


# --- with the gate ---------------------------------------------------------------------------


def prints(log: dict[str, Any], name: str) -> list[str]:
    return [result["partialFingerprints"][name] for result in log["runs"][0]["results"]]


def test_sarif_keeps_the_schema_of_the_standard(hospital: Run) -> None:
    gate = judged(hospital, waived(hospital, hospital.findings[0].id))
    for given in (None, gate):
        jsonschema.validate(json.loads(sarif_text(hospital, decide(hospital), given)), SARIF)


def test_sarif_of_a_hostile_run_keeps_it_too(tmp_path: Path) -> None:
    records = sample.small("fail", ended=False)
    records[0]["target"] |= {"name": sample.HOSTILE, "file": "targets/ours & 100%/target.yaml"}
    records[2]["findings"][0] |= dict.fromkeys(
        ("message", "observed", "title", "could", "affected", "reproduction", "defect"),
        sample.HOSTILE,
    )
    run = read(sample.write(tmp_path, records))
    value = json.loads(sarif_text(run, decide(run), judged(run)))
    jsonschema.validate(value, SARIF)
    physical = value["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "targets/ours%20%26%20100%25/target.yaml"


def test_a_result_is_where_the_target_file_has_the_operation(tmp_path: Path) -> None:
    records = sample.small("fail")
    records[0]["target"]["file"] = "targets/ours/target.yaml"
    records[0]["resources"]["patient"]["read"]["line"] = 77
    run = read(sample.write(tmp_path, records))
    place = sarif(run, decide(run))["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": "targets/ours/target.yaml"},
        "region": {"startLine": 77},
    }


def test_fingerprints_are_stable_and_one_for_each_finding(tmp_path: Path) -> None:
    records = sample.small("fail", "fail")
    records[2]["findings"].append(
        sample.finding("access_matrix.case-0", id="F-00000000aa", rule="bola.read")
    )
    first = read(sample.write(tmp_path / "first", records))
    records[0] |= {"seed": 2, "started": "2026-12-01T06:00:00Z"}
    records[0]["target"]["base_url"] = "http://127.0.0.1:9"
    for finding in (*records[2]["findings"], *records[3]["findings"]):
        finding |= {"observed": "201", "reproduction": "", "severity": "inconvenience"}
    second = read(sample.write(tmp_path / "second", records))
    one, other = (sarif(run, decide(run)) for run in (first, second))
    for name in ("primaryLocationLineHash", "wardproofFinding/v1"):
        assert len(set(prints(one, name))) == 3
        assert sorted(prints(one, name)) == sorted(prints(other, name))


def test_waivers_are_suppressions_and_the_results_stay(tmp_path: Path) -> None:
    run = read(sample.write(tmp_path, sample.small("fail", "fail")))
    gate = judged(run, waived(run, run.findings[0].id))
    results = sarif(run, gate.decision, gate)["runs"][0]["results"]
    suppressed = {one["properties"]["finding"]: one["suppressions"] for one in results}
    (suppression,) = suppressed[run.findings[0].id]
    assert suppressed[run.findings[1].id] == []
    assert (suppression["kind"], suppression["status"]) == ("external", "accepted")
    assert "SEC-12" in suppression["justification"]
    assert {one["level"] for one in results} == {"error"}


def test_an_expired_waiver_suppresses_nothing(tmp_path: Path) -> None:
    run = read(sample.write(tmp_path, sample.small("fail")))
    gate = judged(run, waived(run, run.findings[0].id), today=TODAY.replace(year=2030))
    assert "suppressions" not in sarif(run, gate.decision, gate)["runs"][0]["results"][0]


def test_sarif_stays_within_what_github_takes(tmp_path: Path) -> None:
    """The gravest results first, cut where more would be refused or not shown."""
    names = [f"access_matrix.case-{number}" for number in range(MOST_RESULTS + 10)]
    grave = sample.finding(names[-1], severity="care_blocking", message="x" * 9000)
    records = [
        sample.header(),
        sample.plan([sample.case(name) for name in names]),
        *(
            sample.verdict(
                name,
                "fail",
                findings=[
                    grave
                    if name == names[-1]
                    else sample.finding(name, severity="operational", cwe=list(range(1, 40)))
                ],
            )
            for name in names
        ),
        sample.end(),
    ]
    run = read(sample.write(tmp_path, records))
    text = sarif_text(run, decide(run))
    (log,) = json.loads(text)["runs"]
    assert len(log["results"]) == MOST_RESULTS
    assert log["results"][0]["properties"]["finding"] == grave["id"]
    (note,) = log["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"].startswith("10 of 5,010 findings are left out")
    assert all(len(rule["properties"]["tags"]) <= 10 for rule in log["tool"]["driver"]["rules"])
    assert max(len(result["message"]["text"]) for result in log["results"]) <= 1000
    assert len(gzip.compress(text.encode(), compresslevel=1)) < 10_000_000


def test_junit_shows_a_waived_failure_as_a_failure_with_its_waiver(tmp_path: Path) -> None:
    run = read(sample.write(tmp_path, sample.small("pass", "fail", "inconclusive")))
    gate = judged(run, waived(run, run.findings[0].id), waived(run, "access_matrix.case-2"))
    assert gate.exit_code == 0
    root = ET.fromstring(junit_text(run, gate.decision, gate))
    failure = root.find(".//failure")
    assert failure is not None
    assert (failure.get("message") or "").startswith("[waived until 2026-12-31] ")
    assert "A. Rahman" in (failure.text or "")
    assert len(root.findall(".//property[@name='waiver']")) == 2
    assert len(root.findall(".//error")) == 1


def test_junit_has_what_the_gate_asks_as_a_suite(tmp_path: Path) -> None:
    run = read(sample.write(tmp_path, sample.small("pass", "fail")))
    gate = judged(run, waived(run, run.findings[0].id), today=TODAY.replace(year=2030))
    root = ET.fromstring(junit_text(run, gate.decision, gate))
    suite = root.find("testsuite[@name='gate']")
    assert suite is not None
    assert len(suite.findall("testcase")) == len(gate.checks)
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["No promise is bypassed without a waiver", "No waiver is expired"]
    assert root.get("tests") == str(len(list(root.iter("testcase"))))
    assert root.get("failures") == str(len(list(root.iter("failure"))))


def test_the_summary_holds_the_gate_beside_the_verdict(tmp_path: Path) -> None:
    run = read(sample.write(tmp_path, sample.small("pass", "fail", "inconclusive")))
    waiver = waived(run, run.findings[0].id)
    gate = judged(run, waiver, waived(run, "access_matrix.case-2", granted=TODAY.replace(day=30)))
    value = json.loads(summary_text(run, gate.decision, gate))
    jsonschema.validate(value, SCHEMA)
    assert value["verdict"] == "not conformant"
    assert value["gate"]["accepted"][0]["subject"] == run.findings[0].id
    assert value["gate"]["refused"][0]["why"]
    described = SCHEMA["$defs"]["gate"]["properties"]
    assert set(value["gate"]) == set(described)
    shown = {key for name in ("accepted", "refused") for key in value["gate"][name][0]}
    assert shown == set(SCHEMA["$defs"]["waivers"]["items"]["properties"])
