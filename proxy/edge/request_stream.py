"""Request heads out of the client's bytes, one after the other, as far as they may be served."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Final, cast

from proxy.edge.client_socket import NOBODY, ClientSocket, Hold, Phase, peer_of
from proxy.http1.errors import RequestError

if TYPE_CHECKING:
    import asyncio

    from proxy.edge.exchange import Exchange
    from proxy.edge.site import Inlet, Route
    from proxy.edge.worker import Worker
    from proxy.http1.request import RequestHead

# Bytes kept of later requests while one is in flight; past it the client is not read. One read brings 256 KiB at most.
_MAX_PIPELINED: Final = 64 * 1024


class RequestStream(ClientSocket):
    """Keeps what the client sent ahead, and gives it out head by head (`serve`, `refuse`)."""

    __slots__ = ("_buffer", "_eof", "_inlet", "_looked", "_route", "_start", "exchange", "peer")

    def __init__(self, worker: Worker, inlet: Inlet, *, peer: bytes) -> None:
        super().__init__(worker)
        self._inlet = inlet
        self.peer = peer
        self._route: Route = cast("Route", None)
        self._buffer = b""
        self._start = 0  # where the unread part of the buffer begins
        self._looked = 0  # bytes of an unfinished head that hold no end of it
        self._eof = False  # the client will send no more
        self.exchange: Exchange | None = None

    @abstractmethod
    def serve(self, head: RequestHead) -> None:
        """Answer or relay one request; raises RequestError."""

    @abstractmethod
    def refuse(self, error: RequestError, head: RequestHead | None) -> None:
        """Answer a request that cannot be relayed, and end the connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; asyncio calls this once."""
        super().connection_made(transport)
        if not self.peer:
            peer = peer_of(transport.get_extra_info("peername"))
            if peer is None:
                # What it sent can still be read, but nobody knows by whom it was sent: it must not reach `decide`.
                peer = NOBODY
                self.abort()
            self.peer = peer
        self._route = self._worker.site.enter(self._inlet, self.peer)

    def keep(self, data: bytes) -> None:
        """Keep bytes until their turn comes."""
        self._buffer = self._buffer[self._start :] + data if self._start < len(self._buffer) else data
        self._start = 0
        if len(self._buffer) > _MAX_PIPELINED:
            self.hold(Hold.PIPELINED)

    def advance(self) -> None:
        """Read and serve requests from the buffer until one is in flight or no whole head is left."""
        head: RequestHead | None = None
        # Once the connection ends the buffer is empty, so the phase need not be asked for.
        while self._start < len(self._buffer) and self.exchange is None and not self.write_held:
            head = None
            try:
                head = self._read_head()
                if head is None:
                    break
                self.serve(head)
            except RequestError as error:
                self.refuse(error, head)
                return
        if self._start >= len(self._buffer):
            self._buffer = b""
            self._start = 0
            if self.holds:
                self.release(Hold.PIPELINED)
            if self._eof and self.exchange is None and self.phase <= Phase.HEAD:
                self.end(linger=False)
        elif head is None and not self.write_held:
            self._await_head()

    def _await_head(self) -> None:
        """The buffer ends inside a head: its rest must come, in time."""
        if self._eof:
            self.refuse(RequestError(400, "the connection ended inside a head"), None)
            return
        if self.phase == Phase.IDLE:
            self.phase = Phase.HEAD
            self.deadline = self._worker.clock + self._worker.site.timeouts.head
        self.release(Hold.PIPELINED)

    def _read_head(self) -> RequestHead | None:
        """Give the next head, or None when its end has not come."""
        buffer = self._buffer
        start = self._start
        if buffer[start] == 0x0D:
            # RFC 9112 §2.2: an empty line before a request line is ignored; more than two are noise.
            for _ in range(2):
                if buffer.startswith(b"\r\n", start):
                    start += 2
            self._start = start
            if start >= len(buffer) or buffer[start:] == b"\r":
                return None
        site = self._worker.site
        if self._route.site is not site:
            # The settings were reloaded: from this head on the new rules hold.
            self._route = site.enter(self._inlet, self.peer)
        reader = self._route.reader
        end = reader.find_end(buffer, start, self._looked)
        if not end:
            self._looked = len(buffer) - start
            return None
        self._looked = 0
        head = reader.read(buffer[start:end] if start or end < len(buffer) else buffer)
        self._start = end
        return head

    def end(self, *, linger: bool) -> None:
        """Close after the last answer; whatever else was asked is not answered."""
        self._buffer = b""
        self._start = 0
        super().end(linger=linger and not self._eof)
