"""Declared limits of the clinic hold, and it is seen when they do not."""

from pathlib import Path
from typing import Any

import pytest

from tests.clinic.app import make
from tests.clinic.serving import served
from tests.runs.calling import run, target
from tests.runs.forking import Forker

OPERATION, RESET, PAGE = "*operations-hold*", "*resets-hold*", "*pages-have*"


def _declared(data: dict[str, Any]) -> None:
    """The clinic's target file with what the clinic limits."""
    data["resources"]["patient"]["recent"] = {
        "request": "GET /patients/recent",
        "items": "$.items[*]",
        "limit": {"requests": 20, "seconds": 60},
    }
    for role in ("clerk", "doctor"):
        data["policy"][role]["patient"]["recent"] = "allow:desk"
    data["resources"]["appointment"]["list"]["next"] |= {"size": "limit", "most": 4}
    data["accounts"] = {
        "reset_password": {
            "request": "POST /reset",
            "json": {"user": "{user}"},
            "limit": {"requests": 4, "seconds": 60},
        }
    }


@pytest.mark.parametrize(
    ("fault", "cases", "rules"),
    [
        (None, "*", set()),
        ("unlimited", OPERATION, {"limit.unlimited"}),
        ("limit-by-address", OPERATION, {"limit.sidestepped"}),
        ("no-retry-after", OPERATION, {"limit.retry-after"}),
        ("resets-unlimited", RESET, {"limit.unlimited"}),
        ("endless-page", PAGE, {"limit.page"}),
        ("minus-one", PAGE, {"limit.page"}),
    ],
)
def test_limits(
    fault: str | None, cases: str, rules: set[str], tmp_path: Path, forker: Forker
) -> None:
    folder = target(tmp_path / "target", _declared)
    with served(make(*([fault] if fault else []))) as url:
        done = run(
            tmp_path / "out",
            *("--base-url", url, "--suite", "limits", "--case", cases),
            target=folder,
            by=forker.wardproof,
        )
    assert done.code == (1 if fault else 0), done.called.said
    assert done.rules == rules
    failed = [case for case, outcome in done.outcomes.items() if outcome == "fail"]
    assert len(failed) == (1 if fault else 0)
    assert set(done.outcomes.values()) <= {"pass", "fail", "not_claimed"}


def test_outside_the_loopback_limits_are_tried_only_if_allowed(tmp_path: Path) -> None:
    from conformance.instances import NotTried
    from conformance.redaction import Redactor
    from conformance.target import Target
    from conformance.trials.setting import may_disrupt
    from conformance.wire import Wire
    from conformance.world import World

    def world(**system: Any) -> World:
        described = Target.model_validate(
            {
                "system": {"name": "Ward", "base_url": "https://ward.example", **system},
                "login": {"key": {"send": {"X-Key": "{key}"}}},
                "personas": {"nurse": {"role": "nurse", "key": "k"}},
                "resources": {},
                "policy": {"nurse": {}},
            }
        )
        return World(described, Wire(described, "https://ward.example", Redactor()), {}, 1)

    may_disrupt(world(allow_disruption=True))
    with pytest.raises(NotTried, match=r"system\.allow_disruption: true"):
        may_disrupt(world())
