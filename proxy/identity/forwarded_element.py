"""The `for` parameters of a Forwarded header line (RFC 7239), from right to left."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAIR = re.compile(
    rb'[ \t]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=(?:([^",;\s\\]+)|"((?:[^"\\]|\\.)*)")[ \t]*(?:;|\Z)'
)


def find_forwarded_nodes(value: bytes) -> Iterator[bytes | None]:
    """Yield the node each element names in `for`, the last element first; None where it cannot be read."""
    end = len(value)
    while end >= 0:
        comma = _find_boundary(value, end)
        if comma is None:
            yield None
            return
        element = value[comma + 1 : end].strip(b" \t")
        if element:
            yield _node_of(element)
        end = comma


def _find_boundary(value: bytes, end: int) -> int | None:
    """Return where the comma before the last element is, -1 when there is none, None for broken quotes."""
    while True:
        comma = value.rfind(b",", 0, end)
        closing = value.rfind(b'"', comma + 1, end)
        if closing < 0:
            return comma
        opening = value.rfind(b'"', 0, closing)
        while opening > 0 and _is_escaped(value, opening):
            opening = value.rfind(b'"', 0, opening)
        if opening < 0:
            return None
        end = opening


def _is_escaped(value: bytes, position: int) -> bool:
    start = position
    while start and value[start - 1] == 0x5C:
        start -= 1
    return (position - start) % 2 == 1


def _node_of(element: bytes) -> bytes | None:
    found: bytes | None = None
    position = 0
    while position < len(element):
        match = _PAIR.match(element, position)
        if match is None:
            return None
        name, token, quoted = match.groups()
        if name.lower() == b"for":
            if found is not None:
                return None
            found = token if token is not None else re.sub(rb"\\(.)", rb"\1", quoted)
        position = match.end()
    return found
