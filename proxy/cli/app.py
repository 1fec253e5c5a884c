"""The `stockade` command: which subcommands there are, and what every one of them shares.

Subcommands are named by import path and loaded when one is called, so that `stockade --help` and
`stockade version` need neither the store nor the server.

A subcommand takes `config: Config = None` (and `as_json: Json = False` if it shows something), begins with
`settings = read_settings(config)`, prints through `proxy.cli.output`, and returns an exit code of
`proxy.cli.exit_codes` or None (0). It raises the errors of `proxy.errors`; `proxy.cli.main` turns these into
one message and an exit code.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from proxy.settings import Settings

Config = Annotated[
    Path | None,
    Parameter(
        name=["--config", "-c"],
        help="Settings file. Left out: $STOCKADE_CONFIG, ./stockade.toml, /etc/stockade/stockade.toml; "
        "else the defaults.",
    ),
]
Json = Annotated[bool, Parameter(name=["--json"], negative=(), help="Print JSON for programs to read.")]

EXIT_CODES = """Exit codes:
  0  done
  1  the answer is no, or nothing was found
  2  wrong input or settings
  3  the store cannot be reached
  4  the service cannot start"""

_COMMANDS = (
    ("serve", "proxy.cli.serve:serve", "Run the service: workers, control process and store."),
    ("demo", "proxy.cli.demo:demo", "Run a small working shop to try things on."),
    ("block", "proxy.cli.entries:block", "Put addresses or networks on the block list."),
    ("unblock", "proxy.cli.entries:unblock", "Take addresses or networks off the block list."),
    (
        "allow",
        "proxy.cli.entries:allow",
        "Put addresses or networks on the allow list, which beats the block list.",
    ),
    ("list", "proxy.cli.entries:list_", "Show the entries."),
    ("explain", "proxy.cli.explain:explain", "Say what would happen to a client address, and why."),
)


def build_app() -> App:
    """Return the command with all its subcommands, none of them loaded yet."""
    app = App(
        name="stockade",
        help="A polite edge blocker for online stores.",
        help_epilogue=EXIT_CODES,
        version=_version,
        result_action="return_value",
        help_format="plaintext",
    )
    for name, target, text in _COMMANDS:
        app.command(target, name=name, help=text)
    config = App(name="config", help="Check the settings, or show those in effect.")
    config.command("proxy.cli.config:check", name="check", help="Check a settings file; name every mistake.")
    config.command(
        "proxy.cli.config:show", name="show", help="Show the settings in effect and where each is from."
    )
    app.command(config)
    app.command("proxy.cli.version:version", name="version", help="Show the version.")
    return app


def read_settings(config: Path | None) -> Settings:
    """Return the settings of the file a command was given (or the default one) and of the environment.

    Warnings go to standard error. Raises SettingsError with every mistake.
    """
    from proxy.cli.output import print_warning  # noqa: PLC0415  # output needs nothing from here
    from proxy.settings.load import load  # noqa: PLC0415  # help and version must not wait for it

    loaded = load(config, os.environ)
    for warning in loaded.warnings:
        print_warning(warning)
    return loaded.settings


def _version() -> str:
    from proxy.cli.version import read_version  # noqa: PLC0415  # as above

    return f"stockade {read_version()}"
