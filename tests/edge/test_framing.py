"""Bodies, framing and pipelining: every byte arrives once, in order, however the bytes were cut."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from typing import TYPE_CHECKING

import pytest
from edge_harness import GET, OK, Wire, resident_bytes, wait_until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from edge_harness import Relay, Reply, Upstream

    from proxy.edge.connection import ClientConnection

MANY = 64 * 1024 * 1024
PIECE = b"0123456789abcdef" * 4096  # 64 KiB

REQUESTS = (
    b"POST /counted HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    b"\r\n"  # what some old clients send behind a body
    b"POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'5;name="v"\r\nhello\r\n00A\r\n, 10 bytes\r\n0\r\nX-Sum: 1\r\n\r\n'
    b"GET /bare HTTP/1.1\r\nHost: a\r\n\r\n"
)
COUNTED = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ncounted"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nchu\r\n4;x=1\r\nnked\r\n0\r\nX-Sum: 2\r\n\r\n"
)


def only_connection(relay: Relay) -> ClientConnection:
    """Give the worker's one client connection."""
    wait_until(lambda: len(relay.worker.connections) == 1)
    return next(iter(relay.worker.connections))


def cut(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Cut `data` at the places given."""
    places = [0, *sorted(set(cuts)), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places) if start < end]


def feed_client(relay: Relay, pieces: Sequence[bytes]) -> list[Reply]:
    """Let the pieces come as separate reads of one client connection; gives the answers."""

    async def feed() -> None:
        for piece in pieces:
            connection.data_received(piece)
            await asyncio.sleep(0)

    with relay.connect() as sock:
        connection = only_connection(relay)
        relay.run(feed())
        wire = Wire(sock)
        replies = [wire.reply() for _ in range(3)]
    wait_until(lambda: not relay.worker.connections)
    return replies


def check_requests(relay: Relay, upstream: Upstream, pieces: Sequence[bytes]) -> None:
    """Check that what the pieces make up arrives and is answered."""
    upstream.heads.clear()
    upstream.bodies.clear()
    assert [reply.body for reply in feed_client(relay, pieces)] == [b"ok"] * 3
    assert [head.split()[1] for head in upstream.heads] == [b"/counted", b"/chunked", b"/bare"]
    counted, chunked, bare = upstream.bodies
    assert (counted, bare) == (b"hello", b"")
    assert chunked.endswith(b"\r\n0\r\nX-Sum: 1\r\n\r\n")
    assert b"".join(chunked.split(b"\r\n")[1:-4:2]) == b"hello, 10 bytes"


def test_requests_byte_by_byte(relay: Relay, upstream: Upstream) -> None:
    """Requests that come one byte a read are those that came whole."""
    check_requests(relay, upstream, cut(REQUESTS, range(len(REQUESTS))))


@given(st.lists(st.integers(1, len(REQUESTS) - 1), max_size=8))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_requests_cut_anywhere(relay: Relay, upstream: Upstream, cuts: list[int]) -> None:
    """Where the reads end changes nothing: counted, chunked and pipelined requests arrive the same."""
    check_requests(relay, upstream, cut(REQUESTS, cuts))


def feed_upstream(relay: Relay, pieces: Sequence[bytes]) -> tuple[Reply, Reply]:
    """Let the pieces come as separate reads from the upstream; gives the answer and that of the next request."""

    async def feed() -> None:
        for piece in pieces:
            upstream.data_received(piece)
            await asyncio.sleep(0)

    with relay.connect() as sock:
        wire = Wire(sock)
        sock.sendall(b"GET /silent HTTP/1.1\r\nHost: a\r\n\r\n")
        connection = only_connection(relay)
        wait_until(lambda: connection.exchange and connection.exchange.upstream)
        assert connection.exchange is not None
        upstream = connection.exchange.upstream
        relay.run(feed())
        reply = wire.reply()
        while reply.status < 200:
            reply = wire.reply()
        sock.sendall(GET)
        following = wire.reply()
    wait_until(lambda: not relay.worker.connections)
    return reply, following


@pytest.mark.parametrize("answer", [pytest.param(COUNTED, id="counted"), pytest.param(CHUNKED, id="chunked")])
def test_answers_cut_anywhere(relay: Relay, upstream: Upstream, answer: bytes) -> None:
    """Where the upstream's segments end changes nothing, and its connection can be used again."""

    def handler(wire: Wire) -> None:
        while True:
            head, _ = wire.request()
            if b"/silent" not in head:
                wire.sock.sendall(OK)

    upstream.handler = handler
    body = b"counted" if answer is COUNTED else b"chunked"
    cuts: list[Sequence[int]] = [range(len(answer)), (), *((place,) for place in range(1, len(answer)))]
    for places in cuts:
        reply, following = feed_upstream(relay, cut(answer, places))
        assert (reply.body, reply.trailers) == (body, [] if answer is COUNTED else [b"X-Sum: 2"])
        assert following.body == b"ok"
    assert upstream.connections == 1


def echo_path(head: bytes, _body: bytes) -> bytes:
    """Answer with the request's target."""
    path = head.split()[1]
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path)


def test_thousand_pipelined_requests(start_relay: Callable[..., Relay], upstream: Upstream) -> None:
    """1,000 requests sent at once are answered in order, refusals and health checks between them."""
    relay = start_relay('trusted_proxies = ["127.0.0.1/32"]')
    relay.put("203.0.113.7")
    upstream.answer = echo_path
    sent = []
    for number in range(1000):
        if number % 7 == 3:
            sent.append(b"GET /.stockade/livez HTTP/1.1\r\nHost: a\r\n\r\n")
        elif number % 5 == 2:
            sent.append(b"GET /%d HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n" % number)
        elif number % 5 == 3:
            sent.append(b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nGET / HTT" % number)
        else:
            sent.append(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
    with relay.connect() as sock:
        sender = threading.Thread(target=sock.sendall, args=(b"".join(sent),))
        sender.start()
        wire = Wire(sock)
        for number in range(1000):
            reply = wire.reply()
            if number % 7 == 3:
                assert (reply.status, reply.body) == (200, b"alive\n")
            elif number % 5 == 2:
                assert reply.status == 403
            else:
                assert (reply.status, reply.body) == (200, b"/%d" % number)
        sender.join()
    assert len(upstream.heads) == sum(1 for n in range(1000) if n % 7 != 3 and n % 5 != 2)


def test_pipelining_stops_when_answers_are_not_taken(relay: Relay) -> None:
    """A client that asks on and never reads is not served on: neither answers nor requests pile up."""
    relay.put("127.0.0.1")
    requests = GET * 500_000
    before = resident_bytes()
    with relay.connect(receive_buffer=4096) as sock:
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.sendall(requests)
        assert relay.call(lambda: sum(len(each._buffer) for each in relay.worker.connections)) < 600_000
        assert resident_bytes() - before < 24 * 1024 * 1024
        sock.settimeout(10)
        assert Wire(sock).reply().status == 403


def test_pipelined_requests_are_kept_within_bounds(relay: Relay, upstream: Upstream) -> None:
    """While requests are in flight the client is read only so far ahead, however many it sends."""
    release = threading.Event()

    def answer(_head: bytes, _body: bytes) -> bytes:
        if len(upstream.heads) > 20:
            release.wait(10)
        return OK

    upstream.answer = answer
    with relay.connect() as sock:
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.sendall(GET * 500_000)
        assert len(only_connection(relay)._buffer) < 600_000
        release.set()


def upload(sock: socket.socket, *, chunked: bool) -> None:
    """Send MANY bytes as a request body."""
    if chunked:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(MANY // len(PIECE)):
            sock.sendall(b"%x\r\n%b\r\n" % (len(PIECE), PIECE))
        sock.sendall(b"0\r\n\r\n")
    else:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % MANY)
        for _ in range(MANY // len(PIECE)):
            sock.sendall(PIECE)


class Stalling:
    """Reads only when told to."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.received = 0

    def receive(self, wire: Wire, size: int) -> None:
        """Take `size` bytes, checking each."""
        self.go.wait(10)
        left = size - len(wire.rest)
        assert PIECE.startswith(wire.rest[: len(PIECE)])
        self.received = len(wire.rest)
        buffer = memoryview(bytearray(1 << 18))
        while left:
            got = wire.sock.recv_into(buffer[: min(left, 1 << 18)])
            assert got, "the connection ended early"
            place = self.received % 16
            assert bytes(buffer[: min(got, 64)]) == (PIECE[place : place + 64])[:got]
            left -= got
            self.received += got


def settled(count: Callable[[], int]) -> int:
    """Wait until a count stands still; give it."""
    last, since = count(), time.monotonic()
    while time.monotonic() - since < 0.2:
        time.sleep(0.02)
        if count() != last:
            last, since = count(), time.monotonic()
    return last


@pytest.mark.parametrize("chunked", [pytest.param(False, id="counted"), pytest.param(True, id="chunked")])
def test_large_upload_to_a_stalled_upstream(relay: Relay, upstream: Upstream, *, chunked: bool) -> None:
    """The client is slowed to the upstream's pace; memory does not grow with the body."""
    stalling = Stalling()

    def handler(wire: Wire) -> None:
        wire.until(b"\r\n\r\n")
        if chunked:
            stalling.go.wait(10)
            while size := int(wire.until(b"\r\n"), 16):
                assert len(wire.exactly(size + 2)) == size + 2
                stalling.received += size
            wire.until(b"\r\n")
        else:
            stalling.receive(wire, MANY)
        wire.sock.sendall(OK)

    upstream.handler = handler
    before = resident_bytes()
    with relay.connect() as sock:
        sender = threading.Thread(target=upload, args=(sock,), kwargs={"chunked": chunked})
        sender.start()
        connection = only_connection(relay)
        wait_until(lambda: connection.holds)
        assert resident_bytes() - before < 24 * 1024 * 1024
        stalling.go.set()
        assert Wire(sock).reply().body == b"ok"
        sender.join()
    assert stalling.received == MANY
    assert resident_bytes() - before < 48 * 1024 * 1024


@pytest.mark.parametrize("chunked", [pytest.param(False, id="counted"), pytest.param(True, id="chunked")])
def test_large_download_to_a_stalled_client(relay: Relay, upstream: Upstream, *, chunked: bool) -> None:
    """The upstream is slowed to the client's pace; memory does not grow with the body."""
    sent = 0

    def handler(wire: Wire) -> None:
        nonlocal sent
        wire.request()
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % MANY
        wire.sock.sendall(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        for _ in range(MANY // len(PIECE)):
            wire.sock.sendall(b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE)
            sent += len(PIECE)
        if chunked:
            wire.sock.sendall(b"0\r\n\r\n")

    upstream.handler = handler
    before = resident_bytes()
    with relay.connect(receive_buffer=65536) as sock:
        sock.sendall(GET)
        wait_until(lambda: sent)
        assert settled(lambda: sent) < 16 * 1024 * 1024
        assert resident_bytes() - before < 24 * 1024 * 1024
        wire = Wire(sock)
        assert b"200 OK" in wire.until(b"\r\n\r\n")
        received = 0
        if chunked:
            while size := int(wire.until(b"\r\n"), 16):
                wire.exactly(size + 2)
                received += size
        else:
            stalling = Stalling()
            stalling.go.set()
            stalling.receive(wire, MANY)
            received = stalling.received
    assert received == MANY


def test_both_directions_at_once(relay: Relay, upstream: Upstream) -> None:
    """An upstream may answer while it reads: echo of a body larger than all buffers, neither side waits for ever."""
    size = 16 * 1024 * 1024

    def handler(wire: Wire) -> None:
        wire.until(b"\r\n\r\n")
        wire.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        wire.sock.sendall(wire.rest)
        left = size - len(wire.rest)
        while left:
            data = wire.sock.recv(min(left, 1 << 16))
            wire.sock.sendall(data)
            left -= len(data)

    upstream.handler = handler
    with relay.connect() as sock:

        def send() -> None:
            sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
            for _ in range(size // len(PIECE)):
                sock.sendall(PIECE)

        sender = threading.Thread(target=send)
        sender.start()
        assert Wire(sock).reply().body == PIECE * (size // len(PIECE))
        sender.join()


def test_body_that_came_while_connecting(relay: Relay, upstream: Upstream) -> None:
    """A body that arrives before the upstream is connected is held, bounded, and sent whole."""
    body = PIECE * 4

    async def feed() -> None:
        await asyncio.sleep(0)
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.data_received(head + body[:10])
        connection.data_received(body[10:-1])
        assert connection.holds, "the client is read on while nobody takes its bytes"
        connection.data_received(body[-1:] + GET)

    with relay.connect() as sock:
        connection = only_connection(relay)
        relay.run(feed())
        wire = Wire(sock)
        assert [wire.reply().body, wire.reply().body] == [b"ok", b"ok"]
    assert upstream.bodies == [body, b""]


def test_slow_client_while_its_upstream_is_connected(relay: Relay, upstream: Upstream) -> None:
    """A client that is behind with earlier answers when its request goes out slows that answer from the start."""

    async def feed() -> None:
        connection.data_received(GET)
        connection.pause_writing()

    with relay.connect() as sock:
        connection = only_connection(relay)
        relay.run(feed())
        wait_until(lambda: connection.exchange and connection.exchange.upstream)
        assert connection.exchange is not None
        assert connection.exchange.upstream is not None
        wait_until(lambda: upstream.heads)
        assert connection.exchange.upstream._paused
        relay.call(connection.resume_writing)
        assert Wire(sock).reply().body == b"ok"


def test_large_heads_up_to_their_limit(start_relay: Callable[..., Relay], upstream: Upstream) -> None:
    """A head larger than what is kept of pipelined requests is read whole when the limits allow it."""
    relay = start_relay("[limits]\nhead_bytes = 262144\nheader_count = 10000")
    lines = b"".join(b"X-%d: %b\r\n" % (number, b"v" * 1000) for number in range(230))
    assert relay.ask(b"GET / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n").status == 200
    assert lines.rstrip() in upstream.heads[0]
