"""A request names its tenant by header, host, path or query, the login included."""

from typing import Any

import pytest
from fastapi import Request as Received

from conformance.comparison import parsed
from tests.logins import doors
from tests.logins.conftest import Enter
from tests.logins.test_ways_in import JSON_LOGIN


def facts(code: str) -> Any:
    """Values for the tenancy rules of the tenant with that code."""

    def lookup(name: str, _argument: str | None, _field: str) -> Any:
        return {"tenant.code": code}[name]

    return lookup


def _header(received: Received) -> Any:
    return received.headers.get("x-tenant")


def _host(received: Received) -> Any:
    return received.headers["host"].removesuffix(".clinic.test")


def _path(received: Received) -> Any:
    return received.path_params.get("code")


def _query(received: Received) -> Any:
    return received.query_params.get("tenant")


WAYS = pytest.mark.parametrize(
    ("tenancy", "named"),
    [
        ({"header": {"X-Tenant": "{tenant.code}"}}, _header),
        ({"host": "{tenant.code}.clinic.test"}, _host),
        ({"path": "/t/{tenant.code}"}, _path),
        ({"query": {"tenant": "{tenant.code}"}}, _query),
    ],
    ids=["header", "host", "path", "query"],
)


@WAYS
def test_the_tenant_is_named(tenancy: dict[str, Any], named: Any, enter: Enter) -> None:
    app = doors.application()
    prefix = "/t/{code}" if "path" in tenancy else ""
    logins: list[Any] = []

    @app.post(prefix + "/login")
    def login(received: Received) -> doors.Body:
        logins.append(named(received))
        return {"auth": {"token": doors.token_of(app)}}

    @app.get(prefix + "/me")
    def me(received: Received) -> doors.Body:
        token = received.headers.get("authorization", "").removeprefix("Bearer ")
        return {**doors.knows(app, token), "tenant": named(received)}

    visit = enter(app, JSON_LOGIN, tenancy=tenancy)
    for code in ("E1", "W1"):
        answer = visit.ask(tenant=facts(code))
        assert parsed(answer) == {"user": "ada", "tenant": code}
    assert logins == ["E1"]


@WAYS
def test_a_login_for_all_tenants_names_none(
    tenancy: dict[str, Any], named: Any, enter: Enter
) -> None:
    app = doors.application()
    prefix = "/t/{code}" if "path" in tenancy else ""
    logins: list[Any] = []

    @app.post("/login")
    def login(received: Received) -> doors.Body:
        logins.append(named(received))
        return {"auth": {"token": doors.token_of(app)}}

    @app.get(prefix + "/me")
    def me(received: Received) -> doors.Body:
        return {"tenant": named(received)}

    visit = enter(app, {**JSON_LOGIN, "tenancy": False}, tenancy=tenancy)
    assert parsed(visit.ask(tenant=facts("E1"))) == {"tenant": "E1"}
    assert len(logins) == 1
    assert "E1" not in str(logins)
