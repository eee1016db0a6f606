"""How answers travel, where the clinic alone cannot show it: browser logins and TLS."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.handshake import unable
from tests.clinic.app import make
from tests.clinic.serving import served
from tests.runs import secured
from tests.runs.calling import run, target
from tests.runs.forking import Forker

COOKIES = "*session-cookies*"
TLS = ("*browsers-are-kept*", "*old-versions*", "*without-tls*")
TWO_WEEKS = "max-age=1209600"


def _browsers(data: dict[str, Any]) -> None:
    """Clerks log in as browsers do."""
    credentials = {"user": "{user}", "password": "{password}"}
    data["login"]["desk"] = {"request": "POST /desk", "json": credentials}
    for name, persona in data["personas"].items():
        persona["login"] = "desk" if name.startswith("clerk") else "password"


@pytest.mark.parametrize(
    ("fault", "rules"),
    [
        (None, set()),
        ("script-cookie", {"transport.cookie-script"}),
        ("plain-cookie", {"transport.cookie-plain"}),
        ("cross-site-cookie", {"transport.cookie-site"}),
    ],
)
def test_session_cookies(
    fault: str | None, rules: set[str], tmp_path: Path, forker: Forker
) -> None:
    folder = target(tmp_path / "target", _browsers)
    with served(make(*([fault] if fault else []))) as url:
        done = run(
            tmp_path / "out",
            *("--base-url", url, "--suite", "transport", "--case", COOKIES),
            target=folder,
            by=forker.wardproof,
        )
    assert done.code == (1 if fault else 0), done.called.said
    assert done.rules == rules
    assert sorted(done.outcomes.values()) == sorted(["not_claimed", "fail" if fault else "pass"])


def test_a_cookie_in_the_query_opens_nothing(tmp_path: Path, forker: Forker) -> None:
    folder = target(tmp_path / "target", _browsers)
    with served(make()) as url:
        done = run(
            tmp_path / "out",
            *("--base-url", url, "--suite", "transport", "--case", "*query*"),
            target=folder,
            by=forker.wardproof,
        )
    assert done.code == 0, done.called.said
    assert set(done.outcomes.values()) == {"pass"}
    assert any("desk.its-own-name" in case for case in done.outcomes)


@pytest.mark.parametrize(
    ("manners", "rules"),
    [
        ({}, set()),
        ({"hsts": None}, {"transport.hsts"}),
        ({"hsts": TWO_WEEKS}, {"transport.hsts"}),
        ({"oldest": ssl.TLSVersion.TLSv1_1}, {"transport.tls-version"}),
        ({"plain": True}, {"transport.plain"}),
    ],
    ids=["sound", "no HSTS", "two weeks of HSTS", "TLS 1.1", "without TLS"],
)
def test_tls(manners: dict[str, Any], rules: set[str], tmp_path: Path, forker: Forker) -> None:
    if "oldest" in manners and unable(manners["oldest"]):
        pytest.skip(str(unable(manners["oldest"])))
    pem = secured.certificate(tmp_path)
    folder = tmp_path / "target"
    folder.mkdir()
    with secured.ward(pem, **manners) as url:
        (folder / "target.yaml").write_text(yaml.safe_dump(secured.described(url, pem)))
        done = run(
            tmp_path / "out",
            *("--suite", "transport", *(f"--case={glob}" for glob in TLS)),
            target=folder,
            by=forker.wardproof,
        )
    assert done.rules == rules, done.called.said
    left = {name.split(".")[1] for name, one in done.outcomes.items() if one == "inconclusive"}
    assert left <= {"old-versions-of-tls-are-refused"}
    assert len(done.outcomes) == 4
    if rules:
        assert done.code == 1
