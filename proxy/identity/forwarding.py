"""The client address: who a request comes from, when proxies stand between the shopper and us.

Only what a trusted hop has written is believed. A proxy appends the address it was reached from at the right
end of the list, so the list is read from the right: while an entry is itself a trusted proxy, the next one
to its left was written by that proxy. The first entry that is no trusted proxy is the client, and nothing to
its left (which the client may have invented) is even looked at.

When the entry that counts cannot be read, nothing is guessed and nothing skipped: the result is the last
trusted hop, marked as not readable, and the settings say what becomes of the request (`unreadable`). Empty
list elements are no entries: "a recipient MUST parse and ignore a reasonable number of empty list elements"
(RFC 9110 section 5.6.1.2). They count towards MAX_HOPS.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from proxy.identity.addresses import unpack
from proxy.identity.forwarded_element import find_node, take_last_element
from proxy.identity.networks import NetworkSet
from proxy.identity.node import describe_node, read_entry, read_node

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

X_FORWARDED_FOR: Final = b"x-forwarded-for"
FORWARDED: Final = b"forwarded"

# An AWS Application Load Balancer refuses a list of more than 30 addresses (its status 463); no chain of
# trusted proxies comes near. The bound keeps a client from making us walk a head full of invented proxies.
MAX_HOPS: Final = 30

_IGNORED = "the peer itself: it is no trusted proxy, so what it says about others is ignored"
_ALONE = "the peer itself: a trusted proxy whose request names nobody else"
_FIRST = "the first address from the right that is no trusted proxy"
_LEFTMOST = "the leftmost address: all that are named are trusted proxies"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarding:
    """Who may speak for a client, and in which header.

    `single_value` maps lower-case header names, like `cf-connecting-ip`, to the networks whose peers may send
    them, `trusted` or not. These come before `header`, in their own order. `unreadable` is what the edge does
    when the entry that counts cannot be read: take the last trusted hop for the client, or refuse.
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
    """Derive the client address from the packed peer and the request's forwarding header lines.

    `lines` holds (lower-case name, raw value) in order of appearance; headers that do not count are passed
    over. Work is bounded by MAX_HOPS entries and the bytes given. Never raises.
    """
    for name, networks in forwarding.single_value.items():
        if peer in networks:
            values = [value for line, value in lines if line == name]
            if values:
                return _read_single_value(peer, name, values)
    if peer not in forwarding.trusted:
        return ClientAddress(peer, _IGNORED)
    return _walk(peer, lines, forwarding)


def _read_single_value(peer: bytes, name: bytes, values: list[bytes]) -> ClientAddress:
    """Read a header that one proxy sets to one address; more than that was not its doing."""
    title = name.decode("latin-1")
    if len(values) > 1:
        return ClientAddress(peer, f"unreadable: {title} stands on {len(values)} lines", readable=False)
    text = values[0].strip(b" \t").decode("latin-1")
    packed = read_entry(text)
    if packed is None:
        return ClientAddress(peer, f"unreadable: {title} is {describe_node(text)}", readable=False)
    return ClientAddress(packed, f"the address in {title}, which this peer may state")


def _walk(peer: bytes, lines: Sequence[tuple[bytes, bytes]], forwarding: Forwarding) -> ClientAddress:
    """Follow the trusted hops from the right end of the last line to the client."""
    header, trusted = forwarding.header, forwarding.trusted
    take_last, find_text, read = _FORWARDED if header == FORWARDED else _PLAIN_LIST
    hop = peer
    left = MAX_HOPS
    for name, value in reversed(lines):
        if name != header:
            continue
        end = len(value)
        while end >= 0:
            entry, end = take_last(value, end)
            left -= 1
            if left < 0:
                return ClientAddress(hop, f"unreadable: more than {MAX_HOPS} entries to walk", readable=False)
            if entry == b"":
                continue
            text = None if entry is None else find_text(entry)
            packed = None if text is None else read(text)
            if packed is None:
                how = f"unreadable: the entry that trusted proxy {unpack(hop)} wrote is {describe_node(text)}"
                return ClientAddress(hop, how, readable=False)
            if packed not in trusted:
                return ClientAddress(packed, _FIRST)
            hop = packed
    return ClientAddress(hop, _ALONE if hop is peer else _LEFTMOST)


def _take_last_entry(value: bytes, end: int) -> tuple[bytes | None, int]:
    """Return the list element that ends at `end`, and where the one before it ends (-1: none)."""
    comma = value.rfind(b",", 0, end)
    return value[comma + 1 : end].strip(b" \t"), comma


def _text_of_entry(entry: bytes) -> str | None:
    return entry.decode("latin-1")


# How each header is taken apart: the last element, the text in it that names a node, the node's address.
_PLAIN_LIST: Final = (_take_last_entry, _text_of_entry, read_entry)
_FORWARDED: Final = (take_last_element, find_node, read_node)
