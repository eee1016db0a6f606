"""Fuzz: what nobody thought of, as each persona; and what is known to be odd."""

from conformance import Case, Harness, alone_where, cases, clauses, oracles, sources, trials

without_a_copy = alone_where(lambda target: target.system.start is None)


@cases(sources.fuzz.campaigns)
@without_a_copy
@clauses("owasp-api:API8:2023", "owasp-api:API1:2023", "owasp-api:API3:2023")
def test_nothing_gives_way(case: Case, harness: Harness) -> None:
    """Whatever a persona sends, within the API document or against it, no rule is broken by it."""
    harness.judge(case, trials.fuzz.campaign, oracles.fuzz.withstood)


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
        oracles.odd.takes_what_people_write,
    )


@cases(sources.odd.others)
@without_a_copy
@clauses("owasp-api:API8:2023", "nist-800-53r5:SI-11")
def test_odd_numbers_dates_and_structures_break_nothing(case: Case, harness: Harness) -> None:
    """A number, date or structure that makes no sense is refused, or kept as it was sent."""
    harness.judge(
        case,
        trials.odd.others,
        oracles.odd.breaks_nothing,
        oracles.odd.comes_back,
        oracles.odd.stays_open,
    )


@cases(sources.odd.parameters)
@without_a_copy
@clauses("owasp-api:API8:2023", "nist-800-53r5:SI-11")
def test_odd_parameters_break_nothing(case: Case, harness: Harness) -> None:
    """Whatever is asked for in a query or as an id, the answer is no failure."""
    harness.judge(case, trials.odd.parameters, oracles.odd.breaks_nothing)


@cases(sources.odd.credentials)
@without_a_copy
@clauses("owasp-api:API2:2023", "nist-800-53r5:SI-11")
def test_odd_credentials_break_nothing(case: Case, harness: Harness) -> None:
    """Whatever stands where credentials do, the answer is no failure."""
    harness.judge(case, trials.odd.credentials, oracles.odd.breaks_nothing)


@cases(sources.odd.exports)
@without_a_copy
@clauses("owasp-api:API8:2023")
def test_exports_hold_no_formulas(case: Case, harness: Harness) -> None:
    """What somebody typed into a field is not calculated by whoever opens the export."""
    harness.judge(case, trials.odd.exported, oracles.odd.holds_no_formulas)


@cases(sources.odd.bombs)
@without_a_copy
@clauses("owasp-api:API4:2023")
def test_bombs_are_defused(case: Case, harness: Harness) -> None:
    """A small body that unfolds is refused or answered, and fetches nothing from elsewhere."""
    harness.judge(case, trials.bombs.bombs, oracles.bombs.defused)


@cases(sources.odd.packings)
@without_a_copy
@clauses("owasp-api:API8:2023", "nist-800-53r5:SI-11")
def test_what_cannot_be_unpacked_is_refused(case: Case, harness: Harness) -> None:
    """A body that is not packed as it says is refused, and is no failure of the target's."""
    harness.judge(case, trials.bombs.unpackable, oracles.odd.breaks_nothing)
