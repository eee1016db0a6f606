"""How answers travel: what the oracles conclude from headers, and which cases there are."""

import ssl
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from conformance import handshake, origins, sources
from conformance.cases import Profile
from conformance.headers import cookies, directives, urls
from conformance.model import Because, Expected, Outcome, Read, Relation, Result, Verdict
from conformance.oracles import transport
from conformance.oracles.transport import (
    Answers,
    Asked,
    Conditional,
    Cookies,
    CrossOrigin,
    Handshake,
    Kept,
    Plain,
    Told,
    Versions,
)
from tests.engine import exchanges
from tests.engine.exchanges import CASE, MARKER, read, record
from tests.engine.targets import target

GATE, FULL = Profile.GATE, Profile.FULL
PORTAL = "https://portal.ward.example"
NO_STORE = {"Cache-Control": "no-store", "Content-Type": "application/json"}


def answers(
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    status: int = 200,
    *,
    holds: tuple[str, ...] = ("patient.name",),
    error: Read | None = None,
    **more: Any,
) -> Answers:
    """What a door answers, with the record, and without a login."""
    first = read(status, record() if body is None else body, headers)
    told = [Told("the record", first, holds)]
    if error is not None:
        told.append(Told("without a login", error))
    return Answers(CASE, tuple(told), credentials=("Authorization",), **more)


def is_(verdict: Verdict, result: Result, rule: str | None = None) -> None:
    assert (verdict.result, verdict.rule) == (result, rule), verdict.reason


# --- caches ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "rule"),
    [
        ({"Cache-Control": "no-store"}, None),
        ({"cache-control": "private, No-Store, max-age=0"}, None),
        ({}, "transport.stored"),
        ({"Cache-Control": "no-cache"}, "transport.stored"),
        ({"Cache-Control": "private, max-age=0"}, "transport.stored"),
        ({"Cache-Control": 'public, max-age="60"'}, "transport.stored"),
        ({"Cache-Control": "no-store", "CDN-Cache-Control": "max-age=60"}, "transport.stored"),
        ({"Pragma": "no-cache"}, "transport.stored"),
    ],
)
def test_patient_data_must_not_be_stored(headers: dict[str, str], rule: str | None) -> None:
    verdict = transport.not_stored(answers(headers))
    is_(verdict, Result.FAIL if rule else Result.PASS, rule)
    if "public" in headers.get("Cache-Control", ""):
        assert "proxies" in verdict.reason
        assert 'public, max-age="60"' in verdict.reason


def test_an_answer_without_data_shows_nothing_unless_it_may_never_hold_any() -> None:
    is_(transport.not_stored(answers({}, holds=())), Result.INCONCLUSIVE)
    is_(transport.not_stored(answers({}, holds=(), carries=False)), Result.PASS)
    is_(transport.not_stored(answers({"Cache-Control": "no-store"}, holds=())), Result.PASS)


@pytest.mark.parametrize(
    ("status", "headers", "result"),
    [
        (301, {}, Result.FAIL),
        (308, {}, Result.FAIL),
        (302, {"Cache-Control": "max-age=60"}, Result.FAIL),
        (302, {}, Result.PASS),
        (301, {"Cache-Control": "no-store"}, Result.PASS),
    ],
)
def test_redirects_to_data(status: int, headers: dict[str, str], result: Result) -> None:
    moved = answers({"Location": "/files/7", **headers}, b"", status, holds=())
    assert transport.not_stored(moved).result is result


@pytest.mark.parametrize("status", [403, 429, 500, 302])
def test_a_refused_reader_shows_nothing(status: int) -> None:
    for oracle in (
        transport.not_stored,
        transport.names_its_keys,
        transport.says_what_it_is,
        transport.in_no_url,
        transport.keeps_to_tls,
    ):
        is_(oracle(answers({}, "no", status)), Result.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("headers", "rule"),
    [
        ({}, None),
        ({"Cache-Control": "no-store"}, None),
        ({"Cache-Control": "no-cache, max-age=60"}, None),
        ({"Cache-Control": "max-age=60"}, "transport.vary"),
        ({"Cache-Control": "max-age=60", "Vary": "Accept"}, "transport.vary"),
        ({"Cache-Control": "max-age=60", "Vary": "accept, AUTHORIZATION"}, None),
        ({"Cache-Control": "max-age=60", "Vary": "*"}, None),
        ({"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, "transport.vary"),
        (
            {
                "Cache-Control": "max-age=60",
                "Vary": "Authorization",
                "Access-Control-Allow-Origin": PORTAL,
            },
            "transport.vary",
        ),
        (
            {"Cache-Control": "max-age=60", "Vary": "Authorization", "Content-Encoding": "gzip"},
            "transport.vary",
        ),
    ],
)
def test_what_a_cache_may_give_again_names_its_keys(
    headers: dict[str, str], rule: str | None
) -> None:
    verdict = transport.names_its_keys(answers(headers))
    is_(verdict, Result.FAIL if rule else Result.PASS, rule)


CONTROL = replace(exchanges.served(), exchange=exchanges.served().exchange)


@pytest.mark.parametrize(
    ("tried", "result"),
    [
        (read(404), Result.PASS),
        (read(403), Result.PASS),
        (read(304), Result.FAIL),
        (read(200, f"it is {MARKER}"), Result.FAIL),
        (read(200, {}), Result.INCONCLUSIVE),
        (read(412, outcome=Outcome.CONFLICT), Result.INCONCLUSIVE),
        (read(500), Result.INCONCLUSIVE),
    ],
)
def test_conditions_open_nothing(tried: Read, result: Result) -> None:
    conditional = Conditional(CASE, CONTROL, True, (("If-None-Match", tried),), frozenset({MARKER}))
    rule = "transport.conditional" if result is Result.FAIL else None
    is_(transport.opens_nothing(conditional), result, rule)


# --- content ---------------------------------------------------------------------------------

NOSNIFF = {"X-Content-Type-Options": "nosniff"}


@pytest.mark.parametrize(
    ("headers", "body", "rule"),
    [
        ({**NOSNIFF, "Content-Type": "application/json"}, {"a": 1}, None),
        ({**NOSNIFF, "Content-Type": "text/html; charset=utf-8"}, "<p>Hello</p>", None),
        ({**NOSNIFF, "Content-Type": "text/csv"}, "id\n1", None),
        ({**NOSNIFF}, {"a": 1}, "transport.type"),
        ({**NOSNIFF, "Content-Type": "text/html"}, {"a": 1}, "transport.type"),
        ({**NOSNIFF, "Content-Type": "image/svg+xml"}, "name,phone", "transport.type"),
        ({"Content-Type": "application/json"}, {"a": 1}, "transport.sniffed"),
    ],
)
def test_bodies_say_what_they_are(headers: dict[str, str], body: Any, rule: str | None) -> None:
    verdict = transport.says_what_it_is(answers(headers, body))
    is_(verdict, Result.FAIL if rule else Result.PASS, rule)


def test_errors_must_not_be_sniffed_either() -> None:
    sound = {**NOSNIFF, "Content-Type": "application/json"}
    bare = read(401, {"detail": "who?"}, {"Content-Type": "application/json"})
    is_(
        transport.says_what_it_is(answers(sound, error=bare)),
        Result.FAIL,
        "transport.sniffed",
    )
    is_(transport.says_what_it_is(answers(sound, error=read(401))), Result.PASS)


# --- origins ---------------------------------------------------------------------------------


def crossing(
    headers: Mapping[str, str],
    origin: str = "https://evil.example",
    other: Mapping[str, str] | None = None,
    status: int = 200,
) -> CrossOrigin:
    return CrossOrigin(
        CASE,
        (Asked(origin, "the record", read(status, record(), headers)),),
        None if other is None else read(200, record(), other),
    )


def allowing(origin: str, credentials: str | None = "true", **more: str) -> dict[str, str]:
    said = {"Access-Control-Allow-Origin": origin, **more}
    return said | ({"Access-Control-Allow-Credentials": credentials} if credentials else {})


@pytest.mark.parametrize(
    ("cross", "result", "rule"),
    [
        (crossing({}), Result.PASS, None),
        (crossing(allowing("https://evil.example")), Result.FAIL, "transport.cors"),
        (crossing(allowing("null"), "null"), Result.FAIL, "transport.cors"),
        (crossing(allowing("null")), Result.FAIL, "transport.cors"),
        (crossing(allowing("https://evil.example"), status=401), Result.FAIL, "transport.cors"),
        (crossing(allowing("*")), Result.PASS, None),
        (crossing(allowing("*", None)), Result.PASS, None),
        (crossing(allowing(PORTAL)), Result.PASS, None),
        (
            crossing(allowing("https://evil.example", None), other={}),
            Result.FAIL,
            "transport.cors-vary",
        ),
        (
            crossing(allowing("https://evil.example", None, Vary="Origin"), other={}),
            Result.PASS,
            None,
        ),
        (
            crossing(
                allowing("https://evil.example", None),
                other=allowing("https://evil.example", None),
            ),
            Result.PASS,
            None,
        ),
        (crossing({}, status=500), Result.INCONCLUSIVE, None),
        (crossing({}, status=403), Result.INCONCLUSIVE, None),
    ],
)
def test_pages_of_strangers(cross: CrossOrigin, result: Result, rule: str | None) -> None:
    is_(transport.lets_no_page_in(cross), result, rule)


@pytest.mark.parametrize(
    ("cross", "result", "rule"),
    [
        (crossing(allowing(PORTAL, Vary="Origin"), PORTAL, other={}), Result.PASS, None),
        (crossing(allowing(PORTAL), PORTAL, other={}), Result.FAIL, "transport.cors-vary"),
        (crossing(allowing(PORTAL), PORTAL, other=allowing(PORTAL)), Result.PASS, None),
        (crossing({}, PORTAL), Result.FAIL, "transport.cors-refused"),
        (crossing(allowing("*"), PORTAL), Result.FAIL, "transport.cors-refused"),
        (crossing(allowing(PORTAL, None), PORTAL), Result.FAIL, "transport.cors-refused"),
        (crossing(allowing(PORTAL), PORTAL, status=500), Result.INCONCLUSIVE, None),
    ],
)
def test_pages_that_are_allowed(cross: CrossOrigin, result: Result, rule: str | None) -> None:
    is_(transport.lets_its_pages_in(cross), result, rule)


def test_the_origins_of_strangers() -> None:
    found = origins.foreign("https://ward.example", [PORTAL])
    assert not {"https://ward.example", PORTAL} & set(found.values())
    assert len(set(found.values())) == len(found)
    assert found["unrelated"] == "https://wardproof.example"
    assert found["null"] == "null"
    assert found["own-over-http"] == "http://ward.example"
    assert found["allowed-1-ending"] == "https://evil-portal.ward.example"
    assert found["allowed-1-beginning"] == "https://portal.ward.example.evil.example"
    assert found["allowed-1-any-character"] == "https://portalxward.example"
    # What is the target's own origin is no stranger's.
    assert "allowed-1-super-domain" not in found


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://127.0.0.1:8000/api", "http://127.0.0.1:8000"),
        ("https://ward.example:443", "https://ward.example"),
        ("http://[::1]:80/", "http://[::1]"),
    ],
)
def test_origins_are_written_as_browsers_do(url: str, origin: str) -> None:
    assert origins.origin_of(url) == origin


# --- credentials -----------------------------------------------------------------------------

SECRET = "s3cret/token+value"


@pytest.mark.parametrize(
    ("headers", "body", "found"),
    [
        ({"Location": f"/next?token={SECRET}"}, {}, True),
        ({"Link": "</next?t=s3cret%2Ftoken%2Bvalue>; rel=next"}, {}, True),
        ({"Refresh": f"5; url=https://ward.example/#{SECRET}"}, {}, True),
        ({}, {"next": f"https://ward.example/list?token={SECRET}"}, True),
        ({}, f'<a href="/out?t={SECRET}">', True),
        ({}, {"access_token": SECRET}, False),
        ({"Location": "/next?page=2"}, {"next": "/list?cursor=7"}, False),
    ],
)
def test_no_url_holds_a_credential(headers: dict[str, str], body: Any, found: bool) -> None:
    verdict = transport.in_no_url(answers(headers, body, secrets=(SECRET,)))
    rule = "transport.secret-in-url" if found else None
    is_(verdict, Result.FAIL if found else Result.PASS, rule)
    assert SECRET not in verdict.reason


def set_cookie(text: str, host: str = "ward.example", *, opens: bool = True) -> Cookies:
    response = exchanges.answer(200, b"", {"Set-Cookie": text})
    found = cookies(response)
    told = Read(exchanges.exchange(response), Outcome.ALLOWED)
    return Cookies(CASE, host, tuple(Kept(one, told, opens) for one in found))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("sid=1; Path=/; HttpOnly; Secure; SameSite=Strict", None),
        ("sid=1; httponly; SECURE; samesite=lax; Max-Age=60", None),
        ("sid=1; HttpOnly; Secure; SameSite=None", None),
        ("sid=1; Secure; SameSite=Strict", "transport.cookie-script"),
        ("sid=1; HttpOnly; SameSite=None", "transport.cookie-plain"),
        ("sid=1; HttpOnly; Secure", "transport.cookie-site"),
        ("sid=1; HttpOnly; Secure; SameSite=Lax; Domain=ward.example", None),
        ("sid=1; HttpOnly; Secure; SameSite=Lax; Domain=.example", "transport.cookie-domain"),
    ],
)
def test_session_cookies(text: str, rule: str | None) -> None:
    verdict = transport.safely_kept(set_cookie(text))
    is_(verdict, Result.FAIL if rule else Result.PASS, rule)


def test_a_cookie_that_opens_nothing_may_be_read() -> None:
    csrf = set_cookie("csrf=abc; SameSite=Lax", opens=False)
    is_(transport.safely_kept(csrf), Result.INCONCLUSIVE)
    session = set_cookie("sid=1; HttpOnly; Secure; SameSite=Strict")
    is_(transport.safely_kept(replace(csrf, kept=(*csrf.kept, *session.kept))), Result.PASS)
    wide = set_cookie("csrf=abc; Domain=example", opens=False)
    is_(transport.safely_kept(wide), Result.FAIL, "transport.cookie-domain")


def test_a_cookie_that_is_taken_back_is_none() -> None:
    assert cookies(exchanges.answer(200, b"", {"Set-Cookie": 'sid=""; Max-Age=0'})) == []


# --- TLS -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "result"),
    [
        ("max-age=31536000; includeSubDomains", Result.PASS),
        ('Max-Age="15552000"', Result.PASS),
        ("max-age=15551999", Result.FAIL),
        ("max-age=0", Result.FAIL),
        ("includeSubDomains", Result.FAIL),
        (None, Result.FAIL),
    ],
)
def test_half_a_year_of_tls(said: str | None, result: Result) -> None:
    headers = {"Strict-Transport-Security": said} if said else {}
    rule = "transport.hsts" if result is Result.FAIL else None
    is_(transport.keeps_to_tls(answers(headers)), result, rule)


@pytest.mark.parametrize(
    ("old", "usual", "unable", "result"),
    [
        (Handshake(refused="PROTOCOL_VERSION"), Handshake(agreed="TLSv1.3"), None, Result.PASS),
        (Handshake(agreed="TLSv1"), Handshake(agreed="TLSv1.3"), None, Result.FAIL),
        (Handshake(refused="x"), Handshake(agreed="TLSv1.3"), "no", Result.INCONCLUSIVE),
        (Handshake(refused="x"), Handshake(refused="x"), None, Result.INCONCLUSIVE),
        (Handshake(error="silence"), Handshake(agreed="x"), None, Result.INCONCLUSIVE),
    ],
)
def test_old_versions(old: Handshake, usual: Handshake, unable: str | None, result: Result) -> None:
    versions = Versions(CASE, "TLS 1.0", "-tls1", "ward.example:443", old, usual, unable)
    rule = "transport.tls-version" if result is Result.FAIL else None
    is_(transport.refuses_old_versions(versions), result, rule)


def test_this_machine_knows_what_it_can_speak() -> None:
    assert handshake.unable(ssl.TLSVersion.TLSv1_2) is None


SECURED = read(401, {"detail": "who?"})


@pytest.mark.parametrize(
    ("plain", "result"),
    [
        (exchanges.unanswered("could not connect"), Result.PASS),
        (read(301, b"", {"Location": "https://ward.example/beds"}), Result.PASS),
        (read(400, "plain HTTP at a TLS port"), Result.PASS),
        (read(404, "nginx"), Result.PASS),
        (read(401, {"detail": "who?"}), Result.FAIL),
        (read(401, b""), Result.FAIL),
    ],
)
def test_without_tls(plain: Read, result: Result) -> None:
    tried = Plain(CASE, SECURED, (("http://ward.example:80", plain),))
    rule = "transport.plain" if result is Result.FAIL else None
    is_(transport.silent_without_tls(tried), result, rule)


def test_without_tls_needs_its_control() -> None:
    silent = Plain(CASE, exchanges.unanswered(), (("http://ward.example:80", read(404)),))
    is_(transport.silent_without_tls(silent), Result.INCONCLUSIVE)


# --- headers ---------------------------------------------------------------------------------


def test_repeated_fields_are_one() -> None:
    response = exchanges.answer()
    response = replace(
        response, headers=(("Cache-Control", "private"), ("cache-control", 'Max-Age="5", no-store'))
    )
    assert directives(response) == {"private": "", "max-age": "5", "no-store": ""}


def test_urls_of_an_answer() -> None:
    response = exchanges.answer(
        200, {"self": "/beds/1", "text": "no URL"}, {"Location": "https://ward.example/x"}
    )
    assert list(urls(response)) == [
        ("Location", "https://ward.example/x"),
        ("the body", "/beds/1"),
    ]


# --- cases -----------------------------------------------------------------------------------


def test_every_door_once_by_whoever_sees_most() -> None:
    masked = target(
        policy={
            "nurse": {"patient": {"read": "allow:desk", "list": "allow"}},
            "clerk": {"patient": {"read": "allow", "create": "allow"}},
        },
        masks={"desk": {"hidden": ["name"]}},
    )
    found = {case.operation: case for case in sources.transport.doors(masked, GATE)}
    assert set(found) == {"read", "list"}
    assert found["read"].roles == ("clerk",)
    assert found["read"].relation is Relation.ASSIGNED
    assert found["list"].roles == ("nurse",)
    assert all(case.expected is Expected.ALLOW for case in found.values())


def test_conditions_are_for_whoever_may_not_read() -> None:
    found = list(sources.transport.conditions(target(), GATE))
    assert {case.operation for case in found} == {"read"}
    assert all(case.expected is Expected.DENY for case in found)
    reasons = [case.because for case in found if case.resource == found[0].resource]
    assert len(set(reasons)) == len(reasons) > 1
    assert len(list(sources.transport.conditions(target(), FULL))) > len(found)


def test_conditions_are_tried_for_every_reason_to_refuse() -> None:
    reasons = {one.because for one in sources.transport.conditions(target(), GATE)}
    assert {Because.ROLE, Because.UNRELATED, Because.OTHER_TENANT} <= reasons


def test_every_write_is_done_once_by_somebody_who_may() -> None:
    update = {"request": "PATCH /patients/{id}", "json": {"name": "{name}"}}
    everybody = {"patient": {"create": "allow", "read": "allow", "update": "allow"}}
    written = target(resources__patient__update=update, policy={"nurse": {}, "clerk": everybody})
    found = list(sources.transport.writes(written, GATE))
    assert {(one.resource, one.operation) for one in found} == {
        ("patient", "create"),
        ("patient", "update"),
    }
    assert len(found) == 2
    assert all(one.roles == ("clerk",) and one.expected is Expected.ALLOW for one in found)


def test_pages_of_every_origin_are_tried_at_one_door() -> None:
    allowed = target(cors={"origins": [PORTAL]})
    found = list(sources.transport.foreign_pages(allowed, GATE))
    assert len({(case.resource, case.operation) for case in found}) == 1
    assert {"unrelated", "null", "own-ending", "allowed-1-ending"} <= {
        case.variant for case in found
    }
    everywhere = list(sources.transport.foreign_pages_everywhere(allowed, GATE))
    assert len(everywhere) == len(list(sources.transport.doors(allowed, GATE)))


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (sources.transport.own_pages, "cors: {origins:"),
        (sources.transport.channels, "channels: {link:"),
        (sources.transport.over_tls, "base_url: https://"),
        (sources.transport.old_versions, "base_url: https://"),
        (sources.transport.without_tls, "base_url: https://"),
    ],
)
def test_what_is_not_claimed_is_listed(source: Any, line: str) -> None:
    (case,) = source(target(), GATE)
    assert line in case.unclaimed


def test_channels_are_for_those_who_may_use_them() -> None:
    link = {"make": ["POST /patients/{id}/link"], "use": "GET /files/1", "about": "patient"}
    feed = {"make": ["POST /feeds"], "use": "GET /feeds/1", "roles": ["nurse"]}
    declared = target(channels={"link": link, "feed": feed})
    one, other = sources.transport.channels(declared, GATE)
    assert (one.resource, one.operation, one.variant) == ("patient", "read", "channel.link")
    assert (other.resource, other.roles, other.variant) == (None, ("nurse",), "channel.feed")


def test_tls_is_tried_where_there_is_some() -> None:
    secured = target(system__base_url="https://ward.example")
    for source in (
        sources.transport.over_tls,
        sources.transport.old_versions,
        sources.transport.without_tls,
    ):
        assert all(case.unclaimed is None for case in source(secured, GATE))
