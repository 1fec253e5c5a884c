"""What Stockade answers by itself, before framing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole response: `body` always in full (a HEAD response drops it when it is framed).

    `headers` hold no framing: Content-Length, Connection and Date are added where the answer is written.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
