"""Allure results from the ledger, and an Allure report that loads nothing from outside."""

import base64
import json
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from reports.allure import site
from reports.allure.executor import executor
from reports.allure.history import HistoryError, gather, lines, point
from reports.allure.results import write_results
from reports.allure.site import (
    AllureUnavailable,
    clean,
    default_cache,
    generate,
    install,
    outside_addresses,
)
from reports.gate import Gate, judge, levels
from reports.ledger import Finding, Run, read
from reports.publish import publish
from reports.verdict import decide
from tests.reports import bundles, sample

ALLURE = Path(site.__file__).parent


def results_of(run: Run, folder: Path) -> list[dict[str, Any]]:
    write_results(run, decide(run), {"Access matrix": "<p>matrix</p>"}, folder)
    return [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*-result.json")]


def label(result: dict[str, Any], name: str) -> list[str]:
    return [entry["value"] for entry in result["labels"] if entry["name"] == name]


def test_every_case_is_a_step_and_every_finding_a_result(hospital: Run, tmp_path: Path) -> None:
    results = results_of(hospital, tmp_path / "allure-results")
    findings = [result for result in results if result["fullName"].startswith("findings.")]
    assert len(findings) == len(hospital.findings)
    assert sum(len(result["steps"]) for result in results) == len(hospital.cases)
    assert len({result["uuid"] for result in results}) == len(results)
    assert len({result["historyId"] for result in results}) == len(results)


def test_a_finding_brings_labels_and_evidence(hospital: Run, tmp_path: Path) -> None:
    folder = tmp_path / "allure-results"
    results = results_of(hospital, folder)
    result = next(r for r in results if "note.read" in r["name"] and "nurse.north" in r["name"])
    assert result["status"] == "failed"
    assert result["statusDetails"]["message"].startswith("Bypass: ")
    assert label(result, "epic") == ["Reference Hospital"]
    assert label(result, "feature") == ["object_scope"]
    assert label(result, "story") == ["denied-means-refused"]
    assert label(result, "severity") == ["critical"]
    assert label(result, "cwe") == ["CWE-639"]
    (attached,) = result["attachments"]
    page = (folder / attached["source"]).read_text("utf-8")
    assert "curl -sS" in page
    assert "<mark>WPC-north-patient-0007-note</mark>" in page


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        (("pass", "pass"), "passed"),
        (("pass", "not_claimed"), "passed"),
        (("not_claimed",), "skipped"),
        (("pass", "not_tested"), "skipped"),
        (("pass", "inconclusive", "not_tested"), "broken"),
        (("pass", "inconclusive", "fail"), "failed"),
    ],
)
def test_a_result_is_as_good_as_its_worst_case(
    tmp_path: Path, outcomes: tuple[str, ...], status: str
) -> None:
    run = read(sample.write(tmp_path, sample.small(*outcomes)))
    results = results_of(run, tmp_path / "allure-results")
    (result,) = (result for result in results if not result["fullName"].startswith("findings."))
    assert result["status"] == status


def test_severity_of_an_operation_is_that_of_its_gravest_finding(
    hospital: Run, tmp_path: Path
) -> None:
    results = results_of(hospital, tmp_path / "r")
    levels = ("blocker", "critical", "normal", "minor")
    assert all(len(label(result, "severity")) == 1 for result in results)
    gravest: dict[str, str] = {}
    for finding in hospital.findings:
        key = f"{finding.suite}.{finding.resource}.{finding.operation}"
        found = [label(r, "severity")[0] for r in results if finding.id in r["name"]]
        gravest[key] = min([*found, gravest.get(key, "minor")], key=levels.index)
    assert gravest
    for result in results:
        if result["fullName"] in gravest:
            assert label(result, "severity") == [gravest[result["fullName"]]]


def test_results_name_the_clauses_that_they_give_evidence_for(
    hospital: Run, tmp_path: Path
) -> None:
    results = results_of(hospital, tmp_path / "r")
    for result in results:
        stories = label(result, "story")
        of_object_scope = label(result, "feature") == ["object_scope"]
        assert ("law:1" in label(result, "clause")) == (
            of_object_scope and "denied-means-refused" in stories
        )
    assert any(label(result, "clause") for result in results)


def waived(run: Run, *findings: Finding, today: date = bundles.DAY) -> Gate:
    """The gate on a run of which these findings are accepted."""
    waivers = bundles.accepting(run, findings)
    return judge(run, waivers, levels()["gate"], today)


def with_gate(run: Run, gate: Gate, folder: Path) -> list[dict[str, Any]]:
    written = write_results(run, gate.decision, {}, folder, gate=gate)
    return [json.loads(path.read_text("utf-8")) for path in written.folder.glob("*-result.json")]


def test_a_waived_finding_names_ticket_owner_and_end_and_still_fails(
    hospital: Run, tmp_path: Path
) -> None:
    finding = hospital.findings[0]
    before = {one["fullName"]: one for one in results_of(hospital, tmp_path / "before")}
    results = with_gate(hospital, waived(hospital, finding), tmp_path / "r")
    (result,) = (one for one in results if finding.id in one["name"])
    assert label(result, "owner") == ["Ward IT"]
    assert label(result, "ticket") == ["SEC-12"]
    assert label(result, "waived until") == ["2027-01-31"]
    assert "waived" in label(result, "tag")
    assert result["statusDetails"]["message"].endswith(
        "[waived until 2027-01-31: SEC-12, owner Ward IT, accepted by Privacy officer]"
    )
    because = [one["value"] for one in result["parameters"] if one["name"] == "accepted because"]
    assert because == ["The device is replaced in January."]
    operation = f"{finding.suite}.{finding.resource}.{finding.operation}"
    owned = [one["fullName"] for one in results if label(one, "owner")]
    assert sorted(owned) == sorted([result["fullName"], operation])
    for one in results:
        former = before[one["fullName"]]
        assert [one["status"], label(one, "kind")] == [former["status"], label(former, "kind")]
        assert [step["status"] for step in one["steps"]] == [
            step["status"] for step in former["steps"]
        ]
        said = one["statusDetails"].get("message", "")
        assert said.startswith(former["statusDetails"].get("message", ""))


def test_an_operation_is_waived_when_all_that_is_wrong_with_it_is(tmp_path: Path) -> None:
    run = read(sample.write(tmp_path, sample.small("pass", "fail", "fail")))
    first, second = run.findings

    def tags_and_steps(*findings: Finding) -> tuple[bool, int]:
        results = with_gate(run, waived(run, *findings), tmp_path / "r")
        (result,) = (one for one in results if one["steps"])
        beside = [step for step in result["steps"] if "(waived until 2027-01-31)" in step["name"]]
        return "waived" in label(result, "tag"), len(beside)

    assert tags_and_steps() == (False, 0)
    assert tags_and_steps(first) == (False, 1)
    assert tags_and_steps(first, second) == (True, 2)


def test_the_report_tells_what_the_gate_says(tmp_path: Path) -> None:
    run = read(sample.write(tmp_path, sample.small("pass", "fail")))

    def told(gate: Gate) -> tuple[str, list[str]]:
        write_results(run, gate.decision, {}, tmp_path / "r", gate=gate)
        frame = json.loads(next((tmp_path / "r").glob("*-globals.json")).read_text("utf-8"))
        environment = (tmp_path / "r" / "environment.properties").read_text("utf-8")
        assert "Verdict = not conformant\n" in environment
        return environment, [error["message"] for error in frame["errors"]]

    environment, errors = told(waived(run))
    assert "Gate = not passed (level gate, as of 2026-11-21)\n" in environment
    assert errors[0].startswith("Gate: No promise is bypassed without a waiver: 1 case")
    environment, errors = told(waived(run, *run.findings))
    assert "Gate = passed, with accepted risks (level gate, as of 2026-11-21)\n" in environment
    assert f"accepted by Privacy officer; {run.findings[0].id}\n" in environment
    assert errors == []
    environment, errors = told(waived(run, *run.findings, today=date(2027, 2, 1)))
    assert "Gate = not passed (level gate, as of 2027-02-01)\n" in environment
    assert any("it expired on 2027-01-31" in error for error in errors)


def test_every_attachment_is_there_and_is_named_once(hospital: Run, tmp_path: Path) -> None:
    results = results_of(hospital, tmp_path / "r")
    steps = [step for result in results for step in result["steps"]]
    named = [
        entry["source"] for holder in (*results, *steps) for entry in holder.get("attachments", [])
    ]
    assert len(named) == len(set(named))
    there = {path.name for path in (tmp_path / "r").glob("*-attachment.html")}
    assert set(named) < there  # the matrix belongs to the report as a whole
    failed = [step for step in steps if step["status"] == "failed"]
    assert failed
    assert all(step["attachments"] for step in failed)


def test_pages_to_attach_hold_no_script_and_load_nothing(tmp_path: Path) -> None:
    folder = sample.write(tmp_path, sample.hospital())
    results = publish(folder, allure=False).allure_results
    pages = list(results.glob("*-attachment.html"))
    assert pages
    for page in pages:
        text = page.read_text("utf-8")
        assert "Content-Security-Policy" in text
        assert not re.search(r"<(script|img|iframe|link|object|embed|a|form|base)\b", text)
        assert not re.search(r"\son\w+\s*=\s*[\"']?\w+\(", re.sub(r"&[a-z#0-9]+;.*?&gt;", "", text))


def test_a_case_shows_its_own_picture(tmp_path: Path) -> None:
    detail = {
        "kind": "table",
        "table": "news2",
        "rows": [{"inputs": {"pulse": 90}, "expected": {"score": 0}, "observed": {}, "ok": False}],
    }
    names = ["clinical.scores", "clinical.other"]
    records = [
        sample.header(),
        sample.plan([sample.case(name, suite="clinical", resource=None) for name in names]),
        sample.verdict(names[0], "inconclusive", detail=detail),
        sample.verdict(names[1]),
        sample.end(),
    ]
    (result,) = results_of(read(sample.write(tmp_path, records)), tmp_path / "r")
    first, second = result["steps"]
    (attached,) = first["attachments"]
    assert attached["name"] == "Thresholds, row by row"
    assert "pulse" in (tmp_path / "r" / attached["source"]).read_text("utf-8")
    assert "attachments" not in second


def test_a_defect_with_very_many_findings_shows_the_first_in_full(tmp_path: Path) -> None:
    names = [f"access_matrix.case-{number}" for number in range(30)]
    records: list[dict[str, Any]] = [
        sample.header(),
        sample.plan([sample.case(name) for name in names]),
    ]
    for name in names:
        records += [
            sample.exchange(f"e-{name}"),
            sample.verdict(name, "fail", findings=[sample.finding(name, exchanges=[f"e-{name}"])]),
        ]
    results = results_of(read(sample.write(tmp_path, records)), tmp_path / "r")
    findings = [result for result in results if result["fullName"].startswith("findings.")]
    assert len(findings) == 30
    bare = [result for result in findings if not result["attachments"]]
    assert len(bare) == 5
    assert all(" in evidence.jsonl; shown in full at F-" in told(result) for result in bare)


def told(result: dict[str, Any]) -> str:
    return str(result["statusDetails"]["trace"])


def test_the_same_run_gives_the_same_results(hospital: Run, tmp_path: Path) -> None:
    texts = []
    for name in ("1", "2"):
        write_results(hospital, decide(hospital), {"Access matrix": "<p>"}, tmp_path / name)
        texts.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert texts[0] == texts[1]


GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://code.example",
    "GITHUB_REPOSITORY": "clinic/portal",
    "GITHUB_RUN_ID": "77",
    "GITHUB_RUN_NUMBER": "12",
    "GITHUB_WORKFLOW": "nightly",
    "GITHUB_TOKEN": "a secret",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_JOB_NAME": "conformance",
    "CI_JOB_URL": "https://user:a%20secret@code.example/clinic/portal/-/jobs/9?x=a+secret",
    "CI_PIPELINE_IID": "31",
    "CI_JOB_TOKEN": "a secret",
}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (
            GITHUB,
            {
                "name": "GitHub Actions",
                "type": "github",
                "buildName": "nightly #12",
                "buildOrder": 12,
                "buildUrl": "https://code.example/clinic/portal/actions/runs/77",
            },
        ),
        (
            GITLAB,
            {
                "name": "GitLab CI",
                "type": "gitlab",
                "buildName": "conformance #31",
                "buildOrder": 31,
                "buildUrl": "https://code.example/clinic/portal/-/jobs/9",
            },
        ),
        ({"BUILD_URL": "https://jenkins.example", "CI": "true"}, None),
        ({"GITLAB_CI": "true", "CI_JOB_URL": "javascript:alert(1)"}, "no address"),
    ],
)
def test_the_build_is_told_where_ci_tells_it(environment: dict[str, str], expected: Any) -> None:
    found = executor(environment)
    if expected == "no address":
        assert found == {"name": "GitLab CI", "type": "gitlab"}
    else:
        assert found == expected


def test_a_report_made_again_elsewhere_still_names_the_build(tmp_path: Path) -> None:
    folder = sample.write(tmp_path, sample.small("pass"))
    publish(folder, allure=False, executor=executor(GITHUB))
    made = (folder / "allure-results" / "executor.json").read_bytes()
    publish(folder, allure=False)
    assert (folder / "allure-results" / "executor.json").read_bytes() == made
    (folder / "allure-results" / "executor.json").write_text(
        '{"type":"github","name":"\x1b[2J","buildUrl":"javascript:alert(1)","reportUrl":"x"}'
    )
    publish(folder, allure=False)
    found = json.loads((folder / "allure-results" / "executor.json").read_text("utf-8"))
    assert set(found) == {"type", "name"}
    assert "\x1b" not in found["name"]


def runs(folder: Path, *outcomes: str, profile: str = "gate") -> list[Run]:
    """Runs on one day after the other, of one case each."""
    found = []
    for day, outcome in enumerate(outcomes, start=1):
        records = sample.small(outcome)
        records[0] |= {"started": f"2026-11-{day:02}T06:00:00Z", "profile": profile}
        found.append(read(sample.write(folder / f"{profile}-{day}", records)))
    return found


def gathered(run: Run, path: Path, folder: Path) -> tuple[dict[str, Any], ...]:
    written = write_results(run, decide(run), {}, folder)
    return gather(path, point(run, written.outcomes, written.started))


def test_runs_are_gathered_once_each_and_shown_to_later_ones(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    first, second, third = runs(tmp_path, "pass", "fail", "pass")
    assert gathered(first, history, tmp_path / "r") == ()
    assert len(gathered(third, history, tmp_path / "r")) == 1
    assert len(gathered(second, history, tmp_path / "r")) == 1
    assert len(gathered(third, history, tmp_path / "r")) == 2
    lines = [json.loads(line) for line in history.read_text("utf-8").splitlines()]
    assert [line["wardproof"]["run"] for line in lines] == [first.head, second.head, third.head]
    before = history.read_bytes()
    gathered(second, history, tmp_path / "r")
    assert history.read_bytes() == before


def test_runs_of_another_kind_share_the_file_and_are_not_compared(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    (smoke,) = runs(tmp_path, "pass", profile="smoke")
    (gate,) = runs(tmp_path, "pass")
    gathered(smoke, history, tmp_path / "r")
    assert gathered(gate, history, tmp_path / "r") == ()
    assert len(history.read_text("utf-8").splitlines()) == 2


@pytest.mark.parametrize("content", [b"{}\n", b"not json\n", b"\xff\xfe", b'{"type":"run"}\n'])
def test_a_file_that_is_no_history_is_left_alone(tmp_path: Path, content: bytes) -> None:
    history = tmp_path / "evidence.jsonl"
    history.write_bytes(content)
    (run,) = runs(tmp_path, "pass")
    with pytest.raises(HistoryError, match="not a history of runs"):
        gathered(run, history, tmp_path / "r")
    assert history.read_bytes() == content


def test_a_history_that_cannot_be_kept_costs_only_the_trend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (run,) = runs(tmp_path, "pass")
    with pytest.raises(HistoryError, match="trends are missing"):
        gathered(run, tmp_path / "file" / "history.jsonl", tmp_path / "r")


def test_a_history_does_not_grow_for_ever(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    (run,) = runs(tmp_path, "pass")
    written = write_results(run, decide(run), {}, tmp_path / "r")
    one = point(run, written.outcomes, written.started)
    for number in range(110):
        said = {**one["wardproof"], "run": f"{number:064}"}
        gather(history, {**one, "wardproof": said, "timestamp": number})
    assert len(history.read_text("utf-8").splitlines()) == 100


def test_history_ids_stay_and_uuids_change_between_runs(tmp_path: Path) -> None:
    first = read(sample.write(tmp_path / "1", sample.small("pass")))
    second = read(sample.write(tmp_path / "2", sample.small("inconclusive")))
    (one,) = results_of(first, tmp_path / "r1")
    (two,) = results_of(second, tmp_path / "r2")
    assert one["historyId"] == two["historyId"]
    assert one["uuid"] != two["uuid"]


def test_hostile_text_stays_text_in_the_results(hospital: Run, tmp_path: Path) -> None:
    write_results(hospital, decide(hospital), {"Access matrix": "<p>matrix</p>"}, tmp_path / "r")
    text = "".join(path.read_text("utf-8") for path in sorted((tmp_path / "r").iterdir()))
    assert "\x1b" not in text
    assert "\x00" not in text
    assert "descriptionHtml" not in text


TRACKED = """<!DOCTYPE html><html><head><meta charset="utf-8"></head><body>
<script>window.allure = {}</script>
<script async src="https://www.googletagmanager.com/gtag/js?id=G-LNDJ3J7WT0"></script>
<script>
    window.dataLayer = window.dataLayer || [];
    function gtag(){dataLayer.push(arguments);}
    gtag('js', new Date());
</script>
<script>window.ready = true;</script></body></html>"""


def test_the_analytics_are_removed_and_the_rest_is_kept(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text(TRACKED)
    clean(tmp_path)
    text = page.read_text()
    assert "gtag" not in text
    assert "googletagmanager" not in text
    assert "window.allure = {}" in text
    assert "window.ready = true;" in text
    assert "Content-Security-Policy" in text
    assert "default-src 'none'" in text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("index.html", '<script src="https://elsewhere.example/a.js"></script>'),
        ("index.html", "<link rel=stylesheet href=//elsewhere.example/a.css>"),
        ("index.html", "<style>@import url('https://elsewhere.example/a.css')</style>"),
        ("sub/index.html", '<img alt="" src="https://elsewhere.example/a.png">'),
        ("app.js", "s.src='https://www.googletagmanager.com/gtag/js'"),
        ("styles.css", "a{background:url(https://elsewhere.example/a.png)}"),
        (
            "index.html",
            '<script src="data:text/javascript;base64,'
            + base64.b64encode(b"gtag('js', new Date())").decode()
            + '"></script>',
        ),
    ],
)
def test_a_report_that_would_load_from_outside_is_withheld(
    tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    with pytest.raises(AllureUnavailable, match="withheld"):
        clean(tmp_path)


def test_what_the_target_answered_is_no_tracker(tmp_path: Path) -> None:
    (tmp_path / "data" / "attachments").mkdir(parents=True)
    (tmp_path / "data" / "attachments" / "a.html").write_text("googletagmanager")
    assert outside_addresses(tmp_path) == ()


def test_the_lock_file_names_no_address() -> None:
    lock = (ALLURE / "package-lock.json").read_text(encoding="utf-8")
    assert "://" not in lock
    packages = json.loads(lock)["packages"]
    assert all("integrity" in package for name, package in packages.items() if name)
    wanted = json.loads((ALLURE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert packages[""]["dependencies"] == wanted


def test_without_node_the_other_reports_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(site.importlib.util, "find_spec", lambda name: None)  # type: ignore[attr-defined]
    published = publish(sample.write(tmp_path, sample.small("pass")), allure_cache=tmp_path / "c")
    assert published.allure is None
    assert published.allure_problem is not None
    assert "needs Node.js 20 or newer" in published.allure_problem
    assert published.report.is_file()


def test_a_report_that_cannot_be_written_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(site, "_node", lambda: Path("node"))
    monkeypatch.setattr(site, "install", lambda cache, node: Path("cli.js"))
    monkeypatch.setattr(site, "_run", lambda *_: None)
    monkeypatch.setattr(Path, "is_file", lambda path: True)
    monkeypatch.setattr(site, "clean", full_disk)
    published = publish(sample.write(tmp_path, sample.small("pass")))
    assert published.allure_problem == (
        "The Allure report could not be written: No space left on device."
    )
    assert published.summary.exists()
    assert not list((tmp_path / "report").glob("*allure*"))


def test_credentials_do_not_reach_child_processes() -> None:
    passed_on = site._PASSED_ON
    assert passed_on.fullmatch("PATH")
    assert passed_on.fullmatch("npm_config_cache")
    assert not passed_on.fullmatch("NURSE_NORTH")
    assert not passed_on.fullmatch("PATIENT_NORTH_TOKEN")


def test_two_installations_at_once_do_not_collide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pretend(command: list[str], failure: str, seconds: int, folder: Path) -> None:
        program = folder / "node_modules" / "allure" / "cli.js"
        program.parent.mkdir(parents=True)
        program.write_text("// allure")

    monkeypatch.setattr(site, "_run", pretend)
    monkeypatch.setattr(site, "_npm", lambda node: ["npm"])
    with ThreadPoolExecutor(8) as pool:
        programs = list(pool.map(lambda _: install(tmp_path, Path("node")), range(8)))
    assert len(set(programs)) == 1
    assert programs[0].is_file()
    assert [path.name for path in tmp_path.iterdir()] == [programs[0].parents[2].name]


@pytest.fixture(scope="session")
def real_site(hospital: Run, tmp_path_factory: pytest.TempPathFactory) -> site.Site:
    """A report by the real Allure; skipped where it cannot be had."""
    folder = tmp_path_factory.mktemp("allure")
    results = write_results(
        hospital, decide(hospital), {"Access matrix": "<p>matrix</p>"}, folder / "results"
    )
    try:
        return generate(results.folder, folder / "report", title="T", cache=default_cache())
    except AllureUnavailable as problem:
        pytest.skip(str(problem))


def test_the_real_report_holds_no_tracker(real_site: site.Site) -> None:
    assert real_site.single is not None
    pages = [*real_site.folder.rglob("*.html"), real_site.single]
    assert len(pages) >= 2
    for page in pages:
        text = page.read_text("utf-8")
        assert "googletagmanager" not in text
        assert "gtag(" not in text
    assert outside_addresses(real_site.folder) == ()
    index = (real_site.folder / "index.html").read_text("utf-8")
    assert "Content-Security-Policy" in index
    assert "allureReportDataReady" in index


def test_the_real_report_shows_categories_and_the_matrix(real_site: site.Site) -> None:
    widgets = real_site.folder / "widgets"
    nodes = json.loads((widgets / "categories.json").read_text("utf-8"))["nodes"].values()
    names = {node["name"] for node in nodes if node["type"] == "category"}
    assert {"Bypass", "Leak", "Over-restriction", "Inconclusive", "Not tested"} <= names
    attachments = json.loads((widgets / "globals.json").read_text("utf-8"))["attachments"]
    assert [attachment["name"] for attachment in attachments] == ["Access matrix"]


def hosts(text: str) -> set[str]:
    """The hosts of all web addresses in a text, and in what it embeds."""
    found = set(re.findall(r"https?:\\?/\\?/([\w.-]+)", text))
    for packed in re.findall(r"data:[\w/+;=-]*base64,([A-Za-z0-9+/=]+)", text):
        found |= hosts(base64.b64decode(packed + "==").decode("utf-8", errors="replace"))
    return found


# Names of XML, licences and a link in the footer; the last opens recordings of browsers, if a
# reader asks it to, and there are none.
KNOWN = {
    "www.w3.org",
    "lea.verou.me",
    "opensource.org",
    "allurereport.org",
    "localhost",
    "trace.playwright.dev",
}


def test_no_file_of_the_real_report_names_a_host_that_is_not_known(real_site: site.Site) -> None:
    assert real_site.single is not None
    files = [path for path in real_site.folder.rglob("*") if path.is_file()]
    found = set()
    for path in (*files, real_site.single):
        found |= hosts(path.read_text("utf-8", errors="replace"))
    answered = {"127.0.0.1"}  # of the target, in the evidence
    assert found - KNOWN - answered == set()


def in_browser(page: Path, folder: Path) -> tuple[str, list[str]]:
    """What a browser without network makes of a page, and the web addresses that it asks for."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next((found for name in names if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip("there is no chromium here, so the report was not tried in a browser")
    log = folder / "net.json"
    shown = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *(f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}"),
            *("--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=direct://"),
            *("--virtual-time-budget=20000", "--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    events = [line.removesuffix(",") for line in log.read_text("utf-8").splitlines()]
    asked = [json.loads(line)["params"] for line in events if '"initiator":' in line]
    return shown, [
        event["url"]
        for event in asked
        # What the browser asks for on its own account has no origin.
        if event["initiator"] != "not an origin" and event["url"].startswith("http")
    ]


def test_a_browser_without_network_shows_the_single_file(
    real_site: site.Site, tmp_path: Path
) -> None:
    assert real_site.single is not None
    shown, asked = in_browser(real_site.single, tmp_path)
    assert "object_scope" in re.sub(r"<script[\s\S]*?</script>", "", shown)
    assert asked == []


def test_a_page_that_asks_for_something_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<img alt="" src="http://elsewhere.example/a.png">')
    assert in_browser(page, tmp_path)[1] == ["http://elsewhere.example/a.png"]


def test_two_runs_show_a_trend(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    first, second = runs(tmp_path, "pass", "fail")
    gathered(first, history, tmp_path / "r")
    earlier = lines(gathered(second, history, tmp_path / "r"))
    try:
        made = generate(
            tmp_path / "r", tmp_path / "report", title="T", cache=default_cache(), history=earlier
        )
    except AllureUnavailable as problem:
        pytest.skip(str(problem))
    charts = json.loads((made.folder / "widgets" / "charts.json").read_text("utf-8"))
    (trend,) = [one for one in charts["general"].values() if one["type"] == "statusDynamics"]
    assert [one["statistic"] for one in trend["data"]] == [
        {"total": 1, "passed": 1},
        {"total": 2, "failed": 2},
    ]
    tests = [
        json.loads(path.read_text("utf-8"))
        for path in (made.folder / "data" / "test-results").glob("*.json")
    ]
    (operation,) = [one for one in tests if not one["name"].startswith("F-")]
    assert [one["status"] for one in operation["history"]] == ["passed"]
    assert operation["transition"] == "regressed"
