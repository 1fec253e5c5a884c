"""One client connection: reads requests, has each decided, answers or relays it, in order."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, cast

from proxy.edge.answers import encode_answer
from proxy.edge.client_socket import Hold, Phase
from proxy.edge.exchange import Exchange
from proxy.edge.request_stream import RequestStream
from proxy.edge.tunnel import Tunnel
from proxy.http1.errors import RequestError
from proxy.observability.counters import Slot
from proxy.policy.decision import ALLOWED, decide

if TYPE_CHECKING:
    import asyncio

    from proxy.edge.pool import UpstreamError
    from proxy.edge.site import Inlet
    from proxy.edge.worker import Worker
    from proxy.http1.request import RequestHead
    from proxy.http1.response import ResponseHead
    from proxy.refusal.answer import Answer

# How long a connection must be idle before a worker that leaves ends it.
_DRAIN_GRACE_SECONDS: Final = 0.25


class ClientConnection(RequestStream):
    """The client's side of the relay. `peer`: its packed address, where the transport does not know it.

    The straight path (a request without body, an idle upstream connection, an answer that comes in one piece) runs
    in two callbacks without an await, a task or a timer: time limits are a number that the worker's tick compares.
    """

    __slots__ = (
        "_quiet_since",
        "_turned_away",
        "closing",
        "counters",
        "tunnel",
    )

    def __init__(self, worker: Worker, inlet: Inlet, *, peer: bytes | None) -> None:
        super().__init__(worker, inlet, peer=peer or b"")
        self._turned_away = False
        self._quiet_since = 0.0  # when it was first found idle while the worker is leaving
        self.counters = worker.counters
        self.tunnel: Tunnel | None = None
        self.closing = False  # the answer under way is the last one

    # -- events of the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; asyncio calls this once."""
        super().connection_made(transport)
        # A client that connects and says nothing is given the time of a head, not of an idle connection.
        self.deadline = self._worker.clock + self._worker.site.timeouts.head
        self._turned_away = not self._worker.opened(self, limited=not self._route.trusted)

    def data_received(self, data: bytes) -> None:
        """Read what the client sent: a head, a body, tunnelled bytes, or bytes to be thrown away."""
        if self.phase <= Phase.HEAD:
            if self._buffer:
                self.keep(data)
            else:
                self._buffer = data
            self.advance()
        elif self.phase == Phase.EXCHANGE:
            exchange = cast("Exchange", self.exchange)
            if not exchange.request_done:
                self._feed(exchange, data)
            else:
                self.keep(data)
        elif self.phase == Phase.TUNNEL:
            cast("Tunnel", self.tunnel).from_client(data)

    def eof_received(self) -> bool:
        """The client will send no more. What it asked for before is still answered (half-close)."""
        if self.tunnel is not None:
            return self.tunnel.half_close(client=True)
        self._eof = True
        exchange = self.exchange
        if exchange is None:
            if self.phase == Phase.HEAD and not self.write_held:
                self.refuse(RequestError(400, "the connection ended inside a head"), None)
        elif not exchange.request_done:
            self._fail_request(exchange, RequestError(400, "the connection ended inside a body"))
        # Whole requests that wait for their turn, or for the client to take earlier answers. Below TLS there is no
        # half-close: the transport ends whatever is said here.
        waiting = self.exchange is not None or self._start < len(self._buffer)
        return waiting and self.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: whatever was done for it ends."""
        self.phase = Phase.CLOSED
        self._worker.closed(self)
        self._buffer = b""
        self._start = 0
        if self.tunnel is not None:
            self._worker.counters[Slot.OPEN_TUNNELS] -= 1
            self.tunnel.close(abort=exc is not None)
        exchange, self.exchange = self.exchange, None
        if exchange is not None and exchange.upstream is not None:
            exchange.upstream.abandon()

    def pause_writing(self) -> None:
        """The client takes bytes slower than they come: read less of the upstream."""
        super().pause_writing()
        if self.tunnel is not None:
            self.tunnel.hold(client=True, held=True)
        elif self.exchange is not None and self.exchange.upstream is not None:
            self.exchange.upstream.pause_reading()

    def resume_writing(self) -> None:
        """The client caught up."""
        super().resume_writing()
        if self.tunnel is not None:
            self.tunnel.hold(client=True, held=False)
        elif self.exchange is None:
            self.advance()
        elif self.exchange.upstream is not None:
            self.exchange.upstream.resume_reading()

    # -- serving requests

    def serve(self, head: RequestHead) -> None:
        """Answer or relay one request."""
        worker = self._worker
        route = self._route
        site = route.site
        self.counters[Slot.REQUESTS] += 1
        self.closing = not head.keep_alive or worker.draining or self._turned_away or site.one_request
        if head.target.startswith(site.health_prefix):
            self._answer(head, worker.health(head))
            return
        if self._turned_away:
            self._answer(head, self._error(503, "one connection too many", head))
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
        site = self._route.site
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
        if not exchange.request_done:
            if self._start < len(self._buffer):
                # Body bytes that came with the head go out with it.
                self._start += exchange.feed(self._buffer[self._start :])
            if self._eof and not exchange.request_done:
                raise RequestError(400, "the connection ended inside a body")
            if not (exchange.request_done or head.expect_continue):
                self.deadline = worker.clock + site.timeouts.body_idle
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
            self._fail_request(exchange, error)
            return
        if consumed < len(data):
            self.keep(data[consumed:])
        if not self.write_held:  # else the client has its time to take what was sent
            waiting = timeouts.first_byte if exchange.request_done else timeouts.body_idle
            self.deadline = self._worker.clock + waiting

    # -- called by the upstream's side

    def send_interim(self, head: ResponseHead) -> None:
        """Pass an interim response on, unless the client cannot know them (RFC 9110 §15.2)."""
        exchange = self.exchange
        if exchange is None:
            return
        exchange.continued = True
        if exchange.head.http11:
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
        if self.holds:
            self.release(Hold.BODY)
        if self.closing:
            self.end(linger=not exchange.request_done or self._start < len(self._buffer))
            return
        self.phase = Phase.IDLE
        self.deadline = self._worker.clock + self._worker.site.timeouts.keep_alive
        if self._start < len(self._buffer) or self._eof:
            self.advance()

    def response_broken(self, exchange: Exchange) -> None:
        """The upstream broke off: a broken answer for a broken answer, or 502 when none has begun."""
        self.counters[Slot.BROKEN_RESPONSES] += 1
        self._fail(exchange, 502, "the upstream's answer is malformed or broke off")

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
        self._fail(exchange, 502, "the upstream closed the connection without an answer")

    def begin_tunnel(self, upstream: asyncio.Transport) -> Tunnel:
        """The upstream switched protocols: from here on both sides are a pipe (see `open_tunnel`)."""
        self.exchange = None
        self.phase = Phase.TUNNEL
        self.deadline = self._worker.clock + self._worker.site.timeouts.tunnel_idle
        self.counters[Slot.TUNNELS] += 1
        self.counters[Slot.OPEN_TUNNELS] += 1
        self.counters[Slot.RESPONSES_1XX] += 1
        self.tunnel = Tunnel(self.transport, upstream)
        return self.tunnel

    def open_tunnel(self, tunnel: Tunnel) -> None:
        """Both sides know the tunnel: pass on what the client said before it stood."""
        rest = self._buffer[self._start :]
        self._buffer = b""
        self._start = 0
        if rest:
            tunnel.from_client(rest)
        if self._eof:
            tunnel.half_close(client=True)
        self.release(Hold.PIPELINED | Hold.BODY)

    # -- answers of our own

    def _connect_failed(self, exchange: Exchange, error: UpstreamError) -> None:
        self._worker.upstream_failed(error)
        self._fail(exchange, error.status, str(error))

    def _fail_request(self, exchange: Exchange, error: RequestError) -> None:
        """The request's body is at fault while the request is in flight."""
        self.counters[Slot.BAD_REQUESTS] += 1
        self._fail(exchange, error.status, str(error))

    def _fail(self, exchange: Exchange, status: int, why: str) -> None:
        """End a request in flight: with an error answer, or with a visible break when an answer has begun."""
        if self.exchange is not exchange:
            return
        self.exchange = None
        if exchange.upstream is not None and exchange.upstream.exchange is exchange:
            exchange.upstream.abandon()
        if exchange.answered:
            self.abort()
            return
        self.release(Hold.BODY)
        if exchange.request_done:
            exchange.head.body = 0  # nothing of it is left unread
        self._answer(exchange.head, self._error(status, why, exchange.head))
        if self.phase == Phase.IDLE:
            self.advance()

    def refuse(self, error: RequestError, head: RequestHead | None) -> None:
        """Answer a request that cannot be relayed, and end the connection.

        Without a head nothing that follows can be trusted to begin where it seems to (RFC 9112 §11.2).
        """
        exchange = self.exchange
        if exchange is not None:  # body bytes that came with the head
            self._fail_request(exchange, error)
            return
        self.counters[Slot.BAD_REQUESTS] += 1
        self.closing = True
        if head is not None:
            self._answer(head, self._error(error.status, str(error), head))
            return
        raw = self._buffer[self._start :].partition(b"\r\n\r\n")[0]
        answer = self._worker.error(error.status, str(error), self._route.peer, raw)
        head_only = raw.startswith(b"HEAD ")
        self.send(encode_answer(answer, date=self._worker.date, close=True, head_only=head_only, http11=True))
        self.end(linger=True)

    def _error(self, status: int, why: str, head: RequestHead) -> Answer:
        route = self._route
        client = (
            route.site.derive(route.peer, head.noted).packed if head.noted and route.speaks else route.peer
        )
        return self._worker.error(status, why, client, head.raw, head)

    def _answer(self, head: RequestHead, answer: Answer) -> None:
        """Send an answer of our own; behind a request body that stays unread the connection ends."""
        worker = self._worker
        unread = self._start < len(self._buffer)
        if head.body or (self._eof and not unread):
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
            self.end(linger=head.body != 0 or unread)

    # -- time

    def on_deadline(self) -> None:
        """The worker's tick found the deadline passed."""
        if self.still_sending():
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
            self.refuse(RequestError(408, "the head did not come in time"), None)
        else:
            self.transport.close()

    def _exchange_timed_out(self, exchange: Exchange) -> None:
        upstream = exchange.upstream
        client_late = not exchange.request_done and upstream is not None and not self.holds & Hold.BODY
        if client_late and not (exchange.head.expect_continue and not exchange.continued):
            self._fail_request(exchange, RequestError(408, "the body did not come in time"))
            return
        self.counters[Slot.UPSTREAM_TIMEOUTS] += 1
        self._fail(exchange, 504, "the upstream did not answer in time")

    def drain(self) -> None:
        """The worker is leaving (called again and again): an idle connection may go, a busy one goes behind its answer.

        Idle for a moment only: the first request of a new connection, or the next one, may be on its way.
        """
        self.closing = True
        if self.phase != Phase.IDLE or self._buffer or self.transport.get_write_buffer_size():
            self._quiet_since = 0.0
            return
        now = time.monotonic()
        self._quiet_since = self._quiet_since or now
        if now - self._quiet_since > _DRAIN_GRACE_SECONDS:
            self.end(linger=False)
