"""No secret gets into evidence, however it is written; what is no secret stays readable."""

import base64
import html
import json
import re
import string
from pathlib import Path
from urllib.parse import quote, quote_plus

import markupsafe
import pytest

from conformance import logs
from conformance.recording import numbered, redacted
from conformance.redaction import MASKED, Redactor, Shared
from reports.canonical import exchange_hash

SECRETS = [
    "correct horse battery",
    'quo"te\\and/slash+plus',
    "pässwörd-\u2603-long",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl",
    "0123456789abcdef",
]
WRITTEN = {
    "plain": lambda secret: secret,
    "url": lambda secret: quote(secret, safe=""),
    "form": quote_plus,
    "json": lambda secret: json.dumps({"p": secret}),
    "json-utf8": lambda secret: json.dumps({"p": secret}, ensure_ascii=False),
    "hex": lambda secret: secret.encode().hex(),
    "hex-upper": lambda secret: secret.encode().hex().upper(),
    "url-lower": lambda secret: re.sub(
        "%..", lambda found: found[0].lower(), quote(secret, safe="")
    ),
    "url-twice": lambda secret: quote(quote(secret, safe=""), safe=""),
    "html": html.escape,
    "html-decimal": lambda secret: str(markupsafe.escape(secret)),
    "json-slashes": lambda secret: json.dumps(secret)[1:-1].replace("/", "\\/"),
    "json-upper": lambda secret: re.sub(
        r"\\u....", lambda found: "\\u" + found[0][2:].upper(), json.dumps(secret)[1:-1]
    ),
    "json-in-html": lambda secret: json.dumps(secret)[1:-1].replace("+", "\\u002b"),
    "all-escaped": lambda secret: "".join(f"\\u{ord(sign):04x}" for sign in secret),
    "repr": lambda secret: repr(secret)[1:-1],
    "bytes": lambda secret: repr(secret.encode())[2:-1],
    "mojibake": lambda secret: secret.encode().decode("latin-1"),
}


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
def test_a_secret_is_masked_however_it_is_written(secret: str, write: object) -> None:
    assert callable(write)
    written = write(secret)
    shown = Redactor([secret]).text(f"before {written} after")
    assert MASKED in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    inner = json.dumps(secret)[1:-1]
    for form in (secret, inner, written.strip('{}"p: ')):
        assert form not in shown


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("before", ["", "u", "us", "use", "user:", "admin@north:"])
@pytest.mark.parametrize("after", ["", "!", ":x", "\n and more"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_inside_base64_is_masked_at_every_offset(
    secret: str, before: str, after: str, encode: object
) -> None:
    assert callable(encode)
    text = encode((before + secret + after).encode()).decode()
    shown = Redactor([secret]).text(f"Basic {text}")
    assert MASKED in shown
    # What is left of the text decodes to nothing of the secret that one could go on from.
    left = shown.removeprefix("Basic ").split(MASKED)
    assert sum(len(part) for part in left) <= len(text) - len(secret)


def test_a_longer_secret_is_masked_whole() -> None:
    shown = Redactor(["password", "password-and-more"]).text("is password-and-more here")
    assert shown == f"is {MASKED} here"


def test_secrets_that_start_alike_or_meet_are_masked_one_by_one() -> None:
    redactor = Redactor(["secretA-long", "secretA", "secretB"])
    assert redactor.text("secretAsecretBsecretA-longsecret") == f"{MASKED * 3}secret"
    assert redactor.text("ssecretA!") == f"s{MASKED}!"
    assert redactor.text("secre") == "secre"


@pytest.mark.parametrize("short", ["", "a", "12345"])
def test_a_short_secret_does_not_blank_out_ordinary_text(short: str) -> None:
    text = "a patient of 12345 in room 1"
    assert Redactor([short]).text(text) == text


def test_a_secret_learned_later_is_masked_from_then_on() -> None:
    redactor = Redactor()
    assert redactor.text("token-abcdef") == "token-abcdef"
    redactor.add("token-abcdef")
    redactor.add("token-uvwxyz")
    assert redactor.text("token-abcdef token-uvwxyz") == f"{MASKED} {MASKED}"


def test_other_text_stays_as_it_is() -> None:
    text = '{"name": "Ann", "password": "hidden"}'
    assert Redactor(["something else"]).text(text) == text


@pytest.mark.parametrize(
    ("header", "value", "shown"),
    [
        ("Authorization", "Bearer abc.def.ghi", f"Bearer {MASKED}"),
        ("authorization", "Basic YTpi", f"Basic {MASKED}"),
        ("Authorization", "abc.def.ghi", MASKED),
        ("Authorization", "k3y w1th spaces", MASKED),
        ("Cookie", "session=1; csrf=2", MASKED),
        ("Set-Cookie", "session=1; HttpOnly", MASKED),
        ("X-API-Key", "0123", MASKED),
        ("X-CSRF-Token", "0123", MASKED),
        ("Proxy-Authorization", "Basic YTpi", f"Basic {MASKED}"),
        ("Content-Type", "application/json", "application/json"),
        ("X-Tenant", "north", "north"),
    ],
)
def test_headers_with_credentials_keep_their_scheme_only(
    header: str, value: str, shown: str
) -> None:
    assert Redactor().headers([(header, value)]) == {header: shown}


def test_a_secret_in_any_other_header_is_masked_too() -> None:
    shown = Redactor(["tok-abcdef"]).headers([("X-Session", "tok-abcdef")])
    assert shown == {"X-Session": MASKED}


def test_headers_of_the_same_name_are_all_kept() -> None:
    shown = Redactor().headers([("Via", "a"), ("Via", "b"), ("Set-Cookie", "x=1")])
    assert shown == {"Via": "a, b", "Set-Cookie": MASKED}


@pytest.mark.parametrize("length", [6, 7, 8, 14, 15, 16, 31, 64])
@pytest.mark.parametrize("around", ["", "ü", "\N{GRINNING FACE}"])
def test_a_secret_is_found_at_every_place(length: int, around: str) -> None:
    secret = (string.ascii_letters + string.digits)[:length].ljust(length, "#")
    redactor = Redactor([secret, "another-secret-that-is-not-there", "s3cond", "short-one"])
    for before in range(20):
        for after in range(10):
            start, end = around + "." * before, "." * after + around
            assert redactor.text(start + secret + end) == start + MASKED + end
            assert redactor.text(start + secret[:-1] + end) == start + secret[:-1] + end


def test_what_overlaps_is_masked_as_one() -> None:
    redactor = Redactor(["abcdefgh12345678", "12345678ijklmnop"])
    assert redactor.text("<abcdefgh12345678ijklmnop>") == f"<{MASKED}>"


def test_a_seed_is_masked_as_the_bytes_that_it_stands_for() -> None:
    seed = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    raw = base64.b32decode(seed)
    redactor = Redactor([seed])
    for form in (seed.lower(), raw.hex(), raw.hex().upper(), base64.b64encode(raw).decode()[:-2]):
        assert MASKED in redactor.text(f"seed={form};"), form
    assert redactor.binary(b"<" + raw + b">") == f"<{MASKED}>".encode()
    spaced = " ".join(seed[at : at + 4] for at in range(0, len(seed), 4))
    assert redactor.text(f"Type {spaced}!") == f"Type {MASKED}!"


def test_of_a_key_each_line_is_a_secret() -> None:
    lines = [base64.b64encode(bytes([at]) * 48).decode() for at in range(3)]
    pem = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(lines) + "\n-----END PRIVATE KEY-----\n"
    redactor = Redactor([pem])
    for written in (pem, pem.replace("\n", "\r\n"), "".join(lines), lines[1]):
        shown = redactor.text(written)
        assert not [line for line in lines if line in shown]


def test_bytes_that_are_no_text_are_searched_as_well() -> None:
    redactor = Redactor(["pässwörd-of-clinic"])
    for encoding in ("utf-8", "latin-1", "utf-16-le"):
        raw = "pässwörd-of-clinic".encode(encoding)
        assert redactor.binary(b"\xff\x01" + raw + b"\x80") == b"\xff\x01[redacted]\x80"


def test_credentials_that_an_answer_hands_out_are_learned() -> None:
    redactor = Redactor()
    cookie, token, jwt = (
        "c00kie-that-is-rotated",
        "opaque-token-0123456789",
        "eyJhbGciOiJ9.eyJzdWIiOiJhIn0.",
    )
    jwt += "c2lnbmF0dXJlLW9mLWl0"
    redactor.overhear([("Set-Cookie", f"sid={cookie}; Path=/; HttpOnly")], b"")
    redactor.overhear([], json.dumps({"refresh_token": token, "note": f"x {jwt} y"}).encode())
    redactor.overhear([("Set-Cookie", "theme=dark")], b"\xff_token eyJ")
    shown = redactor.text(f"{cookie} {token} {jwt} dark")
    assert shown == f"{MASKED} {MASKED} {MASKED} dark"


def test_what_one_process_learns_the_others_know(tmp_path: Path) -> None:
    first, second = Redactor(["known-from-the-start"]), Redactor()
    one, other = Shared(tmp_path, first), Shared(tmp_path, second)
    first.add("learned-by-one\nwith a line end")
    assert second.text("learned-by-one\nwith a line end") != MASKED
    assert other.hear()
    assert second.text("learned-by-one\nwith a line end") == MASKED
    assert one.hear()
    assert not one.hear()
    assert (tmp_path / "secrets.jsonl").stat().st_mode & 0o777 == 0o600
    one.close()
    other.close()
    late = Redactor()
    Shared(tmp_path, late).close()
    assert late.text("learned-by-one\nwith a line end") == MASKED


def test_what_another_process_learned_is_masked_before_it_is_written() -> None:
    secret = "learned-elsewhere"
    said = {"id": "e1", "request": {"url": f"/?k={secret}"}, "response": None, "error": secret}
    said["hash"] = exchange_hash(said)
    finding = {"id": "F-1", "case": secret, "message": f"shows {secret}", "exchanges": ["e1"]}
    record = {
        "exchanges": [said],
        "verdict": {
            "case": secret,
            "reason": f"it shows {secret}",
            "findings": [finding],
            "seen": [said["hash"], "0" * 64],
        },
    }
    done = redacted(numbered(record, "gw0"), Redactor([secret]))
    assert done["exchanges"][0]["request"]["url"] == f"/?k={MASKED}"
    assert done["exchanges"][0]["hash"] == exchange_hash(done["exchanges"][0]) != said["hash"]
    assert done["verdict"]["seen"] == [done["exchanges"][0]["hash"], "0" * 64]
    assert done["verdict"]["findings"][0]["exchanges"] == ["gw0-e1"]
    assert done["verdict"]["findings"][0]["message"] == f"shows {MASKED}"
    # Names of ours stay, else a verdict would lose its case.
    assert done["verdict"]["case"] == secret


def test_a_log_is_copied_without_secrets_also_those_learned_later(tmp_path: Path) -> None:
    state, out = tmp_path / "state", tmp_path / "out"
    out.mkdir()
    state.mkdir()
    redactor = Redactor()
    log = logs.folder(state) / "target.log"
    mirror = logs.Mirror(state, out, redactor)
    log.write_bytes(b"issued token-learned-later\nhalf a li")
    mirror.follow()
    assert not (out / "target.log").exists()
    redactor.add("token-learned-later")
    mirror.follow()
    assert (out / "target.log").read_text() == f"issued {MASKED}\n"
    never_known = b"eyJhbGciOiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlLW9mLWl0"
    with log.open("ab") as more:
        more.write(b"ne\nBearer " + never_known + b"\n")
    logs.finish(state, out, redactor)
    assert (out / "target.log").read_text() == (f"issued {MASKED}\nhalf a line\nBearer {MASKED}\n")
