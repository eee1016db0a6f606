"""What is concluded from the entries of an audit trail, and which cases there are about it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from conformance.canary import Planted
from conformance.cases import Profile, stamp
from conformance.claims import Trail, TrailRead
from conformance.consistency import check
from conformance.instances import Instance
from conformance.model import Because, Case, Outcome, Read, Result, Verdict
from conformance.oracles import trail as oracles
from conformance.redaction import Redactor
from conformance.sources import trail as sources
from conformance.target import ANONYMOUS, Target
from conformance.trail import (
    Bordered,
    Due,
    Entry,
    Kept,
    Reconciled,
    Reused,
    Told,
    entries,
    event_of,
    instant,
)
from conformance.trials.custody import alterations
from conformance.trials.entries import given_out
from conformance.wire import Wire
from conformance.world import World
from tests.engine.exchanges import CASE, answer, read, unanswered
from tests.engine.targets import WARD, target

AT = "1970-01-01T00:00:00Z"  # when the exchanges of these tests are
PLACES = {
    "id": "$.id",
    "correlation": "$.correlation",
    "actor": "$.actor",
    "on_behalf_of": "$.behalf",
    "patient": "$.patients",
    "tenant": "$.tenant",
    "resource": "$.resource",
    "action": "$.action",
    "outcome": "$.outcome",
    "time": "$.at",
    "source": "$.source",
    "purpose": "$.purpose",
}
READ = {
    "request": "GET /audit",
    "query": {"correlation": "{correlation}"},
    "items": "$[*]",
    "as": "auditor",
}
CLAIM: dict[str, Any] = {
    "header": "X-Correlation-Id",
    "read": READ,
    "unattributed": {**READ, "request": "GET /audit/nobody"},
    "entry": PLACES,
    "patient": "patient",
    "source": "127.0.0.1",
    "events": ["allowed", "denied", "unauthenticated", "failed"],
    "outcomes": {
        "allowed": "ok",
        "denied": ["refused", "hidden"],
        "unauthenticated": "unknown",
        "failed": "error",
    },
}
TRAIL = Trail.model_validate(CLAIM)
PAGE = read(200, [], persona="auditor.north")


def row(**other: Any) -> dict[str, Any]:
    """A true row about the attempt of these tests."""
    return {
        "id": "r1",
        "correlation": "c1",
        "actor": "nurse",
        "behalf": None,
        "patients": ["p1"],
        "tenant": "north",
        "resource": "patient",
        "action": "read",
        "outcome": "ok",
        "at": AT,
        "source": "127.0.0.1",
        "purpose": "treatment",
        **other,
    }


def shown(*rows: Any, trail: Trail = TRAIL) -> tuple[Entry, ...]:
    """The rows as the trail's own answer gives them."""
    return tuple(entries(trail, trail.read, answer(200, list(rows))))


def told(attempt: Read | None = None, *rows: Any, variant: str = "allowed", **other: Any) -> Told:
    """An attempt by the nurse on the patient p1, and the rows that were found."""
    values: dict[str, Any] = {
        "case": replace(CASE, variant=variant),
        "trail": TRAIL,
        "attempt": attempt or read(200, {"id": "p1"}),
        "reads": (PAGE,),
        "entries": shown(*rows),
        "correlation": "c1",
        "actor": "nurse",
        "others": frozenset({"doctor"}),
        "tenant": "north",
        "patients": frozenset({"p1"}),
        "within": frozenset({"p1"}),
    }
    return Told(**{**values, **other})


def rule(verdict: Verdict) -> str | None:
    """The rule that a verdict says was broken; None if it passed."""
    assert verdict.result in {Result.PASS, Result.FAIL}, verdict.reason
    return verdict.rule


# --- reading ---------------------------------------------------------------------------------


def test_a_row_is_read_at_the_places_that_are_named() -> None:
    (entry,) = shown(row(patients=["p1", "p2"], purpose=None, source=""))
    assert entry.of("patient") == ("p1", "p2")
    assert entry.of("purpose") == entry.of("source") == entry.of("nothing") == ()
    assert entry.identity == "r1"


def test_places_deeper_in_a_row_are_read_as_well() -> None:
    places = {"correlation": "$.ids.request", "patient": "$.who[*].ref"}
    trail = Trail.model_validate({**CLAIM, "entry": places})
    (entry,) = shown({"ids": {"request": 7}, "who": [{"ref": "a"}, {"ref": "b"}]}, trail=trail)
    assert entry.of("correlation") == ("7",)
    assert entry.of("patient") == ("a", "b")
    assert entry.identity == entry.text


def test_a_pattern_picks_from_what_stands_there() -> None:
    """As in FHIR, where one list of references names patients among other things."""
    places = {"correlation": "$.id", "patient": "$.entity[*].what ~ ^Patient/(.+)$"}
    trail = Trail.model_validate({**CLAIM, "entry": places})
    entity = [{"what": "Patient/p1"}, {"what": "Observation/o1"}, {"what": "Patient/p2"}]
    (entry,) = shown({"id": "c1", "entity": entity}, trail=trail)
    assert entry.of("patient") == ("p1", "p2")


@pytest.mark.parametrize(
    "text", ["1970-01-01T00:01:40Z", "1970-01-01T06:01:40+06:00", "100", "100000000000000e-12"]
)
def test_moments_name_their_zone(text: str) -> None:
    found = instant(text)
    assert found == 100.0 if "e" not in text else isinstance(found, str)


def test_milliseconds_since_1970_are_known_by_their_size() -> None:
    assert instant("1700000000000") == 1_700_000_000.0


@pytest.mark.parametrize("text", ["2024-05-01T10:00:00", "yesterday", "01/05/2024 10:00"])
def test_what_names_no_moment_is_said(text: str) -> None:
    assert isinstance(instant(text), str)


@pytest.mark.parametrize(
    ("outcome", "event"),
    [
        (Outcome.ALLOWED, "allowed"),
        (Outcome.DENIED, "denied"),
        (Outcome.ABSENT, "denied"),
        (Outcome.UNAUTHENTICATED, "unauthenticated"),
        (Outcome.CONFLICT, "failed"),
        (Outcome.BROKEN, "failed"),
    ],
)
def test_outcomes_are_kinds_of_attempts(outcome: Outcome, event: str) -> None:
    assert event_of(outcome) == event


# --- one entry -------------------------------------------------------------------------------


def test_one_entry_passes() -> None:
    assert rule(oracles.left_one(told(None, row()))) is None


def test_no_entry_and_two_entries_fail() -> None:
    assert rule(oracles.left_one(told())) == "trail.missing"
    assert rule(oracles.left_one(told(None, row(), row(id="r2")))) == "trail.twice"


@pytest.mark.parametrize(
    "unclear",
    [
        told(unanswered()),
        told(read(500)),
        told(None, row(), reads=(read(403),)),
        told(None, row(), reads=(read(500),)),
        told(None, correlation=None),
    ],
)
def test_what_shows_nothing_is_inconclusive(unclear: Told) -> None:
    assert oracles.left_one(unclear).result is Result.INCONCLUSIVE


def test_an_attempt_of_a_kind_that_is_not_claimed_shows_nothing() -> None:
    trail = Trail.model_validate({**CLAIM, "events": ["allowed", "denied"]})
    found = oracles.left_one(told(read(409), variant="denied-by-role", trail=trail))
    assert found.result is Result.INCONCLUSIVE
    assert "audit.events" in found.reason


def test_a_correlation_id_may_be_rejected_but_not_swallowed() -> None:
    assert rule(oracles.left_one(told(read(400), variant="id-over-long", forged=("x",)))) is None
    assert (
        rule(oracles.left_one(told(read(200), variant="id-over-long", forged=("x",))))
        == "trail.missing"
    )


# --- the truth -------------------------------------------------------------------------------


def test_a_true_entry_passes_and_says_what_was_not_claimed() -> None:
    assert rule(oracles.tells_the_truth(told(None, row()))) is None
    few = {place: PLACES[place] for place in ("correlation", "actor", "time")}
    trail = Trail.model_validate({**CLAIM, "entry": few})
    found = oracles.tells_the_truth(told(None, trail=trail, entries=shown(row(), trail=trail)))
    assert found.result is Result.PASS
    assert "not claimed: on behalf of, patient" in found.reason


@pytest.mark.parametrize(
    ("wrong", "broken"),
    [
        ({"actor": "doctor"}, "trail.actor"),
        ({"actor": None}, "trail.actor"),
        ({"behalf": "p2"}, "trail.on-behalf-of"),
        ({"patients": []}, "trail.patient"),
        ({"patients": ["p2"]}, "trail.patient"),
        ({"patients": ["p1", "p2"]}, "trail.patient"),
        ({"tenant": "south"}, "trail.tenant"),
        ({"resource": None}, "trail.action"),
        ({"action": ""}, "trail.action"),
        ({"outcome": "refused"}, "trail.outcome"),
        ({"outcome": None}, "trail.outcome"),
        ({"at": None}, "trail.time"),
        ({"at": "1970-01-01T00:00:00"}, "trail.time"),
        ({"at": "1970-01-01T00:00:10Z"}, "trail.time"),
        ({"at": "1969-12-31T23:59:50Z"}, "trail.time"),
        ({"at": "1970-01-01T06:00:00Z"}, "trail.time"),
        ({"source": "203.0.113.77"}, "trail.source"),
        ({"source": None}, "trail.source"),
        ({"purpose": None}, "trail.purpose"),
    ],
)
def test_what_is_not_true_fails(wrong: dict[str, Any], broken: str) -> None:
    assert rule(oracles.tells_the_truth(told(None, row(**wrong)))) == broken


@pytest.mark.parametrize(
    "right",
    [
        {"behalf": "p1"},
        {"behalf": "nurse"},
        {"at": "1970-01-01T06:00:00+06:00"},
        {"at": "1970-01-01T00:00:04Z"},
    ],
)
def test_what_is_true_in_another_way_passes(right: dict[str, Any]) -> None:
    assert rule(oracles.tells_the_truth(told(None, row(**right)))) is None


def test_a_list_may_name_patients_whom_the_run_does_not_know() -> None:
    many = row(patients=["p1", "p2", "p9"])
    known = frozenset({"p1", "p2"})
    assert rule(oracles.tells_the_truth(told(None, many, patients=known, within=None))) is None
    lacking = oracles.tells_the_truth(told(None, row(), patients=known, within=None))
    assert rule(lacking) == "trail.patient"


@pytest.mark.parametrize(
    ("status", "said", "broken"),
    [
        (403, "refused", None),
        (404, "hidden", None),
        (403, "ok", "trail.outcome"),
        (409, "error", None),
        (409, "refused", "trail.outcome"),
    ],
)
def test_the_outcome_is_that_of_the_answer(status: int, said: str, broken: str | None) -> None:
    found = told(read(status), row(outcome=said), variant="denied-by-role")
    assert rule(oracles.tells_the_truth(found)) == broken


def test_a_missing_record_is_a_refusal_or_a_failure() -> None:
    for said in ("refused", "error"):
        found = told(read(404), row(outcome=said, patients=[]), variant="missing-id", within=None)
        assert rule(oracles.tells_the_truth(found)) is None
    found = told(read(404), row(outcome="error"), variant="denied-by-relation")
    assert rule(oracles.tells_the_truth(found)) == "trail.outcome"


def test_a_batch_that_is_answered_for_each_id_may_be_called_done() -> None:
    absent = read(200, {"results": []}, outcome=Outcome.ABSENT)
    said = row(outcome="ok", patients=[])
    batch = told(absent, said, variant="denied-by-relation", batch=True)
    assert rule(oracles.tells_the_truth(batch)) is None
    assert rule(oracles.tells_the_truth(replace(batch, batch=False))) == "trail.outcome"


def test_without_a_login_nobody_is_named() -> None:
    nobody: dict[str, Any] = {"actor": None, "tenant": None, "patients": []}
    expected: dict[str, Any] = {"variant": "unauthenticated", "actor": None, "tenant": None}
    for name, broken in ((None, None), ("somebody", None), ("doctor", "trail.actor")):
        said = row(**{**nobody, "actor": name}, outcome="unknown")
        found = told(read(401), said, **expected)
        assert rule(oracles.tells_the_truth(found)) == broken


# --- what must not stand in it ---------------------------------------------------------------


def test_content_and_secrets_are_found_wherever_they_stand() -> None:
    forbidden = {"wqsecretmarker": "patient.name", "s3cr3t-token": "the token of the session"}
    clean = told(None, row(), forbidden=forbidden)
    assert rule(oracles.holds_nothing_confidential(clean)) is None
    content = told(None, row(note={"deep": ["about Wqsecretmarker"]}), forbidden=forbidden)
    assert rule(oracles.holds_nothing_confidential(content)) == "trail.content"
    secret = told(None, row(header="Bearer s3cr3t-token"), forbidden=forbidden)
    assert rule(oracles.holds_nothing_confidential(secret)) == "trail.secret"


def test_an_attempt_that_carried_nothing_proves_nothing() -> None:
    found = oracles.holds_nothing_confidential(told(None, row()))
    assert found.result is Result.INCONCLUSIVE


@pytest.mark.parametrize(
    "wrong",
    [
        {"actor": "doctor"},
        {"behalf": "doctor"},
        {"source": "via 203.0.113.77"},
        {"correlation": "c1\r\nactor: doctor"},
        {"correlation": "c1\u202erotcod"},
    ],
)
def test_what_a_caller_invents_is_not_believed(wrong: dict[str, Any]) -> None:
    lies = ("doctor", "203.0.113.77")
    assert rule(oracles.believes_nothing(told(None, row(**wrong), forged=lies))) == "trail.forged"


def test_an_id_may_be_kept_as_it_was_sent() -> None:
    kept = row(correlation="c1%0d%0aactor:%20doctor")
    assert rule(oracles.believes_nothing(told(None, kept, forged=("doctor",)))) is None


def reused(*after: Any, before: Any = None) -> Reused:
    """Two attempts with one id, by the doctor first and then by the nurse."""
    first = before or row(actor="doctor")
    attempts = (read(200), read(200))
    actors = ("doctor", "nurse")
    return Reused(CASE, TRAIL, attempts, actors, (PAGE,), shown(first), shown(*after))


def test_an_id_that_was_used_before_gives_a_second_entry() -> None:
    doctors, nurses = row(actor="doctor"), row(id="r2")
    assert rule(oracles.keeps_both(reused(doctors, nurses))) is None
    assert rule(oracles.keeps_both(reused(doctors))) == "trail.missing"
    assert rule(oracles.keeps_both(reused(nurses))) == "trail.changed"
    assert rule(oracles.keeps_both(reused(row(), nurses))) == "trail.changed"
    three = reused(doctors, nurses, row(id="r3"))
    assert rule(oracles.keeps_both(three)) == "trail.twice"
    twice = reused(doctors, row(id="r2", actor="doctor"))
    assert rule(oracles.keeps_both(twice)) == "trail.actor"


# --- how it is kept --------------------------------------------------------------------------


def bordered(own: Any = (), there: Any = (), control: Any = ()) -> Bordered:
    """An entry of north, looked for by the readers of north and of south."""
    case = replace(CASE, tenant="north", other="south")
    found = (shown(*own), shown(*there), shown(*control))
    return Bordered(case, TRAIL, read(200), "north", *found, (PAGE,))


def test_an_entry_is_in_its_own_tenants_trail_alone() -> None:
    mine, theirs = [row()], [row(tenant="south", id="r9")]
    judge: Callable[[Bordered], Verdict] = oracles.stays_in_its_tenant
    assert rule(judge(bordered(mine, (), theirs))) is None
    assert rule(judge(bordered(mine, mine, theirs))) == "trail.leak"
    assert rule(judge(bordered((), (), theirs))) == "trail.missing"
    assert rule(judge(bordered([row(tenant="south")], (), theirs))) == "trail.tenant"
    assert judge(bordered(mine)).result is Result.INCONCLUSIVE


def kept(after: Any, *, added: Any = (), attacks: tuple[Read, ...] = (read(405),)) -> Kept:
    """An entry after attempts to change it."""
    found = (shown(row()), shown(*after), shown(*added))
    return Kept(CASE, TRAIL, (PAGE,), attacks, *found)


def test_an_entry_stays_as_it_was() -> None:
    assert rule(oracles.unaltered(kept([row()]))) is None
    assert rule(oracles.unaltered(kept([row()], attacks=(read(200),)))) is None
    assert rule(oracles.unaltered(kept([row(actor="x")]))) == "trail.changed"
    assert rule(oracles.unaltered(kept([]))) == "trail.changed"
    assert rule(oracles.unaltered(kept([row()], added=[row(id="r2")]))) == "trail.changed"
    for unclear in (kept([row()], attacks=()), kept([row()], attacks=(unanswered(),))):
        assert oracles.unaltered(unclear).result is Result.INCONCLUSIVE


# --- the whole run ---------------------------------------------------------------------------


def due(key: str, operation: str = "patient.read", event: Any = "allowed") -> Due:
    return Due(key, "nurse.north", "GET /patients/1", operation, event)


KINDS = {
    "patient.read": ("read", "GET /patients/{id}"),
    "patient.list": ("list", "GET /patients"),
    "patient.create": ("create", "POST /patients"),
    "patient.update": ("update", "PATCH /patients/{id}"),
    "patient.rename": ("action", "PATCH /patients/{id}"),
    "patient.merge": ("action", "POST /patients/{id}/merge"),
    "patient.split": ("action", "POST /patients/{id}/split"),
}


def reconciled(*rows: Any, attempts: tuple[Due, ...] = (), **other: Any) -> Reconciled:
    """Attempts of a run and what the trail holds."""
    values: dict[str, Any] = {
        "sent": {one.key: 1 for one in attempts},
        "plain": frozenset(KINDS),
        "kinds": KINDS,
    }
    found = shown(*rows)
    return Reconciled(CASE, TRAIL, (PAGE,), found, attempts, **{**values, **other})


TWO = (due("c1"), due("c2"))


def test_a_run_and_its_trail_agree() -> None:
    found = oracles.reconciles(reconciled(row(), row(id="r2", correlation="c2"), attempts=TWO))
    assert rule(found) is None
    assert "2 attempts reconciled with 2 entries" in found.reason


def test_what_is_missing_twice_or_invented_fails() -> None:
    judge = oracles.reconciles
    assert rule(judge(reconciled(row(), attempts=TWO))) == "trail.missing"
    two = (row(), row(id="r2"), row(id="r3", correlation="c2"))
    assert rule(judge(reconciled(*two, attempts=TWO))) == "trail.twice"
    both = (row(), row(id="r2", correlation="c2"))
    invented = shown(row(correlation="c7"))
    assert rule(judge(reconciled(*both, attempts=TWO, invented=invented))) == "trail.invented"
    wrong = (row(outcome="refused"), row(id="r2", correlation="c2"))
    assert rule(judge(reconciled(*wrong, attempts=TWO))) == "trail.outcome"


def test_an_id_sent_twice_has_two_entries() -> None:
    same = (due("c1"), due("c1"))
    sent = {"c1": 2}
    two = (row(), row(id="r2"))
    assert rule(oracles.reconciles(reconciled(*two, attempts=same, sent=sent))) is None
    one = reconciled(row(), attempts=same, sent=sent)
    assert rule(oracles.reconciles(one)) == "trail.missing"


def test_what_stands_in_another_trail_is_not_missing() -> None:
    found = reconciled(row(), attempts=TWO, elsewhere=frozenset({"c2"}))
    assert rule(oracles.reconciles(found)) is None


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"unfinished": "3 of 9 planned cases were not finished"}, "not finished"),
        ({"cut": True}, "longer than"),
    ],
)
def test_a_run_that_is_not_over_or_a_trail_that_is_cut_never_passes(
    other: dict[str, Any], said: str
) -> None:
    found = oracles.reconciles(reconciled(row(), attempts=(due("c1"),), **other))
    assert found.result is Result.INCONCLUSIVE
    assert said in found.reason


def test_what_is_missing_in_a_trail_that_is_cut_proves_nothing() -> None:
    found = oracles.reconciles(reconciled(row(), attempts=TWO, cut=True))
    assert found.result is Result.INCONCLUSIVE
    assert "1 of 2 attempts" in found.reason


def test_a_run_that_sent_nothing_proves_nothing() -> None:
    assert oracles.reconciles(reconciled()).result is Result.INCONCLUSIVE


@pytest.mark.parametrize(
    ("one", "other", "broken"),
    [
        ("create", "update", "trail.action"),
        ("create", "read", "trail.action"),
        ("merge", "split", "trail.action"),
        ("read", "list", None),
        ("update", "rename", None),
    ],
)
def test_different_operations_have_different_words(
    one: str, other: str, broken: str | None
) -> None:
    attempts = (due("c1", f"patient.{one}"), due("c2", f"patient.{other}"))
    same = reconciled(row(), row(id="r2", correlation="c2"), attempts=attempts)
    assert rule(oracles.told_apart(same)) == broken
    apart = reconciled(row(), row(id="r2", correlation="c2", action="x"), attempts=attempts)
    assert rule(oracles.told_apart(apart)) is None


# --- cases -----------------------------------------------------------------------------------

EVERY = (
    sources.allowed,
    sources.refused,
    sources.without_login,
    sources.failing,
    sources.confidential,
    sources.forged,
    sources.reused,
    sources.bordered,
    sources.closed,
    sources.kept,
    sources.reconciled,
)


OF_TRAIL = {"list": {"request": "GET /audit?sort=new", "items": "$[*]"}}
AUDITORS = {
    f"auditor.{tenant}": {"role": "auditor", "tenant": tenant, "username": f"auditor.{tenant}"}
    for tenant in ("north", "south", "west")
}
GRANTS = {
    "clerk": {"patient": {"create": "allow", "read": "allow", "list": "allow"}},
    "nurse": {"patient": {"read": "assigned", "list": "assigned"}, "note": {"*": "assigned"}},
    "auditor": {"patient": {"list": "allow"}},
}


def ward(*, parts: Mapping[str, Any] | None = None, **claimed: Any) -> Target:
    """The ward with an auditor in each tenant and its trail claimed; `parts` are replaced."""
    values: dict[str, Any] = {
        "personas": {**WARD["personas"], **AUDITORS},
        "policy": GRANTS,
        "audit": {**CLAIM, **claimed},
    }
    return target(**{**values, **(parts or {})})


def found_by(source: Any, of: Target, profile: Profile = Profile.GATE) -> list[Case]:
    return [stamp(case, "accountability", "p", "s") for case in source(of, profile)]


@pytest.mark.parametrize("source", EVERY)
def test_a_target_that_claims_no_trail_has_one_case_that_says_so(source: Any) -> None:
    (case,) = found_by(source, target())
    assert case.unclaimed is not None
    assert "audit: {read:" in case.unclaimed


@pytest.mark.parametrize("source", EVERY)
@pytest.mark.parametrize("profile", list(Profile))
def test_ids_of_cases_are_unique(source: Any, profile: Profile) -> None:
    cases = found_by(source, ward(), profile)
    assert cases
    assert len({case.id for case in cases}) == len(cases)
    assert not [case for case in cases if case.unclaimed]


def test_every_operation_is_tried_once_by_somebody_who_may() -> None:
    found = [(case.resource, case.operation) for case in found_by(sources.allowed, ward())]
    assert sorted(found) == [
        ("note", "create"),
        ("note", "read"),
        ("patient", "create"),
        ("patient", "list"),
        ("patient", "read"),
    ]


def test_every_resource_is_tried_by_those_who_may_not() -> None:
    found = {(case.resource, case.variant) for case in found_by(sources.refused, ward())}
    assert {
        ("patient", "denied-by-role"),
        ("patient", "denied-by-relation"),
        ("patient", "denied-across-tenants"),
        ("note", "denied-by-role"),
    } <= found
    full = found_by(sources.refused, ward(), Profile.FULL)
    assert len(full) > len(found)


def test_what_is_exempt_or_public_is_not_asked_for() -> None:
    exempt = ward(exempt=["note.read"])
    assert ("note", "read") not in {
        (case.resource, case.operation) for case in found_by(sources.allowed, exempt)
    }
    public = ward(parts={"policy": {**GRANTS, "anonymous": {"patient": {"list": "allow"}}}})
    assert not sources.recorded(public, "patient", "list")


@pytest.mark.parametrize(
    ("source", "event"),
    [
        (sources.allowed, "allowed"),
        (sources.refused, "denied"),
        (sources.without_login, "unauthenticated"),
        (sources.failing, "failed"),
    ],
)
def test_attempts_that_are_not_claimed_are_one_case(source: Any, event: str) -> None:
    others = [one for one in CLAIM["events"] if one != event]
    (case,) = found_by(source, ward(events=others))
    assert case.unclaimed is not None
    assert "audit: {events: [" in case.unclaimed


def test_readers_are_not_shut_out() -> None:
    tried = {case.persona for case in found_by(sources.closed, ward())}
    assert tried == {"nurse.north", "clerk.north", ANONYMOUS}
    assert {case.variant for case in found_by(sources.closed, ward())} == {"read", "unattributed"}
    clerk = {**GRANTS["clerk"], "audit": {"list": "allow"}}
    granted = {"resources__audit": OF_TRAIL, "policy": {**GRANTS, "clerk": clerk}}
    shut = [
        case.persona
        for case in found_by(sources.closed, ward(parts=granted))
        if case.variant == "read"
    ]
    assert shut == ["nurse.north", ANONYMOUS]


def test_everybody_readers_too_is_tried_at_changing_the_trail() -> None:
    cases = found_by(sources.kept, ward())
    assert {case.persona for case in cases} == {"nurse.north", "clerk.north", "auditor.north"}
    assert {case.kind for case in cases} == {"delete"}
    assert {case.because for case in cases} == {Because.ROLE}


def test_one_case_for_each_trail_reconciles_the_run() -> None:
    found = [case.variant for case in found_by(sources.reconciled, ward())]
    assert found == ["north", "south", "west", "unattributed"]
    few = ward(events=["allowed"])
    assert [case.variant for case in found_by(sources.reconciled, few)] == found[:3]


def test_a_target_with_one_tenant_has_no_borders() -> None:
    people = {**WARD["personas"], **AUDITORS}
    north = {name: one for name, one in people.items() if one["tenant"] == "north"}
    alone = ward(parts={"tenants": {"north": {}}, "personas": north})
    assert found_by(sources.bordered, alone) == []


# --- the target file -------------------------------------------------------------------------


def test_a_trail_that_cannot_be_matched_is_refused() -> None:
    with pytest.raises(ValidationError, match="say 'header'"):
        Trail.model_validate({"read": READ, "entry": {"correlation": "$.id"}})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"patient": "person"}, "no resource 'person'"),
        ({"exempt": ["patient.delete"]}, "no operation 'patient.delete'"),
        ({"read": {**READ, "as": "nobody"}}, "no role or persona 'nobody'"),
    ],
)
def test_names_in_the_claim_must_exist(wrong: dict[str, Any], said: str) -> None:
    problems = [problem.message for problem in check(ward(**wrong))]
    assert any(said in one for one in problems), problems


def test_the_trail_is_known_as_an_operation_by_its_request() -> None:
    read_of = TrailRead.model_validate(READ)
    known = ward(parts={"resources__audit": OF_TRAIL})
    assert sources.operation_of(known, read_of) == ("audit", "list")
    assert sources.operation_of(ward(), read_of) is None


# --- altering --------------------------------------------------------------------------------


def test_a_row_is_altered_one_place_at_a_time_whole_and_then_alone() -> None:
    """Together, a value that is not taken would hide one that is."""
    row = {"id": "e1", "who": "ann", "end": "ok", "at": "2024-01-01T00:00:00Z"}
    places = {
        "id": "$.id",
        "correlation": "$.key",
        "actor": "$.who",
        "outcome": "$.end",
        "time": "$.at",
        "purpose": "$.deep.why",
    }
    words = {"allowed": "ok", "denied": "refused"}
    trail = Trail.model_validate({**CLAIM, "entry": places, "outcomes": words})
    changes = [{"who": "wardproof"}, {"end": "refused"}, {"at": "1999-01-01T00:00:00Z"}]
    assert alterations(trail, row) == [*({**row, **one} for one in changes), *changes]


# --- whose records an answer showed ------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "body", "shown"),
    [
        # A long id is met by accident nowhere.
        ("b7d1f0aa-52c9", {"id": "b7d1f0aa-52c9"}, True),
        ("b7d1f0aa-52c9", {"text": "see b7d1f0aa-52c9"}, False),
        ("b7d1f0aa-52c9", "b7d1f0aa-52c9;isolates", True),
        # A short one may be a number of anything.
        ("7", {"id": 7, "beds": 7}, False),
        ("7", {"id": 7, "text": "MARKER"}, True),
        ("7", {"text": "MARKER"}, True),
        ("7", {"id": 8}, False),
    ],
)
def test_records_that_an_answer_shows_concern_their_patients(
    record: str, body: Any, shown: bool
) -> None:
    of = target(audit=CLAIM)
    world = World(of, Wire(of, of.system.base_url, Redactor()), {}, seed=1)
    patient = Instance("patient#1", "patient", "north", "p-20260001")
    note = Instance("note#2", "note", "north", record, parent=patient)
    world.instances |= {one.key: one for one in (patient, note)}
    marker = world.mint.token(Planted("north", "note", "text", note.key))
    said = json.loads(json.dumps(body).replace("MARKER", marker))
    found = given_out(world, "north", answer(200, said))
    assert found == (frozenset({"p-20260001"}) if shown else frozenset())
    assert given_out(world, "south", answer(200, said)) == frozenset()
