"""The summary for a pull request: short, complete, and deaf to what a target says."""

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from reports.gate import judge, level_for
from reports.ledger import Run, read
from reports.markdown import LIMIT, code, markdown, prose
from reports.verdict import decide
from tests.reports import sample
from tests.reports.test_gate import TODAY, judged, waived

HOSTILE = (
    sample.HOSTILE,
    "@everybody see #1, GH-2, !3 and org/repo#4",
    "[click](javascript:alert(1)) ![x](http://127.0.0.1/x.png)",
    "http://evil.example www.evil.example mail@evil.example",
    "`` ` ``` <img src=x onerror=alert(1)> `",
    "a | b \\| c \\\\| d || e",
    "\n\n# heading\n- item\n> quote\n<!-- -->\n| a |\n| --- |",
    "</code></td><script>alert(1)</script>",
    "&lt;b&gt; &#64;everybody",
    "~~~\n```\n*bold* _it_ ~~gone~~ $x$ $`y`$",
    "deadbee1 0123456789abcdef0123456789abcdef01234567",
    "`",
    "\\",
    "|",
)


def html_of(text: str) -> str:
    """As GitHub reads it, tables and bare links included."""
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return str(reader.render(text))


def spoken(html: str) -> str:
    """What stands outside of code."""
    return re.sub(r"<code>.*?</code>", "", html, flags=re.DOTALL)


def check_inert(text: str) -> None:
    html = html_of(text)
    names = set(re.findall(r"<\s*/?\s*([a-zA-Z0-9]+)", html))
    assert names <= {"h2", "h3", "p", "ul", "li", "code", "strong", "br", "table", "thead",
                     "tbody", "tr", "th", "td"}, names  # fmt: skip
    outside = spoken(html)
    for pattern in (r"@", r"#\d", r"http", r"www\.", r"javascript", r"\b[0-9a-f]{7,}\b", r"!\d"):
        assert not re.search(pattern, outside), (pattern, outside)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_what_a_target_says_is_read_as_markdown(text: str) -> None:
    for written in (code(text), prose(text)):
        assert "\n" not in written
        check_inert(f"- {written}\n\n| a | b |\n| --- | --- |\n| {written} | {written} |\n")
        cells = re.findall(r"<td>", html_of(f"| a | b |\n| --- | --- |\n| {written} | {written} |"))
        assert len(cells) == 2


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_run_has_an_inert_summary(tmp_path: Path, text: str) -> None:
    records = sample.small("fail", "inconclusive", "not_tested")
    records[0]["target"]["name"] = text
    records[0]["target"]["version"] = text
    for record in records[2:5]:
        record["reason"] = text
    records[2]["findings"][0] |= dict.fromkeys(("message", "observed", "title", "could"), text)
    records[2]["findings"][0] |= {"role": text, "defect": text}
    run = read(sample.write(tmp_path, records))
    waiver = waived(run, run.findings[0].id, reason=text, owner=text, ticket=text)
    gate = judged(run, waiver)
    check_inert(markdown(run, gate.decision, gate))
    check_inert(markdown(run, gate.decision))


@pytest.mark.parametrize(
    "text",
    [
        "All 52 cases that were planned have a verdict.",
        "A record is open to people without a relation to it",
        "All 1,320 cases that were planned have a verdict.",
        "2 cases failed without a waiver. In one of them only some of the findings have a waiver.",
        "Taken into account: 1 accepted risk.",
        "Anybody with that role could look up neighbours, colleagues and well-known people.",
    ],
)
def test_plain_sentences_are_written_plainly(text: str) -> None:
    assert prose(text) == text


def test_it_tells_what_matters(tmp_path: Path) -> None:
    run = read(sample.write(tmp_path, sample.small("pass", "fail", "inconclusive")))
    gate = judged(run, waived(run, run.findings[0].id))
    text = markdown(run, gate.decision, gate)
    assert text.startswith("## ❔ Wardproof: inconclusive\n")
    assert "2026-12-31" in text
    assert "A. Rahman" in text
    assert "waived: 1 of 1" in text
    assert "1 case could not be concluded." in text
    assert "The run by itself is not conformant" in text


def test_accepted_risks_are_in_its_title(tmp_path: Path) -> None:
    run = read(sample.write(tmp_path, sample.small("pass", "fail")))
    gate = judged(run, waived(run, run.findings[0].id))
    assert markdown(run, gate.decision, gate).startswith(
        "## ✅ Wardproof: passed, with accepted risks\n"
    )


def test_its_length_is_bounded(hospital: Run) -> None:
    gate = judge(hospital, (), level_for("gate"), TODAY)
    text = markdown(hospital, decide(hospital), gate)
    assert len(text) <= LIMIT
    assert text.rstrip().endswith("to check.")


def test_the_longest_run_is_bounded(tmp_path: Path) -> None:
    long = "x" * 5000 + "<@y> "
    records = sample.small(*["fail"] * 60, *["inconclusive"] * 60)
    for number, record in enumerate(records[2:-1]):
        record["reason"] = f"{number} {long}"
        for finding in record["findings"]:
            finding |= {"message": long, "defect": f"{number}", "could": long, "role": long}
            finding["title"] = long
    run = read(sample.write(tmp_path, records))
    waivers = [waived(run, finding.id, reason=long, ticket=long) for finding in run.findings]
    gate = judged(run, *waivers)
    text = markdown(run, gate.decision, gate)
    assert len(text) <= LIMIT
    assert "more; the report has all of them" in text


def test_the_same_run_has_the_same_summary(hospital: Run) -> None:
    assert markdown(hospital, decide(hospital)) == markdown(hospital, decide(hospital))
