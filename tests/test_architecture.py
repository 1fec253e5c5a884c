"""The table of packages and who may import whom, held by walking the imports of every module.

The table is the one in docs/architecture.md. The rules are functions from source text to complaints, so that
each is also shown to catch what it is for.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(proxy.__file__).parent

# Imports go down only; packages on one line do not know each other.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("supervisor",),
    ("listening", "children"),
    ("edge", "admin", "demo"),
    ("management",),
    ("store",),
    ("settings",),
    ("refusal", "checkout", "http1", "observability"),
    ("platforms",),
    ("policy",),
    ("identity",),
    ("errors",),
    ("__init__",),
)
RANK = {package: rank for rank, layer in enumerate(LAYERS) for package in layer}
# Packages that exist: a misspelt root or an empty walk must not pass for a clean one.
BUILT = {
    *("__init__", "__main__", "admin", "cli", "demo", "edge", "errors", "http1", "identity", "management"),
    *("observability", "policy", "refusal", "settings", "store", "supervisor"),
}

PURE = {"identity", "policy", "platforms", "checkout", "refusal", "http1"}
CLOCK_AND_CHANCE = {"random", "secrets", "time"}
LOGS = {"logging", "structlog"}
PROCESSES = {"concurrent", "multiprocessing", "os", "signal", "subprocess", "threading"}
FILES = {"glob", "shutil", "tempfile"}
SOCKETS = {"asyncio", "select", "selectors", "socketserver", "ssl", "uvloop"}
NETWORK = {"aiohttp", "http.client", "http.server", "redis", "urllib.request"}
IMPURE_MODULES = CLOCK_AND_CHANCE | LOGS | PROCESSES | FILES | SOCKETS | NETWORK
PURE_SOCKET_NAMES = {"AF_INET", "AF_INET6", "inet_ntop", "inet_pton"}
IMPURE_BUILTINS = {"__import__", "breakpoint", "input", "open", "print"}
CLOCK_METHODS = {"now", "today", "utcnow"}

OWNERS = {"redis": {"store"}, "aiohttp": {"admin", "demo"}}
VAGUE_NAMES = {"common", "helpers", "manager", "misc", "util", "utils"}
MAX_LINES = 400


def modules() -> list[Path]:
    """List every module of the package."""
    return sorted(ROOT.rglob("*.py"))


def package_of(module: Path) -> str:
    """Name the entry of the table that a module belongs to: a directory or file directly under the root."""
    return module.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(source: str, module: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of everything a module imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = ("proxy", *module.relative_to(ROOT).parts[:-1])
                base = ".".join((*parents[: len(parents) - node.level + 1], *filter(None, [base])))
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def names(imported: str, roots: set[str]) -> str | None:
    """Return which of `roots` an imported name is or lies in."""
    return next((root for root in roots if imported == root or imported.startswith(root + ".")), None)


def find_upward_imports(source: str, module: Path) -> list[str]:
    """Complain about each import of a package that is not below the module's own."""
    importer = package_of(module)
    found = []
    for line, imported in imports(source, module):
        parts = imported.split(".")
        if parts[0] != "proxy":
            continue
        target = parts[1] if len(parts) > 1 and parts[1] in RANK else "__init__"
        if target != importer and RANK[target] <= RANK[importer]:
            found.append(f"{module.relative_to(ROOT)}:{line}: {importer} may not import {target}")
    return found


def find_impurities(source: str, module: Path) -> list[str]:
    """Complain about each import or call that reads a clock, does I/O or depends on chance."""
    where = module.relative_to(ROOT)
    found = [
        f"{where}:{line}: {imported}"
        for line, imported in imports(source, module)
        if names(imported, IMPURE_MODULES)
        or (imported.startswith("socket.") and imported.removeprefix("socket.") not in PURE_SOCKET_NAMES)
    ]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_BUILTINS:
            found.append(f"{where}:{node.lineno}: {node.func.id}()")
        elif isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else getattr(node.value, "attr", "")
            if (owner == "socket" and node.attr not in PURE_SOCKET_NAMES) or (
                owner in {"datetime", "date"} and node.attr in CLOCK_METHODS
            ):
                found.append(f"{where}:{node.lineno}: {owner}.{node.attr}")
    return found


def find_foreign_libraries(source: str, module: Path) -> list[str]:
    """Complain about each import of a library that belongs to other packages."""
    return [
        f"{module.relative_to(ROOT)}:{line}: only {', '.join(sorted(OWNERS[library]))} may import {library}"
        for line, imported in imports(source, module)
        if (library := names(imported, set(OWNERS))) and package_of(module) not in OWNERS[library]
    ]


def test_the_walk_finds_the_packages_that_exist() -> None:
    """The rules below are held by real modules, not by an empty list."""
    assert {package_of(module) for module in modules()} >= BUILT


def test_every_package_has_its_place() -> None:
    """A package or module directly under proxy/ stands in the table of layers."""
    assert {package_of(module) for module in modules()} <= set(RANK)


@pytest.mark.parametrize("module", modules(), ids=lambda module: str(module.relative_to(ROOT)))
class TestModule:
    """The rules, module by module."""

    def test_imports_go_down_only(self, module: Path) -> None:
        """A module imports its own package and those of lower layers, nothing beside or above."""
        assert find_upward_imports(module.read_text("utf-8"), module) == []

    def test_pure_packages_stay_pure(self, module: Path) -> None:
        """A pure package has values in and values out: no clock, no I/O, no chance."""
        if package_of(module) in PURE:
            assert find_impurities(module.read_text("utf-8"), module) == []

    def test_libraries_have_one_owner(self, module: Path) -> None:
        """Only store speaks to Redis; only the control plane and the demo store speak aiohttp."""
        assert find_foreign_libraries(module.read_text("utf-8"), module) == []

    def test_is_short_enough_to_read(self, module: Path) -> None:
        """A module has at most 400 lines."""
        assert len(module.read_text("utf-8").splitlines()) <= MAX_LINES

    def test_is_named_for_what_it_does(self, module: Path) -> None:
        """No module is a drawer for odds and ends."""
        assert not VAGUE_NAMES & set(module.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize(
    ("place", "source"),
    [
        pytest.param("policy/x.py", "from proxy.store import codec", id="higher-layer"),
        pytest.param("policy/x.py", "import proxy.store.codec as c", id="import-statement"),
        pytest.param("policy/x.py", "from proxy import store", id="from-the-root"),
        pytest.param("policy/x.py", "from ..store import codec", id="relative"),
        pytest.param("policy/x.py", "def f():\n    from proxy.edge import worker", id="inside-a-function"),
        pytest.param("policy/x.py", "if TYPE_CHECKING:\n    from proxy.edge import worker", id="types-only"),
        pytest.param("edge/x.py", "from proxy.admin import api", id="same-layer"),
        pytest.param("demo/x.py", "from proxy.edge import worker", id="demo-and-edge"),
        pytest.param("settings/x.py", "from proxy.store import codec", id="settings-below-store"),
        pytest.param("errors.py", "from proxy.identity import addresses", id="errors-below-all"),
    ],
)
def test_an_upward_import_is_caught(place: str, source: str) -> None:
    """Every way to write an import is seen."""
    assert find_upward_imports(source, ROOT / place)


@pytest.mark.parametrize(
    ("place", "source"),
    [
        pytest.param("policy/x.py", "from proxy.identity import addresses", id="lower-layer"),
        pytest.param("policy/x.py", "from . import entry", id="own-package"),
        pytest.param("policy/x.py", "from proxy.policy.entry import Entry", id="own-package-by-name"),
        pytest.param("cli/x.py", "from proxy.management import add", id="far-below"),
        pytest.param("edge/x.py", "from proxy import __version__", id="the-root"),
        pytest.param("policy/x.py", "import proxying", id="another-distribution"),
    ],
)
def test_a_downward_import_passes(place: str, source: str) -> None:
    """The rule complains about nothing else."""
    assert find_upward_imports(source, ROOT / place) == []


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("import asyncio", id="asyncio"),
        pytest.param("from time import monotonic", id="clock"),
        pytest.param("import logging.handlers", id="submodule"),
        pytest.param("from urllib import request", id="submodule-by-from"),
        pytest.param("import socket\nsocket.create_connection(('127.0.0.1', 1))", id="socket"),
        pytest.param("from socket import socket", id="socket-by-from"),
        pytest.param("from datetime import datetime\ndatetime.now()", id="datetime-now"),
        pytest.param("import datetime\ndatetime.date.today()", id="date-today"),
        pytest.param("open('list.txt')", id="open"),
    ],
)
def test_an_impurity_is_caught(source: str) -> None:
    """Clock, I/O and chance are seen by import and by call."""
    assert find_impurities(source, ROOT / "policy/x.py")


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("import socket\nsocket.inet_pton(socket.AF_INET, '192.0.2.1')", id="inet-pton"),
        pytest.param("from datetime import datetime\ndatetime.fromtimestamp(0)", id="a-given-time"),
        pytest.param("from urllib.parse import quote", id="pure-sibling"),
        pytest.param("from http import HTTPStatus", id="http-status"),
    ],
)
def test_what_is_pure_passes(source: str) -> None:
    """Conversions are no I/O."""
    assert find_impurities(source, ROOT / "policy/x.py") == []


@pytest.mark.parametrize(
    ("place", "source", "complaints"),
    [
        pytest.param("edge/x.py", "import aiohttp", 1, id="edge-aiohttp"),
        pytest.param("management/x.py", "from redis.asyncio import Redis", 1, id="management-redis"),
        pytest.param("store/x.py", "from redis.asyncio import Redis", 0, id="store-redis"),
        pytest.param("admin/x.py", "from aiohttp import web", 0, id="admin-aiohttp"),
        pytest.param("edge/x.py", "import redis_lock", 0, id="another-distribution"),
    ],
)
def test_a_foreign_library_is_caught(place: str, source: str, complaints: int) -> None:
    """A library with an owner is imported by nobody else."""
    assert len(find_foreign_libraries(source, ROOT / place)) == complaints
