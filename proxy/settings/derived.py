"""What follows from the settings.

None of it fails on settings that `load` has let through, unless a file they name has changed since.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy.errors import InputError, SettingsError
from proxy.identity.forwarding import Forwarding
from proxy.identity.networks import NetworkSet, parse_network
from proxy.settings.addresses import (
    ListenerAddress,
    SocketAddress,
    UpstreamAddress,
    parse_listeners,
    parse_socket_address,
    parse_upstreams,
)
from proxy.settings.nesting import is_too_deep
from proxy.settings.text_file import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from proxy.refusal.style import PageStyle
    from proxy.settings.schema import Settings


def listeners(settings: Settings) -> tuple[ListenerAddress, ...]:
    """Return where to listen."""
    return parse_listeners(settings.listen)


def upstreams(settings: Settings) -> tuple[UpstreamAddress, ...]:
    """Return the addresses of the upstream, all of one scheme."""
    return parse_upstreams(settings.upstream)


def admin_address(settings: Settings) -> SocketAddress | None:
    """Return where the control process listens, None when it is off."""
    return parse_socket_address(settings.admin) if settings.admin else None


def trusted_networks(settings: Settings) -> NetworkSet:
    """Return the networks of `trusted_proxies`."""
    return parse_networks(settings.trusted_proxies)


def forwarding(settings: Settings) -> Forwarding:
    """Return who may speak for a client, and in which header."""
    table = settings.client_address
    return Forwarding(
        trusted=trusted_networks(settings),
        header=table.header.lower().encode(),
        single_value={
            name.lower().encode(): parse_networks(networks) for name, networks in table.single_value.items()
        },
        unreadable=table.unreadable,
    )


def parse_networks(texts: Iterable[str]) -> NetworkSet:
    """Return the set of the networks named. Raises InputError on the first that is none."""
    return NetworkSet(parse_network(text)[0] for text in texts)


def worker_count(settings: Settings) -> int:
    """Return how many workers run: the number set, or one for each core this process may use."""
    if settings.workers:
        return settings.workers
    # A container that is given two of 64 cores by affinity gets two workers.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def data_dir(settings: Settings, environ: Mapping[str, str]) -> Path:
    """Return the directory for snapshots and the embedded store; it need not exist yet.

    Left out of the settings: systemd's StateDirectory= (systemd.exec(5); several are joined by colons), else
    /var/lib for root, else the XDG state directory.
    """
    if settings.data_dir:
        return Path(settings.data_dir)
    if given := environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(given)
    if os.geteuid() == 0:
        return Path("/var/lib/stockade")
    home = environ.get("XDG_STATE_HOME", "")
    # The XDG specification has relative paths ignored.
    base = Path(home) if home.startswith("/") else Path("~/.local/state").expanduser()
    return base / "stockade"


def page_style(settings: Settings) -> PageStyle:
    """Return the operator's part of every page; reads template and texts. Raises SettingsError."""
    from proxy.refusal.style import PageStyle  # noqa: PLC0415  # brings the template engine with it

    page = settings.block_page
    return PageStyle(
        shop_name=page.shop_name,
        accent=page.accent,
        background=page.background,
        text_colour=page.text_colour,
        logo=page.logo,
        contact=page.contact,
        contact_label=page.contact_label,
        default_language=page.default_language,
        template=_read_text("template", page.template) if page.template else None,
        texts=_read_texts(page.texts) if page.texts else {},
    )


def _read_text(option: str, name: str) -> str:
    try:
        return read_text(Path(name))
    except FileNotFoundError:
        raise SettingsError(
            "block page", [f"{option}: {name} cannot be read: no such file or directory"]
        ) from None
    except InputError as error:
        raise SettingsError("block page", [f"{option}: {name} {error}"]) from None


def _read_texts(name: str) -> dict[str, dict[str, Any]]:
    try:
        texts = tomllib.loads(_read_text("texts", name))
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is a ValueError; so is a number too long
        raise SettingsError("block page", [f"texts: {name} is no valid TOML: {error}"]) from None
    if is_too_deep(texts):
        raise SettingsError("block page", [f"texts: {name} is no file of texts: tables stand too deep in it"])
    loose = [
        f"texts: {name}: {key} stands outside a table; write it below [en] or the language it is in"
        for key, value in texts.items()
        if not isinstance(value, dict)
    ]
    if loose:
        raise SettingsError("block page", loose)
    return texts
