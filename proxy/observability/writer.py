"""Writing lines without ever waiting for whoever reads them.

A pipe that nobody reads, a full disk or a network disk that hangs blocks `write`, and O_NONBLOCK is no way out: it
belongs to the open description, which standard error shares with other programs. So a process with an event loop
hands its lines to a thread (`LineWriter`), and the supervisor, which forks and therefore has no threads, writes only
what is taken at once (`DirectWriter`). What cannot be taken is dropped and counted; no call here raises.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_STDERR: Final = 2
# A write of up to PIPE_BUF bytes to a pipe is not mixed with those of other processes (pipe(7), POSIX write()).
_ATOMIC: Final = select.PIPE_BUF
# To a file, which has no such limit, this much goes with one call.
_BATCH: Final = 256 * 1024
# What cannot be opened is tried again when lines come, but not more often than this.
_RETRY_SECONDS: Final = 1.0
_NO_NOWAIT: Final = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ESPIPE}


class Writer(Protocol):
    """What the service log needs of either writer."""

    @property
    def dropped(self) -> int:
        """Lines lost so far."""

    def write(self, line: bytes) -> bool:
        """Take a line (with its line feed); False when it is lost."""

    def flush(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for what was taken to be written; False when it is not."""

    def close(self, timeout: float) -> bool:
        """Like `flush`, and end."""


class DirectWriter:
    """Writes to standard error from a process without threads: at once or not at all."""

    def __init__(self, descriptor: int = _STDERR) -> None:
        self._descriptor = descriptor
        self._rest = b""  # of a line that was taken in part: it ends before the next one begins
        self.dropped = 0

    def write(self, line: bytes) -> bool:
        """Write a line; False when there was no room for it."""
        try:
            self._send()
            if not self._rest:
                self._rest = line
                self._send()
                if self._rest is not line:
                    return True
                self._rest = b""
        except (OSError, ValueError):
            # What follows a line that broke off begins on a line of its own.
            self._rest = b"\n" if self._rest and self._rest is not line else b""
        self.dropped += 1
        return False

    def flush(self, timeout: float) -> bool:
        """Do nothing: what was taken is written already."""
        del timeout
        return not self._rest

    close = flush

    def _send(self) -> None:
        """Write what is taken without waiting."""
        while self._rest and (sent := _write_now(self._descriptor, self._rest)):
            self._rest = self._rest[sent:]


def _write_now(descriptor: int, data: bytes) -> int:
    """Write the start of `data` unless that would block; return how many bytes went. Raises OSError."""
    nowait: int | None = getattr(os, "RWF_NOWAIT", None)
    if nowait is not None:
        try:
            # pwritev2(2) with offset -1 writes at the current place; pipes and sockets take RWF_NOWAIT since Linux 6.5.
            return os.pwritev(descriptor, [data[:_ATOMIC]], -1, nowait)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno not in _NO_NOWAIT:
                raise
    # A pipe that is ready has room for PIPE_BUF bytes (poll(2)); a file is always ready.
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    ready = poll.poll(0)
    if not ready or ready[0][1] & select.POLLNVAL:
        return 0
    return os.write(descriptor, data[:_ATOMIC])


class _Reopen:
    """An order to go on with a path."""

    def __init__(self, path: Path | None) -> None:
        self.path = path


class LineWriter:
    """Lines go into a bounded queue, and a thread of its own writes them, in order and whole.

    To `path` (appended to, made with mode 0640) or, when it is None, to standard error. Also opening is the thread's
    work. The thread starts with the first line or with `start`: after the fork, for a thread does not survive one.
    `capacity` is in bytes. `linger`: seconds that lines may be gathered before they are written. `on_failure` is
    told, on the thread and once, why a path could not be opened.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        capacity: int,
        linger: float = 0.0,
        on_failure: Callable[[Exception], None] | None = None,
    ) -> None:
        self._path = path
        self._capacity = capacity
        self._linger = linger
        self._on_failure = on_failure
        # Lines, and orders between them: an event to be set, a path to go on with, None to end.
        self._queue: deque[bytes | threading.Event | _Reopen | None] = deque()
        self._thread: threading.Thread | None = None
        self._ended = False
        self._wake = threading.Event()
        self._hurry = threading.Event()
        # Each has one writer, the producer or the thread, so that none needs a lock.
        self._taken = 0  # bytes
        self._done = 0  # bytes
        self._refused = 0  # lines
        self._failed = 0  # lines
        # The thread's own.
        self._file: int | None = None
        self._retry_at = 0.0
        self._torn = False  # the last write ended inside a line
        self._complained = False  # it was told that this path cannot be opened

    @property
    def dropped(self) -> int:
        """Lines lost so far: the queue was full, or the write failed."""
        return self._refused + self._failed

    def start(self) -> None:
        """Start the thread, unless it runs."""
        if self._thread is None and not self._ended:
            thread = threading.Thread(target=self._run, name="line writer", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads for us: tried again with the next line
                return
            self._thread = thread

    def write(self, line: bytes) -> bool:
        """Queue a line (with its line feed); False, and counted, when the queue is full."""
        size = len(line)
        if self._taken - self._done + size > self._capacity or self._ended:
            self._refused += 1
            return False
        self._taken += size
        self._queue.append(line)
        if not self._wake.is_set():
            if self._thread is None:
                self.start()
            self._wake.set()
        return True

    def reopen(self, path: Path | None) -> None:
        """Have the lines that follow written to `path`, opened anew; where that fails, the old file is kept."""
        self._order(_Reopen(path))

    def flush(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until all that was queued is written or lost; False when it is not."""
        if self._thread is None and not self._queue:
            return True
        written = threading.Event()
        self._order(written)
        return written.wait(timeout)

    def close(self, timeout: float) -> bool:
        """Write what is queued, within `timeout` seconds, and end; False when the thread had to be left behind."""
        if self._thread is None and self._queue:
            self.start()
        self._ended = True
        if self._thread is None:
            return not self._queue
        self._order(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _order(self, order: threading.Event | _Reopen | None) -> None:
        self._queue.append(order)
        self.start()
        self._hurry.set()
        self._wake.set()

    # -- on the thread

    def _run(self) -> None:
        self._open()
        while True:
            self._wake.wait()
            if self._linger:
                self._hurry.wait(self._linger)
            # Cleared before the queue is read: what comes later sets them again.
            self._hurry.clear()
            self._wake.clear()
            while self._queue:
                if isinstance(self._queue[0], bytes):
                    # Lines that came while others were written are lines again, never an order.
                    self._write_lines()
                    continue
                order = self._queue.popleft()
                if order is None:
                    self._close_file()
                    return
                if isinstance(order, _Reopen):
                    self._path, self._complained = order.path, False
                    self._open()
                elif isinstance(order, threading.Event):
                    order.set()

    def _write_lines(self) -> None:
        """Write the lines up to the next order or the end of the queue."""
        batch: list[bytes] = []
        size = 0
        limit = self._batch_size()
        while self._queue and isinstance(line := self._queue[0], bytes):
            if batch and size + len(line) > limit:
                self._write_batch(batch, size)
                batch, size = [], 0
            batch.append(line)
            size += len(line)
            self._queue.popleft()
        if batch:
            self._write_batch(batch, size)

    def _batch_size(self) -> int:
        try:
            return (
                _BATCH if self._file is not None and stat.S_ISREG(os.fstat(self._file).st_mode) else _ATOMIC
            )
        except OSError:
            return _ATOMIC

    def _write_batch(self, lines: list[bytes], size: int) -> None:
        if self._file is None and time.monotonic() >= self._retry_at:
            self._open()
        data = b"".join(lines)
        if self._torn:
            data = b"\n" + data
        left = memoryview(data)
        try:
            if self._file is None:
                raise FileNotFoundError(errno.ENOENT, "not open")
            while left:
                left = left[os.write(self._file, left) :]
            self._torn = False
        except OSError:
            written = len(data) - len(left)
            self._failed += left.tobytes().count(b"\n") - (self._torn and not written)
            if written:
                self._torn = data[written - 1 : written] != b"\n"
        self._done += size

    def _open(self) -> None:
        """Open the path; where that fails, what was open stays so."""
        if self._path is None:
            fresh = _STDERR
        else:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
            try:
                fresh = os.open(self._path, flags, 0o640)
            except (OSError, ValueError) as error:
                self._retry_at = time.monotonic() + _RETRY_SECONDS
                if self._on_failure is not None and not self._complained:
                    self._on_failure(error)
                self._complained = True
                return
        self._complained = False
        self._close_file()
        self._file, self._torn = fresh, False

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None and file != _STDERR:
            try:
                os.close(file)
            except OSError:  # a network disk says only now that it lost something
                self._failed += 1
