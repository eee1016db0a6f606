"""Everything written at once, always the same."""

import hashlib
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from conformance.cli import main
from reports.publish import ReportsError, publish
from tests.reports import bundles, sample


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_ledger_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        publish(sample.write(tmp_path / name, sample.hospital()), allure=False)
    first = digests(tmp_path / "one")
    assert first == digests(tmp_path / "two")
    assert {
        "summary.json",
        "summary.md",
        "findings.sarif",
        "junit.xml",
        "report/index.html",
        "report/access-matrix.svg",
        "allure-results/categories.json",
    } <= set(first)


def test_publishing_again_leaves_nothing_of_an_earlier_run(tmp_path: Path) -> None:
    publish(sample.write(tmp_path, sample.hospital()), allure=False)
    (tmp_path / "report" / "allure").mkdir()
    (tmp_path / "report" / "allure.html").write_text("of an earlier run")
    publish(sample.write(tmp_path, sample.small("pass")), allure=False)
    assert not (tmp_path / "report" / "allure").exists()
    assert not (tmp_path / "report" / "allure.html").exists()
    assert len(list((tmp_path / "allure-results").glob("*-result.json"))) == 1


def test_the_ledger_is_not_touched(tmp_path: Path) -> None:
    sample.write(tmp_path, sample.small("fail"))
    before = (tmp_path / "evidence.jsonl").read_bytes()
    publish(tmp_path, allure=False)
    assert (tmp_path / "evidence.jsonl").read_bytes() == before


def test_waivers_are_kept_with_the_run_and_count_again(tmp_path: Path) -> None:
    sample.write(tmp_path, sample.small("fail", "pass"))
    (waiver,) = bundles.waivers(tmp_path)
    first = publish(tmp_path, waivers=[waiver], allure=False)
    assert next(iter(first.gate.accepted.values())).owner == "Ward IT"
    made = digests(tmp_path)
    again = publish(tmp_path, allure=False)
    assert again.gate == first.gate
    assert digests(tmp_path) == made
    assert "Ward IT" in (tmp_path / "summary.md").read_text("utf-8")
    publish(tmp_path, waivers=(), allure=False)
    assert not (tmp_path / "waivers.json").exists()


def test_a_waiver_ends_with_its_day_and_changes_no_verdict(tmp_path: Path) -> None:
    sample.write(tmp_path, sample.small("fail", "pass"))
    waiver = replace(bundles.waivers(tmp_path)[0], expires=date(2026, 11, 25))
    before = publish(tmp_path, waivers=[waiver], today=date(2026, 11, 24), allure=False)
    after = publish(tmp_path, waivers=[waiver], today=date(2026, 11, 26), allure=False)
    assert (before.gate.exit_code, after.gate.exit_code) == (0, 1)
    assert before.decision.verdict == after.decision.verdict == "not conformant"


def test_without_a_day_the_run_is_judged_as_of_its_end(tmp_path: Path) -> None:
    sample.write(tmp_path, sample.small("pass"))
    assert publish(tmp_path, allure=False).gate.today == date(2026, 11, 21)
    sample.write(tmp_path, sample.small("pass", ended=False))
    assert publish(tmp_path, allure=False).gate.today == date(2026, 11, 21)


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 9}', "\xff", "[" * 100_000])
def test_waivers_that_cannot_be_read_are_no_reason_to_report_without(
    tmp_path: Path, text: str
) -> None:
    sample.write(tmp_path, sample.small("fail"))
    (tmp_path / "waivers.json").write_text(text)
    with pytest.raises(ReportsError, match=r"waivers\.json: the accepted risks cannot be read"):
        publish(tmp_path, allure=False)


@contextmanager
def files_of_at_most(number: int) -> Iterator[None]:
    """Writing beyond so many bytes fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (number, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_costs_no_evidence_and_no_earlier_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample.write(tmp_path, sample.small("pass"))
    publish(tmp_path, allure=False)
    before = digests(tmp_path)
    with files_of_at_most(2_000), pytest.raises(ReportsError, match="Free some space"):
        publish(tmp_path, allure=False)
    assert digests(tmp_path) == before
    with files_of_at_most(2_000):
        code = main(["report", str(tmp_path), "--no-allure"])
    assert code == 3
    said = capsys.readouterr().err
    assert "evidence.jsonl is untouched" in said
    assert "wardproof report DIR" in said
    assert digests(tmp_path) == before


def test_a_folder_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample.write(tmp_path, sample.small("pass"))

    def refused(path: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(ReportsError, match=r"Permission denied.*copy it to where you may write"):
        publish(tmp_path, allure=False)


def test_what_a_killed_call_left_behind_goes_with_the_next(tmp_path: Path) -> None:
    sample.write(tmp_path, sample.small("pass"))
    (tmp_path / ".reports-in-the-making" / "report").mkdir(parents=True)
    publish(tmp_path, allure=False)
    assert not list(tmp_path.glob(".*"))


def test_a_call_that_breaks_off_leaves_earlier_reports_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample.write(tmp_path, sample.small("pass"))
    publish(tmp_path, allure=False)
    before = digests(tmp_path)
    monkeypatch.setattr("reports.publish.write_results", interrupted)
    with pytest.raises(KeyboardInterrupt):
        publish(tmp_path, allure=False)
    assert digests(tmp_path) == before
    assert not list(tmp_path.glob(".*"))


def interrupted(*args: object, **kwargs: object) -> None:
    raise KeyboardInterrupt


def test_a_file_where_a_folder_belongs_is_put_aside(tmp_path: Path) -> None:
    sample.write(tmp_path, sample.small("pass"))
    (tmp_path / "report").write_text("in the way")
    published = publish(tmp_path, allure=False)
    assert published.report.is_file()


def test_the_command_answers_with_the_code_of_the_gate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample.write(tmp_path, sample.small("fail", "pass"))
    publish(tmp_path, waivers=bundles.waivers(tmp_path), allure=False)
    assert main(["report", str(tmp_path), "--no-allure", "--at", "2026-11-24"]) == 0
    told = capsys.readouterr().out
    assert "NOT CONFORMANT" in told
    assert "GATE: PASSED, WITH ACCEPTED RISKS" in told
    assert main(["report", str(tmp_path), "--no-allure", "--at", "2027-02-24"]) == 1
    assert main(["report", str(tmp_path), "--no-allure", "--level", "strict"]) == 3
    assert json.loads((tmp_path / "waivers.json").read_text("utf-8"))
