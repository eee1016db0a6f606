"""A hospital whose clock and zones a test sets: what it does at a pinned instant."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from httpx import Response

if TYPE_CHECKING:
    from .conftest import House

TENANT = "south"


class Pinned:
    """The facility `south`, moved to a zone, at one local time. Tokens are made at that time."""

    def __init__(self, house: House, zone: str, local: str, fold: int = 0) -> None:
        self.house = house
        self.zone = ZoneInfo(zone)
        self.at(local, fold)
        answer = house.ask(None, "PUT", f"/test/facilities/{TENANT}", json={"timezone": zone})
        assert answer.status_code == 200, answer.text

    def at(self, local: str, fold: int = 0) -> None:
        """Set the clock to a local time."""
        here = datetime.fromisoformat(local).replace(tzinfo=self.zone, fold=fold)
        self.set(here.astimezone(UTC))

    def set(self, instant: datetime) -> None:
        """Set the clock to an instant."""
        self.tokens: dict[str, str] = {}
        body = {"now": instant.isoformat()}
        answer = self.house.ask(None, "PUT", "/test/clock", json=body)
        assert answer.status_code == 200, answer.text

    def ask(self, role: str, method: str, path: str, **more: Any) -> Response:
        if role not in self.tokens:
            login = self.house.login(f"{role}.{TENANT}")
            assert login.status_code == 200, login.text
            self.tokens[role] = login.json()["access_token"]
        headers = {"Authorization": f"Bearer {self.tokens[role]}"}
        answer: Response = self.house.client.request(method, path, headers=headers, **more)
        return answer

    def get(self, role: str, path: str, **params: Any) -> Any:
        answer = self.ask(role, "GET", path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, role: str, path: str, body: Any = None) -> Any:
        answer = self.ask(role, "POST", path, json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    # --- what happens

    def patient(self, *team: str, **fields: Any) -> str:
        made = self.post("receptionist", "/patients", {"name": "Pinned", **fields})
        for role in team:
            user = self.get(role, "/me")["id"]
            self.post("receptionist", f"/patients/{made['id']}/care-team", {"user_id": user})
        return str(made["id"])

    def admission(self) -> str:
        wards = self.get("tenant_admin", "/wards")["items"]
        bed = self.post("tenant_admin", f"/wards/{wards[0]['id']}/beds", {"label": _label()})["id"]
        body = {"patient_id": self.patient(), "bed_id": bed}
        return str(self.post("receptionist", "/admissions", body)["id"])

    def discharge(self, admission: str) -> None:
        self.post("receptionist", f"/admissions/{admission}/discharge", {})

    def bill(self) -> dict[str, Any]:
        body = {"patient_id": self.patient(), "description": "x", "amount_cents": 100}
        made: dict[str, Any] = self.post("billing_clerk", "/bills", body)
        return made

    def appointment(self, **fields: Any) -> Response:
        body = {"patient_id": self.patient(), "clinic": "x", **fields}
        return self.ask("receptionist", "POST", "/appointments", json=body)

    def order(self) -> str:
        patient = self.patient("physician")
        body = {"medication": "x", "dose": "1"}
        path = f"/patients/{patient}/medication-orders"
        return str(self.post("physician", path, body)["id"])

    def due(self, **schedule: Any) -> list[datetime]:
        made = self.post("physician", f"/medication-orders/{self.order()}/schedule", schedule)
        return [datetime.fromisoformat(each) for each in made["due"]]

    # --- where it shows

    def bed_days(self, admission: str) -> list[str]:
        days: list[str] = self.get("receptionist", f"/admissions/{admission}/bed-days")["days"]
        return days

    def reported(self, day: str, kind: str, role: str = "privacy_officer") -> list[str]:
        ids: list[str] = self.get(role, "/reports/daily", date=day)["ids"][kind]
        return ids

    def reported_in(self, month: str, kind: str) -> list[str]:
        ids: list[str] = self.get("privacy_officer", "/reports/monthly", month=month)["ids"][kind]
        return ids

    def census(self, day: str) -> list[str]:
        ids: list[str] = self.get("receptionist", "/reports/census", date=day)["admissions"]
        return ids

    def exported(self, kind: str, record: str) -> dict[str, str]:
        export = self.post("billing_clerk", "/exports", {"kind": kind})
        file = self.ask("billing_clerk", "GET", export["download_url"]).text
        return next(row for row in csv.DictReader(io.StringIO(file)) if row["id"] == record)

    def listed(self, **query: Any) -> list[str]:
        items = self.get("receptionist", "/appointments/day", limit=200, **query)["items"]
        return [item["id"] for item in items]


def _label() -> str:
    from uuid import uuid4

    return uuid4().hex[:12]


@contextmanager
def pinned(house: House, zone: str, local: str, fold: int = 0) -> Iterator[Pinned]:
    """Pin the clock for a while; then the clock is real again."""
    try:
        yield Pinned(house, zone, local, fold)
    finally:
        house.ask(None, "DELETE", "/test/clock")
        house.ask(None, "PUT", f"/test/facilities/{TENANT}", json={"timezone": "America/St_Johns"})
