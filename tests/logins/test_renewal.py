"""A session lives as long as it may: refreshed, renewed once, shared by everybody."""

import time
from pathlib import Path
from typing import Any

import pytest

from conformance.schema import Request
from tests.clinic.app import make
from tests.clinic.serving import served
from tests.logins import doors
from tests.logins.conftest import Enter, Visit
from tests.logins.test_ways_in import FORM_LOGIN, JSON_LOGIN, MACHINE, SESSION_LOGIN
from tests.runs.calling import CLINIC, run

REFRESHED: dict[str, Any] = {
    **FORM_LOGIN,
    "refresh": {"request": "POST /refresh", "json": {"refresh_token": "{refresh_token}"}},
}


def age(visit: Visit, seconds: float) -> None:
    """As if the login had been that long ago."""
    visit.session.identity.obtained -= seconds


def test_an_expired_token_is_refreshed(enter: Enter) -> None:
    app = doors.expiring()
    visit = enter(app, REFRESHED)
    for round_ in range(1, 4):
        assert visit.ask().status == 200
        assert app.state.seen["/refresh"] == round_ - 1
        age(visit, 3600)
    assert app.state.seen["/token"] == 1


def test_a_token_is_refreshed_before_it_ends(enter: Enter) -> None:
    app = doors.expiring()
    visit = enter(app, REFRESHED)
    visit.ask()
    age(visit, 3500)
    visit.ask()
    assert app.state.seen["/refresh"] == 0
    age(visit, 80)
    visit.ask()
    assert app.state.seen["/refresh"] == 1
    assert app.state.seen["/me"] == 3


@pytest.mark.parametrize("status", [401, 400, 503])
def test_where_refreshing_fails_the_login_starts_anew(status: int, enter: Enter) -> None:
    app = doors.expiring()
    visit = enter(app, REFRESHED)
    visit.ask()
    app.state.refresh_status = status
    age(visit, 3600)
    assert visit.ask().status == 200
    assert (app.state.seen["/refresh"], app.state.seen["/token"]) == (1, 2)


def test_without_a_refresh_step_an_expired_token_means_a_login(enter: Enter) -> None:
    app = doors.oauth2()
    visit = enter(app, MACHINE)
    visit.ask()
    age(visit, 3600)
    assert visit.ask().status == 200
    assert len(app.state.asked) == 2


def test_a_lifetime_can_be_declared(enter: Enter) -> None:
    app = doors.json_to_bearer()
    visit = enter(app, {**JSON_LOGIN, "lifetime": 600})
    visit.ask()
    age(visit, 500)
    visit.ask()
    assert app.state.seen["/login"] == 1
    age(visit, 100)
    visit.ask()
    assert app.state.seen["/login"] == 2


def test_a_derived_header_follows_the_refreshed_values(enter: Enter) -> None:
    app = doors.derived_session()
    again = {key: SESSION_LOGIN[key] for key in ("json", "take")}
    login = {**SESSION_LOGIN, "lifetime": 600, "refresh": {"request": "POST /rpc", **again}}
    visit = enter(app, login)
    assert visit.ask().status == 200
    app.state.sessions.clear()
    age(visit, 600)
    assert visit.ask().status == 200
    assert app.state.seen["/rpc"] == 2


# --- forgotten sessions -----------------------------------------------------------------------


def test_a_forgotten_session_is_renewed_once(enter: Enter) -> None:
    app = doors.json_to_bearer()
    visit = enter(app, JSON_LOGIN)
    visit.ask()
    app.state.sessions.clear()
    age(visit, 60)
    assert visit.ask().status == 200
    assert (app.state.seen["/login"], app.state.seen["/me"]) == (2, 3)


def test_a_fresh_login_is_not_renewed_for_a_401(enter: Enter) -> None:
    app = doors.json_to_bearer()
    visit = enter(app, JSON_LOGIN)
    visit.ask()
    app.state.sessions.clear()
    assert visit.ask().status == 401
    assert app.state.seen["/login"] == 1


def test_a_door_that_stays_shut_is_tried_twice_at_most(enter: Enter) -> None:
    app = doors.json_to_bearer()

    @app.get("/closed")
    def closed() -> None:
        raise doors.Refused(401, "never")

    visit = enter(app, JSON_LOGIN)
    visit.ask()
    age(visit, 60)
    for _ in range(3):
        assert visit.ask(Request(request="GET /closed")).status == 401
    assert app.state.seen["/login"] == 2
    assert app.state.seen["/closed"] == 4


# --- one login for everybody ------------------------------------------------------------------


def test_sessions_that_share_a_folder_share_the_login(tmp_path: Path, enter: Enter) -> None:
    app = doors.expiring()
    first, second = (enter(app, REFRESHED, tmp_path) for _ in range(2))
    assert first.ask().status == second.ask().status == 200
    assert app.state.seen["/token"] == 1


def test_sessions_that_share_a_folder_share_what_is_renewed(tmp_path: Path, enter: Enter) -> None:
    app = doors.expiring()
    first, second = (enter(app, REFRESHED, tmp_path) for _ in range(2))
    first.ask()
    second.ask()
    for visit in (first, second):
        visit.session.wire.now = lambda: time.time() + 3600
    assert first.ask().status == second.ask().status == 200
    assert (app.state.seen["/token"], app.state.seen["/refresh"]) == (1, 1)


def test_the_folder_is_for_its_owner_only(tmp_path: Path, enter: Enter) -> None:
    enter(doors.json_to_bearer(), JSON_LOGIN, tmp_path).ask()
    kept = tmp_path / "ada.json"
    assert kept.stat().st_mode & 0o077 == 0


def test_a_run_logs_everybody_in_once_whatever_the_workers(tmp_path: Path) -> None:
    app = make()
    with served(app) as url:
        only = ("--suite", "role_access", "--case", "*note.create*", "-n", "2")
        done = run(tmp_path / "out", "--base-url", url, *only, target=CLINIC)
    assert done.code == 0, done.called.said
    assert app.state.records.logins == 4
