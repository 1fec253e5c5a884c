"""Which upstream addresses are used, which connections are kept, and how names are looked up again."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from edge_harness import GET, OK, Wire, wait_until

from proxy.observability.counters import Slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_harness import Relay, Upstream

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"


def names(relay: Relay, *addresses: str) -> None:
    """Make every name mean these addresses (none: unknown), and look the upstreams up."""

    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]

    relay.loop.getaddrinfo = getaddrinfo  # type: ignore[method-assign]
    relay.run(relay.worker.pool.resolve())


def known(relay: Relay) -> list[str]:
    """Give the addresses in use."""
    return [target.address for target in relay.worker.pool.targets]


def test_names_are_looked_up_again(
    start_relay: Callable[..., Relay], upstream: Upstream, start_upstream: Callable[..., Upstream]
) -> None:
    """New addresses of a name join, vanished ones are left, and unknown for a moment changes nothing."""
    other = start_upstream(host="127.0.0.2", port=upstream.port)
    relay = start_relay(upstreams=[f"http://localhost:{upstream.port}"])
    names(relay, "127.0.0.1")
    assert relay.ask(GET).body == b"ok"
    kept = relay.worker.pool.targets[0]
    names(relay, "127.0.0.1", "127.0.0.2", "127.0.0.1")
    assert known(relay) == ["127.0.0.1", "127.0.0.2"]
    assert relay.worker.pool.targets[0] is kept
    assert len(kept.idle) == 1
    names(relay, "127.0.0.2")
    assert kept.idle == []
    for _ in range(3):
        assert relay.ask(GET).body == b"ok"
    assert (len(upstream.heads), len(other.heads)) == (1, 3)
    names(relay)
    assert known(relay) == ["127.0.0.2"]


def test_name_that_is_unknown_from_the_start(start_relay: Callable[..., Relay]) -> None:
    """An upstream whose name nobody knows is 502, until somebody does."""
    relay = start_relay(upstreams=["http://no-such-name.invalid:1"])
    names(relay)
    assert relay.ask(GET).status == 502


def test_busy_connection_of_a_vanished_address(start_relay: Callable[..., Relay], upstream: Upstream) -> None:
    """A request in flight to an address that vanishes is finished there; the connection is not kept."""
    go, seen = threading.Event(), threading.Event()

    def handler(wire: Wire) -> None:
        wire.request()
        seen.set()
        go.wait(5)
        wire.sock.sendall(OK)
        wire.end()

    upstream.handler = handler
    relay = start_relay(upstreams=[f"http://localhost:{upstream.port}"])
    names(relay, "127.0.0.1")
    (old,) = relay.worker.pool.targets
    with relay.connect() as sock:
        sock.sendall(GET)
        assert seen.wait(5)
        names(relay, "127.0.0.9")
        go.set()
        assert Wire(sock).reply().body == b"ok"
    assert old.connections == 0


def test_both_families_of_a_name(start_relay: Callable[..., Relay], upstream: Upstream) -> None:
    """A name with an IPv6 address that nobody listens on works by its IPv4 address."""
    relay = start_relay(upstreams=[f"http://localhost:{upstream.port}"])
    for _ in range(4):
        assert relay.ask(POST).body == b"ok"


def test_idle_connections_have_a_limit_and_an_end(
    start_relay: Callable[..., Relay], upstream: Upstream
) -> None:
    """No more than idle_connections are kept, and none for longer than upstream_keep_alive."""
    relay = start_relay("[relay]\nidle_connections = 2\n[timeouts]\nupstream_keep_alive = 0.3")
    barrier = threading.Barrier(4)

    def answer(_head: bytes, _body: bytes) -> bytes:
        barrier.wait(5)
        return OK

    upstream.answer = answer
    socks = [relay.connect() for _ in range(4)]
    for sock in socks:
        sock.sendall(GET)
    for sock in socks:
        assert Wire(sock).reply().body == b"ok"
        sock.close()
    assert relay.worker.pool.targets[0].connections == 2
    wait_until(lambda: relay.worker.pool.targets[0].connections == 0, seconds=2)


@pytest.mark.parametrize("settings", ["[timeouts]\nupstream_keep_alive = 0", "[relay]\nidle_connections = 0"])
def test_no_connection_is_kept(start_relay: Callable[..., Relay], upstream: Upstream, settings: str) -> None:
    """Zero seconds, or zero connections: each request has its own."""
    relay = start_relay(settings)
    for _ in range(3):
        relay.ask(GET)
    assert upstream.connections == 3


def test_unsafe_requests_take_no_old_connection(relay: Relay, upstream: Upstream) -> None:
    """A connection idle for more than a second may be closing just now: what must not go twice takes a new one."""
    relay.ask(GET)
    (idle,) = relay.worker.pool.targets[0].idle
    idle.idle_since -= 1.5
    relay.ask(GET)
    assert upstream.connections == 1
    (idle,) = relay.worker.pool.targets[0].idle
    idle.idle_since -= 1.5
    relay.ask(POST)
    assert upstream.connections == 2


def test_failing_addresses_come_back(
    start_relay: Callable[..., Relay], upstream: Upstream, start_upstream: Callable[..., Upstream]
) -> None:
    """An address is left alone for fail_for seconds after fail_after failures in a row, then tried again."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    relay = start_relay(
        "[relay]\nfail_after = 2\nfail_for = 0.3", upstreams=[f"http://127.0.0.1:{port}", upstream.url]
    )
    for _ in range(6):
        assert relay.ask(GET).status == 200
    assert relay.counters[Slot.UPSTREAM_FAILURES] == 2
    back = start_upstream(port=port)

    def found() -> bool:
        relay.ask(GET)
        return bool(back.heads)

    wait_until(found)


def test_requests_that_wait_for_one_connect(relay: Relay, upstream: Upstream) -> None:
    """Many clients at once each get their own answer, and what was connected is kept for the next ones."""
    upstream.answer = lambda head, _: b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + head.split()[1][1:]
    socks = [relay.connect() for _ in range(100)]
    for number, sock in enumerate(socks):
        sock.sendall(b"GET /%04d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
    for number, sock in enumerate(socks):
        assert Wire(sock).reply().body == b"%04d" % number
        sock.close()
    assert relay.worker.pool.targets[0].connections <= 64
