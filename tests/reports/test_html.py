"""The page on which people decide."""

import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from reports.evidence import BODY_LIMIT, as_text, shown, telling_parts
from reports.gate import Gate, judge, levels
from reports.glyphs import GLYPHS
from reports.html import matrix_html, report_html
from reports.ledger import Exchange, Finding, Request, Response, Run, read
from reports.matrix import access_matrix
from reports.verdict import decide
from reports.waivers import Waiver, accepted_of, waiver_id
from tests.reports import sample


class Page(HTMLParser):
    """Elements, ids, links and text of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    def ids(self) -> list[str]:
        return [ids for _, attributes in self.elements if (ids := attributes.get("id"))]

    def headings(self) -> list[int]:
        return [int(tag[1]) for tag, _ in self.elements if re.fullmatch("h[1-6]", tag)]

    def links(self) -> list[str]:
        return [href for tag, a in self.elements if tag == "a" and (href := a.get("href"))]


def page(run: Run) -> str:
    return report_html(run, decide(run), access_matrix(run))


TODAY = date(2026, 11, 21)


def waiver(run: Run, number: int = 0, **changes: Any) -> Waiver:
    """The acceptance of one of the findings of a run."""
    finding = run.findings[number]
    case = next(case for case in run.cases if case.id == finding.case)
    given = {
        "id": waiver_id(finding.id),
        "finding": finding.id,
        "case": None,
        "rule": finding.rule,
        "accepted": accepted_of(run, case, finding),
        "reason": "The ward module is replaced in spring.",
        "owner": "Head of Ward Systems",
        "approver": "Chief Medical Officer",
        "ticket": "RISK-7",
        "expires": date(2027, 1, 31),
        "granted": date(2026, 11, 1),
    }
    return Waiver(**{**given, **changes})


def gated(run: Run, *waivers: Waiver) -> tuple[str, Gate]:
    """The page of a run with waivers, and what the gate says."""
    gate = judge(run, waivers, levels()["gate"], TODAY)
    return report_html(run, gate.decision, access_matrix(run, gate.accepted), gate), gate


def words(source: str) -> str:
    return " ".join(Page(source).text.split())


def decision(source: str) -> str:
    """The text of the first page."""
    return words(
        source[source.index('<section id="decision"') : source.index('<section id="mend"')]
    )


def make_finding(observed: str, marks: tuple[str, ...] = ()) -> Finding:
    return Finding(
        id="F-1",
        rule="r",
        suite="s",
        case="c",
        severity="operational",
        urgency="scheduled",
        title="t",
        message="m",
        observed=observed,
        marks=marks,
    )


def make_exchange(body: str, status: int = 200, role: str = "attempt") -> Exchange:
    return Exchange(
        id="e1",
        request=Request("GET", "http://127.0.0.1/x"),
        role_in_case=role,
        response=Response(status, {"a": "b"}, body),
    )


def test_the_page_tells_the_verdict_and_every_defect(hospital: Run) -> None:
    text = Page(page(hospital)).text
    assert "Not conformant" in text
    assert "prescription.verify is refused to who needs it" in text
    assert "lab_technician, nurse, pharmacist, physician" in " ".join(text.split())
    assert "The control did not succeed: physician.north got 503 on bed.assign." in text
    assert "rx-0192" in text


def test_hostile_bodies_stay_text(hospital: Run) -> None:
    source = page(hospital)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in source
    parsed = Page(source)
    assert not parsed.tags() & {"script", "img", "iframe", "object", "link"}
    assert not [a for _, attributes in parsed.elements for a in attributes if a.startswith("on")]
    assert not set("\x00\x1b\u202e") & set(source)
    assert "{{ 7*7 }}" in parsed.text


def test_the_page_loads_and_runs_nothing(hospital: Run) -> None:
    for source in (page(hospital), matrix_html(hospital, access_matrix(hospital))):
        assert "default-src 'none'" in source
        parsed = Page(source)
        assert "script" not in parsed.tags()
        assert not [a for _, a in parsed.elements if "src" in a]
        assert "url(" not in source
        assert "@import" not in source


def test_links_inside_of_the_page_lead_somewhere(hospital: Run) -> None:
    parsed = Page(page(hospital))
    ids = parsed.ids()
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in parsed.links() if link.startswith("#")} <= set(ids)


def test_tables_have_headers_with_a_scope(hospital: Run) -> None:
    parsed = Page(page(hospital))
    headers = [attributes for tag, attributes in parsed.elements if tag == "th"]
    assert headers
    assert all(attributes.get("scope") in ("col", "row") for attributes in headers)
    assert "#main" in parsed.links()
    assert parsed.elements[0] == ("html", {"lang": "en"})


def test_a_clean_run_and_an_empty_run_have_a_page(tmp_path: Path) -> None:
    clean = read(sample.write(tmp_path / "clean", sample.small("pass")))
    assert "Nothing was found to mend." in page(clean)
    empty = read(sample.write(tmp_path / "empty", [sample.header(resources={}, personas=[])]))
    assert "No case was planned" in page(empty)


def test_a_broken_chain_is_told_on_the_page(tmp_path: Path) -> None:
    lines = list(sample.chained(sample.small("pass")))
    del lines[1]
    (tmp_path / "evidence.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    assert "chain broken at record 1" in page(read(tmp_path))


def test_what_was_observed_is_marked_in_the_response() -> None:
    finding = make_finding("200 with the canary WPC-north-0007-note in 'Amina Test'.")
    assert telling_parts(finding) == ("WPC-north-0007-note", "Amina Test")
    view = shown(make_exchange('{"name":"Amina Test","note":"WPC-north-0007-note"}'), finding)
    assert [piece.text for piece in view.response if piece.marked] == [
        "200",
        "Amina Test",
        "WPC-north-0007-note",
    ]
    assert "⟦Amina Test⟧" in as_text(make_exchange('"Amina Test"'), finding)


def test_marks_of_the_engine_go_first() -> None:
    assert telling_parts(make_finding("canary WPC-1-2-3", marks=("secret",))) == ("secret",)


def test_planted_markers_are_marked_unless_the_request_carried_them() -> None:
    body = '{"name": "Ada Wqkqmmfjnhkwqvnbcd", "note": "wqkqtfhnbjkwzzrbcd"}'
    exchange = replace(
        make_exchange(body),
        request=Request("PUT", "http://127.0.0.1/x", body='{"note": "wqkqtfhnbjkwzzrbcd"}'),
    )
    view = shown(exchange, make_finding("the record's own content"))
    assert [piece.text for piece in view.response if piece.marked] == ["Wqkqmmfjnhkwqvnbcd"]


def test_the_control_is_not_marked() -> None:
    finding = make_finding("200 with WPC-north-0007-note")
    view = shown(make_exchange("WPC-north-0007-note", role="control"), finding)
    assert not any(piece.marked for piece in view.response)


def test_a_long_body_is_cut_around_its_telling_part() -> None:
    body = "x" * 50_000 + "WPC-north-0007-note" + "y" * 50_000
    view = shown(make_exchange(body), make_finding("WPC-north-0007-note"))
    text = "".join(piece.text for piece in view.response)
    assert "WPC-north-0007-note" in text
    assert len(text) < BODY_LIMIT + 200


def test_no_answer_is_told() -> None:
    exchange = Exchange(id="e", request=Request("GET", "http://127.0.0.1/"), error="timed out")
    assert "No answer: timed out" in as_text(exchange, make_finding("nothing"))


def test_many_findings_of_one_defect_do_not_swell_the_page(tmp_path: Path) -> None:
    records = sample.small(*["fail"] * 400)
    run = read(sample.write(tmp_path, records))
    source = page(run)
    assert source.count('<details class="finding"') == 4
    assert "and 347 more in summary.json" in source
    parsed = Page(source)
    assert {link[1:] for link in parsed.links() if link.startswith("#")} <= set(parsed.ids())


def test_a_run_that_tried_no_operation_shows_no_empty_matrix(tmp_path: Path) -> None:
    cases = [sample.case("c1", resource=None, operation=None)]
    plan = {"type": "plan", "digest": "sha256:00", "cases": cases}
    records = [sample.header(), plan, sample.verdict("c1", "pass"), sample.end()]
    run = read(sample.write(tmp_path, records))
    assert 'id="matrix"' not in report_html(run, decide(run), access_matrix(run))


# --- the first page ----------------------------------------------------------------------------


def test_the_first_page_says_what_failed_whom_it_affects_and_what_could_happen(
    tmp_path: Path,
) -> None:
    records = sample.small("fail", "pass")
    records[2]["findings"][0] |= {
        "affected": "patients of the ward",
        "could": "Their charts are read by people who do not treat them",
        "affects_data": True,
        "affects_workflow": True,
        "severity": "care_blocking",
    }
    told = decision(gated(read(sample.write(tmp_path, records)))[0])
    assert (
        "care-blocking, mend now Records of other people's patients can be read patient.read 1 case"
        in told
    )
    assert "Patients of the ward. Their charts are read by people who do not treat them." in told
    assert "Affects data and workflow." in told
    assert "Judged on 2026-11-21 at the level “gate”" in told
    assert "Nobody has accepted a failure of this run." in told


def test_the_first_page_says_what_was_not_shown_and_what_is_covered(hospital: Run) -> None:
    told = decision(gated(hospital)[0])
    assert "13 inconclusive in object scope: The control did not succeed" in told
    assert "24 not tested in access matrix: Destructive probes were not allowed." in told
    assert "60 operations on 15 resources, as 13 roles of 2 tenants." in told
    assert "Not claimed by the target, so not judged: 13 cases." in told


def test_an_accepted_risk_has_an_owner_an_approver_a_ticket_and_an_end(tmp_path: Path) -> None:
    run = read(sample.write(tmp_path, sample.small("fail", "pass")))
    source, gate = gated(run, waiver(run))
    told = decision(source)
    assert gate.verdict == "conformant"
    assert told.startswith("Passed, with accepted risks")
    assert "the first of these acceptances ends on 2027-01-31" in told
    assert "Without them the run is not conformant." in told
    assert "Nothing but what is accepted." in told
    assert "acceptedHead of Ward SystemsChief Medical OfficerRISK-72027-01-31" in told
    assert "Accepted until 2027-01-31 by Chief Medical Officer" in words(source)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"expires": date(2026, 11, 20)}, "expired"),
        ({"finding": "F-0000000000"}, "not needed any more"),
        ({"accepted": {"word": "bypass", "rule": "other"}}, "more than was accepted"),
        ({"expires": date(2029, 1, 1)}, "not allowed"),
    ],
)
def test_a_waiver_that_does_not_count_is_told_with_why(
    tmp_path: Path, changes: dict[str, Any], state: str
) -> None:
    run = read(sample.write(tmp_path, sample.small("fail", "pass")))
    one = waiver(run)
    if "accepted" in changes:
        changes = {"accepted": {**one.accepted, **changes["accepted"]}}
    if "finding" in changes:
        changes["accepted"] = {**one.accepted, "case": run.cases[1].id}
    one = replace(one, **changes)
    source, gate = gated(run, one)
    told = decision(source)
    assert gate.verdict == "not conformant"
    assert state in told
    assert gate.why[one.id][:60] in told
    assert "Not kept:" in told


def test_a_waiver_stands_beside_the_verdict_in_the_matrix(tmp_path: Path) -> None:
    run = read(sample.write(tmp_path, sample.small("fail", "pass")))
    source, _ = gated(run, waiver(run))
    assert '<use href="#g-waived-bypass"/>' in source
    assert "Bypass: done although not granted (waived until 2027-01-31)" in source
    assert '<use href="#g-bypass"/>' in source  # in the legend


@pytest.mark.parametrize(
    ("records", "says"),
    [
        (sample.small("pass", "pass", ended=False)[:3], "1 planned case had no verdict by then."),
        ([*sample.small("pass")[:-1], sample.end(interrupted=True)], "the run was interrupted"),
        (
            [sample.header(shard={"number": 1, "of": 3}), *sample.small("pass")[1:]],
            "Part 1 of 3 of a run",
        ),
        (
            [
                *sample.small("pass")[:2],
                {"type": "resumed", "at": "2026-11-21T06:05:00Z", "part": 2, "lost_bytes": 9},
                *sample.small("pass")[2:],
            ],
            "Resumed once",
        ),
        (
            [
                sample.header(selection={"suites": [], "cases": ["a*"], "stop_after": 3}),
                *sample.small("pass")[1:],
            ],
            "Only cases that were asked for by name were planned. The run was to stop after 3",
        ),
    ],
)
def test_how_an_unusual_run_came_about_is_said_at_the_top(
    tmp_path: Path, records: list[sample.Record], says: str
) -> None:
    told = decision(gated(read(sample.write(tmp_path, records)))[0])
    assert says in told
    assert told.index(says) < 260


def test_an_ordinary_run_has_no_notice(tmp_path: Path) -> None:
    source, _ = gated(read(sample.write(tmp_path, sample.small("pass"))))
    assert 'class="notices"' not in source


# --- links, sizes, people ----------------------------------------------------------------------


def test_clauses_tests_and_findings_lead_to_each_other(hospital: Run) -> None:
    source = page(hospital)
    clause = source[source.index('id="clause-law-1"') :].split("</tr>", 1)[0]
    test = source[source.index('id="test-object_scope.denied-means-refused"') :].split("</tr>", 1)[
        0
    ]
    assert "#test-object_scope.denied-means-refused" in clause
    assert "#clause-law-1" in test
    (finding, *_) = re.findall(r'href="#(F-[0-9a-f]{10})"', clause)
    article = source[source.index(f'id="{finding}"') :].split("</details>", 1)[0]
    assert "#clause-law-1" in article
    assert "#test-object_scope.denied-means-refused" in article
    assert f'href="#{finding}"' in test


def test_the_differences_between_attempt_and_control_are_marked(hospital: Run) -> None:
    source = page(hospital)
    assert "What differs: the attempt against the control" in source
    assert re.search(r'<span class="l right">\+ .*<mark>.*WPC-north-patient-0007-note', source)
    assert re.search(r'<span class="l left">− .*<mark>', source)


def test_the_reach_of_a_defect_is_told(hospital: Run) -> None:
    told = words(page(hospital))
    assert "Of tenantsnorth" in told
    assert "Throughprescription.verify" in told


def test_a_great_run_has_a_page_of_bounded_size(tmp_path: Path) -> None:
    records = sample.small(*["fail", "inconclusive"] * 2000)
    for number, record in enumerate(records[2:-1]):
        record["reason"] = f"Reason {number}."
        for told in record["findings"]:
            told["defect"] = f"defect {number}"
    cases = records[1]["cases"]
    for number, case in enumerate(cases):
        case |= {"property": f"property-{number}", "operation": f"op-{number}"}
    records[1] = sample.plan(cases)
    run = read(sample.write(tmp_path, records))
    source, _ = gated(run)
    assert len(source) < 3_000_000
    told = words(source)
    assert "and 1,760 more in summary.json" in told
    assert "and 1,940 more reasons in summary.json" in told
    assert "more properties in evidence.jsonl" in told
    assert "in access-matrix.svg" in told
    parsed = Page(source)
    assert {link[1:] for link in parsed.links() if link.startswith("#")} <= set(parsed.ids())


def test_names_that_are_no_anchors_make_different_anchors(tmp_path: Path) -> None:
    records = sample.small("fail", "fail")
    for number, record in enumerate(records[2:4]):
        record["findings"][0]["defect"] = "a b" if number else 'a"b'
    parsed = Page(page(read(sample.write(tmp_path, records))))
    assert {"mend-a-b", "mend-a-b-2"} <= set(parsed.ids())


def test_hostile_words_of_waivers_and_names_stay_text(tmp_path: Path) -> None:
    records = sample.small("fail")
    records[1]["cases"][0] |= {"suite": sample.HOSTILE, "property": sample.HOSTILE}
    records[1] = sample.plan(records[1]["cases"])
    records[0] = sample.header(tenants={sample.HOSTILE: {"timezone": sample.HOSTILE}})
    run = read(sample.write(tmp_path, records))
    hostile: dict[str, Any] = dict.fromkeys(
        ("owner", "approver", "ticket", "reason"), "<script>alert(1)</script>"
    )
    source, _ = gated(run, waiver(run, **hostile))
    parsed = Page(source)
    assert not parsed.tags() & {"script", "img", "iframe", "object", "link"}
    assert not set("\x00\x1b\u202e") & set(source)
    assert "&lt;script&gt;" in source


def test_headings_skip_no_level_and_regions_have_names(hospital: Run) -> None:
    for source in (page(hospital), matrix_html(hospital, access_matrix(hospital))):
        parsed = Page(source)
        levels_ = parsed.headings()
        assert levels_[0] == 1
        assert levels_.count(1) == 1
        steps = pairwise(levels_)
        assert all(after - before <= 1 for before, after in steps)
        for _tag, attributes in parsed.elements:
            if attributes.get("role") == "region":
                assert attributes.get("aria-label")
                assert attributes.get("tabindex") == "0"
        named = {a.get("for") for tag, a in parsed.elements if tag == "label"}
        assert {a.get("id") for tag, a in parsed.elements if tag == "input"} <= named


STYLE = (Path(__file__).parents[2] / "reports/templates/report.css").read_text(encoding="utf-8")


def luminance(color: str) -> float:
    digits = color[1:] if len(color) == 7 else "".join(digit * 2 for digit in color[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2, 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def colors(mode: str) -> dict[str, str]:
    """The colours of the style sheet by name."""
    light, dark = STYLE.split("@media screen and (prefers-color-scheme:dark)", 1)
    found = dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{3,6})\b", light))
    if mode == "dark":
        found |= dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{3,6})\b", dark.split("}}", 1)[0]))
    return found


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_stands_out_from_its_ground(mode: str) -> None:
    color = colors(mode)
    grounds = ("bg", "card", "pre", "fail-tint", "pass-tint", "open-tint")
    pairs = [(ink, ground) for ink in ("ink", "soft", "accent") for ground in grounds]
    pairs += [(ink, ground) for ink in ("fail", "open", "pass") for ground in ("bg", "card")]
    pairs += [("fail", "fail-tint"), ("open", "open-tint"), ("pass", "pass-tint")]
    pairs += [("mark-ink", "mark")]
    weak = {
        f"{ink} on {ground}": round(contrast(color[ink], color[ground]), 2)
        for ink, ground in pairs
        if contrast(color[ink], color[ground]) < 4.5
    }
    assert not weak


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_the_signs_of_the_matrix_stand_out(mode: str) -> None:
    card = colors(mode)["card"]
    for state, glyph in GLYPHS.items():
        tone = glyph.light if mode == "light" else glyph.dark
        ground = card if tone.fill == "none" else tone.fill
        assert contrast(tone.ink, ground) >= 4.5, state


def test_nothing_moves_and_focus_is_seen() -> None:
    assert not re.search(r"transition|animation|scroll-behavior", STYLE)
    assert "a:focus-visible" in STYLE
    assert "outline:none" not in STYLE.replace(" ", "")
    assert "forced-colors:active" in STYLE
