"""Load: promises and their bounds, what a target file may say, the plan, and the verdicts."""

from __future__ import annotations

import math
import os
import random
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance import sources
from conformance.books import Observation, Seen
from conformance.cases import WHOLE, Profile, stamp
from conformance.document import InvalidDocument
from conformance.model import Answer, Exchange, Message, Result, Verdict
from conformance.oracles import load as oracle
from conformance.redaction import Redactor
from conformance.target import Target
from conformance.trials import arranging
from conformance.trials import load as trial
from conformance.wire import Wire
from conformance.workload import machine, objectives, phases, plan
from conformance.workload.objectives import Promise, Request, Standing
from conformance.workload.phases import Ended, Forgot, Named, Ran, Suspect, Window
from conformance.workload.samples import Arrival, Node, Sample, Samples
from conformance.workload.workflows import promise
from conformance.world import World
from tests.engine.targets import TEXT, WARD, loaded

# --- bounds ----------------------------------------------------------------------------------


def test_bounds_are_those_of_clopper_and_pearson() -> None:
    """Published values: 95 % one-sided for 0 of 100, 10 of 100 and 1 of 20."""
    assert objectives.upper(0, 100) == pytest.approx(0.0295, abs=1e-4)
    assert objectives.upper(10, 100) == pytest.approx(0.1637, abs=1e-4)
    assert objectives.lower(10, 100) == pytest.approx(0.0553, abs=1e-4)
    assert objectives.upper(1, 20) == pytest.approx(0.2161, abs=1e-4)
    assert objectives.lower(0, 20) == 0
    assert objectives.upper(20, 20) == 1


def test_a_percentile_takes_a_known_number_of_samples() -> None:
    assert objectives.needed(0.05) == 59
    assert objectives.needed(0.01) == 299
    assert objectives.percentile([1.0] * 58, 0.95)[2] is None
    assert objectives.percentile([1.0] * 59, 0.95)[2] == 1.0


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_bounds_of_a_percentile_hold_as_often_as_they_say(share: float) -> None:
    """Of 400 samples of the same size each bound misses the true percentile in some 5 %."""
    chance = random.Random(7)
    missed = [0, 0]
    for _ in range(400):
        _, least, most = objectives.percentile((chance.expovariate(1) for _ in range(120)), share)
        true = -math.log(1 - share)
        missed[0] += least > true
        missed[1] += most is not None and most < true
    assert all(count <= 0.08 * 400 for count in missed)


def _requests(slow: int, quick: int, step: str = "read", failed: int = 0) -> list[Request]:
    found = [Request(step, "nurse", 2.0, failed=False)] * slow
    found += [Request(step, "nurse", 0.1, failed=False)] * (quick - failed)
    return found + [Request(step, "nurse", 0.1, failed=True)] * failed


PROMISE = Promise("round", "a round", 10, p95=1)


@pytest.mark.parametrize(
    ("slow", "quick", "standing"),
    [
        (0, 59, Standing.KEPT),
        (0, 58, Standing.UNCLEAR),
        (1, 93, Standing.KEPT),
        (5, 95, Standing.UNCLEAR),
        (20, 80, Standing.BROKEN),
        (4, 4, Standing.BROKEN),
    ],
)
def test_durations(slow: int, quick: int, standing: Standing) -> None:
    found = objectives.found(PROMISE, _requests(slow, quick))
    assert found[0].standing is standing
    assert "promised 1 s" in found[0].why


def test_one_slow_step_breaks_what_all_together_keep() -> None:
    some = _requests(12, 0, "list") + _requests(0, 600, "read")
    found = objectives.found(PROMISE, some)
    assert [(one.step, one.standing) for one in found] == [
        (None, Standing.KEPT),
        ("list", Standing.BROKEN),
    ]


def test_a_handful_of_requests_says_nothing_of_a_step() -> None:
    found = objectives.found(PROMISE, _requests(5, 0, "list") + _requests(0, 400, "read"))
    assert [one.standing for one in found] == [Standing.KEPT]


@pytest.mark.parametrize(
    ("failed", "count", "allowed", "standing"),
    [
        (0, 299, 0.01, Standing.KEPT),
        (0, 298, 0.01, Standing.UNCLEAR),
        (1, 299, 0.01, Standing.UNCLEAR),
        (12, 299, 0.01, Standing.BROKEN),
        (0, 20, 0.0, Standing.KEPT),
        (1, 20, 0.0, Standing.BROKEN),
    ],
)
def test_errors(failed: int, count: int, allowed: float, standing: Standing) -> None:
    promise = Promise("round", "a round", 10, errors=allowed)
    found = objectives.found(promise, _requests(0, count, failed=failed))
    assert found[0].standing is standing


@pytest.mark.parametrize(
    ("done", "standing"),
    [(50, Standing.KEPT), (45, Standing.UNCLEAR), (20, Standing.BROKEN)],
)
def test_throughput(done: int, standing: Standing) -> None:
    promise = Promise("round", "a round", 10, throughput=5)
    assert objectives.found(promise, [], done, 10.0)[0].standing is standing


def test_leaks_in_a_million() -> None:
    none, most = objectives.per_million(0, 10_000)
    assert none is None
    assert most == pytest.approx(299.5, abs=0.5)
    assert objectives.per_million(2, 1000)[0] == 2000
    assert objectives.per_million(0, 0) == (None, None)


# --- what a target file may say --------------------------------------------------------------

ROUND = """\
workflows:
  round:
    says: a nurse looks at her patients
    as: {nurse: 3}
    setup: [{make: patient, times: 2}]
    steps: [patient.read, {do: note.create, think: [0, 0.5]}]
    rate: 5
    slo: {p95: 0.5, errors: 0.01}
"""


def test_workflows_are_read(tmp_path: Path) -> None:
    target = loaded(tmp_path, TEXT + ROUND)
    workflow = target.workflows["round"]
    assert workflow.as_ == {"nurse": 3}
    assert [step.do for step in workflow.steps] == ["patient.read", "note.create"]
    assert list(workflow.steps[1].think) == [0, 0.5]
    assert promise("round", workflow).errors == 0.01


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("patient.read,", "patient.reed,", "did you mean 'read'"),
        ("{nurse: 3}", "{nurze: 3}", "did you mean 'nurse'"),
        ("make: patient", "make: patent", "did you mean 'patient'"),
        ("patient.read,", "{do: patient.read, as: nurse},", "whoever runs it"),
        ("slo: {p95: 0.5, errors: 0.01}", "slo: {}", "say what is promised"),
        ("slo: {p95: 0.5,", "slo: {p95: 2, p99: 1,", "were they exchanged"),
        ("think: [0, 0.5]", "think: [2, 0.5]", "the least comes first"),
        ("rate: 5", "rate: 5\nload: {flood: {tenant: nort}}", "did you mean 'north'"),
        ("rate: 5", "rate: 5\nload: {ramp: [2, 4]}", "begins with 1"),
        ("rate: 5", "rate: 5\nload: {users: 0}", "greater than or equal to 1"),
        ("errors: 0.01", "error: 0.01", "did you mean 'errors'"),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = ROUND.replace(old, new)
    if "\nload:" in new:
        line = new.split("\n")[1]
        text = ROUND + line + "\n"
    with pytest.raises(InvalidDocument) as raised:
        loaded(tmp_path, TEXT + text)
    assert says in str(raised.value)
    assert "target.yaml:" in str(raised.value)


def test_every_phase_is_a_case_of_its_own(tmp_path: Path) -> None:
    target = loaded(tmp_path, TEXT + ROUND)
    found = {
        name: [len(list(sources.load.phase(name)(target, profile))) for profile in Profile]
        for name in ("steady", "ramp", "soak")
    }
    assert found == {"steady": [1, 1, 1], "ramp": [0, 1, 1], "soak": [0, 0, 1]}
    assert next(iter(sources.load.phase("steady")(target, Profile.GATE))).kind == "action"


def test_without_workflows_nothing_is_claimed() -> None:
    target = Target.model_validate(WARD)
    (case,) = sources.load.phase("steady")(target, Profile.GATE)
    assert "workflows" in (case.unclaimed or "")


def test_one_tenant_has_no_neighbour(tmp_path: Path) -> None:
    text = (TEXT + ROUND).replace("tenants: {north: {timezone: Asia/Dhaka}, south: {}}", "")
    text = text.replace(", tenant: north", "").replace(", tenant: south", "")
    (case,) = sources.load.phase("neighbour")(loaded(tmp_path, text), Profile.GATE)
    assert "second tenant" in (case.unclaimed or "")


def test_everybody_of_a_role_takes_part_in_every_tenant(tmp_path: Path) -> None:
    target = loaded(tmp_path, TEXT + ROUND)
    shares = arranging.cast(target, target.workflows["round"])
    assert shares == {"nurse.north": 1.5, "nurse.south": 1.5}
    assert arranging._whole({"a": 3, "b": 1, "c": 2}) == {"a": 3, "b": 1, "c": 2}
    assert arranging._whole({"a": 0.5, "b": 0.25}) == {"a": 2, "b": 1}


# --- verdicts --------------------------------------------------------------------------------

CASE = replace(WHOLE, id="load.x", suite="load")
MESSAGE = Message("GET", "http://127.0.0.1/x", (), b"")
EXCHANGE = Exchange("e1", "nurse", "load", MESSAGE, Answer(200, (), b""), None, 0, 0.1)


def _sample(at: float, seconds: float = 0.1, **more: Any) -> Sample:
    given: dict[str, Any] = {
        "at": at,
        "sent": at,
        "seconds": seconds,
        "workflow": "round",
        "number": 1,
        "step": "patient.read",
        "actor": "nurse.north",
        "status": 200,
        "error": None,
        "bytes": 10,
        "flood": False,
        "free": True,
        "flag": "",
    }
    return Sample(**{**given, **more})


def _ran(samples: Sequence[Sample], phase: str = "steady", lag: float = 0.0, **more: Any) -> Ran:
    node = Node("1", 1, len(samples), 0.1, 1.0, lag, done=True)
    arrivals = tuple(
        Arrival(one.at, one.seconds, one.workflow, 1, one.actor, None, one.flood) for one in samples
    )
    given: dict[str, Any] = {
        "case": CASE,
        "phase": phase,
        "promises": (replace(PROMISE, errors=0.05),),
        "samples": Samples(0.0, tuple(samples), arrivals, nodes=(node,)),
        "seconds": 20.0,
        "warm_up": 0.0,
        "windows": (Window("steady", 0, 20, judged=True, thorough=True),),
        "tenants": {"nurse.north": "north", "nurse.south": "south"},
    }
    return Ran(**{**given, **more})


def _quick(_number: int) -> float:
    return 0.1


def _even(count: int, seconds: Callable[[int], float] = _quick, **more: Any) -> list[Sample]:
    return [_sample(20 * n / count, seconds(n), **more) for n in range(count)]


def test_quick_enough_is_a_pass() -> None:
    verdict = oracle.kept(_ran(_even(200)))
    assert verdict.result is Result.PASS
    assert verdict.detail is not None
    assert verdict.detail["workflows"][0]["outcome"] == "pass"


def test_what_is_slow_twice_fails_and_names_step_and_persona() -> None:
    slow = _ran(_even(200, lambda n: 2.0 if n % 3 == 0 else 0.1))
    assert oracle.open_to_doubt(slow)
    verdict = oracle.kept(replace(slow, again=slow))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "load.slow")
    assert "patient.read as nurse.north" in verdict.reason


def test_what_is_slow_once_counts_only_if_it_is_so_again() -> None:
    slow = _ran(_even(200, lambda n: 2.0 if n % 3 == 0 else 0.1))
    verdict = oracle.kept(replace(slow, again=_ran(_even(200))))
    assert verdict.result is Result.PASS
    assert "a first run" in verdict.reason
    few = oracle.kept(replace(slow, again=_ran(_even(40))))
    assert few.result is Result.INCONCLUSIVE


def test_two_runs_together_may_show_what_neither_does() -> None:
    few = _ran(_even(40))
    assert oracle.kept(replace(few, again=few)).result is Result.PASS


def test_too_few_samples_are_inconclusive_and_say_how_many_it_takes() -> None:
    few = _ran(_even(25))
    verdict = oracle.kept(replace(few, again=few))
    assert verdict.result is Result.INCONCLUSIVE
    assert "59 requests or more" in verdict.reason
    # 50 of them came at the declared rate of 10 in 40 s.
    assert "rate 13.6 instead of 10 per second for round, or 55 s" in verdict.reason


def test_what_locust_sent_late_is_not_the_targets() -> None:
    slow = _ran(_even(200, lambda _n: 2.0), lag=0.8)
    verdict = oracle.kept(replace(slow, again=slow))
    assert verdict.result is Result.INCONCLUSIVE
    assert "Locust itself" in verdict.reason


def test_what_other_processes_took_is_not_the_targets() -> None:
    slow = _ran(_even(200, lambda _n: 2.0), others=0.6)
    verdict = oracle.kept(replace(slow, again=slow))
    assert verdict.result is Result.INCONCLUSIVE
    assert "60%" in verdict.reason


def _crowded(waited: float, seconds: float, **more: Any) -> Ran:
    """A third of all is bad, while the target waited for a processor for that part of the time."""
    some = _even(200, lambda n: seconds if n % 3 == 0 else 0.1)
    some = [replace(one, **more) if n % 3 == 0 else one for n, one in enumerate(some)]
    return _ran(some, others=0.6, waits=tuple((at / 4, waited * at / 4) for at in range(120)))


@pytest.mark.parametrize(
    ("ran", "result"),
    [
        (_crowded(0.5, 2.0), Result.INCONCLUSIVE),
        (_crowded(0.01, 2.0), Result.FAIL),
        (_crowded(0.5, 0.05, status=503, error="answered 503"), Result.FAIL),
        (_crowded(0.5, 2.0, status=503, error="answered 503"), Result.INCONCLUSIVE),
        (_crowded(0.5, 2.0, status=500, error="answered 500"), Result.FAIL),
        (_crowded(0.5, 5.0, status=None, error="no answer in time"), Result.INCONCLUSIVE),
        (_crowded(0.01, 5.0, status=None, error="no answer in time"), Result.FAIL),
        (_crowded(0.5, 0.01, status=None, error="the connection was refused"), Result.FAIL),
    ],
)
def test_others_excuse_only_what_waited_for_a_processor(ran: Ran, result: Result) -> None:
    assert oracle.kept(replace(ran, again=ran)).result is result


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_waiting_for_a_processor_is_seen() -> None:
    if not Path("/proc/self/schedstat").exists():
        pytest.skip("this kernel does not say how long a thread waited")
    with machine.waits(os.getpid) as waits:
        pass
    assert waits.seen[0][1] == 0
    seen = machine.Waits()
    seen.look([os.getpid()])
    threading.Thread(target=sum, args=(range(1000),)).start()
    seen.look([os.getpid()])
    assert 0 == seen.seen[0][1] <= seen.seen[1][1]
    with machine.waits(lambda: None) as nothing:
        pass
    assert nothing.seen == []


def test_others_count_only_where_they_leave_the_target_too_little() -> None:
    cores = os.cpu_count() or 1
    before = machine.Use(0.0, 0.0, 0.0, 0.0)

    def after(all_: float, target: float, own: float) -> machine.Use:
        return machine.Use(10.0, all_ * cores, target * cores, own * cores)

    assert machine.taken_by_others(before, after(9.5, 1.0, 0.5)) == pytest.approx(0.8)
    assert machine.taken_by_others(before, after(9.5, 0.1, 0.5)) is None
    assert machine.taken_by_others(before, after(9.5, 8.0, 1.0)) is None
    assert machine.taken_by_others(None, None) is None
    assert machine.use(None) is None


def test_errors_are_a_failure_of_their_own() -> None:
    bad = _ran(
        [
            _sample(one.at, error="answered 500" if n % 5 == 0 else None, status=200)
            for n, one in enumerate(_even(200))
        ]
    )
    verdict = oracle.kept(replace(bad, again=bad))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "load.errors")


def _flooded(seconds: float, quiet: float = 0.1, floods: int = 500) -> Ran:
    others = _even(300, lambda n: quiet if n < 150 else seconds, actor="nurse.south")
    mine = _even(60, actor="nurse.north")
    flood = [_sample(10 + n / 60, flood=True) for n in range(floods)]
    return _ran(
        [*others, *mine, *flood],
        "neighbour",
        windows=(
            Window("quiet", 0, 10, control=True),
            Window("flood", 10, 20, judged=True),
        ),
        flooding="north",
    )


def test_neighbours_are_not_starved() -> None:
    assert oracle.kept(_flooded(0.2)).result is Result.PASS
    starved = _flooded(2.0)
    verdict = oracle.kept(replace(starved, again=starved))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "load.starved")
    assert "while north floods" in verdict.reason


def test_slow_without_the_flood_as_well_is_not_the_floods_doing() -> None:
    slow = _flooded(2.0, quiet=2.0)
    verdict = oracle.kept(replace(slow, again=slow))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "load.slow")
    assert "at its declared rate, without a flood" in verdict.reason
    assert "while north floods" not in verdict.reason


def test_another_promise_broken_without_the_flood_each_time_shows_nothing() -> None:
    slow, failing = _flooded(2.0, quiet=2.0), _flooded(2.0)
    requests = tuple(
        replace(one, error="answered 500") if one.at < 10 else one
        for one in failing.samples.requests
    )
    failing = replace(failing, samples=replace(failing.samples, requests=requests))
    verdict = oracle.kept(replace(slow, again=failing))
    assert verdict.result is Result.INCONCLUSIVE
    assert "did not keep its promise either" in verdict.reason


def test_a_flood_that_is_none_shows_nothing() -> None:
    verdict = oracle.kept(_flooded(0.1, floods=10))
    assert verdict.result is Result.INCONCLUSIVE
    assert "no flood" in verdict.reason


def test_the_knee_is_where_it_no_longer_keeps_up() -> None:
    samples = [_sample(n / 10) for n in range(100)]
    samples += [_sample(10 + n / 20, 3.0) for n in range(200)]
    ran = _ran(
        samples,
        "ramp",
        windows=(Window("x1", 0, 10, 1, judged=True), Window("x2", 10, 20, 2)),
    )
    rate, says = phases.knee(ran)
    assert rate == 10
    assert "at 20 per second" in says
    assert phases.drawn(ran)["knee"]["rate"] == 10


def test_soaking_shows_what_wears_out() -> None:
    even = _ran(_even(600), "soak")
    worse = _ran(_even(600, lambda n: 0.1 + n / 1500), "soak")
    assert phases.drift(even) == []
    assert oracle.kept(worse).rule == "load.drift"


LEAK = Verdict(
    Result.FAIL, "leak", "the answer holds patient.name of tenant south", "leak.tenant", (EXCHANGE,)
)


def test_leaks_are_counted_in_a_million() -> None:
    samples = [*_even(198), *(_sample(5, flag="leak south patient.name") for _ in range(2))]
    suspect = Suspect("leak south patient.name", "nurse.north", "patient.read", EXCHANGE, (LEAK,))
    ran = _ran(samples, "isolation", suspects=(suspect,))
    verdict = oracle.sealed(ran)
    assert (verdict.result, verdict.rule) == (Result.FAIL, "leak.tenant")
    assert "2 of 200 answers" in verdict.reason
    assert phases.drawn(ran)["leaks"]["per_million"] == 10_000


def test_harmless_suspicions_are_no_leaks() -> None:
    suspect = Suspect("leak south patient.name", "nurse.north", "patient.read", EXCHANGE, ())
    ran = _ran(_even(200), "isolation", suspects=(suspect,))
    verdict = oracle.sealed(ran)
    assert verdict.result is Result.PASS
    assert "at most" in verdict.reason


def test_another_record_than_asked_for_is_a_finding() -> None:
    verdict = oracle.sealed(_ran(_even(200), "isolation", other=(EXCHANGE,)))
    assert verdict.rule == "load.mixed"


def test_answers_for_which_there_was_no_room_show_nothing() -> None:
    some = [*_even(200), *_even(800, status=429, error="answered 429")]
    assert "none of 200 answers" in oracle.sealed(_ran(some)).reason
    refused = oracle.sealed(_ran(_even(800, status=503, error="answered 503")))
    assert refused.result is Result.INCONCLUSIVE


def _step(name: str, path: str, **more: Any) -> plan.Step:
    return plan.Step(name, more.pop("method", "GET"), path, about=("patient", name), **more)


def test_the_crowd_reads_single_records_most_of_all() -> None:
    """A bleed shows the sooner the more answers there are, so cheap ones without thinking."""
    listed = _step("list", "/patients")
    read = _step("read", "/patients/{id}", asks="id", answers="$.id", think=(0.0, 1.0))
    board = _step("board", "/patients/{id}/board", think=(0.5, 1.0))
    made = _step("create", "/patients", method="POST")
    scenes = {"nurse": ({"patient.id": "1"},)}
    workflow = plan.Workflow("round", 5.0, {"nurse": 1}, (listed, read, board, made), scenes)
    (reads,) = trial._reads([workflow])
    assert (reads.name, reads.rate) == ("round: reads", 0.0)
    assert [(step.name, step.think) for step in reads.steps] == [("read", (0.0, 0.0))]
    assert [step.think[1] for step in trial._hurried(workflow).steps] == [0.0, 0.0, 0.5, 0.0]
    assert list(trial._reads([replace(workflow, steps=(listed, made))])) == []


def test_the_crowd_also_sends_writes_that_fail() -> None:
    """What a failed request leaves behind would meet the next one."""
    made = _step("create", "/patients", method="POST", json={"name": "{name}"}, creates="$.id")
    note = _step("note", "/patients/{id}/notes", method="POST", form={"t": "{text}"}, writes=True)
    other = _step("move", "/beds/{bed.id}", method="PUT", json={"at": "{now}"})
    scenes = {"nurse": ({"patient.id": "1"},)}
    steps = (made, note, other, _step("list", "/patients"))
    (wrong,) = trial._mistakes([plan.Workflow("round", 5.0, {"nurse": 1}, steps, scenes)])
    assert [(step.name, step.json, step.form) for step in wrong.steps] == [
        ("create", [], None),
        ("note", None, {}),
    ]
    assert not any(step.writes or step.creates for step in wrong.steps)
    assert {404, 422} <= set(wrong.steps[0].done)


def test_no_promise_is_drawn_where_none_is_judged() -> None:
    slow = _ran(_even(200, lambda _n: 2.0), "isolation", windows=(Window("crowd", 0, 20),))
    (drawn,) = phases.drawn(slow)["workflows"]
    assert drawn["count"] == 200
    assert not {"slo", "outcome", "why"} & set(drawn)
    (judged,) = phases.drawn(_ran(_even(200, lambda _n: 2.0)))["workflows"]
    assert (judged["outcome"], judged["slo"]["p95"]) == ("fail", 1)


def test_what_arranging_took_is_counted(tmp_path: Path) -> None:
    target = loaded(tmp_path, TEXT + ROUND)
    wire = Wire(target, "http://127.0.0.1:1", Redactor(()))
    world = World(target, wire, {}, 1)
    with arranging._counted(world) as found:
        for watch in wire.watchers:
            watch(EXCHANGE)
    assert found.requests == 1
    assert wire.watchers == []
    assert "by 1 requests in 0.0 s" in replace(found, seconds=0.0).cost


def test_nothing_searched_is_no_pass() -> None:
    assert oracle.sealed(_ran([])).result is Result.INCONCLUSIVE


def _with_ended(after: int, before: int = 50) -> Ran:
    mine = [_sample(n / 10, actor="nurse.1") for n in range(before)]
    mine += [_sample(12 + n / 20, actor="nurse.1", status=after) for n in range(50)]
    ended = Ended("nurse.1", "is disabled", 10.0, 1.0, served=(EXCHANGE,))
    return _ran([*_even(100), *mine], "isolation", ended=ended)


def test_an_ended_login_is_served_no_more() -> None:
    assert oracle.login_ended(_with_ended(401)).result is Result.PASS
    verdict = oracle.login_ended(_with_ended(200))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "load.revoked")
    assert verdict.exchanges == (EXCHANGE,)


def test_what_must_agree_is_judged_after_a_crash_as_well() -> None:
    """A write whose consequence was kept in memory only shows in an invariant."""
    bill = Seen("treatment.list", "set", ("7",)), Seen("bill.list", "set", ())
    books = Observation("billed", "what is done is billed", "north", "subset", (bill, bill))
    ran = _ran(_even(200), "restart", observations=(books,))
    assert Result.FAIL in {judge(ran).result for judge in oracle.AFTER_A_CRASH}
    assert oracle.balanced(replace(_ran([]), again=ran)).rule == "invariants.orphan"


@pytest.mark.parametrize(("phase", "read"), [("restart", True), ("steady", False)])
def test_the_books_are_read_after_a_crash(phase: str, read: bool) -> None:
    assert trial._Phase(phase, [], []).read_books is read


@pytest.mark.parametrize(
    ("forgot", "says"),
    [
        (None, ""),
        (Forgot((), shown=True), ""),
        (Forgot(("a", "b"), shown=True), "sessions did not outlive the restart: 2 personas"),
        (Forgot(("a",), shown=False), "cannot be told without login.*.me"),
    ],
)
def test_sessions_that_a_restart_ended_are_named(forgot: Forgot | None, says: str) -> None:
    verdict = oracle.kept(_ran(_even(200), "restart", forgot=forgot))
    assert verdict.result is Result.PASS
    assert verdict.detail is not None
    if says:
        assert says in verdict.reason
        assert says in verdict.detail["notes"][-1]
    else:
        assert verdict.detail["notes"] == []
        assert "restart" not in verdict.reason


def test_the_trail_names_who_wrote() -> None:
    right = Named("nurse.north", "n1", "note.create", ("n1",), EXCHANGE)
    wrong = replace(right, found=("n2",))
    assert oracle.attributed(_ran([], named=(right,))).result is Result.PASS
    verdict = oracle.attributed(_ran([], named=(right, wrong)))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "trail.actor")
    assert "1 of 2 writes" in verdict.reason


def test_a_login_that_never_worked_shows_nothing() -> None:
    assert oracle.login_ended(_with_ended(401, before=2)).result is Result.INCONCLUSIVE


def test_ids_are_stable() -> None:
    found = stamp(replace(WHOLE, variant="steady"), "load", "objectives-are-kept", "")
    assert found.id == "load.objectives-are-kept.steady"
