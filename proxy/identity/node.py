"""One address as proxies write it: bare, bracketed, or with a port."""

from __future__ import annotations

import re

from proxy.identity.addresses import pack

_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?")


def read_node(text: bytes) -> bytes | None:
    """Return the packed address of one entry, None when it names none that can be read for sure."""
    plain = text.decode("latin-1")
    packed = pack(plain)
    if packed is None and (match := _WITH_PORT.fullmatch(plain)):
        six, four = match.groups()
        packed = pack(six or four)
        if six and ":" not in six:
            return None
    return packed
