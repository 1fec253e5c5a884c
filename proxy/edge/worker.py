"""What the connections of one worker share: settings, snapshot, upstream pool, counters, and a coarse clock."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from email.utils import formatdate
from typing import TYPE_CHECKING, Final

from proxy.edge.caller import find_caller
from proxy.edge.health import Readiness, answer_live, answer_method, answer_ready, answer_unknown
from proxy.identity.addresses import unpack
from proxy.observability.counters import CounterPage, Slot
from proxy.observability.logs import get_logger
from proxy.policy.snapshot import Snapshot
from proxy.refusal.reference import make_reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.edge.connection import ClientConnection
    from proxy.edge.health import UpstreamMonitor
    from proxy.edge.pool import Pool, UpstreamError
    from proxy.edge.site import Site
    from proxy.http1.request import RequestHead
    from proxy.observability.decision_log import DecisionLog
    from proxy.policy.decision import Decision
    from proxy.refusal.answer import Answer

# Time limits are looked at this often, so they are exact to half a second. One pass over 4,000 connections is
# some 0.2 ms; a timer a request would cost more than the request's parsing.
TICK_SECONDS: Final = 0.5
# A shopper who hit a limit or an upstream that is away may well try again soon.
_RETRY_AFTER_SECONDS: Final = 10
# Over the connection limit a polite 503 is still given to this many at once; beyond, connections are just closed.
_TURNED_AWAY_AT_ONCE: Final = 256
_TURNED_AWAY_OF_A_CLIENT: Final = 32


class Worker:
    """The shared state; connections hold a reference to it and nothing else outlives a request."""

    def __init__(self, site: Site, pool: Pool, decisions: DecisionLog, page: CounterPage, row: int) -> None:
        self.site = site
        self.pool = pool
        self.monitor: UpstreamMonitor | None = None
        self.decisions = decisions
        self.counters = page.row(row)
        self.snapshot = Snapshot()
        self.snapshot_loaded = False
        self.describe_snapshot: Callable[[], str] = lambda: "not loaded yet"
        self.draining = False
        self.clock = time.monotonic()
        self.date = formatdate(usegmt=True).encode()
        self.connections: set[ClientConnection] = set()
        self._page = page
        self._by_client: Counter[bytes] = Counter()
        self._turned_away = 0
        self._log = get_logger("worker")
        self._upstream_down: float | None = None  # since when, by the clock

    # -- connections

    def opened(self, connection: ClientConnection, *, limited: bool) -> bool:
        """Count a connection in; False when it is one too many, in all or for its client."""
        self.connections.add(connection)
        counters = self.counters
        counters[Slot.CONNECTIONS] += 1
        counters[Slot.OPEN_CONNECTIONS] += 1
        limits = self.site.limits
        excess = self._page.total(Slot.OPEN_CONNECTIONS) - limits.connections
        hopeless = len(self.connections) > limits.connections + _TURNED_AWAY_AT_ONCE
        if limited:
            client = limit_key(connection.peer)
            self._by_client[client] += 1
            if limits.connections_per_client:
                over = self._by_client[client] - limits.connections_per_client
                excess = max(excess, over)
                hopeless = hopeless or over > _TURNED_AWAY_OF_A_CLIENT
        within = excess <= 0
        if not within:
            counters[Slot.TURNED_AWAY] += 1
            if hopeless:
                connection.transport.abort()
        return within

    def closed(self, connection: ClientConnection) -> None:
        """Count a connection out."""
        self.connections.discard(connection)
        self.counters[Slot.OPEN_CONNECTIONS] -= 1
        client = limit_key(connection.peer)
        if client in self._by_client:
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]

    # -- answers

    def health(self, head: RequestHead) -> Answer:
        """Answer a request below the health path."""
        path = self.site.health_path
        live, ready = path + b"/livez", path + b"/readyz"
        target = head.target.partition(b"?")[0]
        if target not in (live, ready):
            return answer_unknown(head, (live.decode(), ready.decode()))
        if head.method not in (b"GET", b"HEAD"):
            return answer_method()
        return answer_live(head) if target == live else answer_ready(head, self.readiness())

    def readiness(self) -> Readiness:
        """Say what readiness rests on now."""
        monitor = self.monitor
        return Readiness(
            snapshot_loaded=self.snapshot_loaded,
            snapshot=self.describe_snapshot(),
            upstream_answers=monitor is not None and monitor.answers,
            upstream=monitor.detail if monitor is not None else "not asked yet",
            draining=self.draining,
        )

    def error(
        self, status: int, why: str, client: bytes, raw: bytes, head: RequestHead | None = None
    ) -> Answer:
        """Give the polite answer for `status`, and note `why` under its reference.

        `client`: the packed client address; `raw`: the request's head as far as it came; `head`: what was read of it.
        """
        counters = self.counters
        counters[Slot.RESPONSES_4XX if status < 500 else Slot.RESPONSES_5XX] += 1
        reference = make_reference(secrets.randbits(64))
        self.decisions.record_error(
            reference=reference,
            client=unpack(client),
            method=head.method if head else b"",
            target=head.target if head else b"",
            status=status,
            detail=why,
        )
        return self.site.refusals.error(
            status,
            **find_caller(raw),
            reference=reference,
            retry_after=_RETRY_AFTER_SECONDS if status in (503, 504) else None,
        )

    def note_decision(self, decision: Decision, client: bytes, head: RequestHead) -> Answer | None:
        """Record a decision that something hit; gives the refusal, or None when the request goes on."""
        if not decision.refused and not decision.would_refuse:
            return None
        counters = self.counters
        counters[Slot.REFUSED if decision.refused else Slot.MONITORED] += 1
        reference = make_reference(secrets.randbits(64))
        self.decisions.record(
            reference=reference,
            client=unpack(client),
            method=head.method,
            target=head.target,
            decision=decision,
            version=self.snapshot.version,
        )
        if not decision.refused:
            return None
        status = self.site.block_status
        counters[Slot.RESPONSES_4XX] += 1
        return self.site.refusals.block(
            **find_caller(head.raw),
            reason=decision.reason,
            reference=reference,
            ends=decision.ends,
            now=time.time(),
            status=status,
        )

    def upstream_failed(self, error: UpstreamError) -> None:
        """Say once that the upstream is away, and once that it is back; never once a request."""
        if self._upstream_down is None:
            self._upstream_down = self.clock
            self._log.error("the upstream cannot be connected", error=str(error))

    # -- time

    def tick(self) -> None:
        """Advance the coarse clock, look at time limits, write what was gathered, tell that we live."""
        self.clock = now = time.monotonic()
        wall = time.time()
        self.date = formatdate(wall, usegmt=True).encode()
        for connection in [each for each in self.connections if each.deadline < now]:
            self._end_wait(connection)
        self.pool.sweep()
        self.counters[Slot.DECISIONS_DROPPED] += self.decisions.take_dropped()
        if self._upstream_down is not None and self.pool.last_answer > self._upstream_down:
            self._upstream_down = None
            self._log.info("the upstream answers again")
        counters = self.counters
        counters[Slot.HEARTBEAT_MS] = int(wall * 1000)
        counters[Slot.READY] = self.readiness().ready
        counters[Slot.DRAINING] = self.draining
        counters[Slot.LIST_VERSION] = self.snapshot.version
        counters[Slot.ENTRIES] = len(self.snapshot)

    def _end_wait(self, connection: ClientConnection) -> None:
        """Tell a connection that its time is up; one that fails at that must not keep others from being told."""
        try:
            connection.on_deadline()
        except Exception:  # noqa: BLE001 - whatever it is, it is this connection's alone
            self._log.exception("a time limit could not be kept")
            connection.abort()

    async def tick_forever(self) -> None:
        """Tick until cancelled; a fault in one tick is logged and the next one comes."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                self.tick()
            except Exception:  # noqa: BLE001 - a worker that stops ticking keeps no time limit
                self._log.exception("a tick failed")


def limit_key(peer: bytes) -> bytes:
    """Give what counts as one client for its limit: an IPv4 address, or an IPv6 /64, which one household gets."""
    return peer if len(peer) == 4 else peer[:8]
