"""Limits of connections: who is one too many is told so politely, and health is answered all the same."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from edge_harness import GET, Wire, wait_until

from proxy.edge.worker import limit_key
from proxy.identity.addresses import pack
from proxy.observability.counters import Slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_harness import Relay

LIVE = b"GET /.stockade/livez HTTP/1.1\r\nHost: a\r\n\r\n"


def test_connections_in_all(start_relay: Callable[..., Relay]) -> None:
    """Over the limit a request is answered 503 and the connection ends; behind it things are as before."""
    relay = start_relay("[limits]\nconnections = 3")
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(relay.connect()) for _ in range(3)]
        for sock in socks:
            sock.sendall(GET)
            assert Wire(sock).reply().status == 200
        reply = relay.ask(GET)
        assert (reply.status, reply.values(b"Connection")) == (503, [b"close"])
        assert reply.values(b"Retry-After")
        assert relay.ask(LIVE).body == b"alive\n"
        socks[0].sendall(GET)
        assert Wire(socks[0]).reply().status == 200
        socks[0].close()
        wait_until(lambda: len(relay.worker.connections) == 2)
        assert relay.ask(GET).status == 200
    assert relay.counters[Slot.TURNED_AWAY] == 2


def test_connections_of_one_client(start_relay: Callable[..., Relay]) -> None:
    """One client's excess costs nobody else; a crowd of connections beyond it is not even answered."""
    relay = start_relay("[limits]\nconnections_per_client = 2")
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(relay.connect(source="127.0.0.2"))
        wait_until(lambda: len(relay.worker.connections) == 2)
        assert relay.ask(GET, source="127.0.0.2").status == 503
        assert relay.ask(GET, source="127.0.0.3").status == 200
        wait_until(lambda: len(relay.worker.connections) == 2)
        for _ in range(40):
            stack.enter_context(relay.connect(source="127.0.0.2"))
        wait_until(lambda: relay.counters[Slot.TURNED_AWAY] == 41)
        wait_until(lambda: len(relay.worker.connections) == 34)
    wait_until(lambda: not relay.worker.connections)
    assert relay.ask(GET, source="127.0.0.2").status == 200


def test_trusted_proxies_are_no_single_client(start_relay: Callable[..., Relay]) -> None:
    """A load balancer carries everybody, so the limit of one client is not its."""
    relay = start_relay('trusted_proxies = ["127.0.0.2/32"]\n[limits]\nconnections_per_client = 1')
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            sock = stack.enter_context(relay.connect(source="127.0.0.2"))
            sock.sendall(GET)
            assert Wire(sock).reply().status == 200


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("192.0.2.1", "192.0.2.1", True, id="same"),
        pytest.param("192.0.2.1", "192.0.2.2", False, id="IPv4 neighbours"),
        pytest.param("2001:db8::1", "2001:db8::2", True, id="one /64"),
        pytest.param("2001:db8::1", "2001:db8:0:1::1", False, id="another /64"),
        pytest.param("192.0.2.1", "::ffff:192.0.2.1", True, id="mapped"),
    ],
)
def test_what_counts_as_one_client(one: str, other: str, *, same: bool) -> None:
    """An IPv4 address is one client, an IPv6 /64 is."""
    first, second = pack(one), pack(other)
    assert first is not None
    assert second is not None
    assert (limit_key(first) == limit_key(second)) is same
