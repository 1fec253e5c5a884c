"""Large and slow bodies: downloads with ranges, uploads that are only hashed, slow answers."""

from __future__ import annotations

import asyncio
import hashlib

from aiohttp import web

from proxy.demo.content import derive_checksum, parse_range, render_content

MAX_DOWNLOAD = 8 * 1024**3  # 8 GiB: larger than any 32-bit counter on the way
MAX_CHECKSUM = 1024**3  # a checksum costs a second or so a GiB: bounded, so nobody keeps the store busy
MAX_SECONDS = 60.0


async def download(request: web.Request) -> web.StreamResponse:
    """`GET /download/{bytes}`: that many bytes, with ETag, Range, If-Range, If-None-Match."""
    size = _read_size(request, MAX_DOWNLOAD)
    etag = f'"potting-lane-{size}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "public, no-cache",
        "Content-Disposition": f'attachment; filename="potting-lane-{size}.bin"',
    }
    if request.headers.get("If-None-Match") in (etag, "*"):
        return web.Response(status=304, headers=headers)
    start, stop, status = 0, size, 200
    wanted = request.headers.get("Range")
    if wanted is not None and request.headers.get("If-Range", etag) == etag:
        try:
            bounds = parse_range(wanted, size)
        except ValueError:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        if bounds is not None:
            (start, stop), status = bounds, 206
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    response = web.StreamResponse(status=status, headers=headers)
    response.content_type = "application/octet-stream"
    response.content_length = stop - start
    await response.prepare(request)
    if request.method != "HEAD":
        for piece in render_content(start, stop):
            await response.write(piece)
    await response.write_eof()
    return response


async def checksum(request: web.Request) -> web.Response:
    """`GET /download/{bytes}/sha256`: the checksum to expect, as `sha256sum` would print it."""
    size = _read_size(request, MAX_CHECKSUM)
    digest = await asyncio.to_thread(derive_checksum, size)
    return web.Response(text=f"{digest}  potting-lane-{size}.bin\n")


async def upload(request: web.Request) -> web.Response:
    """`POST` or `PUT /upload`: hash the body as it comes, keep nothing; answers {bytes, sha256}."""
    total, digest = await read_digest(request)
    return web.json_response({"bytes": total, "sha256": digest})


async def read_digest(request: web.Request) -> tuple[int, str]:
    """Read the body to its end in constant memory; give its length and SHA-256 (hex)."""
    total, digest = 0, hashlib.sha256()
    async for piece in request.content.iter_any():
        total += len(piece)
        digest.update(piece)
    return total, digest.hexdigest()


async def slow(request: web.Request) -> web.Response:
    """`* /slow?seconds=1.5`: an answer whose first byte takes its time."""
    seconds = _read_seconds(request)
    await asyncio.sleep(seconds)
    return web.Response(text=f"Good things take {seconds:g} seconds.\n")


async def drip(request: web.Request) -> web.StreamResponse:
    """`GET /drip?seconds=2&pieces=10`: a chunked answer that comes in drops."""
    seconds = _read_seconds(request)
    pieces = _read_number(request.query.get("pieces", "10"), 1, 1000, "pieces")
    response = web.StreamResponse()
    response.content_type = "text/plain"
    await response.prepare(request)
    for number in range(pieces):
        await asyncio.sleep(seconds / pieces)
        await response.write(f"drop {number + 1} of {pieces}\n".encode())
    await response.write_eof()
    return response


def _read_size(request: web.Request, most: int) -> int:
    return _read_number(request.match_info["bytes"], 0, most, "bytes")


def _read_number(text: str, least: int, most: int, name: str) -> int:
    # Twelve digits hold every limit here and keep int() of a hostile number cheap.
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and least <= int(text) <= most):
        raise web.HTTPBadRequest(text=f"{name} must be a whole number from {least} to {most}\n")
    return int(text)


def _read_seconds(request: web.Request) -> float:
    text = request.query.get("seconds", "1")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_SECONDS:
        raise web.HTTPBadRequest(text=f"seconds must be a number from 0 to {MAX_SECONDS:g}\n")
    return seconds
