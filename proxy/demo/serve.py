"""Listen and serve the demo store until cancelled."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from typing import TYPE_CHECKING

from aiohttp import web

from proxy.demo.app import create_app
from proxy.errors import StartError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

# As large as any head a proxy in front may be set to let through: its limits are under test, not ours.
_MAX_LINE = 256 * 1024
_MAX_HEADERS = 1024
# aiohttp logs a traceback for every request it cannot parse; `problem` logs what is our own fault.
_QUIET = logging.getLogger("proxy.demo.aiohttp")
_QUIET.setLevel(logging.CRITICAL)


async def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    ready: Callable[[str], None] | None = None,
    sock: socket.socket | None = None,
    ssl_context: ssl.SSLContext | None = None,
    seed: int = 0,
) -> None:
    """Serve until cancelled; `ready` gets the URL once connections are accepted.

    `port` 0 takes a free one. A bound `sock` (TCP or unix) is used instead of host and port. Raises
    StartError when the address cannot be bound.
    """
    listener = sock if sock is not None else _open_listener(host, port)
    # Bodies stay as sent (auto_decompress), so that checksums are those of the bytes on the wire.
    runner = web.AppRunner(
        create_app(seed=seed),
        access_log=None,
        logger=_QUIET,
        auto_decompress=False,
        keepalive_timeout=75.0,
        max_line_size=_MAX_LINE,
        max_field_size=_MAX_LINE,
        max_headers=_MAX_HEADERS,
        shutdown_timeout=2.0,
    )
    try:
        await runner.setup()
        await web.SockSite(runner, listener, ssl_context=ssl_context, backlog=1024).start()
        if ready is not None:
            ready(_describe(listener, tls=ssl_context is not None))
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
        listener.close()


def _open_listener(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            why = "the port is taken: stop what listens there, or choose another port (0 takes a free one)"
        else:
            why = error.strerror or str(error)
        raise StartError(f"the demo store cannot listen on {host}:{port}: {why}") from error


def _describe(listener: socket.socket, *, tls: bool) -> str:
    name = listener.getsockname()
    if not isinstance(name, tuple):
        return f"unix:{name}"
    host: str = name[0]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{name[1]}"
