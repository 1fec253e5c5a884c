"""The processes that the supervisor forked: what it knows of each, hears from it and tells it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket

# A process that dies this soon after its start is restarted with growing pauses.
_YOUNG_SECONDS: Final = 2.0
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


@dataclass(slots=True)
class Pauses:
    """When something that keeps dying may be started again: at once, then after growing pauses."""

    started: float = 0.0
    failures: int = 0
    start_at: float = 0.0

    def begin(self, now: float) -> None:
        """It was started."""
        self.started = now

    def end(self, now: float) -> float:
        """It ended; gives the pause before the next start, in seconds."""
        self.failures = self.failures + 1 if now - self.started < _YOUNG_SECONDS else 0
        pause = min(_FIRST_PAUSE * 2 ** min(self.failures - 1, 10), _LONGEST_PAUSE) if self.failures else 0.0
        self.start_at = now + pause
        return pause


@dataclass(slots=True, kw_only=True, eq=False)
class Child:
    """One process: `row` of its counters, or None for the control process. `now`: monotonic seconds throughout."""

    name: str
    row: int | None
    pauses: Pauses
    pid: int = 0
    control: socket.socket | None = None
    ready: bool = False
    replaced: bool = False  # it was told to end so that another takes its place
    _beat: int = 0
    _beat_at: float = 0.0

    def begin(self, pid: int, control: socket.socket, now: float) -> None:
        """It was forked; `control` is our end of its socket pair."""
        control.setblocking(False)
        self.pid, self.control, self.ready, self.replaced = pid, control, False, False
        self._beat_at = now
        self.pauses.begin(now)

    def hear(self) -> None:
        """Read what it says: that it is ready. At the end of the line it is ending; the reaping restarts it."""
        if self.control is None:
            return
        with contextlib.suppress(BlockingIOError):
            try:
                said = self.control.recv(64)
            except OSError as error:
                if isinstance(error, BlockingIOError):
                    raise
                said = b""  # it died with our order unread
            if said:
                self.ready = True
            else:
                self._hang_up()

    def tell(self, order: bytes) -> None:
        """Send an order; a process that does not read its orders is stuck, and killed for another to take its place."""
        if self.control is None:
            return
        try:
            sent = self.control.send(order)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # it is ending
        if sent < len(order):
            self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Send a signal, if it still is there."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def is_stuck(self, beat: int, now: float, *, limit: float) -> bool:
        """Tell whether its heartbeat has stood still for longer than `limit` seconds.

        What counts is that the number changes, seen by our own clock: its value is wall time, which may step.
        """
        if beat != self._beat:
            self._beat, self._beat_at = beat, now
        return now - self._beat_at > limit

    def excuse(self, now: float) -> None:
        """We were not there to see its heartbeat (a paused machine): begin anew."""
        self._beat_at = now

    def has_ended(self) -> bool:
        """Reap it if it ended."""
        try:
            return os.waitpid(self.pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            return True

    def bury(self, now: float) -> float:
        """It ended; gives the pause before its next start, in seconds."""
        self._hang_up()
        self.pid = 0
        self.ready = False
        return self.pauses.end(now)

    def end(self, *, seconds: float = 3) -> None:
        """Wait for it to end, and make it end when it takes too long."""
        limit = time.monotonic() + seconds
        while not self.has_ended():
            if time.monotonic() > limit:
                self.signal(signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(self.pid, 0)
                break
            time.sleep(0.02)
        self._hang_up()
        self.pid = 0

    def _hang_up(self) -> None:
        if self.control is not None:
            self.control.close()
            self.control = None
