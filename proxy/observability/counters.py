"""Counters that cost a request next to nothing: slots in a memory page shared by all processes.

The supervisor makes the page before it forks; each worker adds to its own row, so nothing is ever locked; the
control process reads all rows and turns them into Prometheus metrics. A row outlives its worker: counters go on
where a killed worker left them.
"""

from __future__ import annotations

import mmap
from enum import IntEnum, auto
from typing import Final


class Slot(IntEnum):
    """Places in a worker's row; each an unsigned 64-bit number."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:  # noqa: ARG004 - enum's own signature
        return count

    # Counters: they only grow.
    CONNECTIONS = auto()
    TURNED_AWAY = auto()
    REQUESTS = auto()
    REFUSED = auto()
    MONITORED = auto()
    BAD_REQUESTS = auto()
    UPSTREAM_CONNECTS = auto()
    UPSTREAM_FAILURES = auto()
    UPSTREAM_TIMEOUTS = auto()
    UPSTREAM_RETRIES = auto()
    RESPONSES_1XX = auto()
    RESPONSES_2XX = auto()
    RESPONSES_3XX = auto()
    RESPONSES_4XX = auto()
    RESPONSES_5XX = auto()
    BROKEN_RESPONSES = auto()
    TUNNELS = auto()
    SNAPSHOT_LOADS = auto()
    STARTS = auto()
    # Gauges: what holds now.
    OPEN_CONNECTIONS = auto()
    OPEN_TUNNELS = auto()
    PID = auto()
    HEARTBEAT_MS = auto()  # Unix time in milliseconds of the worker's last tick
    READY = auto()
    DRAINING = auto()
    LIST_VERSION = auto()
    ENTRIES = auto()
    REPLICATION = auto()  # index into REPLICATION_STATES
    SNAPSHOT_SEEN_MS = auto()  # Unix time in milliseconds when the store was last heard


# Gauges that speak of a process, not of its row: cleared when a worker takes the row over.
PROCESS_GAUGES: Final = tuple(slot for slot in Slot if slot >= Slot.OPEN_CONNECTIONS)
REPLICATION_STATES: Final = ("loading", "following", "away", "degraded")


class CounterPage:
    """`rows` rows of counters in anonymous shared memory; must be made before the fork that shares it."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._memory = mmap.mmap(-1, rows * len(Slot) * 8)
        self._slots = memoryview(self._memory).cast("Q")

    def row(self, index: int) -> memoryview:
        """Give row `index` as a writable view, one item a Slot."""
        size = len(Slot)
        return self._slots[index * size : (index + 1) * size]

    def total(self, slot: Slot) -> int:
        """Add up `slot` over all rows."""
        return sum(self._slots[slot :: len(Slot)])
