"""Chunked bodies: what is read, what is refused, and that two parsers agree on every end."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http1.chunked import ChunkedReader, frame_chunk, frame_end
from proxy.http1.errors import MessageError, RequestError, ResponseError
from proxy.http1.judge import ChunkedJudge

END = b"0\r\n\r\n"


def reader(*, response: bool = False, max_trailer_bytes: int = 200) -> ChunkedReader:
    """Give a fresh reader with a small trailer limit."""
    return ChunkedReader(max_trailer_bytes=max_trailer_bytes, response=response)


def read_bytewise(body: ChunkedReader, data: bytes) -> None:
    """Feed a reader byte by byte."""
    for byte in data:
        body.read(bytes((byte,)))


def read_all(data: bytes) -> tuple[bytes, int, bytes]:
    """Read a body whole, byte by byte and with trailing bytes; give data, length and trailers."""
    whole = reader()
    content, consumed = whole.read(data)
    assert whole.done
    single = reader()
    pieces = []
    for position in range(consumed):
        assert not single.done
        piece, one = single.read(data[position : position + 1])
        assert one == 1
        pieces.append(piece)
    assert (single.done, single.trailers, b"".join(pieces)) == (True, whole.trailers, content)
    for tail in (b"\r\n", b"0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\0"):
        longer = reader()
        assert longer.read(data + tail) == (content, consumed)
        assert longer.done
        assert longer.read(tail) == (b"", 0)
    return content, consumed, whole.trailers


@pytest.mark.parametrize(
    ("data", "content"),
    [
        pytest.param(END, b"", id="empty"),
        pytest.param(b"000\r\n\r\n", b"", id="several-zeros"),
        pytest.param(b"3\r\nabc\r\n" + END, b"abc", id="one"),
        pytest.param(b"3\r\nabc\r\n1\r\nd\r\n" + END, b"abcd", id="two"),
        pytest.param(b"A\r\n0123456789\r\na\r\n0123456789\r\n" + END, b"0123456789" * 2, id="hex-case"),
        pytest.param(b"0000000000000003\r\nabc\r\n" + END, b"abc", id="16-digits"),
        pytest.param(b"4\r\n\r\n\r\n\r\n" + END, b"\r\n\r\n", id="line-ends-as-data"),
        pytest.param(b"5\r\n0\r\n\r\n\r\n" + END, b"0\r\n\r\n", id="an-end-as-data"),
        pytest.param(b"1;a\r\nb\r\n" + END, b"b", id="extension"),
        pytest.param(b"1;a=b;c=d\r\nb\r\n0;e\r\n\r\n", b"b", id="extensions"),
        pytest.param(b'1;a="b;c\\"\xff\t"\r\nb\r\n' + END, b"b", id="extension-quoted"),
        pytest.param(b'1;a=""\r\nb\r\n' + END, b"b", id="extension-quoted-empty"),
        pytest.param(b"1 ; a = b\r\nb\r\n" + END, b"b", id="bad-white-space"),
    ],
)
def test_a_chunked_body_gives_its_data(data: bytes, content: bytes) -> None:
    """However it is cut, and not a byte more than it has."""
    assert read_all(data) == (content, len(data), b"")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"0_1\r\na\r\n", id="underscore"),
        pytest.param(b"+1\r\na\r\n", id="plus"),
        pytest.param(b"-1\r\na\r\n", id="minus"),
        pytest.param(b"0x1\r\na\r\n", id="hex-prefix"),
        pytest.param(b"0X1\r\na\r\n", id="hex-prefix-upper"),
        pytest.param(b" 1\r\na\r\n", id="leading-space"),
        pytest.param(b"\t1\r\na\r\n", id="leading-tab"),
        pytest.param(b"1 \r\na\r\n", id="trailing-space"),
        pytest.param(b"1\t\r\na\r\n", id="trailing-tab"),
        pytest.param(b"1\x0b\r\na\r\n", id="trailing-vtab"),
        pytest.param(b"1\0\r\na\r\n", id="trailing-nul"),
        pytest.param(b"1 1\r\na\r\n", id="two-numbers"),
        pytest.param(b"g\r\na\r\n", id="not-hex"),
        pytest.param("\u0661\r\na\r\n".encode(), id="arabic-digit"),
        pytest.param(b"\xb2\r\na\r\n", id="superscript"),
        pytest.param(b"\r\na\r\n", id="no-size"),
        pytest.param(b"1.0\r\na\r\n", id="fraction"),
        pytest.param(b"1,1\r\na\r\n", id="list"),
        pytest.param(b"00000000000000001\r\na\r\n", id="17-digits"),
        pytest.param(b"10000000000000000\r\n", id="2-to-64"),
        pytest.param(b"FFFFFFFFFFFFFFFFF\r\n", id="overflow"),
        pytest.param(b"1\na\r\n", id="lf-after-size"),
        pytest.param(b"1\ra\r\n", id="cr-after-size"),
        pytest.param(b"1\r\r\na\r\n", id="cr-cr-lf-after-size"),
        pytest.param(b"1\n\r\na\r\n", id="lf-cr-lf-after-size"),
        pytest.param(b"1\r\na\n", id="lf-after-data"),
        pytest.param(b"1\r\na\r0", id="cr-after-data"),
        pytest.param(b"1\r\na", id="nothing-after-data"),
        pytest.param(b"1\r\nab\r\n", id="more-data-than-said"),
        pytest.param(b"1\r\na\r\r\n", id="cr-cr-lf-after-data"),
        pytest.param(b"1;\r\na\r\n", id="extension-empty"),
        pytest.param(b"1;;a\r\na\r\n", id="extension-two-semicolons"),
        pytest.param(b"1;a;\r\na\r\n", id="extension-trailing-semicolon"),
        pytest.param(b"1;a=\r\na\r\n", id="extension-no-value"),
        pytest.param(b"1;=b\r\na\r\n", id="extension-no-name"),
        pytest.param(b"1;a b\r\na\r\n", id="extension-space"),
        pytest.param(b"1;a \r\na\r\n", id="extension-trailing-space"),
        pytest.param(b"1;a\nb\r\na\r\n", id="extension-lf"),
        pytest.param(b"1;a\rb\r\na\r\n", id="extension-cr"),
        pytest.param(b"1;a\0\r\na\r\n", id="extension-nul"),
        pytest.param(b'1;a="b\r\na\r\n', id="extension-open-quote"),
        pytest.param(b'1;a="b\n"\r\na\r\n', id="extension-lf-in-quote"),
        pytest.param(b'1;a="b"c\r\na\r\n', id="extension-after-quote"),
        pytest.param(b"1;" + b"a" * 1022 + b"\r\na\r\n", id="extension-too-long"),
        pytest.param(b"1;" + b"a" * 2000, id="extension-without-end"),
    ],
)
def test_chunks_of_another_shape_are_refused(data: bytes) -> None:
    """Whole or byte by byte, for a request with 400 and for a response with 502."""
    for response, error, status in ((False, RequestError, 400), (True, ResponseError, 502)):
        with pytest.raises(error) as refusal:
            reader(response=response).read(data + END)
        assert refusal.value.status == status
        with pytest.raises(error):
            read_bytewise(reader(response=response), data + END)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        pytest.param(b"A: b\r\n", b"A: b\r\n", id="one"),
        pytest.param(b"A:b\r\nServer-Timing:  x \r\nA:\r\n", b"A:b\r\nServer-Timing:  x \r\nA:\r\n", id="verbatim"),
        pytest.param(b"grpc-status: 0\r\n", b"grpc-status: 0\r\n", id="grpc"),
        pytest.param(b"A: \xe9\xff\t\r\n", b"A: \xe9\xff\t\r\n", id="8-bit"),
        pytest.param(b"Hosts: a\r\nX-Te: b\r\n", b"Hosts: a\r\nX-Te: b\r\n", id="names-like-forbidden-ones"),
        *[
            pytest.param(name + b": x\r\nA: b\r\n", b"A: b\r\n", id=name.decode())
            for name in (
                b"Host", b"hOST", b"Content-Length", b"Transfer-Encoding", b"Content-Type", b"Content-Encoding",
                b"Content-Range", b"Connection", b"Keep-Alive", b"Proxy-Connection", b"TE", b"Trailer", b"Upgrade",
                b"Expect", b"Authorization", b"Proxy-Authorization", b"Cookie", b"Set-Cookie", b"Cache-Control",
                b"If-Match", b"Range", b"Location", b"Date", b"X-Forwarded-For", b"X_Forwarded_For", b"Via",
                b"X-Forwarded-Anything", b"Forwarded", b"X-Real-IP", b"CF-Connecting-IP", b"True-Client-IP",
            )
        ],
    ],
)  # fmt: skip
def test_trailers_are_kept_but_for_the_forbidden_ones(sent: bytes, kept: bytes) -> None:
    """RFC 9110 §6.5.1: what frames, routes, authorises or vouches does not come behind the body."""
    data = b"1\r\na\r\n0\r\n" + sent + b"\r\n"
    assert read_all(data) == (b"a", len(data), kept)


@pytest.mark.parametrize(
    "trailers",
    [
        pytest.param(b"A\r\n", id="no-colon"),
        pytest.param(b": b\r\n", id="no-name"),
        pytest.param(b"A : b\r\n", id="space-before-colon"),
        pytest.param(b" A: b\r\n", id="leading-space"),
        pytest.param(b"A: b\r\n c\r\n", id="obs-fold"),
        pytest.param(b"A: b\nC: d\r\n", id="bare-lf"),
        pytest.param(b"A: b\rC: d\r\n", id="bare-cr"),
        pytest.param(b"A: b\r\r\n", id="cr-cr-lf"),
        pytest.param(b"A: \0\r\n", id="nul"),
        pytest.param(b"A: \x7f\r\n", id="del"),
        pytest.param(b"A\xe9: b\r\n", id="8-bit-name"),
        pytest.param(b"\n", id="ends-with-lf"),
        pytest.param(b"\r\r\n", id="ends-with-cr-crlf"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n", id="a-request"),
    ],
)
def test_trailers_of_another_shape_are_refused(trailers: bytes) -> None:
    """As strict as header lines."""
    with pytest.raises(RequestError) as refusal:
        reader().read(b"0\r\n" + trailers + b"\r\n")
    assert refusal.value.status == 400


@pytest.mark.parametrize("forbidden", [False, True], ids=["kept", "forbidden"])
def test_the_trailer_section_is_bounded_to_the_byte(*, forbidden: bool) -> None:
    """431 at one byte more, whether its lines are kept or not, and without its end having come."""
    name = b"Host: " if forbidden else b"Hash: "
    fits = b"0\r\n" + name + b"a" * (200 - len(name) - 4) + b"\r\n\r\n"
    assert read_all(fits)[1] == 203
    for data in (fits.replace(b": ", b": a"), b"0\r\nA: " + b"b" * 200, b"0\r\n" + b"A: b\r\n" * 34):
        for response, status in ((False, 431), (True, 502)):
            with pytest.raises(MessageError) as refusal:
                reader(response=response).read(data)
            assert refusal.value.status == status


@pytest.mark.parametrize(
    ("chunk", "passes"),
    [
        pytest.param(b"1\r\na\r\n", True, id="single-bytes"),
        pytest.param(b"1;aaaaaaaa\r\na\r\n", True, id="short-extensions"),
        pytest.param(b"1;" + b"a" * 100 + b"\r\na\r\n", False, id="long-extensions-single-bytes"),
        pytest.param(b"64;" + b"a" * 100 + b"\r\n" + b"a" * 100 + b"\r\n", True, id="as-long-as-the-data"),
    ],
)
def test_framing_must_not_outweigh_the_data(chunk: bytes, *, passes: bool) -> None:
    """Ten thousand chunks: small ones pass, those that are mostly extension do not (CVE-2023-39326)."""
    data = chunk * 10_000 + END
    if passes:
        assert reader().read(data)[1] == len(data)
    else:
        with pytest.raises(RequestError, match="more framing than data"):
            reader().read(data)


def test_a_whole_piece_of_data_is_not_copied() -> None:
    """Inside a large chunk what comes is what goes."""
    body = reader()
    body.read(b"FFFFFF\r\n")
    piece = b"x" * 65536
    assert body.read(piece)[0] is piece


def test_nothing_comes_of_nothing() -> None:
    """An empty read changes no state, wherever it falls."""
    body = reader()
    for byte in b"3\r\nabc\r\n0\r\nA: b\r\n\r\n":
        assert body.read(b"") == (b"", 0)
        body.read(bytes((byte,)))
    assert body.done


# -- properties

SIZES = st.sampled_from(
    [b"1", b"3", b"0", b"00", b"a", b"A", b"10", b"0x1", b"", b"ffffffffffffffff", b"1_0"]
)
ODDITIES = st.sampled_from(
    [b"\r\n", b"\n", b"\r", b" ", b"\t", b";", b"=", b'"', b"\\", b":", b"\0", b"\xff", b";a", b";a=b", b";a=",
     b' ;a="b"', b"A: b\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: a\r\n"]
)  # fmt: skip
CHUNK = st.tuples(
    st.sampled_from([b"", b";a", b";a=b", b' ;a="b"', b"; a", b";"]), st.binary(max_size=20)
).map(lambda pair: b"%x%b\r\n%b\r\n" % (len(pair[1]), pair[0], pair[1]) if pair[1] else b"")
ANY_BODY = st.lists(st.one_of(CHUNK, CHUNK, SIZES, ODDITIES, st.binary(max_size=3), st.just(END)), max_size=12).map(
    b"".join
)  # fmt: skip


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut data at places (any integers)."""
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(ends)]


def outcome(pieces: list[bytes]) -> tuple[bytes, int, bytes, bool] | int:
    """Give what a reader makes of the pieces: data, bytes consumed, trailers, done; or the status of its refusal."""
    body = reader()
    content, total = b"", 0
    for piece in pieces:
        try:
            data, consumed = body.read(piece)
        except MessageError as error:
            return error.status
        content += data
        total += consumed
        if body.done:
            break
        assert consumed == len(piece)
    return content, total, body.trailers, body.done


@given(ANY_BODY, st.lists(st.integers(min_value=0, max_value=1000), max_size=8))
def test_reading_does_not_depend_on_how_bytes_are_cut(data: bytes, places: list[int]) -> None:
    """Networks cut where they like."""
    assert outcome(cut(data, places)) == outcome([data])


@given(ANY_BODY)
def test_llhttp_sees_the_same_end_or_the_body_is_refused(data: bytes) -> None:
    """Reader and judge together accept only what both read alike, and the judge has no word of its own on the data."""
    seen = outcome([data])
    if isinstance(seen, int):
        return
    _, consumed, _, done = seen
    try:
        ChunkedJudge().agree(data[:consumed], done=done)
    except RequestError as error:
        assert error.status == 400  # noqa: PT017 (either outcome is right; this one has a status)
        return
    if done:
        # One byte less, and llhttp is not done either: it ended at this very byte.
        ChunkedJudge().agree(data[: consumed - 1], done=False)


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=10), st.lists(st.integers(0, 1000), max_size=8))
def test_what_is_framed_is_read_back(chunks: list[bytes], places: list[int]) -> None:
    """Our own framing, read by ourselves and by llhttp."""
    trailers = b"A: b\r\nC: d\r\n"
    data = b"".join(map(frame_chunk, chunks)) + frame_end(trailers)
    assert outcome(cut(data, places)) == (b"".join(chunks), len(data), trailers, True)
    ChunkedJudge().agree(data, done=True)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_a_message_error(data: bytes) -> None:
    """A body from nowhere is read or refused."""
    outcome([data])
    outcome([b"0\r\n", data])
