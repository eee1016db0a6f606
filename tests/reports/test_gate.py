"""The gate: what passes, what does not, and what a waiver may and may not do."""

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from reports.gate import LEVELS, Gate, judge, level_for, levels
from reports.gate_table import show
from reports.ledger import Run, read
from reports.shards import shard_of
from reports.summary import summary
from reports.verdict import decide
from reports.waivers import Waiver, accepted_of, of_plain, plain, waiver_id, wider
from tests.reports import sample

TODAY = date(2026, 11, 22)
GATE = levels()["gate"]
ROOT = Path(__file__).parents[2]


def run_of(folder: Path, records: list[dict[str, Any]]) -> Run:
    return read(sample.write(folder, records))


def waived(run: Run, subject: str, **changes: Any) -> Waiver:
    """A waiver of that finding or case as `wardproof waive` makes it."""
    findings = {finding.id: finding for finding in run.findings}
    finding = findings.get(subject)
    name = finding.case if finding is not None else subject
    case = next(one for one in run.cases if one.id == name)
    waiver = Waiver(
        id=waiver_id(subject),
        finding=finding.id if finding is not None else None,
        case=None if finding is not None else subject,
        rule=finding.rule if finding is not None else None,
        accepted=accepted_of(run, case, finding),
        reason="A proxy refuses it until the release.",
        owner="A. Rahman",
        approver="B. Sultana",
        ticket="SEC-12",
        expires=date(2026, 12, 31),
        granted=date(2026, 11, 21),
        place="waivers.yaml:2",
    )
    return replace(waiver, **changes)


def judged(run: Run, *waivers: Waiver, level: str = "gate", today: date = TODAY) -> Gate:
    return judge(run, waivers, levels()[level], today)


def broken(gate: Gate) -> list[str]:
    return [check.name for check in gate.checks if check.state == "broken"]


# --- without waivers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "exit_code"),
    [
        (("pass",), 0),
        (("pass", "not_claimed"), 0),
        (("pass", "fail"), 1),
        (("fail", "inconclusive"), 1),
        (("pass", "inconclusive"), 2),
        (("pass", "not_tested"), 2),
        (("not_claimed",), 2),
        ((), 2),
    ],
)
def test_without_waivers_the_gate_says_what_the_run_says(
    tmp_path: Path, outcomes: tuple[str, ...], exit_code: int
) -> None:
    run = run_of(tmp_path, sample.small(*outcomes))
    gate = judged(run)
    assert gate.exit_code == exit_code == decide(run).exit_code
    assert gate.verdict == decide(run).verdict
    assert gate.reasons


@pytest.mark.parametrize("ended", [True, False])
def test_every_planned_case_has_to_have_its_verdict(tmp_path: Path, ended: bool) -> None:
    records = sample.small("pass", "pass", ended=ended)
    del records[3]
    gate = judged(run_of(tmp_path, records))
    assert gate.exit_code == 2
    assert any("no verdict" in reason for reason in gate.reasons)


def test_a_changed_ledger_passes_no_gate(tmp_path: Path) -> None:
    lines = list(sample.chained(sample.small("pass", "pass")))
    lines[2] = lines[2].replace(b"0.012", b"0.013")
    (tmp_path / "evidence.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    assert judged(read(tmp_path)).exit_code == 2


# --- with waivers ----------------------------------------------------------------------------


def test_a_waived_finding_passes_and_the_verdict_stays(tmp_path: Path) -> None:
    run = run_of(tmp_path, sample.small("pass", "fail"))
    (finding,) = run.findings
    waiver = waived(run, finding.id)
    gate = judged(run, waiver)
    assert (gate.exit_code, gate.accepted[finding.id]) == (0, waiver)
    assert gate.decision.verdict == "not conformant"
    assert any("1 accepted risk" in reason for reason in gate.reasons)
    assert gate.waiver_of(run.cases[1], run.verdict(run.cases[1])) == waiver


def test_a_waiver_of_one_finding_covers_no_other_one(tmp_path: Path) -> None:
    run = run_of(tmp_path, sample.small("fail", "fail"))
    gate = judged(run, waived(run, run.findings[0].id))
    assert broken(gate) == ["No promise is bypassed without a waiver"]


def test_a_case_with_two_findings_needs_both_accepted(tmp_path: Path) -> None:
    records = sample.small("fail")
    name = records[2]["case"]
    records[2]["findings"].append(sample.finding(name, id="F-00000000aa", rule="leak.list"))
    run = run_of(tmp_path, records)
    one, other = (waived(run, finding.id) for finding in run.findings)
    assert judged(run, one).exit_code == 1
    assert judged(run, one, other).exit_code == 0
    assert judged(run, waived(run, name)).accepted[run.findings[1].id].case == name


def test_an_inconclusive_case_passes_only_when_it_is_named(tmp_path: Path) -> None:
    run = run_of(tmp_path, sample.small("pass", "inconclusive"))
    assert judged(run).exit_code == 2
    gate = judged(run, waived(run, "access_matrix.case-1"))
    assert gate.exit_code == 0
    assert gate.decision.verdict == "inconclusive"


def test_a_case_without_any_verdict_cannot_be_waived(tmp_path: Path) -> None:
    records = sample.small("pass", "not_tested")
    run = run_of(tmp_path / "before", records)
    waiver = waived(run, "access_matrix.case-1")
    assert judged(run, waiver).exit_code == 0
    del records[3]
    assert judged(run_of(tmp_path / "now", records), waiver).exit_code == 2


@pytest.mark.parametrize(("day", "exit_code"), [(30, 0), (31, 0)])
def test_a_waiver_holds_through_its_last_day(tmp_path: Path, day: int, exit_code: int) -> None:
    run = run_of(tmp_path, sample.small("pass", "fail"))
    waiver = waived(run, run.findings[0].id)
    assert judged(run, waiver, today=date(2026, 12, day)).exit_code == exit_code


def test_an_expired_waiver_fails_and_says_what_to_do(tmp_path: Path) -> None:
    run = run_of(tmp_path, sample.small("pass", "fail"))
    gate = judged(run, waived(run, run.findings[0].id), today=date(2027, 1, 1))
    assert gate.exit_code == 1
    assert [one.subject for one in gate.expired] == [run.findings[0].id]
    assert not gate.accepted
    assert any(
        "expired on 2026-12-31" in reason and "waivers.yaml:2" in reason for reason in gate.reasons
    )


def test_an_unused_waiver_fails_although_all_passes(tmp_path: Path) -> None:
    before = run_of(tmp_path / "before", sample.small("pass", "fail"))
    waiver = waived(before, before.findings[0].id)
    mended = run_of(tmp_path / "mended", sample.small("pass", "pass"))
    gate = judged(mended, waiver)
    assert (gate.exit_code, gate.unused) == (1, (waiver,))
    assert "take the waiver out" in gate.why[waiver.id]
    assert gate.decision.exit_code == 0


def test_a_waiver_of_a_case_that_is_planned_no_more_is_unused(tmp_path: Path) -> None:
    before = run_of(tmp_path / "before", sample.small("pass", "fail"))
    after = run_of(tmp_path / "after", sample.small("pass"))
    assert judged(after, waived(before, before.findings[0].id)).unused


@pytest.mark.parametrize(
    "header",
    [
        {"suites": ["object_scope"]},
        {"profile": "smoke"},
        {"selection": {"suites": [], "cases": ["*.case-0"], "stop_after": None}},
    ],
)
def test_a_run_that_looked_elsewhere_leaves_a_waiver_alone(
    tmp_path: Path, header: Mapping[str, Any]
) -> None:
    before = run_of(tmp_path / "before", sample.small("pass", "fail"))
    records = sample.small("pass")
    records[0] |= header
    gate = judged(run_of(tmp_path / "after", records), waived(before, before.findings[0].id))
    assert not gate.unused
    assert len(gate.idle) == 1


def test_what_could_not_be_looked_at_again_leaves_a_waiver_alone(tmp_path: Path) -> None:
    before = run_of(tmp_path / "before", sample.small("pass", "fail"))
    after = run_of(tmp_path / "after", sample.small("pass", "inconclusive"))
    gate = judged(after, waived(before, before.findings[0].id))
    assert (gate.exit_code, gate.unused) == (2, ())


def test_a_case_of_which_only_a_part_is_accepted_is_told_of(tmp_path: Path) -> None:
    records = sample.small("pass", "fail")
    (one,) = records[3]["findings"]
    records[3]["findings"].append({**one, "id": "F-00000000ab", "rule": "leak.list"})
    run = run_of(tmp_path, records)
    gate = judged(run, waived(run, one["id"]))
    assert gate.exit_code == 1
    assert any(
        "1 case failed without a waiver. In one of them only some of the findings have a waiver."
        in reason
        for reason in gate.reasons
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"severity": "care_blocking"},
            "severity was “privacy, regulatory” and is “care-blocking”",
        ),
        ({"affects_data": True}, "it now affects data"),
        ({"affects_workflow": True}, "it now affects a workflow"),
        ({"role": "anonymous"}, "who does what on whose record has changed"),
        ({"relation": "other_tenant"}, "who does what on whose record has changed"),
        ({"rule": "tenant.read"}, "and now breaks tenant.read"),
    ],
)
def test_a_finding_that_has_grown_is_not_covered(
    tmp_path: Path, changes: Mapping[str, Any], says: str
) -> None:
    before = run_of(tmp_path / "before", sample.small("pass", "fail"))
    waiver = waived(before, before.findings[0].id)
    records = sample.small("pass", "fail")
    records[3]["findings"][0] |= changes
    gate = judged(run_of(tmp_path / "now", records), waiver)
    assert (gate.exit_code, gate.widened) == (1, (waiver,))
    assert says in gate.why[waiver.id]
    assert not gate.accepted


def test_a_finding_that_has_become_less_grave_stays_covered(tmp_path: Path) -> None:
    before = run_of(tmp_path / "before", sample.small("pass", "fail"))
    records = sample.small("pass", "fail")
    records[3]["findings"][0] |= {"severity": "inconvenience", "urgency": "scheduled"}
    now = run_of(tmp_path / "now", records)
    assert judged(now, waived(before, before.findings[0].id)).exit_code == 0


def test_a_waived_case_covers_no_finding_that_came_later(tmp_path: Path) -> None:
    before = run_of(tmp_path / "before", sample.small("pass", "fail"))
    waiver = waived(before, "access_matrix.case-1")
    assert judged(before, waiver).exit_code == 0
    records = sample.small("pass", "fail")
    records[3]["findings"].append(
        sample.finding("access_matrix.case-1", id="F-00000000bb", rule="leak.list")
    )
    gate = judged(run_of(tmp_path / "now", records), waiver)
    assert gate.widened == (waiver,)
    assert "1 more finding: F-00000000bb" in gate.why[waiver.id]


def test_an_inconclusive_case_that_fails_now_is_wider_than_accepted(tmp_path: Path) -> None:
    before = run_of(tmp_path / "before", sample.small("pass", "inconclusive"))
    waiver = waived(before, "access_matrix.case-1")
    now = run_of(tmp_path / "now", sample.small("pass", "fail"))
    assert judged(now, waiver).widened == (waiver,)


def test_a_waiver_is_not_in_force_before_it_is_granted(tmp_path: Path) -> None:
    run = run_of(tmp_path, sample.small("pass", "fail"))
    gate = judged(run, waived(run, run.findings[0].id, granted=date(2026, 12, 1)))
    assert (gate.exit_code, len(gate.refused)) == (1, 1)


def test_the_gate_judges_the_same_each_time(tmp_path: Path) -> None:
    run = run_of(tmp_path, sample.hospital())
    waivers = [waived(run, finding.id) for finding in run.findings[:5]]
    first, second = judged(run, *waivers), judged(run, *reversed(waivers))
    assert summary(run, first.decision, first) == summary(run, second.decision, second)


# --- levels ----------------------------------------------------------------------------------


def test_a_release_takes_no_smoke_no_long_waiver_and_no_waived_care(tmp_path: Path) -> None:
    records = sample.small("pass", "fail")
    records[0] |= {"profile": "smoke", "suites": sorted(levels()["release"].suites)}
    smoke = run_of(tmp_path / "smoke", records)
    long = waived(smoke, smoke.findings[0].id, expires=date(2027, 4, 1))
    assert judged(smoke, level="smoke").exit_code == 1
    release = judged(smoke, long, level="release")
    assert any("--profile gate or full" in reason for reason in release.reasons)
    assert "allows 90" in release.why[long.id]
    records[0] |= {"profile": "gate"}
    records[3]["findings"][0]["severity"] = "care_blocking"
    grave = run_of(tmp_path / "grave", records)
    waiver = waived(grave, grave.findings[0].id)
    assert judged(grave, waiver).exit_code == 0
    assert judged(grave, waiver, level="release").refused == (waiver,)


def test_a_release_needs_every_suite(tmp_path: Path) -> None:
    run = run_of(tmp_path, sample.small("pass"))
    gate = judged(run, level="release")
    assert gate.exit_code == 2
    assert any("were not asked for" in reason for reason in gate.reasons)


def test_the_suites_of_a_release_are_those_that_are_shipped() -> None:
    shipped = {path.stem.removeprefix("test_") for path in (ROOT / "suites").glob("test_*.py")}
    assert set(levels()["release"].suites) == shipped


def test_every_profile_has_a_level_of_its_own() -> None:
    assert [level_for(name).name for name in ("smoke", "gate", "full")] == ["smoke", "gate", "gate"]


def test_a_threshold_lets_so_many_through_and_says_so(tmp_path: Path) -> None:
    run = run_of(tmp_path, sample.small("pass", "inconclusive", "inconclusive"))
    loose = replace(GATE, inconclusive=2)
    gate = judge(run, (), loose, TODAY)
    assert gate.exit_code == 0
    assert any("lets 2 through" in check.says for check in gate.checks)
    assert judge(run, (), replace(GATE, inconclusive=1), TODAY).exit_code == 2


def test_no_shipped_level_lets_anything_through() -> None:
    for level in levels().values():
        assert (level.inconclusive, level.not_tested) == (0, 0)


def test_the_levels_explain_every_key_of_theirs() -> None:
    text = LEVELS.read_text(encoding="utf-8")
    for row in yaml.safe_load(text)["levels"].values():
        for key in set(row) - {"says"}:
            assert f"#   {key} " in text, key


# --- as data ---------------------------------------------------------------------------------


def test_waivers_come_back_from_their_json(tmp_path: Path) -> None:
    run = run_of(tmp_path, sample.small("pass", "fail", "inconclusive"))
    waivers = (waived(run, run.findings[0].id), waived(run, "access_matrix.case-2"))
    value = json.loads(json.dumps(plain(waivers)))
    assert sorted(of_plain(value), key=lambda one: one.id) == sorted(
        waivers, key=lambda one: one.id
    )


@pytest.mark.parametrize("value", [None, [], {}, {"schema": 2}, {"schema": 1, "waivers": [{}]}])
def test_what_is_no_list_of_waivers_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="not a list of waivers"):
        of_plain(value)


def test_nothing_is_wider_than_itself(tmp_path: Path) -> None:
    run = run_of(tmp_path, sample.hospital())
    cases = {case.id: case for case in run.cases}
    for finding in run.findings:
        accepted = accepted_of(run, cases[finding.case], finding)
        assert wider(accepted, accepted) == ()


# --- shown -----------------------------------------------------------------------------------


def told(run: Run, gate: Gate) -> str:
    console = Console(width=80, file=io.StringIO(), highlight=False, color_system=None)
    show(run, gate, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_fits_a_terminal_and_reads_without_colour(tmp_path: Path) -> None:
    run = run_of(tmp_path, sample.small("pass", "fail", "inconclusive"))
    text = told(run, judged(run, waived(run, run.findings[0].id)))
    assert max(map(len, text.splitlines())) <= 80
    assert "The run by itself is not conformant; no waiver changes that." in text
    assert "Accepted risks: 1" in text
    assert "GATE: NOT PASSED: INCONCLUSIVE (exit code 2)" in text


def test_nothing_in_a_waiver_is_read_as_markup(tmp_path: Path) -> None:
    run = run_of(tmp_path, sample.small("pass", "fail"))
    waiver = waived(run, run.findings[0].id, reason="[bold red]x[/]", owner="[link=x]A")
    text = " ".join(told(run, judged(run, waiver)).split())
    assert "[bold red]x[/]" in text
    assert "GATE: PASSED, WITH ACCEPTED RISKS (exit code 0)" in text


def test_one_shard_is_not_the_run(tmp_path: Path) -> None:
    """What other shards try is not tested here, and nobody can accept that."""
    names = [f"access_matrix.case-{number}" for number in range(8)]
    of = {name: shard_of(name, 2) for name in names}
    mine = [name for name in names if of[name] == 1]
    assert 0 < len(mine) < len(names)
    records = [
        sample.header(shard={"number": 1, "of": 2}),
        sample.plan([sample.case(name) for name in names]),
        *(sample.verdict(name) for name in mine),
        sample.end(),
    ]
    run = run_of(tmp_path, records)
    others = [waived(run, name) for name in names if of[name] == 2]
    assert judged(run).exit_code == judged(run, *others).exit_code == 2
