"""The gatehouse's access tokens: signed, and checked in everything that they say."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
import urllib.request
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ISSUER, AUDIENCE, KID = "https://gate.example", "gatehouse", "k1"
HOUR = 3600
_RANDOM = secrets.token_hex(32).encode()

Claims = dict[str, Any]


@cache
def key() -> rsa.RSAPrivateKey:
    """The signing key of this process."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem() -> str:
    """The signing key, as a target file takes it."""
    return (
        key()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def published() -> dict[str, Any]:
    """The public key as a JSON Web Key Set (RFC 7517)."""
    shown = RSAAlgorithm.to_jwk(key().public_key(), as_dict=True)
    return {"keys": [{**shown, "kid": KID, "use": "sig", "alg": "RS256"}]}


def _secret(faults: frozenset[str]) -> bytes | None:
    """The secret that signs instead of the key."""
    return b"secret" if "weak-secret" in faults else _RANDOM if "symmetric" in faults else None


def signed(claims: Claims, faults: frozenset[str]) -> str:
    """An access token that says `claims`."""
    now = int(time.time())
    whole = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + HOUR, **claims}
    secret = _secret(faults)
    if secret is None:
        return jwt.encode(whole, key(), "RS256", {"kid": KID})
    parts = [_segment({"alg": "HS256", "typ": "JWT", "kid": KID}), _segment(whole)]
    return ".".join([*parts, _hmac(".".join(parts), secret)])


def _segment(value: Claims) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _hmac(message: str, secret: bytes) -> str:
    made = hmac.digest(secret, message.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def read(token: str, faults: frozenset[str]) -> Claims | None:
    """What the token says; None if it does not count."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        head = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        return None
    if not (_is_signed(token, head, faults) or "signature-ignored" in faults):
        return None
    now = time.time()
    held = {
        "endless": "exp" in claims,
        "late": claims.get("exp", now + 1) > now,
        "early": claims.get("nbf", 0) <= now,
        "any-audience": claims.get("aud") == AUDIENCE,
        "any-issuer": claims.get("iss") == ISSUER,
        "any-use": claims.get("use") == "access",
    }
    counts = all(kept or fault in faults for fault, kept in held.items())
    return claims if counts else None


def _is_signed(token: str, head: Claims, faults: frozenset[str]) -> bool:
    alg, kid = str(head.get("alg")), str(head.get("kid"))
    message, _, signature = token.rpartition(".")
    if "unsigned" in faults and alg.lower() == "none":
        return True
    secrets_known = [_secret(faults)]
    if "public-key-as-secret" in faults:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        secrets_known.append(key().public_key().public_bytes(serialization.Encoding.PEM, form))
    named = Path("/", kid)
    if "kid-is-a-path" in faults and named.exists():
        secrets_known.append(named.read_bytes())
    if alg == "HS256":
        return any(one is not None and _hmac(message, one) == signature for one in secrets_known)
    public: Any = key().public_key()
    if "follows-jku" in faults and "jku" in head:
        with urllib.request.urlopen(head["jku"], timeout=2) as answer:
            public = RSAAlgorithm.from_jwk(json.load(answer)["keys"][0])
    elif kid != KID or _secret(faults) is not None:
        return False
    try:
        jwt.PyJWS().decode(token, public, algorithms=["RS256"])
    except jwt.InvalidTokenError:
        return False
    return True
