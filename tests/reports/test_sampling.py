"""Samples to run again: who can know them, what is in them, and how two runs compare."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from conformance.cli import main
from reports.ledger import Run, read
from reports.sampling import Comparison, asked, compare, draw, plain, seed_of
from tests.reports import sample

Record = dict[str, Any]
EVIDENCE = "ab" * 32


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read(sample.write(tmp_path_factory.mktemp("hospital"), sample.hospital()))


def small(folder: Path, *outcomes: str, **header: Any) -> Run:
    """A run of one case per outcome."""
    records = sample.small(*outcomes)
    records[0] |= header
    return read(sample.write(folder, records))


def strata(run: Run, cases: tuple[str, ...]) -> Counter[tuple[tuple[str, ...], str]]:
    planned = {case.id: case for case in run.cases}
    return Counter((planned[one].roles, run.verdict(planned[one]).word) for one in cases)


# --- drawing --------------------------------------------------------------------------------------


def test_the_same_seed_draws_the_same_cases_and_another_others(hospital: Run) -> None:
    one, again, other = (
        draw(hospital, 400, evidence=EVIDENCE, nonce=nonce) for nonce in ("a", "a", "b")
    )
    assert one.cases == again.cases
    assert set(one.cases) != set(other.cases)
    elsewhere = draw(hospital, 400, evidence="cd" * 32, nonce="a")
    assert set(one.cases) != set(elsewhere.cases)


def test_anybody_can_repeat_a_draw(tmp_path: Path) -> None:
    run = small(tmp_path, *["pass"] * 20)
    found = draw(run, 5, evidence=EVIDENCE, nonce="mine")
    seed = hashlib.sha256(f"{EVIDENCE}\nmine".encode()).hexdigest()
    ranked = sorted(
        (case.id for case in run.cases),
        key=lambda name: hashlib.sha256(f"{seed}\n{name}".encode()).hexdigest(),
    )
    assert list(found.cases) == ranked[:5]
    assert found.seed == seed == seed_of(EVIDENCE, "mine")


def test_every_failing_case_is_drawn_even_if_they_are_more(hospital: Run) -> None:
    failing = {case.id for case, verdict in hospital.judged() if verdict.outcome == "fail"}
    found = draw(hospital, 3, evidence=EVIDENCE, nonce="a")
    assert set(found.cases) == failing
    assert found.failing == len(failing) > 3


def test_every_stratum_has_its_turn(hospital: Run) -> None:
    wide = draw(hospital, len(hospital.cases), evidence=EVIDENCE, nonce="a")
    assert len(set(wide.cases)) == len(wide.cases) == wide.population
    found = draw(hospital, wide.failing + wide.strata, evidence=EVIDENCE, nonce="a")
    drawn = strata(hospital, found.cases[found.failing :])
    every = strata(hospital, wide.cases[wide.failing :])
    assert set(drawn) == set(every)


def test_what_judges_the_whole_and_what_takes_long_is_not_drawn(tmp_path: Path) -> None:
    cases = [
        sample.case("role_access.sweep.books", everywhere=True),
        sample.case("load.spikes-pass", suite="load"),
        sample.case("role_access.one"),
    ]
    results = [sample.verdict(case["id"]) for case in cases]
    records = [sample.header(), sample.plan(cases), *results, sample.end()]
    run = read(sample.write(tmp_path, records))
    assert draw(run, 9, evidence=EVIDENCE, nonce="a").cases == ("role_access.one",)
    more = draw(run, 9, evidence=EVIDENCE, nonce="a", without=()).cases
    assert set(more) == {"role_access.one", "load.spikes-pass"}


# --- comparing ------------------------------------------------------------------------------------

LATER = {"id": "second", "started": "2026-11-22T06:00:00Z"}


def compared(folder: Path, before: list[str], after: list[str], **again: Any) -> Comparison:
    one = small(folder / "one", *before, id="first")
    other = small(folder / "other", *after, **{**LATER, **again})
    return compare(one, other, draw(one, 99, evidence=EVIDENCE, nonce="a"))


@pytest.mark.parametrize(
    ("before", "after", "agreement", "code"),
    [
        ("pass", "pass", "agrees", 0),
        ("fail", "fail", "agrees", 0),
        ("not_claimed", "not_claimed", "agrees", 0),
        ("inconclusive", "inconclusive", "agrees", 0),
        ("pass", "fail", "differs", 1),
        ("fail", "pass", "differs", 1),
        ("pass", "not_claimed", "differs", 1),
        ("pass", "inconclusive", "open", 2),
        ("pass", "not_tested", "open", 2),
        ("inconclusive", "pass", "more", 0),
        ("not_tested", "fail", "more", 0),
    ],
)
def test_words_are_compared_case_by_case(
    before: str, after: str, agreement: str, code: int, tmp_path: Path
) -> None:
    found = compared(tmp_path, [before, "pass"], [after, "pass"])
    assert Counter(row.agreement for row in found.rows) == Counter([agreement, "agrees"])
    assert found.exit_code == code


def test_a_case_that_is_not_planned_again_is_open(tmp_path: Path) -> None:
    found = compared(tmp_path, ["pass", "pass"], ["pass"])
    assert [row.again for row in found.of("open")] == ["not planned"]
    assert found.exit_code == 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"id": "first"}, "the run itself"),
        ({"started": "2026-11-20T06:00:00Z"}, "before the run had ended"),
        ({"versions": {"policy": "d0" * 32}}, "another policy"),
        ({"profile": "full"}, "has the profile full"),
    ],
)
def test_what_cannot_be_compared_does_not_agree(changes: Record, says: str, tmp_path: Path) -> None:
    found = compared(tmp_path, ["pass"], ["pass"], **changes)
    assert len(found.objections) == 1
    assert says in found.objections[0]
    assert not found.agrees
    assert found.exit_code == 2


def test_other_versions_are_noted_and_do_no_harm(tmp_path: Path) -> None:
    target = {**sample.header()["target"], "version": "2.4.0", "base_url": "http://other"}
    found = compared(tmp_path, ["pass"], ["pass"], target=target, wardproof="0.2.0")
    assert found.agrees
    assert len(found.notes) == 3


def test_an_empty_re_run_agrees_with_nothing(tmp_path: Path) -> None:
    one = small(tmp_path / "one", "pass")
    other = small(tmp_path / "other", "pass", **LATER)
    sampled = draw(one, 0, evidence=EVIDENCE, nonce="a")
    assert not compare(one, other, sampled).agrees


def test_what_is_kept_of_a_re_run_says_what_was_asked(tmp_path: Path) -> None:
    one, other = small(tmp_path / "one", "pass"), small(tmp_path / "other", "pass", **LATER)
    found = compare(one, other, draw(one, 5, evidence=EVIDENCE, nonce="a"))
    value = json.loads(json.dumps(plain(one, other, found)))
    wanted = asked(value)
    assert (wanted.evidence, wanted.nonce, wanted.size) == (EVIDENCE, "a", 5)
    assert wanted.without == ("load",)
    assert value["sentence"] == (
        "Run again: 1 case of 1, drawn by a seed unknown beforehand; 1 had the same verdict."
    )


@pytest.mark.parametrize("value", [None, [], {}, {"schema": 2}, {"schema": 1, "sample": 7}])
def test_what_is_no_record_of_a_re_run_is_said_to_be(value: Any) -> None:
    with pytest.raises(ValueError, match="no record of a re-run"):
        asked(value)


# --- wrong calls ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (["rerun", "none", "--target", "t", "--out", "new"], "cannot be read"),
        (["rerun", "run", "--target", "t", "--out", "run"], "is not empty"),
        (["rerun", "run", "--target", "t", "--out", "new", "--sample", "0"], "from 1 on"),
        (["countersign", "b.zip", "--rerun", "run"], "name your private key"),
    ],
)
def test_a_wrong_call_says_what_to_do(
    call: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    small(tmp_path / "run", "pass")
    assert main(call) == 3
    assert says in capsys.readouterr().err
