"""Hospitals in this process, all on one PostgreSQL: a sound one, and one for each defect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any
from uuid import uuid4

import pytest
from httpx import Response
from starlette.testclient import TestClient

from fixtures.hospital import clock, defects, seed
from fixtures.hospital.app import create_app
from fixtures.hospital.cluster import Cluster
from fixtures.hospital.database import database
from fixtures.hospital.hospital import Hospital
from fixtures.hospital.passwords import hashed
from fixtures.hospital.tokens import Signer

from .symptoms import TIMED

PASSWORD = "synthetic-password-1"
KEYED = Signer()


class House:
    """A hospital and the people who work in it, by user name."""

    def __init__(self, client: TestClient, hospital: Hospital, keys: Sequence[str] = ()) -> None:
        self.client = client
        self.hospital = hospital
        self.keys = keys
        self._tokens: dict[str, str] = {}

    @contextmanager
    def restarted(self) -> Iterator[House]:
        """The same build on the same database, which remembers nothing else."""
        hospital = Hospital(signer=KEYED, engine=self.hospital.engine)
        defects.seed(hospital, [defects.find(key) for key in self.keys])
        with TestClient(create_app(hospital), raise_server_exceptions=False) as client:
            yield House(client, hospital, self.keys)

    def login(self, username: str, password: str = PASSWORD) -> Response:
        form = {"username": username, "password": password}
        answer: Response = self.client.post("/auth/token", data=form)
        return answer

    def browser(self, username: str, password: str = PASSWORD) -> dict[str, str]:
        """The headers that a browser sends after its login."""
        body = {"username": username, "password": password}
        answer = self.client.post("/auth/session", json=body)
        assert answer.status_code == 200, answer.text
        cookie = answer.headers["set-cookie"].partition(";")[0]
        self.client.cookies.clear()
        return {"Cookie": cookie, "X-CSRF-Token": answer.json()["csrf_token"]}

    def token(self, username: str) -> str:
        if username not in self._tokens:
            answer = self.login(username)
            assert answer.status_code == 200, answer.text
            self._tokens[username] = answer.json()["access_token"]
        return self._tokens[username]

    def ask(self, username: str | None, method: str, path: str, **more: Any) -> Response:
        headers = more.pop("headers", {})
        if username is not None:
            headers = {"Authorization": f"Bearer {self.token(username)}", **headers}
        answer: Response = self.client.request(method, path, headers=headers, **more)
        return answer

    def get(self, username: str | None, path: str, **more: Any) -> Response:
        return self.ask(username, "GET", path, **more)

    def post(self, username: str | None, path: str, body: Any = None, **more: Any) -> Response:
        return self.ask(username, "POST", path, json=body, **more)

    def made(self, username: str, path: str, body: Any = None) -> str:
        answer = self.post(username, path, body)
        assert answer.status_code in (200, 201), answer.text
        identifier: str = answer.json()["id"]
        return identifier

    # --- what tests need to exist

    def user(self, username: str) -> str:
        identifier: str = self.get(username, "/me").json()["id"]
        return identifier

    def patient(self, tenant: str = "north", *team: str, **fields: Any) -> str:
        body = {"name": f"Patient {uuid4().hex}", **fields}
        patient = self.made(f"receptionist.{tenant}", "/patients", body)
        for username in team:
            self.assign(patient, username)
        return patient

    def assign(self, patient: str, username: str) -> str:
        tenant = username.rpartition(".")[2]
        path = f"/patients/{patient}/care-team"
        return self.made(f"receptionist.{tenant}", path, {"user_id": self.user(username)})

    def link(self, patient: str, username: str) -> str:
        tenant = username.rpartition(".")[2]
        path = f"/patients/{patient}/portal-access"
        return self.made(f"receptionist.{tenant}", path, {"user_id": self.user(username)})

    def appointment(self, patient: str, tenant: str = "north", **fields: Any) -> str:
        body = {
            "patient_id": patient,
            "clinic": "Cardiology",
            "starts_at": "2027-01-10T09:00:00Z",
            **fields,
        }
        return self.made(f"receptionist.{tenant}", "/appointments", body)

    def lab_result(
        self, tenant: str = "north", patient: str | None = None, by: str = "", **fields: Any
    ) -> str:
        if patient is None:
            patient = self.patient(tenant, f"physician.{tenant}")
        order = self.made(
            f"physician.{tenant}", f"/patients/{patient}/lab-orders", {"tests": "Potassium"}
        )
        body = {"analyte": "Potassium", "value": "4.1", **fields}
        by = by or f"lab_technician.{tenant}"
        return self.made(by, f"/lab-orders/{order}/results", body)

    def bed(self, tenant: str = "north") -> str:
        ward = self.get(f"tenant_admin.{tenant}", "/wards").json()["items"][0]["id"]
        return self.made(
            f"tenant_admin.{tenant}", f"/wards/{ward}/beds", {"label": uuid4().hex[:12]}
        )


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    running = Cluster.start()
    with pytest.MonkeyPatch.context() as patch:
        # Every seeded account has the same password; one hash for all of them saves half the time.
        patch.setattr(seed, "hashed", cache(hashed))
        yield running.url
    running.stop()


@contextmanager
def opened(
    url: str,
    *keys: str,
    totp_secret: str | None = None,
    prepare: Callable[[Hospital], None] = lambda _: None,
) -> Iterator[House]:
    hospital = Hospital(signer=KEYED)
    prepare(hospital)
    defects.seed(hospital, [defects.find(key) for key in keys])
    with database(url, PASSWORD, hospital.statements, totp_secret) as engine:
        hospital.engine = engine
        with TestClient(create_app(hospital), raise_server_exceptions=False) as client:
            yield House(client, hospital, keys)


@pytest.fixture(scope="session")
def sound(cluster: str) -> Iterator[House]:
    """A hospital without defects. Tests share it and make what they need."""
    with opened(cluster) as house:
        yield house


@pytest.fixture(scope="session")
def timed(cluster: str) -> Iterator[House]:
    """A hospital without defects in test mode. Whoever sets its clock sets it back."""
    with opened(cluster, prepare=clock.install) as house:
        yield house


@pytest.fixture
def seeded(cluster: str) -> Iterator[Callable[[str], House]]:
    """Return a function that opens a hospital with one defect."""
    with ExitStack() as stack:
        yield lambda key: stack.enter_context(opened(cluster, key, prepare=prepared(key)))


def prepared(key: str) -> Callable[[Hospital], None]:
    """What makes a hospital ready to show the defect `key`."""
    return clock.install if key in TIMED else lambda _: None
