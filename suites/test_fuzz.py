"""Fuzz: what nobody thought of, as each persona; and what is known to be odd."""

from conformance import Case, Harness, alone_where, cases, clauses, oracles, sources, trials

without_a_copy = alone_where(lambda target: target.system.start is None)


@cases(sources.odd.texts)
@without_a_copy
@clauses("hipaa:164.312(c)(1)", "gdpr:Art.32(1)(b)", "owasp-api:API4:2023")
def test_odd_text_comes_back_as_it_was_sent(case: Case, harness: Harness) -> None:
    """A text that is accepted is kept as it was sent, and breaks neither its record nor a list."""
    harness.judge(
        case,
        trials.odd.texts,
        oracles.odd.comes_back,
        oracles.odd.breaks_nothing,
        oracles.odd.stays_open,
    )
