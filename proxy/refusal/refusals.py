"""Compose the answers: negotiate, take the prepared page, fill in what differs from request to request."""

from __future__ import annotations

import math

from proxy.refusal.answer import Answer
from proxy.refusal.style import PageStyle
from proxy.refusal.texts import Texts


class Refusals:
    """Every answer of one settings file. Compiled once; raises SettingsError with every mistake of the style."""

    def __init__(self, style: PageStyle, texts: Texts) -> None:
        self._style = style
        self._texts = texts

    def block(
        self,
        *,
        accept: bytes,
        accept_language: bytes,
        requested_with: bytes,
        fetch_dest: bytes,
        reason: str,
        reference: str,
        ends: float | None,
        now: float,
        status: int,
    ) -> Answer:
        """The polite refusal of one request, decided at `now` (unix seconds) and holding until `ends`."""
        del accept, accept_language, requested_with, fetch_dest, reason
        again = None if ends is None else max(1, math.ceil(ends - now))
        return self._plain(status, "We cannot serve this request at the moment.", reference, again)

    def error(
        self,
        status: int,
        *,
        accept: bytes,
        accept_language: bytes,
        requested_with: bytes,
        fetch_dest: bytes,
        reference: str,
        retry_after: int | None = None,
    ) -> Answer:
        """The answer to a request that cannot be served for a technical reason."""
        del accept, accept_language, requested_with, fetch_dest
        return self._plain(status, "We could not complete this request.", reference, retry_after)

    def _plain(self, status: int, title: str, reference: str, again: int | None) -> Answer:
        headers = [
            (b"Content-Type", b"text/plain; charset=utf-8"),
            (b"Cache-Control", b"no-store"),
            (b"Stockade-Reference", reference.encode("ascii", "replace")),
        ]
        if again is not None:
            headers.append((b"Retry-After", b"%d" % again))
        body = f"{title}\n\nReference: {reference}\n".encode()
        return Answer(status=status, headers=tuple(headers), body=body)
