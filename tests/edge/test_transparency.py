"""What is sent reaches the other side as it was sent, in order, and nothing is invented."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from edge_harness import OK, Reply, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_harness import Relay, Upstream

OURS = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-request-id")
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED_ANSWER = CHUNKED_HEAD + b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nServer-Timing: a;dur=1\r\n\r\n"


def without_ours(head: bytes) -> bytes:
    """Drop the four lines that default settings name."""
    first, *lines = head.split(b"\r\n")
    return b"\r\n".join((first, *(line for line in lines if line.partition(b":")[0].lower() not in OURS)))


def test_request_head_goes_on_as_it_came(relay: Relay, upstream: Upstream) -> None:
    """Header names keep case, order, repetition and 8-bit bytes, values their inner spaces; nothing is added."""
    head = (
        b"GET /a HTTP/1.1\r\nhOST: shop.example\r\nX-b: 1\r\nx-A:  two  words \r\nX-b: 2\r\n"
        b"cookie: k=\xe9\xff\r\nEmpty:\r\nAccept: */*"
    )
    relay.ask(head + b"\r\n\r\n")
    assert without_ours(upstream.heads[0]) == head
    names = [line.partition(b":")[0] for line in upstream.heads[0].split(b"\r\n")[-4:]]
    assert names == [b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Forwarded-Host", b"X-Request-Id"]


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(b"/?", id="empty query"),
        pytest.param(b"//a//b", id="double slashes"),
        pytest.param(b"/%2F%2e%2E/%zz", id="percent signs"),
        pytest.param(b"/a/../b/./c", id="dot segments"),
        pytest.param(b"/a;b=c,d'()*!$&+~|^`{}\"", id="odd characters"),
        pytest.param(b"/?q=a%20b&q=%C3%A9&&=", id="odd query"),
        pytest.param(b"/" + b"x" * 8000, id="long"),
    ],
)
def test_target_stays_verbatim(relay: Relay, upstream: Upstream, target: bytes) -> None:
    """A target is neither decoded nor normalised."""
    relay.ask(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert upstream.heads[0].split(b"\r\n")[0] == b"GET " + target + b" HTTP/1.1"


@pytest.mark.parametrize(
    ("sent", "first", "host"),
    [
        pytest.param(
            b"GET http://shop.example/x?y HTTP/1.1\r\nHost: other",
            b"GET /x?y",
            b"shop.example",
            id="absolute",
        ),
        pytest.param(b"OPTIONS * HTTP/1.1\r\nHost: a", b"OPTIONS *", b"a", id="options"),
        pytest.param(b"OPTIONS http://a HTTP/1.1\r\nHost: a", b"OPTIONS *", b"a", id="absolute options"),
    ],
)
def test_other_target_forms(relay: Relay, upstream: Upstream, sent: bytes, first: bytes, host: bytes) -> None:
    """An absolute target becomes path and Host (RFC 9112 §3.2.2), and the asterisk stays one."""
    relay.ask(sent + b"\r\n\r\n")
    head = upstream.heads[0]
    assert head.startswith(first + b" HTTP/1.1\r\n")
    assert re.findall(rb"\r\nHost: ([^\r]*)", head) == [host]


def test_hop_by_hop_lines_end_here(relay: Relay, upstream: Upstream) -> None:
    """Connection, what it names, Keep-Alive, TE and Proxy-Connection are not passed on (RFC 9110 §7.6.1)."""
    relay.ask(
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Mine\r\nX-Mine: 1\r\nX-Mine-Too: 2\r\n"
        b"Keep-Alive: timeout=5\r\nTE: trailers\r\nProxy-Connection: close\r\n\r\n"
    )
    assert without_ours(upstream.heads[0]) == b"GET / HTTP/1.1\r\nHost: a\r\nX-Mine-Too: 2"


def test_answer_head_goes_on_as_it_came(relay: Relay, upstream: Upstream) -> None:
    """The reason phrase, header order and case, every Set-Cookie and 8-bit bytes arrive; nothing is added."""
    answer = (
        b"HTTP/1.1 299 Quite \xe9Fine\r\nset-COOKIE: a=1\r\nSet-Cookie: b=\xff\r\nX-Empty:\r\nContent-Length: 2\r\n"
        b"Set-Cookie: c=3"
    )
    upstream.answer = lambda *_: answer + b"\r\n\r\nok"
    reply = relay.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"\r\n".join((reply.first, *reply.lines)) == answer
    assert reply.body == b"ok"


def test_answer_without_reason_phrase(relay: Relay, upstream: Upstream) -> None:
    """A status line without a reason is passed on without one."""
    upstream.answer = lambda *_: b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"
    assert relay.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").first == b"HTTP/1.1 200 "


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        pytest.param(b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 12345", id="HEAD"),
        pytest.param(b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", id="HEAD chunked"),
        pytest.param(b"HEAD", b"HTTP/1.1 200 OK\r\nX: y", id="HEAD without length"),
        pytest.param(b"GET", b"HTTP/1.1 204 No Content\r\nX: y", id="204"),
        pytest.param(b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: a", id="304"),
        pytest.param(b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0", id="empty"),
    ],
)
def test_answers_without_body_leave_both_connections_usable(
    relay: Relay, upstream: Upstream, method: bytes, answer: bytes
) -> None:
    """Behind an answer that has no body the next request goes on the same connections, both of them."""
    upstream.answer = lambda head, _: answer + b"\r\n\r\n" if b"/bare" in head else OK
    with relay.connect() as sock:
        wire = Wire(sock)
        for _ in range(2):
            sock.sendall(method + b" /bare HTTP/1.1\r\nHost: a\r\n\r\n")
            assert wire.reply(to_head=True).status == int(answer[9:12])
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert wire.reply().body == b"ok"
    assert upstream.connections == 1


@pytest.mark.parametrize("length", [b"Content-Length: 12345", b"content-length:  12345"])
def test_head_answer_keeps_its_length(relay: Relay, upstream: Upstream, length: bytes) -> None:
    """An answer to HEAD says how long the body would be."""
    upstream.answer = lambda *_: b"HTTP/1.1 200 OK\r\n" + length + b"\r\n\r\n"
    reply = relay.ask(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", to_head=True)
    assert reply.lines == [length]


@pytest.mark.parametrize(
    ("answer", "ends"),
    [
        pytest.param(OK, False, id="length"),
        pytest.param(CHUNKED_ANSWER, True, id="chunked"),
        pytest.param(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcde", True, id="until close"),
    ],
)
@pytest.mark.parametrize("keep", [False, True])
def test_http10_clients(relay: Relay, upstream: Upstream, answer: bytes, *, ends: bool, keep: bool) -> None:
    """HTTP/1.0 gets no chunks: an unknown length ends with the connection, which else lasts only if asked to."""
    upstream.answer = lambda *_: answer
    asked = b"Connection: keep-alive\r\n" if keep else b""
    with relay.connect() as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n" + asked + b"\r\n")
        reply = Wire(sock).reply()
        assert reply.body == (b"abcde" if ends else b"ok")
        assert reply.values(b"Transfer-Encoding") == []
        stays = keep and not ends
        assert reply.values(b"Connection") == [b"keep-alive" if stays else b"close"]
        if stays:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert Wire(sock).reply().body == b"ok"
        assert sock.recv(1) == b""
    assert upstream.heads[0].startswith(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:")


def test_http10_gets_no_interim_answers(relay: Relay, upstream: Upstream) -> None:
    """A client that cannot know 1xx is sent none (RFC 9110 §15.2)."""
    upstream.answer = lambda *_: b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK
    assert relay.ask(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").status == 200


@pytest.mark.parametrize(
    "upstream_answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nabcde", id="1.1 until close"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nabcde", id="1.0 until close"),
    ],
)
def test_unknown_length_becomes_chunked(relay: Relay, upstream: Upstream, upstream_answer: bytes) -> None:
    """To HTTP/1.1 a body of unknown length comes in chunks, and the connection lives on."""

    def handler(wire: Wire) -> None:
        wire.request()
        wire.sock.sendall(upstream_answer)

    upstream.handler = handler
    with relay.connect() as sock:
        wire = Wire(sock)
        for _ in range(2):
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            reply = wire.reply()
            assert reply == Reply(200, b"HTTP/1.1 200 OK", [b"Transfer-Encoding: chunked"], b"abcde")


def test_answer_trailers_pass(relay: Relay, upstream: Upstream) -> None:
    """Trailers of a chunked answer arrive, its chunk extensions do not."""
    upstream.answer = lambda *_: CHUNKED_ANSWER
    reply = relay.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (reply.body, reply.trailers) == (b"abcde", [b"Server-Timing: a;dur=1"])


def test_request_trailers_pass_but_for_forbidden_ones(relay: Relay, upstream: Upstream) -> None:
    """A chunked request is framed anew: extensions and trailers that route or frame are gone, others stay."""
    relay.ask(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"00003;ext=1\r\nabc\r\n0\r\nX-Digest: 1\r\nContent-Type: a/b\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"
    )
    assert b"\r\nTransfer-Encoding: chunked\r\n" in upstream.heads[0]
    assert upstream.bodies[0] == b"3\r\nabc\r\n0\r\nX-Digest: 1\r\n\r\n"


def test_early_hints_and_other_interim_answers_pass(relay: Relay, upstream: Upstream) -> None:
    """Every 1xx goes to the client at once, in order, before the final answer."""
    upstream.answer = lambda *_: (
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n" + OK
    )
    with relay.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wire = Wire(sock)
        assert [wire.reply().status, wire.reply().lines, wire.reply().body] == [
            102,
            [b"Link: </a.css>; rel=preload"],
            b"ok",
        ]


def test_upgrade_required_keeps_its_offer(relay: Relay, upstream: Upstream) -> None:
    """426 must name the protocol, so its Upgrade header passes (RFC 9110 §15.5.22)."""
    upstream.answer = lambda *_: (
        b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: TLS/1.3\r\nContent-Length: 0\r\n\r\n"
    )
    reply = relay.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert reply.values(b"Upgrade") == [b"TLS/1.3"]
    assert reply.values(b"Connection") == [b"upgrade"]


def test_upstream_connection_header_is_its_own(relay: Relay, upstream: Upstream) -> None:
    """The upstream's `Connection: close` ends its connection, not the client's."""
    upstream.answer = lambda *_: (
        b"HTTP/1.1 200 OK\r\nConnection: close, X-Gone\r\nX-Gone: 1\r\nContent-Length: 0\r\n\r\n"
    )
    with relay.connect() as sock:
        wire = Wire(sock)
        for _ in range(3):
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert wire.reply().lines == [b"Content-Length: 0"]
    assert upstream.connections == 3


def test_unix_sockets_both_sides(
    start_upstream: Callable[..., Upstream], start_relay: Callable[..., Relay], tmp_path: object
) -> None:
    """Listener and upstream may be unix sockets; the peer is then this machine."""
    upstream = start_upstream(path=f"{tmp_path}/up.sock")
    relay = start_relay(upstreams=[upstream.url], path=f"{tmp_path}/in.sock")
    assert relay.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").body == b"ok"
    assert b"\r\nX-Forwarded-For: 127.0.0.1\r\n" in upstream.heads[0]
