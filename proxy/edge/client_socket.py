"""The client's socket: writing to it, pausing it, ending it so that the last answer arrives, and its time limits."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import struct
import sys
import termios
from socket import SO_LINGER, SOL_SOCKET
from typing import TYPE_CHECKING, Final, cast

from proxy.identity.addresses import pack

if TYPE_CHECKING:
    from proxy.edge.worker import Worker

# Bytes kept for a side that does not read, before the other side is paused. asyncio's default of 64 KiB halves the
# rate of large downloads here; nginx holds 8 buffers of 8 KiB and then files.
WRITE_HIGH_WATER: Final = 256 * 1024
# After an answer that ends the connection the rest of the request is read and thrown away for this long, so that
# the answer is not destroyed by a reset (RFC 9112 §9.6). nginx: lingering_timeout 5s.
LINGER_SECONDS: Final = 5.0
_HARD_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 seconds: close() sends RST
# The peer of a unix socket is on this machine; it may speak for clients when this address is trusted.
_LOCAL_PEER: Final = b"\x7f\x00\x00\x01"
# Stands for a peer that is gone before it could be asked for its name; nothing it sent is read.
NOBODY: Final = bytes(4)


class Phase:
    """What the connection waits for; its time limit follows from it. Plain integers, in this order."""

    IDLE: Final = 0  # the first byte of a request
    HEAD: Final = 1  # the rest of a head
    EXCHANGE: Final = 2  # a request in flight
    LINGER: Final = 3  # the client's end, after our last answer
    TUNNEL: Final = 4
    CLOSED: Final = 5


class Hold:
    """Why the client is not read; it is read again when no reason is left. Bits."""

    PIPELINED: Final = 1  # enough bytes of later requests are kept
    BODY: Final = 2  # the upstream does not take the request body as fast as it comes


class ClientSocket(asyncio.Protocol):
    """What holds for any client connection, whatever is said on it.

    `deadline` is a number that the worker's tick compares: no timer is made for a request.
    """

    __slots__ = ("_unsent", "_worker", "deadline", "holds", "phase", "transport", "write_held")

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.phase = Phase.IDLE
        self.deadline = 0.0
        self.holds = 0
        self.write_held = False  # the client takes bytes slower than they come
        self._unsent = 0  # bytes the client had not taken when that was last looked at

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; asyncio calls this once."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)

    # -- writing

    def send(self, data: bytes) -> None:
        """Write response bytes."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def pause_writing(self) -> None:
        """The client takes bytes slower than they come; from now on it must make progress."""
        self.write_held = True
        self._unsent = self._count_unsent()
        if self.phase == Phase.EXCHANGE:
            self.deadline = self._worker.clock + self._worker.site.timeouts.send_idle

    def resume_writing(self) -> None:
        """The client caught up."""
        self.write_held = False
        self._unsent = 0
        if self.phase == Phase.EXCHANGE:
            waiting = self._worker.clock + self._worker.site.timeouts.upstream_idle
            self.deadline = max(self.deadline, waiting)

    # -- reading

    def hold(self, reason: int) -> None:
        """Stop reading the client for a reason (Hold)."""
        if not self.holds and not self.transport.is_closing():
            self.transport.pause_reading()
        self.holds |= reason

    def release(self, reason: int) -> None:
        """Drop a reason; the client is read again when none is left."""
        if not self.holds & reason:
            return
        self.holds &= ~reason
        if not self.holds and not self.transport.is_closing():
            self.transport.resume_reading()

    # -- ending

    def end(self, *, linger: bool) -> None:
        """Close after the last answer: at once, or after the rest of the request was read and thrown away."""
        clock = self._worker.clock
        if not linger or self.transport.is_closing():
            self.phase = Phase.CLOSED
            self.deadline = clock + self._worker.site.timeouts.send_idle
            self.transport.close()
            return
        self.phase = Phase.LINGER
        self.deadline = clock + LINGER_SECONDS
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.release(Hold.PIPELINED | Hold.BODY)

    def abort(self) -> None:
        """Break the connection so that the client cannot take the answer for whole."""
        self.phase = Phase.CLOSED
        reset(self.transport)

    def still_sending(self) -> bool:
        """Whether the client still takes bytes, however slowly; one that makes no progress is let go.

        Asked when the deadline has passed. Progress is fewer bytes that wait, or a buffer that ran empty in between.
        """
        if not self.transport.get_write_buffer_size():
            return False
        unsent = self._count_unsent()
        if unsent == self._unsent:
            self.abort()
        self._unsent = unsent
        self.deadline = self._worker.clock + self._worker.site.timeouts.send_idle
        return True

    def _count_unsent(self) -> int:
        """Count the bytes that the client has not acknowledged: ours, and those in the kernel's buffer (tcp(7)).

        Without the kernel's the slow but steady would be cut off: it takes megabytes in before it takes more of ours.
        """
        size = self.transport.get_write_buffer_size()
        sock = self.transport.get_extra_info("socket")
        try:
            return size + int.from_bytes(
                fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder
            )
        except OSError:
            return size


def peer_of(name: object) -> bytes | None:
    """Give the packed address of a socket's peer name; a unix socket's peer is this machine.

    None when there is no name: the peer of a TCP socket has reset it before it was accepted.
    """
    if isinstance(name, tuple):
        return pack(str(name[0]).partition("%")[0])
    return None if name is None else _LOCAL_PEER


def reset(transport: asyncio.Transport) -> None:
    """Break a connection so that the other side sees an error, never a clean end."""
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        with contextlib.suppress(OSError):  # a unix socket has no reset
            sock.setsockopt(SOL_SOCKET, SO_LINGER, _HARD_RESET)
    transport.abort()
