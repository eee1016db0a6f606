"""The page on which people decide."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from reports.evidence import BODY_LIMIT, as_text, shown, telling_parts
from reports.html import matrix_html, report_html
from reports.ledger import Exchange, Finding, Request, Response, Run, read
from reports.matrix import access_matrix
from reports.verdict import decide
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

    def links(self) -> list[str]:
        return [href for tag, a in self.elements if tag == "a" and (href := a.get("href"))]


def page(run: Run) -> str:
    return report_html(run, decide(run), access_matrix(run))


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
