"""Which identifiers can cover an address: few, so that one address needs no whole list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.identity.addresses import unpack
from proxy.identity.identifiers import Identifier
from proxy.identity.networks import Network, clear_host_bits, parse_network
from proxy.policy.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.management.doubts import Doubts
    from proxy.store.entries import EntryStore, Record


def covering_identifiers(packed: bytes, prefix: int | None = None) -> list[Identifier]:
    """Return every identifier that covers the address, or the network of that prefix, most specific first.

    34 of them at most for IPv4 and 130 for IPv6: the address, and the network of each prefix length.
    """
    bits = len(packed) * 8
    longest = bits if prefix is None else prefix
    networks = (Network(clear_host_bits(packed, length), length) for length in range(longest, -1, -1))
    found = [Identifier("network", str(network)) for network in networks]
    return [Identifier("ip", unpack(packed)), *found] if longest == bits else found


def packed_of(identifier: Identifier) -> tuple[bytes, int]:
    """Return the packed address (the first one of a network) and the prefix length of an identifier."""
    network, _ = parse_network(identifier.value)
    return network.packed, network.prefix


def covering_of(identifier: Identifier) -> list[Identifier]:
    """Return every identifier that covers all of `identifier`, itself included, most specific first."""
    return covering_identifiers(*packed_of(identifier))


async def read_covering(
    store: EntryStore, identifiers: Iterable[Identifier]
) -> dict[Identifier, list[Record]]:
    """Read the records that cover each identifier and have entries, most specific first."""
    candidates = {identifier: covering_of(identifier) for identifier in identifiers}
    wanted = list(dict.fromkeys(one for several in candidates.values() for one in several))
    records = {r.identifier: r for r in await store.read(wanted) if r.raw is not None}
    return {
        identifier: [records[one] for one in several if one in records]
        for identifier, several in candidates.items()
    }


async def read_snapshot(store: EntryStore, packed: bytes, doubts: Doubts | None = None) -> Snapshot:
    """Return a snapshot of every entry that can cover this one address: decides about it as the whole does.

    `doubts` takes note of what makes it less than what workers decide by.
    """
    head = await store.read_head()
    snapshot = Snapshot(head.version)
    records = await store.read(covering_identifiers(packed))
    if doubts is not None:
        doubts.lost = head.lost
        doubts.unreadable += sum(record.unreadable for record in records)
    for record in records:
        if record.entries:
            snapshot.replace(record.identifier, record.entries)
    return snapshot
