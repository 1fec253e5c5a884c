"""Response heads: judged, read where a relay must read, spliced for the client.

As with requests, the head goes on as the bytes that came; only what speaks of the upstream's connection is cut and
the framing is settled anew for the client's.
"""

from __future__ import annotations

from typing import Final

from proxy.http1.errors import ResponseError
from proxy.http1.judge import judge_response_head
from proxy.http1.request import CHUNKED, UNTIL_CLOSE, field_lines

_LINES: Final = field_lines(
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
_VERSIONS: Final = (b"HTTP/1.1 ", b"HTTP/1.0 ")
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
    # RFC 9112 §4: HTTP-version SP status-code SP [ reason-phrase ]; without a reason many leave out the last space.
    # llhttp has accepted the line; what it admits beyond this is refused.
    version, status_code = head[:9], head[9:12]
    if (
        version not in _VERSIONS
        or head[12] not in b" \r"
        or status_code < b"100"
        or not status_code.isdigit()
    ):
        raise ResponseError("an invalid status line")
    result = ResponseHead()
    result.status = status = int(status_code)
    http11 = version == b"HTTP/1.1 "
    length = -1
    chunked = False
    connection = upgrade = b""
    pieces: list[bytes] = []
    last = 0
    for match in _LINES.finditer(head, 12):
        name, value = match.groups()
        name = name.lower()
        if name == b"content-length":
            length = int(value)
            continue
        pieces.append(head[last : match.start()])
        last = match.end()
        if name == b"connection":
            connection = connection + b"," + value if connection else value
        elif name == b"transfer-encoding":
            # We send no TE, so chunked is all that may come (RFC 9112 §7.4).
            if value.strip(b" \t").lower() != b"chunked" or not http11:
                raise ResponseError("a transfer coding other than chunked")
            chunked = True
        elif name == b"upgrade":
            upgrade = upgrade + b"," + value if upgrade else value
    pieces.append(head[last:-4])
    result.lines = b"".join(pieces)
    if not http11:
        # RFC 9110 §2.5: an intermediary sends its own version.
        result.lines = b"HTTP/1.1" + result.lines[8:]
    # RFC 9112 §6.3, in its order.
    if to_head or status < 200 or status in _WITHOUT_BODY:
        result.body = 0
    elif chunked:
        result.body = CHUNKED
    elif length >= 0:
        result.body = length
    else:
        result.body = UNTIL_CLOSE
    result.keep_alive = http11
    if connection:
        _settle_connection(result, connection, http11=http11)
    result.upgrade = upgrade.strip(b" \t") if status in (101, 426) else b""
    return result


def _settle_connection(result: ResponseHead, value: bytes, *, http11: bool) -> None:
    """Read the Connection options; field lines they name end here (RFC 9110 §7.6.1)."""
    options = {option.strip(b" \t").lower() for option in value.split(b",")}
    result.keep_alive = b"close" not in options and (http11 or b"keep-alive" in options)
    named = options - {
        b"close",
        b"keep-alive",
        b"upgrade",
        b"te",
        b"transfer-encoding",
        b"content-length",
        b"",
    }
    if named:
        first, *rest = result.lines.split(b"\r\n")
        kept = [line for line in rest if line.partition(b":")[0].lower() not in named]
        result.lines = b"\r\n".join((first, *kept))
