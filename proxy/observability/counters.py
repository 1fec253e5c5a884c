"""Counters that cost a request next to nothing: slots in a memory page shared by all processes.

The supervisor makes the page before it forks; each worker adds to its own row, so nothing is ever locked; the
control process reads all rows and turns them into Prometheus metrics. A row outlives its worker: counters go on
where a killed worker left them.
"""

from __future__ import annotations

import mmap
from typing import Final


class Slot:
    """Places in a worker's row; each an unsigned 64-bit number. Plain integers: an enum's members cost on the path."""

    # Counters: they only grow.
    CONNECTIONS: Final = 0
    TURNED_AWAY: Final = 1
    REQUESTS: Final = 2
    REFUSED: Final = 3
    MONITORED: Final = 4
    BAD_REQUESTS: Final = 5
    UPSTREAM_CONNECTS: Final = 6
    UPSTREAM_FAILURES: Final = 7
    UPSTREAM_TIMEOUTS: Final = 8
    UPSTREAM_RETRIES: Final = 9
    RESPONSES_1XX: Final = 10
    RESPONSES_2XX: Final = 11
    RESPONSES_3XX: Final = 12
    RESPONSES_4XX: Final = 13
    RESPONSES_5XX: Final = 14
    BROKEN_RESPONSES: Final = 15
    TUNNELS: Final = 16
    SNAPSHOT_LOADS: Final = 17
    STARTS: Final = 18
    DECISIONS_DROPPED: Final = 19
    # Gauges: what holds now.
    OPEN_CONNECTIONS: Final = 20
    OPEN_TUNNELS: Final = 21
    PID: Final = 22
    HEARTBEAT_MS: Final = 23  # Unix time in milliseconds of the worker's last tick
    READY: Final = 24
    DRAINING: Final = 25
    LIST_VERSION: Final = 26
    ENTRIES: Final = 27
    REPLICATION: Final = 28  # index into REPLICATION_STATES
    SNAPSHOT_SEEN_MS: Final = 29  # Unix time in milliseconds when the store was last heard


SLOTS: Final = 30
# Gauges that speak of a process, not of its row: cleared when a worker takes the row over.
PROCESS_GAUGES: Final = range(Slot.OPEN_CONNECTIONS, SLOTS)
REPLICATION_STATES: Final = ("loading", "following", "away", "degraded")


class CounterPage:
    """`rows` rows of counters in anonymous shared memory; must be made before the fork that shares it."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._memory = mmap.mmap(-1, rows * SLOTS * 8)
        self._slots = memoryview(self._memory).cast("Q")

    def row(self, index: int) -> memoryview:
        """Give row `index` as a writable view, one item a Slot."""
        size = SLOTS
        return self._slots[index * size : (index + 1) * size]

    def total(self, slot: int) -> int:
        """Add up `slot` over all rows."""
        return sum(self._slots[slot::SLOTS])
