"""The reports shown to a browser on this machine."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.cli import main
from reports.serve import Server, policy
from tests.reports import sample


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    report = tmp_path / "report"
    for name, text in {
        "index.html": "<!doctype html><p>the report",
        "access-matrix.svg": "<svg/>",
        "allure/index.html": "<!doctype html><p>allure",
        "allure/app.js": "1",
        "allure/data/attachments/a.html": "<script>alert(1)</script>",
        "empty/deep/file.txt": "text",
    }.items():
        (report / name).parent.mkdir(parents=True, exist_ok=True)
        (report / name).write_text(text)
    (tmp_path / "evidence.jsonl").write_text("secret")
    (report / "way-out").symlink_to(tmp_path / "evidence.jsonl")
    return report


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with Server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(
    server: Server, path: str, *, method: str = "GET", host: str | None = None
) -> tuple[int, dict[str, str], bytes]:
    """The status, headers and body of an answer; the path is sent as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host or f"127.0.0.1:{server.server_port}")
        connection.endheaders()
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, answer.read()
    finally:
        connection.close()


def test_the_report_is_served_with_a_strict_policy(server: Server) -> None:
    status, headers, body = ask(server, "/")
    assert status == 200
    assert body == b"<!doctype html><p>the report"
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "script-src" not in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert "python" not in headers["server"].lower()


def test_allure_may_run_its_own_scripts_and_no_others(server: Server) -> None:
    _, headers, _ = ask(server, "/allure/")
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "http" not in headers["content-security-policy"]


def test_what_a_target_answered_never_runs(server: Server) -> None:
    _, headers, _ = ask(server, "/allure/data/attachments/a.html")
    assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert policy("allure/data/x.svg") == headers["content-security-policy"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "localhost:1"])
def test_a_name_that_was_bound_to_this_machine_is_refused(server: Server, host: str) -> None:
    status, _, body = ask(server, "/", host=host)
    assert status == 421
    assert b"report" not in body


def test_localhost_is_this_machine_too(server: Server) -> None:
    assert ask(server, "/", host=f"localhost:{server.server_port}")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../evidence.jsonl",
        "/allure/../../evidence.jsonl",
        "/%2e%2e/evidence.jsonl",
        "/..%2fevidence.jsonl",
        "/..%5cevidence.jsonl",
        "//etc/passwd",
        "/way-out",
        "/index.html%00.js",
        "/nothing",
        "/empty",
        "/empty/",
        "/" + "a" * 5000,
        "http://127.0.0.1/../evidence.jsonl",
    ],
)
def test_nothing_else_is_served_and_no_folder_is_listed(server: Server, path: str) -> None:
    status, _, body = ask(server, path)
    assert status == 404
    assert body == b"no such file\n"


def test_a_folder_is_asked_for_with_its_slash(server: Server) -> None:
    status, headers, _ = ask(server, "/allure")
    assert (status, headers["location"]) == (308, "/allure/")


def test_only_looking_is_possible(server: Server) -> None:
    assert ask(server, "/", method="HEAD")[2] == b""
    assert ask(server, "/", method="POST")[0] == 501
    assert ask(server, "/", method="DELETE")[0] == 501


def test_nobody_else_on_the_network_is_answered(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample.write(tmp_path / "run", sample.small("pass"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        call = ["report", str(tmp_path / "run"), "--no-allure", "--serve", "--port", port]
        assert main(call) == 3
    assert "nothing can listen there" in capsys.readouterr().err


def test_a_port_without_serving_is_a_wrong_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path), "--port", "80"]) == 3
    assert "say --serve as well" in capsys.readouterr().err
    assert main(["report", str(tmp_path), "--serve", "--port", "65536"]) == 3


def test_it_says_where_and_ends_on_ctrl_c_with_the_code_of_the_run(tmp_path: Path) -> None:
    sample.write(tmp_path, sample.small("fail"))
    call = [sys.executable, "-m", "conformance", "report", str(tmp_path), "--no-allure", "--serve"]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        call,
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as process:
        assert process.stdout is not None
        address = next(line for line in process.stdout if line.startswith("Reports: "))
        port = int(address.split("127.0.0.1:")[1].split("/")[0])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/")
        assert b"Reference Hospital" in connection.getresponse().read()
        connection.close()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in errors
