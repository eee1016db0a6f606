"""Canonical JSON: the vectors of RFC 8785, and what it refuses."""

import json
import math
import random
import struct
from typing import Any

import pytest

from reports.canonical import GREATEST, encode


@pytest.mark.parametrize(
    ("bits", "written"),
    [  # RFC 8785, appendix B
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("ffefffffffffffff", "-1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("c340000000000000", "-9007199254740992"),
        ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("44b52d02c7e14af7", "1.0000000000000001e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("444b1ae4d6e2ef4f", "999999999999999900000"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"),
        ("41b3de4355555554", "333333333.33333325"),
        ("41b3de4355555555", "333333333.3333333"),
        ("41b3de4355555556", "333333333.3333334"),
        ("41b3de4355555557", "333333333.33333343"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)
def test_numbers_are_written_as_ecmascript_does(bits: str, written: str) -> None:
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert encode(value) == written.encode()


def test_whatever_is_written_reads_back_the_same() -> None:
    chance = random.Random(7)
    for _ in range(3_000):
        (value,) = struct.unpack(">d", chance.randbytes(8))
        if math.isfinite(value):
            assert float(json.loads(encode([value, {"é": value}]))[0]) == value


@pytest.mark.parametrize("value", [1.5, 0.25, 0.0001, 123456789.125, 4.2e15 + 0.5, -7.5])
def test_the_quick_way_and_the_long_one_write_the_same(value: float) -> None:
    plain = {"a": value}
    long = {"a": value, "é": 1}  # a key beyond ASCII takes the long way
    assert encode(long) == encode(plain)[:-1] + ',"é":1}'.encode()


def test_keys_are_sorted_by_their_utf_16_code_units() -> None:
    value = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    assert list(json.loads(encode(value)).values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


def test_texts_are_escaped_no_more_than_json_asks_for() -> None:
    text = '\u20ac$\x0f\nA\'B"\\\\"/\x7f\x85\u2028\u2029<&>'
    wanted = '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f\x85\u2028\u2029<&>"'
    assert encode(text) == wanted.encode()
    assert encode({"ä": text}) == b'{"' + "ä".encode() + b'":' + wanted.encode() + b"}"


def test_nesting_order_and_space() -> None:
    value = {"b": [True, None, {"z": 1, "a": ()}], "a": {}, "c": False}
    assert encode(value) == b'{"a":{},"b":[true,null,{"a":[],"z":1}],"c":false}'
    assert encode([value, 2.0]) == b"[" + encode(value) + b",2]"


def _deep() -> Any:
    value: Any = 0.5
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "nan"),
        ([float("inf")], "inf"),
        ({"a": -float("inf")}, "inf"),
        (GREATEST + 1, "16 digits"),
        (-(10**400), "401 digits"),
        ("\ud800", "U\\+D800"),
        ({"\udfff": 1}, "U\\+DFFF"),
        ({1: 2}, "a key of JSON is a text"),
        ({"a": b"bytes"}, "no bytes"),
        ([{1, 2}], "no set"),
        (_deep(), "too deeply"),
    ],
)
def test_what_json_cannot_hold_is_refused(value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        encode(value)


def test_the_greatest_whole_numbers_are_held() -> None:
    assert encode([GREATEST, -GREATEST]) == b"[9007199254740991,-9007199254740991]"
