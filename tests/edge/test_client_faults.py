"""Every fault of a client has its own polite answer, and none of them costs others anything."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from typing import TYPE_CHECKING

import pytest
from edge_harness import GET, OK, Wire, wait_until

from proxy.observability.counters import Slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_harness import Relay, Upstream

CHUNKED_POST = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
LIMITS = "[limits]\nbody_bytes = 1000\nurl_bytes = 300\nhead_bytes = 2000\nheader_count = 20"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(b"hello\r\n\r\n", 400, id="no HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, id="TLS on a plain port"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, id="no Host"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, id="two Hosts"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, id="invalid Host"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n", 400, id="space before the colon"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", 400, id="folded line"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nA: b\x00c\r\n\r\n", 400, id="NUL"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n", 400, id="bare CR"),
        pytest.param(b"GET / HTTP/1.1\nHost: a\n\n\r\n\r\n", 400, id="bare LF"),
        pytest.param(b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="two spaces"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1x\r\n\r\na", 400, id="bad length"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            400,
            id="two lengths",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            id="length and chunked",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            400,
            id="coding",
        ),
        pytest.param(
            b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, id="1.0 chunked"
        ),
        pytest.param(b"GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="user in target"),
        pytest.param(b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="no path"),
        pytest.param(CHUNKED_POST + b"xyz\r\n", 400, id="bad chunk size"),
        pytest.param(CHUNKED_POST + b"3\r\nabcd\r\n0\r\n\r\n", 400, id="chunk too long"),
        pytest.param(CHUNKED_POST + b"3\nabc\n0\n\n", 400, id="chunks with LF"),
        pytest.param(CHUNKED_POST + b"0\r\nbad trailer\r\n\r\n", 400, id="bad trailer"),
        pytest.param(b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, id="TRACE"),
        pytest.param(b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405, id="CONNECT"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 413, id="length over limit"
        ),
        pytest.param(
            CHUNKED_POST + b"258\r\n" + b"x" * 600 + b"\r\n258\r\n" + b"x" * 600, 413, id="chunks over limit"
        ),
        pytest.param(b"GET /" + b"x" * 300 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, id="long target"),
        pytest.param(b"GET /" + b"x" * 3000, 414, id="endless target"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417, id="unknown expectation"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 2000 + b"\r\n\r\n", 431, id="large head"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 3000, 431, id="endless head"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 20 + b"\r\n", 431, id="many lines"),
        pytest.param(CHUNKED_POST + b"0\r\n" + b"X: y\r\n" * 1000, 431, id="large trailers"),
        pytest.param(b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501, id="unknown method"),
        pytest.param(b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, id="unknown version"),
    ],
)
def test_refused_requests(
    start_relay: Callable[..., Relay], upstream: Upstream, request_: bytes, status: int
) -> None:
    """What is malformed or over a limit gets its status with a reference, and the connection ends."""
    relay = start_relay(LIMITS)
    upstream.handler = lambda wire: wire.until(
        b"never"
    )  # a whole head may have gone out before its body failed
    with relay.connect() as sock:
        sock.sendall(request_)
        wire = Wire(sock)
        reply = wire.reply()
        assert reply.status == status
        assert reply.values(b"Connection") == [b"close"]
        assert reply.values(b"Stockade-Reference")
        assert wire.end() == b""
    assert relay.counters[Slot.BAD_REQUESTS] == 1
    assert relay.counters[Slot.RESPONSES_4XX if status < 500 else Slot.RESPONSES_5XX] == 1


def test_refusal_of_a_malformed_head_suits_the_caller(relay: Relay) -> None:
    """The language is taken from the head that is refused, not from its neighbours on the connection."""
    french, german = (
        b"GET / HTTP/1.1\r\n%bAccept: text/html\r\nAccept-Language: %b\r\n\r\n" % pair
        for pair in (
            (b"Host: a\r\n", b"fr"),
            (b"", b"de"),
        )
    )
    with relay.connect() as sock:
        sock.sendall(french + german + french)
        wire = Wire(sock)
        assert wire.reply().body == b"ok"
        assert wire.reply().values(b"Content-Language") == [b"de"]
        assert wire.end() == b""


def test_refusal_of_head_has_no_body(start_relay: Callable[..., Relay]) -> None:
    """A refused HEAD gets a head alone, as far as the method can be told."""
    relay = start_relay(LIMITS)
    for request in (
        b"HEAD / HTTP/1.1\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n",
    ):
        answer = relay.tell(request)
        assert answer.startswith(b"HTTP/1.1 4")
        assert answer.endswith(b"\r\n\r\n")
        assert answer.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize(
    ("head", "settings", "status"),
    [
        pytest.param(b"Content-Length: 8388608\r\n", LIMITS, 413, id="too large"),
        pytest.param(b"Content-Length: 8388608\r\n", "", 403, id="blocked"),
        pytest.param(b"Content-Length: 8388608\r\nExpect: tea\r\n", "", 417, id="malformed"),
    ],
)
def test_answer_reaches_a_client_that_sends_on(
    start_relay: Callable[..., Relay], head: bytes, settings: str, status: int
) -> None:
    """Who is answered in the middle of a large upload can read the answer behind it: no reset destroys it."""
    relay = start_relay(settings)
    if status == 403:
        relay.put("127.0.0.1")
    with relay.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n")
        for _ in range(128):
            sock.sendall(bytes(65536))
        wire = Wire(sock)
        assert wire.reply().status == status
        assert wire.end() == b""


@pytest.mark.parametrize("framing", [b"Content-Length: 8388608", b"Transfer-Encoding: chunked"])
def test_early_answer_of_the_upstream_reaches_the_client(
    relay: Relay, upstream: Upstream, framing: bytes
) -> None:
    """An upstream may answer without reading the body: the answer arrives whole, then the connection ends."""

    def handler(wire: Wire) -> None:
        wire.until(b"\r\n\r\n")
        wire.sock.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000))
        wait_until(lambda: not relay.worker.pool.targets[0].busy)

    upstream.handler = handler
    piece = bytes(65536)
    if b"chunked" in framing:
        piece = b"10000\r\n" + piece + b"\r\n"
    with relay.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n")
        for _ in range(128):
            sock.sendall(piece)
        wire = Wire(sock)
        reply = wire.reply()
        assert (reply.status, len(reply.body), reply.values(b"Connection")) == (401, 100_000, [b"close"])
        assert wire.end() == b""


def test_upstream_that_answers_early_and_closes_at_once(relay: Relay, upstream: Upstream) -> None:
    """An answer is not lost with the reset that follows it when the upstream closes over an unread body."""

    def handler(wire: Wire) -> None:
        wire.until(b"\r\n\r\n")
        wire.sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 50000\r\n\r\n" + bytes(50_000))

    upstream.handler = handler
    for _ in range(20):
        with relay.connect() as sock:
            sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4194304\r\n\r\n")
            for _ in range(64):
                sock.sendall(bytes(65536))
            reply = Wire(sock).reply()
            assert (reply.status, len(reply.body)) == (413, 50_000)


def test_continue_is_the_upstreams_to_say(relay: Relay, upstream: Upstream) -> None:
    """Expect goes to the upstream, its 100 comes back, then the body goes: nothing is said in its name."""

    def handler(wire: Wire) -> None:
        head = wire.until(b"\r\n\r\n")
        assert b"\r\nExpect: 100-continue" in head
        assert wire.rest == b""
        wire.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert wire.exactly(5) == b"hello"
        wire.sock.sendall(OK)
        upstream.serve(wire)

    upstream.handler = handler
    with relay.connect() as sock:
        wire = Wire(sock)
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert wire.reply().status == 100
        sock.sendall(b"hello")
        assert wire.reply().body == b"ok"
        sock.sendall(GET)
        assert wire.reply().body == b"ok"


def test_expectation_may_be_refused(relay: Relay, upstream: Upstream) -> None:
    """A final answer in place of 100 arrives, and ends the connection: whether the body follows is unknown."""

    def handler(wire: Wire) -> None:
        wire.until(b"\r\n\r\n")
        wire.sock.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")

    upstream.handler = handler
    with relay.connect() as sock:
        wire = Wire(sock)
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        reply = wire.reply()
        assert (reply.status, reply.body, reply.values(b"Connection")) == (403, b"no", [b"close"])
        assert wire.end() == b""


@pytest.mark.parametrize(
    ("first", "then", "status"),
    [
        pytest.param(b"GET / HT", b"", 408, id="head"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", b"", 408, id="body"),
        pytest.param(CHUNKED_POST + b"9\r\nabc", b"", 408, id="chunked body"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
            b"a",
            408,
            id="expecting",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
            b"",
            504,
            id="waiting",
        ),
    ],
)
def test_who_stalls_is_told(
    start_relay: Callable[..., Relay], upstream: Upstream, first: bytes, then: bytes, status: int
) -> None:
    """A head or body that stops half-way is 408; a client that waits for 100 is not the one who is late."""
    relay = start_relay("[timeouts]\nhead = 0.2\nbody_idle = 0.2\nfirst_byte = 0.2")
    upstream.handler = lambda wire: wire.until(b"never")
    with relay.connect() as sock:
        sock.sendall(first)
        if then:
            time.sleep(0.05)
            sock.sendall(then)
        wire = Wire(sock)
        assert wire.reply().status == status
        assert wire.end() == b""


def test_slow_heads_are_not_given_more_time(start_relay: Callable[..., Relay]) -> None:
    """A head that comes drop by drop has the time of one head in all (slowloris)."""
    relay = start_relay("[timeouts]\nhead = 0.3")
    with relay.connect() as sock:
        sock.settimeout(0.02)
        started = time.monotonic()
        wire = Wire(sock)
        for byte in b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 1000:
            sock.send(bytes([byte]))
            try:
                assert wire.reply().status == 408
            except TimeoutError:
                continue
            break
        assert 0.2 < time.monotonic() - started < 1


def test_silent_connections_end_silently(start_relay: Callable[..., Relay]) -> None:
    """Who connects and says nothing gets no answer to a question never asked."""
    relay = start_relay("[timeouts]\nhead = 0.2\nkeep_alive = 0.2")
    with relay.connect() as sock:
        assert sock.recv(1) == b""
    with relay.connect() as sock:
        sock.sendall(GET)
        wire = Wire(sock)
        assert wire.reply().body == b"ok"
        assert wire.end() == b""


def test_empty_lines_between_requests_are_nothing(start_relay: Callable[..., Relay]) -> None:
    """An empty line behind a request begins no head: it is not asked for the rest of one, nor refused."""
    relay = start_relay("[timeouts]\nhead = 0.1\nkeep_alive = 5")
    with relay.connect() as sock:
        wire = Wire(sock)
        sock.sendall(GET + b"\r\n")
        assert wire.reply().body == b"ok"
        time.sleep(0.3)
        sock.sendall(GET)
        assert wire.reply().body == b"ok"
        sock.sendall(b"\r\n")
        sock.shutdown(socket.SHUT_WR)
        assert wire.end() == b""


def test_keep_alive_of_zero(start_relay: Callable[..., Relay]) -> None:
    """keep_alive = 0: every answer says that it is the last one."""
    relay = start_relay("[timeouts]\nkeep_alive = 0")
    reply = relay.ask(GET)
    assert reply.values(b"Connection") == [b"close"]


@pytest.mark.parametrize("reset", [False, True])
def test_client_that_leaves_in_its_body(relay: Relay, upstream: Upstream, *, reset: bool) -> None:
    """A request whose client is gone is ended at the upstream as well."""
    begun, ended = [], []

    def handler(wire: Wire) -> None:
        begun.append(wire.until(b"\r\n\r\n"))
        with contextlib.suppress(OSError):
            wire.end()
        ended.append(True)

    upstream.handler = handler
    with relay.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
        wait_until(lambda: begun)
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_until(lambda: ended)


def test_client_that_leaves_while_connecting(relay: Relay, upstream: Upstream) -> None:
    """A connection made for a client that left is kept for the next one."""

    async def leave() -> None:
        connection = next(iter(relay.worker.connections))
        connection.data_received(GET)
        connection.transport.abort()

    with relay.connect() as sock:
        wait_until(lambda: relay.worker.connections)
        relay.run(leave())
        assert sock.fileno() >= 0
    wait_until(lambda: relay.worker.pool.targets[0].idle)
    assert relay.ask(GET).body == b"ok"
    assert upstream.connections == 1


def test_client_that_leaves_in_its_answer(relay: Relay, upstream: Upstream) -> None:
    """An upstream that sends to nobody is stopped."""
    stopped = []

    def handler(wire: Wire) -> None:
        wire.request()
        wire.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n")
        try:
            while True:
                wire.sock.sendall(bytes(65536))
        except OSError:
            stopped.append(True)

    upstream.handler = handler
    with relay.connect() as sock:
        sock.sendall(GET)
        sock.recv(1000)
    wait_until(lambda: stopped)


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        pytest.param(GET, [200], id="one"),
        pytest.param(GET * 5, [200] * 5, id="five"),
        pytest.param(GET + b"GET / HT", [200, 400], id="half a head behind"),
        pytest.param(GET + b"\r\n", [200], id="an empty line behind"),
        pytest.param(b"GET / HT", [400], id="half a head"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", [400], id="half a body"),
        pytest.param(GET + CHUNKED_POST + b"3\r\nabc\r\n", [200, 400], id="half a chunked body"),
        pytest.param(GET + b"GET /.stockade/livez HTTP/1.1\r\nHost: a\r\n\r\n", [200, 200], id="health"),
    ],
)
def test_half_closed_clients_are_answered(relay: Relay, sent: bytes, statuses: list[int]) -> None:
    """A client may end its side behind its last request: all of them are answered, then the connection ends."""
    answers = relay.tell(sent)
    assert [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]] == statuses


def test_half_closed_and_no_upstream(relay: Relay, upstream: Upstream) -> None:
    """A half-closed client that is answered 502 is not left waiting for the end."""
    upstream.handler = Wire.request
    assert relay.tell(GET).startswith(b"HTTP/1.1 502 ")


def test_half_closed_client_that_reads_late(relay: Relay) -> None:
    """Requests that wait for a slow reader are answered although it has ended its side."""
    relay.put("127.0.0.1")
    with relay.connect(receive_buffer=4096) as sock:
        sock.sendall(GET * 2000)
        sock.shutdown(socket.SHUT_WR)
        time.sleep(0.2)
        assert Wire(sock).end().count(b"HTTP/1.1 403 ") == 2000


def endless(wire: Wire) -> None:
    """Answer with more than any buffer holds."""
    wire.request()
    wire.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n")
    for _ in range(1024):
        wire.sock.sendall(bytes(65536))


def test_client_that_stops_reading_is_let_go(start_relay: Callable[..., Relay], upstream: Upstream) -> None:
    """A client that takes nothing for send_idle seconds is dropped."""
    relay = start_relay("[timeouts]\nsend_idle = 0.3")
    upstream.handler = endless
    with relay.connect(receive_buffer=65536) as sock:
        sock.sendall(GET)
        wait_until(lambda: any(each.write_held for each in relay.worker.connections))
        wait_until(lambda: not relay.worker.connections, seconds=2)


def test_slow_but_steady_client_is_kept(start_relay: Callable[..., Relay], upstream: Upstream) -> None:
    """A client that takes a little now and then keeps its connection, however little that is."""
    relay = start_relay("[timeouts]\nsend_idle = 0.4\nupstream_idle = 0.4")
    upstream.handler = endless
    with relay.connect(receive_buffer=16384) as sock:
        sock.sendall(GET)
        wait_until(lambda: any(each.write_held for each in relay.worker.connections))
        for _ in range(25):
            time.sleep(0.06)
            assert sock.recv(20_000)
        assert relay.worker.connections


@pytest.mark.parametrize(
    ("later", "status"),
    [
        pytest.param(b"nonsense\r\n", 400, id="bad chunk"),
        pytest.param(b"3e8\r\n" + bytes(1000) + b"\r\n1\r\nx\r\n", 413, id="grows over the limit"),
        pytest.param(b"0\r\n" + b"X: y\r\n" * 1000, 431, id="endless trailers"),
    ],
)
@pytest.mark.parametrize("answered", [False, True])
def test_body_that_goes_wrong_later(
    start_relay: Callable[..., Relay], upstream: Upstream, later: bytes, status: int, *, answered: bool
) -> None:
    """A body at fault ends the request at the upstream too: with its answer, or a broken one when that has begun."""
    relay = start_relay(LIMITS)
    begun, ended = [], []

    def handler(wire: Wire) -> None:
        begun.append(wire.until(b"\r\n\r\n"))
        if answered:
            wire.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        with contextlib.suppress(OSError):
            wire.end()
        ended.append(True)

    upstream.handler = handler
    with relay.connect() as sock:
        wire = Wire(sock)
        sock.sendall(CHUNKED_POST + b"1\r\na\r\n")
        wait_until(lambda: begun)
        if answered:
            assert wire.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
            assert wire.exactly(3) == b"abc"
        sock.sendall(later)
        if answered:
            with pytest.raises(ConnectionResetError):
                wire.end()
        else:
            assert wire.reply().status == status
            assert wire.end() == b""
    wait_until(lambda: ended)
