"""What a person sees at the end of a run."""

import io
from pathlib import Path

from rich.console import Console

from reports.__main__ import main
from reports.gate import Gate, judge, levels
from reports.ledger import Run, read
from reports.terminal import show
from reports.verdict import decide
from tests.reports import bundles, sample


def shown(
    run: Run, *, width: int = 80, color: bool = False, limit: int = 5, gate: Gate | None = None
) -> str:
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        highlight=False,
    )
    show(run, decide(run), Path("out/report/index.html"), console, gate=gate, limit=limit)
    written = console.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


def test_eighty_columns_without_colour_tell_it_all(hospital: Run) -> None:
    text = shown(hospital)
    lines = text.splitlines()
    assert all(len(line) <= 80 for line in lines if "curl" not in line)
    assert "\x1b" not in text
    assert "To mend: 7 defects" in text
    assert "care-blocking" in text
    assert "NOT CONFORMANT (exit code 1;" in text
    assert lines[-1] == "Report: out/report/index.html"


def test_commands_are_whole_lines(hospital: Run) -> None:
    command = next(iter(hospital.findings)).reproduction
    assert any(line.strip() == command for line in shown(hospital, width=60).splitlines())


def test_who_is_affected_is_told_with_each_finding(tmp_path: Path) -> None:
    records = sample.small("fail", "fail")
    affected = "patients whose lab results can be read by people without a part in their care"
    records[2]["findings"][0] |= {"affected": affected, "could": "", "defect": "one"}
    records[3]["findings"][0] |= {"affected": "", "could": "", "defect": "two"}
    text = shown(read(sample.write(tmp_path, records)))
    assert " ".join(text.split()).count(f"Affected: {affected}") == 1
    assert text.count("Affected:") == 1
    assert all(len(line) <= 80 for line in text.splitlines() if "curl" not in line)


def test_what_is_waived_is_listed_and_marked(tmp_path: Path) -> None:
    folder = bundles.folder(tmp_path, "pass", "fail", "fail")
    run, waivers = read(folder), bundles.waivers(folder)
    whole = shown(run, gate=judge(run, waivers, levels()["gate"], bundles.DAY))
    assert "To mend: 1 defect, 1 waived" in whole
    assert "Waived until 2027-01-31: SEC-12, owner Ward IT" in whole
    assert "NOT CONFORMANT (by itself; 3 of 3 planned cases executed)" in whole
    part = shown(run, gate=judge(run, waivers[:1], levels()["gate"], bundles.DAY))
    assert "To mend: 1 defect, " not in part
    assert "1 of 2 waived: SEC-12, owner Ward IT" in part
    assert "aived" not in shown(run)


def test_findings_beyond_the_limit_are_counted(hospital: Run) -> None:
    text = shown(hospital, limit=2)
    assert text.count("curl -sS") == 2
    assert f"… and {len(hospital.findings) - 2} more findings, see the report" in text


def test_markup_and_escapes_of_the_target_are_shown_not_obeyed(tmp_path: Path) -> None:
    records = sample.small("fail")
    told = records[2]["findings"][0]
    told["title"] = told["message"] = "[bold red]boo[/bold red] [link=x]\x1b[2J\x1b]0;owned\x07"
    records[2]["reason"] = told["title"]
    text = shown(read(sample.write(tmp_path, records)), width=120, color=True)
    assert "[bold red]boo[/bold red]" in text
    assert "\x1b[2J" not in text
    assert "\x1b]0;" not in text
    assert "\x07" not in text


def test_left_overs_and_open_cases_are_listed(hospital: Run) -> None:
    text = shown(hospital)
    assert "Left over in the target: 1" in text
    assert "rx-0192" in text
    assert "Inconclusive\n" in text
    assert "Not tested\n" in text
    assert "Not claimed\n" in text


def test_the_command_gives_the_exit_code_of_the_run(tmp_path: Path) -> None:
    sample.write(tmp_path / "good", sample.small("pass"))
    sample.write(tmp_path / "bad", sample.small("fail"))
    assert main([str(tmp_path / "good"), "--no-allure"]) == 0
    assert main([str(tmp_path / "bad"), "--no-allure"]) == 1
    assert main([str(tmp_path / "nothing"), "--no-allure"]) == 3
    assert main([]) == 3
