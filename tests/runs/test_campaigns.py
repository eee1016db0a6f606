"""What campaigns find in the kiosk: nothing in the sound one, and each fault that they meet."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance import oracles, run, sources, trials
from conformance.cases import Profile, stamp
from conformance.fuzz import odd, plan
from conformance.fuzz.campaign import Campaign, remember
from conformance.harness import Harness, NotConformant
from conformance.loading import load
from conformance.model import Answer, Case, Message, Result, Verdict
from conformance.verdicts import passed
from conformance.wire import Wire
from conformance.world import World
from tests.clinic.serving import served
from tests.kiosk.app import make
from tests.runs.calling import ROOT

KIOSK = ROOT / "tests" / "kiosk"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Campaigns that make up little beyond the enumeration, and have all the time they take."""
    monkeypatch.setattr(plan, "REQUESTS", dict.fromkeys(Profile, 60))
    monkeypatch.setattr(plan, "SECONDS", dict.fromkeys(Profile, 600.0))


@contextlib.contextmanager
def kiosk(folder: Path, *faults: str, **changes: Any) -> Iterator[Harness]:
    """A harness before a kiosk with `faults`."""
    with served(make(*faults)) as url:
        data = yaml.safe_load((KIOSK / "target.yaml").read_text())
        del data["system"]["start"]
        data["system"] |= {"base_url": url, "timeout": 2}
        (folder / "target.yaml").write_text(yaml.safe_dump({**data, **changes}))
        loaded = load(folder)
        with run.started(loaded, folder / "log") as place:
            yield run.harness(loaded, run.connect(loaded, place), 7, folder / "log")


@contextlib.contextmanager
def copied(folder: Path, *faults: str, **changes: Any) -> Iterator[Harness]:
    """A harness before a kiosk with `faults` of which there can be copies."""
    data = yaml.safe_load((KIOSK / "target.yaml").read_text())
    start = data["system"]["start"]
    start["command"] += faults
    start["environment"] = {"PYTHONPATH": str(ROOT)}
    (folder / "target.yaml").write_text(yaml.safe_dump({**data, **changes}))
    loaded = load(folder)
    with run.started(loaded, folder / "log") as place:
        harness = run.harness(loaded, run.connect(loaded, place), 7, folder / "log")
        try:
            yield harness
        finally:
            assert harness.world.replicas is not None
            harness.world.replicas.close()


def told(harness: Harness, *personas: str) -> list[Verdict]:
    """What the oracle says of the campaigns of `personas`, of all if none is named."""
    found: list[Verdict] = []
    for case in sources.fuzz.campaigns(harness.target, Profile.GATE):
        if not personas or case.persona in personas:
            case = stamp(case, "fuzz", "nothing-gives-way", "")  # noqa: PLW2901
            found += map(oracles.fuzz.withstood, trials.fuzz.campaign(harness.world, case))
    return found


def rules(verdicts: list[Verdict]) -> set[str]:
    return {str(one.rule) for one in verdicts if one.result is Result.FAIL}


def test_nothing_is_found_in_the_sound_kiosk(tmp_path: Path) -> None:
    with kiosk(tmp_path) as harness:
        verdicts = told(harness)
    assert [one.reason for one in verdicts if one.result is not Result.PASS] == []


FOUND = [
    ("crashes", "fuzz.server_error"),
    ("drifts", "contract.schema"),
    ("number-as-text", "contract.schema"),
    ("null-for-list", "contract.schema"),
    ("other-status", "contract.status"),
    ("other-type", "contract.content_type"),
    ("takes-anything", "fuzz.accepted"),
    ("any-method", "contract.method"),
    ("tells-inside", "disclosure.stack-trace"),
    ("tells-another", "leak.tenant"),
    ("any-role", "bfla.create"),
    ("done-and-denied", "side-effect.bfla"),
]


@pytest.mark.parametrize(("fault", "rule"), FOUND)
def test_each_fault_is_found(fault: str, rule: str, tmp_path: Path) -> None:
    with kiosk(tmp_path, fault) as harness:
        verdicts = told(harness)
    assert rules(verdicts) == {rule}


def _posted(where: World, path: str, body: dict[str, Any]) -> None:
    """A write as a campaign on that copy would have been served it."""
    headers = (("X-Key", "clerk.east"), ("Content-Type", "application/json"))
    sent = Message("POST", where.wire.url(path), headers, json.dumps(body).encode())
    answer = where.wire.send(sent, "clerk.east", "fuzz").answer
    assert answer is not None
    assert answer.status == 201
    remember(where, sent)


CARD = {"note": "", "weight": 70, "born": "2000-01-01"}


@pytest.mark.parametrize(
    ("fault", "name", "found"),
    [
        ("namesake", "guard.east", set()),
        ("eponym", "Guard", set()),
        ("any-role", "guard.east", {"bfla.create"}),
        ("any-role", "Guard", {"bfla.create"}),
    ],
)
def test_what_an_earlier_campaign_brought_about_is_no_finding(
    fault: str, name: str, found: set[str], tmp_path: Path
) -> None:
    with copied(tmp_path, fault) as harness:
        _posted(trials.fuzz.place(harness.world), "/cards", {"name": name, **CARD})
        verdicts = told(harness, "guard.east")
    assert rules(verdicts) == found


@pytest.mark.parametrize("altered", [False, True], ids=["as it was", "altered by fuzzing"])
def test_what_rests_on_a_role_that_fuzzing_may_have_given_is_no_finding(
    altered: bool, tmp_path: Path
) -> None:
    """What the other tenant keeps is nobody's in any role, and stays one."""

    def looked(world: World, _case: Case) -> list[Any]:
        for tenant in ("east", "west"):
            url = world.wire.url(f"/cards/{world.obtain('card', tenant, {}).id}")
            request = Message("GET", url, (("X-Key", "guard.east"),), b"")
            exchange = world.wire.send(request, "guard.east", "observe")
            world.altered.update([exchange.id] if altered else [])
        return [None]

    policy = {"clerk": {"card": {"*": "allow"}}, "guard": {"remark": {"list": "allow"}}}
    with kiosk(tmp_path, "other-town", policy=policy) as harness:
        (case, *_) = sources.fuzz.campaigns(harness.target, Profile.GATE)
        with pytest.raises(NotConformant):
            harness.judge(stamp(case, "fuzz", "looks", ""), looked, lambda _: passed("", ""))
        assert harness.judged is not None
        found = rules(list(harness.judged.failures))
    assert found == ({"leak.tenant"} if altered else {"leak.tenant", "leak.ungranted"})


def test_an_interrupt_ends_the_campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine takes one as the end of a phase."""
    main, sound, sent = threading.main_thread().ident, Campaign.deliver, []

    def deliver(self: Campaign, *arguments: Any) -> Any:
        sent.append(arguments)
        if len(sent) == 3:
            signal.pthread_kill(main or 0, signal.SIGINT)
        return sound(self, *arguments)

    monkeypatch.setattr(Campaign, "deliver", deliver)
    with kiosk(tmp_path) as harness, pytest.raises(KeyboardInterrupt):
        told(harness, "clerk.east")


def test_a_finding_is_small_and_shows_again_by_its_recipe_alone(tmp_path: Path) -> None:
    with kiosk(tmp_path, "takes-anything") as harness:
        found = [one for one in told(harness) if one.result is Result.FAIL]
        created = next(one for one in found if "POST /cards" in one.reason)
    assert created.detail is not None
    recipe = created.detail["recipe"]
    assert set(recipe["steps"][0]["body"]) == {"name", "weight", "born"}
    for fault, result in (("takes-anything", Result.FAIL), ("drifts", Result.PASS)):
        with kiosk(tmp_path, fault) as harness:
            harness.world.recipe = recipe
            (verdict,) = told(harness, recipe["persona"])
            assert verdict.result is result
            assert harness.world.wire.sent < 20


def test_a_check_that_is_off_says_nothing_and_is_listed(tmp_path: Path) -> None:
    off = {"response_schema_conformance": "the document is to be mended next month"}
    with kiosk(tmp_path, "null-for-list", fuzz={"off": off}) as harness:
        verdicts = told(harness, "clerk.east", "clerk.west")
    assert rules(verdicts) == set()
    assert verdicts[0].detail is not None
    assert verdicts[0].detail["off"] == off
    assert "response_schema_conformance" not in verdicts[0].detail["checks"]


def test_an_input_that_is_never_answered_is_found_or_ends_the_campaign(tmp_path: Path) -> None:
    with kiosk(tmp_path, "stalls") as harness:
        verdicts = told(harness, "clerk.east", "clerk.west", "guard.east", "guard.west")
    assert rules(verdicts) == {"fuzz.no_answer"}


def test_a_lost_login_leaves_the_campaign_without_a_verdict(tmp_path: Path) -> None:
    with kiosk(tmp_path, "logs-out") as harness:
        verdicts = told(harness)
    ended = [one for one in verdicts if one.result is Result.INCONCLUSIVE]
    assert rules(verdicts) == set()
    assert all("session" in one.reason for one in ended)
    assert ended


def test_a_target_that_hangs_up_ends_the_campaign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kiosk(tmp_path) as harness:
        campaigns = sources.fuzz.campaigns(harness.target, Profile.GATE)
        case = stamp(next(iter(campaigns)), "fuzz", "nothing-gives-way", "")
        trials.fuzz.campaign(harness.world, case)

        def hang_up(_wire: Wire, _message: Message) -> Answer:
            raise TimeoutError

        monkeypatch.setattr(Wire, "_exchange", hang_up)
        (history, *others) = trials.fuzz.campaign(harness.world, case)
    verdict = oracles.fuzz.withstood(history)
    assert verdict.result is Result.INCONCLUSIVE
    assert "no answer 5 times in a row" in verdict.reason
    assert others == []


def test_whoever_comes_after_a_lost_login_has_a_copy_of_their_own(tmp_path: Path) -> None:
    with copied(tmp_path, "logs-out") as harness:
        first = trials.fuzz.place(harness.world)
        assert trials.fuzz.place(harness.world) is first
        verdicts = told(harness, "guard.west", "guard.east")
        assert any("session" in one.reason for one in verdicts)
        assert trials.fuzz.place(harness.world) is not first


def test_the_books_of_the_copy_are_read_after_a_campaign(tmp_path: Path) -> None:
    cards = {"as": "clerk", "do": "card.list"}
    count = {**cards, "find": "$.items[*].id", "is": "count"}
    books = {
        "total": {"left": count, "right": {**cards, "find": "$.total"}, "relation": "at_most"},
        "none": {"says": "there are no cards", "left": count, "right": 0},
    }
    with copied(tmp_path, invariants=books) as harness:
        verdicts = told(harness, "guard.east")
    broken = [one for one in verdicts if one.result is Result.FAIL]
    assert {one.rule for one in broken} == {"invariants.differ"}
    assert all("there are no cards" in one.reason for one in broken)


def test_odd_values_ride_in_requests_that_are_known_to_be_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nul = next(one for one in odd.values("text") if "\0" in one.value)
    monkeypatch.setattr(odd, "values", lambda *_kinds: (nul,))
    monkeypatch.setattr(plan, "REQUESTS", dict.fromkeys(Profile, 0))
    with kiosk(tmp_path, "breaks-on-nul") as harness:
        verdicts = told(harness, "clerk.east", "clerk.west")
    assert rules(verdicts) == {"fuzz.server_error"}


def test_what_a_campaign_removed_is_there_again_for_the_next(tmp_path: Path) -> None:
    with kiosk(tmp_path) as harness:
        told(harness, "clerk.east", "clerk.west")
        world = harness.world
        card = world.obtain("card", "east", {})
        payload = world.payload("clerk.east", "card", "east", {"card": card}, id=card.id)
        template = world.target.operation("card", "read")
        read = world.send("clerk.east", template, payload, "test", ("card", "read"))
        (history, *_others) = told(harness, "guard.east")
    assert read.status == "200"
    assert history.detail is not None
    reached = {one["operation"]: one["statuses"] for one in history.detail["operations"]}
    assert "200" in reached["GET /cards/{card}"]


def test_time_that_is_up_before_everything_was_tried_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "SECONDS", dict.fromkeys(Profile, 0.0))
    monkeypatch.setattr(trials.fuzz, "_AT_LEAST", 0.0)
    with kiosk(tmp_path) as harness:
        (history, *_others) = told(harness, "clerk.west")
    assert history.result is Result.INCONCLUSIVE
