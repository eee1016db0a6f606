"""Whole runs of Locust against a tiny ward: what is measured, kept and bounded, and their end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.cli import main
from conformance.home import HOME
from conformance.server import free_port
from conformance.workload import driving
from conformance.workload.arrivals import arrivals
from conformance.workload.driving import Act, Driving, Means, NotDriven
from conformance.workload.plan import Flood, Plan, Segment, dumped
from conformance.workload.samples import CUT_OFF, NOT_BEGUN, Samples, quantile
from tests.workload.ward import BACK, Ward, plan, serving

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def ward() -> Iterator[Ward]:
    with serving(Ward()) as found:
        yield found


def run(made: Plan, folder: Path, **given: Any) -> Samples:
    return driving.run(made, folder, means=given.pop("means", Means()), **given)


def test_every_arrival_is_sent_once_and_answered(ward: Ward, tmp_path: Path) -> None:
    made = plan(ward)
    found = run(made, tmp_path)
    due = [(one.workflow, one.number, one.actor) for one in arrivals(made)]
    assert sorted((one.workflow, one.number, one.actor) for one in found.arrivals) == sorted(due)
    assert {one.error for one in found.arrivals} == {None}
    assert Counter(one.step for one in found.requests) == {"read": 40, "write": 10, "back": 10}
    assert {(one.error, one.flag) for one in found.requests} == {(None, "")}
    assert found.responses == 60
    assert [node.users for node in found.nodes] == [made.users]
    assert {one.why for one in found.kept} == {"slow"}
    assert (tmp_path / "samples.jsonl").read_text().count("\n") == 110


def test_latency_counts_from_the_intended_instant(ward: Ward, tmp_path: Path) -> None:
    made = plan(ward)
    found = run(made, tmp_path)
    intended = {(one.workflow, one.number): one.at for one in arrivals(made)}
    for one in found.requests:
        assert one.sent is not None
        assert one.seconds >= one.sent - one.at >= 0
        if one.step != "back":
            assert one.at == intended[one.workflow, one.number]


def test_acknowledged_writes_name_what_the_target_has(ward: Ward, tmp_path: Path) -> None:
    found = run(plan(ward), tmp_path)
    assert {one.id for one in found.writes} == set(ward.notes)
    for one in found.writes:
        note = ward.notes[str(one.id)]
        assert note["tenant"] == one.tenant
        assert [marker in note["text"] for marker in one.markers] == [True]
        assert one.ids == {"patient.id": note["patient"], "note.id": one.id}


def test_a_refusal_that_a_workflow_expects_acknowledges_nothing(ward: Ward, tmp_path: Path) -> None:
    made = plan(ward)
    made = replace(
        made,
        actors=tuple(replace(one, headers={"Authorization": "nobody"}) for one in made.actors),
        segments=(Segment("steady", 0.5),),
        workflows=tuple(
            replace(one, steps=tuple(replace(step, done=(200, 201, 401)) for step in one.steps))
            for one in made.workflows
        ),
    )
    found = run(made, tmp_path)
    assert any(one.status == 401 and one.error is None for one in found.requests)
    assert found.writes == ()


def test_scenes_go_round_and_stay_with_their_actor(ward: Ward, tmp_path: Path) -> None:
    run(plan(ward), tmp_path)
    read = Counter(item for item in ward.seen if item[1].startswith("/patients/"))
    assert read == {
        (f"token-{tenant}", f"/patients/{tenant}-{number}"): 4
        for tenant in ("north", "south")
        for number in range(5)
    }


def test_a_leak_is_flagged_and_kept_whole(ward: Ward, tmp_path: Path) -> None:
    ward.faults = {"leak": True, "every": 20}
    found = run(plan(ward), tmp_path)
    flagged = [one for one in found.requests if one.flag]
    assert flagged
    kept = found.of("suspect")
    assert {one.kind for one in kept} == {one.flag for one in flagged}
    for one in kept:
        other = "south" if one.actor == "nurse.north" else "north"
        assert one.kind == f"leak {other} patient.name"
        assert one.answer is not None
        assert json.loads(one.answer.body)["tenant"] == other
        assert one.request.url.startswith(ward.url + "/patients/")


def test_another_records_answer_is_flagged(ward: Ward, tmp_path: Path) -> None:
    ward.faults = {"mixed": True, "every": 20}
    found = run(plan(ward), tmp_path)
    assert {one.flag for one in found.requests} == {"", "other"}
    kept = found.of("other")[0]
    assert kept.answer is not None
    assert json.loads(kept.answer.body)["id"] != kept.request.url.rpartition("/")[2]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("500", "answered 500"),
        ("reset", "the connection was closed without an answer"),
        ("short", "Incomplete response."),
        ("endless", "the answer is longer than"),
        ("stall", "no whole answer within 0.5 s"),
    ],
)
def test_a_sick_target_is_bounded_and_told(
    ward: Ward, tmp_path: Path, fault: str, says: str
) -> None:
    ward.faults = {fault: 30, "every": 10}
    found = run(plan(ward, timeout=0.5, most_bytes=1 << 20), tmp_path)
    struck = [one for one in found.requests if one.error is not None]
    assert struck
    assert all(one.error and one.error.startswith(says) for one in struck)
    assert len(found.arrivals) == 50
    assert found.of("failed")[0].kind.startswith(says)


def test_a_target_that_is_not_there_is_an_error_of_every_request(tmp_path: Path) -> None:
    with serving(Ward()) as gone:
        made = plan(gone)
    found = run(made, tmp_path)
    assert {one.error for one in found.requests} == {"the connection was refused"}


def test_a_stall_is_not_hidden_by_the_requests_that_wait_for_it(ward: Ward, tmp_path: Path) -> None:
    ward.faults = {"stall": 0.8, "every": 10_000}
    ward.served = 9_989
    read_only = plan(ward, users=1, segments=(Segment("steady", 1.5),))
    found = run(replace(read_only, workflows=read_only.workflows[:1]), tmp_path)
    intended = quantile((one.seconds for one in found.requests), 0.8)
    sent = [one.at + one.seconds - one.sent for one in found.requests if one.sent is not None]
    from_sent = quantile(sent, 0.8)
    assert intended is not None
    assert from_sent is not None
    assert intended > 2 * from_sent


def test_what_nobody_began_or_finished_is_told(ward: Ward, tmp_path: Path) -> None:
    ward.faults = {"stall": 60}
    found = run(plan(ward, users=2, timeout=0.7), tmp_path)
    errors = Counter(one.error for one in found.arrivals)
    assert errors[NOT_BEGUN] > 10
    assert len(found.arrivals) == 50
    assert errors[CUT_OFF] + errors["no whole answer within 0.7 s"] >= 2


def test_a_flood_is_beside_the_arrivals(ward: Ward, tmp_path: Path) -> None:
    flood = Flood("round", ("nurse.north",), 3, pause=0.01)
    segments = (Segment("calm", 0.5), Segment("flooded", 0.5, 1.0, (flood,)))
    found = run(plan(ward, segments=segments), tmp_path)
    flooding = [one for one in found.requests if one.flood]
    assert {one.actor for one in flooding} == {"nurse.north"}
    assert min(one.at for one in flooding) >= 0.5
    assert max(one.at for one in flooding) <= 1.1
    assert len([one for one in found.arrivals if not one.flood]) == 50


def test_credentials_change_while_it_runs(ward: Ward, tmp_path: Path) -> None:
    def change(running: Driving) -> None:
        ward.tokens["fresh"] = "north"
        running.renew("nurse.north", {"Authorization": "Bearer fresh"})
        running.watch("nurse.south")

    found = run(plan(ward), tmp_path, acts=[Act(0.3, change)])
    tokens = Counter(token for token, _path in ward.seen)
    assert tokens["fresh"] > 5
    assert tokens["token-north"] > 5
    assert {one.error for one in found.requests} == {None}
    assert {one.actor for one in found.of("served")} == {"nurse.south"}


def test_what_an_act_raises_ends_the_run(ward: Ward, tmp_path: Path) -> None:
    def fail(_running: Driving) -> None:
        raise LookupError("no such login")

    with pytest.raises(LookupError, match="no such login"):
        run(plan(ward, segments=(Segment("steady", 60),)), tmp_path, acts=[Act(0.1, fail)])
    assert not locusts(os.getpid())


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"users": 0}, "no users"), ({"workflows": ()}, "no workflow"), ({"segments": ()}, "sent no")],
)
def test_nothing_sent_is_a_failure_of_the_harness(
    ward: Ward, tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(NotDriven, match=says):
        run(plan(ward, **changes), tmp_path)


def test_a_plan_that_cannot_be_sent_is_a_failure_of_the_harness(ward: Ward, tmp_path: Path) -> None:
    made = plan(ward)
    alone = replace(made.workflows[1], steps=(replace(BACK, asks=None),))
    with pytest.raises(NotDriven, match="sent no request"):
        run(replace(made, workflows=(alone,)), tmp_path)


def test_the_page_is_on_the_loopback_while_it_runs(ward: Ward, tmp_path: Path) -> None:
    pages, lines = [], list[str]()

    def look(running: Driving) -> None:
        with urllib.request.urlopen(f"{running.page}/stats/requests") as answer:
            pages.append(json.load(answer))

    found = run(plan(ward), tmp_path, means=Means(web=True), acts=[Act(0.7, look)],
                live=lines.append)  # fmt: skip
    assert [one["state"] for one in pages] == ["running"]
    assert len(found.arrivals) == 50
    assert all("page http://127.0.0.1:" in line for line in lines)


def test_what_goes_wrong_in_locust_is_a_failure_of_the_harness(ward: Ward, tmp_path: Path) -> None:
    made = plan(ward)
    stranger = replace(made.workflows[0], mix={"nobody": 1})
    with pytest.raises(NotDriven, match=r"the harness failed while it sent load(?s:.*)nobody"):
        run(replace(made, workflows=(*made.workflows, stranger)), tmp_path)


# --- several processes ---------------------------------------------------------------------------


def test_a_master_and_two_workers_share_the_arrivals(ward: Ward, tmp_path: Path) -> None:
    ward.faults = {"leak": True, "every": 20}
    made = plan(ward)
    found = run(made, tmp_path, means=Means(processes=2))
    due = [(one.workflow, one.number, one.actor) for one in arrivals(made)]
    assert sorted((one.workflow, one.number, one.actor) for one in found.arrivals) == sorted(due)
    assert [(node.users, node.responses > 0) for node in found.nodes] == [(4, True), (4, True)]
    assert found.of("suspect")
    assert {one.id for one in found.writes} == set(ward.notes)


def test_workers_join_from_elsewhere(ward: Ward, tmp_path: Path) -> None:
    port = free_port()
    joined = subprocess.Popen(
        [sys.executable, "-m", "conformance", "load-worker", f"127.0.0.1:{port}"],
        env={**os.environ, "PYTHONPATH": str(HOME)},
        start_new_session=True,
    )
    try:
        means = Means(processes=1, workers=1, bind=f"127.0.0.1:{port}")
        found = run(plan(ward), tmp_path, means=means)
    finally:
        os.killpg(joined.pid, signal.SIGKILL)
        joined.wait()
    assert sorted(node.users for node in found.nodes) == [4, 4]
    assert len(found.arrivals) == 50


def test_workers_that_never_join_are_told(
    ward: Ward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driving, "_JOINING", 1.0)
    port = free_port()
    means = Means(processes=0, workers=2, bind=f"127.0.0.1:{port}")
    with pytest.raises(NotDriven) as raised:
        run(plan(ward), tmp_path, means=means)
    assert "not all of the 2 workers of other machines joined within 1 s" in str(raised.value)
    assert f"wardproof load-worker 127.0.0.1:{port}" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not HOST"),
        ("10.0.0.1:", "is not HOST"),
        ("10.0.0.1:http", "is not HOST"),
        ("10.0.0.1:70000", "is not HOST"),
        ("::1", "IPv6"),
        ("[::1]:5557", "IPv6"),
        ("192.0.2.7:5557", "192.0.2.7 is no address of this machine"),
        ("no.such.host.invalid", "nobody here knows the host 'no.such.host.invalid'"),
    ],
)
def test_where_nobody_can_listen_is_told(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        driving.listening(text)


def test_a_port_in_use_is_told_with_another() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=rf"port {port} of 127\.0\.0\.1 is in use"):
            driving.listening(f"127.0.0.1:{port}")
    driving.listening(f"127.0.0.1:{port}")
    driving.listening(f"0.0.0.0:{port}")


@pytest.mark.parametrize(
    ("codes", "served", "says"),
    [([0, 0, 1], 2, "2 phases were served"), ([1], 0, "no run was reached at 127.0.0.1:5557")],
)
def test_a_worker_says_what_it_served(
    codes: list[int],
    served: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        driving, "command", lambda _options: [sys.executable, "-c", f"exit({codes.pop(0)})"]
    )
    code = main(["load-worker", "127.0.0.1"])
    said = capsys.readouterr().err
    assert (code == 0) is bool(served)
    assert said.startswith("waiting for a run at 127.0.0.1:5557")
    assert says in said


@LINUX
def test_a_worker_that_is_lost_is_told(ward: Ward, tmp_path: Path) -> None:
    def lose(_running: Driving) -> None:
        worker = next(pid for pid in locusts(os.getpid()) if "--worker" in command(pid))
        os.kill(worker, signal.SIGKILL)

    made = plan(ward, segments=(Segment("steady", 2),))
    with pytest.raises(NotDriven, match="of 2 processes that were to send, 1 did"):
        run(made, tmp_path, means=Means(processes=2), acts=[Act(0.3, lose)])


# --- the end -------------------------------------------------------------------------------------


def command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""


def locusts(parent: int) -> list[int]:
    """The processes of Locust that `parent` has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent and fields[0] != "Z":
                found.append(int(path.parent.name))
    return [pid for pid in found if "generator.py" in command(pid)]


LONG = """
import sys
from pathlib import Path
from conformance.workload import driving, plan
text = Path(sys.argv[1]).read_text()
driving.run(plan.loaded(text), Path(sys.argv[2]), means=driving.Means(processes=2))
"""


@LINUX
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_locust_ends_with_whoever_started_it(ward: Ward, tmp_path: Path, number: int) -> None:
    made = plan(ward, segments=(Segment("steady", 60),))
    (tmp_path / "plan.json").write_text(dumped(made))
    parent = subprocess.Popen(
        [sys.executable, "-c", LONG, str(tmp_path / "plan.json"), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(HOME)},
        stderr=subprocess.DEVNULL,
    )
    try:
        while ward.served < 20:
            assert parent.poll() is None
            time.sleep(0.05)
        started = locusts(parent.pid)
        assert len(started) == 3
    finally:
        parent.send_signal(number)
        parent.wait(30)
    for _ in range(200):
        if not any(command(pid) for pid in started):
            break
        time.sleep(0.05)
    assert [command(pid) for pid in started] == ["", "", ""]


def test_locust_is_never_imported_here() -> None:
    asked = "import sys, conformance.workload.driving; print({'locust', 'gevent'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", asked],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HOME)},
        check=True,
    )
    assert done.stdout.strip() == "set()"
