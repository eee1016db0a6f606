"""Keys, signatures and envelopes: Ed25519 (RFC 8032) in DSSE (Dead Simple Signing Envelope, v1).

A key id is the public key itself, `ed25519:` and 64 hexadecimal digits: whoever is told the id over
another channel needs no key file to check a signature, and no id can name two keys.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

MOST_SIGNATURES = 64
_KEY_ID = re.compile(r"ed25519:[0-9a-f]{64}")


class SigningError(ValueError):
    """A key or an envelope is none; the message says what is wrong with it and what to do."""


def generate() -> tuple[bytes, bytes]:
    """A new key pair: the private key as PKCS 8, the public one as SubjectPublicKeyInfo, in PEM."""
    private = Ed25519PrivateKey.generate()
    return (
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )


def key_id(public: bytes) -> str:
    """The id of a public key that is given as PEM or already as its id.

    Raises SigningError for anything else, a private key and other kinds of keys included.
    """
    text = public.strip()
    if text.startswith(b"ed25519:"):
        return _checked(text.decode("ascii", "replace"))
    if b"PRIVATE KEY" in text:
        raise SigningError("is a private key: give the file beside it that ends in .pub")
    try:
        key = load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm):
        raise SigningError(
            "is no public key: give the .pub file that `wardproof keygen` wrote, or the id, which "
            "begins with ed25519:"
        ) from None
    if not isinstance(key, Ed25519PublicKey):
        raise SigningError("is a key of another kind; only Ed25519 keys are used here")
    return _id_of(key)


def public_of(private: bytes) -> str:
    """The id of the public key that belongs to a private one."""
    return _id_of(_private(private).public_key())


def sign(payload_type: str, payload: bytes, private: bytes) -> dict[str, Any]:
    """An envelope around `payload` with one signature."""
    return countersign(unsigned(payload_type, payload), private)


def unsigned(payload_type: str, payload: bytes) -> dict[str, Any]:
    """An envelope around `payload` that nobody has signed."""
    return {
        "payloadType": payload_type,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [],
    }


def countersign(envelope: Mapping[str, Any], private: bytes) -> dict[str, Any]:
    """`envelope` with the signature of `private` added, after those that are there.

    A key that has signed already signs again in place of its former signature.
    """
    key = _private(private)
    identifier = _id_of(key.public_key())
    payload_type, payload = opened(envelope)
    signature = key.sign(_encoded(payload_type, payload))
    kept = [dict(one) for one in envelope["signatures"] if one["keyid"] != identifier]
    if len(kept) >= MOST_SIGNATURES:
        raise SigningError(f"has {MOST_SIGNATURES} signatures already, and takes no more")
    added = {"keyid": identifier, "sig": base64.b64encode(signature).decode()}
    return {**envelope, "signatures": [*kept, added]}


def opened(envelope: object) -> tuple[str, bytes]:
    """The type and the bytes of what an envelope holds, whoever signed it.

    Raises SigningError unless it has the form of an envelope, in the one way of writing it.
    """
    if not isinstance(envelope, Mapping) or set(envelope) != {
        "payloadType",
        "payload",
        "signatures",
    }:
        raise SigningError("is no envelope: it must have payloadType, payload and signatures only")
    payload_type, signatures = envelope["payloadType"], envelope["signatures"]
    if not isinstance(payload_type, str):
        raise SigningError("is no envelope: its payloadType is no text")
    if not isinstance(signatures, list) or len(signatures) > MOST_SIGNATURES:
        raise SigningError(
            f"is no envelope: its signatures are no list of at most {MOST_SIGNATURES}"
        )
    for one in signatures:
        if not isinstance(one, Mapping) or set(one) != {"keyid", "sig"}:
            raise SigningError("is no envelope: a signature must have keyid and sig only")
        if not isinstance(one["keyid"], str):
            raise SigningError("is no envelope: the keyid of a signature is no text")
    return payload_type, _decoded(envelope["payload"], "payload")


def signers(envelope: Mapping[str, Any]) -> list[str]:
    """The key ids that the signatures name, in their order; none of them is checked."""
    opened(envelope)
    return [one["keyid"] for one in envelope["signatures"]]


def check(envelope: Mapping[str, Any], publics: Iterable[bytes]) -> list[str]:
    """The ids of those `publics` (PEM or ids) that signed `envelope`, in the order given.

    Raises SigningError for what is no envelope or no public key.
    """
    payload_type, payload = opened(envelope)
    encoded = _encoded(payload_type, payload)
    wanted = dict.fromkeys(key_id(public) for public in publics)
    return [
        identifier
        for identifier in wanted
        if any(
            one["keyid"] == identifier and _holds(identifier, one["sig"], encoded)
            for one in envelope["signatures"]
        )
    ]


def _holds(identifier: str, signature: object, encoded: bytes) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(identifier.partition(":")[2]))
        key.verify(_decoded(signature, "sig"), encoded)
    except (InvalidSignature, ValueError):
        return False
    return True


def _encoded(payload_type: str, payload: bytes) -> bytes:
    """What is signed: DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _decoded(text: object, what: str) -> bytes:
    """Base64, and only in the one way of writing it: else two texts would mean the same bytes."""
    if not isinstance(text, str):
        raise SigningError(f"is no envelope: its {what} is no text")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SigningError(f"is no envelope: its {what} is no base64") from None
    if base64.b64encode(data).decode() != text:
        raise SigningError(f"is no envelope: its {what} is base64 with bits that mean nothing")
    return data


def _private(private: bytes) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(private, password=None)
    except TypeError:
        raise SigningError("is locked with a passphrase; keys are used without one here") from None
    except (ValueError, UnsupportedAlgorithm):
        raise SigningError(
            "is no private key: give the file that `wardproof keygen` wrote"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningError("is a key of another kind; only Ed25519 keys are used here")
    return key


def _checked(identifier: str) -> str:
    if not _KEY_ID.fullmatch(identifier):
        raise SigningError("is no key id: it is ed25519: and 64 hexadecimal digits in lower case")
    return identifier


def _id_of(key: Ed25519PublicKey) -> str:
    return f"ed25519:{key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()}"
