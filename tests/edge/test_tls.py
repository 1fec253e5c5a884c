"""TLS towards shoppers and towards the upstream."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest
from edge_harness import GET, Wire, client_context, wait_until

from proxy.edge.build import build_server_tls
from proxy.errors import SettingsError
from proxy.settings.addresses import ListenerAddress, SocketAddress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edge_harness import Relay, Upstream

    Authority = Callable[[str], tuple[str, str, str]]


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    """Make a storefront's context."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


@pytest.fixture
def shop(
    authority: Authority, start_relay: Callable[..., Relay]
) -> Iterator[Callable[..., tuple[Relay, ssl.SSLSocket]]]:
    """Start a worker with a TLS listener and give a connection to it."""
    ca, certificate, key = authority("DNS:shop.example")
    context = client_context(ca)
    socks: list[ssl.SSLSocket] = []

    def open_shop(settings: str = "") -> tuple[Relay, ssl.SSLSocket]:
        relay = start_relay(settings, certificate=certificate, key=key)
        socks.append(
            context.wrap_socket(relay.connect(), server_hostname="shop.example", suppress_ragged_eofs=False)
        )
        return relay, socks[-1]

    yield open_shop
    for sock in socks:
        sock.close()


def test_shoppers_speak_tls(shop: Callable[..., tuple[Relay, ssl.SSLSocket]], upstream: Upstream) -> None:
    """A TLS listener serves HTTP/1.1 by ALPN, and tells the upstream that the shopper came by https."""
    _, sock = shop()
    assert sock.version() in ("TLSv1.2", "TLSv1.3")
    wire = Wire(sock)
    sock.sendall(GET * 3)
    assert [wire.reply().body for _ in range(3)] == [b"ok"] * 3
    assert b"\r\nX-Forwarded-Proto: https\r\n" in upstream.heads[0]


def test_large_bodies_over_tls(shop: Callable[..., tuple[Relay, ssl.SSLSocket]], upstream: Upstream) -> None:
    """Bodies larger than every buffer pass both ways at a reader's pace."""
    _, sock = shop()
    body = bytes(range(256)) * 65536
    upstream.answer = lambda _, sent: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(sent) + sent
    # From one thread: Python's SSLSocket takes no reads and writes at once.
    sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert Wire(sock).reply().body == body


def test_refusal_over_tls_reaches_a_client_that_sends_on(
    shop: Callable[..., tuple[Relay, ssl.SSLSocket]],
) -> None:
    """Without a half-close too the rest of a refused upload is read, so that the answer arrives."""
    relay, sock = shop("[limits]\nbody_bytes = 1000")
    sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4194304\r\n\r\n")
    for _ in range(64):
        sock.sendall(bytes(65536))
    assert Wire(sock).reply().status == 413
    sock.close()
    wait_until(lambda: not relay.worker.connections)


@pytest.mark.parametrize("polite", [True, False])
def test_clients_leave(
    shop: Callable[..., tuple[Relay, ssl.SSLSocket]], upstream: Upstream, *, polite: bool
) -> None:
    """A client that leaves, with close_notify or without, in the middle of a request, costs nothing."""
    relay, sock = shop()
    seen = threading.Event()

    def handler(wire: Wire) -> None:
        wire.request()
        seen.set()
        wire.until(b"never")

    upstream.handler = handler
    sock.sendall(GET)
    assert seen.wait(5)
    if polite:
        sock.unwrap()
    sock.close()
    wait_until(lambda: not relay.worker.connections)
    wait_until(lambda: not relay.worker.pool.targets[0].busy)


def test_plain_http_on_a_tls_port(shop: Callable[..., tuple[Relay, ssl.SSLSocket]]) -> None:
    """Who does not speak TLS is let go, and nobody else notices."""
    relay, sock = shop()
    with relay.connect() as plain:
        plain.sendall(GET)
        Wire(plain).end()
    sock.sendall(GET)
    assert Wire(sock).reply().body == b"ok"


def test_handshake_has_a_time_limit(authority: Authority, start_relay: Callable[..., Relay]) -> None:
    """A client that connects to a TLS port and says nothing is given the time of a head."""
    _, certificate, key = authority("DNS:shop.example")
    relay = start_relay("[timeouts]\nhead = 0.2", certificate=certificate, key=key)
    with relay.connect() as sock:
        assert Wire(sock).end() == b""


def test_certificate_reload(authority: Authority, shop: Callable[..., tuple[Relay, ssl.SSLSocket]]) -> None:
    """A certificate loaded into the context serves new connections; those that stand go on."""
    relay, old = shop()
    ca, certificate, key = authority("DNS:new.example")
    relay.call(lambda: relay.tls.load_cert_chain(certificate, key) if relay.tls else None)
    context = client_context(ca)
    with context.wrap_socket(relay.connect(), server_hostname="new.example") as new:
        for sock in (old, new):
            sock.sendall(GET)
            assert Wire(sock).reply().body == b"ok"


def test_broken_answer_over_tls(shop: Callable[..., tuple[Relay, ssl.SSLSocket]], upstream: Upstream) -> None:
    """An answer that breaks off ends without close_notify: no client takes it for whole."""
    _, sock = shop()

    def handler(wire: Wire) -> None:
        wire.request()
        wire.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")

    upstream.handler = handler
    sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
    with pytest.raises((ConnectionResetError, ssl.SSLEOFError)):
        Wire(sock).end()


def test_unusable_certificate_is_named(tmp_path: Path) -> None:
    """A certificate that cannot be used is an error of the settings that names the files."""
    (tmp_path / "a.pem").write_text("nonsense")
    address = ListenerAddress(
        address=SocketAddress(host="127.0.0.1", port=1),
        certificate=f"{tmp_path}/a.pem",
        key=f"{tmp_path}/b.pem",
    )
    with pytest.raises(SettingsError, match=r"a\.pem"):
        build_server_tls(address)


@pytest.mark.parametrize(
    ("names", "settings", "status"),
    [
        pytest.param("IP:127.0.0.1", 'tls_ca = "CA"', 200, id="private authority"),
        pytest.param("IP:127.0.0.1", "", 502, id="unknown authority"),
        pytest.param("IP:127.0.0.2", 'tls_ca = "CA"', 502, id="another name"),
        pytest.param("IP:127.0.0.2", "tls_verify = false", 200, id="not verified"),
        pytest.param(
            "DNS:up.example", 'tls_ca = "CA"\ntls_server_name = "up.example"', 200, id="name of the settings"
        ),
    ],
)
def test_https_upstreams(  # noqa: PLR0917 - pytest passes fixtures and row by name
    authority: Authority,
    start_upstream: Callable[..., Upstream],
    start_relay: Callable[..., Relay],
    names: str,
    settings: str,
    status: int,
) -> None:
    """An https upstream is verified, by the name asked for; when that fails nothing is sent: 502."""
    ca, certificate, key = authority(names)
    asked: list[str | None] = []
    context = server_context(certificate, key)
    context.sni_callback = lambda _sock, name, _context: asked.append(name)
    upstream = start_upstream(tls=context)
    relay = start_relay("[relay]\n" + settings.replace("CA", ca), upstreams=[upstream.url])
    with relay.connect() as sock:
        wire = Wire(sock)
        for _ in range(3):
            sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
            assert wire.reply().status == status
    assert upstream.bodies == ([b"hello"] * 3 if status == 200 else [])
    if "up.example" in names:
        assert asked[0] == "up.example"
    if status == 200:
        assert upstream.connections == 1
        monitor = relay.worker.monitor
        assert monitor is not None
        relay.run(monitor.probe())
        assert monitor.answers


def test_large_bodies_to_an_https_upstream(
    authority: Authority, start_upstream: Callable[..., Upstream], start_relay: Callable[..., Relay]
) -> None:
    """Bodies larger than every buffer pass to and from an https upstream."""
    ca, certificate, key = authority("IP:127.0.0.1")
    upstream = start_upstream(tls=server_context(certificate, key))
    relay = start_relay(f'[relay]\ntls_ca = "{ca}"', upstreams=[upstream.url])
    body = bytes(range(256)) * 32768
    upstream.answer = lambda _, sent: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(sent) + sent
    with relay.connect() as sock:
        sender = threading.Thread(
            target=sock.sendall,
            args=(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body,),
        )
        sender.start()
        assert Wire(sock).reply().body == body
        sender.join()


def test_websocket_over_tls(shop: Callable[..., tuple[Relay, ssl.SSLSocket]], upstream: Upstream) -> None:
    """A tunnel below TLS passes bytes, and ends as a whole when one side ends: TLS has no half-close."""
    relay, sock = shop()

    def handler(wire: Wire) -> None:
        wire.until(b"\r\n\r\n")
        wire.sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        wire.sock.sendall(wire.exactly(5))
        wire.sock.shutdown(socket.SHUT_WR)
        wire.end()

    upstream.handler = handler
    sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
    wire = Wire(sock)
    assert wire.reply().status == 101
    assert wire.end() == b"hello"
    sock.close()
    wait_until(lambda: not relay.worker.connections)
