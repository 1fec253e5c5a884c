"""Response heads: judged, read where a relay must read, spliced for the client.

As with requests, the head goes on as the bytes that came; only what speaks of the upstream's connection is cut and
the framing is settled anew for the client's.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.http1.errors import ResponseError
from proxy.http1.field_lines import compile_lines, drop_lines, parse_length, parse_options
from proxy.http1.judge import judge_response_head
from proxy.http1.request import CHUNKED, UNTIL_CLOSE

# RFC 9112 §4: HTTP-version SP status-code SP [ reason-phrase ] CRLF; without a reason many leave out the last space.
# RFC 9110 §15: the first digit is a class, and 0xx is none. The reason is HTAB, SP, VCHAR and obs-text: llhttp lets NUL
# and other control characters pass there.
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [^\x00-\x08\x0a-\x1f\x7f]*+)?\r\n")
# What speaks of the upstream's connection (RFC 9110 §7.6.1), and the body's length.
_LINES: Final = compile_lines(
    (
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    )
)
_NOT_REMOVABLE: Final = frozenset((b"close", b"keep-alive", b"upgrade", b"content-length", b""))
_WITHOUT_BODY: Final = frozenset((204, 304))


class ResponseHead:
    """One accepted response head.

    `lines` is what goes on: status line (as HTTP/1.1) and field lines, no final CRLF, no framing but Content-Length.
    `body` is its length in bytes, CHUNKED or UNTIL_CLOSE. `keep_alive`: the upstream connection outlives it.
    `upgrade` is the Upgrade header's value where it means something (101, 426), else empty.
    """

    __slots__ = ("body", "keep_alive", "lines", "status", "upgrade")

    status: int
    body: int
    keep_alive: bool
    lines: bytes
    upgrade: bytes


def read_response(head: bytes, *, to_head: bool) -> ResponseHead:
    """Read one whole response head (status line to CRLF CRLF); `to_head`: it answers a HEAD request.

    Raises ResponseError when it is malformed, ambiguous, or of a transfer coding that nobody asked for.
    """
    judge_response_head(head)
    status_line = _STATUS_LINE.match(head)
    if status_line is None:
        raise ResponseError("an invalid status line")
    result = ResponseHead()
    minor, code = status_line.groups()
    result.status = status = int(code)
    http11 = minor == b"1"
    length = -1
    chunked = False
    connection = upgrade = b""
    parts = _LINES.split(head)
    pieces = parts[:1]
    for at in range(1, len(parts), 4):
        name = parts[at + 1].lower()
        value = parts[at + 2]
        if name == b"content-length":
            length = parse_length(value)
            if length < 0:
                raise ResponseError("a Content-Length of too many digits")
            # RFC 9110 §8.6: "A server MUST NOT send a Content-Length header field in any response with a status code of
            # 1xx (Informational) or 204 (No Content)." A client that believed it would wait for a body: it is cut.
            if status >= 200 and status != 204:
                pieces.append(parts[at])
        elif name == b"connection":
            connection = connection + b"," + value if connection else value
        elif name == b"transfer-encoding":
            # We send no TE, so chunked is all that may come (RFC 9112 §7.4), once (§6.1: "A sender MUST NOT apply the
            # chunked transfer coding more than once"), and not from HTTP/1.0 (§6.1: faulty framing). Beside
            # Content-Length (§6.3 item 3: an attempt at response splitting) llhttp refuses it.
            if chunked or value.strip(b" \t").lower() != b"chunked" or not http11:
                raise ResponseError("a transfer coding other than chunked")
            chunked = True
        elif name == b"upgrade":
            upgrade = upgrade + b"," + value if upgrade else value
        pieces.append(parts[at + 3])
    result.lines = b"".join(pieces)[:-4]
    if not http11:
        # RFC 9110 §2.5: an intermediary sends its own version.
        result.lines = b"HTTP/1.1" + result.lines[8:]
    # RFC 9112 §6.3, in its order: item 1; item 4; items 5 and 6; item 8.
    if to_head or status < 200 or status in _WITHOUT_BODY:
        result.body = 0
    elif chunked:
        result.body = CHUNKED
    elif length >= 0:
        result.body = length
    else:
        result.body = UNTIL_CLOSE
    result.keep_alive = http11
    if connection and not (http11 and connection == b"keep-alive"):
        _settle_connection(result, connection, http11=http11)
    if result.body == UNTIL_CLOSE:
        result.keep_alive = False
    # RFC 9110 §7.8: it names the protocol switched to (101) or asked for (426). Elsewhere it advertises what the
    # upstream's connection could become (Apache: `Upgrade: h2,h2c`), which is not ours to offer.
    result.upgrade = upgrade.strip(b" \t") if status in (101, 426) else b""
    return result


def _settle_connection(result: ResponseHead, value: bytes, *, http11: bool) -> None:
    """Read the Connection options; field lines they name end here (RFC 9110 §7.6.1)."""
    options = set(parse_options(value))
    # RFC 9112 §9.3: "close" is looked for first, then HTTP/1.1, then "keep-alive".
    result.keep_alive = b"close" not in options and (http11 or b"keep-alive" in options)
    named = options - _NOT_REMOVABLE
    if named:
        result.lines = drop_lines(result.lines, named)
