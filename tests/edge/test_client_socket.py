"""Who the peer of a socket is."""

from __future__ import annotations

import pytest

from proxy.edge.client_socket import peer_of
from proxy.identity.addresses import pack


@pytest.mark.parametrize(
    ("name", "address"),
    [
        pytest.param(("192.0.2.1", 4711), "192.0.2.1", id="IPv4"),
        pytest.param(("2001:db8::1", 4711, 0, 0), "2001:db8::1", id="IPv6"),
        pytest.param(("::ffff:192.0.2.1", 4711, 0, 0), "192.0.2.1", id="IPv4 on a dual-stack socket"),
        pytest.param(("fe80::1%eth0", 4711, 0, 2), "fe80::1", id="with a zone"),
        pytest.param("", "127.0.0.1", id="unix socket"),
        pytest.param("/run/client.sock", "127.0.0.1", id="bound unix socket"),
    ],
)
def test_peer(name: object, address: str) -> None:
    """An address is folded to its shortest form; behind a unix socket is this machine."""
    assert peer_of(name) == pack(address)


def test_no_name_is_nobody() -> None:
    """A peer that cannot be named is not taken for somebody."""
    assert peer_of(None) is None
