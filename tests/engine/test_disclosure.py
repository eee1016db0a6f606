"""What answers give away: other people's markers, and the inside of the target."""

import pytest

from conformance import oracles
from conformance.model import Outcome, Read, Result
from conformance.oracles import Sighting
from tests.engine.exchanges import MARKER, answer, exchange, read, trial, unanswered


def sighting(
    marker: str = MARKER,
    why: str | None = "of tenant south",
    field: str = "name",
    rule: str = "leak.tenant",
) -> Sighting:
    return Sighting(marker, "patient", field, "south", why, rule)


# --- markers ---------------------------------------------------------------------------------


def test_a_marker_that_may_not_be_seen_is_a_leak() -> None:
    seen = exchange(answer(200, {"name": MARKER}))
    (verdict,) = oracles.leaks(seen, [sighting()])
    assert (verdict.result, verdict.kind, verdict.rule) == (Result.FAIL, "leak", "leak.tenant")
    assert "patient.name of tenant south" in verdict.reason
    assert verdict.exchanges == (seen,)


def test_a_marker_that_may_be_seen_is_none() -> None:
    assert oracles.leaks(exchange(answer(200)), [sighting(why=None)]) == []


@pytest.mark.parametrize(
    "asked",
    [
        {"url": f"http://127.0.0.1/patients?name={MARKER}"},
        {"url": f"http://127.0.0.1/patients?name={MARKER.upper()}"},
        {"sent": '{"name": "' + MARKER + '"}', "method": "POST"},
        {"headers": {"X-Search": MARKER}},
    ],
    ids=["query", "upper-case", "body", "header"],
)
def test_a_marker_that_the_request_carried_is_no_leak(asked: dict[str, str]) -> None:
    seen = exchange(answer(200, {"you searched": MARKER}), **asked)  # type: ignore[arg-type]
    assert oracles.leaks(seen, [sighting()]) == []


def test_a_kind_of_data_is_reported_once_however_many_records_leak() -> None:
    many = [sighting(f"wq{n}") for n in range(50)]
    assert len(oracles.leaks(exchange(answer(200)), many)) == 1


def test_kinds_of_data_are_reported_apart() -> None:
    found = oracles.leaks(
        exchange(answer(200)),
        [
            sighting("wq1"),
            sighting("wq2", field="phone"),
            sighting("wq3", rule="leak.masked", why="which is masked for nurse"),
            sighting("wq4", why=None),
        ],
    )
    assert [verdict.rule for verdict in found] == ["leak.tenant", "leak.tenant", "leak.masked"]


# --- errors ----------------------------------------------------------------------------------

TRACE = 'Traceback (most recent call last):\n  File "/srv/app/views.py", line 12, in read\n'

INSIDE = [
    ("stack-trace", TRACE),
    ("stack-trace", "java.lang.NullPointerException\n\tat org.acme.Api.read(Api.java:42)"),
    ("stack-trace", "goroutine 1 [running]:\nmain.main()"),
    ("stack-trace", "TypeError: x is undefined (server.js:118)"),
    ("sql", "SELECT id, name FROM patients WHERE id = 'x'"),
    ("sql", "INSERT INTO notes VALUES (1)"),
    ("sql", "UPDATE patients SET name = 'x'"),
    ("sql", "SQLSTATE[42P01]"),
    ("sql", "ORA-00942: table or view does not exist"),
    ("sql", "(psycopg.errors.UniqueViolation)"),
    ("sql", 'duplicate key value violates unique constraint "one_bed"'),
    ("sql", 'relation "patients" does not exist'),
    ("path", "cannot open /var/lib/app/uploads/x.pdf"),
    ("path", "C:\\inetpub\\app\\web.config is missing"),
]


@pytest.mark.parametrize(("what", "text"), INSIDE, ids=[text[:18] for _, text in INSIDE])
@pytest.mark.parametrize("wrapped", ["text", "json", "nested", "header"])
def test_an_error_that_tells_of_the_inside_fails(what: str, text: str, wrapped: str) -> None:
    body = {"json": {"detail": text}, "nested": {"errors": [{"msg": text}]}, "header": {}}
    headers = {"X-Debug": text} if wrapped == "header" else {}
    verdict = oracles.discreet(trial(read(500, body.get(wrapped, text), headers)))
    assert verdict.result is Result.FAIL
    assert verdict.rule == f"disclosure.{what}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Internal Server Error",
        '{"detail": "Field required", "loc": ["body", "name"]}',
        '{"code": "invalid_id", "see": "/docs/errors#invalid_id"}',
        "The time must be after 10:30.",
        "value is not a valid integer: /patients/x/notes",
        "Appointments are at C: or D: wing",
        "Ask for 3/4 of the dose",
    ],
)
@pytest.mark.parametrize("status", [400, 404, 422, 500])
def test_a_generic_error_passes(text: str, status: int) -> None:
    assert oracles.discreet(trial(read(status, text))).result is Result.PASS


def test_what_the_request_said_itself_is_no_disclosure() -> None:
    asked = "http://127.0.0.1/files/etc/passwd?x=/etc/app/passwd"
    told = {"detail": "no such file: /etc/app/passwd"}
    assert oracles.discreet(trial(read(404, told, url=asked))).result is Result.PASS
    assert oracles.discreet(trial(read(404, told))).result is Result.FAIL


def test_a_success_is_no_error() -> None:
    assert oracles.discreet(trial(read(200, {"text": TRACE}))).result is Result.PASS


def test_an_error_with_the_status_of_a_success_is_one() -> None:
    attempt = read(200, {"error": TRACE}, outcome=Outcome.INVALID)
    assert oracles.discreet(trial(attempt)).result is Result.FAIL


@pytest.mark.parametrize(
    "mute",
    [unanswered(), unanswered("could not connect"), read(302), read(200, outcome=Outcome.BROKEN)],
    ids=["timeout", "connection", "redirect", "catch-all"],
)
def test_without_an_error_nothing_is_proved(mute: Read) -> None:
    assert oracles.discreet(trial(mute)).result is Result.INCONCLUSIVE


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Server", "Apache/2.4.57 (Unix)"),
        ("server", "nginx/1.25"),
        ("X-Powered-By", "PHP/8.2.1"),
        ("X-AspNet-Version", "4.0.30319"),
    ],
)
def test_a_version_in_a_header_fails(header: str, value: str) -> None:
    verdict = oracles.versionless(trial(read(404, headers={header: value})))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "disclosure.version")
    assert value in verdict.reason


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Server", "uvicorn"),
        ("Server", ""),
        ("Via", "HTTP/1.1 proxy"),
        ("X-Correlation", "1.2.3"),
        ("API-Version", "2.0.1"),
    ],
)
def test_a_header_without_a_version_passes(header: str, value: str) -> None:
    assert oracles.versionless(trial(read(404, headers={header: value}))).result is Result.PASS


def test_without_an_answer_no_header_is_judged() -> None:
    assert oracles.versionless(trial(unanswered())).result is Result.INCONCLUSIVE


@pytest.mark.parametrize(
    "text",
    [
        "Please select a patient from the list.",
        "You may not delete from this ward.",
        "A note cannot be updated: update requests are set aside.",
        "You cannot update a record once its status is set.",
    ],
)
def test_plain_english_is_no_sql(text: str) -> None:
    assert oracles.discreet(trial(read(422, {"detail": text}))).result is Result.PASS
