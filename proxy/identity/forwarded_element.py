"""Forwarded header lines (RFC 7239), read from the right, one element at a time.

A line is usually read from the left. But its left part comes from the client, who could open a quote there
and so turn all that trusted proxies appended into part of a string. From the right, each proxy's own element
is read as that proxy wrote it, whatever stands before.
"""

from __future__ import annotations

import re
from typing import Final

_BACKSLASH = 0x5C

# An element holds up to four parameters, the longest a host name (RFC 1035: 255 bytes). The bound keeps the
# work small whatever is sent.
MAX_ELEMENT: Final = 1024

# RFC 7239 section 4: forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] ). Two deviations, both
# common among senders and readable in one way only: spaces around ";", and addresses with ":" and brackets
# that are not quoted.
_PAIR = re.compile(
    rb"""[ \t]*
    (?:
        ([!#$%&'*+.^_`|~0-9A-Za-z-]+) =
        (?: ([^",;\s\\]+) | "((?:[^"\\]|\\.)*)" )
        [ \t]*
    )?
    (?: ; | \Z )""",
    re.VERBOSE | re.DOTALL,
)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)


def take_last_element(value: bytes, end: int) -> tuple[bytes | None, int]:
    """Return the element of `value` that ends at `end`, and where the one before it ends (-1: none).

    An element that cannot be told from its neighbours, for it is too long or holds a quote that never opened,
    is None and the last.
    """
    floor = max(0, end - MAX_ELEMENT)
    cut = end
    while True:
        comma = value.rfind(b",", floor, cut)
        closing = value.rfind(b'"', max(floor, comma + 1), cut)
        if closing < 0:
            return (None, -1) if comma < 0 < floor else (value[comma + 1 : end].strip(b" \t"), comma)
        opening = value.rfind(b'"', floor, closing)
        # A backslash stands only inside quotes, so a quote behind one is escaped and opens nothing.
        while opening > floor and value[opening - 1] == _BACKSLASH:
            opening = value.rfind(b'"', floor, opening)
        if opening < 0:
            return None, -1
        cut = opening


def find_node(element: bytes) -> str | None:
    """Return the value of an element's one `for` parameter, None when it has none or is malformed.

    "Each parameter MUST NOT occur more than once per field-value" (RFC 7239 section 4): of two none counts.
    """
    node: bytes | None = None
    position = 0
    while position < len(element):
        match = _PAIR.match(element, position)
        if match is None:
            return None
        position = match.end()
        name, token, quoted = match.groups()
        if name is not None and name.lower() == b"for":
            if node is not None:
                return None
            node = token if quoted is None else _QUOTED_PAIR.sub(rb"\1", quoted)
    return None if node is None else node.decode("latin-1")
