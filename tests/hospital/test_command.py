"""The command: it starts, says where it is, refuses bad calls in one line, and leaves nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fixtures.hospital import defects

from .conftest import KEYED, PASSWORD

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "fixtures.hospital"]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "HOSPITAL_PASSWORD": PASSWORD, **more}


def eventually(holds: Callable[[], bool], seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.02)
    return False


@contextmanager
def running(
    ready: Path, *arguments: str, **more: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--ready-file", str(ready)],
        cwd=ROOT,
        env=environment(**more),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert eventually(lambda: ready.exists() or process.poll() is not None, 20)
        told = json.loads(ready.read_text())
        assert told["pid"] == process.pid
        yield process, told["url"]
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(15)
        assert process.stdout is not None
        process.stdout.close()


def call(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for temporary files with a space in its name, open to the database's account."""
    with tempfile.TemporaryDirectory(prefix="a folder ") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


def test_starts_alone_and_leaves_nothing(tmp_path: Path, folder: Path) -> None:
    with running(tmp_path / "ready", TMPDIR=str(folder)) as (process, url):
        assert httpx.get(f"{url}/health").json() == {"status": "ok"}
        assert process.stdout is not None
        assert process.stdout.readline().strip() == url
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert eventually(lambda: not list(folder.iterdir()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_cluster_ends_with_its_user(
    number: signal.Signals, tmp_path: Path, folder: Path
) -> None:
    ready = tmp_path / "ready"
    with running(ready, "--port", "0", TMPDIR=str(folder)) as (process, _):
        (kept,) = folder.glob("hospital-*")
        port = int((kept / "data" / "postmaster.pid").read_text().splitlines()[3])
        process.send_signal(number)
        process.wait(10)
        assert eventually(lambda: not kept.exists())
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port), 1)


def test_ends_with_its_parent(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = (
        "import subprocess, sys, pathlib, time\n"
        f"subprocess.Popen({[*COMMAND, '--ready-file', str(ready)]!r})\n"
        f"while not pathlib.Path({str(ready)!r}).exists(): time.sleep(0.02)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(), check=True)
    url = json.loads(ready.read_text())["url"]

    def gone() -> bool:
        try:
            httpx.get(f"{url}/health", timeout=2)
        except httpx.HTTPError:
            return True
        return False

    assert eventually(gone)


def test_hospitals_share_a_cluster_and_drop_what_they_made(tmp_path: Path) -> None:
    ready = tmp_path / "cluster"
    cluster = subprocess.Popen(
        [*COMMAND, "postgres", "--ready-file", str(ready)],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.DEVNULL,
    )
    try:
        assert eventually(ready.exists, 20)
        shared = json.loads(ready.read_text())["url"]

        def made() -> int:
            with psycopg.connect(shared) as connection:
                row = connection.execute(
                    "SELECT (SELECT count(*) FROM pg_database WHERE datname ~ '^hospital_')"
                    " + (SELECT count(*) FROM pg_roles WHERE rolname ~ '^hospital_')"
                ).fetchone()
            assert row is not None
            number: int = row[0]
            return number

        one = running(tmp_path / "one", "--database-url", shared)
        two = running(tmp_path / "two", "--database-url", shared, "--defect", "d-055")
        with one as (_, first), two as (_, second):
            assert first != second
            assert made() == 4
            paths = [httpx.get(f"{url}/openapi.json").json()["paths"] for url in (first, second)]
            assert ["/v1/patients/{patient_id}" in each for each in paths] == [False, True]
        assert made() == 0
    finally:
        cluster.terminate()
        assert cluster.wait(15) == 0


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "says"),
    [
        (["--defect", "D-01"], {}, 3, r"no defect 'D-01'\. Did you mean D-0.*There are: D-001"),
        (["--defect", "zzzz"], {}, 3, r"no defect 'zzzz'\. There are: D-001"),
        (["--no-such"], {}, 3, "unrecognized arguments"),
        (["--port", "99999"], {}, 3, r"cannot listen on 127\.0\.0\.1:99999"),
        ([], {"HOSPITAL_PASSWORD": "short"}, 3, "set HOSPITAL_PASSWORD.*at least 12"),
        ([], {"HOSPITAL_TOKEN_KEY": "hidden"}, 3, "HOSPITAL_TOKEN_KEY holds no private key"),
        ([], {"HOSPITAL_TOTP": "hidden"}, 3, "HOSPITAL_TOTP holds no base32 secret"),
        ([], {"HOSPITAL_TOTP": "A" * 20}, 3, "HOSPITAL_TOTP holds no .* at least 128 bits"),
        ([], {"PGBIN": "/nowhere"}, 3, "PGBIN is /nowhere"),
        (["--database-url", "mysql://x"], {}, 3, "must look like postgresql://"),
        (["--database-url", "postgresql://u:hidden@127.0.0.1:1/x"], {}, 4, "cannot be used as u"),
    ],
)
def test_a_bad_call_ends_in_one_line(
    arguments: list[str], variables: dict[str, str], code: int, says: str
) -> None:
    done = call(*arguments, **variables)
    assert done.returncode == code
    assert len(done.stderr.strip().splitlines()) == 1
    assert re.search(says, done.stderr)
    assert "hidden" not in done.stderr


def test_what_is_kept_is_there_at_the_next_start(tmp_path: Path, folder: Path) -> None:
    pkcs8 = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key = KEYED.key.private_bytes(*pkcs8).decode()
    form = {"username": "receptionist.north", "password": PASSWORD}
    answers = []
    for number in range(2):
        ready = tmp_path / f"ready{number}"
        with running(ready, "--data", str(folder), HOSPITAL_TOKEN_KEY=key) as (_, url):
            if number == 0:
                token = httpx.post(f"{url}/auth/token", data=form).json()["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            httpx.post(f"{url}/patients", json={"name": f"Kept {number}"}, headers=headers)
            answers.append(httpx.get(f"{url}/patients", headers=headers).json()["items"])
    assert [[one["name"] for one in rows] for rows in answers] == [
        ["Kept 0"],
        ["Kept 0", "Kept 1"],
    ]


def test_a_folder_that_cannot_keep_anything_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = call("--data", str(file))
    assert (done.returncode, done.stdout) == (3, "")
    assert re.fullmatch(r"hospital: .*file/postgres cannot be used for the data: .*\n", done.stderr)


def test_a_defect_may_stand_in_the_environment() -> None:
    done = call(HOSPITAL_DEFECT="D-001 D-0002")
    assert done.returncode == 3
    assert "D-0002" in done.stderr


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = call("--port", str(port))
    assert done.returncode == 3
    assert f"127.0.0.1:{port}" in done.stderr


def test_defects_are_listed() -> None:
    lines = call("--list-defects").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [each.key for each in defects.catalogue()]


def test_test_mode_is_for_the_loopback() -> None:
    refused = call("--host", "0.0.0.0", HOSPITAL_TEST_CLOCK="1")
    assert refused.returncode == 3
    assert "HOSPITAL_TEST_CLOCK" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_test_mode_sets_the_clock(cluster: str, folder: Path) -> None:
    ready = folder / "ready.json"
    arguments = "--database-url", cluster
    with running(ready, *arguments, HOSPITAL_TEST_CLOCK="1") as (_, url):
        set_to = {"now": "2026-03-08T07:30:00Z"}
        answer = httpx.put(f"{url}/test/clock", json=set_to)
        assert answer.json()["database"].startswith("2026-03-08T07:30")
