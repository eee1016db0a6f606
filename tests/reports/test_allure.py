"""Allure results from the ledger, and an Allure report that loads nothing from outside."""

import base64
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from reports.allure import site
from reports.allure.results import write_results
from reports.allure.site import (
    AllureUnavailable,
    clean,
    default_cache,
    generate,
    install,
    outside_addresses,
)
from reports.ledger import Run, read
from reports.publish import publish
from reports.verdict import decide
from tests.reports import sample

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
