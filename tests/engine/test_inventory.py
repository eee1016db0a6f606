"""The API document against the target file: nothing unclassified, nothing made up."""

import contextlib
import json
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from conformance import inventory
from conformance.inventory import Documented, NoDocument, shapes_of
from conformance.model import Answer, Exchange, Message, Result
from conformance.redaction import Redactor
from conformance.schema import Request
from conformance.target import Target
from conformance.wire import Wire
from tests.engine.exchanges import answer, exchange
from tests.engine.targets import target

OPERATIONS = [
    ("get", "/patients/{id}"),
    ("get", "/patients"),
    ("post", "/patients"),
    ("post", "/patients/{patient_id}/notes"),
    ("get", "/patients/{patient_id}/notes/{note_id}"),
    ("post", "/team"),
]
DOCUMENT: dict[str, Any] = {"openapi": "3.1.0", "paths": {}}
for _method, _path in OPERATIONS:
    DOCUMENT["paths"].setdefault(_path, {})[_method] = {"responses": {}}


class Served:
    """A wire on which every path gets the same answer."""

    def __init__(self, response: Answer | None) -> None:
        self.response = response
        self.asked: list[str] = []

    def url(self, path: str) -> str:
        return "http://127.0.0.1:8000" + path

    def send(self, message: Message, persona: str, purpose: str) -> Exchange:
        self.asked.append(message.url)
        return exchange(self.response, url=message.url)


def read(document: Any, status: int = 200, **parts: Any) -> list[Documented]:
    """The operations of a document that the target serves."""
    body = document if isinstance(document, bytes | str) else json.dumps(document)
    ward = target(system__openapi="/openapi.json", **parts)
    return inventory.read(ward, cast(Wire, Served(answer(status, body))), Path("/nowhere"))


def judged(ward: Target, document: Any = None) -> list[tuple[str | None, str]]:
    documented = read(DOCUMENT if document is None else document)
    return [(one.rule, one.reason) for one in inventory.compare(ward, documented)]


def grown(**paths: Any) -> dict[str, Any]:
    """The document with more paths; `_` stands for a slash."""
    more = {name.replace("_", "/"): item for name, item in paths.items()}
    return {**DOCUMENT, "paths": {**DOCUMENT["paths"], **more}}


# --- reading ---------------------------------------------------------------------------------


def test_operations_are_read_from_json_and_yaml() -> None:
    expected = {(method.upper(), path) for method, path in OPERATIONS}
    for text in (json.dumps(DOCUMENT), yaml.safe_dump(DOCUMENT), "\n" + json.dumps(DOCUMENT)):
        assert {(one.method, one.path) for one in read(text)} == expected


def test_what_is_no_method_is_no_operation() -> None:
    item = {"get": {}, "parameters": [], "summary": "x", "servers": [], "x-more": {}, "trace": {}}
    found = read({"openapi": "3.1.0", "paths": {"/a": item, "/b": None, "/c": "x"}})
    assert [(one.method, one.path) for one in found] == [("GET", "/a"), ("TRACE", "/a")]


@pytest.mark.parametrize(
    ("head", "prefix"),
    [
        ({}, ""),
        ({"servers": []}, ""),
        ({"servers": [{"url": "/"}]}, ""),
        ({"servers": [{"url": "/api/v1"}]}, "/api/v1"),
        ({"servers": [{"url": "/api/v1/"}]}, "/api/v1"),
        ({"servers": [{"url": "https://ward.example/api"}]}, "/api"),
        ({"servers": [{"url": "https://ward.example"}]}, ""),
        ({"servers": [{"url": "https://{host}/{base}"}]}, ""),
        ({"servers": [{}]}, ""),
        ({"swagger": "2.0", "basePath": "/v2"}, "/v2"),
        ({"swagger": "2.0", "basePath": "/"}, ""),
    ],
)
def test_paths_stand_below_the_server(head: dict[str, Any], prefix: str) -> None:
    assert read({**head, "paths": {"/a": {"get": {}}}}) == [Documented("GET", prefix + "/a")]


def test_a_file_beside_the_target_is_read_without_asking(tmp_path: Path) -> None:
    (tmp_path / "api.yaml").write_text(yaml.safe_dump(DOCUMENT))
    wire = Served(None)
    found = inventory.read(target(system__openapi="api.yaml"), cast(Wire, wire), tmp_path)
    assert len(found) == len(OPERATIONS)
    assert wire.asked == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "text",
        '{"paths": []}',
        '{"paths": null}',
        '{"openapi": ',
        "a: [",
        "<html></html>",
        b"\xff\xfe",
    ],
)
def test_a_broken_document_is_told(text: str | bytes) -> None:
    with pytest.raises(NoDocument, match=r"/openapi\.json \(system\.openapi\)"):
        read(text)


@pytest.mark.parametrize("status", [401, 404, 500, 302])
def test_a_document_that_is_not_served_is_told(status: int) -> None:
    with pytest.raises(NoDocument, match=str(status)):
        read(DOCUMENT, status)


def test_no_answer_is_told() -> None:
    ward = target(system__openapi="/openapi.json")
    with pytest.raises(NoDocument, match="no answer"):
        inventory.read(ward, cast(Wire, Served(None)), Path("/nowhere"))


# --- comparing -------------------------------------------------------------------------------


def test_a_document_that_agrees_passes_whatever_parameters_are_called() -> None:
    """`/team` is how somebody is assigned: a request of a relation is known."""
    (verdict,) = inventory.compare(target(), read(DOCUMENT))
    assert verdict.result is Result.PASS
    assert "all 6 operations" in verdict.reason


def test_an_operation_that_nothing_names_is_unclassified() -> None:
    found = judged(target(), grown(_debug={"get": {}, "delete": {}}))
    assert [rule for rule, _ in found] == ["inventory.unclassified"] * 2
    assert "GET /debug" in found[0][1]
    assert "DELETE /debug" in found[1][1]


def test_another_method_of_a_known_path_is_unclassified() -> None:
    item = {**DOCUMENT["paths"]["/patients/{id}"], "delete": {}}
    paths = {**DOCUMENT["paths"], "/patients/{id}": item}
    found = judged(target(), {"paths": paths})
    assert len(found) == 1
    assert "DELETE /patients/{id}" in found[0][1]


def test_an_operation_that_the_document_lacks_is_undocumented() -> None:
    ward = target(resources__patient__secret="GET /patients/{id}/secret")
    found = judged(ward)
    assert [rule for rule, _ in found] == ["inventory.undocumented"]
    assert "patient.secret" in found[0][1]


@pytest.mark.parametrize(
    ("exclusion", "excluded"),
    [
        ("GET /debug", True),
        ("GET /debug*", True),
        ("* /debug", True),
        ("GET /deb?g", True),
        ("POST /debug", False),
        ("GET /bug", False),
        ("GET /debug/more", False),
        ("*", True),
    ],
)
def test_operations_are_excluded_by_name_or_wildcard(exclusion: str, excluded: bool) -> None:
    ward = target(exclusions=[{"operation": exclusion, "reason": "of the operators"}])
    found = judged(ward, grown(_debug={"get": {}}))
    assert [rule for rule, _ in found] == ([None] if excluded else ["inventory.unclassified"])


def test_an_exclusion_may_call_parameters_as_it_likes() -> None:
    ward = target(exclusions=[{"operation": "GET /files/{name}", "reason": "static files"}])
    document = {"paths": {**DOCUMENT["paths"], "/files/{path}": {"get": {}}}}
    assert judged(ward, document)[0][0] is None


def test_queries_and_slashes_at_the_end_do_not_matter() -> None:
    ward = target(resources__patient__list={"request": "GET /patients/?sort=name", "items": "$[*]"})
    assert judged(ward)[0][0] is None


def test_logins_are_known() -> None:
    login = {
        "password": {
            "request": "POST /token",
            "json": {},
            "then": ["POST /token/totp"],
            "me": "GET /me",
            "refresh": "POST /refresh",
            "before": ["GET /login"],
        },
        "machine": {"oauth2": {"token": "/oauth/token", "grant": "client_credentials"}},
    }
    document = grown(
        _token={"post": {}},
        _token_totp={"post": {}},
        _me={"get": {}},
        _refresh={"post": {}},
        _login={"get": {}},
        _oauth_token={"post": {}},
    )
    assert judged(target(login=login), document)[0][0] is None
    assert len(judged(target(), document)) == 6


READ_TRAIL = {"request": "GET /audit", "as": "clerk", "items": "$[*]"}


def test_what_claims_name_is_known() -> None:
    """Ends of relations, accounts, channels, emergencies and the trail are no operations."""
    team = {"request": "POST /team", "ends": "DELETE /team/{persona.user_id}"}
    entry = {"correlation": "$.id", "actor": "$.who"}
    ward = target(
        login={"key": {"request": "POST /in", "logout": "POST /out", "keys": "GET /keys"}},
        resources__patient__relations={"assigned": team},
        accounts={
            "create": {"request": "POST /users", "json": {}},
            "disable": "POST /users/{user_id}/disable",
        },
        channels={"link": {"make": ["POST /links"], "use": "GET /links/{token}"}},
        break_glass={
            "resource": "patient",
            "roles": ["nurse"],
            "open": {"request": "POST /glass", "json": {"why": "{text}"}},
            "reason": "why",
            "opens": ["read"],
            "most_seconds": 60,
            "end": "DELETE /glass/{grant}",
        },
        audit={"header": "X-Id", "read": READ_TRAIL, "entry": entry},
    )
    document = grown(
        _in={"post": {}},
        _out={"post": {}},
        _keys={"get": {}},
        _users={"post": {}},
        _links={"post": {}},
        _glass={"post": {}},
        _audit={"get": {}},
        **{
            "_team_{who}": {"delete": {}},
            "_users_{id}_disable": {"post": {}},
            "_links_{which}": {"get": {}},
            "_glass_{grant}": {"delete": {}},
        },
    )
    assert [one for one in judged(ward, document) if one[0]] == []
    assert len(judged(target(), document)) == 11


def test_what_cleans_up_is_known() -> None:
    ward = target(resources__patient__remove="POST /patients/{id}/purge")
    document = {"paths": {**DOCUMENT["paths"], "/patients/{x}/purge": {"post": {}}}}
    assert judged(ward, document)[0][0] is None


def test_a_link_that_the_target_gives_has_no_path_to_look_for() -> None:
    ward = target(resources__note__file="GET {note.url}")
    assert judged(ward)[0][0] is None


@pytest.mark.parametrize("head", [{"servers": [{"url": "/api"}]}, {"basePath": "/api"}])
def test_the_path_of_the_base_url_is_the_servers(head: dict[str, Any]) -> None:
    ward = target(system__base_url="http://127.0.0.1:8000/api")
    assert judged(ward, {**DOCUMENT, **head})[0][0] is None


@pytest.mark.parametrize("prefix", ["", "/t/{slug}"])
def test_paths_may_be_documented_with_the_tenant_or_without(prefix: str) -> None:
    ward = target(tenancy={"path": "/t/{tenant.slug}"})
    paths = {prefix + path: item for path, item in DOCUMENT["paths"].items()}
    assert judged(ward, {"paths": paths})[0][0] is None


def test_what_names_no_tenant_is_documented_without_one() -> None:
    outside = Request(request="GET /health", tenancy=False)
    ward = target(tenancy={"path": "/t/{tenant.slug}"})
    assert shapes_of(ward, outside) == {"GET /health"}


@pytest.mark.parametrize("servers", [[None], ["x"], [5], {"url": "/x"}, "x"])
def test_broken_servers_are_passed_over_or_told(servers: object) -> None:
    with contextlib.suppress(NoDocument):
        assert read({**DOCUMENT, "servers": servers})


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "api.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(NoDocument):
        inventory.read(target(system__openapi="api.yaml"), cast(Wire, Served(None)), tmp_path)


@pytest.mark.parametrize("where", ["https://elsewhere.example/openapi.json", "http://[bad"])
def test_a_document_of_another_origin_is_told(tmp_path: Path, where: str) -> None:
    ward = target(system__openapi=where)
    wire = Wire(ward, "http://127.0.0.1:8000", Redactor())
    try:
        with pytest.raises(NoDocument):
            inventory.read(ward, wire, tmp_path)
    finally:
        wire.close()


def test_properties_of_bodies_are_read_through_references() -> None:
    record = {
        "type": "object",
        "properties": {
            "id": {"type": "string", "readOnly": True},
            "state": {"anyOf": [{"type": "string", "enum": ["open", "closed"]}, {"type": "null"}]},
            "born": {"type": ["string", "null"], "format": "date"},
        },
    }
    page = {"properties": {"items": {"items": {"$ref": "#/components/schemas/Record"}}}}
    body = {
        "content": {
            "application/json": {"schema": {"allOf": [{"$ref": "#/components/schemas/Record"}]}}
        }
    }
    document = {
        "openapi": "3.1.0",
        "components": {"schemas": {"Record": record, "Page": page}},
        "paths": {
            "/patients": {
                "post": {"requestBody": body, "responses": {"201": body}},
                "get": {"responses": {"200": {"schema": {"$ref": "#/components/schemas/Page"}}}},
                "put": {"requestBody": {"content": {"application/json": {"schema": {}}}}},
            }
        },
    }
    found = {one.method: one for one in read(document)}
    assert [one.name for one in found["POST"].takes] == ["id", "state", "born"]
    identity, state, born = found["POST"].takes
    assert (identity.read_only, state.values, born.format) == (True, ("open", "closed"), "date")
    assert {one.name for one in found["GET"].answers} == {"items", "id", "state", "born"}
    assert (found["PUT"].takes, found["PUT"].takes_anything) == ((), True)
    assert not found["POST"].takes_anything


def test_a_document_that_refers_to_itself_is_read() -> None:
    looped = {"$ref": "#/components/schemas/Loop"}
    body = {"content": {"application/json": {"schema": looped}}}
    node = {"properties": {"name": {"type": "string"}, "next": looped}}
    document = {
        "components": {"schemas": {"Loop": node}},
        "paths": {"/x": {"post": {"requestBody": body, "responses": {"200": body}}}},
    }
    (found,) = read(document)
    assert {one.name for one in found.answers} == {"name", "next"}
