"""One connection to the storefront: sends a request, reads its response, streams it to the client."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Final, cast

from proxy.edge.client_socket import WRITE_HIGH_WATER, Hold
from proxy.http1.chunked import ChunkedReader, frame_chunk, frame_end
from proxy.http1.errors import MessageError, ResponseError
from proxy.http1.request import CHUNKED, UNTIL_CLOSE
from proxy.http1.response import ResponseHead, read_response
from proxy.observability.counters import Slot

if TYPE_CHECKING:
    from proxy.edge.exchange import Exchange
    from proxy.edge.pool import Target
    from proxy.edge.tunnel import Tunnel

# Bytes read at once; what uvloop reads.
_READ: Final = 256 * 1024
# Interim responses before the final one; a server that sends more is broken.
_MAX_INTERIM: Final = 32
# Response heads: nginx allows one proxy_buffer of 4 or 8 KiB, Envoy 60 KiB, node 16 KiB; shops set many cookies.
_MAX_HEAD: Final = 64 * 1024


class UpstreamConnection(asyncio.Protocol):
    """A keep-alive connection to one target; serves one exchange at a time."""

    __slots__ = (
        "_body",
        "_buffer",
        "_chunked",
        "_framed",
        "_interim",
        "_keep_alive",
        "_paused",
        "exchange",
        "idle_since",
        "requests",
        "target",
        "transport",
        "tunnel",
    )

    def __init__(self, target: Target) -> None:
        self.target = target
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.exchange: Exchange | None = None
        self.tunnel: Tunnel | None = None
        self.idle_since = 0.0
        self.requests = 0
        self._buffer = b""
        # What is left of the response body: a count, CHUNKED, UNTIL_CLOSE; None while the head is awaited.
        self._body: int | None = None
        self._chunked: ChunkedReader | None = None
        self._framed = False  # the client gets this body chunked by us
        self._keep_alive = False
        self._interim = 0
        self._paused = False

    # -- events of the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; asyncio calls this once."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        """Read response bytes; anything that comes while no request waits ends the connection."""
        exchange = self.exchange
        if exchange is None:
            if self.tunnel is not None:
                self.tunnel.from_upstream(data)
            else:
                self.target.discard(self)
            return
        try:
            if self._body is None:
                self._read_head(exchange, self._buffer + data if self._buffer else data)
            else:
                exchange.client.touch_response()
                self._relay_body(exchange, data)
        except MessageError:
            self._fail(exchange)

    def pause_writing(self) -> None:
        """The upstream takes the request slower than the client sends it."""
        if self.tunnel is not None:
            self.tunnel.hold(client=False, held=True)
        elif self.exchange is not None:
            self.exchange.client.hold(Hold.BODY)

    def resume_writing(self) -> None:
        """The upstream caught up."""
        if self.tunnel is not None:
            self.tunnel.hold(client=False, held=False)
        elif self.exchange is not None:
            self.exchange.client.release(Hold.BODY)

    def eof_received(self) -> bool:
        """The upstream sent its last byte; for a body that ends with the connection this is its proper end."""
        if self.tunnel is not None:
            return self.tunnel.half_close(client=False)
        exchange = self.exchange
        if exchange is not None and self._body == UNTIL_CLOSE:
            self._keep_alive = False
            if self._framed:
                exchange.client.send(frame_end())
            self._finish(exchange)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection ended: before a response (retry or 502), inside one (broken), or idle (forget it)."""
        self.target.forget(self)
        if self.tunnel is not None:
            self.tunnel.close(abort=exc is not None)
            return
        if exc is not None and self.exchange is not None and self.exchange.head.body:
            self._read_what_came()
        exchange = self.exchange
        if exchange is None:
            return
        self.exchange = None
        if self._body is None and not self._buffer and not self._interim:
            exchange.client.upstream_gone(exchange, reused=self.requests > 1)
        else:
            exchange.client.response_broken(exchange)

    def _read_what_came(self) -> None:
        """Read an answer that a failed write of the request would lose.

        An upstream that answers without reading the body and closes at once resets the connection; its answer may
        wait in the kernel's buffer, which gives its bytes before the error. The socket is still open here: the
        transport closes it behind `connection_lost`.
        """
        sock = self.transport.get_extra_info("socket")
        if sock is None or self.transport.get_extra_info("ssl_object") is not None:
            return
        with contextlib.suppress(OSError):
            while self.exchange is not None and (data := os.read(sock.fileno(), _READ)):
                self.data_received(data)

    # -- calls of the exchange

    def start(self, exchange: Exchange) -> None:
        """Send the request; its response will be streamed to the exchange's client."""
        self.exchange = exchange
        exchange.upstream = self
        self.requests += 1
        self._body = None
        self._interim = 0
        self._buffer = b""
        client = exchange.client
        if client.holds:
            client.release(Hold.BODY)
        if client.write_held:
            self.pause_reading()
        self.transport.write(exchange.outgoing)
        if not exchange.retriable:
            exchange.outgoing = b""

    def send_body(self, data: bytes) -> None:
        """Send further request body bytes, framed already."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def abandon(self) -> None:
        """The client is gone or was answered otherwise: nothing of this connection can be used again."""
        self.exchange = None
        self.target.forget(self)
        self.transport.abort()

    def pause_reading(self) -> None:
        """The client takes the response slower than the upstream sends it."""
        if not self._paused and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """The client caught up."""
        if self._paused:
            self._paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()

    # -- reading the response

    def _read_head(self, exchange: Exchange, data: bytes) -> None:
        """Read heads (interim ones go straight on) until the final one, then the body bytes behind it."""
        while True:
            end = data.find(b"\r\n\r\n") + 4
            if end == 3:
                if len(data) > _MAX_HEAD:
                    raise ResponseError("the response head is too large")
                self._buffer = data
                return
            if end > _MAX_HEAD:
                raise ResponseError("the response head is too large")
            rest = data[end:] if len(data) > end else b""
            head = read_response(data[:end] if rest else data, to_head=exchange.head.method == b"HEAD")
            if head.status >= 200:
                self._buffer = b""
                self._begin_response(exchange, head, rest)
                return
            if head.status == 101:
                self._begin_tunnel(exchange, head, rest)
                return
            self._interim += 1
            if self._interim > _MAX_INTERIM:
                raise ResponseError("too many interim responses")
            exchange.client.send_interim(head)
            if not rest:
                self._buffer = b""
                return
            data = rest

    def _begin_response(self, exchange: Exchange, head: ResponseHead, rest: bytes) -> None:
        """Settle the client's framing, send the head, and the body bytes that came with it in the same write."""
        client = exchange.client
        http11 = exchange.head.http11
        body = head.body
        self._keep_alive = head.keep_alive
        self._framed = http11 and body < 0
        exchange.answered = True
        # RFC 9112 §9.6, §6.3: to HTTP/1.0 a body of unknown length ends with the connection. An answer that came
        # before the request was sent whole leaves the client's connection without a known place to go on.
        client.settle_persistence(exchange, lasting=http11 or body >= 0)
        ours = b"\r\nTransfer-Encoding: chunked" if self._framed else b""
        if head.upgrade:
            connection = b"upgrade, close" if client.closing else b"upgrade"
            ours += b"\r\nUpgrade: %b\r\nConnection: %b" % (head.upgrade, connection)
        elif client.closing:
            ours += b"\r\nConnection: close"
        elif not http11:
            ours += b"\r\nConnection: keep-alive"
        client.counters[
            Slot.RESPONSES_1XX + head.status // 100 - 1 if head.status < 600 else Slot.RESPONSES_5XX
        ] += 1
        self._body = body
        if body >= 0 and len(rest) <= body:
            self._body = left = body - len(rest)
            client.send(b"%b%b\r\n\r\n%b" % (head.lines, ours, rest))
            if left == 0:
                self._finish(exchange)
            else:
                client.touch_response()
            return
        client.send(b"%b%b\r\n\r\n" % (head.lines, ours))
        client.touch_response()
        if body == CHUNKED:
            self._chunked = ChunkedReader(max_trailer_bytes=_MAX_HEAD, response=True)
        if body == 0:
            self._keep_alive = (
                False  # bytes behind a response without a body: whose they are is anyone's guess
            )
            self._finish(exchange)
        elif rest:
            self._relay_body(exchange, rest)

    def _relay_body(self, exchange: Exchange, data: bytes) -> None:
        body = self._body
        client = exchange.client
        if body == CHUNKED and self._chunked is not None:
            content, consumed = self._chunked.read(data)
            done = self._chunked.done
            out = content
            if self._framed:
                out = frame_chunk(content) if content else b""
                if done:
                    out += frame_end(self._chunked.trailers)
            if out:
                client.send(out)
            if done:
                if consumed < len(data):
                    self._keep_alive = False
                self._body = 0
                self._chunked = None
                self._finish(exchange)
        elif body == UNTIL_CLOSE:
            client.send(frame_chunk(data) if self._framed else data)
        else:
            left = cast("int", body) - len(data)
            if left < 0:
                data = data[:left]
                left = 0
                self._keep_alive = False
            self._body = left
            client.send(data)
            if left == 0:
                self._finish(exchange)

    def _finish(self, exchange: Exchange) -> None:
        """The response is complete: give the connection back or end it, then let the client go on."""
        self.exchange = None
        self._body = None
        self.resume_reading()
        transport = self.transport
        if not exchange.request_done or (exchange.head.body and transport.get_write_buffer_size()):
            self.abandon()  # it answered without reading the whole request, and need never read the rest
        elif self._keep_alive and not transport.is_closing():
            self.target.give_back(self)
        else:
            self.target.forget(self)
            transport.close()
        exchange.client.response_done(exchange)

    def _fail(self, exchange: Exchange) -> None:
        """The response is malformed: 502 when nothing of it went to the client, else a visibly broken answer."""
        self.abandon()
        exchange.client.response_broken(exchange)

    def _begin_tunnel(self, exchange: Exchange, head: ResponseHead, rest: bytes) -> None:
        if not exchange.head.upgrade:
            raise ResponseError("101 without a request to switch")
        if head.upgrade and head.upgrade.lower() != exchange.head.upgrade:
            raise ResponseError("101 to another protocol than was asked for")
        client = exchange.client
        client.send(
            b"%b\r\nUpgrade: %b\r\nConnection: Upgrade\r\n\r\n%b"
            % (head.lines, head.upgrade or exchange.head.upgrade, rest)
        )
        self.exchange = None
        self._buffer = b""
        self.target.forget(self)
        self.tunnel = client.begin_tunnel(self.transport)
        client.open_tunnel(self.tunnel)
