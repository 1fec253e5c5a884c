"""The splice equals a rebuild header by header; only MessageErrors leave the package; no input makes it slow."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.http1.chunked import ChunkedReader
from proxy.http1.errors import MessageError, RequestError
from proxy.http1.request import CHUNKED, UNTIL_CLOSE, HeadLimits, RequestReader
from proxy.http1.response import read_response

if TYPE_CHECKING:
    from collections.abc import Callable

Field = tuple[bytes, bytes]

LIMITS = HeadLimits(head_bytes=65536, header_count=100, url_bytes=8192)
WATCHED = frozenset((b"x-forwarded-for", b"x-forwarded-proto", b"forwarded"))
CUT = frozenset((b"x-forwarded-for", b"forwarded"))
READERS = [RequestReader(LIMITS, watched=WATCHED, cut=CUT), RequestReader(LIMITS, cut=(b"host",))]

HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"transfer-encoding"}
OPTIONS = [b"close", b"keep-alive", b"Keep-Alive", b"upgrade", b"X-A", b"cookie", b"te", b"transfer-encoding", b"",
           b"x-forwarded-for", b"X-Forwarded-Proto", b"expect", b"content-type", b"a b"]  # fmt: skip


def in_any_case(name: bytes) -> st.SearchStrategy[bytes]:
    """A name as clients spell it."""
    return st.sampled_from([name, name.upper(), name.title(), name.swapcase()])


TOKENS = st.text("abcxyzXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=12).map(str.encode)
VALUE_BYTES = [9, *range(32, 127), *range(128, 256)]
VALUES = st.lists(st.sampled_from(VALUE_BYTES), max_size=20).map(bytes)
KNOWN = st.sampled_from(
    [b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"x-forwarded-for", b"x-forwarded-proto", b"forwarded",
     b"cookie", b"x-a", b"content-type", b"upgrade-insecure-requests", b"x_forwarded_for", b"x-forwarded_proto",
     b"content_length", b"transfer_encoding", b"keep_alive"]
).flatmap(in_any_case)  # fmt: skip
CONNECTION = st.tuples(
    in_any_case(b"connection"), st.lists(st.sampled_from(OPTIONS), max_size=3).map(b" , ".join)
)
ORDINARY = st.tuples(st.one_of(TOKENS, KNOWN), VALUES)
FRAMING = st.sampled_from(
    [(), (b"Content-Length", b"12"), (b"content-length", b"0 "), (b"Transfer-Encoding", b"Chunked")]
)
EXPECTATION = st.sampled_from([(), (), (), (b"Expect", b"100-Continue")])
HOSTS = st.sampled_from([b"shop.example", b"Shop.Example:8080", b"[::1]:80", b""])
TARGETS = st.one_of(
    st.text("abz019-._~!$&'()*+,;=:@/%?", max_size=30).map(lambda text: b"/" + text.encode()),
    st.text("abz/%?=", max_size=20).map(lambda text: b"http://b.example:81/" + text.encode()),
    st.sampled_from([b"http://b.example", b"https://b.example?c", b"HTTP://[::2]:1/?"]),
)
METHODS = st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"DELETE", b"PROPFIND"])


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, bytes, bytes, list[Field]]:
    """Draw method, target, version and fields (name, all behind the colon) of a request to be accepted."""
    fields: list[Field] = draw(st.lists(st.one_of(ORDINARY, ORDINARY, CONNECTION), max_size=10))
    version = draw(st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0"]))
    for extra in (draw(FRAMING), draw(EXPECTATION)):
        if extra and not (version == b"HTTP/1.0" and extra[0] == b"Transfer-Encoding"):
            fields.insert(draw(st.integers(0, len(fields))), extra)
    fields.insert(draw(st.integers(0, len(fields))), (draw(in_any_case(b"host")), draw(HOSTS)))
    pad = st.sampled_from([b"", b" ", b"\t", b"  "])
    return draw(METHODS), draw(TARGETS), version, [(name, draw(pad) + value) for name, value in fields]


def rebuild_request(
    method: bytes,
    target: bytes,
    version: bytes,
    fields: list[Field],
    *,
    watched: frozenset[bytes],
    cut: frozenset[bytes],
) -> bytes:
    """Do what the splice does, the long way: a list of header fields in, a list out."""
    known = HOP_BY_HOP | {b"host", b"content-length", b"expect"} | watched | cut
    named = {
        option.strip(b" \t").lower()
        for name, value in fields
        if name.lower() == b"connection"
        for option in value.split(b",")
    }
    removed = named - known - {b"close", b"content-type"}
    out: list[bytes] = []
    for name, value in fields:
        lower = name.lower()
        plain = lower.replace(b"_", b"-")
        if lower in HOP_BY_HOP or lower in cut or lower in removed:
            continue
        if plain != lower and plain in known:
            continue
        if version == b"HTTP/1.0" and lower == b"expect":
            continue
        out.append(name + b":" + value)
    if not target.startswith(b"/"):
        authority, slash, rest = target.partition(b"://")[2].partition(b"/")
        if b"?" in authority:
            authority, _, query = authority.partition(b"?")
            rest = b"?" + query + slash + rest
        target = b"*" if method == b"OPTIONS" and not slash and not rest else b"/" + rest
        if b"host" not in cut:
            out = [line for line in out if line.partition(b":")[0].lower() != b"host"]
            out.insert(0, b"Host: " + authority)
    return b"\r\n".join((b"%b %b HTTP/1.1" % (method, target), *out))


@given(requests(), st.sampled_from(READERS))
def test_the_splice_equals_a_rebuild_header_by_header(
    parts: tuple[bytes, bytes, bytes, list[Field]], reader: RequestReader
) -> None:
    """Promise 1: every end-to-end header as sent, in order; and what is cut is cut."""
    method, target, version, fields = parts
    head = b"%b %b %b\r\n%b\r\n" % (
        method,
        target,
        version,
        b"".join(b"%b:%b\r\n" % field for field in fields),
    )
    watched, cut = (WATCHED, CUT) if reader is READERS[0] else (frozenset(), frozenset((b"host",)))
    assert reader.find_end(head + b"X", 0) == len(head)
    read = reader.read(head)
    assert read.lines == rebuild_request(method, target, version, fields, watched=watched, cut=cut)
    assert read.noted == [
        (name.lower(), value.lstrip(b" \t"))
        for name, value in fields
        if name.lower() in (watched | cut) - {b"host"}
    ]
    framing = {name.lower(): value.strip() for name, value in fields}
    chunked = b"transfer-encoding" in framing
    assert read.body == (CHUNKED if chunked else int(framing.get(b"content-length", b"0")))


STATUS_LINES = st.sampled_from(
    [b"HTTP/1.1 200 OK", b"HTTP/1.1 404", b"HTTP/1.0 200 HTTP/1.0 \xe9", b"HTTP/1.1 204 x", b"HTTP/1.1 304 x"]
)


@given(STATUS_LINES, st.lists(st.one_of(ORDINARY, CONNECTION), max_size=10), st.booleans(), st.booleans())
def test_a_spliced_response_equals_a_rebuild(
    line: bytes,
    fields: list[Field],
    counted: bool,  # noqa: FBT001 (drawn)
    to_head: bool,  # noqa: FBT001 (drawn)
) -> None:
    """Likewise on the way back."""
    if counted:
        fields = [*fields, (b"Content-Length", b" 7 ")]
    head = b"\r\n".join((line, *(name + b":" + value for name, value in fields), b"", b""))
    read = read_response(head, to_head=to_head)
    named = {
        option.strip(b" \t").lower()
        for name, value in fields
        if name.lower() == b"connection"
        for option in value.split(b",")
    }
    gone = HOP_BY_HOP | (named - {b"close", b"keep-alive", b"upgrade", b"content-length"})
    if b" 204 " in line:
        gone |= {b"content-length"}
    out = [name + b":" + value for name, value in fields if name.lower() not in gone]
    assert read.lines == b"\r\n".join((line.replace(b"HTTP/1.0 ", b"HTTP/1.1 ", 1), *out))
    without = to_head or read.status in (204, 304)
    assert read.body == (0 if without else 7 if counted else UNTIL_CLOSE)


PIECES = st.sampled_from(
    [b"GET / HTTP/1.1", b"HTTP/1.1 200 OK", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b" ", b":", b",", b"#", b"*",
     b"//",
     b"http://", b"@", b"[", b"Host: a\r\n", b"Host:", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n",
     b"Connection: upgrade\r\n", b"Upgrade: x\r\n", b"CONNECT a:1 HTTP/1.1\r\n", b"HTTP/1.0", b"Expect:", b"0" * 30]
)  # fmt: skip
NOISE = st.lists(st.one_of(PIECES, PIECES, st.binary(max_size=4)), max_size=12).map(b"".join)


@given(NOISE)
@example(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"0" * 5000 + b"\r\n\r\n")
@example(b"CONNECT  HTTP/1.1\r\nHost: a\r\n\r\n")
def test_arbitrary_bytes_raise_nothing_but_a_message_error(data: bytes) -> None:
    """Whatever comes is read or refused, as a request and as a response."""
    for reader in READERS:
        for head in (data, data + b"\r\n\r\n"):
            try:
                reader.find_end(head, 0)
                read = reader.read(head)
            except RequestError as error:
                assert error.status in (400, 405, 414, 417, 431, 501, 505)  # noqa: PT017 (either outcome is right)
            else:
                # What goes on is one head: no line end but CRLF, no empty line, no other method than was decided on.
                assert read.lines.startswith(read.method + b" " + read.target + b" HTTP/1.1")
                assert b"\r\n\r\n" not in read.lines
                assert read.lines.count(b"\n") == read.lines.count(b"\r") == read.lines.count(b"\r\n")
    for to_head in (False, True):
        try:
            response = read_response(data + b"\r\n\r\n", to_head=to_head)
        except MessageError as error:
            assert error.status == 502  # noqa: PT017 (either outcome is right)
        else:
            assert response.lines.startswith(b"HTTP/1.1 %d" % response.status)


@given(requests(), st.data())
def test_a_mutated_head_is_one_head_or_refused(
    parts: tuple[bytes, bytes, bytes, list[Field]], data: st.DataObject
) -> None:
    """One byte put in, taken out or changed makes no second request out of the first."""
    method, target, version, fields = parts
    head = b"%b %b %b\r\n%b\r\n" % (
        method,
        target,
        version,
        b"".join(b"%b:%b\r\n" % field for field in fields),
    )
    place = data.draw(st.integers(0, len(head) - 1))
    byte = data.draw(st.sampled_from([b"\r", b"\n", b"\0", b" ", b"\t", b":", b"\x0b", b"\xa0", b""]))
    mutated = head[:place] + byte + head[place + data.draw(st.integers(0, 1)) :]
    reader = READERS[0]
    try:
        end = reader.find_end(mutated, 0)
        if not end:
            return
        read = reader.read(mutated[:end])
    except RequestError:
        return
    assert read.lines.count(b"\n") == read.lines.count(b"\r\n") == read.lines.count(b"\r")
    assert read.lines.startswith(read.method + b" /") or read.method == b"OPTIONS"


# -- cost. CPU time, with a bound some ten times what is measured; quadratic work would miss it by far.


def seconds(work: Callable[[], object]) -> float:
    """CPU time of a piece of work, the better of two."""
    times = []
    for _ in range(2):
        start = time.process_time()
        with suppress(MessageError):
            work()
        times.append(time.process_time() - start)
    return min(times)


FULL = LIMITS.head_bytes - 100
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n"
HEAVY = [
    pytest.param(REQUEST + b"A: " + b" \t" * (FULL // 2) + b"\r\n\r\n", id="white-space-value"),
    pytest.param(REQUEST + b"Connection:" + b" \t" * (FULL // 2) + b"\r\n\r\n", id="white-space-connection"),
    pytest.param(REQUEST + b"Connection: " + b"," * FULL + b"\r\n\r\n", id="commas-connection"),
    pytest.param(REQUEST + b"Connection: " + b"close " * (FULL // 6) + b"\r\n\r\n", id="long-option"),
    pytest.param(REQUEST + b"X-Forwarded-For: a\r\n" * 98 + b"\r\n", id="watched-lines"),
    pytest.param(REQUEST + (b"Connection: x\r\n" + b"x: " + b"y" * 1200 + b"\r\n") * 49 + b"\r\n", id="named-lines"),
    pytest.param(REQUEST + b"x-forwarded-fo" * (FULL // 14) + b": a\r\n\r\n", id="near-miss-name"),
    pytest.param(b"GET " + b"/" * FULL + b" HTTP/1.1\r\nHost: a\r\n\r\n", id="slashes"),
    pytest.param(b"GET http://" + b"a" * 8000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", id="long-authority"),
    pytest.param(b"GET http://" + b"[" * 8000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", id="brackets"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: " + b"a" * FULL + b"/\r\n\r\n", id="long-host"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: " + b"a:" * (FULL // 2) + b"\r\n\r\n", id="colons-host"),
    pytest.param(b"G" * FULL + b" " * 50 + b"\r\n\r\n", id="endless-method"),
    pytest.param(b"A-" * (FULL // 2) + b"\r\n\r\n", id="endless-token"),
    pytest.param(REQUEST + b"Content-Length: " + b"0" * FULL + b"\r\n\r\n", id="endless-zeros"),
]  # fmt: skip


@pytest.mark.parametrize("head", HEAVY)
def test_a_head_of_64_kib_costs_a_few_milliseconds_at_most(head: bytes) -> None:
    """No expression backtracks and no loop is quadratic, whatever fills the head."""
    assert len(head) <= LIMITS.head_bytes + 1000
    assert seconds(lambda: READERS[0].read(head)) < 0.02


def test_a_response_head_of_64_kib_costs_a_few_milliseconds_at_most() -> None:
    """Nor does a response's."""
    for fill in (
        b"Connection: " + b"a," * 32000,
        b"A: " + b" \t" * 32000,
        b"Connection: x\r\nx: y\r\n" * 3000,
    ):
        head = b"HTTP/1.1 200 " + b"a" * 100 + b"\r\n" + fill.removesuffix(b"\r\n") + b"\r\n\r\n"
        assert seconds(lambda head=head: read_response(head, to_head=False)) < 0.1


@pytest.mark.parametrize("fill", [b"a", b"\r", b"\r\n\r", b"\n", b"a: b\r\n"], ids=repr)
def test_a_head_that_comes_byte_by_byte_is_searched_once(fill: bytes) -> None:
    """What was looked at is not looked at again: a call costs a microsecond, not a hundred."""
    data = (REQUEST + b"A: " + fill * FULL)[:FULL]
    assert seconds(lambda: [READERS[0].find_end(data, 0, len(data) - 1) for _ in range(2000)]) < 0.05


@given(st.integers(0, 3), st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a"]), max_size=12).map(b"".join))
def test_the_end_is_found_wherever_the_last_look_stopped(lead: int, fill: bytes) -> None:
    """The end may lie across what was looked at and what came since."""
    data = b"X" * lead + b"G" + fill + b"\r\n\r\n"
    whole = READERS[0].find_end(data, lead)
    for looked in range(whole - lead):
        assert READERS[0].find_end(data, lead, looked) == whole


CHUNKS = [
    pytest.param([b"1;" + b"a" * 1000], id="name"),
    pytest.param([b"1" + b" \t" * 500 + b"x"], id="white-space"),
    pytest.param([b"1" + b";a \t" * 250 + b"!\x01"], id="extensions"),
    pytest.param([b"1" + b';a="\\"' * 160 + b"\r\n"], id="open-quotes"),
    pytest.param([b'1;a="' + b"\\\\" * 500 + b"\r\n"], id="backslashes"),
    pytest.param([b"1\r\na\r\n" * 10_000], id="single-byte-chunks"),
    pytest.param([b"0\r\n" + b"a:\r\n" * 10_000], id="small-trailers"),
    pytest.param([b"0\r\n"] + [b"a"] * 2_000, id="a-trailer-byte-by-byte"),
    pytest.param([b"0\r\n" + b"x-forwarded-" * 3000], id="a-trailer-name"),
]


@pytest.mark.parametrize("pieces", CHUNKS)
def test_chunked_framing_costs_in_proportion_to_its_bytes(pieces: list[bytes]) -> None:
    """Size lines are read once, trailers gathered once: some microseconds a line or piece."""

    def read() -> None:
        reader = ChunkedReader(max_trailer_bytes=65536)
        for piece in pieces:
            reader.read(piece)
        reader.read(b"\r\n")

    assert seconds(read) < 0.2
