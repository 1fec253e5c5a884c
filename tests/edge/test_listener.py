"""Listeners that expect a PROXY protocol header: its address is the peer's, and nothing else will do."""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING

import pytest
from edge_harness import GET, Wire, client_context, wait_until

from proxy.identity.addresses import pack
from proxy.observability.counters import Slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_harness import Relay, Upstream

TRUSTED = 'trusted_proxies = ["127.0.0.0/8"]\n'
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def version2(source: str, target: str, *, command: int = 1, extra: bytes = b"") -> bytes:
    """Write a version 2 header for two addresses of one family."""
    first, second = pack(source), pack(target)
    assert first is not None
    assert second is not None
    block = first + second + struct.pack("!HH", 4711, 443) + extra
    return (
        SIGNATURE
        + bytes((0x20 | command, 0x11 if len(first) == 4 else 0x21))
        + struct.pack("!H", len(block))
        + block
    )


HEADERS = [
    pytest.param(b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n", b"203.0.113.7", id="v1"),
    pytest.param(b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", b"2001:db8::7", id="v1 IPv6"),
    pytest.param(b"PROXY UNKNOWN\r\n", b"127.0.0.1", id="v1 unknown"),
    pytest.param(version2("203.0.113.7", "192.0.2.1"), b"203.0.113.7", id="v2"),
    pytest.param(version2("2001:db8::7", "2001:db8::1"), b"2001:db8::7", id="v2 IPv6"),
    pytest.param(
        version2("203.0.113.7", "192.0.2.1", extra=b"\x04\x00\x03abc"), b"203.0.113.7", id="v2 with more"
    ),
    pytest.param(version2("203.0.113.7", "192.0.2.1", command=0), b"127.0.0.1", id="v2 local"),
    pytest.param(SIGNATURE + b"\x20\x00\x00\x00", b"127.0.0.1", id="v2 local, empty"),
]


@pytest.mark.parametrize("pieces", [pytest.param(False, id="whole"), pytest.param(True, id="byte by byte")])
@pytest.mark.parametrize(("header", "client"), HEADERS)
def test_headers(
    start_relay: Callable[..., Relay], upstream: Upstream, header: bytes, client: bytes, *, pieces: bool
) -> None:
    """The address in the header is the peer's, however the bytes come; not a byte behind it is lost."""
    relay = start_relay(TRUSTED, proxy_protocol=True)
    with relay.connect() as sock:
        for piece in [header[i : i + 1] for i in range(len(header))] if pieces else [header]:
            sock.sendall(piece)
        sock.sendall(GET * 2)
        wire = Wire(sock)
        assert [wire.reply().body, wire.reply().body] == [b"ok", b"ok"]
    assert b"\r\nX-Forwarded-For: " + client + b"\r\n" in upstream.heads[0]


@pytest.mark.parametrize(("header", "client"), HEADERS[:1] + HEADERS[3:4])
def test_header_and_request_in_one_segment(
    start_relay: Callable[..., Relay], upstream: Upstream, header: bytes, client: bytes
) -> None:
    """A request right behind the header is read as a request."""
    relay = start_relay(TRUSTED, proxy_protocol=True)
    assert relay.ask(header + GET).body == b"ok"
    assert b"\r\nX-Forwarded-For: " + client + b"\r\n" in upstream.heads[0]


def test_decision_is_about_the_address_in_the_header(start_relay: Callable[..., Relay]) -> None:
    """Whom the header names is asked about; it may itself be a trusted proxy that names somebody."""
    relay = start_relay('trusted_proxies = ["127.0.0.0/8", "10.0.0.0/8"]', proxy_protocol=True)
    relay.put("203.0.113.7")
    header = b"PROXY TCP4 %b 192.0.2.1 4711 443\r\n"
    claiming = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n"
    assert relay.ask(header % b"203.0.113.7" + GET).status == 403
    assert relay.ask(header % b"203.0.113.8" + GET).status == 200
    assert relay.ask(header % b"203.0.113.8" + claiming).status == 200
    assert relay.ask(header % b"10.0.0.9" + claiming).status == 403


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(GET, id="none"),
        pytest.param(b"PROXY TCP4 203.0.113.7\r\n", id="malformed"),
        pytest.param(b"PROXY TCP4 203.0.113.777 192.0.2.1 1 2\r\n", id="no address"),
        pytest.param(b"PROXY " + b"x" * 200, id="endless"),
        pytest.param(SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12), id="version 3"),
        pytest.param(SIGNATURE + b"\x21\x11\xff\xff", id="huge"),
        pytest.param(b"PROXY", id="cut off"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_anything_else_ends_the_connection(
    start_relay: Callable[..., Relay], upstream: Upstream, sent: bytes
) -> None:
    """Without a valid header the connection ends, unanswered: who speaks is not known."""
    relay = start_relay(TRUSTED, proxy_protocol=True)
    with contextlib.suppress(ConnectionResetError):  # for bytes that nobody read
        assert relay.tell(sent) == b""
    wait_until(lambda: relay.counters[Slot.BAD_REQUESTS] == 1)
    assert upstream.connections == 0


def test_untrusted_peers_may_not_speak_it(start_relay: Callable[..., Relay]) -> None:
    """A header from anybody but a trusted proxy would let everybody choose an address."""
    relay = start_relay('trusted_proxies = ["127.0.0.2/32"]', proxy_protocol=True)
    header = b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n"
    with relay.connect() as sock, contextlib.suppress(ConnectionResetError):
        sock.sendall(header + GET)
        assert sock.recv(100) == b""
    assert relay.ask(header + GET, source="127.0.0.2").body == b"ok"


def test_header_has_a_time_limit(start_relay: Callable[..., Relay]) -> None:
    """The header must come in the time of a head."""
    relay = start_relay(TRUSTED + "[timeouts]\nhead = 0.2", proxy_protocol=True)
    with relay.connect() as sock:
        sock.sendall(b"PROXY TCP4 ")
        assert sock.recv(1) == b""


def test_listening_stops_with_headers_awaited(start_relay: Callable[..., Relay]) -> None:
    """A worker that ends does not wait for headers that never come (the harness fails it if it leaks them)."""
    relay = start_relay(TRUSTED, proxy_protocol=True)
    with relay.connect() as sock:
        sock.sendall(b"PROXY ")
        wait_until(lambda: relay.acceptor._greetings)
        relay.stop()
        assert sock.recv(1) == b""


def test_tls_behind_the_header(
    authority: Callable[[str], tuple[str, str, str]], start_relay: Callable[..., Relay], upstream: Upstream
) -> None:
    """The header comes before TLS, in the clear."""
    ca, certificate, key = authority("DNS:shop.example")
    relay = start_relay(TRUSTED, proxy_protocol=True, certificate=certificate, key=key)
    plain = relay.connect()
    plain.sendall(b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n")
    with client_context(ca).wrap_socket(plain, server_hostname="shop.example") as sock:
        sock.sendall(GET)
        assert Wire(sock).reply().body == b"ok"
    assert b"\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n" in upstream.heads[0]
    with relay.connect() as broken:
        broken.sendall(b"PROXY UNKNOWN\r\n" + GET)
        with contextlib.suppress(ConnectionResetError):
            Wire(broken).end()
    wait_until(lambda: relay.counters[Slot.BAD_REQUESTS] == 1)
