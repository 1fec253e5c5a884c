"""Request heads: what is refused and with which status, what goes on untouched, and what is cut."""

from __future__ import annotations

import pytest

from proxy.http1.errors import RequestError
from proxy.http1.request import CHUNKED, HeadLimits, RequestHead, RequestReader

LIMITS = HeadLimits(head_bytes=2048, header_count=20, url_bytes=200)
READER = RequestReader(
    LIMITS,
    watched=(b"x-forwarded-for", b"x-forwarded-proto", b"x-real-ip"),
    cut=(b"x-forwarded-for", b"x-real-ip"),
)
TAILS = [b"G", b"\r\n", b"GET /next HTTP/1.1\r\n\r\n", b"\0\xff" * 40]


def request(line: bytes = b"GET / HTTP/1.1", fields: bytes = b"Host: a\r\n") -> bytes:
    """Give a head of a request line and field lines."""
    return b"%b\r\n%b\r\n" % (line, fields)


def head_with(*lines: bytes, line: bytes = b"GET / HTTP/1.1") -> bytes:
    """Give a head with a Host and further field lines."""
    return request(line, b"\r\n".join((b"Host: a", *lines, b"")))


def read(head: bytes) -> RequestHead:
    """Read a head as it comes: no prefix has an end, and trailing bytes stay unread."""
    for size in range(len(head)):
        assert READER.find_end(head[:size], 0) == 0
    for tail in (b"", *TAILS):
        assert READER.find_end(b"X" * 7 + head + tail, 7) == len(head) + 7
    return READER.read(head)


def receive(head: bytes) -> None:
    """Take a head byte by byte, then with trailing bytes; it is refused early or when it is whole."""
    for size in range(1, len(head)):
        assert READER.find_end(head[:size], 0) == 0
    for tail in TAILS:
        assert READER.find_end(head + tail, 0) == len(head)
    READER.read(head)


def receive_whole(head: bytes) -> None:
    """Take a head that comes in one piece."""
    READER.find_end(head, 0)
    READER.read(head)


def status_of(head: bytes) -> int:
    """Give the status a head is refused with, the same whole and byte by byte."""
    with pytest.raises(RequestError) as single:
        receive(head)
    with pytest.raises(RequestError) as whole:
        receive_whole(head)
    assert whole.value.status == single.value.status
    return whole.value.status


REFUSED_REQUEST_LINES = [
    (b"\nGET / HTTP/1.1", 400, "lf-before-method"),
    (b"\rGET / HTTP/1.1", 400, "cr-before-method"),
    (b"\r\nGET / HTTP/1.1", 400, "crlf-before-method"),
    (b"\n\n\nTRACE / HTTP/1.1", 400, "lf-hides-trace"),
    (b" GET / HTTP/1.1", 400, "leading-space"),
    (b"\0GET / HTTP/1.1", 400, "leading-nul"),
    (b"\x16\x03\x01 / HTTP/1.1", 400, "tls-hello"),
    (b"GET  / HTTP/1.1", 400, "two-spaces-before-target"),
    (b"GET /  HTTP/1.1", 400, "two-spaces-before-version"),
    (b"GET / HTTP/1.1 ", 400, "space-after-version"),
    (b"GET\t/ HTTP/1.1", 400, "tab-before-target"),
    (b"GET /\tHTTP/1.1", 400, "tab-before-version"),
    (b"GET /a b HTTP/1.1", 400, "space-in-target"),
    (b"GET / HTTP/1.1\n", 400, "lf-after-version"),
    (b"GET / HTTP/1.1\r", 400, "cr-after-version"),
    (b"GET /", 400, "http-0.9-simple"),
    (b"GET / ", 400, "no-version"),
    (b"GET  HTTP/1.1", 400, "no-target"),
    (b"GET HTTP/1.1", 400, "two-words"),
    (b"GET", 400, "one-word"),
    (b"GET / HTTP/0.9", 505, "http-0.9"),
    (b"GET / HTTP/1.2", 505, "http-1.2"),
    (b"GET / HTTP/2.0", 505, "http-2.0"),
    (b"GET / HTTP/3.0", 505, "http-3.0"),
    (b"PRI * HTTP/2.0", 505, "http-2-preface"),
    (b"GET / HTTP/1.10", 400, "http-1.10"),
    (b"GET / HTTP/01.1", 400, "http-01.1"),
    (b"GET / HTTP/11", 400, "http-11"),
    (b"GET / HTTP/1,1", 400, "http-comma"),
    (b"GET / http/1.1", 400, "version-lower-case"),
    (b"GET / HTTP", 400, "version-without-number"),
    (b"DESCRIBE rtsp://a/ RTSP/1.0", 400, "rtsp"),
    (b"GET / RTSP/1.0", 400, "rtsp-get"),
    (b"SOURCE /x ICE/1.0", 400, "ice"),
    (b"get / HTTP/1.1", 501, "method-lower-case"),
    (b"FOO / HTTP/1.1", 501, "method-unknown"),
    (b"GETT / HTTP/1.1", 501, "method-longer"),
    (b"G\0T / HTTP/1.1", 400, "nul-in-method"),
    (b"TRACE / HTTP/1.1", 405, "trace"),
    (b"CONNECT a:443 HTTP/1.1", 405, "connect"),
    (b"CONNECT / HTTP/1.1", 405, "connect-path"),
    (b"CONNECT http://a/ HTTP/1.1", 405, "connect-absolute"),
    (b"GET /a#b HTTP/1.1", 400, "fragment"),
    (b"GET /# HTTP/1.1", 400, "empty-fragment"),
    (b"GET /?a#b HTTP/1.1", 400, "fragment-after-query"),
    (b"GET http://a/#b HTTP/1.1", 400, "fragment-absolute"),
    (b"GET http://a#b HTTP/1.1", 400, "fragment-after-authority"),
    (b"GET # HTTP/1.1", 400, "fragment-only"),
    (b"GET * HTTP/1.1", 400, "asterisk-with-get"),
    (b"POST * HTTP/1.1", 400, "asterisk-with-post"),
    (b"OPTIONS ** HTTP/1.1", 400, "two-asterisks"),
    (b"OPTIONS */ HTTP/1.1", 400, "asterisk-path"),
    (b"GET a:80 HTTP/1.1", 400, "authority-form"),
    (b"GET a HTTP/1.1", 400, "relative-form"),
    (b"GET a/b HTTP/1.1", 400, "relative-path"),
    (b"GET ?a HTTP/1.1", 400, "query-only"),
    (b"GET \\a HTTP/1.1", 400, "backslash-first"),
    (b"GET /\xe9 HTTP/1.1", 400, "8-bit-target"),
    (b"GET /\0 HTTP/1.1", 400, "nul-in-target"),
    (b"GET /\x7f HTTP/1.1", 400, "del-in-target"),
    (b"GET ftp://a/ HTTP/1.1", 400, "absolute-ftp"),
    (b"GET ws://a/ HTTP/1.1", 400, "absolute-ws"),
    (b"GET file:///etc/passwd HTTP/1.1", 400, "absolute-file"),
    (b"GET http:/a HTTP/1.1", 400, "absolute-one-slash"),
    (b"GET http:a HTTP/1.1", 400, "absolute-no-slash"),
    (b"GET http:///a HTTP/1.1", 400, "absolute-no-authority"),
    (b"GET http:// HTTP/1.1", 400, "absolute-nothing"),
    (b"GET http://?a HTTP/1.1", 400, "absolute-query-only"),
    (b"GET http://:80/ HTTP/1.1", 400, "absolute-no-host"),
    (b"GET http://u@a/ HTTP/1.1", 400, "absolute-user"),
    (b"GET http://u:p@a/ HTTP/1.1", 400, "absolute-user-and-password"),
    (b"GET http://@a/ HTTP/1.1", 400, "absolute-empty-user"),
    (b"GET http://a:b/ HTTP/1.1", 400, "absolute-port-letters"),
    (b"GET http://a:80:80/ HTTP/1.1", 400, "absolute-two-ports"),
    (b"GET http://a:123456/ HTTP/1.1", 400, "absolute-port-too-long"),
    (b"GET http://[::1/ HTTP/1.1", 400, "absolute-open-bracket"),
    (b"GET http://a,b/ HTTP/1.1", 400, "absolute-list"),
    (b"GET http://a\\b/ HTTP/1.1", 400, "absolute-backslash"),
    (b"GET /" + b"a" * 200 + b" HTTP/1.1", 414, "target-one-too-long"),
    (b"GET /" + b"a" * 3000 + b" HTTP/1.1", 414, "target-larger-than-a-head"),
    (b"GET http://a/" + b"a" * 200 + b" HTTP/1.1", 414, "absolute-target-too-long"),
]


@pytest.mark.parametrize(
    ("line", "status"), [pytest.param(line, status, id=name) for line, status, name in REFUSED_REQUEST_LINES]
)
def test_a_request_line_of_another_shape_is_refused(line: bytes, status: int) -> None:
    """RFC 9112 §3 to the letter: one space, one of four target forms, HTTP/1.0 or 1.1."""
    assert status_of(request(line)) == status


REFUSED_FIELDS = [
    (b"", 400, "no-host"),
    (b"Host: a\r\nHost: a\r\n", 400, "host-twice"),
    (b"Host: a\r\nHost: b\r\n", 400, "hosts-differ"),
    (b"Host: a\r\nhOsT: b\r\n", 400, "hosts-differ-in-case"),
    (b"Host: a\r\nX: y\r\nHost:\r\n", 400, "second-host-empty"),
    (b"Host: a, b\r\n", 400, "host-list"),
    (b"Host: a b\r\n", 400, "host-space"),
    (b"Host: u@a\r\n", 400, "host-user"),
    (b"Host: a/b\r\n", 400, "host-path"),
    (b"Host: a?b\r\n", 400, "host-query"),
    (b"Host: a#b\r\n", 400, "host-fragment"),
    (b"Host: a\\b\r\n", 400, "host-backslash"),
    (b'Host: "a"\r\n', 400, "host-quoted"),
    (b"Host: <a>\r\n", 400, "host-angle-brackets"),
    (b"Host: http://a\r\n", 400, "host-url"),
    (b"Host: :80\r\n", 400, "host-port-only"),
    (b"Host: a:b\r\n", 400, "host-port-letters"),
    (b"Host: a:80:80\r\n", 400, "host-two-ports"),
    (b"Host: a:-1\r\n", 400, "host-port-negative"),
    (b"Host: a:123456\r\n", 400, "host-port-too-long"),
    (b"Host: ::1\r\n", 400, "host-ipv6-bare"),
    (b"Host: [::1\r\n", 400, "host-open-bracket"),
    (b"Host: [::1]a\r\n", 400, "host-after-bracket"),
    (b"Host: [a.example]\r\n", 400, "host-name-in-brackets"),
    (b"Host: [fe80::1%25eth0]\r\n", 400, "host-zone-id"),
    ("Host: bücher.example\r\n".encode(), 400, "host-8-bit"),
    (b"Host: a\r\nTransfer-Encoding: gzip\r\n", 400, "coding-gzip"),
    (b"Host: a\r\nTransfer-Encoding: gzip, chunked\r\n", 400, "coding-list"),
    (b"Host: a\r\nTransfer-Encoding: chunked, chunked\r\n", 400, "chunked-list"),
    (b"Host: a\r\nTransfer-Encoding: chunked, identity\r\n", 400, "chunked-then-identity"),
    (b"Host: a\r\nTransfer-Encoding: identity\r\n", 400, "coding-identity"),
    (b"Host: a\r\nTransfer-Encoding: ,chunked\r\n", 400, "coding-leading-comma"),
    (b"Host: a\r\nTransfer-Encoding: chunked,\r\n", 400, "coding-trailing-comma"),
    (b"Host: a\r\nTransfer-Encoding: chunked;q=1\r\n", 400, "coding-parameter"),
    (b"Host: a\r\nTransfer-Encoding: xchunked\r\n", 400, "coding-xchunked"),
    (b'Host: a\r\nTransfer-Encoding: "chunked"\r\n', 400, "coding-quoted"),
    (b"Host: a\r\nTransfer-Encoding: chunked\xa0\r\n", 400, "coding-nbsp"),
    (b"Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400, "chunked-twice"),
    (b"Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", 400, "chunked-then-gzip"),
    (b"Host: a\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 400, "gzip-then-chunked"),
    (b"Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n", 400, "chunked-and-length"),
    (b"Host: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400, "length-and-chunked"),
    (b"Host: a\r\nContent-Length: 3\r\nTransfer-Encoding: identity\r\n", 400, "length-and-identity"),
    (b"Host: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n", 400, "length-twice"),
    (b"Host: a\r\nContent-Length: 1" + b"0" * 18 + b"\r\n", 400, "length-of-19-digits"),
    (b"Host: a\r\nContent-Length: 18446744073709551615\r\n", 400, "length-2-to-64"),
    (b"Host: a\r\nContent-Length: " + b"0" * 1500 + b"5\r\n", 400, "length-of-many-zeros"),
    (b"Host: a\r\nExpect: 200-ok\r\n", 417, "expect-other"),
    (b"Host: a\r\nExpect:\r\n", 417, "expect-empty"),
    (b"Host: a\r\nExpect: 100-continue, x\r\n", 417, "expect-list"),
    (b"Host: a\r\nExpect: y 100-continue\r\n", 417, "expect-prefixed"),
    (b"Host: a\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n", 417, "expect-twice"),
    (b"Host: a\r\nConnection: close, Host\r\n", 400, "connection-names-host"),
    (b"Host: a\r\nConnection: content-length\r\nContent-Length: 3\r\n", 400, "connection-names-length"),
    (b"Host: a\r\nConnection: a\r\nConnection: b, HOST\r\n", 400, "second-connection-names-host"),
    (b"Host: a\r\nConnection: " + b"a," * 32 + b"b\r\n", 400, "33-options"),
    (b"Host: a\r\n" + b"Connection: b\r\n" * 17 + b"Connection: " + b"," * 20 + b"\r\n", 400, "37-options"),
    (b"Host: a\r\n" + b"A: b\r\n" * 20, 431, "21-lines"),
    (b"Host: a\r\nA: " + b"b" * 3000 + b"\r\n", 431, "head-too-large"),
    (b"Host: a\r\n" + b"A: b\r\n" * 500, 431, "head-of-many-lines-too-large"),
]


@pytest.mark.parametrize(
    ("fields", "status"), [pytest.param(fields, status, id=name) for fields, status, name in REFUSED_FIELDS]
)
def test_field_lines_that_mislead_are_refused(fields: bytes, status: int) -> None:
    """What frames or routes a message stands there once, in one form, within the limits."""
    assert status_of(request(b"POST / HTTP/1.1", fields)) == status


def test_transfer_coding_in_http_1_0_is_refused() -> None:
    """RFC 9112 §6.1: such a message has faulty framing."""
    head = head_with(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.0")
    assert status_of(head) == 400


PASSING_LINES = [
    (b"GET /? HTTP/1.1", "empty-query"),
    (b"GET /??a?=&&b HTTP/1.1", "odd-query"),
    (b"GET /a%2Fb%2e%2e%00 HTTP/1.1", "escapes"),
    (b"GET /a%zz% HTTP/1.1", "broken-escapes"),
    (b"GET //a//b/../c/./ HTTP/1.1", "dots-and-slashes"),
    (b"GET //evil.example/a HTTP/1.1", "two-slashes-first"),
    (b"GET /a;b=c,d:e@f!$&'()*+~ HTTP/1.1", "sub-delims"),
    (b'GET /a"<>[]\\^`{|} HTTP/1.1', "bytes-no-uri-has"),
    (b"GET /HTTP/1.0?HTTP/1.1 HTTP/1.1", "target-like-a-version"),
    (b"GET /http://b/ HTTP/1.1", "url-in-path"),
    (b"GET /" + b"a" * 199 + b" HTTP/1.1", "longest-target"),
    (b"HEAD / HTTP/1.1", "head"),
    (b"DELETE /a HTTP/1.1", "delete"),
    (b"PATCH /a HTTP/1.1", "patch"),
    (b"PROPFIND /a HTTP/1.1", "webdav"),
    (b"M-SEARCH /a HTTP/1.1", "method-with-dash"),
    (b"OPTIONS * HTTP/1.1", "options-asterisk"),
    (b"OPTIONS /a HTTP/1.1", "options-path"),
]


@pytest.mark.parametrize("line", [pytest.param(line, id=name) for line, name in PASSING_LINES])
def test_a_request_line_goes_on_verbatim(line: bytes) -> None:
    """Targets are the shop's business: nothing is decoded, merged or normalised."""
    head = read(request(line))
    assert head.lines == line + b"\r\nHost: a"
    assert [head.method, head.target] == line.split(b" ")[:2]
    assert (head.http11, head.keep_alive, head.host, head.body) == (True, True, b"a", 0)


PASSING_FIELDS = [
    (b"A: \xe9\xff\x80", "8-bit-value"),
    (b"A:", "empty-value"),
    (b"A: ", "blank-value"),
    (b"A:b", "no-space"),
    (b"A: \t b \t ", "white-space-around"),
    (b"aBc: d\r\nABC: e\r\nabc: f", "case-and-repeats"),
    (b"Z: 1\r\nA: 2\r\nM: 3\r\nA: 4", "order"),
    (b"!#$%&'*+-.^_`|~0: x", "every-token-character"),
    (b'Cookie: a=b; c="d"\r\nCookie: e', "two-cookies"),
    (b"Content_Type: a\r\nX_A: b", "underscores"),
    (b"X-Connection: close\r\nConnections: a\r\nTea: b\r\nHosts: c", "names-like-ours"),
    (b"Upgrade-Insecure-Requests: 1\r\nKeep-Alive-X: 1", "names-that-begin-like-ours"),
    (b"X: a\tConnection: close", "our-name-in-a-value"),
    (b"Content-Length: 0", "length-zero"),
    (b"Trailer: Digest", "trailer"),
    (b"Proxy-Authorization: Basic x", "proxy-authorization"),
    (b"HTTP2-Settings: x", "settings-without-upgrade"),
    (b"X-Forwarded-Proto: https", "watched-but-not-cut"),
]


@pytest.mark.parametrize("fields", [pytest.param(fields, id=name) for fields, name in PASSING_FIELDS])
def test_field_lines_go_on_verbatim(fields: bytes) -> None:
    """Names keep their case and order, values their bytes and white space."""
    head = head_with(fields)
    assert read(head).lines == head[:-4]


@pytest.mark.parametrize(
    "host",
    [
        b"", b"shop.example", b"shop.example:8080", b"shop.example:", b"a_b.example", b"127.0.0.1", b"[::1]",
        b"[2001:db8::1]:443", b"[::ffff:1.2.3.4]", b"xn--bcher-kva.example", b"SHOP.example.", b"a%20b",
    ],
    ids=repr,
)  # fmt: skip
def test_a_host_is_read_as_sent(host: bytes) -> None:
    """Host names, literals and an empty value (RFC 9110 §7.2) are given without the white space around them."""
    head = read(request(fields=b"hOST: \t%b \t\r\n" % host))
    assert head.host == host
    assert head.lines.endswith(b"\r\nhOST: \t%b \t" % host)


@pytest.mark.parametrize(
    ("target", "host", "sent"),
    [
        pytest.param(b"http://b/c", b"b", b"/c", id="path"),
        pytest.param(b"http://b", b"b", b"/", id="nothing-behind"),
        pytest.param(b"http://b/", b"b", b"/", id="root"),
        pytest.param(b"http://b?c", b"b", b"/?c", id="query-only"),
        pytest.param(b"http://b:8080?c/d", b"b:8080", b"/?c/d", id="port-and-query"),
        pytest.param(b"HTTPS://b:443/c?d=http://e/", b"b:443", b"/c?d=http://e/", id="scheme-upper-case"),
        pytest.param(b"http://[::1]:80/c", b"[::1]:80", b"/c", id="literal"),
        pytest.param(b"http://b//c", b"b", b"//c", id="two-slashes"),
    ],
)
def test_an_absolute_target_speaks_for_the_host(target: bytes, host: bytes, sent: bytes) -> None:
    """RFC 9112 §3.2.2: its authority replaces Host, and path and query go on."""
    head = read(request(b"GET %b HTTP/1.1" % target, b"X: y\r\nHost: a\r\nZ: z\r\n"))
    assert (head.host, head.target) == (host, sent)
    assert head.lines == b"GET %b HTTP/1.1\r\nHost: %b\r\nX: y\r\nZ: z" % (sent, host)


def test_an_absolute_target_without_host_line_is_refused_in_http_1_1_only() -> None:
    """RFC 9112 §3.2 asks for Host in every HTTP/1.1 request; HTTP/1.0 knew none."""
    assert status_of(request(b"GET http://b/ HTTP/1.1", b"")) == 400
    head = read(request(b"GET http://b/ HTTP/1.0", b""))
    assert (head.host, head.lines) == (b"b", b"GET / HTTP/1.1\r\nHost: b")


@pytest.mark.parametrize(
    ("target", "sent"), [(b"http://b", b"*"), (b"http://b/", b"/"), (b"http://b?", b"/?"), (b"*", b"*")]
)
def test_options_of_a_whole_server_ends_as_an_asterisk(target: bytes, sent: bytes) -> None:
    """RFC 9112 §3.2.4: with neither path nor query the last proxy sends `*`."""
    head = read(request(b"OPTIONS %b HTTP/1.1" % target))
    assert head.target == sent
    assert head.lines.startswith(b"OPTIONS %b HTTP/1.1\r\nHost: " % sent)


def test_a_host_that_is_cut_is_not_put_back() -> None:
    """Where the operator sets Host, neither the client's line nor its absolute target brings one."""
    reader = RequestReader(LIMITS, cut=(b"host",))
    for line in (b"GET / HTTP/1.1", b"GET http://b/ HTTP/1.1"):
        assert reader.read(request(line, b"Host: a\r\nX: y\r\n")).lines == b"GET / HTTP/1.1\r\nX: y"


def test_http_1_0_goes_on_as_1_1() -> None:
    """RFC 9110 §2.5: an intermediary sends its own version; the target keeps what looks like one."""
    head = read(request(b"GET /HTTP/1.0 HTTP/1.0", b"A: b\r\n"))
    assert head.lines == b"GET /HTTP/1.0 HTTP/1.1\r\nA: b"
    assert (head.http11, head.keep_alive, head.host) == (False, False, None)
    assert read(request(b"GET / HTTP/1.0", b"")).lines == b"GET / HTTP/1.1"


@pytest.mark.parametrize(
    ("value", "http11", "http10"),
    [
        pytest.param(b"close", False, False, id="close"),
        pytest.param(b"keep-alive", True, True, id="keep-alive"),
        pytest.param(b"Keep-Alive", True, True, id="capitals"),
        pytest.param(b"KEEP-ALIVE\t", True, True, id="upper-case"),
        pytest.param(b"close, keep-alive", False, False, id="close-first"),
        pytest.param(b"keep-alive , CLOSE", False, False, id="close-last"),
        pytest.param(b"", True, False, id="empty"),
        pytest.param(b",, ,", True, False, id="commas"),
        pytest.param(b"closed", True, False, id="not-close"),
        pytest.param(b"x-a", True, False, id="other"),
    ],
)
def test_persistence_follows_the_connection_options(value: bytes, http11: bool, http10: bool) -> None:  # noqa: FBT001 (columns of the table)
    """RFC 9112 §9.3: close, else HTTP/1.1, else keep-alive."""
    assert read(head_with(b"Connection: " + value)).keep_alive is http11
    assert read(head_with(b"Connection: " + value, line=b"GET / HTTP/1.0")).keep_alive is http10


def test_connection_options_of_several_lines_are_one_list() -> None:
    """RFC 9110 §5.3: the order and number of lines change nothing."""
    assert not read(head_with(b"Connection: keep-alive", b"Connection: close")).keep_alive
    assert not read(head_with(b"Connection:", b"Connection: x", b"connection: close")).keep_alive


def test_32_connection_options_are_read() -> None:
    """The most that are; one more is refused."""
    head = read(head_with(b"Connection: " + b"a," * 31 + b"close", b"A: b"))
    assert (head.keep_alive, head.lines) == (False, b"GET / HTTP/1.1\r\nHost: a")


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        pytest.param([b"Connection: keep-alive"], [], id="connection"),
        pytest.param([b"CONNECTION: close", b"A: b"], [b"A: b"], id="connection-upper-case"),
        pytest.param([b"Keep-Alive: timeout=5", b"A: b"], [b"A: b"], id="keep-alive"),
        pytest.param([b"Proxy-Connection: close"], [], id="proxy-connection"),
        pytest.param([b"TE: trailers"], [], id="te"),
        pytest.param([b"Upgrade: h2c"], [], id="upgrade"),
        pytest.param([b"Transfer-Encoding: chunked"], [], id="transfer-encoding"),
        pytest.param([b"A: b", b"Connection: c", b"C: d", b"cc: e"], [b"A: b", b"cc: e"], id="named"),
        pytest.param([b"c: 1", b"Connection: C , d", b"C: 2", b"D:"], [], id="named-several"),
        pytest.param([b"Connection: close", b"Close: x"], [b"Close: x"], id="close-is-no-name"),
        pytest.param([b"Connection: content-type", b"Content-Type: x"], [b"Content-Type: x"], id="content-type"),
        pytest.param([b"Connection: expect", b"Expect: 100-continue"], [b"Expect: 100-continue"], id="expect"),
        pytest.param(
            [b"Connection: Transfer-Encoding", b"Transfer-Encoding: chunked"], [], id="names-transfer-encoding"
        ),
        pytest.param(
            [b"Connection: X-Forwarded-Proto", b"X-Forwarded-Proto: https"],
            [b"X-Forwarded-Proto: https"],
            id="names-a-forwarding-line",
        ),
        pytest.param([b"Connection: a.b", b"aXb: c"], [b"aXb: c"], id="name-with-a-dot-is-no-pattern"),
        pytest.param([b"Connection: HTTP2-Settings", b"HTTP2-Settings: x"], [], id="h2c-settings"),
    ],
)  # fmt: skip
def test_what_speaks_of_this_connection_ends_here(fields: list[bytes], sent: list[bytes]) -> None:
    """RFC 9110 §7.6.1: hop-by-hop lines and those that Connection names are cut, the rest stays."""
    head = read(head_with(*fields))
    assert head.lines.split(b"\r\n")[1:] == [b"Host: a", *sent]


def test_watched_lines_are_noted_and_cut_lines_cut() -> None:
    """Names lower case, values as sent, in order of appearance."""
    head = read(
        head_with(b"X-Forwarded-For: 1", b"X-Real-IP:  2 ", b"x-forwarded-FOR:", b"X-Forwarded-Proto: https")
    )
    assert head.noted == [
        (b"x-forwarded-for", b"1"),
        (b"x-real-ip", b"2 "),
        (b"x-forwarded-for", b""),
        (b"x-forwarded-proto", b"https"),
    ]
    assert head.lines == b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https"


def test_a_noted_line_stays_noted_when_connection_names_it() -> None:
    """A client cannot hide what a trusted proxy said of it."""
    head = read(head_with(b"Connection: x-forwarded-for", b"X-Forwarded-For: 1"))
    assert head.noted == [(b"x-forwarded-for", b"1")]


@pytest.mark.parametrize(
    "name",
    [
        b"X_Forwarded_For", b"x-forwarded_for", b"X_Forwarded_Proto", b"X_Real-IP", b"Content_Length",
        b"Transfer_Encoding", b"Keep_Alive", b"Proxy_Connection",
    ],
    ids=repr,
)  # fmt: skip
def test_our_names_spelled_with_underscores_are_cut_and_count_for_nothing(name: bytes) -> None:
    """To a CGI, WSGI or PHP upstream they would be the real ones."""
    head = read(head_with(name + b": 5", b"A: b"))
    assert head.lines == b"GET / HTTP/1.1\r\nHost: a\r\nA: b"
    assert (head.noted, head.body) == ([], 0)


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        pytest.param([], 0, id="none"),
        pytest.param([b"Content-Length: 0"], 0, id="zero"),
        pytest.param([b"content-LENGTH:\t42 \t"], 42, id="white-space"),
        pytest.param([b"Content-Length: 007"], 7, id="zeros-first"),
        pytest.param([b"Content-Length: " + b"9" * 18], 10**18 - 1, id="largest"),
        pytest.param([b"Transfer-Encoding: chunked"], CHUNKED, id="chunked"),
        pytest.param([b"TRANSFER-encoding:\tChunkeD "], CHUNKED, id="chunked-any-case"),
    ],
)
def test_the_body_is_framed_by_length_or_chunks(fields: list[bytes], body: int) -> None:
    """RFC 9112 §6.3; a request without either has no body, whatever its method."""
    assert read(head_with(*fields, line=b"POST / HTTP/1.1")).body == body
    assert read(head_with(*fields, line=b"GET / HTTP/1.1")).body == body


@pytest.mark.parametrize("value", [b"100-continue", b"100-Continue", b"\t100-CONTINUE "], ids=repr)
def test_an_expectation_goes_on_but_not_from_http_1_0(value: bytes) -> None:
    """RFC 9110 §10.1.1: passed on to the upstream; ignored, and so cut, when HTTP/1.0 sends it."""
    head = read(head_with(b"Expect: " + value))
    assert head.expect_continue
    assert head.lines.endswith(b"\r\nExpect: " + value)
    old = read(head_with(b"Expect: " + value, line=b"GET / HTTP/1.0"))
    assert not old.expect_continue
    assert old.lines == b"GET / HTTP/1.1\r\nHost: a"


@pytest.mark.parametrize(
    ("fields", "upgrade"),
    [
        pytest.param([b"Connection: Upgrade", b"Upgrade: WebSocket"], b"websocket", id="websocket"),
        pytest.param([b"Upgrade: websocket", b"Connection: keep-alive, uPgrade"], b"websocket", id="list"),
        pytest.param([b"Upgrade: websocket"], b"", id="no-option"),
        pytest.param([b"Connection: Upgrade"], b"", id="no-header"),
        pytest.param([b"Connection: Upgrade", b"Upgrade: h2c, websocket"], b"h2c, websocket", id="choice"),
        pytest.param(
            [b"Connection: Upgrade", b"Upgrade: h2c", b"Upgrade: websocket"], b"h2c,websocket", id="lines"
        ),
    ],
)
def test_an_upgrade_needs_header_and_option(fields: list[bytes], upgrade: bytes) -> None:
    """RFC 9110 §7.8; HTTP/1.0 has none. Both lines are cut."""
    head = read(head_with(*fields))
    assert head.upgrade == upgrade
    assert head.lines == b"GET / HTTP/1.1\r\nHost: a"
    assert read(head_with(*fields, line=b"GET / HTTP/1.0")).upgrade == b""


def test_limits_hold_to_the_byte_and_line() -> None:
    """A head at each limit passes; one more is refused."""
    start = request(b"GET / HTTP/1.1", b"Host: a\r\nA: ")[:-2]
    whole = start + b"b" * (LIMITS.head_bytes - len(start) - 4) + b"\r\n\r\n"
    assert len(whole) == LIMITS.head_bytes
    assert read(whole).body == 0
    assert status_of(whole.replace(b"A: ", b"A: b")) == 431
    assert read(head_with(*[b"A: b"] * 19)).body == 0
    assert status_of(head_with(*[b"A: b"] * 20)) == 431


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(b"GET /" + b"a" * 300, 414, id="target-without-end"),
        pytest.param(b"G" * 300, 414, id="method-without-end"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 400, 431, id="lines-without-end"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01", 400, id="tls-hello"),
        pytest.param(b"\0", 400, id="nul"),
        pytest.param(b"\r\n", 400, id="an-empty-line-too-many"),
    ],
)
def test_bytes_that_cannot_become_a_head_are_refused_at_once(data: bytes, status: int) -> None:
    """Nobody waits for the end of what has none."""
    with pytest.raises(RequestError) as refusal:
        READER.find_end(data, 0)
    assert refusal.value.status == status


def test_a_refusal_repeats_no_byte_of_the_message() -> None:
    """Its text goes to logs."""
    with pytest.raises(RequestError) as refusal:
        READER.read(head_with(b"Expect: secret"))
    assert "secret" not in str(refusal.value)
