"""Each good header is read whole, one byte at a time, and with the first request behind it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from identity_inputs import packed

from proxy.identity.proxy_protocol import (
    MAX_LENGTH_V1,
    MAX_LENGTH_V2,
    ProxyHeader,
    ProxyProtocolError,
    read_header,
)

REQUEST = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LONGEST_V6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"


def v2(command: int, family: int, body: bytes, length: int | None = None) -> bytes:
    """Write a version 2 header: version and command, family and protocol, length, body."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(body) if length is None else length) + body


def addresses(source: str, target: str, source_port: int = 49152, target_port: int = 443) -> bytes:
    """Write the address block of PP 2.2; a mapped address keeps its 16 bytes."""
    block = b""
    for text in (source, target):
        address = packed(text)
        block += bytes(10) + b"\xff\xff" + address if ":" in text and len(address) == 4 else address
    return block + struct.pack("!HH", source_port, target_port)


V4 = addresses("203.0.113.7", "10.0.0.1")
V6 = addresses("2001:db8::7", "2001:db8::1")

GOOD = [
    pytest.param(b"PROXY TCP4 203.0.113.7 10.0.0.1 49152 443\r\n", "203.0.113.7", 49152, id="v1-ipv4"),
    pytest.param(b"PROXY TCP6 2001:db8::7 2001:db8::1 49152 443\r\n", "2001:db8::7", 49152, id="v1-ipv6"),
    pytest.param(
        b"PROXY TCP6 2001:DB8::7 ::1 0 65535\r\n", "2001:db8::7", 0, id="v1-upper-case-and-extreme-ports"
    ),
    pytest.param(b"PROXY TCP6 ::ffff:203.0.113.7 ::1 1 2\r\n", "203.0.113.7", 1, id="v1-mapped"),
    pytest.param(
        f"PROXY TCP6 {LONGEST_V6} {LONGEST_V6} 65535 65535\r\n".encode(), LONGEST_V6, 65535, id="v1-longest"
    ),
    pytest.param(b"PROXY UNKNOWN\r\n", None, 0, id="v1-unknown"),
    pytest.param(
        f"PROXY UNKNOWN {LONGEST_V6} {LONGEST_V6} 65535 65535\r\n".encode(),
        None,
        0,
        id="v1-unknown-worst-case",
    ),
    pytest.param(b"PROXY UNKNOWN what\xffever\r\n", None, 0, id="v1-unknown-rest-ignored"),
    pytest.param(v2(0x21, 0x11, V4), "203.0.113.7", 49152, id="v2-ipv4"),
    pytest.param(v2(0x21, 0x21, V6), "2001:db8::7", 49152, id="v2-ipv6"),
    pytest.param(
        v2(0x21, 0x21, addresses("::ffff:203.0.113.7", "::1")), "203.0.113.7", 49152, id="v2-mapped"
    ),
    pytest.param(v2(0x21, 0x11, V4 + b"\x03\x00\x04abcd"), "203.0.113.7", 49152, id="v2-with-extensions"),
    pytest.param(v2(0x21, 0x11, V4.ljust(MAX_LENGTH_V2 - 16, b"x")), "203.0.113.7", 49152, id="v2-longest"),
    pytest.param(v2(0x20, 0x00, b""), None, 0, id="v2-local"),
    pytest.param(v2(0x20, 0x11, V4), None, 0, id="v2-local-with-addresses"),
    pytest.param(v2(0x20, 0xFF, b"any"), None, 0, id="v2-local-ignores-the-family"),
    pytest.param(v2(0x21, 0x00, b""), None, 0, id="v2-unspecified"),
    pytest.param(v2(0x21, 0x10, V4), None, 0, id="v2-unspecified-protocol"),
    pytest.param(v2(0x21, 0x01, b""), None, 0, id="v2-unspecified-family"),
    pytest.param(v2(0x21, 0x12, V4), None, 0, id="v2-datagram"),
    pytest.param(v2(0x21, 0x31, bytes(216)), None, 0, id="v2-unix"),
]


@pytest.mark.parametrize(("header", "source", "port"), GOOD)
@pytest.mark.parametrize("after", [pytest.param(b"", id="alone"), pytest.param(REQUEST, id="request-behind")])
def test_a_header_is_read(header: bytes, source: str | None, port: int, after: bytes) -> None:
    """The source is the load balancer's peer, and the length ends exactly where the request begins."""
    assert read_header(header + after) == ProxyHeader(
        length=len(header), source=None if source is None else packed(source), source_port=port
    )


@pytest.mark.parametrize(("header", "source", "port"), GOOD)
def test_every_part_of_a_header_says_not_yet(header: bytes, source: str | None, port: int) -> None:
    """However the bytes were cut, nothing is decided before the header is whole."""
    assert all(read_header(header[:end]) is None for end in range(len(header)))


def read_byte_by_byte(data: bytes) -> ProxyHeader | None:
    """Read data as if each byte came on its own."""
    return next(filter(None, (read_header(data[:end]) for end in range(len(data) + 1))), None)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(REQUEST, id="no-header"),
        pytest.param(b"\x16\x03\x01", id="tls"),
        pytest.param(b"proxy TCP4", id="v1-lower-case"),
        pytest.param(b"PROXY\tTCP4", id="v1-tab"),
        pytest.param(b"PROXY TCP4 203.0.113.7 10.0.0.1 49152 443\n", id="v1-lone-lf"),
        pytest.param(b"PROXY TCP4 203.0.113.7 10.0.0.1 49152 443\r ", id="v1-lone-cr"),
        pytest.param(b"PROXY UNKNOWN\nGET / HTTP/1.1\r\n", id="v1-unknown-lone-lf"),
        pytest.param(b"PROXY UNKNOWN\rGET / HTTP/1.1\r\n", id="v1-unknown-lone-cr"),
        pytest.param(b"PROXY UNKNOWNS\r\n", id="v1-unknown-word"),
        pytest.param(b"PROXY  TCP4 203.0.113.7 10.0.0.1 49152 443\r\n", id="v1-two-spaces"),
        pytest.param(b"PROXY TCP4 203.0.113.7 10.0.0.1 49152 443 \r\n", id="v1-trailing-space"),
        pytest.param(b"PROXY TCP4 203.0.113.7 10.0.0.1 49152\r\n", id="v1-field-missing"),
        pytest.param(b"PROXY UDP4 203.0.113.7 10.0.0.1 49152 443\r\n", id="v1-family"),
        pytest.param(b"PROXY TCP4 2001:db8::7 2001:db8::1 49152 443\r\n", id="v1-ipv6-as-tcp4"),
        pytest.param(b"PROXY TCP6 203.0.113.7 10.0.0.1 49152 443\r\n", id="v1-ipv4-as-tcp6"),
        pytest.param(b"PROXY TCP6 2001:db8::7 10.0.0.1 49152 443\r\n", id="v1-mixed"),
        pytest.param(b"PROXY TCP4 203.0.113.07 10.0.0.1 49152 443\r\n", id="v1-leading-zero"),
        pytest.param(b"PROXY TCP4 203.0.113.7 10.0.0.256 49152 443\r\n", id="v1-destination"),
        pytest.param(b"PROXY TCP4 203.0.113.7 10.0.0.1 049152 443\r\n", id="v1-port-leading-zero"),
        pytest.param(b"PROXY TCP4 203.0.113.7 10.0.0.1 65536 443\r\n", id="v1-port-too-large"),
        pytest.param(b"PROXY TCP4 203.0.113.7 10.0.0.1 1 99999\r\n", id="v1-destination-port-too-large"),
        pytest.param(b"PROXY TCP4 203.0.113.7 10.0.0.1 +1 443\r\n", id="v1-port-sign"),
        pytest.param(b"PROXY UNKNOWN " + b"x" * MAX_LENGTH_V1, id="v1-endless"),
        pytest.param(b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n", id="v1-one-too-long"),
        pytest.param(SIGNATURE + b"\x11", id="v2-version-1"),
        pytest.param(SIGNATURE + b"\x31", id="v2-version-3"),
        pytest.param(SIGNATURE + b"\x22", id="v2-command"),
        pytest.param(v2(0x21, 0x41, V4), id="v2-family"),
        pytest.param(v2(0x21, 0x13, V4), id="v2-protocol"),
        pytest.param(v2(0x21, 0x11, V4[:-1]), id="v2-short-ipv4"),
        pytest.param(v2(0x21, 0x21, V6[:-1]), id="v2-short-ipv6"),
        pytest.param(v2(0x21, 0x31, bytes(215)), id="v2-short-unix"),
        pytest.param(v2(0x21, 0x11, b"", length=0xFFFF), id="v2-too-long"),
        pytest.param(v2(0x20, 0x00, b"", length=MAX_LENGTH_V2 - 15), id="v2-local-too-long"),
    ],
)
def test_what_is_no_header_is_refused(data: bytes) -> None:
    """Whole or one byte at a time, the error comes; a connection without a header never gets through."""
    with pytest.raises(ProxyProtocolError):
        read_header(data)
    with pytest.raises(ProxyProtocolError):
        read_byte_by_byte(data)


def test_the_error_comes_as_early_as_it_can() -> None:
    """The first byte that fits no header is enough; nobody waits for a browser's whole request."""
    with pytest.raises(ProxyProtocolError):
        read_header(b"G")


@example(b"")
@given(
    st.binary(max_size=120)
    | st.binary(max_size=60).map(lambda rest: SIGNATURE + rest)
    | st.text("TCPUNKOW46 .:0123456789abcdef\r\n", max_size=110).map(lambda rest: b"PROXY " + rest.encode())
)
def test_any_bytes_are_a_header_not_yet_or_an_error(data: bytes) -> None:
    """Nothing else is raised, and a header never claims bytes that have not come."""
    try:
        header = read_header(data)
    except ProxyProtocolError:
        return
    if header is not None:
        assert 15 <= header.length <= len(data)
        assert header.source is None or len(header.source) in (4, 16)
        assert read_header(data[: header.length]) == header
    else:
        assert len(data) < MAX_LENGTH_V2
