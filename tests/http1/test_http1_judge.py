"""What llhttp alone refuses and admits: the ground the splice stands on, held against its next version."""

from __future__ import annotations

import pytest

from proxy.http1.errors import RequestError, ResponseError
from proxy.http1.judge import ChunkedJudge, judge_request_head, judge_response_head

# Field lines no HTTP/1.1 head may hold, in requests and responses alike. `%` marks nothing: bytes as sent.
REFUSED_LINES = [
    pytest.param(b"A: b\r\n c", id="obs-fold"),
    pytest.param(b"A: b\r\n\tc", id="obs-fold-tab"),
    pytest.param(b"A:\r\n c", id="obs-fold-after-empty-value"),
    pytest.param(b"A: b\r\n ", id="line-of-white-space"),
    pytest.param(b" A: b", id="leading-space"),
    pytest.param(b"\tA: b", id="leading-tab"),
    pytest.param(b"A: b\rc", id="bare-cr-in-value"),
    pytest.param(b"A: b\r", id="cr-before-crlf"),
    pytest.param(b"A: b\nB: c", id="bare-lf-ends-line"),
    pytest.param(b"A: b\n", id="lf-before-crlf"),
    pytest.param(b"A\r: b", id="cr-in-name"),
    pytest.param(b"A\n: b", id="lf-in-name"),
    pytest.param(b"A : b", id="space-before-colon"),
    pytest.param(b"A\t: b", id="tab-before-colon"),
    pytest.param(b"Content-Length : 5", id="space-before-colon-of-content-length"),
    pytest.param(b"Transfer-Encoding : chunked", id="space-before-colon-of-transfer-encoding"),
    pytest.param(b"Transfer-Encoding\x0b: chunked", id="vtab-before-colon"),
    pytest.param(b"A b: c", id="space-in-name"),
    pytest.param(b": b", id="no-name"),
    pytest.param(b"A", id="no-colon"),
    pytest.param(b"A\0: b", id="nul-in-name"),
    pytest.param(b"A\x80: b", id="8-bit-name"),
    pytest.param(b"A(: b", id="separator-in-name"),
    pytest.param(b'"A": b', id="quoted-name"),
    pytest.param(b"Content-Length: 5\r\nContent-Length: 5", id="content-length-twice"),
    pytest.param(b"Content-Length: 5\r\nContent-Length: 6", id="content-length-differing"),
    pytest.param(b"Content-Length: 5\r\ncontent-length: 5", id="content-length-twice-other-case"),
    pytest.param(b"Content-Length: 5, 5", id="content-length-list"),
    pytest.param(b"Content-Length: 5 5", id="content-length-two-numbers"),
    pytest.param(b"Content-Length:", id="content-length-empty"),
    pytest.param(b"Content-Length: \t", id="content-length-blank"),
    pytest.param(b"Content-Length: 1_0", id="content-length-underscore"),
    pytest.param(b"Content-Length: +5", id="content-length-plus"),
    pytest.param(b"Content-Length: -5", id="content-length-minus"),
    pytest.param(b"Content-Length: 0x5", id="content-length-hex"),
    pytest.param(b"Content-Length: 5.0", id="content-length-fraction"),
    pytest.param(b"Content-Length: 5;", id="content-length-semicolon"),
    pytest.param(b'Content-Length: "5"', id="content-length-quoted"),
    pytest.param(b"Content-Length: \x0b5", id="content-length-vtab"),
    pytest.param(b"Content-Length: \xa05", id="content-length-nbsp"),
    pytest.param("Content-Length: \u0663".encode(), id="content-length-arabic-digit"),
    pytest.param("Content-Length: \uff15".encode(), id="content-length-full-width-digit"),
    pytest.param(b"Content-Length: \xb2", id="content-length-latin-1-superscript"),
    pytest.param(b"Content-Length: 18446744073709551616", id="content-length-overflow"),
    pytest.param(b"Content-Length: 5\r\nTransfer-Encoding: chunked", id="length-then-chunked"),
    pytest.param(b"Transfer-Encoding: chunked\r\nContent-Length: 5", id="chunked-then-length"),
    pytest.param(b"Content-Length: 0\r\nTransfer-Encoding: chunked", id="zero-length-then-chunked"),
    pytest.param(b"Transfer-Encoding:", id="transfer-encoding-empty"),
    pytest.param(b"Transfer-Encoding: \x0bchunked", id="transfer-encoding-vtab"),
]
REFUSED_VALUE_BYTES = [byte for byte in (*range(32), 127) if byte != 9]


@pytest.mark.parametrize("line", REFUSED_LINES)
def test_field_lines_that_parsers_read_apart_are_refused(line: bytes) -> None:
    """No head with such a line is accepted, first, between or last."""
    for fields in (b"%b\r\nX: y", b"X: y\r\n%b", b"X: y\r\n%b\r\nZ: z"):
        with pytest.raises(RequestError) as refusal:
            judge_request_head(b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % (fields % line))
        assert refusal.value.status == 400
        with pytest.raises(ResponseError):
            judge_response_head(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % (fields % line))


@pytest.mark.parametrize("byte", REFUSED_VALUE_BYTES)
def test_control_characters_in_a_value_are_refused(byte: int) -> None:
    """A field value holds HTAB, SP, VCHAR and obs-text, and nothing else (RFC 9110 §5.5)."""
    for value in (b"%cb", b"a%cb", b"a%c"):
        with pytest.raises(RequestError):
            judge_request_head(b"GET / HTTP/1.1\r\nHost: a\r\nA: %b\r\n\r\n" % (value % byte))
        with pytest.raises(ResponseError):
            judge_response_head(b"HTTP/1.1 200 OK\r\nA: %b\r\n\r\n" % (value % byte))


@pytest.mark.parametrize("byte", [9, *range(32, 127), *range(128, 256)])
def test_every_other_byte_of_a_value_is_admitted(byte: int) -> None:
    """Shops send 8-bit values; a relay does not mind."""
    judge_request_head(b"GET / HTTP/1.1\r\nHost: a\r\nA: x%cy\r\n\r\n" % byte)
    judge_response_head(b"HTTP/1.1 200 OK\r\nA: x%cy\r\n\r\n" % byte)


@pytest.mark.parametrize(
    "end",
    [b"\n", b"\r", b"\n\r", b"\r\r\n", b"\n\n", b"\r\r", b"\n\r\n", b"\r\n\n", b"\r\n\r", b"\r\n \r\n"],
    ids=repr,
)
@pytest.mark.parametrize("place", range(3), ids=["request-line", "first-field", "last-field"])
def test_a_line_ends_with_crlf_only(end: bytes, place: int) -> None:
    """No other line end is taken for one: a head cannot end before the CRLF CRLF by which it was found."""
    for opening, judge, error in (
        (b"POST / HTTP/1.1", judge_request_head, RequestError),
        (b"HTTP/1.1 200 OK", judge_response_head, ResponseError),
    ):
        ends = [b"\r\n"] * 3
        ends[place] = end
        head = b"%b%bHost: a%bContent-Length: 900%bX: y\r\n\r\n" % (opening, *ends)
        with pytest.raises(error):
            judge(head)


@pytest.mark.parametrize(
    "head", [b"", b"\r\n\r\n", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n"], ids=repr
)
def test_a_head_without_its_end_is_refused(head: bytes) -> None:
    """What is judged must be a whole head."""
    with pytest.raises(RequestError, match="does not end"):
        judge_request_head(head)


def test_a_response_head_without_its_end_is_refused() -> None:
    """Likewise for the upstream's."""
    with pytest.raises(ResponseError, match="does not end"):
        judge_response_head(b"HTTP/1.1 200 OK\r\nA: b\r\n")


@pytest.mark.parametrize(
    ("method", "status"),
    [
        pytest.param(b"FOO", 501, id="token-unknown"),
        pytest.param(b"get", 501, id="lower-case"),
        pytest.param(b"GETT", 501, id="longer-than-a-known-one"),
        pytest.param(b"G\0T", 400, id="nul"),
        pytest.param(b"\x16\x03\x01", 400, id="tls-hello"),
        pytest.param(b" GET", 400, id="leading-space"),
        pytest.param(b"GET\t/", 400, id="tab"),
        pytest.param(b"(GET)", 400, id="no-token"),
    ],
)
def test_an_unknown_method_is_told_from_garbage(method: bytes, status: int) -> None:
    """501 says that another method might do (RFC 9110 §9.1); what is no token is no request."""
    with pytest.raises(RequestError) as refusal:
        judge_request_head(b"%b / HTTP/1.1\r\nHost: a\r\n\r\n" % method)
    assert refusal.value.status == status


def test_a_body_that_ends_where_our_reader_ended_is_agreed_on() -> None:
    """The judge is content with the same end, whole and in pieces."""
    body = b"3\r\nabc\r\n0\r\nA: b\r\n\r\n"
    ChunkedJudge().agree(body, done=True)
    judge = ChunkedJudge()
    for position in range(len(body)):
        judge.agree(body[position : position + 1], done=position == len(body) - 1)


@pytest.mark.parametrize(
    ("body", "done"),
    [
        pytest.param(b"3\r\nabc\r\n0\r\n\r\n", False, id="llhttp-ends-first"),
        pytest.param(b"3\r\nabc\r\n0\r\n", True, id="llhttp-does-not-end"),
        pytest.param(b"3 \r\nabc\r\n", False, id="llhttp-refuses"),
    ],
)
def test_a_body_that_llhttp_reads_otherwise_is_refused(body: bytes, *, done: bool) -> None:
    """Two parsers that disagree are a smuggled request."""
    with pytest.raises(RequestError) as refusal:
        ChunkedJudge().agree(body, done=done)
    assert refusal.value.status == 400
