"""Accepting connections on the sockets that the supervisor bound."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy.edge.client_socket import peer_of
from proxy.edge.connection import ClientConnection
from proxy.edge.pool import TLS_SHUTDOWN_SECONDS
from proxy.errors import StockadeError
from proxy.identity.proxy_protocol import MAX_LENGTH_V1, ProxyProtocolError, read_header
from proxy.observability.counters import Slot
from proxy.observability.logs import get_logger

if TYPE_CHECKING:
    import ssl

    from proxy.edge.site import Inlet
    from proxy.edge.worker import Worker

# Connections the kernel holds for a worker that is being replaced; cut to net.core.somaxconn (4096 since Linux 5.4).
BACKLOG: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One bound socket, how it shows to requests, and how a connection begins on it."""

    sock: socket.socket
    inlet: Inlet
    tls: ssl.SSLContext | None = None
    proxy_protocol: bool = False


class Acceptor:
    """Accepts on one listener until closed. Closing leaves the supervisor's socket as it is."""

    def __init__(self, worker: Worker, listener: Listener) -> None:
        self._worker = worker
        self._listener = listener
        self._server: asyncio.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._greetings: set[asyncio.Task[None]] = set()
        self._log = get_logger("worker")

    async def start(self) -> None:
        """Begin to accept."""
        loop = asyncio.get_running_loop()
        listener = self._listener
        sock = listener.sock.dup()
        sock.setblocking(False)
        if listener.proxy_protocol:
            self._task = loop.create_task(self._accept(sock))
            return
        worker, inlet = self._worker, listener.inlet

        def factory() -> ClientConnection:
            return ClientConnection(worker, inlet, peer=None)

        handshake = worker.site.timeouts.head if listener.tls else None
        shutdown = TLS_SHUTDOWN_SECONDS if listener.tls else None
        if sock.family == socket.AF_UNIX:
            self._server = await loop.create_unix_server(
                factory,
                sock=sock,
                ssl=listener.tls,
                ssl_handshake_timeout=handshake,
                ssl_shutdown_timeout=shutdown,
                backlog=BACKLOG,
            )
        else:
            self._server = await loop.create_server(
                factory,
                sock=sock,
                ssl=listener.tls,
                ssl_handshake_timeout=handshake,
                ssl_shutdown_timeout=shutdown,
                backlog=BACKLOG,
            )

    def close(self) -> None:
        """Accept no more; connections that stand go on."""
        if self._server is not None:
            self._server.close()
        if self._task is not None:
            self._task.cancel()

    async def _accept(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with sock:
            while True:
                try:
                    connection, _ = await loop.sock_accept(sock)
                except OSError as error:  # out of descriptors: wait for connections to end
                    self._log.warning("a connection could not be accepted", error=str(error))
                    await asyncio.sleep(0.1)
                    continue
                task = loop.create_task(self._greet(connection))
                self._greetings.add(task)
                task.add_done_callback(self._greetings.discard)

    async def _greet(self, connection: socket.socket) -> None:
        """Read the PROXY protocol header, then let the connection begin as any other, from the address it names."""
        connection.setblocking(False)
        try:
            async with asyncio.timeout(self._worker.site.timeouts.head):
                client = await self._read_client(connection)
            await self._begin(connection, client)
        except (StockadeError, OSError, TimeoutError) as error:
            self._worker.counters[Slot.BAD_REQUESTS] += 1
            self._log.debug("a connection without a usable beginning was closed", error=str(error))
            connection.close()
        except BaseException:
            connection.close()
            raise

    async def _read_client(self, connection: socket.socket) -> bytes:
        peer = peer_of(connection.getpeername())
        if peer is None or peer not in self._worker.site.forwarding.trusted:
            raise ProxyProtocolError("the peer is no trusted proxy, so it may not name a client")
        return await read_proxy_header(connection) or peer

    async def _begin(self, connection: socket.socket, peer: bytes) -> None:
        """Let the connection go on as any other, with its TLS handshake first; raises OSError when that fails."""
        worker, inlet = self._worker, self._listener.inlet
        tls = self._listener.tls
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: ClientConnection(worker, inlet, peer=peer),
            connection,
            ssl=tls,
            ssl_handshake_timeout=worker.site.timeouts.head if tls else None,
            ssl_shutdown_timeout=TLS_SHUTDOWN_SECONDS if tls else None,
        )


async def read_proxy_header(connection: socket.socket) -> bytes | None:
    """Read a PROXY protocol header and not one byte more; gives the source address, None when it names none.

    Raises ProxyProtocolError for anything else (HAProxy's proxy-protocol.txt §2: the receiver must not guess) and
    OSError when the connection ends.
    """
    loop = asyncio.get_running_loop()
    data = b""
    while (header := read_header(data)) is None:
        if len(data) < 6:
            wanted = 6 - len(data)  # enough to tell the versions apart
        elif data.startswith(b"PROXY"):
            wanted = _rest_of_line(connection)
        elif len(data) < 16:
            wanted = 16 - len(data)  # version 2: signature, command, family, length
        else:
            wanted = 16 + int.from_bytes(data[14:16]) - len(data)
        got = await loop.sock_recv(connection, wanted)
        if not got:
            raise ProxyProtocolError("the connection ended inside its PROXY protocol header")
        data += got
    return header.source


def _rest_of_line(connection: socket.socket) -> int:
    """Bytes that can be read without passing the line's end: what is there up to it, else one."""
    try:
        there = connection.recv(MAX_LENGTH_V1, socket.MSG_PEEK)
    except BlockingIOError:
        return 1
    end = there.find(b"\n")
    return end + 1 if end >= 0 else len(there) or 1
