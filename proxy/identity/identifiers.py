"""Identifiers: the (kind, value) pairs that entries are about."""

from __future__ import annotations

import msgspec

from proxy.errors import InputError
from proxy.identity.addresses import pack, unpack
from proxy.identity.networks import Network, clear_host_bits, pack_network, parse_network

KINDS = ("ip", "network")


class Identifier(msgspec.Struct, frozen=True, order=True, gc=False):
    """One thing that entries can be about; `value` is the canonical text of its kind."""

    kind: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"

    @classmethod
    def from_key(cls, key: str) -> Identifier:
        """Return the identifier whose `str()` is `key`; InputError when `key` has no kind and value."""
        kind, colon, value = key.partition(":")
        if not (kind and colon and value):
            raise InputError(f'{key!r} is no identifier: it reads "kind:value", like ip:203.0.113.7')
        return cls(kind, value)


def parse_identifier(text: str, *, exact: bool = False) -> tuple[Identifier, list[str]]:
    """Return the ip or network an operator means, and a warning for everything that was changed.

    A single IPv6 address stands for its /64, which is what one customer has (RFC 6177 section 2), unless
    `exact` or written as /128. Raises InputError, which names the nearest right form.
    """
    network, warning = parse_network(text)
    warnings = [warning] if warning else []
    bits = len(network.packed) * 8
    if network.prefix < bits:
        return Identifier("network", str(network)), warnings
    if bits == 32 or exact or "/" in text:
        return Identifier("ip", unpack(network.packed)), warnings
    whole = Network(clear_host_bits(network.packed, 64), 64)
    warnings.append(
        f"{unpack(network.packed)} is taken as its network {whole}; use --exact for the address alone"
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
