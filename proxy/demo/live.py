"""WebSockets: an echo for tests."""

from __future__ import annotations

from aiohttp import WSMsgType, web


async def echo(request: web.Request) -> web.WebSocketResponse:
    """`/ws/echo`: send every text and binary message back as it came (at most 4 MiB each)."""
    socket = web.WebSocketResponse(max_msg_size=4 * 1024**2)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket
