"""Answers framed as aiohttp would not, written straight to the connection: what a proxy may meet."""

from __future__ import annotations

from aiohttp import web

from proxy.demo.content import render_content

_MAX_BYTES = 64 * 1024**2  # these answers ignore backpressure, so they stay small
_PIECE = 1000
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


async def close_delimited(request: web.Request) -> web.StreamResponse:
    """`GET /close-delimited/{bytes}`: an answer that ends with the connection (RFC 9112, 6.3, rule 8)."""
    size = _read_size(request)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n\r\n"
    return _write_and_close(request, head + b"".join(render_content(0, size)))


async def chunked(request: web.Request) -> web.StreamResponse:
    """`GET /chunked/{bytes}`: an answer in chunks of 1 to 1,000 bytes (to HTTP/1.0: until the close)."""
    size = _read_size(request)
    response = web.StreamResponse()
    response.content_type = "application/octet-stream"
    await response.prepare(request)
    start, step = 0, 1
    while start < size and request.method != "HEAD":
        stop = min(size, start + step)
        await response.write(b"".join(render_content(start, stop)))
        start, step = stop, step % _PIECE + 1
    await response.write_eof()
    return response


async def trailers(request: web.Request) -> web.StreamResponse:
    """`GET /trailers`: a chunked answer with a trailer field, X-Checksum (RFC 9112, 7.1.2)."""
    return _write_and_close(
        request,
        _HEAD + b"Transfer-Encoding: chunked\r\nTrailer: X-Checksum\r\nConnection: close\r\n\r\n"
        b"5\r\nhello\r\n0\r\nX-Checksum: 3610a686\r\n\r\n",
    )


async def early_hints(request: web.Request) -> web.StreamResponse:
    """`GET /early-hints`: an interim 103 before the answer (RFC 8297)."""
    # RFC 9110, 15.2: no interim answer to an HTTP/1.0 client.
    if request.transport is not None and request.version >= (1, 1):
        request.transport.write(
            b"HTTP/1.1 103 Early Hints\r\nLink: </static/shop.css>; rel=preload; as=style\r\n\r\n"
        )
    return web.Response(text="There was a 103 before this.\n")


async def broken(request: web.Request) -> web.StreamResponse:
    """`GET /broken/{how}`: an answer that breaks half-way: `length`, `chunked`, `head` or `reset`."""
    answers = {
        "length": _HEAD + b"Content-Length: 1000\r\n\r\nonly this much",
        "chunked": _HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "head": b"HTTP/1.1 200 OK\r\nContent-Type: text/pl",
        "reset": b"",
    }
    how = request.match_info["how"]
    if how not in answers:
        raise web.HTTPNotFound(text=f"choose one of {', '.join(answers)}\n")
    if how == "reset" and request.transport is not None:
        request.transport.abort()
    return _write_and_close(request, answers[how])


def _write_and_close(request: web.Request, data: bytes) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.write(data)
        request.transport.close()
    return web.Response()  # aiohttp finds the connection closed and writes none of it


def _read_size(request: web.Request) -> int:
    text = request.match_info["bytes"]
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) <= _MAX_BYTES):
        raise web.HTTPBadRequest(text=f"bytes must be a whole number from 0 to {_MAX_BYTES}\n")
    return int(text)
