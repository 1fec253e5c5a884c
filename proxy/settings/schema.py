"""The settings as typed: one frozen struct, one table a field, defaults that run as they are.

Values here are what the operator wrote. What follows from them (listeners, upstream addresses, networks) comes
from the functions of `proxy.settings.derived`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from proxy.settings.limits import LimitsTable, TimeoutsTable
from proxy.settings.option import Table, option
from proxy.settings.tables import (
    BlockPageTable,
    ClientAddressTable,
    HealthTable,
    Listener,
    LogTable,
    RelayTable,
    StoreOptionsTable,
)

__all__ = [
    "BlockPageTable",
    "ClientAddressTable",
    "HealthTable",
    "LimitsTable",
    "Listener",
    "LogTable",
    "RelayTable",
    "Settings",
    "StoreOptionsTable",
    "Table",
    "TimeoutsTable",
]


class Settings(Table, frozen=True, kw_only=True):
    """Everything an operator can set; see `docs/configuration.md`."""

    listen: Annotated[
        str | tuple[str | Listener, ...],
        option(
            'Where shoppers (or the load balancer) connect: "host:port", "[::]:8080", "unix:/path", a list of '
            "these, or tables that say more (see Listeners).",
            expected='"host:port", "unix:/path" or a list of these',
            source="loopback only, so that nothing is open to the world before you say so",
        ),
    ] = "127.0.0.1:8080"
    upstream: Annotated[
        str | tuple[str, ...],
        option(
            'The storefront: "http://host:port", "https://host" or "unix:/path". Several take turns, and one '
            "that fails is left out for a while.",
            expected='"http://host:port", "https://host", "unix:/path" or a list of these',
        ),
    ] = "http://127.0.0.1:9001"
    trusted_proxies: Annotated[
        tuple[str, ...],
        option(
            "Networks that may speak for a client (your load balancers, your CDN). Empty: nobody, and "
            "forwarding headers are ignored.",
            expected='a list of networks such as ["10.0.0.0/8"]',
            source="who trusts everyone lets anyone choose an address; so nobody is trusted unless named",
        ),
    ] = ()
    store: Annotated[
        str,
        option(
            'Where the lists live: "redis://host:6379/0", "rediss://…" (TLS) or "unix:///path". In a '
            "password / ? # and @ are percent-encoded (%2F %3F %23 %40). Empty: an embedded "
            "server, kept in `data_dir`.",
        ),
    ] = ""
    store_name: Annotated[
        str,
        option(
            "Name before every key in the store, so that two shops can share one server.",
            expected="1 to 64 letters, digits, '-', '_' or '.'",
        ),
    ] = "stockade"
    platform: Annotated[
        str,
        option('The shop system. Until the checkout is watched there is one: "generic".'),
    ] = "generic"
    workers: Annotated[
        int,
        option(
            "Processes that carry traffic; 0: one a core.",
            ge=0,
            le=256,
            source="nginx worker_processes auto; each costs descriptors, memory and a copy of the list",
        ),
    ] = 0
    mode: Annotated[
        Literal["enforce", "monitor"],
        option('"enforce" refuses; "monitor" decides and records, and refuses nobody.'),
    ] = "enforce"
    data_dir: Annotated[
        str,
        option(
            "Directory for snapshots and the embedded store. Empty: $STATE_DIRECTORY (set by systemd), else "
            "/var/lib/stockade for root, else $XDG_STATE_HOME/stockade or ~/.local/state/stockade.",
            file="directory",
            source="systemd.exec(5) StateDirectory=; XDG Base Directory Specification",
        ),
    ] = ""
    admin: Annotated[
        str,
        option(
            'Where status and metrics are served: "host:port" or "unix:/path"; empty: off. Keep it off the '
            "public network.",
        ),
    ] = "127.0.0.1:9180"
    client_address: ClientAddressTable = msgspec.field(default_factory=ClientAddressTable)
    relay: RelayTable = msgspec.field(default_factory=RelayTable)
    limits: LimitsTable = msgspec.field(default_factory=LimitsTable)
    timeouts: TimeoutsTable = msgspec.field(default_factory=TimeoutsTable)
    health: HealthTable = msgspec.field(default_factory=HealthTable)
    block_page: BlockPageTable = msgspec.field(default_factory=BlockPageTable)
    log: LogTable = msgspec.field(default_factory=LogTable)
    store_options: StoreOptionsTable = msgspec.field(default_factory=StoreOptionsTable)
