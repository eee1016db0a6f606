"""The command `wardproof`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from conformance import __version__, continuing, evidence, planning, suite, waivers
from conformance.cases import Profile
from conformance.commands import (
    CONFORMANT,
    INCONCLUSIVE,
    UNREACHABLE,
    WRONG_CALL,
    WrongCall,
    bundle,
    certify,
    countersign,
    drift,
    gate,
    keygen,
    merge,
    report,
    rerun,
    verify,
    waive,
)
from conformance.document import InvalidDocument, meant
from conformance.home import HOME, activate
from conformance.loading import Loaded, load
from conformance.progress import Display
from conformance.target import Target
from conformance.workload import driving

HOSPITAL = HOME / "fixtures" / "targets" / "hospital"


COMMANDS: Mapping[str, ModuleType] = {
    "bundle": bundle,
    "certify": certify,
    "countersign": countersign,
    "drift": drift,
    "gate": gate,
    "keygen": keygen,
    "merge": merge,
    "report": report,
    "rerun": rerun,
    "verify": verify,
    "waive": waive,
}
"""Commands in modules of their own: `add` describes the arguments, `run` answers."""


def suites() -> dict[str, Path]:
    """The shipped suites by name."""
    return {
        path.stem.removeprefix("test_"): path
        for path in sorted((HOME / "suites").glob("test_*.py"))
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wardproof",
        description="Security and access-control conformance tests for healthcare software.",
        epilog="Exit codes: 0 conformant, 1 not conformant, 2 inconclusive, 3 the target file or "
        "the call is wrong, 4 the target could not be reached.",
    )
    parser.add_argument("--version", action="version", version=f"wardproof {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text)

    run = command("run", "Try every case against a target and report.")
    _selection(run)
    run.add_argument("--seed", type=int, help="repeat a run (it prints its seed)")
    run.add_argument("--out", type=Path, metavar="DIR", help="where evidence and reports go")
    run.add_argument(
        "-n",
        "--workers",
        type=int,
        default=min(2, os.cpu_count() or 1),
        help="processes (default 2 where there are two cores)",
    )
    run.add_argument("--base-url", metavar="URL", help="a target that already runs there")
    run.add_argument(
        "--stop-after", type=int, metavar="N", help="stop at so many failed cases (one process)"
    )
    run.add_argument("--no-allure", action="store_true", help="without the Allure report")
    run.add_argument(
        "--bundle", type=Path, metavar="FILE", help="put all of it into one file to hand on"
    )
    bundle.add_key(run)
    run.add_argument(
        "--resume",
        type=Path,
        metavar="DIR",
        help="go on with a run that was killed or interrupted, as it was started",
    )
    run.add_argument(
        "--shard", metavar="K/N", help="only the K-th of N parts, to be joined with merge"
    )
    run.set_defaults(profile=None)
    _load(run)

    plan = command("plan", "Show every case and request that a run would send; send none.")
    _selection(plan)
    listing = command("list", "List cases, without sending anything.")
    _selection(listing)
    listing.add_argument("--persona", help="only this persona")
    listing.add_argument("--resource", help="only this resource")
    listing.add_argument("--expected", choices=["allow", "deny"], help="only these")
    listing.add_argument("--json", action="store_true", help="as JSON")

    replay = command("replay", "Try one case or finding again and show its exchanges.")
    replay.add_argument("what", metavar="CASE|FINDING", help="a case id, or F-... of a run")
    replay.add_argument("--target", type=Path, default=None, metavar="DIR")
    replay.add_argument("--run", type=Path, metavar="DIR", help="the run that holds the finding")
    replay.add_argument("--base-url", metavar="URL", help="a target that already runs there")

    worker = command(
        "load-worker", "Send a part of the load that a run on another machine asks for."
    )
    worker.add_argument("master", metavar="HOST[:PORT]", help="what that run was given as --bind")

    command("schema", "Print the JSON Schema of the target file, for editors.")

    hospital = command("hospital", "Serve the reference hospital alone.")
    hospital.add_argument("rest", nargs=argparse.REMAINDER, help="--port P, --defect ID, ...")
    prove = command("prove", "Run every seeded defect and the clean twin: what catches which?")
    prove.add_argument("--defect", action="append", default=[], metavar="ID", help="only these")
    prove.add_argument("--suite", action="append", default=[], choices=sorted(suites()))
    prove.add_argument("--json", type=Path, metavar="FILE", help="write the result there")
    for name, module in COMMANDS.items():
        summary = (module.__doc__ or name).strip().splitlines()[0]
        module.add(command(name, summary))
    return parser


def _load(parser: argparse.ArgumentParser) -> None:
    load = parser.add_argument_group("load", "what sends the load of the suite of that name")
    load.add_argument(
        "--processes",
        type=int,
        default=1,
        metavar="N",
        help="processes of Locust on this machine (default 1; 0 leaves all to --load-workers)",
    )
    load.add_argument(
        "--load-workers",
        type=int,
        default=0,
        metavar="N",
        help="processes on other machines to wait for; start each there with load-worker",
    )
    load.add_argument(
        "--bind",
        default=driving.LOOPBACK,
        metavar="HOST[:PORT]",
        help=f"address of this machine where they are waited for (port {driving.PORT} unless said)",
    )
    load.add_argument(
        "--web", action="store_true", help="show Locust's page while it sends, on the loopback"
    )


def _selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--target", type=Path, default=HOSPITAL, metavar="DIR", help="default: the hospital"
    )
    parser.add_argument("--suite", action="append", default=[], metavar="NAME", help="only these")
    parser.add_argument(
        "--profile", choices=[profile.value for profile in Profile], default=Profile.GATE.value
    )
    parser.add_argument("--case", action="append", default=[], metavar="ID", help="only these")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of the command; messages for people go to standard error."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    activate()
    if given[:1] == ["hospital"]:
        return _hospital(given[1:])
    try:
        options = _parser().parse_args(given)
    except SystemExit as stop:
        return WRONG_CALL if stop.code else CONFORMANT
    try:
        return _dispatch(options)
    except (InvalidDocument, WrongCall, planning.BrokenSuite) as error:
        print(error, file=sys.stderr)
        return WRONG_CALL
    except KeyboardInterrupt:
        return INCONCLUSIVE
    except BrokenPipeError:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - the reader has gone
        return CONFORMANT


def _dispatch(options: argparse.Namespace) -> int:
    if options.command in COMMANDS:
        return int(COMMANDS[options.command].run(options))
    if options.command == "run":
        return _run(options)
    if options.command == "plan":
        return _plan(options)
    if options.command == "list":
        return _list(options)
    if options.command == "replay":
        return _replay(options)
    if options.command == "load-worker":
        return _work(options.master)
    if options.command == "prove":
        from conformance.proving import prove

        return prove(options.defect, options.suite, options.json, Console(highlight=False))
    print(json.dumps(Target.model_json_schema(by_alias=True), indent=2))
    return CONFORMANT


# --- run -------------------------------------------------------------------------------------


def _paths(names: list[str]) -> list[Path]:
    known = suites()
    chosen = []
    for name in names or sorted(known):
        path = known.get(name) or (Path(name) if Path(name).exists() else None)
        if path is None:
            there = ", ".join(known)
            raise WrongCall(f"there is no suite {name!r}{meant(name, known)}; there are: {there}")
        chosen.append(path.absolute())
    return chosen


@contextlib.contextmanager
def _quiet_plugins() -> Iterator[None]:
    """Only our own plugins: what else is installed must not change a verdict."""
    before = os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
        else:
            os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = before


def _workers(options: argparse.Namespace, target: Target, modules: Iterable[ModuleType]) -> int:
    """As many as asked for, and never more than the target takes connections at once.

    One is enough where every case has to be alone: each worker starts a target of its own.
    """
    tests = [test for one in modules for test in vars(one).values() if suite.has_cases(test)]
    if options.case or options.stop_after or all(suite.is_alone(one, target) for one in tests):
        return 1
    return max(1, min(int(options.workers), target.system.max_connections))


def _pytest(
    options: argparse.Namespace,
    out: Path,
    display: Display,
    workers: int,
    more: Sequence[str] = (),
) -> int:
    arguments = [
        *(str(path) for path in _paths(options.suite)),
        f"--config-file={HOME_INI}",
        f"--rootdir={HOME}",
        "--noconftest",
        "-p",
        "xdist.plugin",
        "-p",
        "conformance.plugin",
        f"--target={Path(options.target).absolute()}",
        f"--profile={options.profile}",
        f"--out={out}",
    ]
    arguments += [f"--case={one}" for one in options.case]
    if options.seed is not None:
        arguments.append(f"--seed={options.seed}")
    if options.base_url:
        arguments.append(f"--base-url={options.base_url}")
    if options.stop_after:
        arguments.append(f"--stop-after={options.stop_after}")
    if workers > 1:
        arguments += ["-n", str(workers)]
    arguments += more
    with _quiet_plugins():
        return int(pytest.main(arguments, plugins=[display]))


HOME_INI = Path(__file__).with_name("suites.ini")


def _run(options: argparse.Namespace) -> int:
    console = Console(stderr=True, highlight=False)
    handed_on, private = _handed_on(options)
    if options.resume is not None:
        options = continuing.call(options, suites())
    options.profile = options.profile or Profile.GATE.value
    if options.shard is not None and options.seed is None:
        raise WrongCall("--shard: parts are joined only if all had one seed, so say --seed N too")
    # Workers of xdist go on without a suite that cannot be loaded.
    modules = [
        planning.load_suite(file)
        for path in _paths(options.suite)
        for file in (sorted(path.rglob("test_*.py")) if path.is_dir() else [path])
    ]
    driving.ask(_means(options))
    loaded = load(options.target)
    accepted = waivers.load(waivers.beside(options.target).parent)
    out = planning.out_folder(options.out, options.target)
    more = [f"--shard={options.shard}"] if options.shard else []
    before = 0
    if options.resume is not None:
        more.append("--resume")
        before = (out / evidence.LEDGER).stat().st_size
    else:
        try:
            evidence.place(out)
        except evidence.Unwritable as unwritable:
            raise WrongCall(str(unwritable)) from None
    display = Display(console, out)
    code = _pytest(options, out, display, _workers(options, loaded.target, modules), more)
    for problem in display.problems:
        console.print(problem, markup=False)
    written = (out / evidence.LEDGER).stat().st_size if (out / evidence.LEDGER).exists() else 0
    if code in {WRONG_CALL, UNREACHABLE} and written == before:
        return code
    if not written:
        raise WrongCall("the run left no evidence; the message above says why")
    try:
        code = report.make(out, allure=not options.no_allure, waivers=accepted)
    except WrongCall as problem:
        # The evidence is there, so the call was not wrong; but nobody has been told what it says.
        print(f"{problem}\nThe evidence is in {out}, and wardproof report makes them from it.")
        return INCONCLUSIVE
    if handed_on is not None:
        bundle.make(out, handed_on, private, None)
    return _of_shard(out) if options.shard and code == INCONCLUSIVE else code


def _handed_on(options: argparse.Namespace) -> tuple[Path | None, bytes | None]:
    """Where the bundle of a run goes and what signs it, known to be fit before the run begins."""
    if options.bundle is None:
        if options.key is not None:
            raise WrongCall("--key is what signs a bundle: say --bundle FILE as well")
        return None, None
    bundle.free(options.bundle)
    return options.bundle, bundle.key(options.key)


def _of_shard(out: Path) -> int:
    """What a shard alone comes to: the exit code for its own cases."""
    from reports.ledger import read
    from reports.verdict import decide_shard

    decision = decide_shard(read(out))
    print(f"Of the {decision.planned:,} cases of this shard alone: {decision.verdict}.")
    return decision.exit_code


def _means(options: argparse.Namespace) -> driving.Means:
    if options.processes < 0 or options.load_workers < 0:
        raise WrongCall("--processes and --load-workers take numbers from 0 on")
    if options.processes + options.load_workers < 1:
        raise WrongCall("nobody would send load: say --processes or --load-workers")
    if options.bind != driving.LOOPBACK and not options.load_workers:
        raise WrongCall(
            "--bind is where workers of other machines are waited for: say how many with "
            "--load-workers"
        )
    if options.load_workers and options.bind == driving.LOOPBACK:
        raise WrongCall(
            "workers on other machines cannot reach the loopback: say --bind with the address of "
            "this machine in a network that only they are in"
        )
    try:
        if options.load_workers:
            driving.listening(options.bind)
    except ValueError as problem:
        raise WrongCall(f"--bind: {problem}") from None
    return driving.Means(options.processes, options.load_workers, options.bind, options.web)


def _work(master: str) -> int:
    try:
        driving.reachable(master)
    except ValueError as problem:
        raise WrongCall(str(problem)) from None
    host, port = driving.address(master)
    print(f"waiting for a run at {host}:{port}; Ctrl-C ends this", file=sys.stderr)
    served = driving.work(master)
    if served:
        print(f"no further run at {host}:{port}; {served} phases were served", file=sys.stderr)
        return CONFORMANT
    print(
        f"no run was reached at {host}:{port}: is it started there with --load-workers and this "
        "--bind, and is the port open?",
        file=sys.stderr,
    )
    return UNREACHABLE


# --- looking without sending -----------------------------------------------------------------


def _planned(options: argparse.Namespace) -> tuple[Loaded, list[planning.Planned]]:
    loaded = load(options.target, secrets_required=False)
    found = planning.planned(loaded.target, _paths(options.suite), Profile(options.profile))
    return loaded, planning.select(found, options.case)


def _plan(options: argparse.Namespace) -> int:
    loaded, found = _planned(options)
    for one in found:
        expected = planning.expectation(one.case)
        print(f"{one.case.id}  [{expected}]" if expected else one.case.id)
        for line in planning.requests(loaded.target, one.case):
            print(f"    {line}")
    print(f"{len(found)} cases; nothing was sent", file=sys.stderr)
    return CONFORMANT


def _list(options: argparse.Namespace) -> int:
    _loaded, found = _planned(options)
    kept = [
        one.case
        for one in found
        if options.persona in {None, one.case.persona}
        and options.resource in {None, one.case.resource}
        and options.expected in {None, one.case.expected.value}
    ]
    if options.json:
        print(json.dumps([planning.evidence.case_record(case) for case in kept], indent=2))
        return CONFORMANT
    for case in kept:
        print(case.id)
    print(f"{len(kept)} cases", file=sys.stderr)
    return CONFORMANT


# --- replay ----------------------------------------------------------------------------------


def _replay(options: argparse.Namespace) -> int:
    from conformance import replaying

    found = replaying.find(options.what, options.run, options.target)
    case = found.case
    arguments: dict[str, Any] = {
        "target": found.target or HOSPITAL,
        "suite": [case.split(".")[0]] if case.split(".")[0] in suites() else [],
        "profile": Profile.FULL.value,
        "case": [case],
        "seed": None,
        "base_url": options.base_url,
        "stop_after": None,
    }
    with replaying.folder() as out:
        display = Display(Console(stderr=True, highlight=False), out)
        recipe = out / "recipe.json"
        if found.recipe is not None:
            recipe.write_text(json.dumps(found.recipe), encoding="utf-8")
        more = [f"--recipe={recipe}"] if found.recipe is not None else []
        code = _pytest(argparse.Namespace(**arguments), out, display, 1, more)
        for problem in display.problems:
            print(problem, file=sys.stderr)
        if not (out / "evidence.jsonl").exists():
            return code
        return replaying.show(out, case, Console(highlight=False))


# --- the hospital ----------------------------------------------------------------------------


def _hospital(arguments: list[str]) -> int:
    paths = [str(HOME), os.environ.get("PYTHONPATH", "")]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    process = subprocess.Popen([sys.executable, "-m", "fixtures.hospital", *arguments], env=environ)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # Ctrl-C reached the hospital as well; it ends its database and then itself.
            continue
