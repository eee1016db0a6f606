"""A create whose answer holds no id: what was made is found by what was sent."""

from pathlib import Path
from typing import Any

import pytest

from tests.runs.calling import run, target


@pytest.mark.parametrize(("term", "code"), [("{sent.name}", 0), ("nobody has this name", 2)])
def test_an_id_is_looked_up_by_what_was_sent(tmp_path: Path, term: str, code: int) -> None:
    def change(data: dict[str, Any]) -> None:
        data["resources"]["patient"]["create"] |= {
            "id": "$.nowhere",
            "lookup": {
                "request": "GET /patients/search",
                "query": {"q": term},
                "take": {"id": "$.items[0].id"},
            },
        }

    folder = target(tmp_path / "target", change)
    done = run(
        tmp_path / "out", "--suite", "role_access", "--profile", "smoke", "-n", "1", target=folder
    )
    assert done.code == code, done.called.said


def test_a_lookup_says_where_the_id_is(tmp_path: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data["resources"]["patient"]["create"]["lookup"] = "GET /patients"

    done = run(tmp_path / "out", target=target(tmp_path / "target", change))
    assert done.code == 3
    assert "'lookup' needs 'take: {id: ...}'" in done.called.err
