"""Request heads: found in the bytes that came, judged, read where a relay must read, spliced for the upstream.

The head is not rebuilt. One compiled expression finds the few field lines that matter (framing, hop-by-hop,
forwarding); the rest goes on as the bytes that came, in their order, case and 8-bit octets.

Empty lines before a request line (RFC 9112 §2.2: "SHOULD ignore at least one empty line (CRLF)") are the caller's to
skip. Here a head begins with its method; any CR or LF before it, which llhttp would skip too, is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy.http1.errors import RequestError
from proxy.http1.field_lines import compile_lines, drop_lines, parse_length, parse_options
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

# RFC 9112 §3: method SP request-target SP HTTP-version CRLF, with one space each. No fragment: §3.2 has none, and a `#`
# is the path's end to one parser and part of it to the next. The target's other bytes are llhttp's to judge.
_REQUEST_LINE: Final = re.compile(rb"([A-Z-]++) ([^ #\r\n]++) HTTP/1\.([01])\r\n")
_ANY_VERSION: Final = re.compile(rb"[^ \r\n]+ [^ \r\n]+ HTTP/(?!1\.[01])[0-9]\.[0-9]\r\n")
# Names of shops remembered as well formed.
_MAX_HOSTS: Final = 64
# TRACE would show the client what proxies added (RFC 9110 §9.3.8); CONNECT asks for a forward proxy (§9.3.6).
_REFUSED_METHODS: Final = frozenset((b"TRACE", b"CONNECT"))
# RFC 9110 §7.2: Host = uri-host [ ":" port ], or empty where the target has no authority. RFC 3986 §3.2.2, §3.2.3: the
# characters of a name, or an IP literal in brackets, then digits; no user information, white space or list.
_HOST: Final = re.compile(
    rb"(?:(?:[A-Za-z0-9._~!$&'()*+;=%-]++|\[[0-9A-Fa-f:.]++\])(?::[0-9]{0,5})?)?",
)
_ABSOLUTE: Final = re.compile(rb"(?i:https?)://([^/?]*)(.*)")
# A Connection header names a handful of options; more is an attempt to make us do work.
_MAX_CONNECTION_OPTIONS: Final = 32
# RFC 9110 §7.6.1: "A sender MUST NOT send a connection option corresponding to a field that is intended for all
# recipients of the content." These two say where the message goes and where it ends: naming them is an attack.
_NEVER_OPTIONS: Final = frozenset((b"host", b"content-length"))
# What naming it in Connection does not remove: options that are no field names, and what describes the content.
_NOT_REMOVABLE: Final = _HOP_BY_HOP | {b"close", b"content-type", b"expect", b""}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLimits:
    """Bounds on a head: `head_bytes` in all, `header_count` field lines, `url_bytes` of request target."""

    head_bytes: int
    header_count: int
    url_bytes: int


class RequestHead:
    """One accepted request head.

    `lines` is what goes on: request line and field lines without the cut ones, no final CRLF. `target` is the target
    that goes on (an absolute one is reduced to path and query), `host` the host asked for: the target's, else the
    Host line's, else None (HTTP/1.0). `body` is the body's length in bytes or CHUNKED. `noted` holds (lower-case
    name, value) of every watched or cut line in order of appearance. `upgrade` is the protocol asked for, lower case,
    or empty.
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


class RequestReader:
    """Reads request heads for one listener's settings.

    `watched` names further field lines to note (forwarding headers, in lower case); `cut` those lines that are also
    cut (Host may be one of them). A watched, cut or framing name spelled with `_` for `-` is always cut: CGI, WSGI and
    PHP give `X_Forwarded_For` to the application under the same name as `X-Forwarded-For`, so it would speak with
    that header's authority (nginx drops every such line by default: underscores_in_headers).
    """

    def __init__(
        self, limits: HeadLimits, *, watched: Iterable[bytes] = (), cut: Iterable[bytes] = ()
    ) -> None:
        self.limits = limits
        cut = _HOP_BY_HOP | frozenset(cut)
        names = cut | _READ | frozenset(watched)
        self._lines = compile_lines(names, underscores=True)
        self._noted = names - _HOP_BY_HOP - _READ
        self._stays = names - cut
        self._keeps_host = b"host" in self._stays
        self._hosts: set[bytes] = set()
        # A trusted proxy's forwarding lines must not vanish because its client named them in Connection.
        self._not_removable = names | _NOT_REMOVABLE

    def find_end(self, data: bytes, start: int, looked: int = 0) -> int:
        """Give the index behind the head that begins at `start`, or 0 when it is not complete.

        `looked`: how many bytes from `start` an earlier call found no end in, so that a head which comes byte by byte
        is not searched anew for each (64 KiB cost 5 s in all when it was).

        Raises RequestError: 414 or 431 as soon as the bytes there cannot become a head within the limits, 400 when
        they begin like no request line (a TLS hello on a plain port), without a wait for an end that never comes.
        """
        end = data.find(b"\r\n\r\n", start + looked - 3 if looked > 3 else start) + 4
        if end == 3:
            end = 0
            if len(data) > start and not data[start : start + 1].isalpha():
                raise RequestError(400, "no request line begins like this")
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
        line = _REQUEST_LINE.match(head)
        if line is None:
            raise _explain_request_line(head)
        judge_request_head(head)
        result = RequestHead()
        result.raw = head
        result.method, target, minor = line.groups()
        result.target = target
        result.upgrade = b""
        result.http11 = result.keep_alive = minor == b"1"
        if result.method in _REFUSED_METHODS:
            raise RequestError(405, "a method that a reverse proxy does not serve")
        limits = self.limits
        if len(target) > limits.url_bytes:
            raise RequestError(414, "the request target is too long")
        # Every LF is part of a CRLF: llhttp has seen to it.
        if head.count(b"\n") - 2 > limits.header_count:
            raise RequestError(431, "too many header lines")
        self._read_lines(result)
        if target[0] != 0x2F or not result.http11:
            _settle_request_line(result, keeps_host=self._keeps_host)
        return result

    def _read_lines(self, result: RequestHead) -> None:
        """One pass over the watched lines: note, cut, and settle framing and connection options."""
        stays = self._stays
        watched = self._noted
        parts = self._lines.split(result.raw)
        pieces = parts[:1]
        body = 0
        host: bytes | None = None
        expect = False
        upgrade = connection = b""
        noted: list[tuple[bytes, bytes]] = []
        for at in range(1, len(parts), 4):
            name = parts[at + 1].lower()
            value = parts[at + 2]
            if name == b"host":
                if host is not None:
                    # RFC 9112 §3.2: 400 to "any request message that contains more than one Host header field
                    # line or a Host header field with an invalid field value", and to HTTP/1.1 without one.
                    raise RequestError(400, "more than one Host")
                host = value.rstrip(b" \t")
            elif name == b"connection":
                connection = connection + b"," + value if connection else value
            elif name in watched:
                noted.append((name, value))
            elif name == b"content-length":
                body = parse_length(value)
                if body < 0:
                    raise RequestError(400, "a Content-Length of too many digits")
            elif name == b"transfer-encoding":
                # RFC 9112 §6.1: an HTTP/1.0 message with Transfer-Encoding has faulty framing. A coding other than
                # chunked is one we would have to undo, and one that the next parser may read otherwise (§6.3 item 4:
                # 400 when chunked is not the final coding). llhttp refuses it beside Content-Length, and a second one.
                if not result.http11 or value.strip(b" \t").lower() != b"chunked":
                    raise RequestError(400, "a transfer coding other than chunked")
                body = CHUNKED
            elif name == b"expect":
                # RFC 9110 §10.1.1: 417 to any member but 100-continue. One line, no list: servers behind proxies were
                # led astray by two (desynchronisation by Expect, Kettle 2025), and no client sends them.
                if expect or value.strip(b" \t").lower() != b"100-continue":
                    raise RequestError(417, "an unknown expectation")
                expect = True
            elif name == b"upgrade":
                upgrade = upgrade + b"," + value if upgrade else value
            if name in stays:
                pieces.append(parts[at])
            pieces.append(parts[at + 3])
        result.lines = b"".join(pieces)[:-4]
        result.noted = noted
        result.body = body
        result.expect_continue = expect
        if host is None:
            if result.http11:
                raise RequestError(400, "no Host")
        elif host not in self._hosts:
            self._check_host(host)
        result.host = host
        if connection:
            self._settle_connection(result, connection, upgrade)

    def _check_host(self, host: bytes) -> None:
        """Refuse a malformed Host; remember a good one: a shop has few, and clients may send any number."""
        if _HOST.fullmatch(host) is None:
            raise RequestError(400, "an invalid Host")
        if len(self._hosts) < _MAX_HOSTS:
            self._hosts.add(host)

    def _settle_connection(self, result: RequestHead, value: bytes, upgrade: bytes) -> None:
        """Read the Connection options: persistence, upgrade, and names of lines that end here (RFC 9110 §7.6.1)."""
        if value in (b"keep-alive", b"Keep-Alive"):
            result.keep_alive = True
            return
        if value.count(b",") >= _MAX_CONNECTION_OPTIONS:
            raise RequestError(400, "too many connection options")
        options = parse_options(value)
        # RFC 9112 §9.3: "close" is looked for first, then HTTP/1.1, then "keep-alive".
        result.keep_alive = b"close" not in options and (result.http11 or b"keep-alive" in options)
        # RFC 9110 §7.8: an upgrade needs the option as well as the header; "A server MUST ignore an Upgrade header
        # field that is received in an HTTP/1.0 request."
        if upgrade and b"upgrade" in options and result.http11:
            result.upgrade = upgrade.strip(b" \t").lower()
        if not _NEVER_OPTIONS.isdisjoint(options):
            raise RequestError(400, "a connection option that names Host or Content-Length")
        named = set(options) - self._not_removable
        if named:
            result.lines = drop_lines(result.lines, named)


def _explain_request_line(head: bytes) -> RequestError:
    """Give what is wrong with a request line that is none of ours: llhttp's word, or ours where it has none."""
    if _ANY_VERSION.match(head) is not None:
        return RequestError(505, "another HTTP version than 1.0 or 1.1")  # RFC 9110 §15.6.6
    try:
        judge_request_head(head)
    except RequestError as error:
        return error
    return RequestError(400, "the request line is not method, target and version")


def _settle_request_line(result: RequestHead, *, keeps_host: bool) -> None:
    """Settle the rarer target forms and versions (RFC 9112 §3.2), and write the request line that goes on."""
    target = result.target
    if not target.startswith(b"/"):
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is not None:
            # RFC 9112 §3.2.2: a proxy "MUST ignore the received Host header field (if any) and instead replace it with
            # the host information of the request-target". User information is refused (RFC 9110 §4.2.4), and so is
            # an empty host (§4.2.1).
            authority, rest = absolute.groups()
            if not authority or _HOST.fullmatch(authority) is None:
                raise RequestError(400, "an invalid authority in the request target")
            target = rest if rest.startswith(b"/") else b"/" + rest
            if rest == b"" and result.method == b"OPTIONS":
                target = b"*"  # RFC 9112 §3.2.4
            result.target = target
            result.host = authority
            if keeps_host:
                first, line_end, fields = drop_lines(result.lines, (b"host",)).partition(b"\r\n")
                result.lines = b"%b\r\nHost: %b%b%b" % (first, authority, line_end, fields)
        elif target != b"*" or result.method != b"OPTIONS":
            # RFC 9112 §3.2.4: the asterisk is for OPTIONS alone; §3.2.3: the authority form for CONNECT.
            raise RequestError(400, "an invalid request target")
    if not result.http11 and result.expect_continue:
        # RFC 9110 §10.1.1: "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore that
        # expectation": and so it must not go on under our version.
        result.expect_continue = False
        result.lines = drop_lines(result.lines, (b"expect",))
    # RFC 9110 §2.5: an intermediary sends its own version.
    _, line_end, fields = result.lines.partition(b"\r\n")
    result.lines = b"%b %b HTTP/1.1%b%b" % (result.method, target, line_end, fields)
