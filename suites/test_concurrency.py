"""Concurrency: what there is once goes to one, and what is done once takes effect once."""

from conformance import Case, Harness, alone, cases, clauses, oracles, sources, trials


@alone
@cases(sources.concurrency.races("at_most_one"))
@clauses("owasp-api:API6:2023")
def test_one_gets_it(case: Case, harness: Harness) -> None:
    """What there is once is given to one of those who want it at the same instant."""
    harness.judge(case, trials.concurrency.contest, oracles.concurrency.sound)


@alone
@cases(sources.concurrency.races("spend_once"))
@clauses("owasp-api:API2:2023")
def test_codes_are_spent_once(case: Case, harness: Harness) -> None:
    """What may be used once is good for one of those who use it at the same instant."""
    harness.judge(case, trials.concurrency.contest, oracles.concurrency.sound)


@alone
@cases(sources.concurrency.races("lost_update"))
@clauses("hipaa:164.312(c)(1)")
def test_no_change_is_lost(case: Case, harness: Harness) -> None:
    """Of those who change what they have read, one is done and the others are told."""
    harness.judge(case, trials.concurrency.contest, oracles.concurrency.sound)


@cases(sources.concurrency.versions)
@clauses("hipaa:164.312(c)(1)")
def test_changes_name_a_version(case: Case, harness: Harness) -> None:
    """A change that does not say which version it replaces is refused."""
    harness.judge(case, trials.concurrency.unversioned, oracles.concurrency.required)


@cases(sources.concurrency.changes)
@clauses("hipaa:164.312(c)(1)")
def test_changes_make_versions(case: Case, harness: Harness) -> None:
    """Whatever changes a record gives it a new version."""
    harness.judge(case, trials.concurrency.changing, oracles.concurrency.renewed)


@alone
@cases(sources.concurrency.races("idempotency"))
@clauses("hipaa:164.312(c)(1)")
def test_keys_count_at_once(case: Case, harness: Harness) -> None:
    """The same request with the same key, several times at the same instant, takes effect once."""
    harness.judge(case, trials.concurrency.contest, oracles.concurrency.sound)


@cases(sources.concurrency.repetitions)
@clauses("hipaa:164.312(c)(1)")
def test_keys_count(case: Case, harness: Harness) -> None:
    """A key makes a request that comes again take effect once, and belongs to one account."""
    harness.judge(case, trials.concurrency.repetition, oracles.concurrency.kept)


@alone
@cases(sources.concurrency.races("sequence"))
@clauses("hipaa:164.312(c)(1)")
def test_numbers_run_on(case: Case, harness: Harness) -> None:
    """Records that are made at the same instant get numbers of their own."""
    harness.judge(case, trials.concurrency.contest, oracles.concurrency.sound)


@alone
@cases(sources.concurrency.races("cross"))
@clauses("hipaa:164.312(c)(1)")
def test_operations_agree(case: Case, harness: Harness) -> None:
    """What operations do to a record at the same instant is what some order of them does."""
    harness.judge(case, trials.concurrency.contest, oracles.concurrency.sound)
