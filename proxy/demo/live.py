"""What stays open: the stock ticker as WebSocket and as server-sent events, and an echo for tests."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import WSCloseCode, WSMsgType, web

from proxy.demo.state import STATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_HEARTBEAT = (
    30.0  # seconds; under the 60 s after which nginx and most load balancers drop a silent connection
)
_MAX_MESSAGE = 4 * 1024**2  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """What has to end when the store stops."""

    sockets: set[web.WebSocketResponse] = field(default_factory=set)
    streams: set[asyncio.Task[None]] = field(default_factory=set)


_OPEN = web.AppKey("open", _Open)


async def keep_alive(app: web.Application) -> AsyncIterator[None]:
    """Run the stock's simulation as long as the application lives (a cleanup context)."""
    simulation = asyncio.create_task(app[STATE].stock.simulate())
    yield
    simulation.cancel()
    await asyncio.gather(simulation, return_exceptions=True)


async def close_all(app: web.Application) -> None:
    """Say goodbye to every open socket and stream when the store stops."""
    for stream in tuple(app[_OPEN].streams):
        stream.cancel()
    for socket in tuple(app[_OPEN].sockets):
        await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the store is closing")


def set_up(app: web.Application) -> None:
    """Give the application what the handlers of this module need."""
    app[_OPEN] = _Open()
    app.cleanup_ctx.append(keep_alive)
    app.on_shutdown.append(close_all)


@contextmanager
def _listed(request: web.Request, socket: web.WebSocketResponse) -> Iterator[None]:
    request.app[_OPEN].sockets.add(socket)
    try:
        yield
    finally:
        request.app[_OPEN].sockets.discard(socket)


async def echo(request: web.Request) -> web.WebSocketResponse:
    """`/ws/echo`: send every text and binary message back as it came (at most 4 MiB each)."""
    socket = web.WebSocketResponse(max_msg_size=_MAX_MESSAGE)
    await socket.prepare(request)
    with _listed(request, socket):
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
    return socket


async def stock_ticker(request: web.Request) -> web.WebSocketResponse:
    """`/ws/stock?product=slug`: the level of one product or all, then each change, as {product, stock}."""
    stock, wanted = request.app[STATE].stock, request.query.get("product")
    socket = web.WebSocketResponse(heartbeat=_HEARTBEAT, max_msg_size=1024)
    with _watch(request) as changes:
        await socket.prepare(request)
        for slug, level in stock.levels.items():
            if wanted in (None, slug):
                await socket.send_json({"product": slug, "stock": level})
        sender = asyncio.create_task(_forward(socket, changes, wanted))
        with _listed(request, socket):
            try:
                async for _message in socket:
                    pass  # the ticker only talks; reading notices the close
            finally:
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)
    return socket


async def events(request: web.Request) -> web.StreamResponse:
    """`GET /events?count=n`: the ticker as server-sent events; ends after n, or with the client."""
    most = request.query.get("count", "")
    left = int(most) if most.isascii() and most.isdigit() and len(most) <= 6 else -1
    response = web.StreamResponse(headers={"Cache-Control": "no-store"})
    response.content_type = "text/event-stream"
    with _watch(request) as changes:
        await response.prepare(request)
        for slug, level in request.app[STATE].stock.levels.items():
            changes.put_nowait({"product": slug, "stock": level})
        sender = asyncio.create_task(_send_events(response, changes, left))
        request.app[_OPEN].streams.add(sender)
        try:
            await asyncio.wait((sender,))
        finally:
            request.app[_OPEN].streams.discard(sender)
            sender.cancel()
        if not sender.cancelled():
            sender.result()
    await response.write_eof()
    return response


async def _send_events(
    response: web.StreamResponse, changes: asyncio.Queue[dict[str, object]], left: int
) -> None:
    number = 0
    while number != left:
        text = ": still here\n\n"
        with suppress(TimeoutError):
            async with asyncio.timeout(_HEARTBEAT):
                change = await changes.get()
            number += 1
            text = f"id: {number}\nevent: stock\ndata: {json.dumps(change)}\n\n"
        await response.write(text.encode())


async def _forward(
    socket: web.WebSocketResponse, changes: asyncio.Queue[dict[str, object]], wanted: str | None
) -> None:
    while True:
        change = await changes.get()
        if wanted in (None, change["product"]):
            await socket.send_json(change)


@contextmanager
def _watch(request: web.Request) -> Iterator[asyncio.Queue[dict[str, object]]]:
    try:
        with request.app[STATE].stock.watch() as changes:
            yield changes
    except OverflowError as error:
        raise web.HTTPServiceUnavailable(text="Too many people are watching; please try later.") from error
