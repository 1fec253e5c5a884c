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
_REWRITTEN: Final = frozenset((b"forwarded", b"x-forwarded-for", b"x-real-ip"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardHeaders:
    """Which lines we send: lower-case names, and the Via pseudonym (empty: no Via line of ours)."""

    send: frozenset[bytes]
    via: bytes = b""
    keep_host: bool = True

    def watched(self) -> frozenset[bytes]:
        """Names the request reader must note."""
        return _CLAIMS | ({b"x-request-id"} & self.send) | (frozenset((b"via",)) if self.via else frozenset())

    def cut(self, *, trusted: bool, single_value: Collection[bytes]) -> frozenset[bytes]:
        """Names the request reader must cut for a peer; `single_value`: such headers this peer may not send."""
        own = _REWRITTEN & self.send if trusted else _CLAIMS | ({b"x-request-id"} & self.send)
        return own | frozenset(single_value) | (frozenset((b"via",)) if self.via else frozenset())

    def render(
        self, head: RequestHead, *, peer: bytes, client: bytes, trusted: bool, proto: bytes, port: bytes
    ) -> bytes:
        """Give our lines for this request, each led by CRLF."""
        send = self.send
        sent: dict[bytes, bytes] = {}
        for name, value in head.noted:
            # Several lines of one name are one list (RFC 9110 §5.3).
            sent[name] = sent[name] + b", " + value if name in sent else value
        via = sent.pop(b"via", b"")
        if not trusted:
            sent.clear()
        peer_text = unpack(peer).encode()
        out = b""
        if b"x-forwarded-for" in send:
            known = sent.get(b"x-forwarded-for")
            out = b"\r\nX-Forwarded-For: " + (known + b", " + peer_text if known else peer_text)
        if b"x-forwarded-proto" in send and b"x-forwarded-proto" not in sent:
            out += b"\r\nX-Forwarded-Proto: " + proto
        if b"x-forwarded-host" in send and b"x-forwarded-host" not in sent and head.host:
            out += b"\r\nX-Forwarded-Host: " + head.host
        if b"x-request-id" in send and b"x-request-id" not in sent:
            out += b"\r\nX-Request-Id: %032x" % getrandbits(128)
        if b"x-forwarded-port" in send and b"x-forwarded-port" not in sent:
            out += b"\r\nX-Forwarded-Port: " + port
        if b"x-real-ip" in send:
            out += b"\r\nX-Real-IP: " + unpack(client).encode()
        if b"forwarded" in send:
            out += b"\r\nForwarded: " + _forwarded(sent.get(b"forwarded"), peer, peer_text, proto, head.host)
        if self.via:
            received = b"1.1 " if head.http11 else b"1.0 "
            out += b"\r\nVia: " + (via + b", " if via else b"") + received + self.via
        return out


def _forwarded(known: bytes | None, peer: bytes, peer_text: bytes, proto: bytes, host: bytes | None) -> bytes:
    """One element of RFC 7239 §4 behind those a trusted proxy sent; IPv6 in brackets and quotes (§6)."""
    node = peer_text if len(peer) == 4 else b'"[' + peer_text + b']"'
    element = b"for=" + node + b";proto=" + proto
    if host:
        element += b';host="' + host + b'"'
    return known + b", " + element if known else element
