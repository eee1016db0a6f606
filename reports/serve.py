"""The reports of a run for a browser on this machine, and for nobody else.

Listens on the loopback only. A page of another site that resolves its own name to this machine
(DNS rebinding) is refused by its Host header. What targets answered lies below `allure/data/` and
is never run.
"""

import mimetypes
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote, unquote, urlsplit

LOOPBACK = "127.0.0.1"
_NAMES = (LOOPBACK, "localhost")

_STATIC = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:"
_ALLURE = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' data: blob:; "
    "style-src 'self' 'unsafe-inline' data:; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; media-src 'self' data: blob:; "
    "frame-src 'self' data: blob:; base-uri 'self'; form-action 'none'"
)
_ANSWERED = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}


class Server(ThreadingHTTPServer):
    """Serves the files below `folder` to this machine; port 0 takes a free one."""

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder.resolve()
        super().__init__((LOOPBACK, port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing: a browser that closes its connection early is no news."""

    @property
    def address(self) -> str:
        """Where a browser finds the report."""
        return f"http://{LOOPBACK}:{self.server_port}/"


def serve(folder: Path, port: int, ready: Callable[[str], object]) -> None:
    """Serves `folder` until Ctrl-C, after telling `ready` the address.

    Raises OSError if the port cannot be had.
    """
    with Server(folder, port) as server:
        ready(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def policy(name: str) -> str:
    """The Content-Security-Policy of the file `name`, a path below the folder."""
    if name.startswith("allure/data/"):
        return _ANSWERED
    if name == "allure.html" or name.startswith("allure/"):
        return _ALLURE
    return _STATIC


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "wardproof"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: what is asked for is not worth a line each."""

    def _answer(self, *, with_body: bool) -> None:
        if self.headers.get_all("Host", []) not in self._hosts():
            self._send(HTTPStatus.MISDIRECTED_REQUEST, "text/plain", b"not here\n", with_body)
            return
        path = self._file()
        if path and path.is_dir():
            self._redirect(path)
            return
        try:
            body = path.read_bytes() if path else None
        except OSError:
            body = None
        if path is None or body is None:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"no such file\n", with_body)
            return
        kind = _TYPES.get(path.suffix.lower())
        kind = kind or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        name = path.relative_to(self.server.folder).as_posix()
        self._send(HTTPStatus.OK, kind, body, with_body, policy(name))

    def _hosts(self) -> list[list[str]]:
        return [[f"{name}:{self.server.server_port}"] for name in _NAMES]

    def _file(self) -> Path | None:
        """The file asked for; None if there is none below the folder. Folders are not listed."""
        asked = unquote(urlsplit(self.path).path)
        if "\0" in asked or "\\" in asked or not asked.startswith("/"):
            return None
        try:
            path = (self.server.folder / asked.lstrip("/")).resolve()
            if path.is_dir():
                page = (path / "index.html").resolve()
                # Without the slash the links of the page would lead elsewhere.
                path = page if asked.endswith("/") or not page.is_file() else path
            inside = path.is_relative_to(self.server.folder)
            return path if inside and path.exists() else None
        except (OSError, ValueError):
            return None

    def _redirect(self, path: Path) -> None:
        name = path.relative_to(self.server.folder).as_posix()
        self._send(
            HTTPStatus.PERMANENT_REDIRECT,
            "text/plain",
            b"",
            True,
            headers={"Location": f"/{quote(name)}/"},
        )

    def _send(
        self,
        status: HTTPStatus,
        kind: str,
        body: bytes,
        with_body: bool,
        csp: str = _STATIC,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", csp)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("X-Frame-Options", "SAMEORIGIN")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(body)
