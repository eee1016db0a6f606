"""Everything written at once, always the same."""

import hashlib
from pathlib import Path

from reports.publish import publish
from tests.reports import sample


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
