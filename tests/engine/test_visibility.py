"""Who may see a marker that turned up: the policy, applied to what was planted where."""

from collections.abc import Iterator
from typing import Any

import pytest

from conformance.canary import Planted
from conformance.instances import Instance
from conformance.model import Relation
from conformance.redaction import Redactor
from conformance.target import Target
from conformance.visibility import sightings
from conformance.wire import Wire
from conformance.world import World
from tests.engine.exchanges import answer, exchange
from tests.engine.targets import target


def ward() -> Target:
    """Clerks see patients but not their alerts; nurses what is assigned to them."""
    return target(
        masks={
            "desk": {"hidden": ["alert"]},
            "with-bed": {"visible": ["name", "bed.code"]},
        },
        personas={
            "nurse.north": {"role": "nurse", "tenant": "north"},
            "nurse2.north": {"role": "nurse", "tenant": "north"},
            "clerk.north": {"role": "clerk", "tenant": "north"},
            "porter.north": {"role": "porter", "tenant": "north"},
            "auditor.north": {"role": "auditor", "tenant": "north"},
            "nurse.south": {"role": "nurse", "tenant": "south"},
        },
        resources__bed={"create": "POST /beds", "read": "GET /beds/{id}"},
        policy={
            "nurse": {"patient": {"read": ["assigned"]}, "note": {"*": ["assigned"]}},
            "clerk": {"patient": {"create": ["allow"], "read": ["allow:desk"]}},
            "porter": {"patient": {"read": ["allow:with-bed"]}},
            "auditor": {"patient": {"read": ["global"]}},
        },
    )


@pytest.fixture
def world() -> Iterator[World]:
    """One patient of each tenant; that of the north is assigned to nurse.north."""
    described = ward()
    wire = Wire(described, described.system.base_url, Redactor())
    built = World(described, wire, {}, seed=1)
    for tenant in ("north", "south"):
        built.instances[f"patient-{tenant}"] = Instance(f"patient-{tenant}", "patient", tenant, "1")
    built.instances["patient-north"].related = {Relation.ASSIGNED: {"nurse.north"}}
    yield built
    wire.close()


def seen(
    world: World,
    persona: str,
    planted: Planted,
    asked: tuple[str, str] | None = ("patient", "read"),
    **more: Any,
) -> str:
    """The rule that breaks when `persona` is shown a marker; empty if it may see it."""
    token = world.mint.token(planted)
    given = exchange(answer(200, {"text": token.upper()}), persona=persona, **more)
    if asked is not None:
        world.asked[given.id] = asked
    (sighting,) = sightings(world, given)
    assert sighting.marker == token
    assert (sighting.of, sighting.field) == (planted.resource, planted.field)
    assert (sighting.why is None) == (sighting.rule == "")
    return sighting.rule


def of(
    resource: str = "patient", field: str = "name", tenant: str = "north", instance: bool = True
) -> Planted:
    return Planted(tenant, resource, field, f"patient-{tenant}" if instance else None)


@pytest.mark.parametrize(
    ("persona", "planted", "rule"),
    [
        pytest.param("nurse.north", of(), "", id="assigned"),
        pytest.param("nurse2.north", of(), "leak.unrelated", id="not-assigned"),
        pytest.param("nurse.north", of(field="alert"), "", id="no-mask"),
        pytest.param("clerk.north", of(), "", id="granted"),
        pytest.param("clerk.north", of(field="alert"), "leak.masked", id="masked"),
        pytest.param("porter.north", of(), "", id="on-the-list"),
        pytest.param("porter.north", of(field="alert"), "leak.masked", id="not-on-the-list"),
        pytest.param("clerk.north", of(tenant="south"), "leak.tenant", id="other-tenant"),
        pytest.param("nurse.south", of(), "leak.tenant", id="other-tenants-nurse"),
        pytest.param("auditor.north", of(tenant="south"), "", id="global"),
        pytest.param("anonymous", of(), "leak.anonymous", id="anonymous"),
        pytest.param("nurse2.north", of(instance=False), "", id="of-an-unknown-record"),
        pytest.param(
            "clerk.north", of(tenant="south", instance=False), "leak.tenant", id="of-another-worker"
        ),
        pytest.param("clerk.north", of("note", "text"), "leak.ungranted", id="never-granted"),
        pytest.param("nurse.north", of("note", "text"), "", id="may-read-that-record-anyway"),
        pytest.param("nurse2.north", of("note", "text"), "leak.unrelated", id="embedded-unrelated"),
        pytest.param("porter.north", of("bed", "code"), "", id="embedded-and-named-by-the-mask"),
        pytest.param("porter.north", of("bed", "note"), "leak.ungranted", id="embedded-not-named"),
    ],
)
def test_who_may_see_what(world: World, persona: str, planted: Planted, rule: str) -> None:
    if planted.resource == "note":
        world.instances["patient-north"].resource = "note"
        world.instances["patient-north"].related = {Relation.ASSIGNED: {"nurse.north"}}
    assert seen(world, persona, planted) == rule


def test_what_somebody_just_wrote_may_be_shown_to_them(world: World) -> None:
    own = Planted("north", "note", "text", "attempt:clerk.north")
    assert seen(world, "clerk.north", own) == ""
    assert seen(world, "porter.north", own) == "leak.ungranted"


def test_what_somebody_made_may_be_shown_to_them(world: World) -> None:
    world.instances["patient-north"].creator = "nurse2.north"
    assert seen(world, "nurse2.north", of()) == ""


def test_a_mask_hides_from_somebody_what_they_made_themselves(world: World) -> None:
    world.instances["patient-north"].creator = "clerk.north"
    assert seen(world, "clerk.north", of(field="alert")) == "leak.masked"
    assert seen(world, "clerk.north", of(field="alert"), asked=("patient", "create")) == ""


def test_answers_to_unknown_requests_are_judged_by_what_may_be_read(world: World) -> None:
    assert seen(world, "clerk.north", of(), asked=None) == ""
    assert seen(world, "clerk.north", of(field="alert"), asked=None) == "leak.masked"
    assert seen(world, "clerk.north", of("bed", "code"), asked=None) == "leak.ungranted"


@pytest.mark.parametrize("planted_as", ["break_glass", "channel", "relation"])
def test_what_is_of_no_record_is_its_tenants(world: World, planted_as: str) -> None:
    """The reason of an emergency, the title of a link."""
    reason = Planted("north", planted_as, "reason", "attempt:nurse.north")
    assert seen(world, "nurse.north", reason) == ""
    assert seen(world, "auditor.north", reason) == ""
    for persona in ("nurse.south", "anonymous"):
        assert seen(world, persona, reason) == "leak.tenant"


def test_a_request_says_of_what_its_markers_are(world: World) -> None:
    place = world.instances["patient-north"].lineage()
    told = []
    for more in ({}, {"planted": "break_glass"}):
        payload = world.payload("nurse.north", "patient", "north", place, **more)
        value = str(payload.lookup("canary", None, "reason"))
        (marker,) = payload.carried
        assert marker in value.lower()
        given = exchange(answer(200, {"text": value}), persona="nurse.north")
        told += [one.of for one in sightings(world, given)]
    assert told == ["patient", "break_glass"]


def test_logins_and_missing_answers_show_nothing(world: World) -> None:
    token = world.mint.token(of(tenant="south"))
    assert sightings(world, exchange(None)) == []
    login = exchange(answer(200, {"name": token}), persona="clerk.north", purpose="login")
    assert sightings(world, login) == []


def test_a_header_is_a_place_to_leak_too(world: World) -> None:
    token = world.mint.token(of(tenant="south"))
    given = exchange(answer(404, {}, {"X-Owner": token}), persona="clerk.north")
    (sighting,) = sightings(world, given)
    assert sighting.rule == "leak.tenant"
