"""Error hygiene: errors tell nothing about the inside, nor about other people."""

from conformance import Case, Harness, cases, oracles, sources, trials


@cases(sources.malformed)
def test_errors_tell_nothing_about_the_inside(case: Case, harness: Harness) -> None:
    """Requests that cannot be right are answered without stack trace, SQL, path or version."""
    harness.judge(case, trials.malformed, oracles.answered)
