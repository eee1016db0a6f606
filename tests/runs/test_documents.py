"""What the fuzz suite says where a document is missing, broken or large, or the target is ill."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clinic.serving import served
from tests.kiosk.app import make
from tests.kiosk.unpacking import Message, Receive, Send
from tests.runs.calling import ROOT, SEED, Run, run, target, without_start
from tests.runs.forking import Forker

KIOSK = ROOT / "tests" / "kiosk"
CAMPAIGN = "*.nothing-gives-way.guard.east"


def _tried(
    folder: Path, forker: Forker, document: str | None, *cases: str, profile: str = "gate"
) -> Run:
    """The kiosk tried by a document in a file of its own; None: the target file names none."""

    def change(data: dict[str, Any]) -> None:
        del data["system"]["start"]
        data["system"] |= {"base_url": url, "timeout": 10}
        data["system"]["openapi"] = "document.json"
        if document is None:
            del data["system"]["openapi"]

    with served(make()) as url:
        made = target(folder / "target", change, KIOSK)
        if document is not None:
            (made / "document.json").write_text(document, encoding="utf-8")
        return run(
            folder / "out",
            *("--suite", "fuzz", "--seed", SEED, "-n", "1", "--profile", profile),
            *(f"--case={case}" for case in cases or (CAMPAIGN,)),
            target=made,
            by=forker.wardproof,
        )


def _sole(done: Run) -> dict[str, Any]:
    (verdict,) = (one for one in done.of("verdict") if ".sweep." not in one["case"])
    return verdict


def test_without_a_document_odd_values_are_tried_all_the_same(
    tmp_path: Path, forker: Forker
) -> None:
    done = _tried(tmp_path, forker, None, "*.not-claimed*", "*.odd-text*.card.create*")
    outcomes = {case.split(".")[1]: outcome for case, outcome in done.outcomes.items()}
    assert outcomes["odd-text-comes-back-as-it-was-sent"] == "pass", done.called.said
    assert outcomes["nothing-gives-way"] == "not_claimed"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ('{"openapi": "3.1.0", "paths": {', "neither JSON nor YAML"),
        ("<html>Log in</html>", "paths"),
        ("[1, 2]", "paths"),
        ('{"openapi": "3.1.0", "info": {"title": "x", "version": "1"}}', "paths"),
    ],
    ids=["cut", "page", "list", "no-paths"],
)
def test_a_document_that_is_none_is_explained(
    document: str, said: str, tmp_path: Path, forker: Forker
) -> None:
    done = _tried(tmp_path, forker, document)
    verdict = _sole(done)
    assert verdict["outcome"] == "inconclusive", done.called.said
    assert said in verdict["reason"]
    assert "document.json" in verdict["reason"]


def _described(*paths: tuple[str, dict[str, Any]], **more: Any) -> str:
    info = {"title": "Kiosk", "version": "1"}
    return json.dumps({"openapi": "3.0.3", "info": info, "paths": dict(paths), **more})


READ = {"get": {"responses": {"200": {"description": "cards"}}}}
ID = {"name": "card", "in": "path", "required": True, "schema": {"type": "string"}}


def test_a_reference_to_itself_ends(tmp_path: Path, forker: Forker) -> None:
    loop = {"$ref": "#/components/schemas/Card"}
    body = {"content": {"application/json": {"schema": loop}}}
    post = {"post": {"requestBody": body, "responses": {"201": {"description": "made"}}}}
    schemas = {"Card": {"type": "object", "properties": {"above": loop, "name": {}}}}
    done = _tried(tmp_path, forker, _described(("/cards", post), components={"schemas": schemas}))
    assert _sole(done)["outcome"] in {"pass", "fail", "inconclusive"}, done.called.said


def test_a_document_with_a_thousand_operations_is_bounded(tmp_path: Path, forker: Forker) -> None:
    many = [(f"/cards/{{card}}/x{number}", {**READ, "parameters": [ID]}) for number in range(1000)]
    document = _described(*many, ("/cards", READ))
    done = _tried(tmp_path, forker, document, "*.nothing-gives-way.*", profile="smoke")
    details = [one["detail"] for one in done.of("verdict") if one.get("detail")]
    assert any(detail["requests"] for detail in details), done.called.said
    assert all(
        len(detail["operations"]) + len(detail["untouched"]) <= len(many) + 1 for detail in details
    )


Sick = Callable[[Send], Awaitable[None]]


async def never_answers(_send: Send) -> None:
    await asyncio.sleep(60)


async def never_ends(send: Send) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    while True:
        await send({"type": "http.response.body", "body": b" " * 65536, "more_body": True})
        await asyncio.sleep(0.001)


async def hangs_up(send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"500")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    raise ConnectionError


def ill(manner: Sick) -> Any:
    """A kiosk that falls ill whenever a new card holds a NUL, and is well otherwise."""
    kiosk = make()

    async def application(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != "/cards":
            await kiosk(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        if rb"\u0000" in body:
            with contextlib.suppress(OSError):
                await manner(send)
            return

        async def again() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await kiosk(scope, again, send)

    return application


@pytest.mark.parametrize("manner", [never_answers, never_ends, hangs_up])
def test_an_input_that_makes_the_target_ill_is_found(
    manner: Sick, tmp_path: Path, forker: Forker
) -> None:
    with served(ill(manner)) as url:
        folder = target(tmp_path / "target", without_start(url, 1), KIOSK)
        done = run(
            tmp_path / "out",
            *("--suite", "fuzz", "--seed", SEED, "-n", "1"),
            "--case=*.odd-text*.card.create*",
            target=folder,
            by=forker.wardproof,
        )
    assert done.code == 1, done.called.said
    assert done.rules == {"fuzz.server_error"}
    assert "nul in name: no answer" in done.of("verdict")[0]["reason"]
