"""What a login gave is secret: it stands in no evidence."""

import json
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi import Request as Received

from conformance.evidence import exchange_record
from conformance.schema import Request
from tests.logins import doors
from tests.logins.conftest import Enter
from tests.logins.test_ways_in import (
    COOKIE_LOGIN,
    FORM_LOGIN,
    JSON_LOGIN,
    MACHINE,
    OWNER,
    SESSION_LOGIN,
    TWO_STEP_LOGIN,
)


@pytest.mark.parametrize(
    ("app", "login"),
    [
        (doors.json_to_bearer(), JSON_LOGIN),
        (doors.expiring(), FORM_LOGIN),
        (doors.http_basic(), {"basic": True}),
        (doors.api_key(), {"send": {"X-Clinic-Key": "{api_key}"}}),
        (doors.cookie_with_csrf(), COOKIE_LOGIN),
        (doors.oauth2(), MACHINE),
        (doors.oauth2(), OWNER),
        (doors.two_steps(), TWO_STEP_LOGIN),
        (doors.derived_session(), SESSION_LOGIN),
    ],
    ids=[
        *("json", "form", "basic", "api-key", "cookie"),
        *("client-credentials", "password-grant", "totp", "derived-session"),
    ],
)
def test_neither_credential_nor_session_is_in_the_evidence(
    app: FastAPI, login: dict[str, Any], enter: Enter
) -> None:
    @app.get("/mirror")
    def mirror(received: Received) -> doors.Body:
        return {"headers": dict(received.headers)}

    visit = enter(app, login)
    assert visit.ask(Request(request="GET /mirror")).status == 200
    redactor = visit.session.wire.redactor
    told = json.dumps([exchange_record(one, redactor) for one in visit.exchanges])
    credentials = visit.session.credentials()
    secrets = {doors.PASSWORD, doors.API_KEY, *visit.session.identity.cookies.values()}
    secrets |= {value.rpartition(" ")[2] for value in credentials.values()}
    given = visit.session.identity.values.values()
    secrets |= {one for one in given if isinstance(one, str) and len(one) > 10}
    for secret in secrets:
        assert secret not in told
    assert "[redacted]" in told
