"""`stockade version`."""

from __future__ import annotations

import platform
from importlib import metadata

from proxy.cli.app import Json  # noqa: TC001  # cyclopts reads it
from proxy.cli.output import print_json, print_text


def read_version() -> str:
    """Return the version of the installed distribution."""
    return metadata.version("stockade")


def version(*, as_json: Json = False) -> None:
    """Show the version of Stockade and of the Python it runs on."""
    facts = {
        "stockade": read_version(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    if as_json:
        print_json(facts)
    else:
        print_text(f"stockade {facts['stockade']} (Python {facts['python']}, {facts['system']})")
