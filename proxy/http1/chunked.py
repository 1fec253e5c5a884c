"""Reading chunked bodies (RFC 9112 §7.1): strict, incremental, bounded.

Strict where proxies are known to disagree: CRLF only, hex digits only, no white space around the size, CRLF after
the data, extensions and trailers of bounded length without bare CR, LF or NUL.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.http1.errors import MessageError

# 16 hex digits are 2^64 bytes; llhttp overflows at the same place.
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[^\r\n\0]*)?\r\n")
# A size line with extensions: h2o allows 256 bytes in all, Go's net/http 4096 (its maxLineLength); ours lies between.
_MAX_SIZE_LINE: Final = 1024
# RFC 9110 §5.6.2 token, then a colon, then anything but CTLs (HTAB allowed); one field a line, no folding.
_TRAILER_LINE: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\x00-\x08\x0a-\x1f\x7f]*\r\n")

# States of the reader.
_SIZE, _DATA, _DATA_END, _TRAILERS, _DONE = range(5)

# Fields that must not come in a trailer section (RFC 9110 §6.5.1): framing, routing, and ours.
_FORBIDDEN_TRAILERS: Final = frozenset(
    (b"transfer-encoding", b"content-length", b"host", b"connection", b"trailer", b"te", b"upgrade", b"expect",
     b"authorization", b"cookie", b"set-cookie", b"content-encoding", b"content-type", b"content-range",
     b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-real-ip")
)  # fmt: skip


class ChunkedReader:
    """Takes bytes as they come and gives the data inside; says where the body ended.

    `done` turns true at the last byte of the trailer section; `trailers` then holds its field lines, each with CRLF,
    without the forbidden ones. Errors are of the class given, with status 400 (or what the class fixes).
    """

    __slots__ = ("_max_trailers", "_pending", "_remaining", "_state", "_trailer_bytes", "done", "trailers")

    def __init__(self, *, max_trailer_bytes: int) -> None:
        self._state = _SIZE
        self._pending = b""  # an incomplete size line, CRLF or trailer line
        self._remaining = 0
        self._max_trailers = max_trailer_bytes
        self._trailer_bytes = 0
        self.done = False
        self.trailers = b""

    def read(self, data: bytes) -> tuple[bytes, int]:
        """Give the body bytes inside `data` and how many bytes of `data` belong to this body.

        Raises MessageError when `data` cannot be the continuation of a chunked body.
        """
        kept = len(self._pending)
        if kept:
            data = self._pending + data
            self._pending = b""
        out: list[bytes] = []
        position = 0
        while position < len(data) and not self.done:
            if self._state == _DATA:
                piece = (
                    data[position : position + self._remaining]
                    if position or self._remaining < len(data)
                    else data
                )
                out.append(piece)
                position += len(piece)
                self._remaining -= len(piece)
                if not self._remaining:
                    self._state = _DATA_END
            else:
                step = self._line(data, position)
                if not step:
                    self._pending = data[position:]
                    position = len(data)
                position += step
        return (out[0] if len(out) == 1 else b"".join(out)), position - kept

    def _line(self, data: bytes, start: int) -> int:
        """Read the line that begins at `start`; 0 when it is not complete yet."""
        if self._state == _DATA_END:
            if data.startswith(b"\r\n", start):
                self._state = _SIZE
                return 2
            if len(data) - start < 2 and data[start] == 0x0D:
                return 0
            raise MessageError(400, "chunk data is not followed by CRLF")
        end = data.find(b"\n", start) + 1
        if self._state == _SIZE:
            return self._size_line(data, start, end)
        return self._trailer_line(data, start, end)

    def _size_line(self, data: bytes, start: int, end: int) -> int:
        if (end or len(data)) - start > _MAX_SIZE_LINE:
            raise MessageError(400, "a chunk's size line is too long")
        if not end:
            return 0
        match = _SIZE_LINE.fullmatch(data, start, end)
        if match is None:
            raise MessageError(400, "a chunk's size line is malformed")
        self._remaining = int(match[1], 16)
        self._state = _DATA if self._remaining else _TRAILERS
        return end - start

    def _trailer_line(self, data: bytes, start: int, end: int) -> int:
        size = (end or len(data)) - start
        if self._trailer_bytes + size > self._max_trailers:
            raise MessageError(431, "the trailer section is too large")
        if not end:
            return 0
        line = data[start:end]
        if line == b"\r\n":
            self._state = _DONE
            self.done = True
        elif _TRAILER_LINE.fullmatch(line):
            self._trailer_bytes += size
            if line[: line.index(b":")].lower() not in _FORBIDDEN_TRAILERS:
                self.trailers += line
        else:
            raise MessageError(400, "a trailer line is malformed")
        return size


def frame_chunk(data: bytes) -> bytes:
    """Give `data` (not empty) as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def frame_end(trailers: bytes = b"") -> bytes:
    """Give the last chunk with `trailers` (field lines, each with CRLF)."""
    return b"0\r\n%b\r\n" % trailers
