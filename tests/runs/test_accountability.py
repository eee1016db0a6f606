"""What the accountability suite says of the clinic: sound, with each fault, and cut short."""

import re
from pathlib import Path

import pytest

from tests.clinic.app import make
from tests.clinic.serving import served
from tests.clinic.trail import claim
from tests.runs.calling import SEED, Run, run, target
from tests.runs.forking import Forker

SUITE = "accountability"
RECONCILED = "*agree*"

# A fault, globs of the cases that must see it, and the rules that these then break.
ROWS = {
    "unrecorded-read": ("*.patient.read.* *.patient.list.*", "trail.missing"),
    "unrecorded-refusal": ("*denied-by-role*", "trail.missing"),
    "recorded-twice": ("*.patient.update.*", "trail.twice"),
    "invents": ("*.patient.update.* *agree*", "trail.invented"),
    "believes-user": ("*user-headers*", "trail.actor trail.forged"),
    "believes-address": ("*address-headers*", "trail.source trail.forged"),
    "believes-date": ("*date-headers*", "trail.time trail.forged"),
    "raw-id": ("*id-with*", "trail.forged"),
    "one-entry-per-id": ("*sent-again*", "trail.changed"),
    "names-last-user": ("*without-a-login*", "trail.actor"),
    "no-patients-in-lists": ("*allowed-attempts*.list.* *.search.*.allowed", "trail.patient"),
    "wrong-patient": ("*allowed-attempts*.patient.*", "trail.patient"),
    "wrong-tenant": ("*doctor.west.east.entry", "trail.leak"),
    "says-done": ("*denied-by-role*", "trail.outcome"),
    "one-word": ("*allowed-attempts* *agree*", "trail.action"),
    "time-without-zone": ("*allowed-attempts*.patient.*", "trail.time"),
    "open-trail": ("*only-readers*", "trail.open"),
    "foreign-trail": ("*stay-in*", "trail.leak"),
    "addable": ("*alters*", "trail.changed"),
    "removable": ("*alters*", "trail.changed"),
    "editable": ("*alters*", "trail.changed"),
    # The trail shows the clerk who reads it an alert that the mask hides.
    "keeps-bodies": (
        "*.patient.create.*.allowed *wrong-password*",
        "trail.content trail.secret leak.masked",
    ),
    "keeps-tokens": ("*allowed-attempts*.patient.*", "trail.secret"),
}


def _tried(
    out: Path, forker: Forker, folder: Path, *faults: str, cases: str, suites: tuple[str, ...] = ()
) -> Run:
    with served(make(*faults, recorded=True)) as url:
        return run(
            out,
            *("--base-url", url, "--suite", SUITE, "--seed", SEED),
            *(f"--suite={one}" for one in suites),
            *(f"--case={glob}" for glob in cases.split()),
            target=folder,
            by=forker.wardproof,
        )


def _claimed(done: Run) -> dict[str, str]:
    """The outcomes of all cases whose promises the clinic makes."""
    return {case: one for case, one in done.outcomes.items() if "not-claimed" not in case}


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """The clinic's target file with its trail claimed."""
    return target(tmp_path / "target", claim)


def test_a_sound_trail_is_conformant(recorded: Path, tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker, recorded, cases="*")
    assert done.code == 0, done.called.said
    assert set(_claimed(done).values()) == {"pass"}
    assert len(_claimed(done)) > 40
    reasons = {one["case"]: one["reason"] for one in done.of("verdict")}
    east = next(said for case, said in reasons.items() if case.endswith("agree.east"))
    counted = re.search(r"([\d,]+) attempts reconciled", east)
    assert counted is not None
    assert int(counted.group(1).replace(",", "")) > 40


@pytest.mark.parametrize("fault", ROWS)
def test_a_fault_is_found(fault: str, recorded: Path, tmp_path: Path, forker: Forker) -> None:
    cases, rules = ROWS[fault]
    done = _tried(tmp_path / "out", forker, recorded, fault, cases=cases)
    assert done.code == 1, done.called.said
    assert done.rules == set(rules.split())


@pytest.mark.parametrize("fault", ["unrecorded-read", "unrecorded-refusal", "recorded-twice"])
def test_the_whole_run_is_reconciled(
    fault: str, recorded: Path, tmp_path: Path, forker: Forker
) -> None:
    """What other suites tried is missed as well."""
    done = _tried(
        tmp_path / "out",
        forker,
        recorded,
        fault,
        cases=f"role_access.*.patient.* {RECONCILED}",
        suites=("role_access",),
    )
    failed = [case for case, outcome in done.outcomes.items() if outcome == "fail"]
    assert {"accountability.the-run-and-the-trail-agree.east"} <= set(failed)
    assert all("agree" in case for case in failed)


def test_two_workers_reconcile_one_run(recorded: Path, tmp_path: Path) -> None:
    with served(make(recorded=True)) as url:
        done = run(
            tmp_path / "out",
            *("--base-url", url, "--suite", SUITE, "--suite", "unauthenticated", "-n", "2"),
            target=recorded,
        )
    assert done.code == 0, done.called.said
    assert set(_claimed(done).values()) == {"pass"}


def test_a_run_that_stops_early_reconciles_nothing(
    recorded: Path, tmp_path: Path, forker: Forker
) -> None:
    with served(make("says-done", recorded=True)) as url:
        done = run(
            tmp_path / "out",
            *("--base-url", url, "--suite", SUITE, "--stop-after", "1"),
            target=recorded,
            by=forker.wardproof,
        )
    assert done.code == 1, done.called.said
    assert not [case for case in done.outcomes if "agree" in case]


def test_without_a_claim_each_property_says_what_would_claim_it(
    clinic: str, tmp_path: Path, forker: Forker
) -> None:
    done = run(tmp_path / "out", "--base-url", clinic, "--suite", SUITE, by=forker.wardproof)
    assert set(done.outcomes.values()) == {"not_claimed"}
    said = [one["reason"] for one in done.of("verdict") if one["case"].endswith(".audit")]
    assert len(said) == 11
    assert all("audit: {read:" in one for one in said)
