"""No password and no token is in any byte of a run's folder, however it is spelt."""

import base64
import json
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.clinic.app import make
from tests.clinic.serving import served
from tests.runs.calling import run

PASSWORD = 'Pä55"wörd+/&= of the clinic?'


def spellings(secret: str) -> set[bytes]:
    """The secret as it is, URL-encoded, JSON-escaped, as hex and inside base64 of longer texts."""
    raw = secret.encode()
    plain = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    plain |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], raw.hex()}
    for before in ("", ":", "xx", "user:", "Bearer "):
        encoded = base64.b64encode(before.encode() + raw).decode()
        inner = encoded[4 * ((len(before) + 2) // 3) : -4]
        plain |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {one.encode() for one in plain}


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
