"""One client connection: reads requests, has each decided, answers or relays it, in order."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, cast

from proxy.edge.answers import encode_answer
from proxy.edge.exchange import Exchange
from proxy.edge.tunnel import Tunnel
from proxy.edge.upstream_connection import WRITE_HIGH_WATER
from proxy.http1.errors import RequestError
from proxy.identity.addresses import pack
from proxy.observability.counters import Slot
from proxy.policy.decision import ALLOWED, decide

if TYPE_CHECKING:
    from proxy.edge.pool import UpstreamError
    from proxy.edge.site import Inlet, Route
    from proxy.edge.worker import Worker
    from proxy.http1.request import RequestHead
    from proxy.http1.response import ResponseHead
    from proxy.refusal.answer import Answer

# Pipelined bytes kept while a request is in flight; past it the client is paused.
_MAX_PIPELINED: Final = 64 * 1024
# The peer of a unix socket is on this machine; it may speak for clients when this address is trusted.
_LOCAL_PEER: Final = b"\x7f\x00\x00\x01"
# After an answer that ends the connection the rest of the request is read and thrown away for this long, so that
# the answer is not destroyed by a reset (RFC 9112 §9.6). nginx: lingering_timeout 5s.
_LINGER_SECONDS: Final = 5.0


class Phase:
    """What the connection waits for; its time limit follows from it. Plain integers, in this order."""

    IDLE: Final = 0  # the first byte of a request
    HEAD: Final = 1  # the rest of a head
    EXCHANGE: Final = 2  # a request in flight
    LINGER: Final = 3  # the client's end, after our last answer
    TUNNEL: Final = 4
    CLOSED: Final = 5


class ClientConnection(asyncio.Protocol):
    """The client's side of the relay. `peer`: its packed address, where the transport does not know it.

    The straight path (a request without body, an idle upstream connection, an answer that comes in one piece) runs
    in two callbacks without an await, a task or a timer: time limits are a number that the worker's tick compares.
    """

    __slots__ = (
        "_buffer",
        "_eof",
        "_inlet",
        "_paused",
        "_route",
        "_start",
        "_turned_away",
        "_unsent",
        "_worker",
        "_write_held",
        "closing",
        "counters",
        "deadline",
        "exchange",
        "peer",
        "phase",
        "transport",
        "tunnel",
    )

    def __init__(self, worker: Worker, inlet: Inlet, *, peer: bytes | None) -> None:
        self._worker = worker
        self._inlet = inlet
        self.peer = peer or b""
        self._route: Route = cast("Route", None)
        self._turned_away = False
        self.counters = worker.counters
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._buffer = b""
        self._start = 0  # where the unread part of the buffer begins
        self.exchange: Exchange | None = None
        self.tunnel: Tunnel | None = None
        self.phase = Phase.IDLE
        self.deadline = 0.0
        self.closing = False  # the answer under way is the last one
        self._eof = False
        self._paused = False
        self._write_held = False
        self._unsent = 0  # bytes the client had not taken when its time limit was last looked at

    # -- events of the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; asyncio calls this once."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        if not self.peer:
            self.peer = peer_of(transport.get_extra_info("peername"))
        self._route = self._worker.site.enter(self._inlet, self.peer)
        # A client that connects and says nothing is given the time of a head, not of an idle connection.
        self.deadline = self._worker.clock + self._worker.site.timeouts.head
        self._turned_away = not self._worker.opened(self, limited=not self._route.trusted)

    def data_received(self, data: bytes) -> None:
        """Read what the client sent: a head, a body, tunnelled bytes, or bytes to be thrown away."""
        if self.phase <= Phase.HEAD:
            self._keep(data)
            self._advance()
        elif self.phase == Phase.EXCHANGE:
            exchange = cast("Exchange", self.exchange)
            if not exchange.request_done:
                self._feed(exchange, data)
            else:
                self._keep(data)
        elif self.phase == Phase.TUNNEL:
            cast("Tunnel", self.tunnel).from_client(data)

    def eof_received(self) -> bool:
        """The client will send no more. What it asked for before is still answered (half-close)."""
        if self.tunnel is not None:
            return self.tunnel.half_close(client=True)
        self._eof = True
        exchange = self.exchange
        if exchange is None:
            if self.phase == Phase.HEAD:
                self._refuse_malformed(RequestError(400, "the connection ended inside a head"))
            return False
        if not exchange.request_done:
            self._request_broken(exchange, RequestError(400, "the connection ended inside a body"))
            return False
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: whatever was done for it ends."""
        self.phase = Phase.CLOSED
        self._worker.closed(self)
        if self.tunnel is not None:
            self._worker.counters[Slot.OPEN_TUNNELS] -= 1
            self.tunnel.close(abort=exc is not None)
        exchange, self.exchange = self.exchange, None
        if exchange is not None and exchange.upstream is not None:
            exchange.upstream.abandon()

    def pause_writing(self) -> None:
        """The client takes bytes slower than they come."""
        self._write_held = True
        if self.tunnel is not None:
            self.tunnel.hold(client=True, held=True)
        elif self.exchange is not None and self.exchange.upstream is not None:
            self.exchange.upstream.pause_reading()

    def resume_writing(self) -> None:
        """The client caught up."""
        self._write_held = False
        if self.tunnel is not None:
            self.tunnel.hold(client=True, held=False)
        elif self.exchange is not None:
            if self.exchange.upstream is not None:
                self.exchange.upstream.resume_reading()
        elif self._start < len(self._buffer):
            self._advance()

    # -- reading requests

    def _advance(self) -> None:
        """Read and serve requests from the buffer until one is in flight or the bytes run out."""
        while self._start < len(self._buffer) and self.exchange is None and not self._write_held:
            if self.phase > Phase.EXCHANGE:
                return
            try:
                head = self._read_head()
                if head is None:
                    if self.phase == Phase.IDLE:
                        self.phase = Phase.HEAD
                        self.deadline = self._worker.clock + self._worker.site.timeouts.head
                    return
                self._serve(head)
            except RequestError as error:
                self._refuse_malformed(error)
                return
        if self._start >= len(self._buffer):
            self._buffer = b""
            self._start = 0
            if self._paused and self.exchange is None:
                self.resume_reading()
        if self._eof and self.exchange is None and self.phase <= Phase.HEAD:
            self.transport.close()

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
        reader = self._route.reader
        end = reader.find_end(buffer, start)
        if not end:
            return None
        self._start = end
        return reader.read(buffer[start:end] if start or end < len(buffer) else buffer)

    def _serve(self, head: RequestHead) -> None:
        """Answer or relay one request."""
        worker = self._worker
        site = worker.site
        route = self._route
        self.counters[Slot.REQUESTS] += 1
        self.closing = not head.keep_alive or worker.draining or self._turned_away
        if route.site is not site:
            # The settings were reloaded: the next head is read by the new rules.
            self._route = route = site.enter(self._inlet, self.peer)
        if head.target.startswith(site.health_prefix):
            self._answer(head, worker.health(head))
            return
        if self._turned_away:
            self._answer(head, worker.turn_away(head))
            return
        noted = head.noted
        client = route.peer
        if noted and route.speaks:
            derived = site.derive(route.peer, noted)
            if not derived.readable and site.refuse_unreadable:
                raise RequestError(400, "the client address cannot be read")
            client = derived.packed
        decision = decide(worker.snapshot, client, "browse", time.time(), mode=site.mode)
        if decision is not ALLOWED:
            refusal = worker.note_decision(decision, client, head)
            if refusal is not None:
                self._answer(head, refusal)
                return
        self._relay(head, client)

    def _relay(self, head: RequestHead, client: bytes) -> None:
        worker = self._worker
        site = worker.site
        if head.upgrade and (head.upgrade not in site.upgrades or head.body):
            # RFC 9110 §7.8: an upgrade may be ignored. h2c would take later requests past us, and a request with a
            # body has no well-defined place where the other protocol begins.
            head.upgrade = b""
        max_body = site.limits.body_bytes
        if max_body and head.body > max_body:
            raise RequestError(413, "the body is too large")
        outgoing = site.outgoing(head, self._route, client)
        exchange = Exchange(self, head, outgoing, max_body=max_body, max_trailers=site.limits.head_bytes)
        self.exchange = exchange
        self.phase = Phase.EXCHANGE
        self.deadline = worker.clock + site.timeouts.first_byte
        if not exchange.request_done and self._start < len(self._buffer):
            # Body bytes that came with the head go out with it.
            rest = self._buffer[self._start :]
            self._start += exchange.feed(rest)
        upstream = worker.pool.take(safe=exchange.retriable)
        if upstream is not None:
            upstream.start(exchange)
        else:
            worker.pool.connect(exchange, failed=self._connect_failed)

    def _feed(self, exchange: Exchange, data: bytes) -> None:
        timeouts = self._worker.site.timeouts
        try:
            consumed = exchange.feed(data)
        except RequestError as error:
            self._request_broken(exchange, error)
            return
        self.deadline = self._worker.clock + (
            timeouts.first_byte if exchange.request_done else timeouts.body_idle
        )
        if consumed < len(data):
            self._keep(data[consumed:])

    def _keep(self, data: bytes) -> None:
        """Keep bytes of later requests until their turn comes."""
        self._buffer = self._buffer[self._start :] + data if self._start < len(self._buffer) else data
        self._start = 0
        if len(self._buffer) > _MAX_PIPELINED:
            self.pause_reading()

    # -- called by the upstream's side

    def send(self, data: bytes) -> None:
        """Write response bytes."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def send_interim(self, head: ResponseHead) -> None:
        """Pass an interim response on, unless the client cannot know them (RFC 9110 §15.2)."""
        exchange = self.exchange
        if exchange is not None and exchange.head.http11:
            self.send(head.lines + b"\r\n\r\n")
            self.counters[Slot.RESPONSES_1XX] += 1
        self.deadline = self._worker.clock + self._worker.site.timeouts.first_byte

    def touch_response(self) -> None:
        """Response bytes came: the wait begins anew."""
        self.deadline = self._worker.clock + self._worker.site.timeouts.upstream_idle

    def settle_persistence(self, exchange: Exchange, *, lasting: bool) -> None:
        """Decide, when the final response's head is known, whether the connection outlives it.

        Not when the response came before the request was whole: whether the client sends the rest is unknown.
        """
        worker = self._worker
        worker.pool.last_answer = worker.clock
        last = self._eof and self._start >= len(self._buffer)
        self.closing = self.closing or not lasting or not exchange.request_done or worker.draining or last

    def response_done(self, exchange: Exchange) -> None:
        """The response is complete: read the next request, or end the connection."""
        if self.exchange is not exchange:
            return
        self.exchange = None
        if self.closing:
            self._end(linger=not exchange.request_done or self._start < len(self._buffer))
            return
        self.phase = Phase.IDLE
        self.deadline = self._worker.clock + self._worker.site.timeouts.keep_alive
        if self._paused:
            self.resume_reading()
        if self._start < len(self._buffer) or self._eof:
            self._advance()

    def response_broken(self, exchange: Exchange) -> None:
        """The upstream broke off: a broken answer for a broken answer, or 502 when none has begun."""
        self.counters[Slot.BROKEN_RESPONSES] += 1
        self._fail(exchange, 502)

    def upstream_gone(self, exchange: Exchange, *, reused: bool) -> None:
        """The upstream closed without a byte of answer.

        On a connection used before that is how a keep-alive connection ends; a safe request is sent once more, on a
        new connection (RFC 9110 §9.2.2, RFC 9112 §9.3.1).
        """
        if self.exchange is not exchange:
            return
        if reused and exchange.retriable:
            exchange.retriable = False
            exchange.upstream = None
            self.counters[Slot.UPSTREAM_RETRIES] += 1
            self._worker.pool.connect(exchange, failed=self._connect_failed)
            return
        self.counters[Slot.UPSTREAM_FAILURES] += 1
        self._fail(exchange, 502)

    def begin_tunnel(self, upstream: asyncio.Transport) -> Tunnel:
        """The upstream switched protocols: from here on both sides are a pipe."""
        rest = self._buffer[self._start :]
        self._buffer = b""
        self.exchange = None
        self.phase = Phase.TUNNEL
        self.deadline = self._worker.clock + self._worker.site.timeouts.tunnel_idle
        self.counters[Slot.TUNNELS] += 1
        self.counters[Slot.OPEN_TUNNELS] += 1
        self.tunnel = Tunnel(self.transport, upstream)
        if self._paused:
            self.resume_reading()
        if rest:
            self.tunnel.from_client(rest)
        return self.tunnel

    def pause_reading(self) -> None:
        """Stop reading the client: the upstream, or a request in flight, comes first."""
        if not self._paused and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read the client again."""
        if self._paused:
            self._paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()

    # -- answers of our own

    def _connect_failed(self, exchange: Exchange, error: UpstreamError) -> None:
        self._worker.upstream_failed(error)
        self._fail(exchange, error.status)

    def _request_broken(self, exchange: Exchange, error: RequestError) -> None:
        """The request's body is at fault while the request is in flight."""
        self.counters[Slot.BAD_REQUESTS] += 1
        self._fail(exchange, error.status)

    def _fail(self, exchange: Exchange, status: int) -> None:
        """End a request in flight: with an error answer, or with a visible break when an answer has begun."""
        if self.exchange is not exchange:
            return
        self.exchange = None
        if exchange.upstream is not None and exchange.upstream.exchange is exchange:
            exchange.upstream.abandon()
        if exchange.answered:
            self.abort()
            return
        if exchange.request_done:
            exchange.head.body = 0  # nothing of it is left unread
        self._answer(exchange.head, self._worker.error(status, exchange.head.raw))
        if self.phase == Phase.IDLE and self._start < len(self._buffer):
            self._advance()

    def _refuse_malformed(self, error: RequestError) -> None:
        """Answer a head that cannot be relayed; what follows on this connection cannot be trusted (RFC 9112 §11.2)."""
        self.counters[Slot.BAD_REQUESTS] += 1
        self.closing = True
        self._start = 0
        raw, self._buffer = self._buffer, b""
        answer = self._worker.error(error.status, raw)
        self.send(encode_answer(answer, date=self._worker.date, close=True, head_only=False, http11=True))
        self._end(linger=True)

    def _answer(self, head: RequestHead, answer: Answer) -> None:
        """Send an answer of our own; behind a request body that stays unread the connection ends."""
        worker = self._worker
        if head.body:
            self.closing = True
        self.phase = Phase.IDLE
        self.deadline = worker.clock + worker.site.timeouts.keep_alive
        head_only = head.method == b"HEAD"
        self.send(
            encode_answer(
                answer, date=worker.date, close=self.closing, head_only=head_only, http11=head.http11
            )
        )
        if self.closing:
            self._end(linger=head.body != 0 or self._start < len(self._buffer))

    def _end(self, *, linger: bool) -> None:
        """Close after the last answer: at once, or after the rest of the request was read and thrown away."""
        if not linger or self.transport.is_closing():
            self.phase = Phase.CLOSED
            self.transport.close()
            return
        self.phase = Phase.LINGER
        self._buffer = b""
        self._start = 0
        self.deadline = self._worker.clock + _LINGER_SECONDS
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.resume_reading()

    def abort(self) -> None:
        """Break the connection so that the client cannot take the answer for whole."""
        self.phase = Phase.CLOSED
        self._worker.reset(self.transport)

    # -- time

    def on_deadline(self) -> None:
        """The worker's tick found the deadline passed."""
        if self._still_sending():
            return
        timeouts = self._worker.site.timeouts
        exchange = self.exchange
        if self.phase == Phase.TUNNEL and self.tunnel is not None:
            if self.tunnel.active:
                self.tunnel.active = False
                self.deadline = self._worker.clock + timeouts.tunnel_idle
            else:
                self.tunnel.close()
        elif exchange is not None:
            self._exchange_timed_out(exchange)
        elif self.phase == Phase.HEAD:
            self._refuse_malformed(RequestError(408, "the head did not come in time"))
        else:
            self.transport.close()

    def _still_sending(self) -> bool:
        """Whether the client is still taking bytes, however slowly; without progress it is let go."""
        size = self.transport.get_write_buffer_size()
        stuck = size == self._unsent
        self._unsent = size
        if not size:
            return False
        if stuck:
            self.abort()
        self.deadline = self._worker.clock + self._worker.site.timeouts.send_idle
        return True

    def _exchange_timed_out(self, exchange: Exchange) -> None:
        upstream = exchange.upstream
        client_late = not exchange.request_done and upstream is not None and not self._paused
        if client_late and not (exchange.head.expect_continue and not exchange.answered):
            self._fail(exchange, 408)
            return
        self.counters[Slot.UPSTREAM_TIMEOUTS] += 1
        self._fail(exchange, 504)

    def drain(self) -> None:
        """The worker is leaving: an idle connection may go; a busy one goes behind its answer."""
        self.closing = True
        if self.phase == Phase.IDLE and self.exchange is None and not self.transport.get_write_buffer_size():
            self.transport.close()


def peer_of(name: object) -> bytes:
    """Give the packed address of a socket's peer name; a unix socket's peer is this machine."""
    if isinstance(name, tuple):
        return pack(str(name[0]).partition("%")[0]) or _LOCAL_PEER
    return _LOCAL_PEER
