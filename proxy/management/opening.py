"""Which store the settings mean, and what of them the use cases need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.identity.networks import parse_network
from proxy.management.guard_rails import GuardRails
from proxy.settings.derived import data_dir
from proxy.store.embedded import locate
from proxy.store.entries import EntryStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.settings.schema import Settings


def store_url(settings: Settings, environ: Mapping[str, str]) -> str:
    """Return the URL of the configured store, or of the embedded one that runs in the data directory.

    Raises StoreError when none is configured and none runs.
    """
    return settings.store or locate(data_dir(settings, environ))


def open_store(settings: Settings, environ: Mapping[str, str]) -> EntryStore:
    """Return the store; close it (`async with`). It connects when first asked. Raises StoreError."""
    return EntryStore(store_url(settings, environ), settings.store_name)


def guard_rails(settings: Settings) -> GuardRails:
    """Return what may not be blocked here without force: every network that may speak for a client."""
    named = [*settings.trusted_proxies]
    for networks in settings.client_address.single_value.values():
        named += networks
    return GuardRails(tuple(parse_network(text)[0] for text in dict.fromkeys(named)))
