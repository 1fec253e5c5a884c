"""What no operator blocks by accident: everybody, the machine itself, its own load balancers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.errors import InputError
from proxy.identity.networks import Network, parse_network

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from proxy.identity.identifiers import Identifier

# A /8 is the largest IPv4 block that was ever given to one holder (IANA IPv4 address space registry), a /16
# of IPv6 is more than any regional registry holds in one piece (RFC 4291, IANA IPv6 global unicast registry).
WIDEST_V4, WIDEST_V6 = 8, 16
SHOWN = 20  # mistakes in one message; the rest are counted

# IANA special-purpose registries (RFC 6890): health checks, the machine itself, what no shopper can have.
_OWN = tuple(
    (parse_network(text)[0], meaning)
    for text, meaning in (
        ("127.0.0.0/8", "this machine itself (loopback)"),
        ("::1/128", "this machine itself (loopback)"),
        ("0.0.0.0/8", "no host's address (unspecified)"),
        ("::/128", "no host's address (unspecified)"),
        ("169.254.0.0/16", "link-local addresses"),
        ("fe80::/10", "link-local addresses"),
    )
)


@dataclass(frozen=True, slots=True)
class GuardRails:
    """The networks that are refused without force; `proxies` are those that may speak for a client."""

    proxies: tuple[Network, ...] = ()

    def check(self, identifiers: Iterable[Identifier], list_name: str) -> None:
        """Raise InputError that names every identifier which is refused, and why."""
        protected = (*_OWN, *((network, "one of your own trusted proxies") for network in self.proxies))
        refusals = [
            refusal
            for identifier in identifiers
            if (refusal := _find_refusal(identifier, list_name, protected)) is not None
        ]
        if refusals:
            more = [f"… and {len(refusals) - SHOWN:,} more"] if len(refusals) > SHOWN else []
            raise InputError(
                "\n".join([*refusals[:SHOWN], *more, "nothing was written; --force does it anyway"])
            )


def _find_refusal(
    identifier: Identifier, list_name: str, protected: Sequence[tuple[Network, str]]
) -> str | None:
    network, _ = parse_network(identifier.value)
    bits = len(network.packed) * 8
    widest = WIDEST_V4 if bits == 32 else WIDEST_V6
    if network.prefix == 0:
        return f"{network} is everybody"
    if network.prefix < widest:
        addresses = "IPv4" if bits == 32 else "IPv6"
        return f"{network} is wider than /{widest}, the widest {addresses} network taken without a second thought"
    if list_name == "allow":
        return None
    for own, meaning in protected:
        if own.overlaps(network):
            inside = f" ({own})" if str(own) != identifier.value else ""
            return f"{identifier.value} touches {meaning}{inside}: blocking it would cut the shop off"
    return None
