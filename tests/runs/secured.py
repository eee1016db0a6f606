"""A ward behind TLS, as good or bad as a test wants it."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

KEY = "a-key-for-the-ward"
_HELLO = b"\x16"  # how a TLS client begins (RFC 8446 section 5.1)


def certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that vouches for itself, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Ward")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "ward.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


class _Ward(BaseHTTPRequestHandler):
    hsts: str | None = None

    def do_GET(self) -> None:
        body: Any = {"detail": "not found"}
        status = 404
        if self.path == "/beds":
            known = self.headers.get("X-Key") == KEY
            status, body = (200, [{"id": "1"}]) if known else (401, {"detail": "who?"})
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        if self.hsts:
            self.send_header("Strict-Transport-Security", self.hsts)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext
    plain = False

    def finish_request(self, request: Any, client_address: Any) -> None:
        with contextlib.suppress(OSError):
            if request.recv(1, socket.MSG_PEEK) == _HELLO:
                with self.context.wrap_socket(request, server_side=True) as secured:
                    super().finish_request(secured, client_address)
            elif self.plain:
                super().finish_request(request, client_address)


@contextlib.contextmanager
def ward(
    pem: Path,
    *,
    hsts: str | None = "max-age=31536000; includeSubDomains",
    oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    plain: bool = False,
) -> Iterator[str]:
    """The base URL of a ward while the block lasts; `plain`: it answers without TLS as well."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    if oldest < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = oldest
    handler = type("Ward", (_Ward,), {"hsts": hsts})
    server = _Server(("127.0.0.1", 0), handler)
    server.context, server.plain = context, plain
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def described(base_url: str, pem: Path) -> dict[str, Any]:
    """The ward's target file as data."""
    return {
        "system": {"name": "Ward", "base_url": base_url, "verify_tls": str(pem), "timeout": 3},
        "login": {"key": {"send": {"X-Key": "{key}"}}},
        "personas": {"nurse": {"role": "nurse", "key": KEY}},
        "resources": {"bed": {"list": {"request": "GET /beds", "items": "$[*]"}}},
        "policy": {"nurse": {"bed": {"list": "allow"}}},
    }
