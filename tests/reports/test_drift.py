"""Drift: which cells of role, relation, operation and field opened between two runs."""

import copy
import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from conformance.cli import main
from reports.drift import Cell, Drift, Owned, drift, lattice, plain
from reports.drift_svg import drift_html, drift_svg
from reports.ledger import Run, read
from tests.reports import sample

TODAY = date(2026, 11, 25)
NURSE = Cell("patient", "read", "nurse", "other_tenant")
SCHEMA = Path(__file__).parents[2] / "reports" / "drift.schema.json"
Record = dict[str, Any]

ALLOW = {"outcome": "pass", "kind": "conform-allow"}
DENY = {"outcome": "pass", "kind": "conform-deny"}
BYPASS = {"outcome": "fail", "kind": "bypass"}
SIDE_EFFECT = {"outcome": "fail", "kind": "side-effect"}
TELLS = {"outcome": "fail", "kind": "distinguishable"}
LEAK = {"outcome": "fail", "kind": "leak"}
REFUSED = {"outcome": "fail", "kind": "over-restriction"}
DOUBT = {"outcome": "inconclusive"}
UNTRIED = {"outcome": "not_tested"}
UNCLAIMED = {"outcome": "not_claimed"}


def ran(folder: Path, *judged: tuple[Record, Record], **header: Any) -> Run:
    """A run of those cases, each given by what is special about it and its verdict."""
    cases = [
        sample.case(f"case-{number}", relation="other_tenant", **special)
        for number, (special, _) in enumerate(judged)
    ]
    results = []
    for case, (_, verdict) in zip(cases, judged, strict=True):
        findings = [sample.finding(case["id"])] if verdict.get("outcome") == "fail" else []
        results.append(sample.verdict(case["id"], **{"findings": findings, **verdict}))
    records = [sample.header(**header), sample.plan(cases), *results, sample.end()]
    return read(sample.write(folder, records))


def compared(folder: Path, old: Record, new: Record, *owned: Owned) -> Drift:
    """The drift of one cell that came out as `old` and then as `new`."""
    before, after = ran(folder / "old", ({}, old)), ran(folder / "new", ({}, new))
    return drift(before, after, owned, today=TODAY)


# --- how a cell stands ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("special", "verdict", "level"),
    [
        ({"expected": "allow"}, ALLOW, "open"),
        ({}, DENY, "closed"),
        ({}, BYPASS, "open"),
        ({}, SIDE_EFFECT, "open"),
        ({}, TELLS, "tells"),
        ({}, LEAK, "tells"),
        ({"expected": "allow"}, LEAK, "open and tells"),
        ({"expected": "allow"}, REFUSED, "closed"),
        ({}, DOUBT, "unknown"),
        ({}, UNTRIED, "unknown"),
    ],
)
def test_what_was_observed_says_how_a_cell_stands(
    special: Record, verdict: Record, level: str, tmp_path: Path
) -> None:
    assert lattice(ran(tmp_path, (special, verdict)))[NURSE].level == level


@pytest.mark.parametrize(
    ("special", "verdict"),
    [
        ({}, UNCLAIMED),
        ({"persona": None, "roles": []}, DENY),
        ({"resource": None, "operation": None}, DENY),
        ({"suite": "hidden_operations"}, DENY),
        ({"suite": "error_hygiene"}, DOUBT),
        ({"suite": "properties"}, DENY),
        ({"expected": "allow"}, DENY),
        ({}, {"outcome": "fail", "kind": "disclosure"}),
    ],
)
def test_what_is_about_something_else_says_nothing(
    special: Record, verdict: Record, tmp_path: Path
) -> None:
    assert lattice(ran(tmp_path, (special, verdict))) == {}


def test_another_door_that_stands_open_opens_the_cell(tmp_path: Path) -> None:
    found = lattice(ran(tmp_path, ({}, DENY), ({"suite": "hidden_operations"}, BYPASS)))
    assert found[NURSE].level == "open"


@pytest.mark.parametrize(
    ("judged", "level"),
    [
        ([DENY, DENY], "closed"),
        ([DENY, BYPASS], "open"),
        ([DENY, DOUBT], "unknown"),
        ([BYPASS, DOUBT], "open"),
        ([DENY, TELLS, DOUBT], "tells"),
    ],
)
def test_several_cases_make_one_cell(judged: list[Record], level: str, tmp_path: Path) -> None:
    found = lattice(ran(tmp_path, *(({}, verdict) for verdict in judged)))
    assert found[NURSE].level == level


def test_fields_are_cells_of_their_own(tmp_path: Path) -> None:
    shown = {"kind": "fields", "act": "see", "open": ["email"], "closed": ["phone"]}
    tried = {"kind": "fields", "act": "set", "open": [], "closed": ["role"]}
    found = lattice(
        ran(
            tmp_path,
            ({"suite": "properties"}, {**LEAK, "detail": shown}),
            ({"suite": "properties"}, {**DENY, "detail": tried}),
        )
    )
    assert {(cell.field, cell.act): one.level for cell, one in found.items()} == {
        ("email", "see"): "open",
        ("phone", "see"): "closed",
        ("role", "set"): "closed",
    }


# --- tenants that stand differently ---------------------------------------------------------------


def of(tenant: str, verdict: Record, other: str | None = None) -> tuple[Record, Record]:
    return {"tenant": tenant, "other": other}, verdict


def test_a_tenant_that_was_open_does_not_hide_another_that_opens(tmp_path: Path) -> None:
    old = ran(tmp_path / "old", of("north", DENY), of("south", BYPASS))
    new = ran(tmp_path / "new", of("north", BYPASS), of("south", BYPASS))
    found = drift(old, new, today=TODAY)
    (change,) = found.changes
    assert (change.move, change.cell) == ("widened", replace(NURSE, tenant="north"))
    assert change.cell.words == "nurse, tenant north: patient.read, other tenant"
    assert (found.exit_code, found.unchanged) == (1, 1)
    assert "patient.read · north" in drift_svg(old, new, found)
    value = plain(old, new, found)
    jsonschema.validate(value, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert [one["tenant"] for one in value["changes"]] == ["north"]


def test_whose_records_opened_is_told_too(tmp_path: Path) -> None:
    old = ran(tmp_path / "old", of("north", DENY, "south"), of("north", BYPASS, "west"))
    new = ran(tmp_path / "new", of("north", BYPASS, "south"), of("north", BYPASS, "west"))
    (change,) = drift(old, new, today=TODAY).changes
    assert change.cell == replace(NURSE, tenant="north on south")


def test_tenants_that_stand_alike_are_one_cell(tmp_path: Path) -> None:
    old = ran(tmp_path / "old", of("north", DENY), of("south", DENY))
    new = ran(tmp_path / "new", of("north", BYPASS), of("south", BYPASS))
    (change,) = drift(old, new, today=TODAY).changes
    assert change.cell == NURSE


def test_environments_with_other_tenants_are_compared_as_a_whole(tmp_path: Path) -> None:
    old = ran(tmp_path / "old", of("north", DENY), of("south", BYPASS))
    new = ran(tmp_path / "new", of("staging", BYPASS))
    assert drift(old, new, today=TODAY).changes == ()
    again = ran(tmp_path / "again", of("north", DENY), of("new", BYPASS))
    closed = ran(tmp_path / "closed", of("north", DENY))
    (change,) = drift(closed, again, today=TODAY).changes
    assert (change.move, change.cell.tenant) == ("widened", "new")


def test_an_acceptance_names_the_tenant_that_widened(tmp_path: Path) -> None:
    old = ran(tmp_path / "old", of("north", DENY), of("south", BYPASS))
    new = ran(tmp_path / "new", of("north", BYPASS), of("south", BYPASS))
    whole = owned()
    found = drift(old, new, [whole], today=TODAY)
    assert [why for _, why in found.stale] == [
        "what widened is that of north: say so under `tenant`, or mend it"
    ]
    found = drift(old, new, [replace(whole, cell=replace(NURSE, tenant="north"))], today=TODAY)
    assert (found.exit_code, found.stale) == (0, ())


# --- two runs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "move", "code"),
    [
        (DENY, BYPASS, "widened", 1),
        (DENY, TELLS, "widened", 1),
        (TELLS, BYPASS, "widened", 1),
        (BYPASS, DENY, "narrowed", 0),
        (DENY, DOUBT, "unknown now", 2),
        (BYPASS, UNTRIED, "unknown now", 2),
        (DOUBT, DENY, "known now", 0),
        (DOUBT, BYPASS, "known now", 2),
    ],
)
def test_a_cell_moves(old: Record, new: Record, move: str, code: int, tmp_path: Path) -> None:
    found = compared(tmp_path, old, new)
    assert [(change.cell, change.move) for change in found.changes] == [(NURSE, move)]
    assert found.exit_code == code


@pytest.mark.parametrize(("both", "code"), [(DENY, 0), (BYPASS, 0), (DOUBT, 2)])
def test_the_same_is_no_drift_and_unknown_stays_unknown(
    both: Record, code: int, tmp_path: Path
) -> None:
    found = compared(tmp_path, both, both)
    assert found.changes == ()
    assert found.exit_code == code
    assert len(found.still_unknown) == (code == 2)


def test_what_is_not_tried_any_more_is_unknown_and_not_gone(tmp_path: Path) -> None:
    old = ran(tmp_path / "old", ({}, DENY), ({"operation": "list"}, DENY))
    new = ran(tmp_path / "new", ({}, DENY))
    found = drift(old, new, today=TODAY)
    assert [(change.cell.operation, change.move) for change in found.changes] == [
        ("list", "unknown now")
    ]
    assert found.exit_code == 2


def test_an_operation_that_is_not_there_any_more_is_gone(tmp_path: Path) -> None:
    old = ran(tmp_path / "old", ({}, DENY), ({"operation": "list"}, DENY))
    resources = {"patient": {"read": {"request": "GET /patients/{id}", "kind": "read"}}}
    new = ran(tmp_path / "new", ({}, DENY), resources=resources)
    found = drift(old, new, today=TODAY)
    assert [change.move for change in found.changes] == ["gone"]
    assert drift(new, old, today=TODAY).changes[0].move == "new"
    assert found.exit_code == 0


def test_another_environment_has_other_tenants_and_personas(tmp_path: Path) -> None:
    old = ran(tmp_path / "old", ({}, DENY))
    there: Record = {"tenants": {"a": {"timezone": None}, "b": {"timezone": None}}}
    there["personas"] = [{"id": "n1", "roles": ["nurse"], "tenant": "a"}]
    there["target"] = {"name": "Reference Hospital", "base_url": "https://ehr.example.test"}
    new = ran(tmp_path / "new", ({"persona": "n1", "tenant": "a"}, BYPASS), **there)
    found = drift(old, new, today=TODAY)
    assert [change.cell for change in found.unowned] == [NURSE]


def test_a_role_counts_as_it_stands_in_any_tenant(tmp_path: Path) -> None:
    old = ran(tmp_path / "old", ({"tenant": "north"}, DENY), ({"tenant": "south"}, DENY))
    new = ran(tmp_path / "new", ({"tenant": "north"}, DENY), ({"tenant": "south"}, BYPASS))
    assert [one.move for one in drift(old, new, today=TODAY).changes] == ["widened"]


def test_the_policy_drifts_apart_from_what_was_observed(tmp_path: Path) -> None:
    header = sample.header()
    policy = copy.deepcopy(header["policy"])
    policy["nurse"]["patient"]["read"] = "allow"
    del policy["nurse"]["bed"]
    policy["porter"] = {"bed": {"read": "allow"}}
    old, new = ran(tmp_path / "old", ({}, DENY)), ran(tmp_path / "new", ({}, DENY), policy=policy)
    found = drift(old, new, today=TODAY)
    assert found.changes == ()
    assert {
        (one.role, f"{one.resource}.{one.operation}", one.old, one.new) for one in found.policy
    } == {
        ("nurse", "bed.assign", "allow", ""),
        ("nurse", "bed.list", "allow", ""),
        ("nurse", "bed.read", "allow", ""),
        ("nurse", "patient.read", "assigned", "allow"),
        ("porter", "bed.read", "", "allow"),
    }
    assert found.exit_code == 0


def test_a_ledger_that_was_changed_is_not_relied_on(tmp_path: Path) -> None:
    old, new = ran(tmp_path / "old", ({}, DENY)), ran(tmp_path / "new", ({}, DENY))
    path = tmp_path / "new" / "evidence.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"seed":20261121', b'"seed":20261122'))
    found = drift(old, read(tmp_path / "new"), today=TODAY)
    assert found.exit_code == 2
    assert found.doubts == (
        "The ledger of the newer run was changed: its chain of hashes is broken.",
    )
    assert drift(old, new, today=TODAY).exit_code == 0


# --- owning it ------------------------------------------------------------------------------------


def owned(**changes: Any) -> Owned:
    return Owned(
        **{
            "cell": NURSE,
            "old": "closed",
            "new": "open",
            "reason": "Nurses stand in at the other house.",
            "owner": "J. Roe",
            "approver": "M. Major",
            "expires": date(2027, 1, 31),
            "granted": date(2026, 11, 1),
            "place": "drift.yaml:3",
            **changes,
        }
    )


def test_a_widened_cell_passes_once_somebody_owns_it(tmp_path: Path) -> None:
    found = compared(tmp_path, DENY, BYPASS, owned())
    assert found.exit_code == 0
    assert found.unowned == ()
    assert found.owned[NURSE].owner == "J. Roe"


@pytest.mark.parametrize(
    ("new", "entry", "why"),
    [
        (BYPASS, owned(expires=date(2026, 11, 24)), "expired on 2026-11-24"),
        (BYPASS, owned(new="tells"), "accepted was closed → closed, but tells something"),
        (BYPASS, owned(cell=Cell("patient", "read", "nurse", "own")), "did not widen"),
        (DENY, owned(), "did not widen"),
    ],
)
def test_an_acceptance_that_does_not_hold_fails(
    new: Record, entry: Owned, why: str, tmp_path: Path
) -> None:
    found = compared(tmp_path, DENY, new, entry)
    assert found.exit_code == 1
    assert why in found.stale[0][1]


# --- the command ----------------------------------------------------------------------------------

ENTRY: Record = {
    "role": "nurse",
    "relation": "other_tenant",
    "operation": "patient.read",
    "old": "closed",
    "new": "open",
    "reason": "Nurses stand in at the other house.",
    "owner": "J. Roe",
    "approver": "M. Major",
    "granted": "2026-11-01",
    "expires": "2027-01-31",
}


def called(folder: Path, entry: Record | None, *more: str) -> int:
    compared(folder, DENY, BYPASS)
    call = ["drift", str(folder / "old"), str(folder / "new"), "--at", "2026-11-25", *more]
    if entry is not None:
        path = folder / "drift.yaml"
        path.write_text(yaml.safe_dump({"schema": 1, "drift": [entry]}), encoding="utf-8")
        call += ["--owned", str(path)]
    return main(call)


def test_the_command_says_what_widened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(tmp_path, None) == 1
    shown = capsys.readouterr().out
    assert "nurse: patient.read, other tenant" in shown
    assert "1 cell of the lattice widened and nobody owns it." in shown


def test_the_command_takes_what_is_owned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(tmp_path, ENTRY) == 0
    assert "No cell widened but 1 cell that somebody owns." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"approver": "j. roe"}, "the owner cannot approve for themselves"),
        ({"expires": "2028-01-31"}, "365 days are the most"),
        ({"expires": "2026-10-31"}, "must end after the day"),
        ({"old": "open", "new": "closed"}, "widens nothing"),
        ({"field": "email"}, "'act: see'"),
        ({"reason": " "}, "drift.0.reason"),
        ({"operation": "patient"}, "drift.0.operation"),
        ({"relation": "neighbour"}, "drift.0.relation"),
        ({"ownr": "x"}, "did you mean 'owner'"),
    ],
)
def test_an_acceptance_has_to_be_whole(
    changes: Record, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(tmp_path, {**ENTRY, **changes}) == 3
    error = capsys.readouterr().err
    assert says in error
    assert re.search(r"drift\.yaml:\d+:\d+: ", error)


def test_the_json_keeps_to_its_schema(tmp_path: Path) -> None:
    told = tmp_path / "drift.json"
    assert called(tmp_path, ENTRY, "--json", str(told)) == 0
    value = json.loads(told.read_text(encoding="utf-8"))
    jsonschema.validate(value, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert value["changes"][0]["owner"] == "J. Roe"
    assert value["changes"][0]["move"] == "widened"


@pytest.mark.parametrize("argument", ["--json", "--svg", "--html"])
def test_a_file_that_cannot_be_written_is_said_to_be(
    argument: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "no-folder").write_text("")
    assert called(tmp_path, None, argument, str(tmp_path / "no-folder" / "x")) == 3
    assert "cannot be written" in capsys.readouterr().err


def test_what_is_no_run_is_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compared(tmp_path, DENY, DENY)
    (tmp_path / "no.zip").write_bytes(b"PK\x03\x04 no bundle")
    for odd in (tmp_path / "none", tmp_path / "no.zip"):
        assert main(["drift", str(tmp_path / "old"), str(odd)]) == 3
        assert str(odd) in capsys.readouterr().err


# --- picture and page -----------------------------------------------------------------------------


def test_the_picture_tells_changes_apart_without_colour(tmp_path: Path) -> None:
    old = ran(tmp_path / "old", ({}, DENY), ({"operation": "update"}, BYPASS))
    new = ran(tmp_path / "new", ({}, BYPASS), ({"operation": "update"}, DENY))
    found = drift(old, new, today=TODAY)
    picture = drift_svg(old, new, found)
    assert picture.count('href="#d-widened"') == 2  # once in the table, once in the legend
    assert picture.count('href="#d-narrowed"') == 2
    assert "nurse: patient.read, other tenant: closed → open" in picture
    assert picture == drift_svg(old, new, found)


def test_a_hostile_ledger_executes_nothing(tmp_path: Path) -> None:
    special = {"resource": sample.HOSTILE, "operation": sample.HOSTILE, "roles": [sample.HOSTILE]}
    old, new = ran(tmp_path / "old", (special, DENY)), ran(tmp_path / "new", (special, BYPASS))
    found = drift(old, new, today=TODAY)
    for text in (drift_svg(old, new, found), drift_html(old, new, found)):
        assert "<script" not in text
        assert "<img" not in text
        assert "\x1b" not in text
        assert "\x00" not in text
    assert "default-src 'none'" in drift_html(old, new, found)


def test_more_rows_than_a_picture_holds_are_counted(tmp_path: Path) -> None:
    many = [({"operation": f"act-{number}"}, DENY) for number in range(230)]
    old = ran(tmp_path / "old", *many)
    new = ran(tmp_path / "new", *((special, BYPASS) for special, _ in many))
    found = drift(old, new, today=TODAY)
    assert len(found.unowned) == 230
    assert "30 more operations and fields changed" in drift_svg(old, new, found)
    assert drift_html(old, new, found).count("<tr>") > 230
