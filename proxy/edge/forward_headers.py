"""The header lines by which the upstream learns who asked, and which of the client's own claims go on.

The rules, which `docs/configuration.md` states to operators:

- Who may not speak for a client (any peer outside `trusted_proxies`) cannot: every forwarding header of its own is
  cut, whether or not we send one of that name.
- A trusted proxy's lines go on as they came, except those we extend (X-Forwarded-For, Forwarded: the peer is
  appended) or own (X-Real-IP: the derived client address).
- A line we send and a trusted proxy already sent (Proto, Host, Port, X-Request-Id) keeps the proxy's value.
- A single-value header (CF-Connecting-IP, …) goes on only from the networks named for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import getrandbits
from typing import TYPE_CHECKING, Final

from proxy.identity.addresses import unpack

if TYPE_CHECKING:
    from collections.abc import Collection

    from proxy.http1.request import RequestHead

_CLAIMS: Final = frozenset(
    (
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-real-ip",
    )
)
_USUAL: Final = frozenset((b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-request-id"))
_REWRITTEN: Final = frozenset((b"forwarded", b"x-forwarded-for", b"x-real-ip"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardHeaders:
    """Which lines we send: lower-case names, and the Via pseudonym (empty: no Via line of ours)."""

    send: frozenset[bytes]
    via: bytes = b""

    def watched(self) -> frozenset[bytes]:
        """Names the request reader must note."""
        return _CLAIMS | ({b"x-request-id"} & self.send) | (frozenset((b"via",)) if self.via else frozenset())

    def cut(self, *, trusted: bool, single_value: Collection[bytes]) -> frozenset[bytes]:
        """Names the request reader must cut for a peer; `single_value`: such headers this peer may not send."""
        own = _REWRITTEN & self.send if trusted else _CLAIMS | ({b"x-request-id"} & self.send)
        return own | frozenset(single_value) | (frozenset((b"via",)) if self.via else frozenset())

    def prepare(self, *, peer: bytes, trusted: bool, proto: bytes, port: bytes) -> ForwardLines:
        """Settle for one connection what its requests have in common."""
        return ForwardLines(self, peer=peer, trusted=trusted, proto=proto, port=port)


class ForwardLines:
    """Our lines for the requests of one connection."""

    __slots__ = ("_append", "_node", "_port", "_proto", "_rules", "_send", "_trusted", "_usual")

    def __init__(
        self, rules: ForwardHeaders, *, peer: bytes, trusted: bool, proto: bytes, port: bytes
    ) -> None:
        self._rules = rules
        self._send = rules.send
        self._trusted = trusted
        self._proto = proto
        self._port = port
        text = unpack(peer).encode()
        self._append = text
        # RFC 7239 §6: an IPv6 address stands in brackets and quotes.
        self._node = text if len(peer) == 4 else b'"[' + text + b']"'
        self._usual = not rules.via and self._send == _USUAL

    def render(self, head: RequestHead, client: bytes) -> bytes:
        """Give our lines for this request, each led by CRLF; `client` is the derived client address (packed)."""
        noted = head.noted
        if self._usual and (not noted or not self._trusted) and head.host:
            # The default lines for a peer that claims nothing, or may not.
            return (
                b"\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\nX-Request-Id: %032x"
                % (
                    self._append,
                    self._proto,
                    head.host,
                    getrandbits(128),
                )
            )
        sent: dict[bytes, bytes] = {}
        for name, value in noted:
            # Several lines of one name are one list (RFC 9110 §5.3).
            sent[name] = sent[name] + b", " + value if name in sent else value
        via = sent.pop(b"via", b"")
        if not self._trusted:
            sent.clear()
        send = self._send
        out = b""
        if b"x-forwarded-for" in send:
            known = sent.get(b"x-forwarded-for")
            out = b"\r\nX-Forwarded-For: " + (known + b", " + self._append if known else self._append)
        if b"x-forwarded-proto" in send and b"x-forwarded-proto" not in sent:
            out += b"\r\nX-Forwarded-Proto: " + self._proto
        if b"x-forwarded-host" in send and b"x-forwarded-host" not in sent and head.host:
            out += b"\r\nX-Forwarded-Host: " + head.host
        if b"x-request-id" in send and b"x-request-id" not in sent:
            out += b"\r\nX-Request-Id: %032x" % getrandbits(128)
        if b"x-forwarded-port" in send and b"x-forwarded-port" not in sent:
            out += b"\r\nX-Forwarded-Port: " + self._port
        if b"x-real-ip" in send:
            out += b"\r\nX-Real-IP: " + unpack(client).encode()
        if b"forwarded" in send:
            out += b"\r\nForwarded: " + self._forwarded(sent.get(b"forwarded"), head.host)
        if self._rules.via:
            received = b"1.1 " if head.http11 else b"1.0 "
            out += b"\r\nVia: " + (via + b", " if via else b"") + received + self._rules.via
        return out

    def _forwarded(self, known: bytes | None, host: bytes | None) -> bytes:
        """One element of RFC 7239 §4 behind those a trusted proxy sent."""
        element = b"for=" + self._node + b";proto=" + self._proto
        if host:
            element += b';host="' + host + b'"'
        return known + b", " + element if known else element
