"""`stockade config check` and `stockade config show`."""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003  # cyclopts reads it
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from proxy.cli import WRONG_INPUT
from proxy.cli.app import Config, Json  # noqa: TC001  # cyclopts reads them
from proxy.cli.output import print_json, print_text, print_warning
from proxy.errors import SettingsError
from proxy.settings import derived
from proxy.settings.load import Loaded, load
from proxy.settings.masking import hide_passwords
from proxy.settings.render import effective_values, render_effective

if TYPE_CHECKING:
    from proxy.settings import Settings


def check(
    file: Annotated[Path | None, Parameter(help="The file to check; left out: as with --config.")] = None,
    /,
    *,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Check a settings file together with the environment, and say what it amounts to.

    Names every mistake at once, each with its line, what is wrong and the way out, and exits with 2.
    """
    try:
        loaded = load(file or config, os.environ)
    except SettingsError as error:
        if not as_json:
            raise
        print_json({"ok": False, "file": error.source, "mistakes": error.mistakes})
        return WRONG_INPUT
    summary = summarise(loaded.settings, derived.data_dir(loaded.settings, os.environ))
    if as_json:
        print_json({"ok": True, "file": _name(loaded), "warnings": loaded.warnings, **summary})
        return 0
    for warning in loaded.warnings:
        print_warning(warning)
    print_text(f"{_name(loaded) or 'no settings file, defaults only'}: ok")
    width = max(map(len, summary))
    for name, value in summary.items():
        shown = ", ".join(value) if isinstance(value, list) else str(value)
        print_text(f"  {name:<{width}}  {shown}")
    return 0


def show(*, config: Config = None, as_json: Json = False) -> None:
    """Show the settings in effect, each with where it comes from: the file, the environment or the default.

    The output is a settings file itself. Passwords are hidden.
    """
    loaded = load(config, os.environ)
    if as_json:
        print_json({"file": _name(loaded), "options": effective_values(loaded.settings, loaded.origins)})
        return
    for warning in loaded.warnings:
        print_warning(warning)
    print_text(f"# {_name(loaded) or 'No settings file: defaults and environment'}")
    print_text(*render_effective(loaded.settings, loaded.origins).rstrip("\n").split("\n"))


def summarise(settings: Settings, data_dir: Path) -> dict[str, Any]:
    """Return in words what the settings amount to: who listens, who is trusted, what happens."""
    trusted = [str(network) for network in sorted(derived.trusted_networks(settings).networks)]
    for header, networks in settings.client_address.single_value.items():
        found = sorted(derived.parse_networks(networks).networks)
        trusted += [f"{network} ({header})" for network in found]
    refuses = f"enforce: refuses with {settings.block_page.status}"
    return {
        "listens on": [str(listener) for listener in derived.listeners(settings)],
        "upstream": [str(upstream) for upstream in derived.upstreams(settings)],
        "trusts": trusted or "nobody: forwarding headers are ignored",
        "store": hide_passwords(settings.store) if settings.store else f"an embedded server in {data_dir}",
        "mode": refuses if settings.mode == "enforce" else "monitor: records, refuses nobody",
        "workers": derived.worker_count(settings),
        "health": [f"{settings.health.path}/livez", f"{settings.health.path}/readyz"],
        "admin": settings.admin or "off",
    }


def _name(loaded: Loaded) -> str | None:
    return loaded.origins.source if loaded.path else None
