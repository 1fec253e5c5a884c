"""IP networks, and sets of them that answer "is this address inside" quickly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.errors import InputError
from proxy.identity.addresses import pack, unpack
from proxy.identity.mistakes import describe_mistake, describe_prefix_mistake, show

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, order=True)
class Network:
    """The addresses that share the first `prefix` bits of `packed` (4 or 16 bytes, host bits clear)."""

    packed: bytes
    prefix: int

    def __post_init__(self) -> None:
        """Refuse what is no network: ValueError on a wrong length, prefix or host bits that are set."""
        bits = len(self.packed) * 8
        if bits not in (32, 128) or not 0 <= self.prefix <= bits:
            raise ValueError(f"no network: {self.packed!r}/{self.prefix}")
        if clear_host_bits(self.packed, self.prefix) != self.packed:
            raise ValueError(f"host bits are set in {unpack(self.packed)}/{self.prefix}")

    def __str__(self) -> str:
        return f"{unpack(self.packed)}/{self.prefix}"

    def contains(self, packed: bytes) -> bool:
        """Tell whether this packed address lies inside; addresses of the other family never do."""
        return len(packed) == len(self.packed) and clear_host_bits(packed, self.prefix) == self.packed

    def overlaps(self, other: Network) -> bool:
        """Tell whether the two share an address, which means that one holds the other."""
        wide, narrow = (self, other) if self.prefix <= other.prefix else (other, self)
        return wide.contains(narrow.packed)


def clear_host_bits(packed: bytes, prefix: int) -> bytes:
    """Return `packed` with every bit after the first `prefix` ones set to zero."""
    host = len(packed) * 8 - prefix
    return (int.from_bytes(packed) >> host << host).to_bytes(len(packed))


def pack_network(text: str) -> tuple[bytes, int] | None:
    """Return the packed address and the prefix length of a network's canonical text, else None."""
    address, _, length = text.partition("/")
    packed = pack(address)
    if packed is None or not (length.isascii() and length.isdigit() and len(length) <= 3):
        return None
    if (
        len(packed) == 4 and ":" in address
    ):  # a mapped address: its prefix counts 96 bits that are folded away
        return None
    prefix = int(length)
    if prefix > len(packed) * 8 or clear_host_bits(packed, prefix) != packed:
        return None
    return packed, prefix


def parse_network(text: str) -> tuple[Network, str | None]:
    """Return the network an operator typed and a warning when host bits were set and had to be cleared.

    A single address is the network of that one address. A netmask (`10.0.0.0/255.0.0.0`) and an IPv4-mapped
    form (`::ffff:10.0.0.0/104`) are taken for what they mean. Raises InputError on anything else.
    """
    stripped = text.strip()
    address, slash, length = stripped.partition("/")
    packed = pack(address)
    if packed is None or "/" in length:
        raise InputError(describe_mistake(stripped))
    mapped = ":" in address and len(packed) == 4
    bits = 128 if mapped else len(packed) * 8
    prefix = _parse_prefix(length, bits) if slash else bits
    if prefix is None:
        raise InputError(describe_prefix_mistake(address, length, bits))
    if mapped:
        prefix -= 96
        if prefix < 0:
            raise InputError(
                f"{show(stripped)} reaches beyond the IPv4-mapped addresses, which count as IPv4: "
                "write the IPv4 and the IPv6 network on their own"
            )
    network = Network(clear_host_bits(packed, prefix), prefix)
    if network.packed == packed:
        return network, None
    count = f" {1 << 32 - prefix:,}" if len(packed) == 4 else ""
    return network, (
        f"{stripped} means all{count} addresses of {network}; for the one address write {unpack(packed)}"
    )


def _parse_prefix(length: str, bits: int) -> int | None:
    """Return the prefix length that a number or an IPv4 netmask stands for, None when it is neither."""
    if length.isascii() and length.isdigit():
        prefix = int(length) if len(length) <= 3 else bits + 1
        return prefix if prefix <= bits and length == str(prefix) else None
    mask = pack(length)
    if bits != 32 or mask is None or len(mask) != 4:
        return None
    zeros = 0xFFFFFFFF ^ int.from_bytes(mask)
    # 0.0.0.0 is left out: as a netmask it means everybody, as a router's wildcard mask a single address.
    return 32 - zeros.bit_length() if zeros & (zeros + 1) == 0 and zeros != 0xFFFFFFFF else None


class NetworkSet:
    """An immutable set of networks that tells whether a packed address lies in any of them.

    One set of keys for each prefix length that occurs, longest first, IPv4 and IPv6 apart: the cost of a
    look-up grows with the number of lengths, not of networks.
    """

    __slots__ = ("_groups", "networks")

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self.networks = frozenset(networks)
        self._groups = {size: self._group(size) for size in (4, 16)}

    def _group(self, size: int) -> tuple[tuple[int, frozenset[int]], ...]:
        by_shift: dict[int, set[int]] = {}
        for network in self.networks:
            if len(network.packed) == size:
                shift = size * 8 - network.prefix
                by_shift.setdefault(shift, set()).add(int.from_bytes(network.packed) >> shift)
        return tuple((shift, frozenset(by_shift[shift])) for shift in sorted(by_shift))

    def __contains__(self, packed: bytes) -> bool:
        groups = self._groups.get(len(packed), ())
        address = int.from_bytes(packed)
        for shift, keys in groups:  # noqa: SIM110 - any() with a generator takes twice as long
            if address >> shift in keys:
                return True
        return False

    def __bool__(self) -> bool:
        return bool(self.networks)

    def __len__(self) -> int:
        return len(self.networks)

    def __repr__(self) -> str:
        return f"NetworkSet({', '.join(str(network) for network in sorted(self.networks))})"
