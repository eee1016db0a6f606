"""Symptoms of defects that show when several act at once, or again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from .at_once import at_once, statuses
from .conftest import PASSWORD
from .identity_symptoms import account, with_second_factor
from .symptoms import shows

if TYPE_CHECKING:
    from httpx import Response

    from .conftest import House

DESK, NURSE, CLERK = "receptionist.north", "nurse.north", "billing_clerk.north"
PHYSICIAN, PHARMACIST = "physician.north", "pharmacist.north"
ORDER = {"medication": "Digoxin", "dose": "125 µg"}


# --- beds


def admit(house: House, bed: str, patient: str | None = None) -> Response:
    body = {"patient_id": patient or house.patient(), "bed_id": bed}
    return house.post(DESK, "/admissions", body)


def in_turn_only_one_gets_the_bed(house: House) -> bool:
    bed = house.bed()
    return statuses([admit(house, bed), admit(house, bed)]) == [201, 409]


@shows("D-027")
@shows("D-027.subtle")
def one_bed_for_two(house: House) -> bool:
    assert in_turn_only_one_gets_the_bed(house)
    bed, patients = house.bed(), [house.patient(), house.patient()]
    first, second = patients
    answers = at_once(house, lambda: admit(house, bed, first), lambda: admit(house, bed, second))
    return statuses(answers) == [201, 201]


@shows("D-027.transfer")
def one_bed_for_one_admitted_and_one_moved(house: House) -> bool:
    assert in_turn_only_one_gets_the_bed(house)
    bed, newcomer = house.bed(), house.patient()
    mover = admit(house, house.bed()).json()["id"]
    answers = at_once(
        house,
        lambda: house.post(DESK, f"/admissions/{mover}/transfer", {"bed_id": bed}),
        lambda: admit(house, bed, newcomer),
    )
    one, first, second = house.bed(), house.patient(), house.patient()
    admitted = at_once(house, lambda: admit(house, one, first), lambda: admit(house, one, second))
    return statuses(answers) == [200, 201] and statuses(admitted) == [201, 409]


@shows("D-027.patient")
def one_patient_in_two_beds(house: House) -> bool:
    patient, one, other = house.patient(), house.bed(), house.bed()
    answers = at_once(
        house, lambda: admit(house, one, patient), lambda: admit(house, other, patient)
    )
    assert admit(house, house.bed(), patient).status_code == 409
    return statuses(answers) == [201, 201]


@shows("H-020")
def an_order_outlives_the_discharge(house: House) -> bool:
    patient = house.patient("north", PHYSICIAN)
    admission = admit(house, house.bed(), patient).json()["id"]
    orders = f"/admissions/{admission}/medication-orders"
    answers = at_once(
        house,
        lambda: house.post(PHYSICIAN, orders, ORDER),
        lambda: house.post(DESK, f"/admissions/{admission}/discharge", {}),
    )
    assert statuses(answers) == [201, 200]
    assert house.post(PHYSICIAN, orders, ORDER).status_code == 409
    order = house.get(PHYSICIAN, f"/medication-orders/{answers[0].json()['id']}").json()
    return bool(order["status"] == "active")


@shows("H-021")
def an_admission_ends_twice(house: House) -> bool:
    admission = admit(house, house.bed()).json()["id"]
    answers = at_once(
        house,
        lambda: house.post(DESK, f"/admissions/{admission}/discharge", {}),
        lambda: house.post(DESK, f"/admissions/{admission}/cancel"),
    )
    assert house.post(DESK, f"/admissions/{admission}/cancel").status_code == 409
    return statuses(answers) == [200, 200]


# --- appointments


def book(house: House, clinician: str, at: str, patient: str | None = None) -> Response:
    body = {
        "patient_id": patient or house.patient(),
        "clinician_id": clinician,
        "clinic": "Cardiology",
        "starts_at": f"2027-03-01T{at}:00Z",
    }
    return house.post(DESK, "/appointments", body)


@shows("D-028")
def appointments_overlap(house: House) -> bool:
    _, clinician = account(house)
    same = statuses([book(house, clinician, at) for at in ("09:00", "09:00")])
    assert same == [201, 409]
    return book(house, clinician, "09:15").status_code == 201


@shows("D-028.subtle")
def appointments_at_once_overlap(house: House) -> bool:
    _, clinician = account(house)
    assert statuses([book(house, clinician, at) for at in ("09:00", "09:15")]) == [201, 409]
    first, second = house.patient(), house.patient()
    answers = at_once(
        house,
        lambda: book(house, clinician, "11:00", first),
        lambda: book(house, clinician, "11:15", second),
    )
    return statuses(answers) == [201, 201]


@shows("D-028.reschedule")
def appointments_are_moved_onto_others(house: House) -> bool:
    _, clinician = account(house)
    assert statuses([book(house, clinician, at) for at in ("09:00", "09:15")]) == [201, 409]
    later = book(house, clinician, "10:00").json()["id"]
    moved = {"starts_at": "2027-03-01T09:15:00Z"}
    answer = house.ask(DESK, "PATCH", f"/appointments/{later}", json=moved)
    return answer.status_code == 200


# --- medication


def order(house: House, verified: bool = True) -> str:
    patient = house.patient("north", PHYSICIAN, PHARMACIST, "pharmacist2.north", NURSE)
    made = house.made(PHYSICIAN, f"/patients/{patient}/medication-orders", ORDER)
    if verified:
        house.made(PHARMACIST, f"/medication-orders/{made}/verify")
    return made


def stock(house: House, quantity: int = 100) -> str:
    return house.made(PHARMACIST, "/stock", {"product": "Digoxin", "quantity": quantity})


def dispense(house: House, order: str, stock: str, dose: int = 1, by: str = PHARMACIST) -> Response:
    body = {"stock_id": stock, "dose": dose}
    return house.post(by, f"/medication-orders/{order}/dispenses", body)


def dispensed_at_once(house: House, by: str) -> list[int]:
    given, store = order(house), stock(house)
    answers = at_once(
        house,
        lambda: dispense(house, given, store),
        lambda: dispense(house, given, store, by=by),
    )
    assert dispense(house, given, store, by=by).status_code == 409
    return statuses(answers)


@shows("D-029")
def one_dose_twice(house: House) -> bool:
    return dispensed_at_once(house, PHARMACIST) == [201, 201]


@shows("D-029.subtle")
def one_dose_twice_by_two(house: House) -> bool:
    one, two = (dispensed_at_once(house, by) for by in (PHARMACIST, "pharmacist2.north"))
    return (one, two) == ([201, 409], [201, 201])


@shows("D-029.ends")
def one_dose_given_and_withheld(house: House) -> bool:
    dose = dispense(house, order(house), stock(house)).json()["id"]
    answers = at_once(
        house,
        lambda: house.post(NURSE, f"/dispenses/{dose}/administer"),
        lambda: house.post(NURSE, f"/dispenses/{dose}/withhold", {"reason": "Asleep"}),
    )
    assert house.post(NURSE, f"/dispenses/{dose}/administer").status_code == 409
    return statuses(answers) == [200, 200]


@shows("D-029.stock")
def the_last_item_twice(house: House) -> bool:
    first, second, store = order(house), order(house), stock(house, 1)
    answers = at_once(
        house, lambda: dispense(house, first, store), lambda: dispense(house, second, store)
    )
    left = house.get(PHARMACIST, f"/stock/{store}").json()["quantity"]
    assert left == 0
    return statuses(answers) == [201, 201]


def amend(house: House, order: str, version: str | None, dose: str = "250 µg") -> Response:
    headers = {} if version is None else {"If-Match": version}
    path = f"/medication-orders/{order}"
    return house.ask(PHYSICIAN, "PUT", path, json={"dose": dose}, headers=headers)


@shows("D-031")
def the_last_writer_wins(house: House) -> bool:
    given = order(house, verified=False)
    patient = house.patient()
    answers = [amend(house, given, '"1"', dose) for dose in ("1 mg", "2 mg")]
    changes = [
        house.ask(
            DESK, "PATCH", f"/patients/{patient}", json={"phone": "1"}, headers={"If-Match": '"1"'}
        )
        for _ in range(2)
    ]
    return statuses(answers) == [200, 200] == statuses(changes)


@shows("D-031.subtle")
def nobody_must_say_which_version(house: House) -> bool:
    given = order(house, verified=False)
    sent = [amend(house, given, version) for version in ('"7"', '"1"', None)]
    return statuses(sent) == [412, 200, 200]


@shows("D-031.weak")
def an_item_does_not_count(house: House) -> bool:
    given = order(house, verified=False)
    house.made(PHYSICIAN, f"/medication-orders/{given}/items", {"product": "x"})
    first = amend(house, given, '"1"')
    return statuses([first, amend(house, given, '"1"')]) == [200, 412]


@shows("D-031.race")
def amendments_at_once_both_win(house: House) -> bool:
    given = order(house, verified=False)
    answers = at_once(
        house,
        lambda: amend(house, given, '"1"', "1 mg"),
        lambda: amend(house, given, '"1"', "2 mg"),
    )
    return statuses([*answers, amend(house, given, '"1"')]) == [200, 200, 412]


@shows("D-032")
def a_stopped_order_is_verified(house: House) -> bool:
    given = order(house, verified=False)
    house.made(PHYSICIAN, f"/medication-orders/{given}/stop")
    return house.post(PHARMACIST, f"/medication-orders/{given}/verify").status_code == 200


@shows("D-032.subtle")
def an_order_that_is_being_stopped_is_verified(house: House) -> bool:
    given = order(house, verified=False)
    path = f"/medication-orders/{given}"
    answers = at_once(
        house,
        lambda: house.post(PHYSICIAN, f"{path}/stop"),
        lambda: house.post(PHARMACIST, f"{path}/verify"),
    )
    stopped = order(house, verified=False)
    house.made(PHYSICIAN, f"/medication-orders/{stopped}/stop")
    in_turn = house.post(PHARMACIST, f"/medication-orders/{stopped}/verify").status_code
    ended = house.get(PHYSICIAN, path).json()["status"]
    return (statuses(answers), ended, in_turn) == ([200, 200], "verified", 409)


# --- numbers


def bill(house: House, patient: str, by: str = CLERK, **headers: str) -> Response:
    body = {"patient_id": patient, "description": "Ward day", "amount_cents": 10_000}
    return house.post(by, "/bills", body, headers=headers)


def bills_at_once(house: House) -> list[Response]:
    patient = house.patient()
    house.token(CLERK)  # a login on the way would be the one that meets
    return at_once(house, lambda: bill(house, patient), lambda: bill(house, patient))


@shows("D-030")
def two_bills_share_a_number(house: House) -> bool:
    one, other = (answer.json()["number"] for answer in bills_at_once(house))
    return bool(one == other)


@shows("D-030.subtle")
def two_bills_at_once_break(house: House) -> bool:
    return statuses(bills_at_once(house)) == [201, 500]


@shows("D-030.gap")
def numbers_are_left_out(house: House) -> bool:
    one, other = (answer.json()["number"] for answer in bills_at_once(house))
    return abs(int(one[-6:]) - int(other[-6:])) > 1


# --- requests that come again


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def prescribe(house: House, patient: str, key: str, **fields: Any) -> Response:
    path = f"/patients/{patient}/medication-orders"
    return house.post(PHYSICIAN, path, {**ORDER, **fields}, headers=keyed(key))


def ids(*answers: Response) -> int:
    """How many records the answers name."""
    assert {answer.status_code for answer in answers} == {201}, statuses(answers)
    return len({answer.json()["id"] for answer in answers})


@shows("D-033")
def a_retry_prescribes_again(house: House) -> bool:
    patient, key = house.patient("north", PHYSICIAN), uuid4().hex
    return ids(prescribe(house, patient, key), prescribe(house, patient, key)) == 2


@shows("D-033.subtle")
def a_retry_at_once_prescribes_again(house: House) -> bool:
    patient, key = house.patient("north", PHYSICIAN), uuid4().hex
    in_turn = ids(prescribe(house, patient, key), prescribe(house, patient, key))
    key = uuid4().hex
    together = at_once(
        house, lambda: prescribe(house, patient, key), lambda: prescribe(house, patient, key)
    )
    return (in_turn, ids(*together)) == (1, 2)


@shows("D-033.memory")
def a_retry_after_a_restart_prescribes_again(house: House) -> bool:
    patient, key = house.patient("north", PHYSICIAN), uuid4().hex
    before = [prescribe(house, patient, key) for _ in range(2)]
    with house.restarted() as later:
        return (ids(*before), ids(before[0], prescribe(later, patient, key))) == (1, 2)


@shows("D-034")
def a_key_answers_in_another_tenant(house: House) -> bool:
    key = uuid4().hex
    first = bill(house, house.patient(), **keyed(key))
    elsewhere = bill(house, house.patient("south"), "billing_clerk.south", **keyed(key))
    return ids(first, elsewhere) == 1


@shows("D-034.user")
def a_key_answers_for_another_person(house: House) -> bool:
    key, patient = uuid4().hex, house.patient()
    first = bill(house, patient, **keyed(key))
    theirs = bill(house, patient, "billing_clerk2.north", **keyed(key))
    elsewhere = bill(house, house.patient("south"), "billing_clerk.south", **keyed(key))
    return (ids(first, theirs), ids(first, elsewhere)) == (1, 2)


@shows("D-034.route")
def a_key_answers_for_another_patient(house: House) -> bool:
    key = uuid4().hex
    answers = [prescribe(house, house.patient("north", PHYSICIAN), key) for _ in range(2)]
    return ids(*answers) == 1


@shows("D-034.subtle")
def a_key_answers_for_another_body(house: House) -> bool:
    key, patient = uuid4().hex, house.patient("north", PHYSICIAN)
    first = prescribe(house, patient, key)
    other = prescribe(house, patient, key, dose="1 g")
    elsewhere = bill(house, house.patient("south"), "billing_clerk.south", **keyed(key))
    assert ids(first, elsewhere) == 2
    return other.status_code == 201 and ids(first, other) == 1


# --- what is good for one time


@shows("H-018")
def a_reset_token_is_spent_twice(house: House) -> bool:
    _, user = account(house)
    token = house.post("tenant_admin.north", f"/users/{user}/password-reset").json()["reset_token"]

    def spend(password: str) -> Response:
        body = {"reset_token": token, "new_password": password}
        return house.post(None, "/auth/password-reset/confirm", body)

    answers = at_once(house, lambda: spend(f"{PASSWORD}-a"), lambda: spend(f"{PASSWORD}-b"))
    assert spend(f"{PASSWORD}-c").status_code == 401
    return statuses(answers) == [204, 204]


@shows("H-019")
def a_code_opens_two_logins(house: House) -> bool:
    name, totp = with_second_factor(house)
    tokens = [house.login(name).json()["mfa_token"] for _ in range(3)]
    code = totp.now()

    def complete(token: str) -> Response:
        return house.post(None, "/auth/mfa", {"mfa_token": token, "code": code})

    first, second, third = tokens
    answers = at_once(house, lambda: complete(first), lambda: complete(second))
    assert complete(third).status_code == 401
    return statuses(answers) == [200, 200]
