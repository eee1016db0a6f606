"""waivers.yaml: what is read from it, what is refused and where, and how one is added."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from conformance.cli import main
from conformance.document import InvalidDocument
from conformance.waivers import MOST_DAYS, add, beside, load
from reports.ledger import read
from reports.waivers import Waiver, plain, waiver_id
from tests.reports import sample

ACCEPTED: Mapping[str, Any] = {
    "word": "bypass",
    "profile": "gate",
    "case": "access_matrix.case-1",
    "rule": "bola.read",
    "fingerprint": "0123456789abcdef",
    "severity": "privacy_regulatory",
    "urgency": "now",
    "affects_data": True,
    "affects_workflow": False,
}
ROW = """\
  - finding: F-0123456789
    reason: A proxy refuses it until the release.
    owner: A. Rahman
    approver: B. Sultana
    ticket: SEC-12
    granted: 2026-11-21
    expires: 2026-12-31
    accepted: {word: bypass, profile: gate, case: access_matrix.case-1, rule: bola.read,
      fingerprint: 0123456789abcdef, severity: privacy_regulatory}
"""


def written(folder: Path, rows: str, head: str = "waivers:\n") -> Path:
    path = folder / "waivers.yaml"
    path.write_text(head + rows, encoding="utf-8")
    return path


def waiver(subject: str = "F-0123456789", **changes: Any) -> Waiver:
    return replace(
        Waiver(
            id=waiver_id(subject),
            finding=subject,
            case=None,
            rule="bola.read",
            accepted=ACCEPTED,
            reason="A proxy refuses it: 'til the release, # says @ops",
            owner="A. Rahman",
            approver="B. Sultana",
            ticket="SEC-12",
            expires=date(2026, 12, 31),
            granted=date(2026, 11, 21),
        ),
        **changes,
    )


# --- reading ---------------------------------------------------------------------------------


def test_a_waiver_is_read_with_its_place(tmp_path: Path) -> None:
    (one,) = load(written(tmp_path, ROW).parent)
    assert (one.finding, one.rule, one.place) == ("F-0123456789", "bola.read", "waivers.yaml:2")
    assert one.expires == date(2026, 12, 31)


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "waivers: []\n"])
def test_an_empty_file_or_none_is_no_waiver(tmp_path: Path, text: str) -> None:
    assert load(tmp_path) == ()
    assert load(written(tmp_path, "", text)) == ()


def test_a_file_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument, match="no such file"):
        load(tmp_path / "other.yaml")


@pytest.mark.parametrize(
    ("was", "becomes", "place", "says"),
    [
        ("approver: B. Sultana", "approver: a.  RAHMAN", "5:5", "is the owner too"),
        ("expires: 2026-12-31", "expires: 2026-11-01", "8:5", "before it was granted"),
        ("expires: 2026-12-31", "expires: 2028-01-01", "8:5", f"at most {MOST_DAYS} are allowed"),
        ("expires: 2026-12-31", "expires: soon", "8:5", "write 2026-12-31"),
        ("ticket: SEC-12", "tickets: SEC-12", "6:5", "did you mean 'ticket'"),
        ("ticket: SEC-12", "ticket: ''", "6:5", "at least 1"),
        ("finding: F-0123456789", "finding: F-*", "2:5", "without globs"),
        ("finding: F-0123456789", "case: access_matrix.*", "2:5", "without globs"),
        ("owner: A. Rahman", "owner: A. Rahman\n    owner: C", "4:5", "already used on line 4"),
        ("rule: bola.read,", "", "9:5", "let `wardproof waive` write"),
        ("word: bypass", "word: conform-deny", "9:16", "let `wardproof waive` write"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    tmp_path: Path, was: str, becomes: str, place: str, says: str
) -> None:
    path = written(tmp_path, ROW.replace(was, becomes))
    with pytest.raises(InvalidDocument) as caught:
        load(path)
    text = str(caught.value)
    assert f"{path}:{place}: " in text, text
    assert says in text, text


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, ROW.replace("SEC-12", "''").replace("2026-12-31", "2026-01-01") + ROW)
    with pytest.raises(InvalidDocument) as caught:
        load(path)
    assert str(caught.value).count(f"{path}:") == 1
    fine = written(tmp_path, ROW.replace("2026-12-31", "2026-01-01") + ROW)
    with pytest.raises(InvalidDocument, match="2 problems") as caught:
        load(fine)
    assert "already has a waiver" in str(caught.value)


def test_a_waiver_is_of_a_finding_or_a_case_but_not_of_both(tmp_path: Path) -> None:
    both = ROW.replace("F-0123456789\n", "F-0123456789\n    case: access_matrix.case-1\n")
    with pytest.raises(InvalidDocument, match="either a finding or a case"):
        load(written(tmp_path, both))


@pytest.mark.parametrize("text", ["waivers: {a: b}\n", "- a\n", "waivers:\n  - 7\n", "a: [\n"])
def test_another_layout_is_refused_in_words(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, "", text)
    with pytest.raises(InvalidDocument, match=r"waivers\.yaml:\d+:\d+"):
        load(path)


def test_what_no_reader_could_see_is_made_visible(tmp_path: Path) -> None:
    hidden = ROW.replace("A. Rahman", r'"A. \e[31mRahman\u202e"')
    (one,) = load(written(tmp_path, hidden))
    assert one.owner == "A. ‹U+001B›[31mRahman‹U+202E›"


# --- adding ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before",
    [
        None,
        "",
        "# ours, do not touch\n",
        "waivers: []  # none yet\n",
        "# ours\nwaivers:\n",
        "# ours\nwaivers:  # all of them\n" + ROW.replace("F-0123456789", "F-1111111111"),
        "waivers:\n" + ROW.replace("F-0123456789", "F-1111111111") + "# the end",
        "waivers:\n"
        + "\n".join(line[2:] for line in ROW.replace("F-0123456789", "F-1111111111").splitlines()),
    ],
)
def test_one_is_added_and_all_else_stays(tmp_path: Path, before: str | None) -> None:
    path = beside(tmp_path)
    if before is not None:
        path.write_text(before, encoding="utf-8")
    there = load(tmp_path)
    added = add(path, waiver())
    assert added == replace(waiver(), place=added.place)
    assert load(tmp_path) == (*there, added)
    text = path.read_text(encoding="utf-8")
    for comment in ("# ours", "# none yet", "# all of them", "# the end"):
        assert (comment in text) == (comment in (before or ""))
    for line in ROW.replace("F-0123456789", "F-1111111111").splitlines() if there else ():
        assert line.strip() in text


def test_line_ends_of_another_system_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "waivers.yaml"
    path.write_bytes(b"# ours\r\n")
    add(path, waiver())
    assert b"\r\n" in path.read_bytes()
    assert path.read_bytes().count(b"\n") == path.read_bytes().count(b"\r\n")


@pytest.mark.parametrize(
    ("before", "says"),
    [
        ("waivers:\n" + ROW, "already has a waiver"),
        ("waivers: [{}]\n", "required"),
        ("waivers:\n" + ROW.replace("F-0123456789", "F-1111111111") + "...\n", "cannot be put"),
    ],
)
def test_a_file_that_cannot_take_one_stays_as_it_is(tmp_path: Path, before: str, says: str) -> None:
    path = tmp_path / "waivers.yaml"
    path.write_text(before, encoding="utf-8")
    with pytest.raises(InvalidDocument, match=says):
        add(path, waiver())
    assert path.read_text(encoding="utf-8") == before
    assert [one.name for one in tmp_path.iterdir()] == ["waivers.yaml"]


def test_what_would_be_refused_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument, match="is the owner too"):
        add(tmp_path / "waivers.yaml", waiver(approver="a. rahman"))
    assert list(tmp_path.iterdir()) == []


# --- the commands ----------------------------------------------------------------------------

WHO = ["--reason", "A proxy refuses it.", "--owner", "A", "--approver", "B", "--ticket", "SEC-1"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sample.write(tmp_path / "run", sample.small("pass", "fail", "inconclusive"))


def waive(folder: Path, what: str, *more: str) -> int:
    target = folder.parent / "target"
    target.mkdir(exist_ok=True)
    where = ["--run", str(folder), "--target", str(target)]
    dates = ["--at", "2026-11-21", "--expires", "2026-12-31"]
    return main(["waive", what, *where, *WHO, *dates, *more])


def gate(folder: Path, *more: str) -> int:
    waivers = str(folder.parent / "target")
    return main(["gate", str(folder), "--waivers", waivers, "--at", "2026-12-01", *more])


def test_a_finding_is_waived_and_the_gate_passes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (finding,) = read(folder).findings
    assert main(["gate", str(folder), "--at", "2026-12-01"]) == 1
    assert waive(folder, finding.id) == 0
    assert "is accepted until 2026-12-31" in capsys.readouterr().err
    assert gate(folder) == 2
    assert waive(folder, "access_matrix.case-2") == 0
    assert gate(folder) == 0
    told = capsys.readouterr().out
    assert "PASSED, WITH ACCEPTED RISKS" in told
    assert "not conformant" in told
    assert gate(folder, "--at", "2027-01-01") == 1


def test_what_is_left_of_a_case_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = sample.small("fail")
    (one,) = records[2]["findings"]
    records[2]["findings"].append({**one, "id": "F-00000000ab", "rule": "leak.list"})
    folder = sample.write(tmp_path / "run", records)
    assert waive(folder, one["id"]) == 0
    assert "1 other finding that has no waiver, so the gate does not pass it yet" in (
        capsys.readouterr().err
    )
    assert waive(folder, "F-00000000ab") == 0
    assert "no waiver" not in capsys.readouterr().err


def test_the_gate_of_a_bundle_takes_the_waivers_in_it(folder: Path) -> None:
    for what in (read(folder).findings[0].id, "access_matrix.case-2"):
        assert waive(folder, what) == 0
    waivers = load(folder.parent / "target")
    (folder / "waivers.json").write_text(json.dumps(plain(waivers)), encoding="utf-8")
    bundle = folder.parent / "run.zip"
    assert main(["bundle", str(folder), "--out", str(bundle), "--at", "2026-12-01"]) == 0
    assert main(["gate", str(bundle), "--at", "2026-12-01"]) == 0
    assert main(["gate", str(bundle), "--at", "2027-01-01"]) == 1


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("F-0000000000", "is not in this run"),
        ("access_matrix.case-0", "there is nothing to accept"),
        ("access_matrix.*", "without globs"),
        ("elsewhere", "planned no such case"),
    ],
)
def test_what_cannot_be_waived_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], what: str, says: str
) -> None:
    assert waive(folder, what) == 3
    assert says in capsys.readouterr().err
    assert not (folder.parent / "target" / "waivers.yaml").exists()


def test_a_day_that_is_over_or_none_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert waive(folder, "access_matrix.case-2", "--expires", "2026-01-01") == 3
    assert "is over already" in capsys.readouterr().err
    assert waive(folder, "access_matrix.case-2", "--expires", "31.12.2026") == 3
    assert "write 2026-12-31" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--level", "realease"], "did you mean 'release'"),
        (["--waivers", "no/where.yaml"], "no such file"),
        (["--junit", "."], "cannot be written"),
    ],
)
def test_a_wrong_call_of_the_gate_says_what_to_do(
    folder: Path, capsys: pytest.CaptureFixture[str], more: list[str], says: str
) -> None:
    assert main(["gate", str(folder), *more]) == 3
    assert says in capsys.readouterr().err


def test_the_gate_of_no_run_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", str(tmp_path)]) == 3
    assert "give the folder that a run wrote" in capsys.readouterr().err


def test_waivers_kept_with_the_run_that_are_damaged_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "waivers.json").write_text("{", encoding="utf-8")
    assert main(["gate", str(folder)]) == 3
    assert "--waivers" in capsys.readouterr().err
