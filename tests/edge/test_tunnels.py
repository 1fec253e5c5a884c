"""After 101 the connection is a plain pipe, and only what was asked for and allowed becomes one."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import struct
import threading
from typing import TYPE_CHECKING

import pytest
from edge_harness import GET, OK, Wire, resident_bytes, wait_until

from proxy.observability.counters import Slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_harness import Relay, Upstream

UPGRADE = (
    b"GET /live HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Own: 1\r\n\r\n"


def websocket(wire: Wire) -> None:
    """Speak RFC 6455 as far as an echo of small messages needs it."""
    head = wire.until(b"\r\n\r\n")
    key = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key"))
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    wire.sock.sendall(SWITCH[:-2] + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    while True:
        _, length = wire.exactly(2)
        mask = wire.exactly(4)
        payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(wire.exactly(length & 0x7F)))
        wire.sock.sendall(bytes((0x82, len(payload))) + payload)


def echo(wire: Wire) -> None:
    """Switch, then send back whatever comes; end when the client does."""
    wire.until(b"\r\n\r\n")
    wire.sock.sendall(SWITCH + wire.rest)
    while data := wire.sock.recv(65536):
        wire.sock.sendall(data)


def switched(relay: Relay) -> Wire:
    """Open a tunnel; gives the client's end of it."""
    sock = relay.connect()
    sock.sendall(UPGRADE)
    wire = Wire(sock)
    reply = wire.reply()
    assert reply.status == 101
    return wire


def test_websocket_of_ten_thousand_messages(relay: Relay, upstream: Upstream) -> None:
    """A WebSocket works through us: the upgrade arrives whole, 10,000 messages come back in order."""
    upstream.handler = websocket
    with relay.connect() as sock:
        sock.sendall(UPGRADE)
        wire = Wire(sock)
        reply = wire.reply()
        assert (reply.status, reply.values(b"Upgrade"), reply.values(b"X-Own")) == (
            101,
            [b"websocket"],
            [b"1"],
        )
        assert reply.values(b"Sec-WebSocket-Accept") == [b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]
        mask = os.urandom(4)

        def send() -> None:
            for number in range(10_000):
                text = b"%d" % number
                masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(text))
                sock.sendall(bytes((0x81, 0x80 | len(text))) + mask + masked)

        sender = threading.Thread(target=send)
        sender.start()
        for number in range(10_000):
            _, length = wire.exactly(2)
            assert wire.exactly(length) == b"%d" % number
        sender.join()
        assert relay.counters[Slot.OPEN_TUNNELS] == 1
    wait_until(lambda: relay.counters[Slot.OPEN_TUNNELS] == 0)
    assert relay.counters[Slot.TUNNELS] == 1


def test_upgrade_reaches_the_upstream(relay: Relay, upstream: Upstream) -> None:
    """The upgrade is asked for by us in the client's name, with everything else as it came."""
    heads = []

    def handler(wire: Wire) -> None:
        heads.append(wire.until(b"\r\n\r\n"))
        wire.sock.sendall(OK)

    upstream.handler = handler
    relay.ask(UPGRADE)
    assert b"\r\nUpgrade: websocket" in heads[0]
    assert b"\r\nConnection: Upgrade" in heads[0]
    assert b"\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==" in heads[0]


def test_bytes_right_behind_the_heads(relay: Relay, upstream: Upstream) -> None:
    """Bytes in the same segment as the upgrade request or the 101 belong to the tunnel."""
    upstream.handler = echo
    with relay.connect() as sock:
        sock.sendall(UPGRADE + b"early")
        wire = Wire(sock)
        assert wire.reply().status == 101
        assert wire.exactly(5) == b"early"


def test_interim_answer_before_the_switch(relay: Relay, upstream: Upstream) -> None:
    """Other interim answers may come before 101."""

    def handler(wire: Wire) -> None:
        wire.until(b"\r\n\r\n")
        wire.sock.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" + SWITCH + b"hello")

    upstream.handler = handler
    with relay.connect() as sock:
        sock.sendall(UPGRADE)
        wire = Wire(sock)
        assert [wire.reply().status, wire.reply().status] == [103, 101]
        assert wire.end() == b"hello"


def test_declined_upgrade_is_an_ordinary_answer(relay: Relay, upstream: Upstream) -> None:
    """An upstream that answers otherwise than 101 leaves the connection an HTTP one."""
    with relay.connect() as sock:
        wire = Wire(sock)
        for request in (UPGRADE, GET, UPGRADE + GET):
            sock.sendall(request)
            assert wire.reply().body == b"ok"
        assert wire.reply().body == b"ok"
    assert relay.counters[Slot.TUNNELS] == 0


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(
            b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n", id="h2c"
        ),
        pytest.param(b"Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n", id="TLS"),
        pytest.param(b"Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n", id="several"),
        pytest.param(b"Upgrade: websocket\r\n", id="without the option"),
        pytest.param(b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n", id="with a body"),
    ],
)
def test_other_upgrades_are_not_passed_on(relay: Relay, upstream: Upstream, request_: bytes) -> None:
    """Only protocols of the settings are forwarded: h2c would take later requests past the decision."""
    relay.ask(b"POST / HTTP/1.1\r\nHost: a\r\n" + request_ + b"\r\nabc")
    assert b"upgrade" not in upstream.heads[0].lower()
    assert b"http2-settings" not in upstream.heads[0].lower()


def test_switch_to_another_protocol_is_broken(relay: Relay, upstream: Upstream) -> None:
    """A 101 to something that nobody asked for is no answer."""

    def handler(wire: Wire) -> None:
        wire.until(b"\r\n\r\n")
        wire.sock.sendall(SWITCH.replace(b"websocket", b"h2c"))

    upstream.handler = handler
    assert relay.ask(UPGRADE).status == 502


def test_client_may_end_first(relay: Relay, upstream: Upstream) -> None:
    """A half-close passes through the tunnel: the other side may go on speaking, then all ends."""

    def handler(wire: Wire) -> None:
        wire.until(b"\r\n\r\n")
        wire.sock.sendall(SWITCH)
        heard = wire.end()
        wire.sock.sendall(b"heard " + heard)

    upstream.handler = handler
    wire = switched(relay)
    with wire.sock as sock:
        sock.sendall(b"bye")
        sock.shutdown(socket.SHUT_WR)
        assert wire.end() == b"heard bye"
        wait_until(lambda: not relay.worker.connections)


def test_client_that_ended_before_the_switch(relay: Relay, upstream: Upstream) -> None:
    """A client that has ended its side when 101 comes is half-closed in the tunnel as well."""
    upstream.handler = echo
    assert relay.tell(UPGRADE + b"all").endswith(b"\r\n\r\nall")


def test_upstream_may_end_first(relay: Relay, upstream: Upstream) -> None:
    """The same the other way round."""
    heard = []

    def handler(wire: Wire) -> None:
        wire.until(b"\r\n\r\n")
        wire.sock.sendall(SWITCH + b"bye")
        wire.sock.shutdown(socket.SHUT_WR)
        heard.append(wire.end())

    upstream.handler = handler
    wire = switched(relay)
    with wire.sock as sock:
        assert wire.end() == b"bye"
        sock.sendall(b"late")
        sock.shutdown(socket.SHUT_WR)
        wait_until(lambda: heard == [b"late"])
        wait_until(lambda: not relay.worker.connections)


@pytest.mark.parametrize("side", ["client", "upstream"])
def test_one_side_breaks(relay: Relay, upstream: Upstream, side: str) -> None:
    """When one side is gone the other's connection ends as well."""
    ended = []

    def handler(wire: Wire) -> None:
        wire.until(b"\r\n\r\n")
        wire.sock.sendall(SWITCH)
        if side == "upstream":
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        try:
            ended.append(wire.end())
        except ConnectionResetError:
            ended.append(b"reset")

    upstream.handler = handler
    wire = switched(relay)
    if side == "client":
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.sock.close()
        wait_until(lambda: ended)
    else:
        with pytest.raises(ConnectionResetError):
            wire.end()
        wire.sock.close()


def test_idle_tunnels_end(start_relay: Callable[..., Relay], upstream: Upstream) -> None:
    """A tunnel without a byte for tunnel_idle seconds is closed; one with traffic is not."""
    relay = start_relay("[timeouts]\ntunnel_idle = 0.3")
    upstream.handler = echo
    wire = switched(relay)
    with wire.sock as sock:
        for _ in range(10):
            sock.sendall(b"x")
            assert wire.exactly(1) == b"x"
            threading.Event().wait(0.08)
        assert wire.end() == b""


@pytest.mark.parametrize("side", ["client", "upstream"])
def test_slow_side_sets_the_pace(relay: Relay, upstream: Upstream, side: str) -> None:
    """Bytes for a side that does not read do not pile up here, and none is lost when it reads again."""
    size = 48 * 1024 * 1024
    go = threading.Event()
    received = 0

    def send(sock: socket.socket) -> None:
        for _ in range(size // 65536):
            sock.sendall(bytes(65536))
        sock.shutdown(socket.SHUT_WR)

    def receive(sock: socket.socket) -> None:
        nonlocal received
        go.wait(10)
        while data := sock.recv(1 << 18):
            received += len(data)

    def handler(wire: Wire) -> None:
        wire.until(b"\r\n\r\n")
        wire.sock.sendall(SWITCH)
        (send if side == "client" else receive)(wire.sock)

    upstream.handler = handler
    before = resident_bytes()
    wire = switched(relay)
    with wire.sock as sock:
        received = len(wire.rest)
        receive_here = side == "client"
        other = threading.Thread(target=receive if receive_here else send, args=(sock,))
        other.start()
        tunnel = next(iter(relay.worker.connections)).tunnel
        assert tunnel is not None
        slow = tunnel._client if receive_here else tunnel._upstream
        wait_until(lambda: slow.get_write_buffer_size() > 200_000)
        threading.Event().wait(0.1)
        assert slow.get_write_buffer_size() < 1_000_000
        assert resident_bytes() - before < 24 * 1024 * 1024
        go.set()
        other.join()
    wait_until(lambda: received == size)


def test_side_that_never_reads_again_is_let_go(
    start_relay: Callable[..., Relay], upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unread bytes for a side that takes none do not keep a tunnel for ever once its time is up."""
    monkeypatch.setattr("proxy.edge.tunnel.LINGER_SECONDS", 0.2)
    relay = start_relay("[timeouts]\ntunnel_idle = 0.2")
    release = threading.Event()

    def handler(wire: Wire) -> None:
        wire.until(b"\r\n\r\n")
        wire.sock.sendall(SWITCH)
        release.wait(10)

    upstream.handler = handler
    wire = switched(relay)
    with wire.sock as sock:
        sock.settimeout(0.2)
        with pytest.raises((TimeoutError, ConnectionResetError, BrokenPipeError)):
            sock.sendall(bytes(64 * 1024 * 1024))
        wait_until(lambda: not relay.worker.connections)
    release.set()
