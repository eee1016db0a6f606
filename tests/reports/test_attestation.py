"""What is signed: an in-toto statement with a test-result predicate."""

import hashlib
import json
from pathlib import Path

import pytest

from reports import signing
from reports.canonical import encode
from tests.reports import bundles


def statement(path: Path, *outcomes: str, waived: bool = False) -> dict[str, object]:
    """The statement in the attestation of a bundle of such a run."""
    found = bundles.members(bundles.made(path, *outcomes, waived=waived))
    kind, payload = signing.opened(json.loads(found["attestation.dsse.json"]))
    assert kind == "application/vnd.in-toto+json"
    value: dict[str, object] = json.loads(payload)
    assert encode(value) == payload
    return value


def test_its_subjects_are_manifest_ledger_and_target(tmp_path: Path) -> None:
    found = statement(tmp_path, "pass")
    inside = bundles.members(tmp_path / "run.zip")

    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert found["subject"] == [
        {
            "name": name,
            "digest": {"sha256": hashlib.sha256(inside[name]).hexdigest()},
        }
        for name in ("manifest.json", "evidence.jsonl")
    ] + [{"name": "Reference Hospital 2.3.1", "digest": {"sha256": "ab" * 32}}]


@pytest.mark.parametrize(
    ("outcomes", "waived", "result"),
    [
        (("pass", "pass"), False, "PASSED"),
        (("pass", "not_claimed"), False, "PASSED"),
        (("pass", "fail"), True, "WARNED"),
        (("pass", "fail"), False, "FAILED"),
        (("pass", "inconclusive"), False, "FAILED"),
        (("pass", "not_tested"), False, "FAILED"),
    ],
)
def test_its_result_is_that_of_the_gate(
    tmp_path: Path, outcomes: tuple[str, ...], waived: bool, result: str
) -> None:
    predicate = statement(tmp_path, *outcomes, waived=waived)["predicate"]

    assert isinstance(predicate, dict)
    assert predicate["result"] == result


def test_it_lists_every_case_that_was_claimed_once(tmp_path: Path) -> None:
    outcomes = ("pass", "fail", "inconclusive", "not_tested", "not_claimed")

    predicate = statement(tmp_path, *outcomes)["predicate"]

    assert isinstance(predicate, dict)
    assert predicate["passedTests"] == ["access_matrix.case-0"]
    assert predicate["warnedTests"] == []
    assert predicate["failedTests"] == [f"access_matrix.case-{number}" for number in (1, 2, 3)]


def test_its_configuration_names_what_decided_the_cases(tmp_path: Path) -> None:
    predicate = statement(tmp_path, "pass")["predicate"]

    assert isinstance(predicate, dict)
    assert {one["name"]: one["digest"]["sha256"] for one in predicate["configuration"]} == {
        "policy": "b1" * 32,
        "target": "b2" * 32,
        "suites/access_matrix": "a1" * 32,
        "suites/object_scope": "a2" * 32,
        "tables/rules.yaml": "c1" * 32,
    }
