"""IP addresses: packed bytes on the request path, canonical text where people read."""

from __future__ import annotations

import ipaddress
import socket

from proxy.errors import InputError
from proxy.identity.mistakes import describe_address_mistake

_MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, RFC 4291 section 2.5.5.2
_COMPATIBLE = bytes(12)  # ::/96, RFC 4291 section 2.5.5.1


def pack(text: str) -> bytes | None:
    """Return the 4 or 16 bytes of a plain address, or None when `text` is not exactly that.

    An IPv4-mapped IPv6 address folds to its 4 bytes, so that one host has one key however the socket was
    bound. Leading zeros (octal to some readers), zone ids, brackets, ports and spaces are no plain address.
    """
    try:
        if ":" not in text:
            return socket.inet_pton(socket.AF_INET, text)
        if "%" in text:  # some systems' inet_pton reads a zone id and drops it
            return None
        return fold(socket.inet_pton(socket.AF_INET6, text))
    except (OSError, ValueError):  # ValueError: a NUL or a lone surrogate
        return None


def fold(packed: bytes) -> bytes:
    """Return the 4 bytes of an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2), else `packed` itself."""
    return packed[12:] if len(packed) == 16 and packed.startswith(_MAPPED) else packed


def unpack(packed: bytes) -> str:
    """Return the canonical text (RFC 5952) of 4 or 16 packed bytes; ValueError on any other length."""
    if len(packed) == 4:
        return socket.inet_ntop(socket.AF_INET, packed)
    if packed.startswith(_COMPATIBLE):  # glibc writes ::1.2.3.4 here, musl ::102:304: a key must be one text
        return str(ipaddress.IPv6Address(packed))
    return socket.inet_ntop(socket.AF_INET6, packed)


def parse_address(text: str) -> str:
    """Return the canonical text of the one address an operator typed.

    Raises InputError, which names the mistake and the nearest right form.
    """
    packed = pack(text.strip())
    if packed is None:
        raise InputError(describe_address_mistake(text))
    return unpack(packed)
