"""The client address: who a request comes from, when proxies stand between the shopper and us.

Only what a trusted hop has written is believed. A proxy appends the address it was reached from at the right
end of the list, so the list is read from the right: while an entry is itself a trusted proxy, the next one
to its left was written by that proxy. The first entry that is no trusted proxy is the client, and nothing to
its left (which the client may have invented) is even looked at.

When the entry that counts cannot be read, nothing is guessed: the result is the last trusted hop, marked as
not readable, and the settings say what becomes of the request (`unreadable`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from proxy.identity.addresses import pack, unpack
from proxy.identity.forwarded_element import find_forwarded_nodes
from proxy.identity.networks import NetworkSet
from proxy.identity.node import read_node

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# An AWS Application Load Balancer refuses a list of more than 30 addresses (its status 463); no real chain
# of trusted proxies comes near. The bound keeps a client from making us walk the whole head.
MAX_HOPS: Final = 30

X_FORWARDED_FOR: Final = b"x-forwarded-for"
FORWARDED: Final = b"forwarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarding:
    """Who may speak for a client, and in which header.

    `single_value` maps lower-case header names to the networks whose peers may send them; it is asked in
    order, before `header`. `unreadable` is what the edge does when the entry that counts cannot be read.
    """

    trusted: NetworkSet = field(default_factory=NetworkSet)
    header: bytes = X_FORWARDED_FOR
    single_value: Mapping[bytes, NetworkSet] = field(default_factory=lambda: MappingProxyType({}))
    unreadable: Literal["peer", "refuse"] = "peer"


class ClientAddress(msgspec.Struct, frozen=True, gc=False):
    """The derived address, a sentence that says how (for `explain`), and whether the header was readable."""

    packed: bytes
    how: str
    readable: bool = True


def derive_client_address(
    peer: bytes, lines: Sequence[tuple[bytes, bytes]], forwarding: Forwarding
) -> ClientAddress:
    """Derive the client address from the packed peer and the forwarding header lines in order of appearance.

    `lines` holds (lower-case name, raw value) of every line that names a forwarding header; others are
    passed over.
    """
    for name, networks in forwarding.single_value.items():
        if peer in networks:
            values = [value for line, value in lines if line == name]
            if values:
                return _from_single_value(peer, name, values)
    if peer not in forwarding.trusted:
        return ClientAddress(
            peer, "the peer itself: it is no trusted proxy, so forwarding headers are ignored"
        )
    return _walk(peer, lines, forwarding)


def _from_single_value(peer: bytes, name: bytes, values: list[bytes]) -> ClientAddress:
    title = name.decode("latin-1")
    if len(values) > 1:
        return ClientAddress(peer, f"{title} stands on {len(values)} lines", readable=False)
    packed = pack(values[0].strip(b" \t").decode("latin-1"))
    if packed is None:
        return ClientAddress(peer, f"{title} holds no single address", readable=False)
    return ClientAddress(packed, f"the address in {title}, which this peer may state")


def _walk(peer: bytes, lines: Sequence[tuple[bytes, bytes]], forwarding: Forwarding) -> ClientAddress:
    hop = peer
    entries = _entries_x_forwarded_for if forwarding.header == X_FORWARDED_FOR else find_forwarded_nodes
    considered = 0
    for name, value in reversed(lines):
        if name != forwarding.header:
            continue
        for entry in entries(value):
            considered += 1
            if considered > MAX_HOPS:
                return ClientAddress(hop, f"more than {MAX_HOPS} hops are listed", readable=False)
            packed = None if entry is None else read_node(entry)
            if packed is None:
                return ClientAddress(
                    hop, f"the entry next to trusted hop {unpack(hop)} is no address", readable=False
                )
            if packed not in forwarding.trusted:
                return ClientAddress(packed, "the first entry from the right that is no trusted proxy")
            hop = packed
    if hop is peer:
        return ClientAddress(peer, "the peer itself: a trusted proxy that named nobody")
    return ClientAddress(hop, "the leftmost entry: every address named is a trusted proxy")


def _entries_x_forwarded_for(value: bytes) -> Iterator[bytes]:
    end = len(value)
    while end >= 0:
        comma = value.rfind(b",", 0, end)
        entry = value[comma + 1 : end].strip(b" \t")
        if entry:
            yield entry
        end = comma
