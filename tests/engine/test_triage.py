"""How grave findings are: the rows of triage.yaml, what is minor and what only looks like it."""

import json
import re
import string
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from conformance import findings, triage
from conformance.canary import Planted
from conformance.model import Verdict
from conformance.redaction import Redactor
from conformance.triage import SEVERITIES, URGENCIES, Rating, Symptom, rate
from conformance.verdicts import failed
from conformance.wire import Wire
from conformance.world import World
from tests.engine.exchanges import CASE, read
from tests.engine.targets import target

FILLED = {
    "who", "whom", "role", "resource", "records", "operation", "tenant", "other",
}  # fmt: skip
ROWS: list[dict[str, Any]] = list(triage.table()["rows"])


@pytest.fixture
def world() -> Iterator[World]:
    of = target()
    wire = Wire(of, of.system.base_url, Redactor())
    yield World(of, wire, {}, seed=1)
    wire.close()


def found(world: World, verdict: Verdict, **case: Any) -> dict[str, Any]:
    return findings.finding(world, replace(CASE, **case), verdict)


def answered(
    world: World, rule: str, reason: str, body: Any, status: int = 200, **asked: Any
) -> dict[str, Any]:
    """The finding of a campaign about an answer with that body."""
    return found(world, failed("fuzz", rule, reason, read(status, body, **asked)))


def is_minor(finding: dict[str, Any]) -> bool:
    return (finding["severity"], finding["urgency"]) == ("inconvenience", "scheduled")


# --- the table -------------------------------------------------------------------------------


def test_every_row_is_made_of_what_there_is() -> None:
    words = triage.table()["words"]
    for row in ROWS:
        assert set(row) <= triage.CONDITIONS | triage.EFFECTS, row
        assert set(row) & triage.EFFECTS, row
        assert set(row.get("shows", ())) | set(row.get("unless", ())) <= triage.FACTS, row
        assert set(row.get("most", ())) <= {"slower", "workflows"}, row
        assert set(row.get("affects", ())) <= {"data", "workflow"}, row
        assert {row.get("resource", "care"), row.get("no_resource", "care")} <= set(words), row
        assert row.get("severity", "operational") in SEVERITIES, row
        assert row.get("urgency", "now") in URGENCIES, row
        assert row.get("noise", "quiet") in {"quiet", "noisy"}, row
        for effect in ("raise", "lower"):
            scales = {"severity": SEVERITIES, "urgency": URGENCIES}
            for name, value in row.get(effect, {}).items():
                assert value in scales[name], row
        re.compile(row.get("observed", ""))


def test_every_row_is_about_rules_that_there_are() -> None:
    for row in ROWS:
        for rule in row["rule"] if isinstance(row["rule"], list) else [row["rule"]]:
            assert findings.rule(rule), rule


def test_templates_are_filled_from_the_finding() -> None:
    for row in ROWS:
        for text in (row.get("affected", ""), row.get("could", "")):
            fields = {name for _, name, _, _ in string.Formatter().parse(text) if name}
            assert fields <= FILLED, text
        assert row.get("could", ".").endswith("."), row
        assert not row.get("affected", "").endswith("."), row


def test_every_rule_says_whom_it_affects_and_what_could_happen(world: World) -> None:
    bare = [row for row in ROWS if not set(row) & (triage.CONDITIONS - {"rule"})]
    for rule in findings.rules():
        assert any(triage.applies(row, Symptom(rule)) for row in bare), f"no row for {rule}"
        told = found(world, failed("bypass", rule, "so it was", read(200, {})))
        assert told["affected"], rule
        assert "{" not in told["affected"] + told["could"], rule
        assert re.fullmatch(r"[A-Z].*\.", told["could"]), rule
        if told["severity"] == "care_blocking":
            assert told["affects_workflow"] or told["affects_data"], rule


def test_a_rule_alone_is_as_grave_as_rules_say() -> None:
    """Nothing is raised or lowered where nothing was seen."""
    for name in findings.rules():
        known = findings.rule(name)
        rating = rate(Symptom(name), known)
        assert (rating.severity, rating.urgency) == (known["severity"], known["urgency"]), name


def test_raising_never_lowers_and_lowering_never_raises() -> None:
    grave = {"severity": "care_blocking", "urgency": "now", "noise": "quiet"}
    slight = {"severity": "inconvenience", "urgency": "scheduled", "noise": "quiet"}
    for row in ROWS:
        for effect, start in (("raise", grave), ("lower", slight)):
            if effect in row:
                rating = Rating(start["severity"], start["urgency"], start["noise"])
                changed = triage._changed(rating, {effect: row[effect]})
                assert changed == rating, row


# --- what is minor, and its look-alikes ------------------------------------------------------

SCHEMA = "Response violates schema: "


def test_a_misspelt_label_is_minor(world: World) -> None:
    reason = (
        f'GET /patients: {SCHEMA}"Temprature" is not one of "Temperature", "Pulse" or 2 other '
        "candidates Schema at /components/schemas/Column/properties/label: { }"
    )
    assert is_minor(answered(world, "contract.schema", reason, {"label": "Temprature"}))


@pytest.mark.parametrize(
    "reason",
    [
        "the label of the button reads 'Sav', not 'Save'",
        "the title differs from the example: 'Patient List' instead of 'Patients'",
    ],
)
def test_another_wording_is_minor(world: World, reason: str) -> None:
    reason = reason.replace(", not ", " instead of ")
    assert is_minor(answered(world, "contract.wording", reason, {}))


def test_content_that_breaks_its_pattern_is_no_label(world: World) -> None:
    """A schema that has a title, or a field that holds what somebody wrote, is no wording."""
    for where in ('Schema: { "title": "ETag" }', "Schema at /x/properties/text: { }"):
        reason = f'GET /notes: {SCHEMA}"1" does not match "^[a-z]+$" {where}'
        assert not is_minor(answered(world, "contract.schema", reason, {"text": "1"}))


def test_swapped_labels_are_not_minor(world: World) -> None:
    """The value of one measurement stands under the name of another one."""
    reason = (
        f'GET /vitals: {SCHEMA}"Diastolic" was expected to be "Systolic" Schema at '
        "/components/schemas/Vitals/properties/systolic/properties/label: { }"
    )
    body = {
        "systolic": {"label": "Diastolic", "value": 120},
        "diastolic": {"label": "Systolic", "value": 80},
    }
    told = answered(world, "contract.schema", reason, body)
    assert (told["severity"], told["urgency"]) == ("care_blocking", "now")
    assert told["affects_data"]
    assert told["noise"] == "quiet"


@pytest.mark.parametrize(("got", "right"), [("mcg", "mg"), ("Left knee", "Right knee")])
def test_a_wrong_unit_or_side_is_not_minor(world: World, got: str, right: str) -> None:
    reason = (
        f'GET /orders: {SCHEMA}"{got}" is not one of "{right}" Schema at '
        "/components/schemas/Order/properties/unit_label: { }"
    )
    told = answered(world, "contract.schema", reason, {"unit_label": got})
    assert told["severity"] in {"care_blocking", "data_integrity"}


def test_a_label_that_holds_a_record_is_not_minor(world: World) -> None:
    marker = world.mint.token(Planted("south", "patient", "name", None))
    reason = (
        f'GET /patients: {SCHEMA}"{marker}" is not one of "Name" Schema at '
        "/components/schemas/Column/properties/label: { }"
    )
    told = answered(world, "contract.schema", reason, {"label": marker})
    assert not is_minor(told)
    assert told["severity"] == "privacy_regulatory"


def const(right: str) -> str:
    return (
        f'GET /vitals: {SCHEMA}"{right}" was expected Schema at '
        "/components/schemas/Vitals/properties/label: { }"
    )


def test_the_one_wording_that_there_is_may_have_a_slip(world: World) -> None:
    assert is_minor(answered(world, "contract.schema", const("Pulse"), {"label": "Plse"}))


def test_another_word_than_the_only_one_is_not_minor(world: World) -> None:
    told = answered(world, "contract.schema", const("Pulse"), {"label": "Temperature"})
    assert SEVERITIES.index(told["severity"]) <= SEVERITIES.index("data_integrity")


def test_a_slip_in_an_answer_about_a_record_is_minor_all_the_same(world: World) -> None:
    marker = world.mint.token(Planted("north", "patient", "name", None))
    body = {"label": "Plse", "items": [{"name": marker}]}
    assert is_minor(answered(world, "contract.schema", const("Pulse"), body))
    assert not is_minor(answered(world, "contract.schema", const("Pulse"), {"label": marker}))


def test_another_order_is_minor(world: World) -> None:
    reason = "the same 20 records, by id and not by time"
    assert is_minor(answered(world, "contract.order", reason, []))


@pytest.mark.parametrize(
    "reason",
    [
        "patients are listed by id and not by priority",
        "the same record is on two pages twice, and another one on none",
        "between pages one record is left out",
    ],
)
def test_an_order_that_decides_is_not_minor(world: World, reason: str) -> None:
    told = answered(world, "contract.order", reason, [])
    assert (told["severity"], told["affects_workflow"]) == ("care_blocking", True)


def extra(name: str) -> str:
    return (
        f"GET /patients: {SCHEMA}Additional properties are not allowed ('{name}' was unexpected) "
        "Schema at /components/schemas/Patient: { }"
    )


@pytest.mark.parametrize("name", ["request_id", "traceId", "api-version", "elapsed_ms"])
def test_a_technical_field_too_many_is_minor(world: World, name: str) -> None:
    told = answered(world, "contract.schema", extra(name), {"id": 1, name: "5f2c"})
    assert is_minor(told)
    assert not told["affects_data"]
    assert not told["affects_workflow"]


def test_a_field_that_repeats_a_header_is_minor(world: World) -> None:
    told = answered(
        world, "contract.schema", extra("ref"), {"ref": "5f2c-77"}, headers={"X-Ref": "5f2c-77"}
    )
    assert is_minor(told)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("request", {"id": 1, "user": "nurse"}),
        ("debug", "select 1"),
        ("dryWeightKg", 71.5),
        ("requestNote", "call the daughter"),
    ],
)
def test_a_field_too_many_that_may_tell_something_is_not_minor(
    world: World, name: str, value: Any
) -> None:
    assert not is_minor(answered(world, "contract.schema", extra(name), {name: value}))


def test_a_field_too_many_with_a_record_or_a_secret_is_grave(world: World) -> None:
    marker = world.mint.token(Planted("south", "patient", "name", None))
    leaking = answered(world, "contract.schema", extra("request_id"), {"request_id": marker})
    assert (leaking["severity"], leaking["affects_data"]) == ("privacy_regulatory", True)
    world.wire.redactor.add("hunter2-hunter2")
    secret = answered(
        world, "contract.schema", extra("request_id"), {"request_id": "hunter2-hunter2"}
    )
    assert (secret["severity"], secret["urgency"]) == ("privacy_regulatory", "now")


def test_a_technical_field_beside_a_record_is_minor(world: World) -> None:
    """What the record itself holds is no content of the field too many."""
    marker = world.mint.token(Planted("north", "patient", "name", None))
    body = {"id": 1, "name": marker, "request_id": "5f2c"}
    assert is_minor(answered(world, "contract.schema", extra("request_id"), body))
    assert not is_minor(
        answered(world, "contract.schema", extra("request_id"), {**body, "request_id": marker})
    )


def test_an_answer_that_cannot_be_read_is_not_taken_for_harmless(world: World) -> None:
    assert not is_minor(answered(world, "contract.schema", extra("request_id"), b"{cut"))


# --- load ------------------------------------------------------------------------------------


def slow(
    *,
    p95: float = 6.0,
    broken: tuple[str, ...] = ("report",),
    errors: int = 0,
    series: tuple[float, ...] = (6.0,) * 9,
    personas: dict[str, float] | None = None,
) -> dict[str, Any]:
    """What a phase of load is drawn from; 3 s are promised."""
    names = ("report", "round")
    return {
        "kind": "load",
        "phase": "steady",
        "workflows": [
            {
                "name": name,
                "outcome": "fail" if name in broken else "pass",
                "p95": p95,
                "p99": None,
                "errors": errors,
                "slo": {"p95": 3.0, "p99": None},
            }
            for name in names
        ],
        "series": [{"workflow": "report", "points": [{"p95": one} for one in series]}],
        "personas": [{"persona": name, "p95": taken} for name, taken in (personas or {}).items()],
    }


def loaded(world: World, detail: dict[str, Any]) -> dict[str, Any]:
    verdict = failed("load", "load.slow", "report: p95 6 s, promised 3 s", detail=detail)
    return found(world, verdict, resource=None, operation=None)


@pytest.fixture
def reporting(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose workflow `report` does nothing but report."""
    monkeypatch.setattr(triage, "_only_reports", lambda _target, name: name == "report")
    return world


def test_a_slow_but_bounded_report_is_minor(reporting: World) -> None:
    told = loaded(reporting, slow())
    assert is_minor(told)
    assert told["noise"] == "noisy"


@pytest.mark.parametrize(
    "detail",
    [
        slow(broken=("report", "round")),
        slow(broken=("round",)),
        slow(p95=30.0),
        slow(errors=3),
        slow(series=(2.0, 2.1, 2.2, 3.0, 4.0, 5.0, 6.0, 8.0, 9.0)),
        slow(personas={"nurse.north": 9.0, "nurse.south": 1.0}),
    ],
    ids=["others-suffer", "patients-wait", "unbounded", "fails", "grows", "one-tenant"],
)
def test_slowness_that_grows_or_spreads_is_not_minor(
    reporting: World, detail: dict[str, Any]
) -> None:
    told = loaded(reporting, detail)
    assert SEVERITIES.index(told["severity"]) <= SEVERITIES.index("operational")
    assert told["urgency"] != "scheduled"
    assert told["affects_workflow"]


def test_what_takes_longer_while_more_is_asked_for_does_not_grow(reporting: World) -> None:
    """A ramp multiplies the rates, so that only what a steady rate shows tells of growth."""
    growing = slow(series=(2.0, 2.1, 2.2, 3.0, 4.0, 5.0, 6.0, 8.0, 9.0))
    assert is_minor(loaded(reporting, {**growing, "phase": "ramp"}))
    assert not is_minor(loaded(reporting, growing))


def test_only_who_runs_what_is_slow_tells_of_one_tenant() -> None:
    """Others of that tenant, whom nothing keeps waiting, do not make up for it."""
    clerks = {"clerk.north": {"role": "clerk", "tenant": "north"}}
    clerks["clerk.west"] = {"role": "clerk", "tenant": "west"}
    nurses = {f"nurse{n}.{of}": {"role": "nurse", "tenant": of} for n in "123" for of in TOWNS}
    workflow = {"as": "clerk", "steps": ["patient.list"], "rate": 1, "slo": {"p95": 3}}
    of = target(personas={**clerks, **nurses}, workflows={"report": workflow})
    quick = dict.fromkeys(nurses, 0.1)

    def told(north: float, west: float, **more: float) -> bool:
        detail = slow(personas={**quick, **more, "clerk.north": north, "clerk.west": west})
        return "one_tenant" in set(triage._of_load(of, detail))

    assert told(6.0, 0.5)
    assert not told(6.0, 6.0)
    assert not told(6.0, 6.0, **{"nurse1.north": 0.9, "nurse2.north": 0.9, "nurse3.north": 0.9})


TOWNS = ("north", "west")

REPORTING = {
    "list": "GET /statistics",
    "create": {"request": "POST /statistics", "json": {"name": "{name}"}},
}


@pytest.mark.parametrize(
    ("do", "request_", "reports"),
    [
        ("statistics.list", None, True),
        ("statistics.create", None, False),
        ("patient.read", None, False),
        (None, "GET /reports/monthly?year=2026", True),
        (None, "GET /patients/{id}?view=report", False),
        (None, "POST /reports", False),
    ],
)
def test_only_reading_figures_counts_as_a_report(
    do: str | None, request_: str | None, reports: bool
) -> None:
    of = target(resources__statistics=REPORTING)
    assert triage._reports(of, do, request_) is reports


# --- graver than the rule --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "does", "resource", "severity"),
    [
        ("unauthenticated.action", "action", "patient", "care_blocking"),
        ("unauthenticated.read", "read", "patient", "privacy_regulatory"),
        ("side-effect.bola", "update", "prescription", "care_blocking"),
        ("side-effect.bola", "update", "newsletter", "data_integrity"),
        ("batch.write", "action", "patient", "care_blocking"),
        ("over-restriction", "read", "patient", "care_blocking"),
        ("over-restriction", "read", "invoice", "operational"),
        ("over-restriction", "read", "lab_report", "care_blocking"),
        ("over-restriction", "create", "invoice", "care_blocking"),
    ],
)
def test_what_is_done_to_what_decides(rule: str, does: str, resource: str, severity: str) -> None:
    rating = rate(Symptom(rule, does=does, resource=resource), findings.rule(rule))
    assert rating.severity == severity


@pytest.mark.parametrize("rule", ["disclosure.path", "convention.role", "fuzz.server_error"])
def test_an_error_that_holds_another_tenants_record_is_grave(world: World, rule: str) -> None:
    marker = world.mint.token(Planted("south", "patient", "name", None))
    told = answered(world, rule, "so it was", {"detail": f"no bed for {marker}"}, status=404)
    assert (told["severity"], told["urgency"]) == ("privacy_regulatory", "now")
    assert "another organisation" in told["could"]


def test_what_the_request_carried_itself_is_no_content(world: World) -> None:
    marker = world.mint.token(Planted("south", "patient", "name", None))
    told = answered(
        world, "convention.role", "so it was", {"detail": marker}, status=403, sent=marker
    )
    assert told["severity"] == "operational"


def test_hostile_answers_do_not_cost_a_finding(world: World) -> None:
    deep = b"[" * 100_000
    bodies: list[Any] = [deep, b"\xff\x00", json.dumps({"a": [{}] * 1000}).encode(), b""]
    for body in bodies:
        assert answered(world, "contract.schema", extra("request_id"), body)["severity"]
