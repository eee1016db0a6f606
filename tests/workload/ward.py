"""A tiny ward over HTTP for tests of load: patients of two tenants, with faults to switch on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from conformance.canary import Mint, Planted
from conformance.workload.plan import Actor, Plan, Segment, Step, Workflow

TENANTS = {"north": "Europe/Berlin", "south": "America/New_York"}
FIELDS = (("patient", "name"), ("note", "text"))


@dataclass
class Ward:
    """The server: what it knows, and what is wrong with it. Faults may change while it runs."""

    faults: dict[str, Any] = field(default_factory=dict)
    served: int = 0
    seen: list[tuple[str, str]] = field(default_factory=list)
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    url: str = ""

    def __post_init__(self) -> None:
        self.mint = Mint(TENANTS, FIELDS, 1)
        self.patients = {
            f"{tenant}-{number}": {
                "id": f"{tenant}-{number}",
                "tenant": tenant,
                "name": "Ada " + self.mint.token(Planted(tenant, "patient", "name", None)).title(),
            }
            for tenant in TENANTS
            for number in range(5)
        }
        self.tokens = {f"token-{tenant}": tenant for tenant in TENANTS}

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.suppress(
            ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError
        ):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, path, _ = head[0].split(" ")
                headers = {
                    key.lower(): value.strip()
                    for key, _, value in (line.partition(":") for line in head[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.served += 1
                if not await self._answer(writer, method, path, headers, body):
                    break
        writer.close()

    async def _answer(
        self,
        writer: asyncio.StreamWriter,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
    ) -> bool:
        """Answer one request; whether the connection stays open."""
        every = self.faults.get("every", 1)
        struck = self.served % every == 0
        if self.faults.get("stall") and struck:
            await asyncio.sleep(self.faults["stall"])
        if self.faults.get("reset") and struck:
            writer.transport.abort()
            return False
        if self.faults.get("endless") and struck:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
                await writer.drain()
        if self.faults.get("short") and struck:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
            return False
        status, said = (
            (500, {"error": "broken"})
            if self._broken(struck)
            else self._said(method, path, headers, body, struck=struck)
        )
        data = json.dumps(said).encode()
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n".encode()
            + data
        )
        await writer.drain()
        return True

    def _broken(self, struck: bool) -> bool:
        return bool(self.faults.get("500")) and struck

    def _said(
        self, method: str, path: str, headers: dict[str, str], body: bytes, *, struck: bool
    ) -> tuple[int, Any]:
        token = headers.get("authorization", "").removeprefix("Bearer ")
        tenant = self.tokens.get(token)
        self.seen.append((token, path))
        if tenant is None:
            return 401, {}
        if method == "POST":
            given = json.loads(body)
            number = f"note-{len(self.notes)}"
            self.notes[number] = {"id": number, "tenant": tenant, **given}
            return 201, self.notes[number]
        if path.startswith("/notes/"):
            note = self.notes.get(path.removeprefix("/notes/"))
            return (200, note) if note and note["tenant"] == tenant else (404, {})
        number = path.removeprefix("/patients/").partition("?")[0]
        found = self.patients.get(number)
        if self.faults.get("leak") and struck:
            found = next(one for one in self.patients.values() if one["tenant"] != tenant)
            return 200, {**found, "id": number}
        if self.faults.get("mixed") and struck:
            others = (one for one in self.patients.values() if one["tenant"] == tenant)
            found = next(one for one in others if one["id"] != number)
            return 200, found
        return (200, found) if found and found["tenant"] == tenant else (404, {})


@contextlib.contextmanager
def serving(ward: Ward) -> Iterator[Ward]:
    """The ward on a free loopback port, in a thread of its own."""
    loop = asyncio.new_event_loop()
    started = threading.Event()

    async def serve() -> None:
        server = await asyncio.start_server(ward.talk, "127.0.0.1", 0)
        ward.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        async with server:
            await server.serve_forever()

    def host() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(serve())

    thread = threading.Thread(target=host, daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield ward
    finally:

        def stop() -> None:
            for one in asyncio.all_tasks(loop):
                one.cancel()

        loop.call_soon_threadsafe(stop)
        thread.join(10)
        loop.close()


READ = Step(
    "read", "GET", "/patients/{patient.id}", about=("patient", "read"),
    asks="patient.id", answers="$.id",
)  # fmt: skip
WRITE = Step(
    "write", "POST", "/notes", json={"text": "{text}", "patient": "{patient.id}"},
    about=("note", "create"), creates="$.id", writes=True, done=(201,),
)  # fmt: skip
BACK = Step("back", "GET", "/notes/{id}", about=("note", "read"), asks="id", answers="$.id")


def plan(ward: Ward, **changes: Any) -> Plan:
    """Nurses of both tenants who read patients, and write notes that they read again."""
    actors = tuple(
        Actor(
            f"nurse.{tenant}",
            tenant,
            headers={"Authorization": f"Bearer token-{tenant}"},
            sees=("patient.name", "note.text"),
        )
        for tenant in TENANTS
    )
    scenes = {
        f"nurse.{tenant}": tuple({"patient.id": f"{tenant}-{number}"} for number in range(5))
        for tenant in TENANTS
    }
    mix = dict.fromkeys(scenes, 1)
    given: dict[str, Any] = {
        "base_url": ward.url,
        "actors": actors,
        "workflows": (
            Workflow("round", 40, mix, (READ,), scenes),
            Workflow("charting", 10, mix, (WRITE, BACK), scenes),
        ),
        "segments": (Segment("steady", 1.0),),
        "users": 8,
        "seed": 1,
        "timeout": 2.0,
        "tenants": TENANTS,
        "fields": FIELDS,
    }
    return Plan(**{**given, **changes})
