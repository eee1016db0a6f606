"""Each forgery fools the careless verifier that it is made for, and never a careful one."""

import base64
import datetime as dt
import hmac
import json
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from conformance import forgery
from conformance.forgery import Forgery, header, is_jwt

CLAIMS: dict[str, Any] = {
    "iss": "https://id.hospital.example",
    "sub": "7f6f5a4e-0f4b-4c5e-9d5a-2b7d9a3d1c0f",
    "tenant": "north",
    "iat": int(time.time()) - 5,
    "nbf": int(time.time()) - 5,
    "exp": int(time.time()) + 600,
    "roles": ["nurse"],
    "admin": False,
    "realm": {"level": 1},
    "nothing": None,
}
# Short keys are what some of these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
URL = "http://127.0.0.1:4999/keys"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS: dict[str, Any] = {
    "RS256": RSA,
    "PS384": RSA,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "HS256": "correct-horse-battery-staple-and-more-of-it",
}
HASHES = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}


def token(alg: str = "RS256", kid: str | None = "k1", key: Any = None) -> str:
    return jwt.encode(CLAIMS, key or KEYS[alg], alg, headers={"kid": kid} if kid else None)


def pem(key: Any) -> str:
    if isinstance(key, str):
        return key
    written: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return written.decode()


def published(alg: str = "RS256", **more: Any) -> dict[str, Any]:
    """The public key as a target publishes it."""
    algorithm: Any = jwt.get_algorithm_by_name(alg)
    return {**algorithm.to_jwk(KEYS[alg].public_key(), as_dict=True), "kid": "k1", **more}


def certified() -> dict[str, Any]:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hospital")])
    made = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, RSA.public_key(), 7)
        .not_valid_before(made)
        .not_valid_after(made.replace(year=2045))
        .sign(RSA, hashes.SHA256())
    )
    return published(x5c=[base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()])


def decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def opened(text: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Header, claims, what was signed, the signature; by this test's own reading."""
    head, payload, signature = (*text.split("."), "")[:3]
    signed = f"{head}.{payload}".encode()
    return json.loads(decoded(head)), json.loads(decoded(payload)), signed, decoded(signature)


def hmac_fits(text: str, secret: bytes) -> bool:
    head, _, signed, signature = opened(text)
    return hmac.digest(secret, signed, HASHES[head["alg"]]) == signature


def key_fits(text: str, key: Any) -> bool:
    head, _, signed, signature = opened(text)
    algorithm = jwt.get_algorithm_by_name(head["alg"])
    return algorithm.verify(signed, key, signature)


def every(alg: str) -> list[Forgery]:
    text = token(alg)
    jwks = [certified(), published("ES256", kid="k2")]
    return [
        *forgery.unsigned(text),
        *forgery.resigned_with_public_key(text, jwks),
        *forgery.altered(text),
        *forgery.with_claims(text, {"tenant": "south"}),
        *forgery.foreign_key(text),
        *forgery.remote_key(text, URL)[0],
        *forgery.kid_traversal(text),
    ]


@pytest.mark.parametrize("alg", KEYS)
def test_a_careful_verifier_takes_none(alg: str) -> None:
    key = KEYS[alg] if alg == "HS256" else KEYS[alg].public_key()
    assert jwt.decode(token(alg), key, [alg])["tenant"] == "north"
    for forged in every(alg):
        with pytest.raises(jwt.InvalidTokenError):
            jwt.decode(forged.token, key, [alg])


@pytest.mark.parametrize("alg", KEYS)
def test_each_has_a_name_of_its_own_and_says_why(alg: str) -> None:
    made = every(alg)
    names = [one.name for one in made]
    assert len(set(names)) == len(names)
    assert len({one.token for one in made}) == len(made)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in names)
    assert all(one.why for one in made)


# The algorithm none


def test_none_fools_whoever_lets_the_header_choose() -> None:
    made = {one.name: one for one in forgery.unsigned(token())}
    for spelling in ("none", "None", "NONE", "nOnE"):
        bare, kept = made[f"alg-{spelling}"], made[f"alg-{spelling}-signature-kept"]
        assert opened(bare.token)[0] == {**header(token()), "alg": spelling}
        assert bare.token.endswith(".")
        assert kept.token.split(".")[2] == token().split(".")[2]
        assert opened(bare.token)[1] == opened(kept.token)[1] == CLAIMS


def test_a_missing_signature_fools_whoever_checks_only_what_is_there() -> None:
    def careless(text: str) -> bool:
        parts = text.split(".")
        return len(parts) < 3 or not parts[2] or key_fits(text, RSA.public_key())

    made = {one.name: one.token for one in forgery.unsigned(token())}
    assert made["no-signature"].count(".") == 2
    assert made["no-signature-part"].count(".") == 1
    assert careless(made["no-signature"])
    assert careless(made["no-signature-part"])


# The public key as a secret


def kept() -> dict[str, bytes]:
    """The forms in which a verifier may hold the published key."""
    key = RSA.public_key()
    jwk = certified()
    spki = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    pkcs1 = key.public_bytes(Encoding.PEM, PublicFormat.PKCS1)
    x5c = jwk["x5c"][0]
    certificate = x509.load_der_x509_certificate(base64.b64decode(x5c))
    return {
        "spki-pem": spki,
        "spki-pem-stripped": spki.strip(),
        "spki-der": key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "pkcs1-pem": pkcs1,
        "pkcs1-pem-stripped": pkcs1.strip(),
        "pkcs1-der": key.public_bytes(Encoding.DER, PublicFormat.PKCS1),
        "x5c": x5c.encode(),
        "x5c-pem": certificate.public_bytes(Encoding.PEM),
        "x5c-der": base64.b64decode(x5c),
        "jwk": json.dumps(jwk, separators=(",", ":")).encode(),
        "jwk-spaced": json.dumps(jwk).encode(),
        "n": jwk["n"].encode(),
        "n-bytes": decoded(jwk["n"]),
    }


@pytest.mark.parametrize("form", kept())
@pytest.mark.parametrize("alg", HASHES)
def test_the_public_key_fools_whoever_lets_the_header_choose(form: str, alg: str) -> None:
    made = {one.name: one for one in forgery.resigned_with_public_key(token(), [certified()])}
    forged = made[f"{alg.lower()}-{form}"].token
    assert hmac_fits(forged, kept()[form])
    assert opened(forged)[0] == {"alg": alg, "typ": "JWT", "kid": "k1"}
    assert opened(forged)[1] == CLAIMS


@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
def test_the_public_key_may_be_of_any_kind(alg: str) -> None:
    key = KEYS[alg].public_key()
    secret = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    made = forgery.resigned_with_public_key(token(alg), [published(alg)])
    assert [one.name for one in made if hmac_fits(one.token, secret)] == [
        "hs256-spki-pem",
        "hs384-spki-pem",
        "hs512-spki-pem",
    ]
    assert any(hmac_fits(one.token, published(alg)["x"].encode()) for one in made)


def test_only_the_key_that_the_token_names_is_used() -> None:
    other = published("ES256", kid="k2")
    both = forgery.resigned_with_public_key(token(), [other, certified()])
    alone = forgery.resigned_with_public_key(token(), [certified()])
    assert [one.name for one in both] == [one.name for one in alone]
    nameless = forgery.resigned_with_public_key(token(kid=None), [other, certified()])
    assert {one.name[-2:] for one in nameless} == {"-1", "-2"}


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {"kty": "RSA", "kid": "k1"},
        {"kty": "RSA", "n": "*", "e": "AQAB"},
        {"kty": "RSA", "n": 5, "e": []},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": "A" * 43},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "new", "x": "AAAA"},
    ],
)
def test_a_key_that_cannot_be_read_makes_nothing(jwk: dict[str, Any]) -> None:
    assert forgery.resigned_with_public_key(token(), [jwk]) == []


# Changes under the old signature


def test_changed_claims_keep_type_and_signature() -> None:
    made = {one.name: opened(one.token) for one in forgery.altered(token())}
    head, _, _, signature = opened(token())
    for name, value in CLAIMS.items():
        if value is None:
            assert f"claim-{name}-altered" not in made
            continue
        found = made[f"claim-{name}-altered"]
        assert (found[0], found[3]) == (head, signature)
        assert {key for key in CLAIMS if found[1][key] != CLAIMS[key]} == {name}
        assert type(found[1][name]) is type(value)
    times = {name: made[f"claim-{name}-altered"][1][name] for name in ("iat", "nbf", "exp")}
    assert times["nbf"] <= time.time() < times["exp"]
    assert re.fullmatch(r"[0-9a-f-]{36}", made["claim-sub-altered"][1]["sub"])


@pytest.mark.parametrize("value", ["", "-", "straße", "Z", "9", "f", "zz", [], {}, 0, 1.5, ["", 1]])
def test_any_claim_changes(value: Any) -> None:
    text = jwt.encode({"x": value}, KEYS["HS256"], "HS256")
    (found,) = [one for one in forgery.altered(text) if one.name == "claim-x-altered"]
    changed = opened(found.token)[1]["x"]
    assert changed != value
    assert type(changed) is type(value)


def test_the_signature_is_altered_in_its_middle() -> None:
    found = forgery.altered(token())[0]
    before, after = opened(token()), opened(found.token)
    assert found.name == "signature-altered"
    assert after[:3] == before[:3]
    (place,) = [i for i in range(len(before[3])) if before[3][i] != after[3][i]]
    assert place == len(before[3]) // 2


def test_claims_are_replaced_and_added() -> None:
    (found,) = forgery.with_claims(token(), {"tenant": "south", "sub": CLAIMS["sub"], "x/y": 1})
    assert found.name == "claims-tenant-x-y"
    assert opened(found.token)[1] == {**CLAIMS, "tenant": "south", "x/y": 1}
    assert opened(found.token)[3] == opened(token())[3]
    assert forgery.with_claims(token(), {"tenant": "north"}) == []


# Keys of ours


def brought(head: dict[str, Any]) -> Any:
    """The key that a header brings along."""
    if "x5c" in head:
        return x509.load_der_x509_certificate(base64.b64decode(head["x5c"][0])).public_key()
    return jwt.PyJWK(head["jwk"]).key


@pytest.mark.parametrize("alg", KEYS)
def test_a_key_brought_along_fools_whoever_believes_it(alg: str) -> None:
    made = {one.name: one.token for one in forgery.foreign_key(token(alg))}
    for name in ("embedded-jwk", "embedded-x5c"):
        head = header(made[name])
        assert head["alg"] == ("RS256" if alg == "HS256" else alg)
        assert key_fits(made[name], brought(head))
        assert opened(made[name])[1] == CLAIMS
    assert header(made["embedded-jwk"])["jwk"]["kid"] == "k1"
    assert "d" not in header(made["embedded-jwk"])["jwk"]


@pytest.mark.parametrize("alg", KEYS)
def test_a_foreign_key_signs_by_the_same_algorithm(alg: str) -> None:
    made = {one.name: one.token for one in forgery.foreign_key(token(alg))}
    assert header(made["foreign-key"]) == header(token(alg))
    assert header(made["unknown-kid"])["kid"] not in ("k1", None)
    assert "kid" not in header(made["no-kid"])
    if alg != "HS256":
        key = brought(header(made["embedded-jwk"]))
        assert all(key_fits(made[name], key) for name in ("foreign-key", "unknown-kid", "no-kid"))
    assert "no-kid" not in {one.name for one in forgery.foreign_key(token(alg, kid=None))}


@pytest.mark.parametrize("alg", KEYS)
def test_a_remote_key_fools_whoever_fetches_it(alg: str) -> None:
    made, documents = forgery.remote_key(token(alg), URL)
    by_name = {one.name: one.token for one in made}

    def fetched(url: str) -> bytes:
        assert url.startswith("http://127.0.0.1:4999/")
        return documents[url.removeprefix("http://127.0.0.1:4999")]

    jku, x5u = by_name["remote-jku"], by_name["remote-x5u"]
    keys = jwt.PyJWKSet.from_json(fetched(header(jku)["jku"]).decode())
    assert key_fits(jku, keys["k1"].key)
    certificate = x509.load_pem_x509_certificate(fetched(header(x5u)["x5u"]))
    assert key_fits(x5u, certificate.public_key())


# Keys by kid


def test_kid_fools_whoever_reads_the_file_that_it_names() -> None:
    made = forgery.kid_traversal(token())
    files = [one for one in made if "dev-null" in one.name]
    assert len(files) == 4
    for one in files:
        kid = header(one.token)["kid"].removeprefix("file://")
        path: list[str] = []
        for part in (PurePosixPath("/srv/app/keys") / kid).parts:
            path = path[:-1] if part == ".." else [*path, part]
        assert "/".join(path).lstrip("/").endswith("dev/null")
        assert hmac_fits(one.token, b"")
        assert hmac_fits(one.token, b"\0")


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        ("kid-sql", "SELECT secret FROM keys WHERE kid = '{}'"),
        ("kid-sql-double", 'SELECT secret FROM keys WHERE kid = "{}"'),
        ("kid-sql-number", "SELECT secret FROM keys WHERE number = {}"),
    ],
)
def test_kid_fools_whoever_puts_it_into_sql(name: str, statement: str) -> None:
    (forged,) = [one.token for one in forgery.kid_traversal(token()) if one.name == name]
    store = sqlite3.connect(":memory:")
    store.execute("CREATE TABLE keys (kid TEXT, number INTEGER, secret TEXT)")
    store.execute("INSERT INTO keys VALUES ('k1', 1, 'nobody knows')")
    (secret,) = store.execute(statement.format(header(forged)["kid"])).fetchone()
    store.close()
    assert hmac_fits(forged, secret.encode())


# Signing properly


@pytest.mark.parametrize("alg", KEYS)
def test_what_is_minted_verifies(alg: str) -> None:
    key = KEYS[alg]
    public = key if alg == "HS256" else key.public_key()
    text = forgery.minted(token(alg), pem(key), {"tenant": "south", "new": 1}, ["admin", "unknown"])
    found = jwt.decode(text, public, [alg])
    assert found == {
        **{name: value for name, value in CLAIMS.items() if name != "admin"},
        "tenant": "south",
        "new": 1,
    }
    assert header(text) == header(token(alg))


@pytest.mark.parametrize(
    ("key", "alg"),
    [("RS256", "RS256"), ("ES512", "ES512"), ("EdDSA", "EdDSA"), ("HS256", "HS256")],
)
def test_a_key_of_another_kind_signs_by_its_usual_algorithm(key: str, alg: str) -> None:
    public = KEYS[key] if key == "HS256" else KEYS[key].public_key()
    text = forgery.minted(token("ES256"), pem(KEYS[key]), {})
    assert jwt.decode(text, public, [alg]) == CLAIMS


@pytest.mark.parametrize(
    "key",
    [
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        pem(ec.generate_private_key(ec.SECP192R1())),
    ],
)
def test_a_key_that_cannot_sign_is_an_error(key: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"signing key|no algorithm"):
        forgery.minted(token(), key, {})


# Guessing


@pytest.mark.parametrize("alg", HASHES)
@pytest.mark.parametrize(
    "spelt",
    [
        str.encode,
        lambda word: base64.b64encode(word.encode()),
        lambda word: base64.b64encode(word.encode()).rstrip(b"="),
    ],
)
def test_a_weak_secret_is_found(alg: str, spelt: Callable[[str], bytes]) -> None:
    text = token(alg, key=spelt("your-256-bit-secret"))
    assert forgery.weak_secret(text, forgery.words()) == "your-256-bit-secret"


@pytest.mark.parametrize("word", ["d2FyZHByb29m", "77617264", "-_-_"])
def test_a_word_may_stand_for_bytes(word: str) -> None:
    secret = bytes.fromhex(word) if word.isdigit() else base64.urlsafe_b64decode(word)
    text = token("HS256", key=secret)
    assert forgery.weak_secret(text, ["no", word]) == word
    for key in (word, secret):
        assert hmac_fits(forgery.minted(text, key, {"tenant": "south"}), secret)


def test_a_strong_secret_and_other_algorithms_are_not_guessed() -> None:
    assert forgery.weak_secret(token("HS256"), forgery.words(["hospital"])) is None
    assert forgery.weak_secret(token("RS256"), forgery.words()) is None


def test_words_are_many_and_without_comments() -> None:
    found = forgery.words()
    assert 250 < len(found) < 1000
    assert len(set(found)) == len(found)
    assert {"secret", "changeme", "your-256-bit-secret", "jwt_secret"} <= set(found)
    assert not [word for word in found if word.startswith("#") or word != word.strip()]


@pytest.mark.parametrize(
    ("known", "secret"),
    [
        ("St. Mary Hospital", "StMaryHospitalSecret"),
        ("St. Mary Hospital", "st-mary-hospital-jwt-secret"),
        ("Northwind", "northwind123"),
        ("Northwind", "NORTHWIND_SECRET"),
        ("https://id.hospital.example:8443/realms/x", "hospital_jwt_secret"),
        ("https://id.hospital.example/", "https://id.hospital.example/"),
        ("portal-api", "portal-api-secret"),
        ("portal.example", "portalsecret"),
    ],
)
def test_words_are_made_from_what_is_known(known: str, secret: str) -> None:
    assert secret not in forgery.words()
    text = token("HS256", key=secret)
    assert forgery.weak_secret(text, forgery.words(["", known])) == secret


# Telling tokens


@pytest.mark.parametrize("alg", KEYS)
def test_tokens_are_told(alg: str) -> None:
    text = token(alg)
    assert is_jwt(text)
    assert forgery.claims(text) == CLAIMS
    assert header(text) == {"alg": alg, "typ": "JWT", "kid": "k1"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "..",
        "a.b.c",
        "a-session-id",
        "www.hospital.example",
        "W10.W10.",
        "eyJhbGciOiJIUzI1NiJ9.W10.c2ln",
        "e30.e30.",
        "eyJ.eyJ.eyJ",
        "eyJhbGciOiJIUzI1NiJ9.e30",
        "eyJhbGciOiJIUzI1NiJ9.e30.c2ln.c2ln.c2ln",
        "é.é.é",
    ],
)
def test_other_texts_are_no_tokens(text: str) -> None:
    assert not is_jwt(text)


@pytest.mark.parametrize("text", ["", "opaque", "a.b.c"])
def test_other_texts_cannot_be_forged(text: str) -> None:
    for read in (header, forgery.claims, forgery.unsigned, forgery.foreign_key, forgery.altered):
        with pytest.raises(ValueError, match="token"):
            read(text)
