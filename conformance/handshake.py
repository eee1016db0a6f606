"""Raw TLS handshakes: which protocol versions a server agrees to. Nothing of HTTP."""

from __future__ import annotations

import socket
import ssl
import tempfile
import warnings
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from conformance.oracles.transport import Handshake


def shake(host: str, port: int, version: ssl.TLSVersion | None, timeout: float) -> Handshake:
    """A handshake in that version only, or in whichever is usual. The certificate is not judged.

    A server that hangs up refuses; whether it would have agreed to another version is for a
    second handshake to show.
    """
    try:
        connection = socket.create_connection((host, port), timeout)
    except OSError as problem:
        return Handshake(error=f"could not connect: {problem}")
    with connection:
        try:
            with _context(version).wrap_socket(connection, server_hostname=host) as secured:
                return Handshake(agreed=secured.version())
        except TimeoutError:
            return Handshake(error=f"no answer within {timeout:g} s")
        except (ssl.SSLError, OSError) as problem:
            return Handshake(refused=getattr(problem, "reason", None) or str(problem))


@lru_cache
def unable(version: ssl.TLSVersion) -> str | None:
    """Why this machine cannot speak that version, None if it can: it shakes hands with itself."""
    try:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _only(server, version)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "certificate.pem"
            path.write_bytes(_certificate())
            server.load_cert_chain(path)
        _talk(_context(version), server)
    except (ssl.SSLError, OSError, ValueError) as problem:
        reason = getattr(problem, "reason", None) or problem
        return f"{ssl.OPENSSL_VERSION} of this machine cannot speak it ({reason})"
    return None


def _context(version: ssl.TLSVersion | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version is not None:
        _only(context, version)
    return context


def _only(context: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    # Level 0 is what still lets OpenSSL 3 speak the versions that are looked for.
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = version
        context.maximum_version = version


def _talk(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """A handshake in memory. Raises SSLError when the two cannot agree."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(back, there, server_hostname="localhost"),
        server.wrap_bio(there, back, server_side=True),
    ]
    for _ in range(10):
        for side in tuple(sides):
            try:
                side.do_handshake()
                sides.remove(side)
            except ssl.SSLWantReadError:
                continue
        if not sides:
            return
    raise ssl.SSLError("the handshake did not end")


def _certificate() -> bytes:
    """A certificate of its own for localhost, with its key, in PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)
