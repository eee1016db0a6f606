"""A vendor's bundle, a sample of it run again by somebody else, and what that is worth."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clinic.app import make
from tests.clinic.serving import served
from tests.runs.calling import CLINIC, Called, Run, run, wardproof

SUITE = ("--suite", "role_access")


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run of a sound clinic, its bundle, and two pairs of keys."""
    folder = tmp_path_factory.mktemp("vendor")
    with served(make()) as url:
        assert run(folder / "run", *SUITE, "--base-url", url).code == 0
    for name in ("vendor", "reviewer"):
        assert wardproof("keygen", "--out", folder / name).code == 0
    done = wardproof(
        "bundle", folder / "run", "--out", folder / "b.zip", "--key", folder / "vendor"
    )
    assert done.code == 0, done.said
    return folder


def again(vendors: Path, out: Path, size: int, *faults: str) -> Called:
    """A sample of the bundle run again, on a clinic with those faults."""
    where = ("--target", CLINIC, "--out", out, "--sample", str(size), "--seed", "mine")
    with served(make(*faults)) as url:
        return wardproof("rerun", vendors / "b.zip", *where, "--base-url", url)


@pytest.fixture(scope="module")
def agreeing(vendors: Path) -> Run:
    """Half of the bundle's cases, run again on the same clinic."""
    return Run(again(vendors, vendors / "agreeing", 20), vendors / "agreeing")


@pytest.fixture(scope="module")
def differing(vendors: Path) -> Run:
    """All of the bundle's cases, run again on a clinic in which any role may change a patient."""
    done = again(vendors, vendors / "differing", 500, "anyone-writes")
    return Run(done, vendors / "differing")


def countersigned(vendors: Path, rerun: Path, out: Path) -> Called:
    keys = ("--key", vendors / "reviewer", "--out", out)
    return wardproof("countersign", vendors / "b.zip", "--rerun", rerun, *keys)


def with_record(of: Path, folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy of a re-run in which what it says of itself was changed."""
    folder.mkdir()
    (folder / "evidence.jsonl").write_bytes((of / "evidence.jsonl").read_bytes())
    kept = json.loads((of / "rerun.json").read_text())
    change(kept)
    (folder / "rerun.json").write_text(json.dumps(kept))
    return folder


def test_a_re_run_that_agrees_is_countersigned(
    vendors: Path, agreeing: Run, tmp_path: Path
) -> None:
    assert agreeing.code == 0, agreeing.called.said
    assert "20 had the same verdict" in agreeing.called.out
    kept = json.loads((agreeing.folder / "rerun.json").read_text())
    assert {row["case"] for row in kept["cases"]} == set(agreeing.outcomes)

    signed = countersigned(vendors, agreeing.folder, tmp_path / "signed.zip")
    assert signed.code == 0, signed.said
    keys = ("--key", vendors / "vendor.pub", "--key", vendors / "reviewer.pub")
    verified = wardproof("verify", tmp_path / "signed.zip", *keys)
    assert verified.code == 0, verified.said
    assert "drawn by a seed unknown beforehand" in " ".join(verified.out.split())


def test_a_re_run_that_comes_out_otherwise_is_not(
    vendors: Path, differing: Run, tmp_path: Path
) -> None:
    assert differing.code == 1, differing.called.said
    assert "another verdict" in " ".join(differing.called.out.split())
    refused = countersigned(vendors, differing.folder, tmp_path / "signed.zip")
    assert refused.code == 1, refused.said
    assert not (tmp_path / "signed.zip").exists()


def test_what_a_re_run_says_of_itself_is_not_believed(
    vendors: Path, differing: Run, tmp_path: Path
) -> None:
    def lie(kept: dict[str, Any]) -> None:
        kept["agrees"] = True
        for row in kept["cases"]:
            row |= {"again": row["before"], "agreement": "agrees"}

    folder = with_record(differing.folder, tmp_path / "again", lie)
    assert countersigned(vendors, folder, tmp_path / "signed.zip").code == 1


def test_a_sample_drawn_otherwise_is_not_signed_for(
    vendors: Path, agreeing: Run, tmp_path: Path
) -> None:
    def redraw(kept: dict[str, Any]) -> None:
        kept["sample"]["nonce"] = "yours"

    folder = with_record(agreeing.folder, tmp_path / "again", redraw)
    refused = countersigned(vendors, folder, tmp_path / "signed.zip")
    assert refused.code == 2, refused.said
    assert "not planned" in " ".join(refused.out.split())


def test_a_re_run_of_something_else_is_not_signed_for(
    vendors: Path, agreeing: Run, tmp_path: Path
) -> None:
    def exchange(kept: dict[str, Any]) -> None:
        kept["of"]["evidence"] = "0" * 64

    folder = with_record(agreeing.folder, tmp_path / "again", exchange)
    refused = countersigned(vendors, folder, tmp_path / "signed.zip")
    assert refused.code == 3
    assert "other evidence" in refused.err


def test_the_run_is_no_re_run_of_itself(vendors: Path, agreeing: Run, tmp_path: Path) -> None:
    folder = with_record(agreeing.folder, tmp_path / "again", lambda kept: None)
    (folder / "evidence.jsonl").write_bytes((vendors / "run" / "evidence.jsonl").read_bytes())
    refused = countersigned(vendors, folder, tmp_path / "signed.zip")
    assert refused.code == 2
    assert "the run itself" in refused.out


def test_drift_names_the_cell_that_a_release_opened(vendors: Path, differing: Run) -> None:
    done = wardproof("drift", vendors / "b.zip", differing.folder)
    assert done.code == 1, done.said
    shown = " ".join(done.out.split())
    assert "widened" in shown
    assert "patient.update" in shown
    assert wardproof("drift", vendors / "b.zip", vendors / "run").code == 0
