"""Names with a dot: a property inside an object of the record."""

from conformance.fields import value_of, with_values


def test_a_dot_leads_inside() -> None:
    record = {"insurance": {"payer": "A", "isVerified": False}}
    assert value_of(record, "insurance.is_verified") is False
    assert value_of(record, "insurance.missing") is None
    assert value_of(record, "payer.name") is None


def test_a_value_inside_is_sent_beside_what_is_there() -> None:
    present = {"insurance": {"payer": "A", "verified": False}}
    sent = with_values({"phone": "1"}, {"insurance.verified": True, "role": "x"}, present)
    assert sent == {"phone": "1", "role": "x", "insurance": {"payer": "A", "verified": True}}
    assert present["insurance"]["verified"] is False


def test_the_body_s_own_object_comes_first() -> None:
    body = {"insurance": {"payer": "B"}}
    sent = with_values(body, {"insurance.verified": True}, {"insurance": {"payer": "A"}})
    assert sent == {"insurance": {"payer": "B", "verified": True}}
    assert body == {"insurance": {"payer": "B"}}
