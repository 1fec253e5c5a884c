"""Request heads: found in the bytes that came, judged, read where a relay must read, spliced for the upstream.

The head is not rebuilt. One compiled expression finds the few field lines that matter (framing, hop-by-hop,
forwarding); the rest goes on as the bytes that came, in their order, case and 8-bit octets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy.http1.errors import RequestError
from proxy.http1.judge import judge_request_head

if TYPE_CHECKING:
    from collections.abc import Iterable

# Body framing of a message (RFC 9112 §6.3): a length of 0 or more, or one of these.
CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2

# Always read by the relay and cut from the head: what speaks of this connection only (RFC 9110 §7.6.1; Keep-Alive and
# Proxy-Connection by long practice), and what is rewritten.
_HOP_BY_HOP: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"transfer-encoding")
)
# Read, and left where it stands.
_READ: Final = frozenset((b"host", b"content-length", b"expect"))

# TRACE would show the client what proxies added (RFC 9110 §9.3.8); CONNECT asks for a forward proxy (§9.3.6).
_REFUSED_METHODS: Final = frozenset((b"TRACE", b"CONNECT"))
# RFC 3986 §3.2.2 and §3.2.3: the characters of host and port; no user information, no white space, no list.
_HOST: Final = re.compile(rb"[A-Za-z0-9._~!$&'()*+;=%\[\]:-]*")
_ABSOLUTE: Final = re.compile(rb"(?i:https?)://([^/?#]*)(.*)", re.DOTALL)
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# A Connection header names a handful of options; more is an attempt to make us do work.
_MAX_CONNECTION_OPTIONS: Final = 32
# What a client may not have removed by naming it in Connection: it frames or routes the message.
_NOT_REMOVABLE: Final = frozenset(
    (b"host", b"content-length", b"transfer-encoding", b"content-type", b"expect")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLimits:
    """Bounds on a head: `head_bytes` in all, `header_count` field lines, `url_bytes` of request target."""

    head_bytes: int
    header_count: int
    url_bytes: int


class RequestHead:
    """One accepted request head.

    `lines` is what goes on: request line and field lines without the cut ones, no final CRLF. `body` is the body's
    length in bytes or CHUNKED. `noted` holds (lower-case name, value) of every watched line in order of appearance.
    `upgrade` is the protocol asked for, lower case, or empty.
    """

    __slots__ = (
        "body",
        "expect_continue",
        "host",
        "http11",
        "keep_alive",
        "lines",
        "method",
        "noted",
        "raw",
        "target",
        "upgrade",
    )

    raw: bytes
    method: bytes
    target: bytes
    http11: bool
    keep_alive: bool
    host: bytes | None
    body: int
    expect_continue: bool
    upgrade: bytes
    lines: bytes
    noted: list[tuple[bytes, bytes]]

    def values(self, name: bytes) -> list[bytes]:
        """Give the values of every field line called `name` (any case), trimmed. Slow: for the rare paths."""
        found = re.findall(rb"\r\n(?i:%b):[ \t]*([^\r\n]*)" % re.escape(name), self.raw)
        return [value.rstrip(b" \t") for value in found]


def field_lines(names: Iterable[bytes]) -> re.Pattern[bytes]:
    """Compile the expression that finds the field lines called `names` (lower case): groups name and value.

    Written for `re`: a class of first letters is tried before anything else, so that most lines cost one look;
    alternatives that begin with a class are skipped without being entered. A third cheaper than a plain alternation.
    """
    by_first: dict[bytes, list[bytes]] = {}
    for name in sorted(names):
        by_first.setdefault(name[:1], []).append(re.escape(name[1:]))
    firsts = b"".join(first.upper() + first for first in by_first)
    each = [b"[%b%b](?i:%b)" % (first.upper(), first, b"|".join(rest)) for first, rest in by_first.items()]
    return re.compile(rb"\r\n(?=[%b])(%b):[ \t]*([^\r]*)" % (firsts, b"|".join(each)))


class RequestReader:
    """Reads request heads for one listener's settings.

    `watched` names further field lines to note (forwarding headers); `cut` those lines that are also cut (Host may
    be one of them).
    """

    def __init__(
        self, limits: HeadLimits, *, watched: Iterable[bytes] = (), cut: Iterable[bytes] = ()
    ) -> None:
        self.limits = limits
        self._cut = _HOP_BY_HOP | frozenset(cut)
        self._keeps_host = b"host" not in self._cut
        self._lines = field_lines(_HOP_BY_HOP | _READ | frozenset(watched) | self._cut)

    def find_end(self, data: bytes, start: int) -> int:
        """Give the index behind the head that begins at `start`, or 0 when it is not complete.

        Raises RequestError: 414 or 431 as soon as the bytes there cannot become a head within the limits.
        """
        end = data.find(b"\r\n\r\n", start) + 4
        if end == 3:
            end = 0
        size = (end or len(data)) - start
        limits = self.limits
        if size > limits.head_bytes or (not end and size > limits.url_bytes):
            line_end = data.find(b"\r\n", start)
            # method SP target SP HTTP/1.1: the longest method llhttp knows has 13 letters
            if (line_end if line_end >= 0 else len(data)) - start > limits.url_bytes + 32:
                raise RequestError(414, "the request target is too long")
            if size > limits.head_bytes:
                raise RequestError(431, "the head is too large")
        return end

    def read(self, head: bytes) -> RequestHead:
        """Read one whole head (request line to CRLF CRLF).

        Raises RequestError: 400 malformed or ambiguous, 405 TRACE and CONNECT, 414 and 431 over a limit, 417 an
        unknown expectation, 501 an unknown method, 505 another HTTP version.
        """
        judge_request_head(head)
        line_end = head.index(b"\r\n")
        request_line = head[:line_end].split(b" ")
        if len(request_line) != 3:
            raise RequestError(400, "the request line is not method, target and version")
        result = RequestHead()
        result.raw = head
        result.method, result.target, version = request_line
        if result.method in _REFUSED_METHODS:
            raise RequestError(405, "a method that a reverse proxy does not serve")
        if version == b"HTTP/1.1":
            result.http11 = result.keep_alive = True
        elif version == b"HTTP/1.0":
            result.http11 = result.keep_alive = False
        else:
            raise RequestError(505, "another HTTP version than 1.0 or 1.1")
        if len(result.target) > self.limits.url_bytes:
            raise RequestError(414, "the request target is too long")
        # Every LF is part of a CRLF: llhttp has seen to it.
        if head.count(b"\n") - 2 > self.limits.header_count:
            raise RequestError(431, "too many header lines")
        self._read_lines(result, line_end)
        if result.target[0] != 0x2F or not result.http11:
            _settle_request_line(result, keeps_host=self._keeps_host)
        return result

    def _read_lines(self, result: RequestHead, line_end: int) -> None:
        """One pass over the watched lines: note, cut, and settle framing and connection options."""
        head = result.raw
        cut = self._cut
        pieces: list[bytes] = []
        last = 0
        host: bytes | None = None
        body = 0
        expect = False
        upgrade = connection = b""
        noted: list[tuple[bytes, bytes]] = []
        for match in self._lines.finditer(head, line_end):
            name, value = match.groups()
            name = name.lower()
            if name == b"host":
                if host is not None:
                    raise RequestError(400, "more than one Host")  # RFC 9112 §3.2
                host = value.rstrip(b" \t")
            elif name == b"connection":
                connection = connection + b"," + value if connection else value
            elif name == b"content-length":
                body = int(value)
            elif name == b"transfer-encoding":
                # RFC 9112 §6.1: an HTTP/1.0 message with Transfer-Encoding has faulty framing. A coding other than
                # chunked is one we would have to undo, and one that the next parser may read otherwise.
                if not result.http11 or value.strip(b" \t").lower() != b"chunked":
                    raise RequestError(400, "a transfer coding other than chunked")
                body = CHUNKED
            elif name == b"expect":
                expect = True
                if value.strip(b" \t").lower() != b"100-continue":
                    raise RequestError(417, "an unknown expectation")  # RFC 9110 §10.1.1
            elif name == b"upgrade":
                upgrade = upgrade + b"," + value if upgrade else value
            elif name not in _HOP_BY_HOP:
                noted.append((name, value))
            if name in cut:
                pieces.append(head[last : match.start()])
                last = match.end()
        pieces.append(head[last:-4])
        result.lines = b"".join(pieces)
        result.noted = noted
        result.body = body
        # RFC 9110 §10.1.1: a 100-continue expectation in an HTTP/1.0 request is ignored.
        result.expect_continue = expect and result.http11
        result.upgrade = b""
        if host is None:
            if result.http11:
                raise RequestError(400, "no Host")  # RFC 9112 §3.2
        elif _HOST.fullmatch(host) is None:
            raise RequestError(400, "an invalid Host")  # RFC 9112 §3.2
        result.host = host
        if connection:
            _settle_connection(result, connection, upgrade)


def _settle_connection(result: RequestHead, value: bytes, upgrade: bytes) -> None:
    """Read the Connection options: persistence, upgrade, and names of lines that end here (RFC 9110 §7.6.1)."""
    if value in (b"keep-alive", b"Keep-Alive"):
        result.keep_alive = True
        return
    options = [option.strip(b" \t").lower() for option in value.split(b",")]
    if len(options) > _MAX_CONNECTION_OPTIONS:
        raise RequestError(400, "too many connection options")
    # RFC 9112 §9.3: close beats keep-alive.
    result.keep_alive = b"close" not in options and (result.http11 or b"keep-alive" in options)
    # RFC 9110 §7.8: an upgrade needs the option as well as the header, and HTTP/1.0 has none.
    if upgrade and b"upgrade" in options and result.http11:
        result.upgrade = upgrade.strip(b" \t").lower()
    named = {option for option in options if _TOKEN.fullmatch(option)}
    named -= _HOP_BY_HOP
    named -= {b"close", b""}
    named -= _NOT_REMOVABLE
    if named:
        lines = result.lines.split(b"\r\n")
        kept = [line for line in lines[1:] if line.partition(b":")[0].lower() not in named]
        result.lines = b"\r\n".join((lines[0], *kept))


def _settle_request_line(result: RequestHead, *, keeps_host: bool) -> None:
    """Settle the rarer target forms and versions (RFC 9112 §3.2), and write the request line that goes on."""
    target = result.target
    if not target.startswith(b"/"):
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is not None:
            # RFC 9112 §3.2.2: the target's authority replaces Host; user information is refused (RFC 9110 §4.2.4).
            authority, rest = absolute.groups()
            if not authority or _HOST.fullmatch(authority) is None:
                raise RequestError(400, "an invalid authority in the request target")
            target = rest if rest.startswith(b"/") else b"/" + rest
            if rest == b"" and result.method == b"OPTIONS":
                target = b"*"  # RFC 9112 §3.2.4
            result.target = target
            result.host = authority
            if keeps_host:
                result.lines = _with_host(result.lines, authority)
        elif target != b"*" or result.method != b"OPTIONS":
            raise RequestError(400, "an invalid request target")
    _, _, fields = result.lines.partition(b"\r\n")
    line = b"%b %b HTTP/1.1" % (result.method, target)
    result.lines = line + b"\r\n" + fields if fields else line


def _with_host(lines: bytes, host: bytes) -> bytes:
    first, *rest = lines.split(b"\r\n")
    kept = [line for line in rest if line[:5].lower() != b"host:"]
    return b"\r\n".join((first, b"Host: " + host, *kept))
