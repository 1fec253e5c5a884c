"""What an answer of ours needs to know of the request it answers: form and language wanted."""

from __future__ import annotations

import re
from typing import Final, TypedDict

_LINES: Final = re.compile(
    rb"\r\n((?i:accept|accept-language|x-requested-with|sec-fetch-dest)):[ \t]*([^\r\n]*)"
)


class Caller(TypedDict):
    """Header values by which `Refusals` chooses form and language; empty when absent."""

    accept: bytes
    accept_language: bytes
    requested_with: bytes
    fetch_dest: bytes


def find_caller(raw: bytes) -> Caller:
    """Find the values in a head as it came, even in one that was refused; several lines of a name are one list."""
    found: dict[bytes, bytes] = {}
    for spelled, value in _LINES.findall(raw):
        name = spelled.lower()
        found[name] = found[name] + b", " + value if name in found else value
    return Caller(
        accept=found.get(b"accept", b""),
        accept_language=found.get(b"accept-language", b""),
        requested_with=found.get(b"x-requested-with", b""),
        fetch_dest=found.get(b"sec-fetch-dest", b""),
    )
