"""No password and no token is in any byte of a run's folder, however it is spelt."""

import base64
import html
import json
import os
import re
import secrets as random
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import jwt
import pyotp
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.clinic.app import make
from tests.clinic.serving import served
from tests.runs.calling import ROOT, environment, run

PASSWORD = 'Pä55"wörd+/&= of the clinic?'


def spellings(secret: str) -> set[bytes]:
    """The secret as it is, URL-encoded, JSON-escaped, as hex and inside base64 of longer texts."""
    raw = secret.encode()
    plain = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    plain |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], raw.hex()}
    plain |= {raw.hex().upper(), html.escape(secret), html.escape(secret, quote=False)}
    plain |= {re.sub("%..", lambda found: found[0].lower(), one) for one in set(plain)}
    plain |= {"".join(f"\\u{ord(sign):04x}" for sign in secret)}
    for before in ("", ":", "xx", "user:", "Bearer "):
        encoded = base64.b64encode(before.encode() + raw).decode()
        inner = encoded[4 * ((len(before) + 2) // 3) : -4]
        plain |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {one.encode() for one in plain}


PIECE = 16


def found(texts: set[bytes], content: bytes) -> set[bytes]:
    """Those of the texts that are in the content, in one pass over it for all long ones.

    Every long text has a whole piece of the content in it, at one of its first places.
    """
    short = {one for one in texts if len(one) < 2 * PIECE - 1}
    places = defaultdict(list)
    for text in texts - short:
        for at in range(PIECE):
            places[text[at : at + PIECE]].append((text, at))
    seen = {one for one in short if one in content}
    for start in range(0, len(content) - PIECE + 1, PIECE):
        for text, at in places.get(content[start : start + PIECE], ()):
            if content.startswith(text, max(start - at, 0)):
                seen.add(text)
    return seen


def test_what_is_looked_for_is_found_wherever_it_begins() -> None:
    texts = {random.token_bytes(length) for length in (5, 30, 31, 32, 47, 200)}
    for before in range(2 * PIECE):
        for text in texts:
            content = bytes(before) + text + bytes(before % 3)
            assert found(texts, content) == {text}
            assert found(texts, content.replace(text[-2:], b"??")) == set()


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "two-workers"])
def test_no_secret_is_in_the_evidence(workers: tuple[str, ...], tmp_path: Path) -> None:
    application = make("echoes", "wrong-refusal", password=PASSWORD)
    out = tmp_path / "out"
    with served(application) as url:
        done = run(
            out,
            *("--base-url", url, "--suite", "role_access", *workers),
            *("--case", "*ungranted*"),
            environ={"CLINIC": PASSWORD},
        )
    assert done.code == 1, done.called.said
    # The clinic did echo: what it said is in the evidence, but for the secret.
    answers = [record["response"] for record in done.of("exchange")]
    assert any("[redacted]" in one["body"] for one in answers if one and one["status"] == 400)
    secrets = [PASSWORD, *application.state.records.tokens]
    assert len(secrets) == 5
    files = [path for path in out.rglob("*") if path.is_file()]
    assert {"evidence.jsonl", "summary.json", "findings.sarif", "junit.xml"} <= {
        path.name for path in files
    }
    for path in files:
        content = path.read_bytes()
        for secret in secrets:
            for spelling in spellings(secret):
                assert spelling not in content, (path, spelling)
    for secret in secrets:
        assert secret not in done.called.said


WHOLE = os.environ.get("WARDPROOF_SECRETS", "")
"""The profile, gate or full, with which all suites are run; that takes as long as such a run."""

SUITES = ("authentication", "tokens", "accountability", "role_access", "transport")


def _listened_to(folder: Path, capture: Path) -> Path:
    """The hospital's target folder, with somebody before it who writes everything down."""
    shutil.copytree(ROOT / "fixtures" / "targets" / "hospital", folder)
    path = folder / "target.yaml"
    text = path.read_text(encoding="utf-8")
    before = '["{python}", "-m", "fixtures.hospital", "--port", "{port}", "--data", "{data}"]'
    assert text.count(before) == 1
    listening = ["{python}", str(Path(__file__).with_name("listening_in.py")), "{port}"]
    behind = ["{python}", "-m", "fixtures.hospital", "--port", "{inner}", "--data", "{data}"]
    command = json.dumps([*listening, str(capture), *behind])
    path.write_text(text.replace(before, command), encoding="utf-8")
    return folder


def _issued(capture: Path) -> Iterator[str]:
    """Every token and cookie that the hospital gave to anybody."""
    answers = capture.with_suffix(".answers").read_bytes().decode("utf-8", "replace")
    yield from re.findall(r'"(?:\w+_token|token)"\s*:\s*"([^"]{16,})"', answers)
    yield from re.findall(r"(?im)^set-cookie: *[^=]+=([^;\r\n]{16,})", answers)


def _valid(capture: Path, key: rsa.RSAPublicKey) -> Iterator[str]:
    """Every token that was sent and that the hospital's key has signed, whoever made it."""
    requests = capture.with_suffix(".requests").read_bytes().decode("utf-8", "replace")
    checks = {"verify_exp": False, "verify_aud": False, "verify_nbf": False, "verify_iat": False}
    for token in set(re.findall(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+", requests)):
        try:
            jwt.decode(token, key, algorithms=["RS256"], options=checks)  # type: ignore[arg-type]
        except jwt.PyJWTError:
            continue
        yield token


def test_no_secret_of_the_hospital_is_in_any_byte_of_any_artefact(tmp_path: Path) -> None:
    """Its log and the Allure results included. WARDPROOF_SECRETS=gate tries all suites."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    seed, password = pyotp.random_base32(), f"Pä55+/&={random.token_urlsafe(9)}"
    given = {"HOSPITAL_PASSWORD": password, "HOSPITAL_TOTP": seed, "HOSPITAL_TOKEN_KEY": pem}
    out, capture = tmp_path / "out", tmp_path / "capture"
    target = _listened_to(tmp_path / "target", capture)
    chosen = [] if WHOLE else [f"--suite={name}" for name in SUITES]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "conformance", "run", "--no-allure", "-n", "2"),
            *(f"--target={target}", f"--out={out}"),
            *(f"--profile={WHOLE or 'smoke'}", *chosen),
        ],
        cwd=ROOT,
        env=environment(**given),
        capture_output=True,
        timeout=None if WHOLE else 600,
        stdin=subprocess.DEVNULL,
    )
    said = done.stdout + done.stderr
    assert done.returncode in {0, 1, 2}, said.decode()
    tokens = {*_issued(capture), *_valid(capture, key.public_key())}
    assert len(tokens) > 20
    # What is looked for is there to be found: it did pass, and the target did log it.
    passed = b"".join(one.read_bytes() for one in tmp_path.glob("capture.*"))
    assert found(spellings(password), passed)
    issued = {token.encode() for token in tokens}
    assert found(issued, passed) == issued
    files = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    names = {path.name for path in files}
    assert {"evidence.jsonl", "summary.json", "junit.xml", "target.log", "index.html"} <= names
    assert any(path.parent.name == "allure-results" for path in files)
    assert files[out / "target.log"].count(b"[redacted]") > 100
    everything = b"\n".join([*files.values(), said])
    everywhere = {
        spelling
        for secret in (*tokens, password, seed, *_inside(seed, pem))
        for spelling in spellings(secret)
    }
    assert found(everywhere, everything) == set()
    raw = base64.b32decode(seed)
    assert found({raw, raw.hex().encode(), base64.b64encode(raw)[:-4]}, everything) == set()


def _inside(seed: str, pem: str) -> Iterator[str]:
    """The seed as people see it, and each line of the key."""
    yield seed.lower()
    yield " ".join(seed[at : at + 4] for at in range(0, len(seed), 4))
    yield from pem.splitlines()[1:-1]
