"""JSON Web Tokens that a sound verifier refuses, made from one that it takes. Nothing is sent.

A token is taken apart and put together by hand (RFC 7515, 7519), because libraries refuse to make
most of these. What each forgery shows is described in RFC 8725, sections 2 and 3.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import datetime as dt
import hmac
import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, get_default_algorithms

from conformance.home import HOME

_SEGMENT = re.compile(r"[A-Za-z0-9_-]*")
_HASHES = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "ES256": ec.SECP256R1,
    "ES384": ec.SECP384R1,
    "ES512": ec.SECP521R1,
    "ES256K": ec.SECP256K1,
}
_NONE = ("none", "None", "NONE", "nOnE")
_DICTIONARY = HOME / "fixtures" / "tables" / "weak_secrets.txt"
_MOST_WORDS = 200_000

Public = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
Private = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | bytes
)
"""A private key; bytes are a secret that two parties share."""


@dataclass(frozen=True)
class Forgery:
    """A token to be refused; `why` says what a verifier that takes it does, as a clause."""

    name: str
    token: str
    why: str


# Taking apart and putting together


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def _decoded(segment: str) -> bytes:
    if not _SEGMENT.fullmatch(segment):
        raise ValueError("a token's parts are base64url without padding (RFC 7515, section 2)")
    try:
        return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error as error:
        raise ValueError(f"a token's part is no base64url: {error}") from None


def _object(segment: str) -> dict[str, Any]:
    try:
        value = json.loads(_decoded(segment))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ValueError("a token's header and claims are JSON objects in base64url (RFC 7519)")
    return value


def _parts(token: str) -> tuple[str, str, str]:
    parts = token.split(".")
    if len(parts) != 3:
        raise ValueError(f"a signed token has three parts, this has {len(parts)} (RFC 7515)")
    return parts[0], parts[1], parts[2]


def is_jwt(text: str) -> bool:
    """Whether `text` is a JSON Web Token in the compact form, signed or not; encrypted is not."""
    try:
        return isinstance(header(text).get("alg"), str) and isinstance(claims(text), dict)
    except ValueError:
        return False


def header(token: str) -> dict[str, Any]:
    """What the header says, unverified. Raises ValueError if `token` is no signed token."""
    return _object(_parts(token)[0])


def claims(token: str) -> dict[str, Any]:
    """What the token claims, unverified. Raises ValueError if `token` is no signed token."""
    return _object(_parts(token)[1])


def _segment(value: Mapping[str, Any]) -> str:
    return _encoded(json.dumps(value, separators=(",", ":")).encode())


def _sealed(head: Mapping[str, Any], payload: str, sign: Callable[[bytes], bytes]) -> str:
    """Header and the encoded payload with what `sign` makes of both."""
    signed = f"{_segment(head)}.{payload}"
    return f"{signed}.{_encoded(sign(signed.encode()))}"


def _hmac(alg: str, key: bytes) -> Callable[[bytes], bytes]:
    return lambda message: hmac.digest(key, message, _HASHES[alg])


def _signer(alg: str, key: Private) -> Callable[[bytes], bytes]:
    if isinstance(key, bytes):
        return _hmac(alg, key)
    algorithm = get_default_algorithms()["EdDSA" if alg.startswith("Ed") else alg]
    return lambda message: algorithm.sign(message, key)


# Forging


def unsigned(token: str) -> list[Forgery]:
    """Tokens that nobody signed: the algorithm `none` as it may be spelt, no signature at all."""
    head, payload, signature = _parts(token)
    made = []
    for alg in _NONE:
        start = f"{_segment({**header(token), 'alg': alg})}.{payload}"
        why = f"takes the algorithm {alg!r}, by which nobody signs"
        made.append(Forgery(f"alg-{alg}", f"{start}.", why))
        made.append(Forgery(f"alg-{alg}-signature-kept", f"{start}.{signature}", why))
    why = "takes a token whose signature was removed"
    made.append(Forgery("no-signature", f"{head}.{payload}.", why))
    made.append(Forgery("no-signature-part", f"{head}.{payload}", why))
    return made


def resigned_with_public_key(token: str, jwks: Sequence[Mapping[str, Any]]) -> list[Forgery]:
    """The token with an HMAC whose secret is the published key, in every form it may be kept in.

    `jwks` are the published keys (RFC 7517); those with the token's kid, all if none has it. Keys
    that cannot be read make no forgery.
    """
    head = header(token)
    payload = _parts(token)[1]
    named = [one for one in jwks if head.get("kid") and one.get("kid") == head["kid"]]
    keys = named or jwks
    return [
        Forgery(
            f"{alg.lower()}-{form}{f'-{number}' if len(keys) > 1 else ''}",
            _sealed({**head, "alg": alg}, payload, _hmac(alg, secret)),
            f"takes the public key ({form}) as the secret of {alg}",
        )
        for number, jwk in enumerate(keys, 1)
        for form, secret in _written(jwk)
        for alg in _HASHES
    ]


def _written(jwk: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """The forms in which a verifier may keep a published key."""
    key = _public(jwk)
    if key is None:
        return
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    yield "spki-pem", pem
    yield "spki-pem-stripped", pem.rstrip(b"\n")
    yield "spki-der", key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if isinstance(key, rsa.RSAPublicKey):
        old = key.public_bytes(Encoding.PEM, PublicFormat.PKCS1)
        yield "pkcs1-pem", old
        yield "pkcs1-pem-stripped", old.rstrip(b"\n")
        yield "pkcs1-der", key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    chain = jwk.get("x5c")
    if isinstance(chain, list) and chain and isinstance(chain[0], str):
        yield "x5c", chain[0].encode()
        try:
            certificate = x509.load_der_x509_certificate(base64.b64decode(chain[0]))
        except ValueError:
            pass
        else:
            shown = certificate.public_bytes(Encoding.PEM)
            yield "x5c-pem", shown
            yield "x5c-pem-stripped", shown.rstrip(b"\n")
            yield "x5c-der", certificate.public_bytes(Encoding.DER)
    yield "jwk", json.dumps(jwk, separators=(",", ":")).encode()
    yield "jwk-spaced", json.dumps(jwk).encode()
    member = "n" if isinstance(key, rsa.RSAPublicKey) else "x"
    yield member, str(jwk[member]).encode()
    yield f"{member}-bytes", _decoded(str(jwk[member]).rstrip("="))


def _public(jwk: Mapping[str, Any]) -> Public | None:
    readers = {
        "RSA": RSAAlgorithm.from_jwk,
        "EC": ECAlgorithm.from_jwk,
        "OKP": OKPAlgorithm.from_jwk,
    }
    reader = readers.get(str(jwk.get("kty")))
    if reader is None:
        return None
    public = {
        name: value for name, value in jwk.items() if name in {"kty", "n", "e", "crv", "x", "y"}
    }
    try:
        key = reader(public)
    except (jwt.InvalidKeyError, ValueError, TypeError, KeyError):
        return None
    known = (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey)
    return key if isinstance(key, known) else None


def altered(token: str) -> list[Forgery]:
    """The token with one thing changed: its signature in the middle, then each claim in turn.

    A changed claim keeps its type, so that nothing but the signature gives reason to refuse it.
    """
    head, payload, signature = _parts(token)
    made = []
    if signature:
        other = bytearray(_decoded(signature))
        other[len(other) // 2] ^= 0x55
        made.append(
            Forgery(
                "signature-altered",
                f"{head}.{payload}.{_encoded(bytes(other))}",
                "takes a signature that does not fit",
            )
        )
    for name, value in claims(token).items():
        changed = _different(name, value)
        if changed != value:
            made.append(
                Forgery(
                    f"claim-{_plain(name)}-altered",
                    _reclaimed(token, {name: changed}),
                    f"takes another {name!r} than the one that was signed",
                )
            )
    return made


def _different(name: str, value: Any) -> Any:
    """Another value of the same type; times stay such that the token is valid."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value - 60 if name in {"iat", "nbf", "auth_time"} else value + 3600
    if isinstance(value, str):
        return _other_text(value)
    if isinstance(value, list):
        return [_different("", value[0]), *value[1:]] if value else ["wardproof"]
    if isinstance(value, dict):
        if not value:
            return {"wardproof": "wardproof"}
        first = next(iter(value))
        return {**value, first: _different(first, value[first])}
    return value


def _other_text(text: str) -> str:
    """The text with its last letter or digit replaced by a neighbour: a UUID stays one."""
    for index in range(len(text) - 1, -1, -1):
        sign = text[index]
        for signs in ("0123456789", "abcdef", "ABCDEF"):
            if sign in signs:
                other = signs[(signs.index(sign) + 1) % len(signs)]
                return f"{text[:index]}{other}{text[index + 1 :]}"
        if sign.isalpha():
            return f"{text[:index]}{'k' if sign != 'k' else 'm'}{text[index + 1 :]}"
    return text + "1"


def with_claims(token: str, changes: Mapping[str, Any]) -> list[Forgery]:
    """The token with claims replaced or added, and its old signature."""
    changed = [name for name, value in changes.items() if claims(token).get(name, ...) != value]
    if not changed:
        return []
    return [
        Forgery(
            f"claims-{'-'.join(map(_plain, changed))}",
            _reclaimed(token, changes),
            f"takes {' and '.join(map(repr, changed))} that nobody signed",
        )
    ]


def _reclaimed(token: str, changes: Mapping[str, Any]) -> str:
    head, _payload, signature = _parts(token)
    return f"{head}.{_segment({**claims(token), **changes})}.{signature}"


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-")


def foreign_key(token: str) -> list[Forgery]:
    """The same claims signed with a key of ours, which some bring along or name as unknown.

    The algorithm is the token's own; where that is an HMAC, a key brought along is RS256.
    """
    head, payload = header(token), _parts(token)[1]
    alg = _alg(token)
    sign = _signer(alg, _fresh(alg))
    unknown = {**head, "alg": alg, "kid": f"wardproof-{secrets.token_hex(4)}"}
    made = [
        Forgery(
            "foreign-key",
            _sealed({**head, "alg": alg}, payload, sign),
            "takes a signature by any key",
        ),
        Forgery(
            "unknown-kid",
            _sealed(unknown, payload, sign),
            "takes a signature by a key that it does not know",
        ),
    ]
    if "kid" in head:
        nameless = {name: value for name, value in head.items() if name != "kid"} | {"alg": alg}
        made.append(
            Forgery(
                "no-kid",
                _sealed(nameless, payload, sign),
                "takes a signature by any key if none is named",
            )
        )
    alg, key = _asymmetric(token)
    sign = _signer(alg, key)
    brought = {
        "jwk": _jwk(key, alg, head.get("kid")),
        "x5c": [base64.b64encode(_certificate(key)).decode()],
    }
    made += [
        Forgery(
            f"embedded-{member}",
            _sealed({**head, "alg": alg, member: value}, payload, sign),
            f"believes the key that the token brings along ({member})",
        )
        for member, value in brought.items()
    ]
    return made


def remote_key(token: str, url: str) -> tuple[list[Forgery], dict[str, bytes]]:
    """The same claims signed with a key of ours that the header says to fetch below `url`.

    Returns the forgeries, and the documents by path for whoever serves `url`. That one of them is
    fetched is a finding even if the token is then refused.
    """
    head, payload = header(token), _parts(token)[1]
    alg, key = _asymmetric(token)
    sign = _signer(alg, key)
    kid = head.get("kid") or "wardproof"
    address = url.rstrip("/")
    path = urlsplit(address).path
    pem = x509.load_der_x509_certificate(_certificate(key)).public_bytes(Encoding.PEM)
    names = {"jku": "jku.json", "x5u": "x5u.pem"}
    documents = {
        f"{path}/{names['jku']}": json.dumps({"keys": [_jwk(key, alg, kid)]}).encode(),
        f"{path}/{names['x5u']}": pem,
    }
    forgeries = [
        Forgery(
            f"remote-{member}",
            _sealed({**head, "alg": alg, "kid": kid, member: f"{address}/{name}"}, payload, sign),
            f"fetches the key from where the token says ({member})",
        )
        for member, name in names.items()
    ]
    return forgeries, documents


def kid_traversal(token: str) -> list[Forgery]:
    """The token with a kid that leads a careless look-up to a secret that everybody knows."""
    head, payload = {**header(token), "alg": "HS256"}, _parts(token)[1]
    made = []
    files = {
        "dev-null": "../../../../dev/null",
        "dev-null-deep": "../" * 12 + "dev/null",
        "dev-null-absolute": "/dev/null",
        "dev-null-url": "file:///dev/null",
    }
    # An HMAC fills its key up with zeros, so the empty key and a NUL byte sign alike.
    for name, kid in files.items():
        made.append(
            Forgery(
                f"kid-{name}",
                _sealed({**head, "kid": kid}, payload, _hmac("HS256", b"")),
                f"reads its key from the file that kid names ({kid})",
            )
        )
    known = "wardproof-known-secret"
    injections = {
        "sql": f"x' UNION SELECT '{known}' -- ",
        "sql-double": f"x\" UNION SELECT '{known}' -- ",
        "sql-number": f"0 UNION SELECT '{known}' -- ",
    }
    for name, kid in injections.items():
        made.append(
            Forgery(
                f"kid-{name}",
                _sealed({**head, "kid": kid}, payload, _hmac("HS256", known.encode())),
                "puts kid into the SQL by which it looks its key up",
            )
        )
    return made


# Signing properly


def minted(
    token: str,
    key_pem: str | bytes,
    changes: Mapping[str, Any],
    remove: Iterable[str] = (),
) -> str:
    """The token with other claims, properly signed with the key that its owner gave.

    `key_pem` is a private key in PEM, or the secret of an HMAC; of the `secret_forms` of a text
    the one that signed the token is used, the text itself if none did. The token's header and
    algorithm are kept if the key fits it, else the algorithm is the usual one of the key. Raises
    ValueError for a key that cannot sign.
    """
    key = _private(token, key_pem)
    gone = set(remove)
    payload = {name: value for name, value in claims(token).items() if name not in gone}
    head = header(token)
    alg = _fitting(str(head.get("alg")), key)
    return _sealed({**head, "alg": alg}, _segment({**payload, **changes}), _signer(alg, key))


def _private(token: str, given: str | bytes) -> Private:
    raw = given.encode() if isinstance(given, str) else given
    if b"-----BEGIN" not in raw:
        return (_signing(token, given) if isinstance(given, str) else None) or raw
    try:
        key = load_pem_private_key(raw.strip() + b"\n", password=None)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"the signing key is no private key in PEM without a passphrase: {error}"
        ) from None
    if isinstance(
        key,
        rsa.RSAPrivateKey
        | ec.EllipticCurvePrivateKey
        | ed25519.Ed25519PrivateKey
        | ed448.Ed448PrivateKey,
    ):
        return key
    raise ValueError("the signing key must be an RSA, EC or Edwards-curve key (RFC 7518, RFC 8037)")


def _fitting(alg: str, key: Private) -> str:
    """`alg` if the key can sign by it, else the usual algorithm of the key."""
    if isinstance(key, bytes):
        return alg if alg in _HASHES else "HS256"
    if isinstance(key, rsa.RSAPrivateKey):
        known = alg in get_default_algorithms() and alg.startswith(("RS", "PS"))
        return alg if known else "RS256"
    if isinstance(key, ec.EllipticCurvePrivateKey):
        for name, curve in _CURVES.items():
            if isinstance(key.curve, curve):
                return name
        raise ValueError(f"no algorithm signs with the curve {key.curve.name} (RFC 7518)")
    return alg if alg.startswith("Ed") else "EdDSA"


# Keys of ours


def _alg(token: str) -> str:
    alg = header(token).get("alg")
    known = alg in _HASHES or alg in get_default_algorithms() or alg == "Ed25519"
    return str(alg) if known and alg not in ("none", "ES521") else "RS256"


def _asymmetric(token: str) -> tuple[str, Private]:
    alg = _alg(token)
    alg = "RS256" if alg in _HASHES else alg
    return alg, _fresh(alg)


@cache
def _fresh(alg: str) -> Private:
    """A key that no target can know; one for each algorithm and process, as they take long."""
    if alg in _HASHES:
        return secrets.token_bytes(64)
    if alg in _CURVES:
        return ec.generate_private_key(_CURVES[alg]())
    if alg.startswith("Ed"):
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _jwk(key: Private, alg: str, kid: str | None) -> dict[str, Any]:
    assert not isinstance(key, bytes)
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        found = RSAAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        found = ECAlgorithm.to_jwk(public, as_dict=True)
    else:
        found = OKPAlgorithm.to_jwk(public, as_dict=True)
    found = {name: value for name, value in found.items() if name != "key_ops"}
    return {**found, "use": "sig", "alg": alg, **({"kid": kid} if kid else {})}


def _certificate(key: Private) -> bytes:
    """A certificate in DER that the key signed for itself."""
    assert not isinstance(key, bytes)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "wardproof")])
    edwards = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2049, 12, 31, tzinfo=dt.UTC))
        .sign(key, None if edwards else hashes.SHA256())
    )
    return built.public_bytes(Encoding.DER)


# Guessing


def weak_secret(token: str, words: Iterable[str]) -> str | None:
    """The word whose HMAC is the token's signature, None if none is; nothing is sent.

    Each word is tried as it is, in base64, decoded from base64 and hex; 200,000 words at most.
    `minted` takes what is found as its key.
    """
    if header(token).get("alg") not in _HASHES:
        return None
    return next(
        (word for word in islice(words, _MOST_WORDS) if _signing(token, word) is not None), None
    )


def _signing(token: str, word: str) -> bytes | None:
    """The form of `word` that signed the token."""
    alg = header(token).get("alg")
    if alg not in _HASHES:
        return None
    signed, _, signature = token.rpartition(".")
    wanted, name = _decoded(signature), _HASHES[alg]
    return next(
        (one for one in secret_forms(word) if hmac.digest(one, signed.encode(), name) == wanted),
        None,
    )


def secret_forms(word: str) -> list[bytes]:
    """The secrets that a word may stand for: itself, in base64, and what it is base64 or hex of."""
    plain = word.encode()
    found = [plain, base64.b64encode(plain), base64.b64encode(plain).rstrip(b"=")]
    found.append(base64.urlsafe_b64encode(plain).rstrip(b"="))
    padded = plain + b"=" * (-len(plain) % 4)
    with contextlib.suppress(binascii.Error):
        found.append(
            base64.b64decode(padded.translate(bytes.maketrans(b"-_", b"+/")), validate=True)
        )
    with contextlib.suppress(ValueError):
        found.append(bytes.fromhex(word))
    return list(dict.fromkeys(found))


def words(extra: Iterable[str] = ()) -> list[str]:
    """The words of fixtures/tables/weak_secrets.txt, and those made from what is known of a target.

    `extra` are names, hosts, issuers and audiences; of a URL its host and the labels of that count.
    """
    made = [word for text in extra for word in _made_from(text)]
    return list(dict.fromkeys([*_dictionary(), *made]))


@cache
def _dictionary() -> tuple[str, ...]:
    lines = _DICTIONARY.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("# "))


_ENDINGS = (
    "secret",
    "jwt",
    "jwt_secret",
    "jwt_key",
    "key",
    "secret_key",
    "token",
    "password",
    "api",
)
_NUMBERS = ("1", "12", "123", "1234", "12345", "!", "123!", "@123", "2023", "2024", "2025", "2026")


def _made_from(text: str) -> Iterator[str]:
    text = text.strip()
    if not text:
        return
    yield text
    host = ""
    if "." in text and not re.search(r"\s", text):
        with contextlib.suppress(ValueError):
            host = urlsplit(text if "://" in text else f"//{text}").hostname or ""
    labels = [label for label in host.split(".")[:-1] if label and label != "www"]
    parts = [part for part in re.split(r"[^A-Za-z0-9]+", text) if part]
    names = [host, *labels] if host else [text.removesuffix("/")]
    if not host and len(parts) > 1:
        names += [glue.join(parts) for glue in ("", "-", "_", ".")]
        names.append("".join(part[0] for part in parts))
    for name in filter(None, names):
        lower = name.lower()
        for spelt in (name, lower, name.upper(), lower.capitalize()):
            yield spelt
            yield from (spelt + number for number in _NUMBERS)
        for ending in _ENDINGS:
            for glue in ("-", "_", "."):
                joined = f"{lower}{glue}{ending.replace('_', glue)}"
                yield joined
                yield joined.upper()
            yield lower + ending.replace("_", "")
        camel = "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", lower))
        yield from (f"{camel}Secret", f"{camel}JwtSecret", f"{camel}SecretKey", f"{camel}Key")
