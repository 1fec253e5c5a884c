"""Ids of entries and cases: 16 letters and digits that sort by the time they were made."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# base32hex keeps the order of the bytes (RFC 4648 section 7); Crockford's letters can be read out on the
# telephone (no I, L, O, U), and stand in the same order.
_ALPHABET = bytes.maketrans(b"0123456789ABCDEFGHIJKLMNOPQRSTUV", b"0123456789ABCDEFGHJKMNPQRSTVWXYZ")


def make_ids(now: float) -> Iterator[str]:
    """Yield ids without end, each after the one before: 48 bits of milliseconds, then 32 of chance."""
    number = int(now * 1000) << 32 | secrets.randbits(32)
    while True:
        yield base64.b32hexencode((number % (1 << 80)).to_bytes(10)).translate(_ALPHABET).decode("ascii")
        number += 1


def make_id(now: float) -> str:
    """Return one id."""
    return next(make_ids(now))
