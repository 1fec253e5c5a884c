"""One node of a forwarding header: an address as proxies write it, in brackets or with a port."""

from __future__ import annotations

import re

from proxy.identity.addresses import pack

# RFC 7239 section 6: node = nodename [ ":" node-port ], an IPv6 address in brackets, a port of digits or
# obfuscated ("_" and what follows). Proxies that write ports into X-Forwarded-For use the same form.
_NODE = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?")
_SHOWN = 60  # characters of what a stranger sent that an explanation repeats


def read_node(text: str) -> bytes | None:
    """Return the packed address of a node by the grammar of RFC 7239, None when it names none for sure.

    `2001:db8::1:80` without brackets is none: it may be an address or an address and a port.
    """
    match = _NODE.fullmatch(text)
    if match is None:
        return None
    bracketed, plain = match.groups()
    if bracketed is None:
        return pack(plain)
    return pack(bracketed) if ":" in bracketed else None


def read_entry(text: str) -> bytes | None:
    """Return the packed address of an X-Forwarded-For entry: a node, or an IPv6 address without brackets.

    Without a standard, the bare address is what all write; a port stands there only with brackets.
    """
    packed = pack(text)
    return read_node(text) if packed is None else packed


def describe_node(text: str | None) -> str:
    """Say what an entry is that names no address, for `explain`: escaped, and cut where it is long."""
    if text is None:
        return "malformed"
    shown = ascii(text[:_SHOWN])[1:-1] + ("…" if len(text) > _SHOWN else "")
    if text.lower().startswith("unknown"):  # RFC 7239 section 6.2
        return f'"{shown}": that proxy does not know who it speaks for'
    if text.startswith("_"):  # RFC 7239 section 6.3
        return f'"{shown}": that proxy hides who it speaks for'
    if "%" in text:  # RFC 4007 section 11.2
        return f'"{shown}": a zone id means something on one machine only'
    return f'"{shown}", which is no address'
