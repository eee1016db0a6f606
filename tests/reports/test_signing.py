"""Keys, signatures and envelopes."""

import base64
import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from conformance.cli import main
from reports import signing
from reports.signing import SigningError

PRIVATE, PUBLIC = signing.generate()
OTHER_PRIVATE, OTHER_PUBLIC = signing.generate()
KIND = "application/vnd.in-toto+json"


def test_a_signature_holds_for_its_key_only() -> None:
    envelope = signing.sign(KIND, b"what was found", PRIVATE)

    assert signing.check(envelope, [OTHER_PUBLIC, PUBLIC]) == [signing.key_id(PUBLIC)]
    assert signing.check(envelope, [OTHER_PUBLIC]) == []
    assert signing.opened(envelope) == (KIND, b"what was found")


def test_what_is_signed_is_the_encoding_that_dsse_prescribes() -> None:
    """The test vector of the DSSE protocol: type and body of known lengths."""
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    envelope = signing.sign("http://example.com/HelloWorld", b"hello world", pem)

    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    key.public_key().verify(signature, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world")


def test_a_key_id_is_the_key() -> None:
    identifier = signing.key_id(PUBLIC)
    raw = bytes.fromhex(identifier.removeprefix("ed25519:"))

    restored = ed25519.Ed25519PublicKey.from_public_bytes(raw)
    assert restored.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) == PUBLIC
    assert signing.key_id(identifier.encode()) == identifier
    assert signing.public_of(PRIVATE) == identifier
    envelope = signing.sign(KIND, b"x", PRIVATE)
    assert signing.check(envelope, [identifier.encode()]) == [identifier]


def test_a_second_signature_stands_beside_the_first() -> None:
    envelope = signing.sign(KIND, b"x", PRIVATE)
    both = signing.countersign(envelope, OTHER_PRIVATE)

    ids = [signing.key_id(PUBLIC), signing.key_id(OTHER_PUBLIC)]
    assert signing.signers(both) == ids
    assert signing.check(both, [PUBLIC, OTHER_PUBLIC]) == ids
    assert signing.countersign(both, PRIVATE)["signatures"][1]["keyid"] == ids[0]
    assert len(signing.countersign(both, PRIVATE)["signatures"]) == 2
    assert len(envelope["signatures"]) == 1


@pytest.mark.parametrize("part", ["payloadType", "payload", "sig"])
def test_nothing_signed_can_be_changed(part: str) -> None:
    envelope = signing.sign(KIND, b"what was found", PRIVATE)
    if part == "sig":
        flipped = bytearray(base64.b64decode(envelope["signatures"][0]["sig"]))
        flipped[7] ^= 1
        envelope["signatures"][0]["sig"] = base64.b64encode(flipped).decode()
    elif part == "payload":
        envelope["payload"] = base64.b64encode(b"what was founD").decode()
    else:
        envelope["payloadType"] = KIND + "x"

    assert signing.check(envelope, [PUBLIC]) == []


def test_a_signature_that_another_key_claims_does_not_hold() -> None:
    envelope = signing.sign(KIND, b"x", PRIVATE)
    envelope["signatures"][0]["keyid"] = signing.key_id(OTHER_PUBLIC)

    assert signing.check(envelope, [PUBLIC, OTHER_PUBLIC]) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"payload": "eA"}, "no base64"),
        ({"payload": "eB=="}, "mean nothing"),
        ({"payload": "eA==\n"}, "no base64"),
        ({"payload": 7}, "no text"),
        ({"payloadType": None}, "no text"),
        ({"signatures": {}}, "no list"),
        ({"signatures": [{}] * 65}, "no list"),
        ({"signatures": [{"keyid": "a"}]}, "keyid and sig only"),
        ({"signatures": [{"keyid": 1, "sig": "eA=="}]}, "no text"),
        ({"more": 1}, "only"),
    ],
)
def test_what_is_no_envelope_is_refused(change: dict[str, object], says: str) -> None:
    envelope = {**signing.sign(KIND, b"x", PRIVATE), **change}

    with pytest.raises(SigningError, match=says):
        signing.check(envelope, [PUBLIC])


def test_a_signature_that_is_none_holds_for_nobody() -> None:
    envelope = signing.sign(KIND, b"x", PRIVATE)
    for bad in ("", "eA==", 7, base64.b64encode(bytes(64)).decode()):
        envelope["signatures"][0]["sig"] = bad
        assert signing.check(envelope, [PUBLIC]) == []


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize(
    ("public", "says"),
    [
        (PRIVATE, "private key"),
        (b"", "no public key"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no public key"),
        (b"ed25519:12", "no key id"),
        (b"ed25519:" + b"A" * 64, "no key id"),
        (
            RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "another kind",
        ),
    ],
)
def test_what_is_no_public_key_is_refused(public: bytes, says: str) -> None:
    with pytest.raises(SigningError, match=says):
        signing.key_id(public)


@pytest.mark.parametrize(
    ("private", "says"),
    [
        (PUBLIC, "no private key"),
        (b"\xff\x00", "no private key"),
        (
            RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "another kind",
        ),
        (
            ed25519.Ed25519PrivateKey.generate().private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
            ),
            "passphrase",
        ),
    ],
)
def test_what_is_no_private_key_is_refused(private: bytes, says: str) -> None:
    with pytest.raises(SigningError, match=says):
        signing.sign(KIND, b"x", private)


def test_another_implementation_of_the_envelope_agrees() -> None:
    dsse = pytest.importorskip("securesystemslib.dsse")
    signer = pytest.importorskip("securesystemslib.signer")
    envelope = signing.sign(KIND, b'{"a": 1}', PRIVATE)

    theirs = dsse.Envelope.from_dict(json.loads(json.dumps(envelope)))
    key = signer.SSlibKey(
        envelope["signatures"][0]["keyid"],
        "ed25519",
        "ed25519",
        {"public": signing.key_id(PUBLIC).removeprefix("ed25519:")},
    )
    assert theirs.verify([key], 1)


def test_keygen_writes_a_pair_that_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "vendor.key"

    assert main(["keygen", "--out", str(path)]) == 0

    public = (tmp_path / "vendor.key.pub").read_bytes()
    assert signing.check(signing.sign(KIND, b"x", path.read_bytes()), [public])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert signing.key_id(public) in capsys.readouterr().out


@pytest.mark.parametrize("there", ["vendor.key", "vendor.key.pub"])
def test_keygen_writes_over_nothing(
    tmp_path: Path, there: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / there).write_bytes(b"precious")

    assert main(["keygen", "--out", str(tmp_path / "vendor.key")]) == 3

    assert "never written over" in capsys.readouterr().err.replace("no key is ever", "never")
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_bytes() == b"precious"


def test_keygen_into_no_folder_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keygen", "--out", str(tmp_path / "none" / "vendor.key")]) == 3
    assert "cannot be written" in capsys.readouterr().err
