"""A plain two-way pipe: what client and upstream connections become after 101 Switching Protocols."""

from __future__ import annotations

import asyncio

from proxy.edge.client_socket import LINGER_SECONDS, reset


class Tunnel:
    """Two transports joined. Each side's connection object hands its events here; the slower side sets the pace."""

    __slots__ = ("_client", "_closed", "_half_closed", "_upstream", "active")

    def __init__(self, client: asyncio.Transport, upstream: asyncio.Transport) -> None:
        self._client = client
        self._upstream = upstream
        self._half_closed = False
        self._closed = False
        # Bytes passed since the worker's tick last looked; an idle tunnel is closed by its time limit.
        self.active = True

    def from_client(self, data: bytes) -> None:
        """Pass bytes on to the upstream."""
        self.active = True
        if not self._upstream.is_closing():
            self._upstream.write(data)

    def from_upstream(self, data: bytes) -> None:
        """Pass bytes on to the client."""
        self.active = True
        if not self._client.is_closing():
            self._client.write(data)

    def hold(self, *, client: bool, held: bool) -> None:
        """One side's write buffer is full (`held`) or drained: pause or resume reading the other side."""
        other = self._upstream if client else self._client
        if other.is_closing():
            return
        if held:
            other.pause_reading()
        else:
            other.resume_reading()

    def half_close(self, *, client: bool) -> bool:
        """One side sent its last byte: say so to the other, which may still speak.

        False when that is the end of both: the second side to end, or one that cannot be half-closed (TLS).
        """
        other = self._upstream if client else self._client
        if self._half_closed or other.is_closing() or not other.can_write_eof():
            return False
        self._half_closed = True
        other.write_eof()
        return True

    def close(self, *, abort: bool = False) -> None:
        """One side is gone, or time is up: close both, sending first what is buffered.

        `abort`: break both, as one side broke.
        """
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        for transport in (self._client, self._upstream):
            if abort:
                reset(transport)
                continue
            transport.close()
            # A side that takes nothing any more does not keep its socket, and ours, for ever.
            loop.call_later(LINGER_SECONDS, transport.abort)
