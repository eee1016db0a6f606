"""What a wrong call or a wrong target file is told, and what sends nothing at all."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.clinic.app import make
from tests.clinic.serving import served
from tests.runs import sick
from tests.runs.calling import (
    CLINIC,
    Called,
    Run,
    run,
    target,
    wardproof,
    without_start,
)
from tests.runs.forking import Forker

# --- exit code 3: the call or the target file ------------------------------------------------


def _misspelt(data: dict[str, Any]) -> None:
    data["system"]["opneapi"] = data["system"].pop("openapi")


def _several_mistakes(data: dict[str, Any]) -> None:
    data["personas"]["doctor.east"]["tenant"] = "eastt"
    data["policy"]["clerk"]["patient"]["red"] = "allow"
    data["resources"]["note"]["parent"] = "patiant"


def _unset_secret(data: dict[str, Any]) -> None:
    data["personas"]["doctor.east"]["password"] = "${NO_SUCH_CLINIC_SECRET}"


def _outside(data: dict[str, Any]) -> None:
    data["system"]["base_url"] = "http://clinic.example:8000"


def _two_bodies(data: dict[str, Any]) -> None:
    data["resources"]["patient"]["create"]["form"] = {"name": "{name}"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_misspelt, ["unknown key 'opneapi'; did you mean 'openapi'?", "1 problem"]),
        (_several_mistakes, ["'east'?", "'read'?", "'patient'?", "3 problems"]),
        (_unset_secret, ["NO_SUCH_CLINIC_SECRET is not set"]),
        (_outside, ["clinic.example is outside the loopback", "system.allow_hosts"]),
        (_two_bodies, ["a request has one body"]),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else None,
)
def test_a_mistake_is_told_with_its_place(change: Any, says: list[str], tmp_path: Path) -> None:
    folder = target(tmp_path / "target", change)
    done = run(tmp_path / "out", target=folder)
    assert done.code == 3
    for part in says:
        assert part in done.called.err
    assert f"{folder / 'target.yaml'}:" in done.called.err
    assert not (tmp_path / "out").exists()


def test_no_yaml_at_all(tmp_path: Path) -> None:
    (tmp_path / "target.yaml").write_text("system: {name: [\n", encoding="utf-8")
    done = run(tmp_path / "out", target=tmp_path)
    assert done.code == 3
    assert "not valid YAML" in done.called.err


def test_a_folder_without_a_target_file(tmp_path: Path) -> None:
    done = run(tmp_path / "out", target=tmp_path)
    assert done.code == 3
    assert "there is no such file" in done.called.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--suite", "tenant_isolaton"], "did you mean 'tenant_isolation'?"),
        (["run", "--profile", "everything"], "invalid choice"),
        (["runn"], "invalid choice"),
        (["replay", "F-0000000000", "--run", "/no/such/folder"], "no run here holds the finding"),
        (["report", "/no/such/folder"], "cannot be read"),
        (["run", "--processes", "0"], "nobody would send load"),
        (["run", "--bind", "10.0.0.1"], "say how many with --load-workers"),
        (["run", "--load-workers", "2"], "cannot reach the loopback"),
        (["run", "--load-workers", "2", "--bind", "192.0.2.7"], "is no address of this machine"),
        (["load-worker", "10.0.0.1:x"], "is not HOST or HOST:PORT"),
    ],
    ids=[
        *("suite", "profile", "command", "finding", "folder"),
        *("nobody", "bind", "loopback", "elsewhere", "worker"),
    ],
)
def test_a_wrong_call(arguments: list[str], says: str) -> None:
    called = wardproof(*arguments)
    assert called.code == 3
    assert says in called.err


@pytest.mark.parametrize("text", ["import nonsense_of_ours\n", "def broken(:\n"])
@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_suite_that_cannot_be_loaded(command: str, text: str, tmp_path: Path) -> None:
    """It is not left out in silence, whoever else is tried."""
    path = tmp_path / "test_of_ours.py"
    path.write_text(text, encoding="utf-8")
    called = wardproof(command, "--target", CLINIC, "--suite", "unauthenticated", "--suite", path)
    assert called.code == 3
    assert f"the suite {path} cannot be loaded" in called.err


def test_a_refused_login(clinic: str, tmp_path: Path) -> None:
    done = run(tmp_path / "out", "--base-url", clinic, environ={"CLINIC": "not-the-password"})
    assert done.code == 3
    assert "doctor.east could not log in at POST /login: answered 401" in done.called.err
    assert "Are the account and its secret right?" in done.called.err
    assert "not-the-password" not in done.called.said
    assert done.records == []


def test_another_base_url_must_be_allowed_too(tmp_path: Path) -> None:
    done = run(tmp_path / "out", "--base-url", "http://192.0.2.1:8000")
    assert done.code == 3
    assert "192.0.2.1 is outside the loopback" in done.called.err


# --- the API document -------------------------------------------------------------------------

INVENTORY = ("--suite", "role_access", "--case", "*classified*")


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("/no-such-document.json", "answered 404"),
        ("/docs", "/docs (system.openapi)"),
        ("broken.yaml", "neither JSON nor YAML"),
        ("http://192.0.2.1/openapi.json", "another origin"),
    ],
    ids=["missing", "page", "unparsable", "elsewhere"],
)
def test_an_api_document_that_cannot_be_read(
    document: str, says: str, clinic: str, tmp_path: Path, forker: Forker
) -> None:
    def change(data: dict[str, Any]) -> None:
        without_start(clinic)(data)
        data["system"]["openapi"] = document

    folder = target(tmp_path / "target", change)
    (folder / "broken.yaml").write_text("paths: [\n", encoding="utf-8")
    done = run(tmp_path / "out", *INVENTORY, target=folder, by=forker.wardproof)
    assert done.code == 2, done.called.said
    assert set(done.outcomes.values()) == {"inconclusive"}
    assert says in done.of("verdict")[0]["reason"]


def test_nothing_is_claimed_without_an_api_document(
    clinic: str, tmp_path: Path, forker: Forker
) -> None:
    def change(data: dict[str, Any]) -> None:
        without_start(clinic)(data)
        del data["system"]["openapi"]

    folder = target(tmp_path / "target", change)
    done = run(tmp_path / "out", *INVENTORY, target=folder, by=forker.wardproof)
    assert done.code == 2
    assert set(done.outcomes.values()) == {"not_claimed"}


# --- looking without sending ------------------------------------------------------------------


@pytest.fixture
def overheard(tmp_path: Path) -> Any:
    """Calls commands about a target that would hear them."""
    with sick.overhearing() as (url, heard):
        folder = target(tmp_path / "target", without_start(url))

        def told(command: str, *arguments: str) -> Called:
            called = wardproof(command, "--target", folder, *arguments)
            assert heard == []
            assert called.code == 0, called.err
            return called

        yield told


def test_plan_shows_requests_and_sends_none(overheard: Any, sound: Run) -> None:
    called = overheard("plan")
    cases = [line.split()[0] for line in called.out.splitlines() if not line.startswith(" ")]
    assert sorted(cases) == sorted(sound.outcomes)
    assert "nothing was sent" in called.err
    assert "GET /patients/{id} as doctor.east" in called.out
    assert "GET /patients/{id} without a login" in called.out


def test_list_narrows_by_persona_resource_and_expectation(overheard: Any, sound: Run) -> None:
    narrowed = ("--persona", "clerk.east", "--resource", "note", "--expected", "deny")
    cases = json.loads(overheard("list", *narrowed, "--json").out)
    assert cases
    assert {(one["persona"], one["resource"], one["expected"]) for one in cases} == {
        ("clerk.east", "note", "deny")
    }
    assert {one["id"] for one in cases} <= set(sound.outcomes)


def test_looking_needs_no_secret(tmp_path: Path) -> None:
    folder = target(tmp_path / "target", _unset_secret)
    assert wardproof("list", "--target", folder, "--suite", "unauthenticated").code == 0


def test_schema_is_a_json_schema_that_the_clinic_fits() -> None:
    schema = json.loads(wardproof("schema").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    clinic = yaml.safe_load((CLINIC / "target.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(clinic, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**clinic, "sytem": {}}, schema)


# --- replay -----------------------------------------------------------------------------------


def test_a_case_is_replayed_with_its_exchanges(clinic: str, tmp_path: Path) -> None:
    case = "role_access.granted-operations-work.clerk.east.patient.read.same_tenant"
    called = wardproof("replay", case, "--target", CLINIC, "--base-url", clinic)
    assert called.code == 0, called.said
    assert called.out.startswith("pass: ")


def test_a_finding_is_replayed(masked: Run) -> None:
    finding = masked.summary["findings"][0]
    again = ("replay", finding["id"], "--run", masked.folder, "--target", CLINIC)
    with served(make("unmasked")) as url:
        shown = wardproof(*again, "--base-url", url)
    with served(make()) as url:
        mended = wardproof(*again, "--base-url", url)
    assert shown.code == 1, shown.said
    assert finding["id"] in shown.out
    assert "as clerk.east: GET" in shown.out
    assert "-> 200" in shown.out
    assert mended.code == 0, mended.said


def test_a_case_that_does_not_exist_is_not_replayed(clinic: str) -> None:
    called = wardproof("replay", "no.such.case", "--target", CLINIC, "--base-url", clinic)
    assert called.code in {2, 3}
    assert "no.such.case" in called.said
