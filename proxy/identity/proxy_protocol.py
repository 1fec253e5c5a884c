"""The PROXY protocol header that a load balancer sends before the first request, versions 1 and 2.

Source: "The PROXY protocol, versions 1 & 2", doc/proxy-protocol.txt of HAProxy; sections are cited as PP.
A listener that says so expects the header on every connection; one that does not never looks for it, for a
receiver "MUST not try to guess whether the protocol header is present or not" (PP 2).
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from proxy.errors import StockadeError
from proxy.identity.addresses import fold, pack

MAX_LENGTH_V1: Final = 107  # PP 2.1: "PROXY UNKNOWN" with both addresses and ports at their longest
# PP 2: "designed to fit in the smallest TCP segment that any TCP/IP host is required to support (576 - 40 =
# 536 bytes)", but extensions (PP 2.2.6, certificates) have outgrown that. nginx reads 4096 at most
# (NGX_PROXY_PROTOCOL_MAX_HEADER); the length field itself would allow 65,551.
MAX_LENGTH_V2: Final = 4096

_SIGNATURE_V1 = b"PROXY "
_SIGNATURE_V2 = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED_V2 = 16

# PP 2.1: exactly one space between the fields; no leading zeros in ports.
_LINE_V1 = re.compile(
    rb"PROXY (TCP4|TCP6) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})"
)
_LINE_UNKNOWN = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?")

# PP 2.2: bytes of the address block by address family: AF_UNSPEC, AF_INET, AF_INET6, AF_UNIX.
_BLOCK_LENGTHS = (0, 12, 36, 216)
_LOCAL, _PROXY = 0, 1
_UNSPECIFIED, _STREAM, _DATAGRAM = 0, 1, 2
_INET, _INET6 = 1, 2


class ProxyProtocolError(StockadeError):
    """What a peer sent in place of a PROXY protocol header; the connection must be dropped (PP 2.1, 2.2)."""


class ProxyHeader(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A complete header of `length` bytes; what follows them is the first request.

    `source` is the packed address of the load balancer's own peer. None means that the real connection's
    address counts: LOCAL (the balancer's own health check), UNKNOWN, a unix socket, or no stream.
    """

    length: int
    source: bytes | None = None
    source_port: int = 0


def read_header(data: bytes) -> ProxyHeader | None:
    """Return the header that `data` starts with, or None while it is incomplete.

    Raises ProxyProtocolError as soon as `data` cannot become a valid header.
    """
    if data.startswith(_SIGNATURE_V1):
        return _read_line(data)
    if data.startswith(_SIGNATURE_V2):
        return _read_block(data)
    if _SIGNATURE_V1.startswith(data) or _SIGNATURE_V2.startswith(data):
        return None
    raise ProxyProtocolError("the connection does not start with a PROXY protocol header")


def _read_line(data: bytes) -> ProxyHeader | None:
    """Read version 1, one line of text (PP 2.1)."""
    end = data.find(b"\r\n", 0, MAX_LENGTH_V1)
    if end < 0:
        if len(data) >= MAX_LENGTH_V1:
            raise ProxyProtocolError(f"the PROXY line does not end within {MAX_LENGTH_V1} bytes")
        # "The receiver must not tolerate a single CR or LF character to end the line."
        if b"\n" in data or b"\r" in data[:-1]:
            raise ProxyProtocolError("the PROXY line ends with a single CR or LF")
        return None
    line = data[:end]
    if _LINE_UNKNOWN.fullmatch(line):
        return ProxyHeader(length=end + 2)
    match = _LINE_V1.fullmatch(line)
    if match is None:
        raise ProxyProtocolError("the PROXY line is malformed")
    family, source, target, source_port, target_port = match.groups()
    # "The advertised protocol family dictates what format to use."
    if any((b":" in address) is not (family == b"TCP6") for address in (source, target)):
        raise ProxyProtocolError("the PROXY line holds an address of another family than it names")
    packed = pack(source.decode("ascii"))
    if packed is None or pack(target.decode("ascii")) is None:
        raise ProxyProtocolError("the PROXY line holds something that is no address")
    if int(source_port) > 65535 or int(target_port) > 65535:
        raise ProxyProtocolError("the PROXY line holds a port above 65535")
    return ProxyHeader(length=end + 2, source=packed, source_port=int(source_port))


def _read_block(data: bytes) -> ProxyHeader | None:
    """Read version 2, a binary block (PP 2.2)."""
    if len(data) > 12 and data[12] not in (0x20 | _LOCAL, 0x20 | _PROXY):
        raise ProxyProtocolError(
            f"the PROXY header has version and command {data[12]:#04x}, not 0x20 or 0x21"
        )
    if len(data) < _FIXED_V2:
        return None
    command, family, protocol = data[12] & 0x0F, data[13] >> 4, data[13] & 0x0F
    block = int.from_bytes(data[14:16])
    length = _FIXED_V2 + block
    if length > MAX_LENGTH_V2:
        raise ProxyProtocolError(f"the PROXY header is {length} bytes long, {MAX_LENGTH_V2} at most are read")
    # A LOCAL header's family is ignored: "discard the protocol block including the family".
    if command == _PROXY:
        if family >= len(_BLOCK_LENGTHS) or protocol > _DATAGRAM:
            raise ProxyProtocolError(f"the PROXY header names an unknown protocol ({data[13]:#04x})")
        if protocol != _UNSPECIFIED and block < _BLOCK_LENGTHS[family]:
            raise ProxyProtocolError("the PROXY header is too short for the addresses it announces")
    if len(data) < length:
        return None
    if command == _LOCAL or protocol != _STREAM or family not in (_INET, _INET6):
        return ProxyHeader(length=length)
    size = 4 if family == _INET else 16
    start = _FIXED_V2 + 2 * size
    return ProxyHeader(
        length=length,
        source=fold(data[_FIXED_V2 : _FIXED_V2 + size]),
        source_port=int.from_bytes(data[start : start + 2]),
    )
