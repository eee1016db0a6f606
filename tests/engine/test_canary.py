"""Canaries: found wherever they turn up, known for whose they are, never mistaken."""

import base64
import html
import json
import random
import re
from collections.abc import Callable
from urllib.parse import quote

import pytest

from conformance.canary import Mint, Planted
from tests.engine.exchanges import answer

FIELDS = [("patient", "name"), ("patient", "alert"), ("note", "text")]
NAME = Planted("north", "patient", "name", None)


def mint(nonce: int = 1) -> Mint:
    return Mint(["north", "south"], FIELDS, nonce)


@pytest.mark.parametrize(
    "embed",
    [
        str,
        str.upper,
        str.capitalize,
        lambda token: json.dumps({"name": f"Ann {token}"}),
        lambda token: html.escape(f"<td>{token}</td>"),
        lambda token: f"<td>{token.title()}</td>",
        lambda token: f"{token}@example.org",
        lambda token: quote(f"a b/{token}"),
        lambda token: f'attachment; filename="{token}.pdf"',
        lambda token: f"prefix{token}suffix",
        lambda token: "x" * 5000 + token + "y" * 5000,
    ],
)
def test_a_token_survives_what_targets_do_to_text(embed: object) -> None:
    assert callable(embed)
    one = mint()
    token = one.token(NAME)
    assert one.find(embed(token)) == {token: NAME}


def test_a_token_is_letters_only() -> None:
    assert re.fullmatch(r"[a-z]+", mint().token(NAME))


def test_a_token_in_a_header_is_found() -> None:
    one = mint()
    token = one.token(NAME)
    seen = answer(200, {}, {"Content-Disposition": f"attachment; filename={token.upper()}.pdf"})
    assert one.find(seen.text) == {token: NAME}


def test_tokens_differ_and_are_all_found() -> None:
    one = mint()
    tokens = [one.token(NAME) for _ in range(500)]
    assert len(set(tokens)) == 500
    assert set(one.find(" ".join(tokens[:250]), " ".join(tokens[250:]))) == set(tokens)


@pytest.mark.parametrize("tenant", ["north", "south"])
@pytest.mark.parametrize("place", FIELDS)
def test_a_token_of_another_run_is_known_for_what_it_is(
    tenant: str, place: tuple[str, str]
) -> None:
    resource, field = place
    token = mint(nonce=987).token(Planted(tenant, resource, field, "patient-1"))
    assert mint(nonce=5).find(f"<p>{token.upper()}</p>") == {
        token: Planted(tenant, resource, field, None)
    }


def test_a_token_of_an_unknown_tenant_or_field_says_nothing() -> None:
    elsewhere = Mint(["east"], [("invoice", "sum")], 3)
    foreign = elsewhere.token(Planted("east", "patient", "name", None))
    strange = elsewhere.token(Planted("north", "invoice", "sum", None))
    assert mint().find(foreign, strange) == {}


def test_a_token_with_a_letter_changed_is_none() -> None:
    token = mint(nonce=9).token(NAME)
    for place in range(2, len(token)):
        letter = "b" if token[place] != "b" else "c"
        changed = token[:place] + letter + token[place + 1 :]
        assert mint().find(changed) == {}


def test_a_value_that_was_never_planted_is_well_formed_and_in_no_record() -> None:
    one = mint()
    token = one.never_planted("south", "patient", "name")
    assert token not in one.planted
    # To whoever meets it, it still says where it would belong.
    assert one.find(token) == {token: Planted("south", "patient", "name", None)}


@pytest.mark.parametrize("kind", ["hex", "base64", "letters", "consonants", "words"])
def test_random_text_holds_no_token(kind: str) -> None:
    rng = random.Random(20_28)
    noise = rng.randbytes(512 * 1024)
    size = 1024 * 1024
    texts: dict[str, Callable[[], str]] = {
        "hex": noise.hex,
        "base64": lambda: base64.b64encode(noise + rng.randbytes(256 * 1024)).decode(),
        "letters": lambda: "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=size)),
        "consonants": lambda: "".join(rng.choices("bcdfghjkmnpqrstvwxzq", k=size)),
        "words": lambda: " ".join(
            rng.choices("wq the patient was seen by nurse".split(), k=size // 6)
        ),
    }
    text = texts[kind]()
    assert len(text) > 500_000
    assert mint().find(text) == {}


def test_numbers_count_only_when_planted() -> None:
    one = mint()
    number = one.number(Planted("north", "patient", "phone", None))
    assert re.fullmatch(r"\d{12}", number)
    neighbor = str(int(number) + 1)
    found = one.find(f"+{number} {neighbor}")
    assert list(found) == [number]
    assert found[number].field == "phone"
    assert mint(nonce=77).find(number) == {}


def test_numbers_differ() -> None:
    one = mint()
    assert len({one.number(NAME) for _ in range(500)}) == 500


def test_an_instance_is_known_once_it_has_its_markers() -> None:
    one = mint()
    token, number = one.token(NAME), one.number(NAME)
    one.belongs([token, number], "patient-7")
    assert {planted.instance for planted in one.find(token, number).values()} == {"patient-7"}


def test_values_that_are_said_to_be_unique_are_markers() -> None:
    one = mint()
    one.known("Zyx O'Brien-Quux", NAME)
    assert one.find('{"name": "ZYX O\'BRIEN-QUUX"}') == {"zyx o'brien-quux": NAME}
    assert one.find("O'Brien") == {}


def test_values_too_short_to_be_unique_are_none() -> None:
    one = mint()
    one.known("Ann", NAME)
    assert one.find("Anna was here") == {}
