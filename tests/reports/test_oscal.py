"""OSCAL assessment results.

NIST's JSON schema is not shipped with the project, so the structure that it prescribes is checked
here by hand, from the published model of version 1.1.2: which keys there may and must be, tokens,
identifiers, references. Where compliance-trestle is installed, its models check the same.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from reports.bundle import opened, write
from reports.gate import judge, level_for
from reports.ledger import Clause, Run, read
from reports.oscal import control_id, oscal
from reports.verifying import verify
from tests.reports import bundles, sample
from tests.reports.bundles import DAY, PRIVATE, PUBLIC

# Of each object: the keys that it must have, then those that it may have.
SHAPES: dict[str, tuple[str, str]] = {
    "assessment-results": (
        "uuid metadata import-ap results",
        "local-definitions back-matter",
    ),
    "metadata": ("title last-modified version oscal-version", "published props parties remarks"),
    "import-ap": ("href", "remarks"),
    "results[]": (
        "uuid title description start reviewed-controls",
        "end props links local-definitions attestations assessment-log observations risks "
        "findings remarks",
    ),
    "components[]": (
        "uuid type title description status",
        "purpose props links responsible-roles protocols remarks",
    ),
    "reviewed-controls": (
        "control-selections",
        "description props links control-objective-selections remarks",
    ),
    "control-selections[]": (
        "",
        "description props links include-all include-controls exclude-controls remarks",
    ),
    "include-controls[]": ("control-id", "statement-ids"),
    "observations[]": (
        "uuid description methods collected",
        "title props links types origins subjects relevant-evidence expires remarks",
    ),
    "subjects[]": ("subject-uuid type", "title props links remarks"),
    "relevant-evidence[]": ("description", "href props links remarks"),
    "risks[]": (
        "uuid title description statement status",
        "props links origins threat-ids characterizations mitigating-factors deadline "
        "remediations risk-log related-observations",
    ),
    "findings[]": (
        "uuid title description target",
        "props links origins implementation-statement-uuid related-observations related-risks "
        "remarks",
    ),
    "target": (
        "type target-id status",
        "title description props links implementation-status remarks",
    ),
    "related-observations[]": ("observation-uuid", ""),
    "resources[]": ("uuid", "title description props document-ids citation rlinks base64 remarks"),
    "rlinks[]": ("href", "media-type hashes"),
    "props[]": ("name value", "uuid ns class group remarks"),
}
TOKEN = re.compile(r"[^\W\d][\w.-]*")


@pytest.fixture(scope="module")
def document(hospital: Run) -> dict[str, Any]:
    return oscal(hospital, judge(hospital, (), level_for("gate"), DAY))


def walked(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with the key that it stands under; members of lists as `key[]`."""
    yield name, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walked(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from walked(inner, f"{name}[]")


def test_every_object_has_the_keys_that_the_model_prescribes(document: dict[str, Any]) -> None:
    assert list(document) == ["assessment-results"]
    seen = set()
    for name, value in walked(document):
        if name in SHAPES:
            must, may = (set(keys.split()) for keys in SHAPES[name])
            assert must <= set(value) <= must | may, (name, sorted(value))
            seen.add(name)
        elif isinstance(value, list | str):
            assert value, f"{name} is empty, which the model does not allow"
    assert seen == set(SHAPES)


def test_its_values_are_of_the_kinds_that_the_model_prescribes(document: dict[str, Any]) -> None:
    for name, value in walked(document):
        if name in {"uuid", "subject-uuid", "observation-uuid"}:
            assert UUID(value).version == 5
        if name in {"start", "end", "collected", "last-modified"}:
            assert datetime.fromisoformat(value).tzinfo is not None
        if name in {"control-id", "target-id", "name"}:
            assert TOKEN.fullmatch(value), value
        if name == "state":
            assert value in {"satisfied", "not-satisfied", "operational"}
        if name in {"title", "value"}:
            assert value == value.strip()
            assert "\n" not in value


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    everything = list(walked(document))
    there = {value for name, value in everything if name == "uuid"}

    assert len(there) == sum(name == "uuid" for name, _ in everything)
    for name, value in everything:
        if name in {"subject-uuid", "observation-uuid"}:
            assert value in there
        if name == "href" and value.startswith("#"):
            assert value[1:] in there


def test_a_clause_is_satisfied_only_where_all_of_it_was_shown(document: dict[str, Any]) -> None:
    result = document["assessment-results"]["results"][0]
    states = {
        one["target"]["target-id"]: (
            one["target"]["status"]["state"],
            one["target"]["status"]["reason"],
        )
        for one in result["findings"]
    }

    # Clause 3 was not claimed, clause 4 is for the vendor to state: nothing was found about them.
    assert states == {
        "law-1": ("not-satisfied", "fail"),
        "law-2": ("satisfied", "pass"),
        "norm-AC-3": ("not-satisfied", "fail"),
    }


def test_risks_are_open_until_somebody_accepts_them(tmp_path: Path) -> None:
    run = bundles.folder(tmp_path / "run", "pass", "fail")
    found = read(run)
    for waivers, status in ((), "open"), (bundles.waivers(run), "deviation-approved"):
        gate = judge(found, waivers, level_for("gate"), DAY)
        result = oscal(found, gate)["assessment-results"]["results"][0]
        assert [risk["status"] for risk in result["risks"]] == [status]


def test_a_run_without_clauses_is_a_document_all_the_same(tmp_path: Path) -> None:
    found = read(sample.write(tmp_path, sample.small("pass")))

    result = oscal(found, judge(found, (), level_for("gate"), DAY))["assessment-results"]["results"]

    assert result[0]["reviewed-controls"]["control-selections"][0]["include-all"] == {}
    assert not {"findings", "observations", "risks"} & set(result[0])


@pytest.mark.parametrize(
    ("framework", "ref", "token"),
    [
        ("nist-800-53r5", "AC-3", "ac-3"),
        ("nist-800-53r5", "AC-3(7)", "ac-3.7"),
        ("hipaa", "164.312(a)(1)", "hipaa-164.312-a-1"),
        ("owasp-api", "API1:2023", "owasp-api-API1-2023"),
        ("27001", "A.5.15", "_27001-A.5.15"),
    ],
)
def test_clauses_become_tokens(framework: str, ref: str, token: str) -> None:
    clause = Clause(id="x", framework=framework, ref=ref, title="x", evidence="direct", tier="core")

    assert control_id(clause) == token
    assert TOKEN.fullmatch(token)


def test_a_bundle_holds_it_when_asked_and_verify_makes_it_again(tmp_path: Path) -> None:
    run = bundles.folder(tmp_path / "run", "pass")
    path = write(run, tmp_path / "run.zip", PRIVATE, DAY, oscal=True)

    with opened(path) as found:
        assert b'"assessment-results"' in found.read("assessment-results.oscal.json")
    result = verify(path, [PUBLIC], DAY)
    assert result.exit_code == 0
    assert "assessment-results.oscal.json" in " ".join(check.words for check in result.checks)


def test_other_peoples_models_accept_it(document: dict[str, Any]) -> None:
    models = pytest.importorskip("trestle.oscal.assessment_results")

    models.Model(**json.loads(json.dumps(document)))
