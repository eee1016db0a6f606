"""The listener serves what it was given, records every request and ends with its block."""

import datetime as dt
import socket

import httpx
import pytest

from conformance.listener import Listener, listening


def test_documents_are_served_and_requests_recorded() -> None:
    before = dt.datetime.now(dt.UTC)
    with listening({"/jku.json": b'{"keys":[]}'}) as listener:
        assert listener.url.startswith("http://127.0.0.1:")
        answer = httpx.get(f"{listener.url}/jku.json?x=1")
        assert (answer.status_code, answer.json()) == (200, {"keys": []})
        assert answer.headers["content-type"] == "application/json"
    (one,) = listener.received
    assert (one.method, one.path, one.peer) == ("GET", "/jku.json?x=1", "127.0.0.1")
    assert before <= one.at <= dt.datetime.now(dt.UTC)
    assert listener.asked("/jku.json")
    assert not listener.asked("/x5u.pem")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_any_method_is_recorded(method: str) -> None:
    with listening() as listener:
        answer = httpx.request(method, f"{listener.url}/anything", content=b"x" * 1000)
        assert answer.status_code == 404
        assert [one.method for one in listener.received] == [method]


def test_documents_may_be_added_while_it_listens() -> None:
    with listening() as listener:
        listener.documents["/x5u.pem"] = b"late"
        assert httpx.get(f"{listener.url}/x5u.pem").content == b"late"


def test_it_ends_with_its_block_even_if_a_sender_stays() -> None:
    stays = socket.socket()
    with listening() as listener:
        host, port = listener.url.removeprefix("http://").split(":")
        stays.connect((host, int(port)))
        stays.sendall(b"GET / HTTP/1.1\r\n")
    with stays, pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))


def test_it_ends_with_a_block_that_fails() -> None:
    found: list[Listener] = []
    with pytest.raises(RuntimeError, match="over"):
        fail_within(found)
    with pytest.raises(httpx.ConnectError):
        httpx.get(found[0].url)


def fail_within(found: list[Listener]) -> None:
    with listening() as listener:
        found.append(listener)
        raise RuntimeError("over")


def test_nonsense_does_not_end_it(capsys: pytest.CaptureFixture[str]) -> None:
    with listening({"/": b"here"}) as listener:
        host, port = listener.url.removeprefix("http://").split(":")
        for nonsense in (b"", b"\x16\x03\x01\x00\xff", b"GET / HTTP/9.9.9\r\n\r\n"):
            with socket.create_connection((host, int(port))) as sender:
                sender.sendall(nonsense)
        assert httpx.get(listener.url).content == b"here"
    assert capsys.readouterr() == ("", "")
