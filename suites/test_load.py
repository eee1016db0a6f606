"""Load: what is promised of workflows holds under pressure, and everybody sees their own only."""

from conformance import Case, Harness, alone, cases, clauses, oracles, sources, trials


@alone
@cases(sources.load.phase("steady"))
@clauses("owasp-api:API4:2023")
def test_objectives_are_kept(case: Case, harness: Harness) -> None:
    """At the declared rates every workflow is as quick and as reliable as promised."""
    harness.judge(case, trials.load.steady, oracles.load.kept, oracles.load.sealed)


@alone
@cases(sources.load.phase("ramp"))
@clauses("owasp-api:API4:2023")
def test_declared_rates_hold(case: Case, harness: Harness) -> None:
    """The declared rates hold, and it shows up to which multiple of them the target keeps up."""
    harness.judge(case, trials.load.ramp, oracles.load.kept, oracles.load.sealed)


@alone
@cases(sources.load.phase("spike"))
@clauses("owasp-api:API4:2023")
def test_spikes_pass(case: Case, harness: Harness) -> None:
    """After a sudden rush everything is soon as it was."""
    harness.judge(case, trials.load.spike, oracles.load.kept, oracles.load.sealed)


@alone
@cases(sources.load.phase("neighbour"))
@clauses("owasp-api:API4:2023")
def test_one_tenant_starves_no_other(case: Case, harness: Harness) -> None:
    """While one tenant floods, the others are served as promised."""
    harness.judge(case, trials.load.neighbour, oracles.load.kept, oracles.load.sealed)


@alone
@cases(sources.load.phase("isolation"))
@clauses("owasp-api:API1:2023", "hipaa:164.312(a)(1)")
def test_nobody_sees_what_others_asked_for(case: Case, harness: Harness) -> None:
    """With more users than connections, and logins and caches that change, nothing is mixed up."""
    harness.judge(case, trials.load.isolation, *oracles.load.APART)


@alone
@cases(sources.load.phase("restart"))
@clauses("hipaa:164.312(c)(1)")
def test_a_crash_is_survived(case: Case, harness: Harness) -> None:
    """Killed and started again under load, the target soon serves as promised."""
    harness.judge(case, trials.load.restart, *oracles.load.AFTER_A_CRASH)


@alone
@cases(sources.load.phase("soak"))
@clauses("owasp-api:API4:2023")
def test_nothing_wears_out(case: Case, harness: Harness) -> None:
    """Under the declared rates for long, nothing gets slower or less reliable."""
    harness.judge(case, trials.load.soak, oracles.load.kept, oracles.load.sealed)
