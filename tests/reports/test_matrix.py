"""The access matrix: what each place of it says."""

import xml.etree.ElementTree as ET
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from reports.glyphs import GLYPHS
from reports.ledger import Run, read
from reports.matrix import STATE_WORDS, Cell, Matrix, access_matrix, described, rows_to_show
from reports.matrix_svg import matrix_svg
from reports.verdict import decide
from reports.waivers import Waiver
from tests.reports import sample


def cell(matrix: Matrix, role: str, resource: str, operation: str) -> Cell:
    row = next(row for row in matrix.rows if (row.resource, row.operation) == (resource, operation))
    return row.cells[matrix.roles.index(role)]


def matrix_of(folder: Path, *pairs: tuple[dict[str, Any], dict[str, Any]]) -> Matrix:
    cases = [case for case, _ in pairs]
    plan = {"type": "plan", "digest": "d", "cases": cases}
    records = [sample.header(), plan, *(verdict for _, verdict in pairs), sample.end()]
    return access_matrix(read(sample.write(folder, records)))


@pytest.mark.parametrize(
    ("outcome", "kind", "state"),
    [
        ("pass", "conform-allow", "granted"),
        ("pass", "conform-deny", "denied"),
        ("fail", "bypass", "bypass"),
        ("fail", "side-effect", "bypass"),
        ("fail", "leak", "leak"),
        ("fail", "distinguishable", "leak"),
        ("fail", "over-restriction", "over-restriction"),
        ("fail", "convention", "failure"),
        ("inconclusive", "inconclusive", "inconclusive"),
        ("not_tested", "not-tested", "not-tested"),
        ("not_claimed", "not-claimed", "not-claimed"),
    ],
)
def test_a_verdict_gives_its_place_a_state(
    tmp_path: Path, outcome: str, kind: str, state: str
) -> None:
    matrix = matrix_of(tmp_path, (sample.case("a"), sample.verdict("a", outcome, kind=kind)))
    assert cell(matrix, "nurse", "patient", "read").marks["same_tenant"].state == state


def test_the_gravest_case_of_a_place_shows(tmp_path: Path) -> None:
    matrix = matrix_of(
        tmp_path,
        (sample.case("a"), sample.verdict("a")),
        (
            sample.case("b", variant="archived"),
            sample.verdict("b", "fail", findings=[sample.finding("b")]),
        ),
    )
    mark = cell(matrix, "nurse", "patient", "read").marks["same_tenant"]
    assert (mark.state, mark.cases) == ("bypass", 2)
    assert mark.finding is not None
    assert mark.finding.case == "b"


def test_a_variant_does_not_hide_what_the_plain_case_is_allowed(tmp_path: Path) -> None:
    matrix = matrix_of(
        tmp_path,
        (sample.case("a", variant="tampered-token"), sample.verdict("a", kind="conform-deny")),
        (sample.case("b", expected="allow"), sample.verdict("b", kind="conform-allow")),
    )
    assert cell(matrix, "nurse", "patient", "read").marks["same_tenant"].state == "granted"


def test_operations_without_cases_are_rows_too(tmp_path: Path) -> None:
    matrix = matrix_of(tmp_path, (sample.case("a"), sample.verdict("a")))
    nothing = cell(matrix, "physician", "prescription", "verify")
    assert not nothing.marks
    assert described(nothing).endswith("Not planned.")


def test_a_persona_with_two_roles_has_a_column_of_its_own(hospital: Run) -> None:
    matrix = access_matrix(hospital)
    assert "nurse + tenant_admin" in matrix.roles
    assert cell(matrix, "nurse + tenant_admin", "user", "create").grant == "allow"
    assert cell(matrix, "nurse", "user", "create").grant == ""


def test_every_state_has_a_shape_and_a_sign_of_its_own() -> None:
    assert set(GLYPHS) == set(STATE_WORDS)
    shapes = {glyph.shape for glyph in GLYPHS.values()}
    assert len(shapes) == len(GLYPHS) - 1  # circles: allowed is filled, inconclusive is dashed
    assert len({glyph.letter for glyph in GLYPHS.values()}) == len(GLYPHS)


def test_the_picture_is_well_formed_self_contained_and_the_same_each_time(hospital: Run) -> None:
    matrix = access_matrix(hospital)
    picture = matrix_svg(hospital, decide(hospital), matrix)
    root = ET.fromstring(picture)
    space = "{http://www.w3.org/2000/svg}"
    drawn = [use.get("href") for use in root.iter(f"{space}use")]
    places = sum(len(cell.marks) for row in matrix.rows for cell in row.cells)
    assert len(drawn) == places + len(STATE_WORDS)
    assert drawn.count("#g-bypass") == matrix.totals["bypass"] + 1
    assert "not conformant" in (root.findtext(f"{space}title") or "")
    assert not list(root.iter(f"{space}image")) + list(root.iter(f"{space}script"))
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "").replace(
        "http://127.0.0.1:8600", ""
    )
    assert picture == matrix_svg(hospital, decide(hospital), access_matrix(hospital))


def test_the_picture_of_a_run_without_cases_is_drawn(tmp_path: Path) -> None:
    run = read(sample.write(tmp_path, [sample.header(resources={}, personas=[]), sample.end()]))
    ET.fromstring(matrix_svg(run, decide(run), access_matrix(run)))


def test_an_accepted_failure_hides_no_other_one(tmp_path: Path) -> None:
    case, other = sample.case("a"), sample.case("b", variant="archived")
    failed = [sample.verdict(name, "fail", findings=[sample.finding(name)]) for name in ("a", "b")]
    records = [sample.header(), sample.plan([case, other]), *failed, sample.end()]
    run = read(sample.write(tmp_path, records))
    first, second = (finding.id for finding in run.findings)
    for accepted, state in (({}, "bypass"), ({first}, "bypass"), ({first, second}, "waived")):
        found = access_matrix(run, dict.fromkeys(accepted, _waiver()))
        mark = cell(found, "nurse", "patient", "read").marks["same_tenant"]
        assert mark.state == state
    assert (mark.beside, mark.sign) == ("bypass", "waived-bypass")
    assert "waived until 2027-01-31" in mark.words
    assert (found.totals["waived"], found.totals["bypass"]) == (1, 0)
    assert '#g-waived-bypass"' in matrix_svg(run, decide(run), found)


def _waiver() -> Waiver:
    return Waiver(
        "W-1", "F-1", None, None, {}, "r", "o", "a", "t", date(2027, 1, 31), date(2026, 11, 1)
    )


def test_rows_that_need_attention_are_shown_before_others(hospital: Run) -> None:
    matrix = access_matrix(hospital)
    few = rows_to_show(matrix, 8)
    assert len(few) == 8
    assert all(row.needs_attention for row in few)
    assert list(few) == [row for row in matrix.rows if row in few]
