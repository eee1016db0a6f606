"""Properties of records: what masks let through, what answers tell, what writes set."""

from typing import Any

import pytest

from conformance import fields, policy, sources
from conformance.cases import Profile
from conformance.fields import Sight
from conformance.model import Outcome, Result
from conformance.oracles import properties as oracle
from conformance.oracles.properties import (
    Assignment,
    Filtering,
    Masked,
    Rows,
    Shown,
    Sorting,
    Told,
    Write,
)
from conformance.policy import Grant
from tests.engine.exchanges import CASE, ID, read, unanswered
from tests.engine.targets import target

DESK = Sight(frozenset({"name", "ward"}), None, embeds=False)
WHOLE = {"id": ID, "name": "Ann", "ward": "pediatrics", "alert": "latex allergy", "note": None}
MASKS = {
    "desk": {"visible": ["name", "ward.code"]},
    "open": {"hidden": ["alert"]},
    "dark": {"hidden": ["alert", "note"]},
    "write": {"writable": ["phone"]},
}


# --- sight -----------------------------------------------------------------------------------


def seen(*masks: str | None) -> Sight | None:
    grants = [Grant("allow", mask) for mask in masks]
    return policy.sight(target(masks=MASKS), grants, "patient")


@pytest.mark.parametrize(
    ("masks", "shown", "hidden"),
    [
        (["desk"], ["id", "name", "NAME"], ["alert", "ward"]),
        (["open"], ["name", "note"], ["alert"]),
        (["open", "dark"], ["note"], ["alert"]),
        (["desk", "dark"], ["name", "ward"], ["alert", "note"]),
    ],
)
def test_masks_together_show_what_one_of_them_shows(
    masks: list[str], shown: list[str], hidden: list[str]
) -> None:
    found = seen(*masks)
    assert found is not None
    assert [name for name in (*shown, *hidden) if found.shows(name)] == shown


@pytest.mark.parametrize("masks", [["desk", None], ["write"], [None]])
def test_a_grant_without_a_mask_for_reading_shows_everything(masks: list[str | None]) -> None:
    assert seen(*masks) is None


def test_spellings_of_a_name_are_one() -> None:
    assert fields.plain("createdAt") == fields.plain("created_at") == fields.plain("Created-At")
    assert fields.other_spelling("created_by_id") == "createdById"
    assert fields.other_spelling("createdById") == "created_by_id"
    assert fields.other_spelling("status") == "status"


def test_records_are_found_by_their_id_and_not_by_what_wraps_them() -> None:
    wrapped = {"results": [{"id": ID, "result": {"id": ID, "name": "Ann"}}, {"id": "other"}]}
    assert fields.own(wrapped, ID) == [{"id": ID, "name": "Ann"}]


def test_attributes_of_json_api_are_the_records_own() -> None:
    document = {"data": {"type": "patient", "id": ID, "attributes": {"name": "Ann"}}}
    assert fields.own(document, ID) == [{"type": "patient", "id": ID, "name": "Ann"}]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("a", "a", True),
        (1, "1", True),
        (None, None, False),
        (True, "true", True),
        (True, 1, False),
        (["a", "b"], ["b", "a"], True),
        ("2001-02-03T04:05:06Z", "2001-02-03T04:05:06+00:00", True),
        ("2001-02-03T04:05:06Z", "2001-02-03T04:05:07Z", False),
    ],
)
def test_values_are_the_same_in_any_way_of_writing(one: Any, other: Any, alike: bool) -> None:
    assert fields.same(one, other) is alike


def test_a_secret_is_what_no_visible_field_says() -> None:
    record = {"name": "Ann", "alert": "latex allergy", "alias": "Ann", "born": "1990-01-01"}
    assert fields.secrets(record, DESK) == {"alert": "latex allergy"}


# --- shown and asked for -----------------------------------------------------------------------


def shown(body: Any, says: str = "it", status: int = 200) -> Shown:
    records = (fields.properties(body),) if isinstance(body, dict) else ()
    return Shown(says, read(status, body), records)


def masked(plain: Any, *asked: Shown, sight: Sight = DESK) -> Masked:
    return Masked(CASE, sight, shown(plain), asked, WHOLE)


@pytest.mark.parametrize(
    ("body", "rule", "told"),
    [
        ({"id": ID, "name": "Ann"}, None, "alert, note"),
        ({"id": ID, "name": "Ann", "alert": "latex allergy"}, "property.shown", "shows alert"),
        ({"id": ID, "name": "Ann", "alert": None}, "property.null", "alert as null"),
        ({"id": ID, "name": "Latex Allergy"}, "property.shown", "value of alert"),
    ],
)
def test_what_a_mask_hides_is_absent(body: Any, rule: str | None, told: str) -> None:
    verdict = oracle.absent(masked(body))
    assert (verdict.rule, verdict.result is Result.PASS) == (rule, rule is None)
    assert told in verdict.reason


def test_embedded_records_are_left_to_the_markers_where_the_mask_names_some() -> None:
    body = {"id": ID, "name": "Ann", "beds": [{"label": "7"}]}
    embedding = Sight(DESK.visible, None, embeds=True)
    assert oracle.absent(masked(body)).rule == "property.shown"
    assert oracle.absent(masked(body, sight=embedding)).result is Result.PASS


@pytest.mark.parametrize("plain", [read(500), read(403), unanswered()])
def test_a_read_that_is_not_served_proves_nothing_of_masks(plain: Any) -> None:
    verdict = oracle.absent(Masked(CASE, DESK, Shown("it", plain, ())))
    assert verdict.result is Result.INCONCLUSIVE


def test_asking_for_a_masked_field_must_not_show_it() -> None:
    sound = {"id": ID, "name": "Ann"}
    asked = shown({**sound, "alert": "latex allergy"}, "fields=alert")
    refused = shown({"error": "fields"}, "fields=alert", 422)
    assert oracle.asking_changes_nothing(masked(sound, refused)).result is Result.PASS
    verdict = oracle.asking_changes_nothing(masked(sound, refused, asked))
    assert (verdict.rule, "fields=alert" in verdict.reason) == ("property.asked", True)


# --- filtered and sorted by --------------------------------------------------------------------


def rows(*ids: str, total: str | None = None, status: int = 200) -> Rows:
    return Rows(read(status), ids, total)


@pytest.mark.parametrize(
    ("theirs", "nobodys", "tells"),
    [
        (rows("1", "2"), rows("1", "2"), False),
        (rows("1", "2", "9"), rows("1", "2"), False),
        (rows("1"), rows(), True),
        (rows("1", "9"), rows("2", "9"), True),
        (rows("8", total="1"), rows("9", total="0"), True),
        (rows("8"), rows(), True),
        (rows("1"), rows(status=422), False),
    ],
)
def test_a_filter_tells_where_planted_rows_depend_on_it(
    theirs: Rows, nobodys: Rows, tells: bool
) -> None:
    once = Filtering("a filter", ((theirs, nobodys),), ("1", "2"))
    assert once.tells is tells
    both = Filtering("a filter", ((theirs, nobodys), (rows("1"), rows("1"))), ("1", "2"))
    assert both.tells is False


UP, DOWN = rows("1", "9", "2"), rows("2", "9", "1")


@pytest.mark.parametrize(
    ("rounds", "nothing", "tells"),
    [
        (((UP, DOWN), (UP, DOWN)), ((UP, UP),), True),
        (((UP, DOWN), (UP, UP)), (), False),
        (((UP, DOWN), (UP, DOWN)), ((UP, DOWN),), False),
        (((UP, rows("9", "1", "2")),), (), False),
        (((rows("1", "2"), rows("7", "8")),), ((UP, UP),), True),
        (((UP, rows(status=400)),), (), False),
    ],
)
def test_sorting_tells_where_planted_rows_change_places(
    rounds: Any, nothing: Any, tells: bool
) -> None:
    assert Sorting("sorting", rounds, nothing, ("1", "2")).tells is tells


def test_filters_and_sorting_are_judged_by_what_they_tell() -> None:
    quiet = Filtering("a filter by alert", ((UP, UP),), ("1", "2"))
    loud = Filtering("a filter by alert", ((UP, rows()),), ("1", "2"))
    turned = Sorting("sorting by alert", ((UP, DOWN),), ((UP, UP),), ("1", "2"))
    still = Sorting("sorting by alert", ((UP, UP),), (), ("1", "2"))
    judged = [
        oracle.tells_nothing(Told(CASE, UP, ("alert",), (one,), (other,)))
        for one, other in ((quiet, still), (loud, still), (quiet, turned))
    ]
    assert [one.rule for one in judged] == [None, "property.filter", "property.sort"]
    nothing = oracle.tells_nothing(Told(CASE, UP, (), (), ()))
    assert nothing.result is Result.INCONCLUSIVE


# --- set -------------------------------------------------------------------------------------


def write(after: Any, status: int = 200, **parts: Any) -> Write:
    before = {"id": ID, "status": "draft", "seen": 1}
    tried = {"status": "signed", "owner": "somebody"}
    return Write("a plain write", tried, read(status), before, after, **parts)


def assigned(*writes: Write, control: Any = None, **parts: Any) -> Assignment:
    return Assignment(CASE, control or read(200), writes, ("status", "owner"), **parts)


@pytest.mark.parametrize(
    ("one", "result", "told"),
    [
        (write({"id": ID, "status": "draft"}), Result.PASS, "not set"),
        (write({"id": ID, "status": "draft", "seen": 2}), Result.PASS, "not set"),
        (write({"id": ID, "status": "signed"}), Result.FAIL, "set status to signed"),
        (write({"id": ID, "Owner": "somebody"}), Result.FAIL, "set owner to somebody"),
        (write({"id": ID, "status": "signed"}, 422), Result.FAIL, "set status"),
        (write(None, 422), Result.PASS, "not set"),
        (write(None, elsewhere="was found in tenant south"), Result.FAIL, "tenant south"),
        (write(None), Result.INCONCLUSIVE, "not read back"),
    ],
)
def test_only_the_tried_value_read_back_counts(one: Write, result: Result, told: str) -> None:
    verdict = oracle.not_set(assigned(one))
    assert (verdict.result, told in verdict.reason) == (result, True)
    assert verdict.rule == ("property.set" if result is Result.FAIL else None)


def test_refusals_prove_nothing_without_a_write_that_works() -> None:
    refused = write(None, 422)
    assert oracle.not_set(assigned(refused, control=read(422))).result is Result.INCONCLUSIVE


def test_nobody_who_may_read_back_proves_nothing() -> None:
    done = write(None)
    verdict = oracle.not_set(assigned(done, unproved="nobody may read the record"))
    assert verdict.result is Result.INCONCLUSIVE


# --- sources ---------------------------------------------------------------------------------


def test_masked_cases_are_those_whose_every_grant_hides_something() -> None:
    ward = target(
        masks=MASKS,
        policy={
            "clerk": {"patient": {"create": "allow", "read": "allow:desk", "list": "allow:write"}},
            "nurse": {"patient": {"read": ["assigned:dark", "own"], "list": "allow:open"}},
        },
    )
    found = [(one.persona, one.operation) for one in sources.properties.masked(ward, Profile.GATE)]
    assert found == [("clerk.north", "read"), ("nurse.north", "list")]
    lists = sources.properties.masked_lists(ward, Profile.GATE)
    assert [one.persona for one in lists] == ["nurse.north"]


def test_writes_are_tried_once_for_each_set_of_fields() -> None:
    ward = target(
        masks=MASKS,
        resources__patient__update={"request": "PATCH /patients/{id}", "json": {"phone": "1"}},
        policy={
            "clerk": {"patient": {"create": "allow", "update": "allow:write"}},
            "nurse": {"patient": {"create": "allow", "update": "allow"}},
        },
    )
    found = [
        (one.persona, one.operation) for one in sources.properties.settable(ward, Profile.GATE)
    ]
    assert found == [
        ("nurse.north", "create"),
        ("nurse.north", "update"),
        ("clerk.north", "update"),
    ]
    assert policy.writable(ward, ("clerk",), "patient", "update") == frozenset({"phone"})
    assert policy.writable(ward, ("clerk", "nurse"), "patient", "update") is None


def test_limited_writes_end_a_case_without_a_statement() -> None:
    limited = Write("a plain write", {"status": "signed"}, read(429), {})
    assert limited.read.outcome is Outcome.LIMITED
    verdict = oracle.not_set(assigned(limited, control=read(429)))
    assert verdict.result is Result.INCONCLUSIVE
