"""Who may import whom, read from the sources of every module that there is."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PACKAGES = ("conformance", "reports", "fixtures", "suites")
HTTP_CLIENTS = {
    "aiohttp",
    "http.client",
    "httpcore",
    "httpx",
    "requests",
    "urllib.request",
    "urllib3",
}
# What a pure module has no use for: the network, other processes and threads, files, time.
SIDE_EFFECTS = HTTP_CLIENTS | {
    "asyncio", "concurrent", "multiprocessing", "os", "pathlib", "pytest", "shutil", "socket",
    "sqlalchemy", "psycopg", "subprocess", "tempfile", "threading", "time",
}  # fmt: skip


@cache
def modules() -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if not {"__pycache__", "node_modules", "runs"}.intersection(parts):
                found[".".join(parts).removesuffix(".__init__")] = path
    return found


def named(node: ast.AST, module: str) -> Iterator[str]:
    """The dotted names that an import, or a call of `import_module`, asks for."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        is_package = modules()[module].name == "__init__.py"
        package = module.split(".")[: len(module.split(".")) - node.level + is_package]
        base = ".".join([*(package if node.level else []), *([node.module] if node.module else [])])
        for alias in node.names:
            yield f"{base}.{alias.name}"
            if f"{base}.{alias.name}" not in modules():
                yield base
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
        function = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        if function in ("import_module", "__import__") and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield name.value


@cache
def imports(module: str) -> frozenset[str]:
    """What `module` imports, anywhere in its text: inside functions and for type checkers too."""
    tree = ast.parse(modules()[module].read_text(encoding="utf-8"))
    return frozenset(name for node in ast.walk(tree) for name in named(node, module))


def is_in(name: str, packages: set[str] | str) -> bool:
    packages = {packages} if isinstance(packages, str) else packages
    return any(name == package or name.startswith(package + ".") for package in packages)


def inside(*packages: str) -> list[str]:
    """The modules in `packages`; there must be some, as a rule about nothing proves nothing."""
    found = [module for module in modules() if is_in(module, set(packages))]
    assert found, f"no module in {', '.join(packages)}: has it been renamed? Then rename it here."
    return found


def importers(packages: set[str], among: list[str]) -> set[str]:
    return {module for module in among if any(is_in(name, packages) for name in imports(module))}


def reach(module: str) -> set[str]:
    """The modules of ours that importing `module` loads, itself included."""
    seen, waiting = set(), [module]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting += [name for name in imports(current) if name in modules()]
    return seen


def test_every_package_was_read() -> None:
    assert {module.split(".")[0] for module in modules()} == set(PACKAGES)


def test_model_imports_nothing_of_ours() -> None:
    for module in inside("conformance.model"):
        allowed = set(inside("conformance.model"))
        assert {name for name in imports(module) if is_in(name, set(PACKAGES))} <= allowed, module


@pytest.mark.parametrize("module", ["conformance.model", "conformance.oracles"])
def test_pure_modules_reach_no_side_effect(module: str) -> None:
    for subject in inside(module):
        touched = {
            f"{reached} imports {name}"
            for reached in reach(subject)
            for name in imports(reached)
            if is_in(name, SIDE_EFFECTS)
        }
        assert not touched, f"{subject} should be pure: {'; '.join(sorted(touched))}"


def test_policy_reaches_nothing_that_sends() -> None:
    for subject in inside("conformance.policy"):
        senders = importers(HTTP_CLIENTS | {"socket", "subprocess"}, sorted(reach(subject)))
        assert not senders, f"{subject} reaches {senders}"


def test_wire_and_gate_alone_know_the_http_client() -> None:
    """One module sends and watches; the other releases what that one announces and notes."""
    apart = {"locust", "schemathesis"}
    engine = [each for each in inside("conformance") if each not in importers(apart, [each])]
    assert importers(HTTP_CLIENTS, engine) == {"conformance.wire", "conformance.gate"}
    assert importers({"conformance.wire"}, ["conformance.gate"])


def test_suites_and_reports_know_no_http_client() -> None:
    assert not importers(HTTP_CLIENTS, inside("suites", "reports"))


def test_only_the_edges_know_pytest() -> None:
    knowing = {"conformance.plugin", "conformance.progress", "conformance.cli"}
    outside = [each for each in inside("conformance") if not is_in(each, knowing)]
    assert not importers({"pytest", "_pytest", "xdist", "allure", "allure_commons"}, outside)
    assert importers({"pytest"}, inside("conformance.plugin"))


def test_the_engine_does_not_import_its_edges() -> None:
    edges = {"conformance.plugin", "conformance.cli", "conformance.__main__"}
    inner = [each for each in inside("conformance") if not is_in(each, edges)]
    assert not importers(edges, inner)
    for edge in ("conformance.plugin", "conformance.cli"):
        assert inside(edge)


def test_the_engine_imports_no_suite() -> None:
    assert not importers({"suites", "tests"}, inside("conformance", "reports", "fixtures"))


def test_reports_read_evidence_only() -> None:
    assert not importers({"conformance", "fixtures", "suites"}, inside("reports"))


def test_hospital_is_a_stranger_to_the_harness() -> None:
    for module in inside("fixtures.hospital"):
        ours = {name for name in imports(module) if is_in(name, set(PACKAGES))}
        strange = {name for name in ours if not is_in(name, "fixtures.hospital")}
        assert not strange, f"{module} imports {strange}"


def test_suites_import_the_engine_and_pytest_only() -> None:
    for module in inside("suites"):
        allowed = {"conformance", "pytest", *sys.stdlib_module_names}
        strange = {name for name in imports(module) if not is_in(name, allowed)}
        assert not strange, f"{module} imports {strange}"


def test_locust_stays_in_a_process_of_its_own() -> None:
    """Importing it patches sockets, so no module may import one that does."""
    patched = importers({"locust", "gevent", "geventhttpclient"}, inside(*PACKAGES))
    assert not importers(patched, sorted(set(inside(*PACKAGES)) - patched))


def test_schemathesis_is_known_to_the_fuzz_suite_alone() -> None:
    """It sends nothing itself: it is handed requests' nouns, and no client of theirs."""
    knowing = importers({"schemathesis", "hypothesis"}, inside(*PACKAGES))
    assert knowing == {
        "conformance.fuzz.channel",
        "conformance.fuzz.driver",
        "conformance.fuzz.graph_driver",
    }
    clients = HTTP_CLIENTS - {"requests"}
    assert not importers(clients, sorted(knowing))


def test_every_imported_distribution_is_declared() -> None:
    """Else it is there by chance, because something else needs it today."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = settings["optional-dependencies"].values()
    declared = {
        canonicalize_name(Requirement(text).name)
        for text in [*settings["dependencies"], *(each for extra in extras for each in extra)]
    }
    known = packages_distributions()
    undeclared = {
        f"{module} imports {name}"
        for module in inside("conformance", "reports", "fixtures.hospital", "suites")
        for name in imports(module)
        if (top := name.split(".")[0]) not in {*PACKAGES, *sys.stdlib_module_names}
        and not declared.intersection(map(canonicalize_name, known.get(top, [])))
    }
    assert undeclared == set()
