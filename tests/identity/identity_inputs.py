"""Addresses and headers for tests, written as a person would."""

from __future__ import annotations

from proxy.identity.addresses import pack
from proxy.identity.forwarding import Forwarding
from proxy.identity.networks import NetworkSet, parse_network

PROXIES = ("10.0.0.0/8", "2001:db8:ff::/48")


def packed(text: str) -> bytes:
    """Return the packed form of an address that is known to be one."""
    found = pack(text)
    assert found is not None
    return found


def network_set(*texts: str) -> NetworkSet:
    """Make a set of networks."""
    return NetworkSet(parse_network(text)[0] for text in texts)


def trusting(
    *networks: str, header: bytes = b"x-forwarded-for", **single_value: tuple[str, ...]
) -> Forwarding:
    """Make forwarding settings; `cf_connecting_ip=("198.51.100.0/24",)` names a single-value header."""
    return Forwarding(
        trusted=network_set(*networks),
        header=header,
        single_value={
            name.replace("_", "-").encode(): network_set(*texts) for name, texts in single_value.items()
        },
    )
