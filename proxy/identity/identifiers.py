"""Identifiers: the (kind, value) pairs that entries are about."""

from __future__ import annotations

from typing import Final

import msgspec

from proxy.errors import InputError
from proxy.identity.addresses import pack, unpack
from proxy.identity.networks import Network, clear_host_bits, pack_network, parse_network

KINDS: Final = ("ip", "network")

# NAT64 (RFC 6052 section 2.1) maps all of IPv4 into one /96; Teredo (RFC 4380 section 4) puts every client of
# a server into one /64.
_SHARED: Final = (parse_network("64:ff9b::/96")[0], parse_network("2001::/32")[0])


class Identifier(msgspec.Struct, frozen=True, order=True, gc=False):
    """One thing that entries can be about; `value` is the canonical text of its kind."""

    kind: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"


def parse_identifier(text: str, *, exact: bool = False) -> tuple[Identifier, list[str]]:
    """Return the ip or network an operator means, and a sentence for everything that was changed.

    Takes what `str(Identifier)` prints, too. A single IPv6 address stands for its /64: hosts choose the lower
    64 bits themselves and change them daily (RFC 4291 section 2.5.4, RFC 8981), so to block one is to block
    nobody. It stays alone when `exact`, when written as /128 or `ip:…`, or in a /64 that
    unrelated people share. Raises InputError, which names the nearest right form.
    """
    kind, colon, value = text.strip().partition(":")
    named = bool(colon) and kind in KINDS
    network, warning = parse_network(value if named else text)
    warnings = [warning] if warning else []
    packed, prefix = network.packed, network.prefix
    if prefix < len(packed) * 8:
        if named and kind == "ip":
            raise InputError(f'"{text.strip()}" calls a network ip; did you mean network:{network}?')
        return Identifier("network", str(network)), warnings
    address = Identifier("ip", unpack(packed))
    if len(packed) == 4 or exact or named or "/" in text:
        return address, warnings
    if any(shared.contains(packed) for shared in _SHARED):
        warnings.append(f"{address.value} is taken alone, for strangers share its /64")
        return address, warnings
    whole = Network(clear_host_bits(packed, 64), 64)
    warnings.append(
        f"{address.value} is taken as {whole}, all of which one customer has; --exact takes it alone"
    )
    return Identifier("network", str(whole)), warnings


def is_canonical(identifier: Identifier) -> bool:
    """Tell whether the value is the one text that this identifier has, and the kind one that has values."""
    if identifier.kind == "ip":
        packed = pack(identifier.value)
        return packed is not None and unpack(packed) == identifier.value
    if identifier.kind == "network" and (network := pack_network(identifier.value)):
        packed, prefix = network
        # A network of one address is that address: one thing, one name.
        return prefix < len(packed) * 8 and f"{unpack(packed)}/{prefix}" == identifier.value
    return False
