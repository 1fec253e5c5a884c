"""Entries for tests: only what a test is about needs to be said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.identity.addresses import pack
from proxy.policy.entry import Entry
from proxy.policy.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULTS: dict[str, Any] = {
    "id": "e1",
    "list": "block",
    "reason": "abuse",
    "case": "case-1",
    "origin": "cli",
    "author": "ops@shop.example",
    "created": 1000.0,
}


def block(value: str, /, **fields: Any) -> Entry:
    """Make a block entry for an address or (with a slash) a network."""
    return Entry(**{**DEFAULTS, "kind": "network" if "/" in value else "ip", "value": value, **fields})


def allow(value: str, /, **fields: Any) -> Entry:
    """Make an allow entry."""
    return block(value, **{"list": "allow", "reason": "", **fields})


def load(entries: Iterable[Entry]) -> Snapshot:
    """Make a snapshot that holds exactly these entries."""
    by_identifier: dict[Any, list[Entry]] = {}
    for entry in entries:
        by_identifier.setdefault(entry.identifier, []).append(entry)
    snapshot = Snapshot()
    for identifier, group in by_identifier.items():
        snapshot.replace(identifier, group)
    return snapshot


def packed(text: str) -> bytes:
    """Return the packed form of an address that is known to be one."""
    found = pack(text)
    assert found is not None
    return found
