"""What `prove` makes of a run: caught or not, and rated on the right side of what is minor."""

import io
import json
from contextlib import nullcontext
from typing import Any

import pytest
from rich.console import Console

from conformance import proving
from conformance.proving import Proof, Seeded
from conformance.triage import SEVERITIES

MINOR = Seeded("D-900", "main", "A label has a slip", ("fuzz",), "inconvenience")
GRAVE = Seeded("D-900", "subtle", "Two columns are swapped", ("clinical",), "care_blocking")
CLEAN = Proof(None, 0, (), (), (), 1.0)


def proof(seeded: Seeded, *severities: str, code: int = 1) -> Proof:
    return Proof(seeded, code, ("contract.schema",), ("fuzz",), severities, 2.0)


@pytest.mark.parametrize(
    ("seeded", "severities", "code", "state"),
    [
        (MINOR, ("inconvenience",), 1, "caught"),
        (MINOR, ("inconvenience", "operational"), 1, "rated wrong"),
        (MINOR, ("care_blocking",), 1, "rated wrong"),
        (GRAVE, ("inconvenience",), 1, "rated wrong"),
        (GRAVE, ("inconvenience", "operational"), 1, "caught"),
        (GRAVE, ("care_blocking",), 1, "caught"),
        (GRAVE, (), 1, "not caught"),
        (MINOR, (), 0, "not caught"),
        (MINOR, ("inconvenience",), 2, "not caught"),
    ],
)
def test_what_is_minor_stays_so_and_all_else_rises(
    seeded: Seeded, severities: tuple[str, ...], code: int, state: str
) -> None:
    assert proof(seeded, *severities, code=code).state == state


def test_a_defect_rated_wrong_is_told_from_one_that_was_missed() -> None:
    proofs = [proof(MINOR, "operational", "inconvenience"), proof(GRAVE, code=0)]
    out = io.StringIO()
    proving._show(CLEAN, proofs, Console(file=out, width=200))
    text = " ".join(out.getvalue().split())
    assert "RATED WRONG" in text
    assert "inconvenience, found as operational, inconvenience" in text
    assert "1 of 2 defects caught, 1 of them RATED WRONG" in text
    assert "RATED WRONG" in proving._line(proofs[0])
    assert "NOT CAUGHT" in proving._line(proofs[1])


def test_the_result_says_how_each_was_rated() -> None:
    record = proving._record(CLEAN, [proof(MINOR, "inconvenience", "operational"), proof(GRAVE)])
    wrong, missed = json.loads(json.dumps(record))["defects"]
    assert (wrong["state"], wrong["severity"]) == ("rated wrong", "inconvenience")
    assert wrong["severities"] == ["operational", "inconvenience"]
    assert wrong["caught"]
    assert (missed["state"], missed["caught"], missed["severities"]) == ("not caught", False, [])


@pytest.mark.parametrize(
    ("severities", "code"),
    [(("inconvenience",), 0), (("operational",), 1), ((), 1)],
)
def test_what_is_rated_wrong_fails_as_what_is_missed(
    severities: tuple[str, ...], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(seeded: Seeded | None, *_: Any) -> Proof:
        return CLEAN if seeded is None else proof(seeded, *severities)

    monkeypatch.setattr(proving, "choose", lambda *_: [MINOR])
    monkeypatch.setattr(proving, "_service", lambda *_: nullcontext("postgresql://nowhere"))
    monkeypatch.setattr(proving, "_run", run)
    assert proving.prove([], [], None, Console(file=io.StringIO())) == code


def test_what_is_found_first_may_be_the_least_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A grave defect is walked to its end before it counts as taken for a minor one."""
    asked = []

    def run(seeded: Seeded | None, *_: Any, whole: bool = False) -> Proof:
        if seeded is None:
            return CLEAN
        asked.append((seeded.name, whole))
        return proof(seeded, "inconvenience", *(["operational"] if whole else []))

    monkeypatch.setattr(proving, "choose", lambda *_: [GRAVE, MINOR])
    monkeypatch.setattr(proving, "_service", lambda *_: nullcontext("postgresql://nowhere"))
    monkeypatch.setattr(proving, "_run", run)
    assert proving.prove([], [], None, Console(file=io.StringIO())) == 0
    assert sorted(asked) == [("D-900", False), ("D-900.subtle", False), ("D-900.subtle", True)]


def test_the_catalogue_has_minor_defects_and_severities_that_there_are() -> None:
    seeded = proving.catalogue()
    assert {one.severity for one in seeded} <= set(SEVERITIES)
    assert any(one.minor for one in seeded)
