"""What the upstream is told about who asked: a table of (who sends, what they claim, what is set) to what goes on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from edge_harness import Wire

from proxy.edge.forward_headers import ForwardHeaders
from proxy.http1.request import HeadLimits, RequestReader
from proxy.identity.addresses import pack

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_harness import Relay, Upstream

TRUSTED = 'trusted_proxies = ["127.0.0.0/8", "10.0.0.0/8"]\n'
ALL = (
    '[relay]\nforward_headers = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", '
    '"X-Real-IP", "X-Request-Id", "Forwarded"]\n'
)
WATCHED = re.compile(rb"(?i)(forwarded|x-forwarded-.*|x-real-ip|x-request-id|via|cf-connecting-ip|x_.*)")


def told(relay: Relay, upstream: Upstream, *lines: bytes, version: bytes = b"1.1") -> list[bytes]:
    """Send these lines; give the forwarding lines that the upstream got, ids and ports made plain."""
    relay.ask(b"\r\n".join((b"GET / HTTP/" + version, b"Host: shop.example", *lines)) + b"\r\n\r\n")
    found = []
    for line in upstream.heads[-1].split(b"\r\n")[1:]:
        if WATCHED.fullmatch(line.partition(b":")[0]):
            plain = re.sub(rb"(?<=Id: )[0-9a-f]{32}", b"ID", line)
            found.append(plain.replace(b"Port: %d" % relay.port, b"Port: PORT"))
    return found


FOR, PROTO, HOST, ID = (
    b"X-Forwarded-For: 127.0.0.1",
    b"X-Forwarded-Proto: http",
    b"X-Forwarded-Host: shop.example",
    b"X-Request-Id: ID",
)


@pytest.mark.parametrize(
    ("settings", "lines", "expected"),
    [
        pytest.param("", [], [FOR, PROTO, HOST, ID], id="nothing claimed"),
        pytest.param(
            "",
            [
                b"X-Forwarded-For: 1.1.1.1",
                b"x-forwarded-proto: https",
                b"X-Forwarded-Host: evil",
                b"X-Forwarded-Port: 1",
                b"X-Real-IP: 1.1.1.1",
                b"Forwarded: for=1.1.1.1",
                b"X-Request-Id: mine",
                b"X_Forwarded_For: 1.1.1.1",
            ],
            [FOR, PROTO, HOST, ID],
            id="untrusted claims are cut, set by us or not",
        ),
        pytest.param(
            "",
            [b"Connection: X-Forwarded-For, X-Request-Id"],
            [FOR, PROTO, HOST, ID],
            id="ours cannot be removed",
        ),
        pytest.param(
            TRUSTED,
            [b"X-Forwarded-For: 203.0.113.7"],
            [b"X-Forwarded-For: 203.0.113.7, 127.0.0.1", PROTO, HOST, ID],
            id="trusted list is extended",
        ),
        pytest.param(
            TRUSTED,
            [b"X-Forwarded-For: 198.51.100.1", b"x-forwarded-for: 203.0.113.7"],
            [b"X-Forwarded-For: 198.51.100.1, 203.0.113.7, 127.0.0.1", PROTO, HOST, ID],
            id="several lines become one list",
        ),
        pytest.param(TRUSTED, [b"X-Forwarded-For:"], [FOR, PROTO, HOST, ID], id="empty list"),
        pytest.param(
            TRUSTED,
            [
                b"X-Forwarded-Proto: https",
                b"X-Forwarded-Host: other",
                b"X-Request-Id: theirs",
                b"X-Forwarded-Port: 443",
            ],
            [
                b"X-Forwarded-Proto: https",
                b"X-Forwarded-Host: other",
                b"X-Request-Id: theirs",
                b"X-Forwarded-Port: 443",
                FOR,
            ],
            id="trusted values are kept",
        ),
        pytest.param(
            TRUSTED,
            [
                b"X-Forwarded-Proto: https",
                b"Connection: X-Forwarded-Proto, X-Forwarded-For",
                b"X-Forwarded-For: 1.1.1.1",
            ],
            [b"X-Forwarded-Proto: https", b"X-Forwarded-For: 1.1.1.1, 127.0.0.1", HOST, ID],
            id="Connection removes no trusted claim",
        ),
        pytest.param(
            TRUSTED,
            [b"Forwarded: for=203.0.113.7", b"X-Real-IP: 203.0.113.7"],
            [b"Forwarded: for=203.0.113.7", b"X-Real-IP: 203.0.113.7", FOR, PROTO, HOST, ID],
            id="trusted lines that we do not set go on",
        ),
        pytest.param(
            ALL,
            [],
            [
                FOR,
                PROTO,
                HOST,
                ID,
                b"X-Forwarded-Port: PORT",
                b"X-Real-IP: 127.0.0.1",
                b'Forwarded: for=127.0.0.1;proto=http;host="shop.example"',
            ],
            id="all",
        ),
        pytest.param(
            TRUSTED + ALL,
            [
                b"X-Forwarded-For: 203.0.113.7",
                b"Forwarded: for=203.0.113.7;proto=https",
                b"X-Real-IP: 9.9.9.9",
            ],
            [
                b"X-Forwarded-For: 203.0.113.7, 127.0.0.1",
                PROTO,
                HOST,
                ID,
                b"X-Forwarded-Port: PORT",
                b"X-Real-IP: 203.0.113.7",
                b'Forwarded: for=203.0.113.7;proto=https, for=127.0.0.1;proto=http;host="shop.example"',
            ],
            id="all, trusted",
        ),
        pytest.param("[relay]\nforward_headers = []", [b"X-Forwarded-For: 1.1.1.1"], [], id="none"),
        pytest.param(
            "[relay]\nforward_headers = []\nvia = 'stockade'",
            [b"Via: 1.0 a"],
            [b"Via: 1.0 a, 1.1 stockade"],
            id="Via",
        ),
        pytest.param("[relay]\nforward_headers = []", [b"Via: 1.0 a"], [b"Via: 1.0 a"], id="Via not ours"),
        pytest.param(
            '[relay]\nforward_headers = ["X-Forwarded-For"]\n[client_address.single_value]\n'
            'CF-Connecting-IP = ["127.0.0.1/32"]',
            [b"CF-Connecting-IP: 203.0.113.7"],
            [b"CF-Connecting-IP: 203.0.113.7", FOR],
            id="single value of its network",
        ),
        pytest.param(
            '[relay]\nforward_headers = ["X-Forwarded-For"]\n[client_address.single_value]\n'
            'CF-Connecting-IP = ["192.0.2.1/32"]',
            [b"CF-Connecting-IP: 203.0.113.7"],
            [FOR],
            id="single value of anybody else",
        ),
    ],
)
def test_forwarding_lines(
    start_relay: Callable[..., Relay],
    upstream: Upstream,
    settings: str,
    lines: list[bytes],
    expected: list[bytes],
) -> None:
    """Claims of untrusted peers end here, those of trusted ones are kept or extended, ours are added."""
    relay = start_relay(settings)
    assert told(relay, upstream, *lines) == expected


def test_request_ids_differ(relay: Relay, upstream: Upstream) -> None:
    """Every request has its own id."""
    for _ in range(20):
        relay.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    ids = {re.findall(rb"X-Request-Id: ([0-9a-f]{32})", head)[0] for head in upstream.heads}
    assert len(ids) == 20


def test_via_names_the_version_received(start_relay: Callable[..., Relay], upstream: Upstream) -> None:
    """Via says in which version the request came (RFC 9110 §7.6.3)."""
    relay = start_relay("[relay]\nforward_headers = []\nvia = 'stockade'")
    assert told(relay, upstream, version=b"1.0") == [b"Via: 1.0 stockade"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        pytest.param("keep", b"shop.example", id="keep"),
        pytest.param("upstream", b"127.0.0.1:PORT", id="upstream"),
        pytest.param("www.shop.example", b"www.shop.example", id="literal"),
    ],
)
def test_host_rules(
    start_relay: Callable[..., Relay], upstream: Upstream, rule: str, expected: bytes
) -> None:
    """Host goes on as sent, or names the upstream, or is what the settings say; X-Forwarded-Host tells the original."""
    relay = start_relay(f'[relay]\nhost = "{rule}"')
    expected = expected.replace(b"PORT", b"%d" % upstream.port)
    with relay.connect() as sock:
        wire = Wire(sock)
        for head in (
            b"GET / HTTP/1.1\r\nhost:shop.example",
            b"GET http://shop.example/ HTTP/1.1\r\nHost: other",
            b"GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: host",
        ):
            sock.sendall(head + b"\r\n\r\n")
            wire.reply()
            names = re.findall(rb"\r\n(?i:host):[ ]?([^\r]*)", upstream.heads[-1])
            assert names == [expected]
            assert b"\r\nX-Forwarded-Host: shop.example\r\n" in upstream.heads[-1]


@pytest.mark.parametrize(
    ("peer", "node"),
    [
        pytest.param("192.0.2.1", b"192.0.2.1", id="IPv4"),
        pytest.param("2001:db8::1", b'"[2001:db8::1]"', id="IPv6"),
        pytest.param("::ffff:192.0.2.1", b"192.0.2.1", id="mapped"),
    ],
)
def test_node_of_forwarded(peer: str, node: bytes) -> None:
    """In Forwarded an IPv6 address stands in brackets and quotes (RFC 7239 §6)."""
    rules = ForwardHeaders(send=frozenset((b"forwarded",)))
    packed = pack(peer)
    assert packed is not None
    lines = rules.prepare(peer=packed, trusted=False, proto=b"https", port=b"443")
    limits = HeadLimits(head_bytes=1000, header_count=10, url_bytes=100)
    head = RequestReader(limits, watched=rules.watched()).read(
        b"GET / HTTP/1.1\r\nHost: [2001:db8::2]:8\r\n\r\n"
    )
    assert (
        lines.render(head, packed) == b"\r\nForwarded: for=" + node + b';proto=https;host="[2001:db8::2]:8"'
    )
