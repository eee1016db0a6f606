"""What is judged of acknowledged writes after a crash, and what the target file may say of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.document import InvalidDocument
from conformance.model import Result
from conformance.oracles.durability import LEAST, survived
from conformance.survival import Acknowledged, Kept, Survival
from conformance.trials import durability as trial
from tests.engine import targets

KILLED = 1000.0


def kept(*, there: bool | None = True, before: float = 0.1, **more: Any) -> Kept:
    write = Acknowledged(("bill", "create"), "clerk.north", "north", 7, KILLED - before)
    return Kept(write, there, **more)


def survival(*found: Kept) -> Survival:
    return Survival(KILLED, len(found), found)


SOUND = [kept() for _ in range(LEAST)]


def test_what_is_all_there_passes_and_says_what_that_is_worth() -> None:
    verdict = survived(survival(*SOUND, kept(before=9)))
    assert verdict.result is Result.PASS
    count = LEAST + 1
    said = f"{count} of {count} acknowledged writes were looked for and are there, {LEAST} of them"
    assert said in verdict.reason


def test_one_lost_write_fails() -> None:
    verdict = survived(survival(*SOUND, kept(there=False, before=0.25)))
    assert verdict.result is Result.FAIL
    assert verdict.rule == "durability.lost"
    assert "1 × bill.create" in verdict.reason
    assert "0.25 s" in verdict.reason


def test_what_did_not_follow_fails() -> None:
    verdict = survived(survival(*SOUND, kept(lacking=("entry in the audit trail",))))
    assert verdict.rule == "durability.half_done"
    assert "bill.create without its entry in the audit trail" in verdict.reason


def test_a_lost_write_is_told_with_its_acknowledgement() -> None:
    lost = kept(there=False)
    lost = replace(lost, write=replace(lost.write, said="POST /bills answered 201"))
    verdict = survived(survival(*SOUND, lost))
    assert "the last: POST /bills answered 201, with the id 7" in verdict.reason
    assert verdict.detail is not None
    (row,) = verdict.detail["lost"]
    assert (row["operation"], row["id"], row["before"]) == ("bill.create", "7", 0.1)


@pytest.mark.parametrize("first", [False, None])
def test_what_is_not_to_be_read_at_first_is_read_again(
    first: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A target that has just been started again may answer 404 or 503 for a moment."""
    looks: list[int] = []

    def look(_world: object, writes: list[Acknowledged], _known: object) -> list[Kept]:
        looks.append(len(writes))
        there = True if len(looks) > 1 else first
        return [Kept(writes[0], there), *(Kept(one, True) for one in writes[1:])]

    monkeypatch.setattr(trial, "_AGAIN", 0.0)
    monkeypatch.setattr(trial, "_looked_for", look)
    monkeypatch.setattr(trial, "_followed", lambda _world, writes: [((), ())] * len(writes))
    writes = [replace(one.write, id=place) for place, one in enumerate(SOUND)]
    reader = trial.Reader("clerk.north", "read", "id")
    world: Any = None
    seen = trial.read_back(world, writes, KILLED, {("bill", "create"): reader})
    assert looks == [LEAST, 1]
    assert all(one.there for one in seen.kept)


def test_a_lost_write_comes_before_a_half_done_one() -> None:
    verdict = survived(survival(kept(lacking=("alert",)), kept(there=False)))
    assert verdict.rule == "durability.lost"


def test_too_few_writes_just_before_the_crash_show_nothing() -> None:
    early = [kept(before=3) for _ in range(50)]
    verdict = survived(survival(*early, *SOUND[1:]))
    assert verdict.result is Result.INCONCLUSIVE
    assert f"{LEAST} are needed" in verdict.reason


def test_what_nobody_can_read_shows_nothing() -> None:
    verdict = survived(survival(*(kept(there=None, why="no reader") for _ in range(20))))
    assert verdict.result is Result.INCONCLUSIVE
    assert "no reader" in verdict.reason


def test_a_target_that_stays_away_is_said_so() -> None:
    verdict = survived(replace(survival(), down="it ended while starting (1)"))
    assert verdict.result is Result.INCONCLUSIVE
    assert "it ended while starting" in verdict.reason


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("note: {write: {as: nurse, do: note.raed}}", "operation of note"),
        ("note: {write: {as: nurse, do: note.read}}", "makes no record"),
        ("note: {write: {as: nurse, request: POST /notes}}", "names a create operation"),
        ("note: {setup: [{make: patint}], write: {as: nurse, do: note.create}}", "'patient'"),
        (
            "note: {write: {as: nurse, do: note.create}, follows: {entry: {as: nurs, "
            "request: 'GET /trail/{id}', find: '$[*]', count: 1}}}",
            "'nurse'",
        ),
        (
            "note: {write: {as: nurse, do: note.create}, follows: {entry: {as: nurse, "
            "request: 'GET /trail/{di}', find: '$[*]', count: 1}}}",
            "{di}",
        ),
        (
            "note: {write: {as: nurse, do: note.create}, follows: {entry: {as: nurse, "
            "request: GET /trail, find: '$[*]', count: winners}}}",
            "is for races",
        ),
    ],
)
def test_a_mistake_names_its_place(line: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument) as caught:
        targets.loaded(tmp_path, targets.TEXT + f"durable:\n  {line}\n")
    assert says in str(caught.value)
    place = len(targets.TEXT.splitlines()) + 2
    assert f"target.yaml:{place}:" in str(caught.value)
