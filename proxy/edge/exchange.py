"""One request on its way: the client's side feeds it, the upstream's side drains it and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.edge.client_socket import Hold
from proxy.http1.chunked import ChunkedReader, frame_chunk, frame_end
from proxy.http1.errors import RequestError
from proxy.http1.judge import ChunkedJudge
from proxy.http1.request import CHUNKED, RequestHead

if TYPE_CHECKING:
    from proxy.edge.connection import ClientConnection
    from proxy.edge.upstream_connection import UpstreamConnection

# RFC 9110 §9.2.1: safe methods; sending one twice does what sending it once does.
_SAFE: Final = frozenset((b"GET", b"HEAD", b"OPTIONS"))
# What may gather while the upstream is being connected; past it the client is paused.
_MAX_WAITING: Final = 64 * 1024


class Exchange:
    """A request being relayed. Request bodies are re-framed here: counted, or chunked anew.

    `outgoing` is what the upstream gets first; `answered` turns true with the final response's head; `continued` when
    a client that expects 100 has no reason left to wait with the body.
    """

    __slots__ = (
        "_body_size",
        "_chunked",
        "_judge",
        "_left",
        "_max_body",
        "_waiting",
        "answered",
        "client",
        "continued",
        "head",
        "outgoing",
        "request_done",
        "retriable",
        "upstream",
    )

    def __init__(
        self,
        client: ClientConnection,
        head: RequestHead,
        outgoing: bytes,
        *,
        max_body: int,
        max_trailers: int,
    ) -> None:
        self.client = client
        self.head = head
        self.outgoing = outgoing
        self.upstream: UpstreamConnection | None = None
        self.answered = False
        self.continued = False
        self._left = head.body
        self._body_size = 0
        self._max_body = max_body
        self._waiting = 0
        self.request_done = head.body == 0
        self._chunked: ChunkedReader | None = None
        self._judge: ChunkedJudge | None = None
        if head.body == CHUNKED:
            self._chunked = ChunkedReader(max_trailer_bytes=max_trailers)
            self._judge = ChunkedJudge()
        # Sent on a connection that the upstream was just closing, it may be sent once more when that does no harm
        # (RFC 9110 §9.2.2); with a body part of it may already be gone.
        self.retriable = head.method in _SAFE and head.body == 0

    def feed(self, data: bytes) -> int:
        """Take body bytes from the client and send them on; returns how many of `data` belonged to this body.

        Raises RequestError: 400 for a malformed chunked body, 413 when it grows over the limit.
        """
        self.continued = True
        if self._chunked is not None and self._judge is not None:
            body, consumed = self._chunked.read(data)
            done = self._chunked.done
            self._judge.agree(data if consumed == len(data) else data[:consumed], done=done)
            self._body_size += len(body)
            if self._max_body and self._body_size > self._max_body:
                raise RequestError(413, "the body is too large")
            out = frame_chunk(body) if body else b""
            if done:
                out += frame_end(self._chunked.trailers)
                self.request_done = True
        else:
            consumed = min(self._left, len(data))
            out = data if consumed == len(data) else data[:consumed]
            self._left -= consumed
            self.request_done = self._left == 0
        if out:
            if self.upstream is None:
                self._hold(out)
            else:
                self.upstream.send_body(out)
        return consumed

    def _hold(self, out: bytes) -> None:
        self.outgoing += out
        self._waiting += len(out)
        if self._waiting > _MAX_WAITING:
            self.client.hold(Hold.BODY)
