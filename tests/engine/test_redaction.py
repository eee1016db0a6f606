"""No secret gets into evidence, however it is written; what is no secret stays readable."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest

from conformance.redaction import MASKED, Redactor

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
