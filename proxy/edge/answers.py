"""Answers of our own, put on the wire."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.refusal.answer import Answer

_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


def encode_answer(answer: Answer, *, date: bytes, close: bool, head_only: bool, http11: bool) -> bytes:
    """Give the whole answer as bytes; `head_only`: it answers HEAD, so the body stays away (RFC 9110 §9.3.2).

    An origin server with a clock sends Date (RFC 9110 §6.6.1), and here we are the origin.
    """
    lines = [b"HTTP/1.1 %d %b" % (answer.status, _REASONS.get(answer.status, b""))]
    lines += [b"%b: %b" % header for header in answer.headers]
    lines.append(b"Date: " + date)
    lines.append(b"Content-Length: %d" % len(answer.body))
    if close:
        lines.append(b"Connection: close")
    elif not http11:
        lines.append(b"Connection: keep-alive")
    lines.append(b"")
    lines.append(b"" if head_only else answer.body)
    return b"\r\n".join(lines)
