"""Response heads: framing in the RFC's order, what is refused, what is cut, what goes on."""

from __future__ import annotations

import pytest

from proxy.http1.errors import ResponseError
from proxy.http1.request import CHUNKED, UNTIL_CLOSE
from proxy.http1.response import read_response


def response(*lines: bytes, line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """Give a head of a status line and field lines."""
    return b"\r\n".join((line, *lines, b"", b""))


LENGTH = b"Content-Length: 5"
CODED = b"Transfer-Encoding: chunked"
SWITCH = [b"Connection: Upgrade", b"Upgrade: websocket"]


@pytest.mark.parametrize(
    ("line", "fields", "to_head", "body"),
    [
        pytest.param(b"HTTP/1.1 200 OK", [LENGTH], True, 0, id="item-1-head-length"),
        pytest.param(b"HTTP/1.1 200 OK", [CODED], True, 0, id="item-1-head-chunked"),
        pytest.param(b"HTTP/1.1 200 OK", [], True, 0, id="item-1-head-nothing"),
        pytest.param(b"HTTP/1.1 404 No", [LENGTH], True, 0, id="item-1-head-404"),
        pytest.param(b"HTTP/1.1 100 Continue", [], False, 0, id="item-1-100"),
        pytest.param(b"HTTP/1.1 101 Switching", SWITCH, False, 0, id="item-1-101"),
        pytest.param(b"HTTP/1.1 103 Early Hints", [LENGTH], False, 0, id="item-1-103-length"),
        pytest.param(b"HTTP/1.1 199 x", [CODED], False, 0, id="item-1-199-chunked"),
        pytest.param(b"HTTP/1.1 204 No Content", [], False, 0, id="item-1-204"),
        pytest.param(b"HTTP/1.1 204 No Content", [LENGTH], False, 0, id="item-1-204-length"),
        pytest.param(b"HTTP/1.1 204 No Content", [CODED], False, 0, id="item-1-204-chunked"),
        pytest.param(b"HTTP/1.1 304 Not Modified", [LENGTH], False, 0, id="item-1-304-length"),
        pytest.param(b"HTTP/1.1 304 Not Modified", [], False, 0, id="item-1-304"),
        pytest.param(b"HTTP/1.1 200 OK", [CODED], False, CHUNKED, id="item-4-chunked"),
        pytest.param(b"HTTP/1.1 200 OK", [b"transfer-ENCODING:\tCHUNKED "], False, CHUNKED, id="item-4-case"),
        pytest.param(b"HTTP/1.1 500 x", [CODED], False, CHUNKED, id="item-4-500"),
        pytest.param(b"HTTP/1.1 200 OK", [LENGTH], False, 5, id="item-6-length"),
        pytest.param(b"HTTP/1.1 200 OK", [b"content-length: 0"], False, 0, id="item-6-zero"),
        pytest.param(b"HTTP/1.1 205 Reset", [LENGTH], False, 5, id="item-6-205"),
        pytest.param(b"HTTP/1.0 200 OK", [LENGTH], False, 5, id="item-6-http-1.0"),
        pytest.param(b"HTTP/1.1 200 OK", [], False, UNTIL_CLOSE, id="item-8-close"),
        pytest.param(b"HTTP/1.0 200 OK", [], False, UNTIL_CLOSE, id="item-8-http-1.0"),
        pytest.param(
            b"HTTP/1.1 200 OK", [b"Connection: keep-alive"], False, UNTIL_CLOSE, id="item-8-keep-alive"
        ),
        pytest.param(b"HTTP/1.1 999 x", [LENGTH], False, 5, id="unknown-class"),
    ],
)
def test_the_body_is_framed_in_the_order_of_the_rfc(
    line: bytes,
    fields: list[bytes],
    to_head: bool,  # noqa: FBT001 (a column of the table)
    body: int,
) -> None:
    """RFC 9112 §6.3, item by item."""
    assert read_response(response(*fields, line=line), to_head=to_head).body == body


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([LENGTH, CODED], id="item-3-length-then-chunked"),
        pytest.param([CODED, LENGTH], id="item-3-chunked-then-length"),
        pytest.param([LENGTH, LENGTH], id="item-5-length-twice"),
        pytest.param([b"Content-Length: 5", b"Content-Length: 6"], id="item-5-lengths-differ"),
        pytest.param([b"Content-Length: 5, 5"], id="item-5-length-list"),
        pytest.param([b"Content-Length: 1_0"], id="item-5-underscore"),
        pytest.param([b"Content-Length: " + b"0" * 5000], id="item-5-5000-zeros"),
        pytest.param([b"Content-Length: 1" + b"0" * 18], id="item-5-19-digits"),
        pytest.param([b"Transfer-Encoding: gzip, chunked"], id="item-4-gzip-chunked"),
        pytest.param([b"Transfer-Encoding: chunked, gzip"], id="item-4-chunked-gzip"),
        pytest.param([b"Transfer-Encoding: gzip"], id="item-4-gzip"),
        pytest.param([b"Transfer-Encoding: identity"], id="item-4-identity"),
        pytest.param([b"Transfer-Encoding: chunked, chunked"], id="item-4-chunked-list"),
        pytest.param([CODED, CODED], id="item-4-chunked-twice"),
        pytest.param([CODED, b"Transfer-Encoding: gzip"], id="item-4-chunked-then-gzip"),
        pytest.param([b"A: b\r\n c"], id="obs-fold"),
        pytest.param([b"A : b"], id="space-before-colon"),
        pytest.param([b"A: \0"], id="nul"),
    ],
)
@pytest.mark.parametrize("to_head", [False, True], ids=["get", "head"])
def test_ambiguous_framing_is_refused(fields: list[bytes], *, to_head: bool) -> None:
    """Such a response is answered with 502, to HEAD as well: the same server sends the next one."""
    with pytest.raises(ResponseError) as refusal:
        read_response(response(*fields), to_head=to_head)
    assert refusal.value.status == 502


def test_chunked_from_http_1_0_is_refused() -> None:
    """RFC 9112 §6.1: its framing is faulty."""
    with pytest.raises(ResponseError):
        read_response(response(CODED, line=b"HTTP/1.0 200 OK"), to_head=False)


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.1 200  OK ", b"HTTP/1.1 200 \xe9t\xe9\xff",
        b"HTTP/1.1 200 a\tb", b"HTTP/1.1 200 HTTP/1.1 200", b"HTTP/1.1 600 x", b"HTTP/1.1 999", b"HTTP/1.1 299 x",
    ],
    ids=repr,
)  # fmt: skip
def test_a_status_line_goes_on_verbatim(line: bytes) -> None:
    """No reason, an odd one, 8-bit bytes, unknown codes: the client's to make sense of."""
    head = read_response(response(b"A: b", line=line), to_head=False)
    assert head.lines == line + b"\r\nA: b"
    assert head.status == int(line[9:12])


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1 099 x", b"HTTP/1.1 000 x", b"HTTP/1.1 1000 x", b"HTTP/1.1 20 x", b"HTTP/1.1 2x0 x",
        b"HTTP/1.1 -20 x",
        b"HTTP/1.1 +20 x", b"HTTP/1.1 \xb200 x", b"HTTP/1.1  200 x", b"HTTP/1.1\t200 x", b"HTTP/1.1 200\tx",
        b"HTTP/1.1 200x", b"HTTP/1.1", b"HTTP/1.1 ", b"HTTP/1.1 200 a\0b", b"HTTP/1.1 200 a\x01b",
        b"HTTP/1.1 200 a\x7f",
        b"HTTP/1.1 200 a\rb", b"HTTP/1.1 200 a\nb", b"HTTP/1.1 200\n", b"HTTP/1.1 200\r", b"HTTP/1.2 200 x",
        b"HTTP/0.9 200 x", b"HTTP/2.0 200 x", b"HTTP/2 200", b"http/1.1 200 x", b"ICY 200 OK", b"RTSP/1.0 200 x",
        b"\nHTTP/1.1 200 x", b"\r\nHTTP/1.1 200 x", b" HTTP/1.1 200 x", b"GET / HTTP/1.1", b"",
    ],
    ids=repr,
)  # fmt: skip
def test_a_status_line_of_another_shape_is_refused(line: bytes) -> None:
    """RFC 9112 §4, with or without the last space."""
    with pytest.raises(ResponseError):
        read_response(response(b"A: b", line=line), to_head=False)


@pytest.mark.parametrize(
    ("line", "fields", "keep_alive"),
    [
        pytest.param(b"HTTP/1.1 200 OK", [LENGTH], True, id="1.1"),
        pytest.param(b"HTTP/1.1 200 OK", [LENGTH, b"Connection: close"], False, id="1.1-close"),
        pytest.param(b"HTTP/1.1 200 OK", [LENGTH, b"connection: Foo, CLOSE"], False, id="1.1-close-in-list"),
        pytest.param(
            b"HTTP/1.1 200 OK",
            [LENGTH, b"Connection: keep-alive", b"Connection: close"],
            False,
            id="1.1-close-in-second-line",
        ),
        pytest.param(b"HTTP/1.1 200 OK", [LENGTH, b"Connection: keep-alive"], True, id="1.1-keep-alive"),
        pytest.param(b"HTTP/1.1 200 OK", [CODED], True, id="1.1-chunked"),
        pytest.param(b"HTTP/1.1 200 OK", [], False, id="1.1-until-close"),
        pytest.param(
            b"HTTP/1.1 200 OK", [b"Connection: keep-alive"], False, id="1.1-until-close-says-keep-alive"
        ),
        pytest.param(b"HTTP/1.0 200 OK", [LENGTH], False, id="1.0"),
        pytest.param(b"HTTP/1.0 200 OK", [LENGTH, b"Connection: Keep-Alive"], True, id="1.0-keep-alive"),
        pytest.param(b"HTTP/1.0 200 OK", [b"Connection: Keep-Alive"], False, id="1.0-until-close"),
        pytest.param(
            b"HTTP/1.0 200 OK", [LENGTH, b"Connection: Keep-Alive, close"], False, id="1.0-both"
        ),
    ],
)  # fmt: skip
def test_whether_the_upstream_connection_lasts(line: bytes, fields: list[bytes], keep_alive: bool) -> None:  # noqa: FBT001 (a column of the table)
    """RFC 9112 §9.3; never behind a body that only its close ends."""
    assert read_response(response(*fields, line=line), to_head=False).keep_alive is keep_alive


def test_http_1_0_goes_on_as_1_1() -> None:
    """RFC 9110 §2.5: an intermediary sends its own version."""
    head = read_response(response(b"A: HTTP/1.0", line=b"HTTP/1.0 200 HTTP/1.0"), to_head=False)
    assert head.lines == b"HTTP/1.1 200 HTTP/1.0\r\nA: HTTP/1.0"


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        pytest.param([b"Content-Length:  5 ", b"A: b"], [b"Content-Length:  5 ", b"A: b"], id="length-stays"),
        pytest.param([CODED, b"A: b"], [b"A: b"], id="transfer-encoding"),
        pytest.param([b"Connection: close", b"Keep-Alive: timeout=5"], [], id="connection-and-keep-alive"),
        pytest.param([b"PROXY-connection: close", b"te: x"], [], id="proxy-connection-and-te"),
        pytest.param([b"A: 1", b"Connection: b, C", b"B: 2", b"c:", b"D: 3"], [b"A: 1", b"D: 3"], id="named"),
        pytest.param([b"Connection: Content-Length", LENGTH], [LENGTH], id="length-cannot-be-named"),
        pytest.param([b"Connection: close", b"Close: x"], [b"Close: x"], id="close-is-no-name"),
        pytest.param([b"Connection: b.c", b"bXc: d"], [b"bXc: d"], id="a-dot-is-no-pattern"),
        pytest.param([b"Set-Cookie: \xe9", b"set-cookie: b"], [b"Set-Cookie: \xe9", b"set-cookie: b"], id="cookies"),
        pytest.param([b"A:", b"A: ", b"a: \t x \t"], [b"A:", b"A: ", b"a: \t x \t"], id="white-space"),
        pytest.param([b"Trailer: Digest", b"Tea: x"], [b"Trailer: Digest", b"Tea: x"], id="names-like-ours"),
        pytest.param([b"Content_Length: 7", LENGTH], [b"Content_Length: 7", LENGTH], id="underscores"),
    ],
)  # fmt: skip
def test_what_speaks_of_the_upstream_connection_ends_here(fields: list[bytes], sent: list[bytes]) -> None:
    """RFC 9110 §7.6.1: hop-by-hop lines and those that Connection names are cut, the rest goes on as it came."""
    head = read_response(response(*fields), to_head=False)
    assert head.lines.split(b"\r\n") == [b"HTTP/1.1 200 OK", *sent]


@pytest.mark.parametrize(
    ("status", "to_head", "stays"),
    [(100, False, False), (101, False, False), (103, False, False), (204, False, False), (204, True, False),
     (200, True, True), (304, False, True), (205, False, True)],
)  # fmt: skip
def test_a_length_where_none_may_be_is_cut(status: int, to_head: bool, stays: bool) -> None:  # noqa: FBT001 (columns of the table)
    """RFC 9110 §8.6: none with 1xx and 204, where a client might wait for the body; HEAD and 304 keep theirs."""
    fields = SWITCH if status == 101 else []
    head = read_response(response(LENGTH, *fields, line=b"HTTP/1.1 %d x" % status), to_head=to_head)
    assert (LENGTH in head.lines) is stays


@pytest.mark.parametrize(
    ("line", "fields", "upgrade"),
    [
        pytest.param(b"HTTP/1.1 101 x", SWITCH, b"websocket", id="101"),
        pytest.param(b"HTTP/1.1 101 x", [b"Upgrade: WebSocket \t", SWITCH[0]], b"WebSocket", id="101-as-sent"),
        pytest.param(b"HTTP/1.1 426 x", [b"Upgrade: TLS/1.2", b"Upgrade: h2c", LENGTH], b"TLS/1.2,h2c", id="426"),
        pytest.param(b"HTTP/1.1 200 OK", [b"Upgrade: h2,h2c", LENGTH], b"", id="200"),
    ],
)  # fmt: skip
def test_an_upgrade_is_given_where_it_means_something(
    line: bytes, fields: list[bytes], upgrade: bytes
) -> None:
    """RFC 9110 §7.8: at 101 and 426; the line itself is always cut."""
    head = read_response(response(*fields, line=line), to_head=False)
    assert head.upgrade == upgrade
    assert b"pgrade:" not in head.lines


@pytest.mark.parametrize("fields", [[], SWITCH[:1], SWITCH[1:]], ids=["neither", "no-header", "no-option"])
def test_switching_to_nothing_named_is_refused(fields: list[bytes]) -> None:
    """RFC 9110 §7.8: a 101 says in Upgrade, named in Connection, what it switches to."""
    with pytest.raises(ResponseError):
        read_response(response(*fields, line=b"HTTP/1.1 101 x"), to_head=False)


def test_what_apache_advertises_changes_nothing() -> None:
    """`Upgrade: h2,h2c` with `Connection: Upgrade, Keep-Alive` comes with every Apache that has mod_http2."""
    head = read_response(
        response(b"Upgrade: h2,h2c", b"Connection: Upgrade, Keep-Alive", b"Keep-Alive: timeout=5", LENGTH),
        to_head=False,
    )
    assert (head.lines, head.upgrade) == (b"HTTP/1.1 200 OK\r\n" + LENGTH, b"")
    assert (head.keep_alive, head.body) == (True, 5)
