"""Opening a session with an application of `doors`, as a run would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from conformance.model import Answer, Exchange
from conformance.redaction import Redactor
from conformance.schema import Request
from conformance.session import Session
from conformance.target import Target
from conformance.wire import Wire
from tests.clinic.serving import served
from tests.logins.doors import API_KEY, PASSWORD, SEED, USER

ME = Request(request="GET /me")
PERSONA = {
    "role": "user",
    "tenant": "east",
    "username": USER,
    "password": PASSWORD,
    "api_key": API_KEY,
    "client_id": "robot",
    "client_secret": PASSWORD,
    "totp": SEED,
}


def described(login: dict[str, Any], **more: Any) -> Target:
    """A target with one persona, `ada`, who logs in like that."""
    return Target.model_validate(
        {
            "system": {"name": "Door", "base_url": "http://127.0.0.1", "timeout": 5},
            "tenants": {"east": {"code": "E1"}, "west": {"code": "W1"}},
            "login": {"way": login},
            "personas": {"ada": PERSONA},
            "resources": {},
            "policy": {"user": {}},
            **more,
        }
    )


def unfilled(name: str, _argument: str | None, _field: str) -> Any:
    """Values for a template that needs none."""
    raise KeyError(name)


@dataclass
class Visit:
    """A session of `ada`, and what was said."""

    session: Session
    exchanges: list[Exchange]

    def ask(self, template: Request = ME, **more: Any) -> Answer:
        """The answer to a request of hers; it must have come."""
        exchange = self.session.send(template, unfilled, "attempt", **more)
        assert exchange.answer is not None, exchange.error
        return exchange.answer


Enter = Callable[..., Visit]


@pytest.fixture
def enter() -> Iterator[Enter]:
    """Gives `enter(app, login)`: a session at that application, nobody logged in yet."""
    with ExitStack() as stack:
        places: dict[int, str] = {}

        def entering(
            app: FastAPI, login: dict[str, Any], state: Path | None = None, **more: Any
        ) -> Visit:
            if id(app) not in places:
                places[id(app)] = stack.enter_context(served(app))
            wire = Wire(described(login, **more), places[id(app)], Redactor({PASSWORD, API_KEY}))
            stack.callback(wire.close)
            exchanges: list[Exchange] = []
            wire.watchers.append(exchanges.append)
            return Visit(Session(wire, "ada", state), exchanges)

        yield entering
