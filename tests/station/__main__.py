"""A station: patients and notes of two tenants, and nothing that would take time by itself.

`python -m tests.station PORT FOLDER [FAULT...]` serves it on the loopback; FOLDER keeps its data.
Faults that make it slow sleep, so that they show whatever the machine; those that mix something up
wait a moment between taking a request's value and using it.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.station.faults import checked

Row = dict[str, Any]
PEOPLE = {f"{role}.{tenant}" for role in ("nurse", "clerk") for tenant in ("red", "blue")}
LONG = 1.5
"""Seconds that are longer than anything the target file promises."""
MOMENT = 0.004
LATER = 8.0
PAGE = 20


class Station:
    """What there is: rows in memory and in a file, which a kill does not harm."""

    def __init__(self, folder: Path, faults: frozenset[str]) -> None:
        self.faults = faults
        self.lock = threading.Lock()
        self.rows: dict[str, Row] = {}
        self.totals: Counter[str] = Counter()
        self.accounts = {key: key.rsplit(".", 1)[1] for key in PEOPLE}
        self.disabled: set[str] = set()
        self.let_in: set[str] = set()
        self.tenant = ""
        self.patient = ""
        self.notes = 0
        self.queue = threading.Semaphore(2)
        self._file = folder / "rows.jsonl"
        self._unwritten: list[tuple[float, Row]] = []
        self.woken = self._file.exists()
        if self.woken:
            for line in self._file.read_text(encoding="utf-8").splitlines():
                self._learn(json.loads(line))
            if "forgets-totals" in faults:
                self.totals.clear()
        self._log = self._file.open("a", encoding="utf-8")

    def _learn(self, row: Row) -> None:
        if row["kind"] == "account":
            self.accounts[row["id"]] = row["tenant"]
        elif row["kind"] == "disabled":
            self.disabled.add(row["id"])
        else:
            self.rows[row["id"]] = row
            self.totals[row["tenant"]] += row["kind"] == "note"

    def keep(self, row: Row) -> None:
        """Know a row from here on, also after a restart."""
        with self.lock:
            self._learn(row)
            self._unwritten.append((time.monotonic(), row))
            late = LATER if "writes-later" in self.faults and row["kind"] == "note" else 0.0
            while self._unwritten and self._unwritten[0][0] <= time.monotonic() - late:
                self._log.write(json.dumps(self._unwritten.pop(0)[1]) + "\n")
            self._log.flush()

    def new(self, kind: str) -> str:
        with self.lock:
            return f"{kind}-{len(self.rows) + len(self.accounts) + 1}-{time.monotonic_ns()}"

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """The place where the list is made: nobody waits, but in the one queue."""
        if "one-queue" not in self.faults:
            yield
            return
        with self.queue:
            time.sleep(0.06)
            yield


class Handler(BaseHTTPRequestHandler):
    """One request after another on a connection, each answered in one piece."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    station: Station

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        status, answer = self._answer(self.path.split("?")[0].strip("/").split("/"), body)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _who(self) -> str | None:
        station, key = self.station, self.headers.get("X-Key", "")
        if "remembers-keys" in station.faults and key in station.let_in:
            return key
        if key not in station.accounts or key in station.disabled:
            return None
        station.let_in.add(key)
        return key

    def _answer(self, path: list[str], body: Row) -> tuple[int, Any]:
        if path == ["health"]:
            return 200, {}
        key = self._who()
        if key is None:
            return 401, {"error": "who is it?"}
        station = self.station
        if "wakes-slowly" in station.faults and station.woken:
            time.sleep(LONG)
        tenant = station.tenant = station.accounts[key]
        if "shared-tenant" in station.faults:
            time.sleep(MOMENT)
            tenant = station.tenant
        if path[0] == "accounts":
            return self._account(path, body, tenant)
        if path == ["totals"]:
            return 200, {"notes": station.totals[tenant]}
        if path == ["report"]:
            mine = [row for row in list(station.rows.values()) if row["tenant"] == tenant]
            return 200, {"notes": sum(row["kind"] == "note" for row in mine)}
        if self.command == "GET" and path == ["patients"]:
            return self._list(tenant)
        if self.command == "POST" and path == ["patients"]:
            return self._made("patient", tenant, {"name": body.get("name")})
        found = self._found(path[1], tenant) if len(path) > 1 else None
        if found is None:
            return 404, {"error": "no such patient"}
        if path[2:] == ["notes"]:
            return self._notes(found, tenant, body)
        return 200, found

    def _account(self, path: list[str], body: Row, tenant: str) -> tuple[int, Any]:
        if path[2:] == ["disable"]:
            self.station.keep({"kind": "disabled", "id": path[1]})
            return 200, {}
        key = self.station.new(f"{body['role']}.{tenant}")
        self.station.keep({"kind": "account", "id": key, "tenant": tenant})
        return 201, {"key": key}

    def _list(self, tenant: str) -> tuple[int, Any]:
        with self.station.waiting():
            rows = [
                row
                for row in list(self.station.rows.values())
                if row["kind"] == "patient" and row["tenant"] == tenant
            ][-PAGE:]
            if "row-by-row" in self.station.faults:
                time.sleep(LONG / 10 * len(rows))
        return 200, {"items": rows}

    def _found(self, patient: str, tenant: str) -> Row | None:
        station = self.station
        station.patient = patient
        if "shared-record" in station.faults and self.command == "GET":
            time.sleep(MOMENT)
            other = station.rows.get(station.patient)
            if other is not None and other["tenant"] == tenant:
                patient = station.patient
        found = station.rows.get(patient)
        return found if found is not None and found["tenant"] == tenant else None

    def _notes(self, patient: Row, tenant: str, body: Row) -> tuple[int, Any]:
        station = self.station
        if self.command == "GET":
            notes = [row for row in list(station.rows.values()) if row.get("of") == patient["id"]]
            return 200, {"items": notes}
        station.notes += 1
        if "fails-often" in station.faults and station.notes % 3 == 0:
            return 500, {"error": "it did not work"}
        return self._made("note", tenant, {"text": body.get("text"), "of": patient["id"]})

    def _made(self, kind: str, tenant: str, values: Row) -> tuple[int, Any]:
        row = {"id": self.station.new(kind), "kind": kind, "tenant": tenant, **values}
        self.station.keep(row)
        return 201, row


class Server(ThreadingHTTPServer):
    """Takes as many connections at once as come."""

    request_queue_size = 256
    daemon_threads = True


if __name__ == "__main__":
    Handler.station = Station(Path(sys.argv[2]), checked(tuple(sys.argv[3:])))
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
