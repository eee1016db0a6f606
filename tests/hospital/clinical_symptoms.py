"""Symptoms of defects of scores and flags: what they come to, and who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .symptoms import shows

if TYPE_CHECKING:
    from .conftest import House

NURSE, PHYSICIAN = "nurse.north", "physician.north"
ORDINARY: dict[str, Any] = {
    "respiratory_rate": 16,
    "spo2": 98,
    "systolic": 120,
    "pulse": 70,
    "temperature": 37.0,
    "consciousness": "A",
    "supplemental_oxygen": False,
}


def patient_of(house: House, scale: int = 1) -> str:
    patient = house.patient("north", NURSE, PHYSICIAN)
    if scale != 1:
        body = {"scale": scale, "reason": "Confirmed hypercapnic failure"}
        answer = house.ask(PHYSICIAN, "PUT", f"/patients/{patient}/spo2-scale", json=body)
        assert answer.status_code == 200, answer.text
    return patient


def vitals(house: House, patient: str, **changed: Any) -> dict[str, Any]:
    body = {name: value for name, value in {**ORDINARY, **changed}.items() if value != "left out"}
    answer = house.post(NURSE, f"/patients/{patient}/vitals", body)
    shown: dict[str, Any] = answer.json()
    return {"status_code": answer.status_code, **shown}


def scored(house: House, scale: int = 1, **changed: Any) -> dict[str, Any]:
    found: dict[str, Any] = vitals(house, patient_of(house, scale), **changed)["news2"]
    return found


def accepted(house: House, **changed: Any) -> bool:
    status: int = vitals(house, patient_of(house), **changed)["status_code"]
    assert status in (201, 422)
    return bool(status == 201)


def alerts(house: House, patient: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = house.get(NURSE, f"/patients/{patient}/alerts").json()["items"]
    return rows


def result(house: House, value: str, unit: str = "mmol/L") -> tuple[int, str | None, int]:
    """Status, flag and number of alerts of a potassium result."""
    patient = patient_of(house)
    order = house.made(PHYSICIAN, f"/patients/{patient}/lab-orders", {"tests": "Electrolytes"})
    body = {"analyte": "potassium", "value": value, "unit": unit}
    answer = house.post("lab_technician.north", f"/lab-orders/{order}/results", body)
    return answer.status_code, answer.json().get("flag"), len(alerts(house, patient))


def corrected(house: House) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The corrected entry, and the alerts afterwards: a severe set that was an ordinary one."""
    patient = patient_of(house)
    wrong = vitals(house, patient, spo2=85)
    right = house.post(NURSE, f"/vitals/{wrong['id']}/correct", ORDINARY).json()
    return right, alerts(house, patient)


@shows("D-039")
def saturation_91_is_not_red(house: House) -> bool:
    return bool([scored(house, spo2=value)["parts"]["spo2"] for value in (90, 91, 92)] == [3, 2, 2])


@shows("D-039.typo")
def fever_scores_eleven(house: House) -> bool:
    return bool(scored(house, temperature=38.1)["aggregate"] == 11)


@shows("D-039.subtle")
def much_oxygen_scores_nothing(house: House) -> bool:
    at_93, at_94 = (
        scored(house, 2, spo2=value, supplemental_oxygen=True)["parts"]["spo2"]
        for value in (93, 94)
    )
    return bool((at_93, at_94) == (0, 1))


@shows("D-039.symmetry")
def high_fever_is_red(house: House) -> bool:
    return bool(scored(house, temperature=39.1)["red"] is True)


@shows("D-039.systolic")
def high_pressure_scores_nothing(house: House) -> bool:
    return bool(scored(house, systolic=220)["aggregate"] == 0)


@shows("D-039.confusion")
def confusion_scores_nothing(house: House) -> bool:
    return bool([scored(house, consciousness=code)["aggregate"] for code in "CV"] == [0, 3])


@shows("D-039.medium")
def five_is_low(house: House) -> bool:
    return bool(scored(house, respiratory_rate=22, spo2=93, systolic=110)["band"] == "low")


@shows("D-039.high")
def seven_is_medium(house: House) -> bool:
    signs: dict[str, Any] = {
        "respiratory_rate": 22,
        "spo2": 93,
        "pulse": 115,
        "temperature": 38.5,
    }
    return bool(scored(house, **signs)["band"] == "medium")


@shows("D-039.capped")
def the_maximum_is_fifteen(house: House) -> bool:
    signs: dict[str, Any] = {"respiratory_rate": 8, "spo2": 85, "systolic": 80}
    more: dict[str, Any] = {
        "supplemental_oxygen": True,
        "pulse": 140,
        "consciousness": "U",
        "temperature": 34.9,
    }
    return bool(scored(house, **signs, **more)["aggregate"] == 15)


@shows("D-040")
def missing_is_zero(house: House) -> bool:
    return bool(scored(house, pulse="left out")["aggregate"] == 0)


@shows("D-040.air")
def unknown_gas_is_air(house: House) -> bool:
    return bool(scored(house, supplemental_oxygen="left out")["complete"] is True)


@shows("D-040.last")
def missing_is_carried_forward(house: House) -> bool:
    patient = patient_of(house)
    vitals(house, patient, pulse=140)
    return bool(vitals(house, patient, pulse="left out")["news2"]["aggregate"] == 3)


@shows("D-040.correction")
def a_correction_keeps_the_score(house: House) -> bool:
    right, _alerts = corrected(house)
    return bool((right["spo2"], right["news2"]["aggregate"]) == (98, 3))


@shows("D-040.alert")
def an_alert_outlives_its_entry(house: House) -> bool:
    right, rows = corrected(house)
    assert right["news2"]["aggregate"] in (0, 3)
    return bool([row["status"] for row in rows] == ["open"])


@shows("D-040.cached")
def a_read_shows_another_score(house: House) -> bool:
    patient = patient_of(house)
    vitals(house, patient)
    second = vitals(house, patient, spo2=85)
    shown = house.get(NURSE, f"/vitals/{second['id']}").json()["news2"]["aggregate"]
    return bool((second["news2"]["aggregate"], shown) == (3, 0))


@shows("D-041")
def fahrenheit_is_scored(house: House) -> bool:
    return accepted(house, temperature=98.6)


@shows("D-041.unit")
def milligrams_are_millimoles(house: House) -> bool:
    return bool(result(house, "6.5", "mg/dL") == (201, "critical_high", 1))


@shows("D-041.comma")
def a_comma_ends_the_number(house: House) -> bool:
    return bool(result(house, "2,6")[:2] == (201, "critical_low"))


@shows("D-041.digits")
def a_second_decimal_is_cut_off(house: House) -> bool:
    return bool(result(house, "2.55")[:2] == (201, "critical_low"))


@shows("D-042")
def the_second_alert_is_swallowed(house: House) -> bool:
    patient = patient_of(house)
    for _ in range(2):
        vitals(house, patient, spo2=85)
    return bool(len(alerts(house, patient)) == 1)


@shows("D-042.subtle")
def a_red_score_alone_tells_nobody(house: House) -> bool:
    patient = patient_of(house)
    assert vitals(house, patient, spo2=85)["news2"]["band"] == "low_medium"
    return bool(alerts(house, patient) == [])


@shows("D-042.low")
def a_low_potassium_tells_nobody(house: House) -> bool:
    return bool(result(house, "2.0") == (201, "critical_low", 0))


@shows("D-042.twice")
def everybody_is_told_twice(house: House) -> bool:
    return bool(result(house, "7.0") == (201, "critical_high", 2))


@shows("H-070")
def the_scale_is_ignored(house: House) -> bool:
    return bool(scored(house, 2, spo2=88)["aggregate"] == 3)


@shows("H-070.subtle")
def air_is_scored_like_oxygen(house: House) -> bool:
    return bool(scored(house, 2, spo2=97)["aggregate"] == 3)


@shows("H-071")
def oxygen_scores_nothing(house: House) -> bool:
    return bool(scored(house, supplemental_oxygen=True)["parts"]["supplemental_oxygen"] == 0)


@shows("H-071.subtle")
def oxygen_is_not_summed(house: House) -> bool:
    score = scored(house, supplemental_oxygen=True)
    return bool((score["parts"]["supplemental_oxygen"], score["aggregate"]) == (2, 0))


@shows("H-072")
def the_sum_alone_decides(house: House) -> bool:
    score = scored(house, consciousness="V")
    return bool((score["red"], score["band"]) == (True, "low"))


@shows("H-072.subtle")
def a_red_temperature_is_not_seen(house: House) -> bool:
    return bool(scored(house, temperature=35.0)["red"] is False)


@shows("H-072.promoted")
def a_red_score_is_medium(house: House) -> bool:
    return bool(scored(house, consciousness="V")["band"] == "medium")


@shows("H-073")
def a_saturation_is_rounded_up(house: House) -> bool:
    return accepted(house, spo2=91.5)


@shows("H-073.float")
def a_temperature_is_rounded(house: House) -> bool:
    return accepted(house, temperature=35.05)


@shows("H-074")
def six_point_five_is_not_critical(house: House) -> bool:
    return bool(result(house, "6.5") == (201, "moderately_high", 0))


@shows("H-074.low")
def two_point_five_is_not_critical(house: House) -> bool:
    return bool(result(house, "2.5") == (201, "low", 0))


@shows("H-075")
def a_list_shows_another_score(house: House) -> bool:
    patient = patient_of(house)
    score = vitals(house, patient, consciousness="V")["news2"]
    rows = house.get(NURSE, f"/patients/{patient}/vitals").json()["items"]
    return bool((score["aggregate"], rows[0]["news2"]["aggregate"]) == (3, 0))
