"""Starting a target."""

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
