"""The `stockade` command: which subcommands there are, and what every one of them shares.

Subcommands are named by import path and loaded when one is called, so that `stockade --help` and
`stockade version` need neither the store nor the server.

A subcommand takes `config: Config = None` (and `as_json: Json = False` if it shows something), begins with
`settings = read_settings(config)` (and names what it needs of them, if that is not all), prints through
`proxy.cli.output`, and returns an exit code of `proxy.cli` or None (0). It raises the errors of `proxy.errors`;
`proxy.cli.main` turns these into one message and an exit code.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from proxy.settings import Settings
    from proxy.settings.load import Loaded

Config = Annotated[
    Path | None,
    Parameter(
        name=["--config", "-c"],
        help="Settings file. Left out: $STOCKADE_CONFIG, ./stockade.toml, /etc/stockade/stockade.toml; "
        "else the defaults.",
    ),
]
Json = Annotated[
    bool,
    Parameter(name=["--json"], negative=(), show_default=False, help="Print JSON for programs to read."),
]

# What the commands about the lists use of the settings: which store, whom not to block, how a client address is
# found. The service runs on with its old settings when a new file is wrong elsewhere; they work on, too.
FOR_LISTS = frozenset(
    {
        "client_address",
        "data_dir",
        "listen",
        "mode",
        "store",
        "store_name",
        "store_options",
        "trusted_proxies",
    }
)

# Markdown, like every help text: paragraphs are set anew to the terminal's width.
EXIT_CODES = """\
Exit codes:

- 0: done
- 1: the answer is no, or nothing was found
- 2: wrong input or settings
- 3: the store cannot be reached
- 4: the service cannot start
"""

COMMANDS = (
    ("serve", "proxy.cli.serve:serve", "Run the service: workers, control process and store."),
    ("block", "proxy.cli.entries:block", "Put addresses or networks on the block list."),
    ("unblock", "proxy.cli.entries:unblock", "Take addresses or networks off the block list."),
    (
        "allow",
        "proxy.cli.entries:allow",
        "Put addresses or networks on the allow list, which beats the block list.",
    ),
    ("list", "proxy.cli.entries:list_", "Show the entries."),
    ("explain", "proxy.cli.explain:explain", "Say what would happen to a client address, and why."),
    ("config check", "proxy.cli.config:check", "Check a settings file; name every mistake."),
    ("config show", "proxy.cli.config:show", "Show the settings in effect and where each is from."),
    ("demo", "proxy.cli.demo:demo", "Run a small working shop to try things on."),
    ("version", "proxy.cli.version:version", "Show the version."),
)
_GROUPS = {"config": "Check the settings, or show those in effect."}


def build_app(arguments: Sequence[str] = ()) -> App:
    """Return the command with all its subcommands, none of them loaded yet.

    The subcommand that `arguments` begin with explains itself at full length, by its docstring; the others
    are only listed, with the short text that stands here.
    """
    typed = " ".join(arguments) + " "
    app = App(
        name="stockade",
        help="A polite edge blocker for online stores.",
        help_epilogue=EXIT_CODES,
        version=_version,
        result_action="return_value",
        help_format="markdown",
        suppress_keyboard_interrupt=False,  # main gives it its exit code
    )
    groups: dict[str, App] = {}
    for order, (name, target, text) in enumerate(COMMANDS):
        group, _, last = name.rpartition(" ")
        if group and group not in groups:
            groups[group] = App(name=group, help=_GROUPS[group], sort_key=order)
            app.command(groups[group])
        short = None if typed.startswith(f"{name} ") else text
        (groups[group] if group else app).command(target, name=last, help=short, sort_key=order)
    return app


def read_settings(config: Path | None, needed: Collection[str] | None = None) -> Settings:
    """Return the settings of the file a command was given (or the default one) and of the environment.

    Warnings go to standard error. Raises SettingsError with every mistake in what is needed (None: everything).
    """
    return load_config(config, needed).settings


def load_config(config: Path | None, needed: Collection[str] | None = None) -> Loaded:
    """Return the settings as `read_settings` does, with the file they came from, for who reads it again later."""
    from proxy.cli.output import print_warning  # noqa: PLC0415  # output needs nothing from here
    from proxy.settings.load import load  # noqa: PLC0415  # help and version must not wait for it

    loaded = load(config, os.environ, needed)
    for warning in loaded.warnings:
        print_warning(warning)
    return loaded


def _version() -> str:
    from proxy.cli.version import read_version  # noqa: PLC0415  # as above

    return f"stockade {read_version()}"
