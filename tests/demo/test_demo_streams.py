from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.demo.content import BLOCK_SIZE, derive_checksum, parse_range, render_content

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@given(start=st.integers(0, 3 * BLOCK_SIZE), length=st.integers(0, 2 * BLOCK_SIZE))
def test_any_part_equals_that_part_of_the_whole(start: int, length: int) -> None:
    """Content depends on the offset alone, not on how it is asked for."""
    whole = b"".join(render_content(0, 5 * BLOCK_SIZE))
    assert b"".join(render_content(start, start + length)) == whole[start : start + length]


def test_swapped_blocks_change_the_checksum() -> None:
    """No two blocks are the same, so a proxy cannot lose or swap one unnoticed."""
    blocks = list(render_content(0, 100 * BLOCK_SIZE))
    assert len(set(blocks)) == 100


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("bytes=0-0", (0, 1), id="first-byte"),
        pytest.param("bytes=10-", (10, 100), id="open-end"),
        pytest.param("bytes=90-500", (90, 100), id="past-the-end"),
        pytest.param("bytes=-7", (93, 100), id="suffix"),
        pytest.param("bytes=-700", (0, 100), id="long-suffix"),
        pytest.param("bytes=5-4", None, id="backwards-is-ignored"),
        pytest.param("bytes=0-1,3-4", None, id="several-are-ignored"),
        pytest.param("lines=0-1", None, id="other-unit-is-ignored"),
        pytest.param("bytes=-", None, id="nothing"),
        pytest.param("bytes=a-b", None, id="letters"),
        pytest.param("bytes=\u0661-\u0662", None, id="other-digits"),
    ],
)
def test_ranges(header: str, expected: tuple[int, int] | None) -> None:
    """RFC 9110, 14.1.2 and 14.2: one byte range is served, what is not understood is ignored."""
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=-0", "bytes=500-600"])
def test_ranges_out_of_reach(header: str) -> None:
    """A range with nothing in it cannot be satisfied."""
    with pytest.raises(ValueError, match="bytes"):
        parse_range(header, 100)


async def test_download_checksum_range_and_etag(http: aiohttp.ClientSession) -> None:
    """The whole, a part and the unchanged thing."""
    size = 3_000_001
    async with http.get(f"/download/{size}") as answer:
        body, etag = await answer.read(), answer.headers["ETag"]
    assert len(body) == size
    assert hashlib.sha256(body).hexdigest() == derive_checksum(size)
    async with http.get(f"/download/{size}/sha256") as answer:
        assert (await answer.text()).split()[0] == derive_checksum(size)
    async with http.get(
        f"/download/{size}", headers={"Range": "bytes=65530-65550", "If-Range": etag}
    ) as answer:
        assert answer.status == 206
        assert answer.headers["Content-Range"] == f"bytes 65530-65550/{size}"
        assert await answer.read() == body[65530:65551]
    async with http.get(f"/download/{size}", headers={"Range": "bytes=0-1", "If-Range": '"old"'}) as answer:
        assert (answer.status, len(await answer.read())) == (200, size)
    async with http.get(f"/download/{size}", headers={"Range": f"bytes={size}-"}) as answer:
        assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{size}")
    async with http.get(f"/download/{size}", headers={"If-None-Match": etag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    async with http.head(f"/download/{size}") as answer:
        assert answer.headers["Content-Length"] == str(size)


async def test_download_of_eight_gibibytes_at_most(http: aiohttp.ClientSession) -> None:
    """The bound holds, and nothing is made before it is asked for."""
    async with http.head(f"/download/{8 * 1024**3}") as answer:
        assert answer.status == 200
    for size in (str(8 * 1024**3 + 1), "9" * 400, "-1", "x"):
        async with http.get(f"/download/{size}") as answer:
            assert answer.status == 400


@pytest.mark.parametrize("chunked", [False, True], ids=["content-length", "chunked"])
async def test_upload_checksum(http: aiohttp.ClientSession, *, chunked: bool) -> None:
    """The store saw every byte, also of a body it would otherwise unpack."""

    async def pieces() -> AsyncIterator[bytes]:
        for piece in render_content(0, 1_000_003):
            yield piece

    data = pieces() if chunked else b"".join(render_content(0, 1_000_003))
    headers = {"Content-Encoding": "gzip"}  # a lie: the checksum must be that of the bytes sent
    async with http.post("/upload", data=data, headers=headers) as answer:
        assert await answer.json() == {"bytes": 1_000_003, "sha256": derive_checksum(1_000_003)}


async def test_slow_and_dripping_answers(http: aiohttp.ClientSession) -> None:
    """They take the time asked for, within bounds."""
    clock = asyncio.get_running_loop().time
    start = clock()
    async with http.get("/slow?seconds=0.2") as answer:
        assert answer.status == 200
    assert clock() - start >= 0.2
    async with http.get("/drip?seconds=0.1&pieces=4") as answer:
        assert (await answer.text()).count("\n") == 4
    for query in ("/slow?seconds=61", "/slow?seconds=nan", "/slow?seconds=-1", "/drip?pieces=0"):
        async with http.get(query) as answer:
            assert answer.status == 400


async def test_odd_framings(http: aiohttp.ClientSession) -> None:
    """Chunked and close-delimited bodies carry the same content."""
    for path in ("/chunked/100000", "/close-delimited/100000"):
        async with http.get(path) as answer:
            assert hashlib.sha256(await answer.read()).hexdigest() == derive_checksum(100_000)
    async with http.get("/trailers") as answer:
        assert await answer.read() == b"hello"
    async with http.get("/early-hints") as answer:
        assert answer.status == 200


@pytest.mark.parametrize("how", ["length", "chunked", "reset"])
async def test_broken_answers_break(http: aiohttp.ClientSession, how: str) -> None:
    """A client that looks sees that the answer is not whole."""
    with pytest.raises(aiohttp.ClientError):
        async with http.get(f"/broken/{how}") as answer:
            await answer.read()
