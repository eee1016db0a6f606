"""Starting a target."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

from conformance.home import HOME
from conformance.server import Server
from conformance.target import Start
from conformance.wire import Unreachable


def test_modules_of_the_target_are_found_before_those_of_the_harness(tmp_path: Path) -> None:
    writing = "import os, sys; open(sys.argv[1], 'w').write(os.environ['PYTHONPATH'])"
    start = Start(
        command=["{python}", "-c", writing, "{data}/said"],
        environment={"PYTHONPATH": "{target}/lib"},
    )
    base_url = "http://127.0.0.1:{port}"
    server = Server(start, tmp_path, base_url, {}, tmp_path / "log", tmp_path)
    try:
        with pytest.raises(Unreachable, match="ended while starting"):
            server.wait()
    finally:
        server.stop()
    said = (tmp_path / "said").read_text().split(":")
    assert said[:2] == [f"{tmp_path}/lib", str(HOME)]


SERVING = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
open(sys.argv[2], "w").write(str(os.getpid()))
server.serve_forever()
"""
DAEMON = f"""
import os, time
if os.fork():
    time.sleep(60)
os.setsid()
{SERVING}
"""


@pytest.mark.parametrize(("program", "stays"), [(SERVING, False), (DAEMON, True)])
def test_what_outlives_a_kill_is_told(program: str, stays: bool, tmp_path: Path) -> None:
    start = Start(command=["{python}", "-c", program, "{port}", "{data}/pid"], ready="/")
    base_url = "http://127.0.0.1:{port}"
    server = Server(start, tmp_path, base_url, {}, tmp_path / "log", tmp_path)
    try:
        server.wait()
        server.kill()
        if stays:
            with pytest.raises(Unreachable, match=r"still answers: let system\.start"):
                server.gone()
        else:
            server.gone()
    finally:
        server.stop()
        with contextlib.suppress(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
