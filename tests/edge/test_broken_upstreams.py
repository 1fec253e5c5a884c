"""An upstream that fails costs one polite answer, or a visibly broken one; never a wrong or a doubled one."""

from __future__ import annotations

import socket
import struct
import time
from typing import TYPE_CHECKING

import orjson
import pytest
from edge_harness import GET, OK, Wire, wait_until

from proxy.observability.counters import Slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_harness import Relay, Upstream

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
RESET = struct.pack("ii", 1, 0)


def saying(*pieces: bytes, reset: bool = False) -> Callable[[Wire], None]:
    """Make a handler that reads one request, says this, and ends the connection."""

    def handler(wire: Wire) -> None:
        wire.request()
        for piece in pieces:
            wire.sock.sendall(piece)
        if reset:
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    return handler


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200", id="half a status line"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="half a head"),
        pytest.param(b"hello\r\n\r\n", id="no HTTP"),
        pytest.param(b"HTTP/2.0 200 OK\r\n\r\n", id="another version"),
        pytest.param(b"HTTP/1.1 99 Low\r\n\r\n", id="status below 100"),
        pytest.param(b"HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n", id="space in a name"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", id="folded line"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", id="two lengths"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", id="negative length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            id="length and chunked",
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", id="unknown coding"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", id="head too large"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, id="endless head"),
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", id="101 unasked"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 33 + OK, id="too many interim answers"),
    ],
)
@pytest.mark.parametrize("request_", [pytest.param(GET, id="GET"), pytest.param(POST, id="POST")])
def test_no_usable_head_is_502(relay: Relay, upstream: Upstream, request_: bytes, answer: bytes) -> None:
    """What cannot be understood is not passed on: 502, and the client's connection can be used again."""
    upstream.handler = saying(answer)
    with relay.connect() as sock:
        wire = Wire(sock)
        sock.sendall(request_)
        reply = wire.reply()
        while reply.status < 200:
            reply = wire.reply()
        assert reply.status == 502
        assert reply.values(b"Stockade-Reference")
        assert b"close" not in reply.values(b"Connection")
        upstream.handler = upstream.serve
        sock.sendall(request_)
        assert wire.reply().body == b"ok"


def test_error_pages_suit_the_caller(relay: Relay, upstream: Upstream) -> None:
    """An error is told in the shopper's language and form, with a reference, not to be stored."""
    upstream.handler = saying()
    page = relay.ask(b"GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nAccept-Language: fr\r\n\r\n")
    assert page.values(b"Content-Language") == [b"fr"]
    assert b'lang="fr"' in page.body
    assert page.values(b"Stockade-Reference")[0] in page.body
    assert b"no-store" in page.values(b"Cache-Control")[0]
    problem = relay.ask(b"GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n")
    assert orjson.loads(problem.body)["status"] == 502
    head = relay.tell(b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 502 ")
    assert head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("answer", "request_"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", GET, id="length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", b"GET / HTTP/1.0\r\n\r\n", id="length, 1.0"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", GET, id="chunked"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            b"GET / HTTP/1.0\r\n\r\n",
            id="chunked, 1.0",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", GET, id="bad chunk"
        ),
    ],
)
def test_broken_body_is_a_broken_answer(
    relay: Relay, upstream: Upstream, answer: bytes, request_: bytes
) -> None:
    """An answer that breaks off half-way ends in a reset, so that nobody takes it for whole."""
    upstream.handler = saying(answer)
    with relay.connect() as sock:
        sock.sendall(request_)
        with pytest.raises(ConnectionResetError):
            Wire(sock).end()
    assert relay.counters[Slot.BROKEN_RESPONSES] == 1


def test_reset_inside_a_body_without_length(relay: Relay, upstream: Upstream) -> None:
    """Only a proper end ends a body that lasts until the connection closes; a reset breaks it."""

    def handler(wire: Wire) -> None:
        wire.request()
        wire.sock.sendall(b"HTTP/1.1 200 OK\r\n\r\nabc")
        wait_until(lambda: relay.counters[Slot.RESPONSES_2XX])
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    upstream.handler = handler
    with relay.connect() as sock:
        sock.sendall(GET)
        with pytest.raises(ConnectionResetError):
            Wire(sock).end()


def serving_once(upstream: Upstream, *, reset: bool) -> Callable[[Wire], None]:
    """Make a handler whose first connection ends on its second request, unanswered."""

    def handler(wire: Wire) -> None:
        if upstream.connections > 1:
            upstream.serve(wire)
        for number in range(2):
            head, _ = wire.request()
            upstream.heads.append(head)
            if number == 0:
                wire.sock.sendall(OK)
        if reset:
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    return handler


@pytest.mark.parametrize("reset", [False, True])
def test_safe_request_on_a_stale_connection_is_sent_again(
    relay: Relay, upstream: Upstream, *, reset: bool
) -> None:
    """A GET that meets a kept connection which is just being closed goes again, once, on a new one."""
    upstream.handler = serving_once(upstream, reset=reset)
    with relay.connect() as sock:
        wire = Wire(sock)
        for _ in range(2):
            sock.sendall(GET)
            assert wire.reply().body == b"ok"
    assert (len(upstream.heads), upstream.connections) == (3, 2)
    assert relay.counters[Slot.UPSTREAM_RETRIES] == 1


def test_unsafe_request_is_never_sent_twice(relay: Relay, upstream: Upstream) -> None:
    """A POST that may have been processed is answered 502."""
    upstream.handler = serving_once(upstream, reset=False)
    with relay.connect() as sock:
        wire = Wire(sock)
        sock.sendall(GET)
        assert wire.reply().body == b"ok"
        sock.sendall(POST)
        assert wire.reply().status == 502
    assert (len(upstream.heads), upstream.connections) == (2, 1)


def test_safe_request_is_sent_again_only_once(relay: Relay, upstream: Upstream) -> None:
    """When the new connection ends unanswered as well, the answer is 502."""

    def handler(wire: Wire) -> None:
        upstream.heads.append(wire.request()[0])
        if upstream.connections == 1:
            wire.sock.sendall(OK)
            upstream.heads.append(wire.request()[0])

    upstream.handler = handler
    with relay.connect() as sock:
        wire = Wire(sock)
        sock.sendall(GET)
        wire.reply()
        sock.sendall(GET)
        assert wire.reply().status == 502
    assert len(upstream.heads) == 3


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(OK + b"junk", id="behind a length"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\njunk", id="behind no body"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\njunk", id="behind chunks"
        ),
        pytest.param(OK + OK, id="a second answer"),
    ],
)
def test_junk_behind_an_answer_reaches_nobody(relay: Relay, upstream: Upstream, answer: bytes) -> None:
    """A connection with bytes behind the answer is not used again: whose they are is anyone's guess."""
    upstream.answer = lambda *_: answer
    with relay.connect() as sock:
        wire = Wire(sock)
        for _ in range(3):
            sock.sendall(GET)
            assert wire.reply().status in (200, 204)
        assert wire.rest == b""
    assert upstream.connections == 3


def test_junk_on_an_idle_connection(relay: Relay, upstream: Upstream) -> None:
    """An upstream that speaks without being asked loses the connection; the next request is not answered by it."""

    def handler(wire: Wire) -> None:
        wire.request()
        wire.sock.sendall(OK)
        wait_until(lambda: relay.worker.pool.targets[0].idle)
        wire.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        wire.until(b"never")

    upstream.handler = handler
    with relay.connect() as sock:
        wire = Wire(sock)
        for _ in range(2):
            sock.sendall(GET)
            assert wire.reply().body == b"ok"
            wait_until(lambda: relay.worker.pool.targets[0].idle)
            wait_until(lambda: not relay.worker.pool.targets[0].idle)


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def test_nobody_listens(start_relay: Callable[..., Relay]) -> None:
    """An upstream that refuses connections is 502, whatever the method; the connection stays."""
    relay = start_relay(upstreams=[f"http://127.0.0.1:{free_port()}"])
    with relay.connect() as sock:
        wire = Wire(sock)
        for request in (GET, POST, GET):
            sock.sendall(request)
            assert wire.reply().status == 502
    assert relay.counters[Slot.UPSTREAM_FAILURES] == 3


def test_large_body_and_nobody_listens(start_relay: Callable[..., Relay], upstream: Upstream) -> None:
    """A client paused while its upstream is connected is heard again after the 502."""
    relay = start_relay(upstreams=[f"http://127.0.0.1:{free_port()}"])
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000)

    def feed() -> None:
        connection.data_received(request)
        assert connection.holds

    with relay.connect() as sock:
        wire = Wire(sock)
        wait_until(lambda: relay.worker.connections)
        connection = next(iter(relay.worker.connections))
        relay.call(feed)
        assert wire.reply().status == 502
        sock.sendall(GET)
        assert wire.reply().status == 502


def test_failing_address_is_passed_over(start_relay: Callable[..., Relay], upstream: Upstream) -> None:
    """With several addresses, one that cannot be connected costs no request, not even a POST."""
    relay = start_relay(upstreams=[f"http://127.0.0.1:{free_port()}", upstream.url])
    for request in (GET, POST) * 3:
        assert relay.ask(request).body == b"ok"
    assert relay.counters[Slot.UPSTREAM_FAILURES] == 1, "it is left alone for fail_for seconds"


def test_addresses_take_turns(
    start_relay: Callable[..., Relay], start_upstream: Callable[..., Upstream], upstream: Upstream
) -> None:
    """Several addresses share the requests."""
    other = start_upstream()
    relay = start_relay(upstreams=[upstream.url, other.url])
    with relay.connect() as sock:
        wire = Wire(sock)
        for _ in range(10):
            sock.sendall(GET)
            wire.reply()
    assert (len(upstream.heads), len(other.heads)) == (5, 5)


def test_connect_timeout_is_504(start_relay: Callable[..., Relay]) -> None:
    """An upstream that does not accept in time is 504."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = []
        for _ in range(4):  # fills the queue; further connects get no answer from the kernel
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
            waiting.append(sock)
        relay = start_relay(
            "[timeouts]\nupstream_connect = 0.2", upstreams=[f"http://127.0.0.1:{full.getsockname()[1]}"]
        )
        reply = relay.ask(GET)
        assert (reply.status, reply.values(b"Retry-After")) == (504, [b"10"])
        assert relay.counters[Slot.UPSTREAM_TIMEOUTS] == 1
        for sock in waiting:
            sock.close()


def test_first_byte_timeout_is_504(start_relay: Callable[..., Relay], upstream: Upstream) -> None:
    """An upstream that takes the request and says nothing is 504."""
    relay = start_relay("[timeouts]\nfirst_byte = 0.2")
    upstream.handler = lambda wire: wire.until(b"never")
    started = time.monotonic()
    assert relay.ask(GET).status == 504
    assert relay.ask(POST).status == 504
    assert time.monotonic() - started < 2


def test_stalled_body_is_a_broken_answer(start_relay: Callable[..., Relay], upstream: Upstream) -> None:
    """An upstream that stops inside a body is given upstream_idle seconds."""
    relay = start_relay("[timeouts]\nupstream_idle = 0.2")

    def handler(wire: Wire) -> None:
        wire.request()
        wire.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        wire.until(b"never")

    upstream.handler = handler
    with relay.connect() as sock:
        sock.sendall(GET)
        with pytest.raises(ConnectionResetError):
            Wire(sock).end()


@pytest.mark.parametrize("reset", [False, True])
def test_upstream_that_hangs_up_at_once(relay: Relay, upstream: Upstream, *, reset: bool) -> None:
    """A connection that ends as soon as it stands is answered at once, not after a time limit."""

    def handler(wire: Wire) -> None:
        if reset:
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    upstream.handler = handler
    started = time.monotonic()
    for _ in range(30):
        assert relay.ask(GET).status == 502
    assert time.monotonic() - started < 5


def test_restarted_upstream_is_found_again(
    start_relay: Callable[..., Relay], upstream: Upstream, start_upstream: Callable[..., Upstream]
) -> None:
    """Kept connections of an upstream that was restarted do not fail the first requests after it."""
    relay = start_relay()
    for _ in range(4):
        relay.ask(GET)
    for idle in list(relay.worker.pool.targets[0].idle):
        relay.call(idle.transport.abort)
    for _ in range(4):
        assert relay.ask(GET).body == b"ok"
