"""Everything a request needs of the settings, compiled once and swapped whole on reload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from proxy.edge.forward_headers import ForwardHeaders, ForwardLines
from proxy.http1.request import CHUNKED, HeadLimits, RequestHead, RequestReader
from proxy.identity.forwarding import ClientAddress, Forwarding, derive_client_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.refusal.refusals import Refusals
    from proxy.settings import Settings

# Derived addresses kept, so that a load balancer's keep-alive traffic is not parsed over and over; none of a header
# longer than any chain of proxies makes it, or a client could fill our memory with invented ones.
_MAX_DERIVED = 4096
_MAX_DERIVED_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Inlet:
    """One listening address as requests see it: scheme and port, for the forwarding headers."""

    tls: bool
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What is known of a connection before its first byte: where it came in, from whom, and what they may claim."""

    site: Site
    inlet: Inlet
    peer: bytes
    trusted: bool
    speaks: bool  # whether any forwarding header of this peer can count
    reader: RequestReader
    lines: ForwardLines


class Site:
    """The settings as the data plane uses them. `upstream_host`: the Host that names the (first) upstream."""

    def __init__(
        self, settings: Settings, *, forwarding: Forwarding, refusals: Refusals, upstream_host: bytes
    ) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.timeouts = settings.timeouts
        self.mode: Literal["enforce", "monitor"] = settings.mode
        self.refusals = refusals
        self.block_status: int = settings.block_page.status
        self.health_path = settings.health.path.encode()
        self.health_prefix = self.health_path + b"/"
        self.upgrades = frozenset(protocol.lower().encode() for protocol in settings.relay.upgrades)
        self.refuse_unreadable = forwarding.unreadable == "refuse"
        self.forwarding = forwarding
        self._headers = ForwardHeaders(
            send=frozenset(name.lower().encode() for name in settings.relay.forward_headers),
            via=settings.relay.via.encode(),
        )
        self.upstream_host = upstream_host
        rule = settings.relay.host
        self._host = b"" if rule == "keep" else self.upstream_host if rule == "upstream" else rule.encode()
        self._head_limits = HeadLimits(
            head_bytes=self.limits.head_bytes,
            header_count=self.limits.header_count,
            url_bytes=self.limits.url_bytes,
        )
        # A keep-alive limit of 0 seconds: a connection serves one request.
        self.one_request = self.timeouts.keep_alive == 0
        self._speaking = frozenset((forwarding.header, *forwarding.single_value))
        self._readers: dict[tuple[bool, frozenset[bytes]], RequestReader] = {}
        self._derived: dict[tuple[bytes, tuple[tuple[bytes, bytes], ...]], ClientAddress] = {}

    def enter(self, inlet: Inlet, peer: bytes) -> Route:
        """Give the route of a connection from `peer` (packed) through `inlet`."""
        trusted = peer in self.forwarding.trusted
        single = self.forwarding.single_value
        forbidden = frozenset(name for name, networks in single.items() if peer not in networks)
        key = (trusted, forbidden)
        reader = self._readers.get(key)
        if reader is None:
            cut = self._headers.cut(trusted=trusted, single_value=forbidden)
            reader = self._readers[key] = RequestReader(
                self._head_limits,
                watched=self._headers.watched() | frozenset(single),
                cut=cut | {b"host"} if self._host else cut,
            )
        speaks = trusted or len(forbidden) < len(single)
        lines = self._headers.prepare(
            peer=peer, trusted=trusted, proto=b"https" if inlet.tls else b"http", port=b"%d" % inlet.port
        )
        return Route(
            site=self, inlet=inlet, peer=peer, trusted=trusted, speaks=speaks, reader=reader, lines=lines
        )

    def derive(self, peer: bytes, noted: Sequence[tuple[bytes, bytes]]) -> ClientAddress:
        """Derive the client address from noted header lines; remembers the latest results."""
        # X-Request-Id and its like are noted as well, and differ from request to request.
        key = (peer, tuple([line for line in noted if line[0] in self._speaking]))
        known = self._derived.get(key)
        if known is None:
            known = derive_client_address(peer, key[1], self.forwarding)
            if sum(len(value) for _, value in key[1]) > _MAX_DERIVED_BYTES:
                return known
            if len(self._derived) >= _MAX_DERIVED:
                self._derived.clear()
            self._derived[key] = known
        return known

    def outgoing(self, head: RequestHead, route: Route, client: bytes) -> bytes:
        """Give the head as the upstream gets it."""
        ours = route.lines.render(head, client)
        if head.host is None or self._host or head.body == CHUNKED or head.upgrade:
            return b"%b%b%b\r\n\r\n" % (head.lines, self._rarer_lines(head), ours)
        return b"%b%b\r\n\r\n" % (head.lines, ours)

    def _rarer_lines(self, head: RequestHead) -> bytes:
        out = b""
        if self._host:
            out = b"\r\nHost: " + self._host
        elif head.host is None:
            out = b"\r\nHost: " + self.upstream_host
        if head.body == CHUNKED:
            out += b"\r\nTransfer-Encoding: chunked"
        if head.upgrade:
            out += b"\r\nConnection: Upgrade\r\nUpgrade: " + head.upgrade
        return out
