"""Reading and framing chunked bodies (RFC 9112 §7.1): strict, incremental, bounded.

Strict where proxies are known to disagree: CRLF only, hex digits only, no white space around a bare size, CRLF after
the data, extensions of the RFC's form, trailers as strict as header lines.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.http1.errors import MessageError, RequestError, ResponseError

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
# RFC 9112 §7.1: chunk-size = 1*HEXDIG; 16 digits count to 2^64, where llhttp overflows. §7.1.1: chunk-ext =
# *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ), a value being a token or a quoted string (RFC 9110
# §5.6.4). Every repetition is possessive: an extension is read once and never again (no backtracking).
_SIZE_LINE: Final = re.compile(
    rb"([0-9A-Fa-f]{1,16})(?:[ \t]*+;[ \t]*+" + _TOKEN + rb"(?:[ \t]*+=[ \t]*+(?:" + _TOKEN + rb'|"(?:'
    rb'[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*+"))?+)*+\r\n'
)
# RFC 9112 §7.1.1: "A server ought to limit the total length of chunk extensions received in a request". A size line:
# h2o allows 256 bytes, Go's net/http 4096; ours lies between.
_MAX_SIZE_LINE: Final = 1024
# And in all (Go, since CVE-2023-39326): what is not data may be twice the data and 16 bytes a chunk, and 16 KiB more.
_FREE_OVERHEAD: Final = 16
_MAX_OVERHEAD: Final = 16 * 1024
# RFC 9110 §5.1, §5.5: field name, colon, then anything but control characters other than HTAB; no folding.
_TRAILER_LINE: Final = re.compile(rb"(" + _TOKEN + rb"):[^\x00-\x08\x0a-\x1f\x7f]*+\r\n")

# States of the reader.
_SIZE, _DATA, _DATA_END, _TRAILERS = range(4)

# RFC 9110 §6.5.1: "a sender MUST NOT generate trailer fields" for message framing, routing, authentication, request
# modifiers, response controls or content format. The list is RFC 7230's (§4.1.2), which still named them, with what
# speaks of the connection, and with what proxies vouch for: a recipient that merges trailers into the header section
# must not get a client's word for it. Other fields (Server-Timing, digests, grpc-status) go on.
_FORBIDDEN_TRAILER: Final = re.compile(
    rb"(?i:transfer[-_]encoding|content[-_](?:length|encoding|type|range)|trailer|te|connection|keep[-_]alive"
    rb"|proxy[-_].*|upgrade|host|expect|max[-_]forwards|cache[-_]control|pragma|range|if[-_].*"
    rb"|authorization|www[-_]authenticate|authentication[-_]info|cookie|set[-_]cookie"
    rb"|age|date|expires|location|retry[-_]after|vary|warning"
    rb"|forwarded|via|x[-_]forwarded[-_].*|x[-_]real[-_]ip|x[-_]request[-_]id|cf[-_].*|true[-_]client[-_]ip"
    rb"|x[-_]client[-_]ip)"
)


class ChunkedReader:
    """Takes bytes as they come and gives the data inside; says where the body ended.

    `done` turns true at the last byte of the trailer section; `trailers` then holds its field lines, each with CRLF,
    without the forbidden ones. `response`: the body is an upstream's, and so are the errors.
    """

    __slots__ = (
        "_kept_trailers",
        "_max_trailers",
        "_overhead",
        "_pending",
        "_remaining",
        "_response",
        "_state",
        "_trailer_bytes",
        "done",
        "trailers",
    )

    def __init__(self, *, max_trailer_bytes: int, response: bool = False) -> None:
        self._response = response
        self._state = _SIZE
        self._pending = b""  # an incomplete size line, CRLF or trailer line
        self._remaining = 0
        self._overhead = 0
        self._max_trailers = max_trailer_bytes
        self._trailer_bytes = 0
        self._kept_trailers: list[bytes] = []
        self.done = False
        self.trailers = b""

    def read(self, data: bytes) -> tuple[bytes, int]:
        """Give the body bytes inside `data` and how many bytes of `data` belong to this body.

        Raises MessageError when `data` cannot be the continuation of a chunked body: RequestError 400, or 431 when
        the trailer section is over its limit; for a response ResponseError.
        """
        kept = len(self._pending)
        if kept:
            data = self._pending + data
            self._pending = b""
        size = len(data)
        out: list[bytes] = []
        position = 0
        while position < size and not self.done:
            if self._state == _DATA:
                piece = data[position : position + self._remaining]
                out.append(piece)
                position += len(piece)
                self._remaining -= len(piece)
                if not self._remaining:
                    self._state = _DATA_END
            else:
                step = self._line(data, position)
                if not step:
                    self._pending = data[position:]
                    position = size
                position += step
        return (out[0] if len(out) == 1 else b"".join(out)), position - kept

    def _line(self, data: bytes, start: int) -> int:
        """Read the line that begins at `start`; 0 when it is not complete yet."""
        if self._state == _DATA_END:
            if data.startswith(b"\r\n", start):
                self._state = _SIZE
                return 2
            if data[start:] == b"\r":
                return 0
            raise self._error(400, "chunk data is not followed by CRLF")
        end = data.find(b"\n", start) + 1
        if self._state == _SIZE:
            return self._size_line(data, start, end)
        return self._trailer_line(data, start, end)

    def _size_line(self, data: bytes, start: int, end: int) -> int:
        size = (end or len(data)) - start
        if size > _MAX_SIZE_LINE:
            raise self._error(400, "a chunk's size line is too long")
        if not end:
            return 0
        match = _SIZE_LINE.fullmatch(data, start, end)
        if match is None:
            raise self._error(400, "a chunk's size line is malformed")
        self._remaining = remaining = int(match[1], 16)
        self._state = _DATA if remaining else _TRAILERS
        overhead = self._overhead + size + 2 - _FREE_OVERHEAD - 2 * remaining
        if overhead > _MAX_OVERHEAD:
            raise self._error(400, "a chunked body of more framing than data")
        self._overhead = max(overhead, 0)
        return size

    def _trailer_line(self, data: bytes, start: int, end: int) -> int:
        size = (end or len(data)) - start
        self._trailer_bytes += size if end else 0
        if self._trailer_bytes + (0 if end else size) > self._max_trailers:
            raise self._error(431, "the trailer section is too large")
        if not end:
            return 0
        if size == 2 and data.startswith(b"\r\n", start):
            self.trailers = b"".join(self._kept_trailers)
            self.done = True
            return size
        match = _TRAILER_LINE.fullmatch(data, start, end)
        if match is None:
            raise self._error(400, "a trailer line is malformed")
        if _FORBIDDEN_TRAILER.fullmatch(match[1]) is None:
            self._kept_trailers.append(match[0])
        return size

    def _error(self, status: int, reason: str) -> MessageError:
        return ResponseError(reason) if self._response else RequestError(status, reason)


def frame_chunk(data: bytes) -> bytes:
    """Give `data` as one chunk. It must not be empty: an empty chunk is the last one."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def frame_end(trailers: bytes = b"") -> bytes:
    """Give the last chunk with `trailers` (field lines, each with CRLF)."""
    return b"0\r\n%b\r\n" % trailers
