"""The index of all entries in one process: which of them cover an address."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from proxy.identity.addresses import pack, unpack
from proxy.identity.identifiers import Identifier
from proxy.identity.networks import clear_host_bits, pack_network
from proxy.policy.address_index import AddressIndex
from proxy.policy.records import RecordPool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.policy.address_index import Records
    from proxy.policy.entry import Entry


class Hit(msgspec.Struct, frozen=True):
    """An entry that covers an address, and the prefix length by which it does (32 or 128 for the address)."""

    entry: Entry
    prefix: int


class Snapshot:
    """All entries at list version `version`, found by address.

    Changed by replication only, between requests, on the thread that decides. `unindexed` holds the number of
    entries by identifier that this version of the program cannot look up: they are never silently in force or
    not, readiness says so.
    """

    def __init__(self, version: int = 0) -> None:
        self.version = version
        self.unindexed: dict[Identifier, int] = {}
        self._indexes = {4: AddressIndex(32), 16: AddressIndex(128)}
        self._pool = RecordPool()
        self._counts: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        return sum(self._counts.values())

    def counts(self) -> dict[tuple[str, str], int]:
        """Return the number of indexed entries by (list, kind)."""
        return {key: count for key, count in self._counts.items() if count}

    def replace(self, identifier: Identifier, entries: Sequence[Entry]) -> None:
        """Make `entries` all that exist for this identifier (none: it is gone).

        To do it again changes nothing. A kind or value that cannot be indexed is counted in `unindexed`.
        """
        kind = identifier.kind
        place = self._place(identifier)
        if place is None:
            self._set_aside(identifier, len(entries))
            return
        index, address, prefix = place
        table, key = (index.exact, address) if prefix is None else index.table(prefix, address)
        new = self._records(entries)
        old = table.get(key)
        if new is not None:
            table[key] = new
            if prefix is not None and old is None:
                index.announce(prefix, address)
            for entry in entries:
                self._counts[entry.list, kind] += 1
        elif old is not None:
            del table[key]
        for record in _each(old):
            self._counts[self._pool.release(record), kind] -= 1

    def hits(self, packed: bytes) -> Sequence[Hit]:
        """Return every entry that covers a packed address, most specific first, then newest.

        All that exist, whether they hold now or not. For most addresses that is the empty tuple.
        """
        index = self._indexes.get(len(packed))
        found = index.find(int.from_bytes(packed)) if index is not None else None
        if index is None or found is None:
            return ()
        hits: list[Hit] = []
        for prefix, records in found:
            if prefix is None:
                identifier = Identifier("ip", unpack(packed))
            else:
                identifier = Identifier("network", f"{unpack(clear_host_bits(packed, prefix))}/{prefix}")
            length = index.bits if prefix is None else prefix
            hits.extend(Hit(self._pool.decode(record, identifier), length) for record in _each(records))
        return hits

    def _place(self, identifier: Identifier) -> tuple[AddressIndex, int, int | None] | None:
        """Return the index, the address and the prefix length (None: the address itself) of an identifier."""
        prefix = None
        if identifier.kind == "ip":
            packed = pack(identifier.value)
        elif identifier.kind == "network":
            packed, prefix = pack_network(identifier.value) or (None, None)
        else:
            return None
        if packed is None:
            return None
        return self._indexes[len(packed)], int.from_bytes(packed), prefix

    def _records(self, entries: Sequence[Entry]) -> Records | None:
        if len(entries) == 1:
            return self._pool.encode(entries[0])
        newest_first = sorted(entries, key=lambda entry: (-entry.created, entry.id))
        return tuple(self._pool.encode(entry) for entry in newest_first) or None

    def _set_aside(self, identifier: Identifier, entries: int) -> None:
        self.unindexed.pop(identifier, None)
        if entries:
            self.unindexed[identifier] = entries


def _each(records: Records | None) -> tuple[bytes, ...]:
    if records is None:
        return ()
    return (records,) if isinstance(records, bytes) else records
