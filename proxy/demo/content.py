"""The bytes behind `/download/{bytes}`: deterministic, incompressible, cheap at any offset.

A block of 64 KiB repeats, and its first 8 bytes count the repetitions, so a block lost, doubled or swapped
on the way changes the checksum.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_SIZE = 64 * 1024
# An extendable-output function (FIPS 202) gives the same bytes on every platform and Python version.
_TAIL = hashlib.shake_256(b"potting lane").digest(BLOCK_SIZE - 8)


def render_content(start: int, stop: int) -> Iterator[bytes]:
    """Yield bytes `start` (inclusive) to `stop` (exclusive) in pieces of at most 64 KiB."""
    while start < stop:
        number, offset = divmod(start, BLOCK_SIZE)
        piece = (number.to_bytes(8, "big") + _TAIL)[offset : offset + stop - start]
        start += len(piece)
        yield piece


def derive_checksum(size: int) -> str:
    """Give the SHA-256 (hex) of the first `size` bytes."""
    digest = hashlib.sha256()
    for piece in render_content(0, size):
        digest.update(piece)
    return digest.hexdigest()


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Read a Range header into (start, stop), or None when it is to be ignored (RFC 9110, 14.2).

    Raises ValueError when the range cannot be satisfied (416). Several ranges in one header are ignored, as
    the RFC allows, and so is whatever is no `bytes` range.
    """
    unit, equals, spec = header.partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.strip().lower() != "bytes" or not equals or not dash or not (first + last).isascii():
        return None
    if (first and not first.isdigit()) or (last and not last.isdigit()) or not (first or last):
        return None
    if not first:  # a suffix range: the last n bytes
        if int(last) == 0 or size == 0:
            raise ValueError(header)
        return max(0, size - int(last)), size
    start = int(first)
    stop = min(size, int(last) + 1) if last else size
    if last and int(last) < start:
        return None
    if start >= size:
        raise ValueError(header)
    return start, stop
