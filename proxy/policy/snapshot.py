"""The index of all entries in one process: which of them cover an address."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from proxy.identity.addresses import pack
from proxy.identity.networks import parse_network
from proxy.policy.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.identity.identifiers import Identifier


class Hit(msgspec.Struct, frozen=True):
    """An entry that covers an address, and how specific it is (the prefix length; one more for kind ip)."""

    entry: Entry
    prefix: int


class Snapshot:
    """All entries at list version `version`. Changed only between requests, on the thread that decides."""

    def __init__(self, version: int = 0) -> None:
        self.version = version
        self.generation = 0
        self._tables: dict[tuple[int, int], dict[int, tuple[Entry, ...]]] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        return sum(self._counts.values())

    def counts(self) -> dict[tuple[str, str], int]:
        """Return the number of entries by (list, kind)."""
        return dict(self._counts)

    def replace(self, identifier: Identifier, entries: Sequence[Entry]) -> None:
        """Make `entries` all that exist for this identifier (none: it is gone); idempotent."""
        if identifier.kind == "ip":
            packed = pack(identifier.value)
            prefix = len(packed or b"") * 8
            shift = 0
            specific = prefix + 1
        else:
            network, _ = parse_network(identifier.value)
            packed, specific = network.packed, network.prefix
            shift = len(packed) * 8 - specific
        if packed is None:
            return
        table = self._tables.setdefault((len(packed), specific), {})
        key = int.from_bytes(packed) >> shift
        for entry in table.pop(key, ()):
            self._counts[entry.list, entry.kind] -= 1
        if entries:
            table[key] = tuple(sorted(entries, key=lambda entry: entry.created, reverse=True))
            for entry in entries:
                self._counts[entry.list, entry.kind] += 1
        self.generation += 1

    def hits(self, packed: bytes) -> Sequence[Hit]:
        """Return every entry that covers the address, most specific first, then newest."""
        address = int.from_bytes(packed)
        bits = len(packed) * 8
        found: list[Hit] = []
        for (size, prefix), table in sorted(self._tables.items(), key=lambda item: -item[0][1]):
            if size == len(packed):
                entries = table.get(address >> max(bits - prefix, 0), ())
                found.extend(Hit(entry, prefix) for entry in entries)
        return found
