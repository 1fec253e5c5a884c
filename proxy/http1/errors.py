"""What can be wrong with a message, and the status that says so."""

from __future__ import annotations

from proxy.errors import StockadeError


class MessageError(StockadeError):
    """A message that must not be relayed.

    `status` is the answer the client gets when the request is at fault, or 502 when the response is. The text says
    what was wrong, in English, for logs; it never repeats bytes of the message.
    """

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(reason)


class RequestError(MessageError):
    """The client's request is malformed, over a limit, or asks for what a reverse proxy must not do."""


class ResponseError(MessageError):
    """The upstream's response is malformed or over a limit; the client is answered 502 (RFC 9110 §15.6.3)."""

    def __init__(self, reason: str) -> None:
        super().__init__(502, reason)
