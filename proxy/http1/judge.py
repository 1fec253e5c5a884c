"""llhttp's verdict on a head, in strict mode.

llhttp accepts or refuses; it builds nothing for us. It is given exactly the bytes up to the first CRLF CRLF, so that
"accepted" means: a head ends at that byte and nowhere before it. (It could end before only at a line end that is not
CRLF, which strict mode refuses everywhere in the head, except before the start line: `request` and `response` refuse
that.) What llhttp 9 in strict mode refuses, row by row, is held by `tests/http1/test_http1_judge.py`; what it admits
and proxies disagree on is refused by `request`, `response` and `chunked`.
"""

from __future__ import annotations

import re
from typing import Final

import httptools

from proxy.http1.errors import RequestError, ResponseError

# RFC 9110 §9.1: method = token, case-sensitive; and what ends it in a request line.
_METHOD: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ ")


class _HeadMark:
    """llhttp's callback for a head: remember that it ended. Callbacks that are not here cost nothing."""

    __slots__ = ("headers_complete",)

    def __init__(self) -> None:
        self.headers_complete = False

    def on_headers_complete(self) -> None:
        self.headers_complete = True


class _BodyMark:
    """llhttp's callback for a body: remember that the message ended."""

    __slots__ = ("message_complete",)

    def __init__(self) -> None:
        self.message_complete = False

    def on_message_complete(self) -> None:
        self.message_complete = True


# A parser lives for one head and none is fed while another is: one mark serves them all.
_mark = _HeadMark()


def judge_request_head(head: bytes) -> None:
    """Return when llhttp accepts `head` (request line to CRLF CRLF, inclusive).

    Raises RequestError: 501 for a method llhttp does not know (RFC 9110 §9.1: "SHOULD respond with the 501"), else 400.
    """
    _mark.headers_complete = False
    try:
        httptools.HttpRequestParser(_mark).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # a CONNECT or Upgrade head: complete, and what follows is ours to decide
    except httptools.HttpParserInvalidMethodError as error:
        if _METHOD.match(head) is None:
            raise RequestError(400, "no request line") from error
        raise RequestError(501, "unknown method") from error
    except httptools.HttpParserError as error:
        raise RequestError(400, str(error)) from error
    if not _mark.headers_complete:
        raise RequestError(400, "the head does not end where its empty line stands")


def judge_response_head(head: bytes) -> None:
    """Return when llhttp accepts `head` (status line to CRLF CRLF, inclusive); raises ResponseError."""
    _mark.headers_complete = False
    try:
        httptools.HttpResponseParser(_mark).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # 101: the tunnel begins behind this head
    except httptools.HttpParserError as error:
        raise ResponseError(str(error)) from error
    if not _mark.headers_complete:
        raise ResponseError("the head does not end where its empty line stands")


class ChunkedJudge:
    """llhttp's second opinion on a chunked request body, the classic place where two parsers disagree.

    Fed the very bytes that our own reader consumed; both must see the body end at the same byte.
    """

    __slots__ = ("_mark", "_parser")

    _HEAD = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"

    def __init__(self) -> None:
        self._mark = _BodyMark()
        self._parser = httptools.HttpRequestParser(self._mark)
        self._parser.feed_data(self._HEAD)

    def agree(self, consumed: bytes, *, done: bool) -> None:
        """Raise RequestError(400) unless llhttp accepts `consumed` and ends (or not) exactly there too."""
        try:
            self._parser.feed_data(consumed)
        except httptools.HttpParserError as error:
            raise RequestError(400, str(error)) from error
        if self._mark.message_complete is not done:
            raise RequestError(400, "ambiguous end of a chunked body")
