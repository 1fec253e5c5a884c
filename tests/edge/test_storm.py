"""Everything at once and in any order: clients and upstreams that break off anywhere, and nothing is left behind."""

from __future__ import annotations

import contextlib
import gc
import random
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

import pytest
from edge_harness import GET, OK, Wire, wait_until

from proxy.edge.build import build_site
from proxy.edge.connection import ClientConnection
from proxy.edge.exchange import Exchange
from proxy.edge.tunnel import Tunnel
from proxy.observability.counters import Slot
from proxy.settings.load import parse_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_harness import Relay, Upstream

    from proxy.edge.upstream_connection import UpstreamConnection

BODY = bytes(range(256)) * 400
ANSWERS = (
    OK,
    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n19000\r\n"
    + BODY
    + b"\r\n0\r\nA: b\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + BODY,
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello",
    b"nonsense\r\n\r\n",
)
REQUESTS = (
    GET,
    GET * 30,
    b"GET / HTTP/1.0\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY + GET,
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n19000\r\n" + BODY + b"\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello",
    b"GET /.stockade/readyz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
)


def maybe_reset(sock: socket.socket, chance: random.Random) -> None:
    """Make the coming close a reset, now and then."""
    if chance.random() < 0.3:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def live(kind: type) -> int:
    """Count the living objects of a class."""
    gc.collect()
    return sum(1 for each in gc.get_objects() if type(each) is kind)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_left_behind(start_relay: Callable[..., Relay], upstream: Upstream, seed: int) -> None:
    """After a storm of broken requests and answers no connection, exchange or tunnel is kept, and all works."""
    relay = start_relay("[timeouts]\nfirst_byte = 0.3\nbody_idle = 0.3\nupstream_idle = 0.3\nsend_idle = 0.3")
    chances = random.Random(seed)
    lock = threading.Lock()

    def draw() -> random.Random:
        with lock:
            return random.Random(chances.random())

    def handler(wire: Wire) -> None:
        chance = draw()
        while True:
            if chance.random() < 0.1:
                break
            wire.request()
            answer = chance.choice(ANSWERS)
            if chance.random() < 0.3:
                wire.sock.sendall(answer[: chance.randrange(len(answer))])
                break
            wire.sock.sendall(answer)
            if chance.random() < 0.03:
                time.sleep(0.4)
        maybe_reset(wire.sock, chance)

    def client() -> None:
        chance = draw()
        for _ in range(12):
            with contextlib.suppress(OSError), relay.connect() as sock:
                sock.settimeout(0.5)
                for _ in range(chance.randrange(1, 4)):
                    request = chance.choice(REQUESTS)
                    cut = chance.randrange(len(request)) if chance.random() < 0.3 else len(request)
                    sock.sendall(request[:cut])
                    if chance.random() < 0.6:
                        sock.recv(chance.choice((1, 1000, 1 << 18)))
                if chance.random() < 0.2:
                    sock.shutdown(socket.SHUT_WR)
                    sock.recv(1 << 18)
                maybe_reset(sock, chance)

    upstream.handler = handler
    clients = [threading.Thread(target=client) for _ in range(12)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    wait_until(lambda: not relay.worker.connections)
    wait_until(lambda: not relay.worker.pool.targets[0].busy)
    assert relay.counters[Slot.OPEN_CONNECTIONS] == relay.counters[Slot.OPEN_TUNNELS] == 0
    wait_until(lambda: relay.call(lambda: live(ClientConnection) + live(Exchange) + live(Tunnel)) == 0)
    upstream.handler = upstream.serve
    for idle in list(relay.worker.pool.targets[0].idle):  # connections that the storm's handlers still serve
        relay.call(idle.transport.abort)
    wait_until(lambda: not relay.worker.pool.targets[0].idle)
    assert relay.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").body == b"ok"


def test_settings_that_change_under_a_connection(relay: Relay, upstream: Upstream) -> None:
    """After a reload a connection that stands follows the new settings from its next head on, whole."""

    def reload(text: str) -> None:
        site = build_site(parse_settings(text, {}, "test.toml"))
        relay.call(lambda: setattr(relay.worker, "site", site))

    relay.put("203.0.113.7")
    claim = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n\r\n"
    with relay.connect() as sock:
        wire = Wire(sock)
        for text, status in (
            ("", 200),
            ('trusted_proxies = ["127.0.0.0/8"]', 403),
            ('mode = "monitor"\ntrusted_proxies = ["127.0.0.0/8"]', 200),
            ("", 200),
        ):
            reload(text)
            sock.sendall(claim)
            assert wire.reply().status == status
    assert [b"X-Forwarded-Proto: https" in head for head in upstream.heads] == [False, True, False]


def test_one_pass_of_the_clock_outlives_a_fault(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in one tick does not end the others: time limits go on being kept."""
    faults: list[int] = []

    def fail() -> int:
        faults.append(1)
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(relay.worker.decisions, "take_dropped", fail)
    wait_until(lambda: len(faults) > 2)
    monkeypatch.undo()
    assert relay.ask(GET).body == b"ok"


def test_connection_that_fails_at_its_deadline(
    start_relay: Callable[..., Relay], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection whose time limit cannot be kept is ended, and the others' are kept."""
    relay = start_relay("[timeouts]\nhead = 0.2")
    known = ClientConnection.on_deadline
    failed: list[ClientConnection] = []

    def fail_once(connection: ClientConnection) -> None:
        if not failed:
            failed.append(connection)
            raise RuntimeError("a fault of ours")
        known(connection)

    monkeypatch.setattr(ClientConnection, "on_deadline", fail_once)
    with relay.connect() as one, relay.connect() as other:
        for sock in (one, other):
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(1) == b""
    assert failed


def test_upstream_connection_is_reused_by_all(relay: Relay, upstream: Upstream) -> None:
    """One after the other, many clients share one upstream connection."""
    for _ in range(50):
        assert relay.ask(GET).body == b"ok"
    assert upstream.connections == 1
    kept: list[UpstreamConnection] = relay.worker.pool.targets[0].idle
    assert kept[0].exchange is None
