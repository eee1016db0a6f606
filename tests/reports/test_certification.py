"""Certification: what a run must have shown, what it lacks, and what a certificate says."""

import copy
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance import suite
from conformance.cli import main, suites
from conformance.planning import load_suite
from reports import signing
from reports.attestations import Attestation, Attestations, Statement
from reports.certificate import certificate, page
from reports.certification import (
    FOLDER,
    Assessment,
    CertificationError,
    Profile,
    assess,
    profile,
    read,
    released_digests,
)
from reports.chain import inspect
from reports.ledger import LEDGER_NAME
from reports.ledger import read as read_run
from reports.waivers import Waiver, accepted_of
from tests.reports import sample

TODAY = date(2026, 11, 25)
POLICY = "c0" * 32
NAMES = ("access", "clinical", "operational")
Record = dict[str, Any]


def records(name: str) -> list[Record]:
    """A run in which every property that the profile asks for has one case that passed."""
    cases = []
    for one in profile(name).requirements:
        denied = one.control
        cases.append(
            sample.case(
                f"{one.suite}.{one.name}.nurse",
                suite=one.suite,
                property=one.name,
                expected="deny" if denied else "allow",
            )
        )
    results = [
        sample.verdict(
            case["id"],
            kind="conform-deny" if case["expected"] == "deny" else "conform-allow",
            control={"persona": "physician.north", "outcome": "allowed"},
        )
        for case in cases
    ]
    header = sample.header(suites=sorted({case["suite"] for case in cases}))
    header["versions"] = {"policy": POLICY}
    return [header, sample.plan(cases), *results, sample.end()]


def attested(name: str) -> Attestations:
    return Attestations(
        product="Reference Hospital",
        version="2.3.1",
        items=tuple(
            Attestation(
                item=item.id,
                who="Jane Roe, security officer",
                when=date(2026, 10, 1),
                document="Security concept 3.2",
                sha256=POLICY if item.document == "policy" else "d0" * 32,
            )
            for item in profile(name).items
        ),
    )


def assessed(
    folder: Path,
    found: list[Record],
    name: str = "access",
    *,
    given: Attestations | None = None,
    waivers: tuple[Waiver, ...] = (),
    today: date = TODAY,
) -> Assessment:
    run = read_run(sample.write(folder, found))
    return assess(
        run,
        inspect((folder / LEDGER_NAME).read_bytes()),
        profile(name),
        given if given is not None else attested(name),
        waivers,
        today=today,
    )


def changed(found: list[Record], case: str, **changes: Any) -> list[Record]:
    """The records with the verdict on a case replaced."""
    return [
        sample.verdict(case, **changes) if one.get("case") == case else copy.deepcopy(one)
        for one in found
    ]


def without(found: list[Record], wanted: Callable[[Record], bool]) -> list[Record]:
    """The records without the planned cases for which `wanted` holds, and their verdicts."""
    cases = [case for one in found if one["type"] == "plan" for case in one["cases"]]
    kept = [case for case in cases if not wanted(case)]
    names = {case["id"] for case in kept}
    return [
        sample.plan(kept) if one["type"] == "plan" else one
        for one in found
        if one["type"] != "verdict" or one["case"] in names
    ]


# --- profiles are data ----------------------------------------------------------------------------


def test_a_released_profile_never_changes() -> None:
    assert set(released_digests()) >= {"access@1.0", "clinical@1.0", "operational@1.0"}
    for name, digest in released_digests().items():
        path = FOLDER / f"{name.replace('@', '-')}.yaml"
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        assert found == digest, f"{path.name} was released; give what changes a new version"


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_asks_for_properties_that_there_are(name: str) -> None:
    there = {
        suite.property_of(test, path.stem)
        for path in suites().values()
        for test in vars(load_suite(path)).values()
        if callable(test) and suite.has_cases(test)
    }
    for one in profile(name).requirements:
        assert (one.suite, one.name) in there
        assert not one.instead or (one.suite, one.instead) in there


def test_the_profiles_together_ask_for_every_property() -> None:
    asked = {
        (one.suite, name)
        for one in profile("operational").requirements
        for name in (one.name, one.instead)
    }
    for path in suites().values():
        for test in vars(load_suite(path)).values():
            if callable(test) and suite.has_cases(test):
                where, name = suite.property_of(test, path.stem)
                assert name == suite.SWEEP or (where, name) in asked


def test_every_clause_for_attestation_only_is_asked_for() -> None:
    table = yaml.safe_load(Path("fixtures/tables/clauses.yaml").read_text(encoding="utf-8"))
    asked = {clause for item in profile("access").items for clause in item.clauses}
    known = {row["id"]: row["evidence"] for row in table["clauses"]}
    assert {name for name, how in known.items() if how == "attestation-only"} <= asked
    assert asked <= set(known)


def test_whatever_may_be_left_out_says_why() -> None:
    for one in profile("operational").requirements:
        assert one.not_claimed == "refused" or one.why


def extended(asked: Profile) -> set[tuple[str, str]]:
    return {(one.suite, one.name) for one in asked.requirements}


def test_each_profile_asks_for_all_that_the_one_before_it_does() -> None:
    access, clinical, operational = (profile(name) for name in NAMES)
    assert extended(access) < extended(clinical) < extended(operational)
    assert {item.id for item in access.items} < {item.id for item in operational.items}
    assert list(operational.digests) == ["access@1.0", "clinical@1.0", "operational@1.0"]


@pytest.mark.parametrize("name", ["acess", "access@9.9", "access@", "../access", ""])
def test_a_profile_that_is_not_there_is_said_to_be(name: str) -> None:
    with pytest.raises(CertificationError, match=r"there are: access@1\.0"):
        profile(name)


def test_a_loosened_profile_is_not_used(tmp_path: Path) -> None:
    for path in FOLDER.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    loose = tmp_path / "access-1.0.yaml"
    loose.write_text(loose.read_text().replace("most: 20", "most: 2000"))
    for name in NAMES:
        with pytest.raises(CertificationError, match=r"access@1.0 is not the one .* released"):
            profile(name, tmp_path)


@pytest.mark.parametrize(
    "text", ["", "[1, 2]", "schema: 2", "schema: 1\nname: odd", "{", "schema: 1\nsuites: 7"]
)
def test_a_file_that_is_no_profile_is_said_to_be(text: str, tmp_path: Path) -> None:
    (tmp_path / "odd-1.0.yaml").write_text(text)
    with pytest.raises(CertificationError, match="is no certification profile"):
        read("odd@1.0", tmp_path)


# --- what a run lacks -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_shows_all_of_it_lacks_nothing(name: str, tmp_path: Path) -> None:
    found = assessed(tmp_path, records(name), name)
    assert found.gaps == ()
    assert found.exit_code == 0
    assert all(one.passed == one.cases == 1 for one in found.held)


def test_a_run_for_one_profile_lacks_the_suites_of_the_next(tmp_path: Path) -> None:
    found = assessed(tmp_path, records("access"), "clinical", given=attested("clinical"))
    assert {gap.kind for gap in found.gaps} == {"suite"}
    assert [gap.says.partition(":")[0] for gap in found.gaps] == [
        "concurrency",
        "day_boundary",
        "clinical",
        "durability",
    ]
    assert found.exit_code == 2


CASE = "role_access.ungranted-operations-are-refused.nurse"
STATED = "authentication.half-a-login-grants-nothing.nurse"


def gap(found: Assessment) -> str:
    """The only gap, as people read it."""
    assert len(found.gaps) == 1, [one.says for one in found.gaps]
    return f"{found.gaps[0].kind}: {found.gaps[0].says}. {found.gaps[0].do}"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"outcome": "inconclusive", "reason": "503"}, f"inconclusive: .* such as {CASE}: 503"),
        ({"outcome": "not_tested", "reason": "switched off"}, "not tested: .*switched off"),
        ({"outcome": "not_claimed"}, "not claimed: .*this profile needs it"),
        ({"control": None, "kind": "conform-deny"}, "control: .*somebody who was let in"),
        (
            {"control": {"persona": "x", "outcome": "denied"}, "kind": "conform-deny"},
            "control: .*run again",
        ),
    ],
)
def test_what_a_property_lacks_is_said(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    found = assessed(tmp_path, changed(records("access"), CASE, **changes))
    assert any(re.search(says, f"{one.kind}: {one.says}. {one.do}") for one in found.gaps)
    assert found.exit_code == 2


def test_a_failure_refuses_whatever_suite_it_is_in(tmp_path: Path) -> None:
    name = "fuzz.nothing-gives-way.nurse"
    found = records("access")
    plan = next(one for one in found if one["type"] == "plan")
    cases = [*plan["cases"], sample.case(name, suite="fuzz", property="nothing-gives-way")]
    found[found.index(plan)] = sample.plan(cases)
    found.insert(-1, sample.verdict(name, "fail", findings=[sample.finding(name)]))
    result = assessed(tmp_path, found)
    assert gap(result).startswith("failed: fuzz: nothing-gives-way: 1 case failed, such as")
    assert "never certified around" in gap(result)
    assert result.exit_code == 1


def test_not_claimed_needs_a_statement_where_it_may_be(tmp_path: Path) -> None:
    found = changed(records("access"), STATED, outcome="not_claimed", reason="not claimed: no X")
    refused = assessed(tmp_path / "a", found)
    assert "nobody states why" in gap(refused)
    said = Statement(
        "authentication", "half-a-login-grants-nothing", "J. Roe", date(2026, 10, 1), "SSO does it"
    )
    given = Attestations("Reference Hospital", "2.3.1", attested("access").items, (said,))
    stated = assessed(tmp_path / "b", found, given=given)
    assert stated.gaps == ()
    (left_out,) = [one.left_out for one in stated.held if one.left_out]
    assert left_out == "Not claimed: no X J. Roe states: SSO does it"


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        ("granted-operations-work", "property"),
        ("batches-check-every-element", None),
    ],
)
def test_nothing_to_try_is_a_gap_unless_the_profile_says_what_it_means(
    wanted: str, kind: str | None, tmp_path: Path
) -> None:
    found = without(records("access"), lambda case: case["property"] == wanted)
    result = assessed(tmp_path, found)
    assert [one.kind for one in result.gaps] == ([kind] if kind else [])
    (left_out,) = [one for one in result.held if one.left_out]
    assert left_out.requirement.name == wanted


def test_a_property_that_is_as_good_stands_in(tmp_path: Path) -> None:
    one = "unrelated-records-are-refused-like-missing-ones"
    found = without(records("access"), lambda case: case["property"] == one)
    plan = next(row for row in found if row["type"] == "plan")
    name = "object_scope.unrelated-records-are-refused.nurse"
    case = sample.case(name, suite="object_scope", property="unrelated-records-are-refused")
    found[found.index(plan)] = sample.plan([*plan["cases"], case])
    control = {"persona": "physician.north", "outcome": "allowed"}
    found.insert(-1, sample.verdict(name, kind="conform-deny", control=control))
    result = assessed(tmp_path, found)
    assert result.gaps == ()
    assert not [row for row in result.held if row.left_out]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"profile": "smoke"}, "scope: the run has the profile smoke"),
        (
            {"selection": {"suites": [], "cases": ["role*"], "stop_after": None}},
            "scope: its cases were selected by hand",
        ),
        (
            {"selection": {"suites": [], "cases": [], "stop_after": 3}},
            "scope: it was told to stop after 3 failures",
        ),
        ({"shard": {"number": 2, "of": 3}}, "scope: it is part 2 of 3 of a run"),
        ({"started": "2026-01-01T00:00:00Z"}, "scope: it is 328 days old, and 90 are the most"),
        ({"started": "2027-01-01T00:00:00Z"}, "scope: it is of 2027-01-01, which has not come"),
        ({"started": "then"}, "scope: it does not say when it was made"),
    ],
)
def test_a_run_of_another_scope_is_refused(
    changes: dict[str, Any], says: str, tmp_path: Path
) -> None:
    found = records("access")
    found[0] |= changes
    assert gap(assessed(tmp_path, found)).startswith(says)


def test_a_product_without_a_version_is_refused(tmp_path: Path) -> None:
    found = records("access")
    found[0]["target"] = {**found[0]["target"], "version": None}
    kinds = {(one.kind, one.says) for one in assessed(tmp_path, found).gaps}
    assert ("scope", "it does not say which version of the product it tried") in kinds


def test_a_run_without_an_end_is_refused(tmp_path: Path) -> None:
    found = [one for one in records("access") if one["type"] != "end"]
    assert gap(assessed(tmp_path, found)).startswith("ledger: The run did not come to its end")


def test_a_changed_ledger_is_refused(tmp_path: Path) -> None:
    sample.write(tmp_path, changed(records("access"), CASE, outcome="inconclusive"))
    path = tmp_path / LEDGER_NAME
    lines = path.read_bytes().split(b"\n")
    at = next(place for place, line in enumerate(lines) if b"inconclusive" in line)
    lines[at] = lines[at].replace(b'"outcome":"inconclusive"', b'"outcome":"pass"')
    lines[at] = lines[at].replace(b'"word":"inconclusive"', b'"word":"conform-deny"')
    path.write_bytes(b"\n".join(lines))
    found = assess(
        read_run(tmp_path),
        inspect(path.read_bytes()),
        profile("access"),
        attested("access"),
        (),
        today=TODAY,
    )
    assert "ledger" in {one.kind for one in found.gaps}


# --- what people say ------------------------------------------------------------------------------


def test_every_attestation_is_asked_for(tmp_path: Path) -> None:
    nothing = Attestations("Reference Hospital", "2.3.1")
    found = assessed(tmp_path, records("access"), given=nothing)
    assert [one.says for one in found.gaps] == [
        f"{item.id}: nobody attests it" for item in profile("access").items
    ]


@pytest.mark.parametrize(
    ("item", "changes", "says"),
    [
        ("same-build", {"when": date(2025, 1, 1)}, "older than 365 days"),
        ("same-build", {"when": date(2027, 1, 1)}, "which has not come yet"),
        ("policy-review", {"sha256": "d0" * 32}, "not the policy file that the run went by"),
    ],
)
def test_an_attestation_has_to_be_of_now_and_of_this(
    item: str, changes: dict[str, Any], says: str, tmp_path: Path
) -> None:
    given = attested("access")
    items = tuple(replace(one, **changes) if one.item == item else one for one in given.items)
    found = assessed(tmp_path, records("access"), given=replace(given, items=items))
    assert says in gap(found)


def test_an_attestation_of_another_version_is_none(tmp_path: Path) -> None:
    given = Attestations("Reference Hospital", "2.2.0", attested("access").items)
    assert "have this version attested" in gap(assessed(tmp_path, records("access"), given=given))


def test_attestations_of_a_wider_profile_do_no_harm(tmp_path: Path) -> None:
    assert assessed(tmp_path, records("access"), given=attested("operational")).gaps == ()


# --- accepted risks -------------------------------------------------------------------------------


def waived(folder: Path, severity: str, **changes: Any) -> tuple[list[Record], tuple[Waiver, ...]]:
    """A run with one failure of that severity, and a waiver of it."""
    told = sample.finding(CASE, severity=severity, urgency="scheduled")
    found = changed(records("access"), CASE, outcome="fail", findings=[told])
    run = read_run(sample.write(folder, found))
    case = next(one for one in run.cases if one.id == CASE)
    waiver = Waiver(
        **{
            "id": "W-1",
            "finding": told["id"],
            "case": None,
            "rule": told["rule"],
            "accepted": accepted_of(run, case, run.findings[0]),
            "reason": "The field is mended with the next release.",
            "owner": "J. Roe",
            "approver": "M. Major",
            "ticket": "SEC-12",
            "expires": date(2027, 1, 31),
            "granted": date(2026, 11, 1),
            **changes,
        }
    )
    return found, (waiver,)


def test_an_accepted_risk_stands_in_the_certificate(tmp_path: Path) -> None:
    found, waivers = waived(tmp_path, "operational")
    result = assessed(tmp_path, found, waivers=waivers)
    assert result.gaps == ()
    body = certificate(read_run(tmp_path), result, attested("access"), bundle=None)
    (risk,) = body["accepted_risks"]
    assert risk["owner"] == "J. Roe"
    assert risk["findings"][0]["severity"] == "operational"
    assert body["expires"] == "2027-01-31"
    assert "The field is mended with the next release." in page(body)


@pytest.mark.parametrize(
    ("severity", "changes", "says"),
    [
        ("privacy_regulatory", {}, "more than this profile lets through"),
        ("operational", {"expires": date(2026, 11, 20)}, "expired"),
        ("operational", {"expires": date(2027, 10, 31)}, "more than this profile lets through"),
    ],
)
def test_a_waiver_that_is_over_or_too_much_is_refused(
    severity: str, changes: dict[str, Any], says: str, tmp_path: Path
) -> None:
    found, waivers = waived(tmp_path, severity, **changes)
    result = assessed(tmp_path, found, waivers=waivers)
    assert {one.kind for one in result.gaps} == {"waiver", "failed"}
    assert any(says in one.says for one in result.gaps)
    assert result.exit_code == 1


# --- the certificate ------------------------------------------------------------------------------


def test_a_certificate_names_what_it_covers_and_what_not(tmp_path: Path) -> None:
    one = "batches-check-every-element"
    found = without(records("access"), lambda case: case["property"] == one)
    result = assessed(tmp_path, found)
    body = certificate(read_run(tmp_path), result, attested("access"), bundle="ab" * 32)
    assert len(body["covers"]) == len(profile("access").requirements) - 1
    assert body["not_covered"] == [
        {
            "suite": "object_scope",
            "property": one,
            "reason": "Nothing to try; by the target file, no operation takes several records at "
            "once.",
        }
    ]
    assert len(body["attested"]) == len(profile("access").items)
    assert body["run"]["ledger"] == read_run(tmp_path).head
    shown = page(body)
    assert "no operation takes several records at once" in shown
    assert "This certificate is not signed" in shown


def test_the_same_makes_the_same_certificate(tmp_path: Path) -> None:
    result = assessed(tmp_path, records("access"))
    run = read_run(tmp_path)
    first, again = (certificate(run, result, attested("access"), bundle=None) for _ in range(2))
    assert first == again
    later = assessed(tmp_path, records("access"), today=TODAY + timedelta(days=1))
    assert certificate(run, later, attested("access"), bundle=None)["id"] != first["id"]


def test_nothing_is_certified_around_a_gap(tmp_path: Path) -> None:
    result = assessed(tmp_path, changed(records("access"), CASE, outcome="inconclusive"))
    with pytest.raises(ValueError, match="nothing to certify"):
        certificate(read_run(tmp_path), result, None, bundle=None)


def test_a_hostile_ledger_executes_nothing_on_the_page(tmp_path: Path) -> None:
    found = records("access")
    found[0]["target"] = {**found[0]["target"], "name": sample.HOSTILE}
    given = Attestations(sample.HOSTILE, "2.3.1", attested("access").items)
    result = assessed(tmp_path, found, given=given)
    run = read_run(tmp_path)
    body = certificate(run, Assessment(**{**vars_of(result), "gaps": ()}), given, bundle=None)
    assert "<script>" not in page(body)
    assert "\x1b" not in page(body)


def vars_of(result: Assessment) -> dict[str, Any]:
    return {name: getattr(result, name) for name in result.__dataclass_fields__}


# --- the command ----------------------------------------------------------------------------------


def written(folder: Path, given: Attestations) -> Path:
    rows: dict[str, Any] = {
        "schema": 1,
        "product": given.product,
        "version": given.version,
        "attestations": [
            {
                "item": one.item,
                "who": one.who,
                "when": one.when.isoformat(),
                "document": one.document,
                "sha256": one.sha256,
            }
            for one in given.items
        ],
    }
    path = folder / "attestations.yaml"
    path.write_text(yaml.safe_dump(rows), encoding="utf-8")
    return path


def test_certify_writes_a_signed_certificate_and_a_page(tmp_path: Path) -> None:
    run = sample.write(tmp_path / "run", records("access"))
    private, public = signing.generate()
    (tmp_path / "key").write_bytes(private)
    (tmp_path / "key").chmod(0o600)
    said = ["--attestations", str(written(tmp_path, attested("access"))), "--at", "2026-11-25"]
    out = ["--key", str(tmp_path / "key"), "--out", str(tmp_path / "certificate.json")]
    assert main(["certify", str(run), "--profile", "access", *said, *out]) == 0
    envelope = json.loads((tmp_path / "certificate.json").read_bytes())
    assert signing.check(envelope, [public]) == [signing.key_id(public)]
    kind, payload = signing.opened(envelope)
    assert kind == "application/vnd.wardproof.certificate+json"
    assert json.loads(payload)["profile"]["name"] == "access"
    assert signing.key_id(public) in (tmp_path / "certificate.html").read_text()


@pytest.fixture
def issued(tmp_path: Path) -> tuple[Path, Path]:
    """A run and its certificate, signed by `key` beside them."""
    run = sample.write(tmp_path / "run", records("access"))
    private, public = signing.generate()
    (tmp_path / "key").write_bytes(private)
    (tmp_path / "key.pub").write_bytes(public)
    said = ["--attestations", str(written(tmp_path, attested("access"))), "--at", "2026-11-25"]
    out = ["--key", str(tmp_path / "key"), "--out", str(tmp_path / "certificate.json")]
    assert main(["certify", str(run), "--profile", "access", *said, *out]) == 0
    return run, tmp_path / "certificate.json"


def check(run: Path, path: Path, *more: str, at: str = "2026-12-01") -> int:
    return main(["certify", str(run), "--check", str(path), "--at", at, *more])


def test_a_certificate_is_checked_against_its_run(
    issued: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, path = issued
    trust = ("--trust", str(tmp_path / "key.pub"))
    assert check(run, path, *trust) == 0
    assert "It follows from this run" in capsys.readouterr().out
    assert check(run, path) == 2
    assert check(run, path, *trust, at="2028-01-01") == 2
    _, stranger = signing.generate()
    (tmp_path / "stranger.pub").write_bytes(stranger)
    assert check(run, path, "--trust", str(tmp_path / "stranger.pub")) == 2


def test_a_certificate_of_another_run_or_a_changed_one_does_not_follow(
    issued: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, path = issued
    other = records("access")
    other[0]["seed"] = 8
    assert check(sample.write(tmp_path / "other", other), path) == 1
    assert "run differ" in capsys.readouterr().out
    kind, payload = signing.opened(json.loads(path.read_bytes()))
    body = {**json.loads(payload), "says": "Everything is well."}
    forged = signing.sign(kind, json.dumps(body).encode(), (tmp_path / "key").read_bytes())
    path.write_text(json.dumps(forged))
    assert check(run, path) == 1
    assert "says differ" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"payloadType": "x", "payload": "e30="}'])
def test_what_is_no_certificate_is_said_to_be(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = sample.write(tmp_path / "run", records("access"))
    (tmp_path / "no.json").write_text(text)
    assert check(run, tmp_path / "no.json") == 3
    assert "no.json: " in capsys.readouterr().err


def test_certify_says_everything_that_is_lacking(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = sample.write(tmp_path / "run", changed(records("access"), CASE, outcome="inconclusive"))
    told = tmp_path / "gaps.json"
    code = main(["certify", str(run), "--profile", "access", "--json", str(told)])
    assert code == 2
    shown = capsys.readouterr().out
    assert "Not certified for access 1.0" in shown
    gaps = json.loads(told.read_text())["gaps"]
    assert len(gaps) == 2 + len(profile("access").items)
    assert not list(run.glob("certificate*"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("schema: 1\nproduct: H\nversion: '1'\nattestation: []\n", "4:1: .*did you mean"),
        ("schema: 1\nproduct: H\n", "version: required"),
        (
            "schema: 1\nproduct: H\nversion: '1'\nattestations:\n- {item: a, who: b, "
            "when: 2026-01-01, document: c, sha256: zz}\n",
            "5:.*sha256",
        ),
        (
            "schema: 1\nproduct: H\nversion: '1'\nattestations:\n- {item: a, who: b, "
            f"when: 2026-01-01, document: c, sha256: {'a0' * 32}, file: c.pdf}}\n",
            "5:.*cannot be read",
        ),
    ],
)
def test_a_wrong_file_of_attestations_is_said_to_be(
    text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = sample.write(tmp_path / "run", records("access"))
    path = tmp_path / "attestations.yaml"
    path.write_text(text)
    assert main(["certify", str(run), "--profile", "access", "--attestations", str(path)]) == 3
    error = capsys.readouterr().err
    assert re.search(says, error), error
