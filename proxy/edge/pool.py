"""Upstream connections: which address to use, which connections to keep, what to do when one fails.

Health is passive: an address that cannot be connected `fail_after` times in a row is left alone for `fail_for`
seconds; when all are, all are tried. A request moves to the next address only while no connection stands, when
nothing can have been processed. Names are resolved anew every `resolve_every` seconds.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from proxy.edge.upstream_connection import UpstreamConnection
from proxy.errors import StockadeError
from proxy.observability.counters import Slot

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from proxy.edge.exchange import Exchange
    from proxy.settings.addresses import UpstreamAddress

# A connection idle for longer than this is not used for a request that must not be sent twice: the shorter it was
# idle, the less likely the upstream is closing it just now.
_UNSAFE_REUSE_SECONDS: Final = 1.0
# How long the other side's TLS close_notify is awaited after ours (asyncio waits 30 s; nginx does not wait).
TLS_SHUTDOWN_SECONDS: Final = 5.0


class UpstreamError(StockadeError):
    """No upstream address could be connected; `status` is 502, or 504 when time ran out."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolOptions:
    """How the pool behaves; seconds throughout.

    `tls` is the client context for https upstreams, `server_name` the name asked for and checked there (empty: the
    upstream's host).
    """

    connect_timeout: float
    idle_seconds: float
    idle_connections: int
    fail_after: int
    fail_for: float
    tls: ssl.SSLContext | None = None
    server_name: str = ""


class Target:
    """One resolved address of an upstream, with its idle connections (last used last) and its failures."""

    __slots__ = ("_limit", "_pool", "address", "busy", "down_until", "failures", "idle", "upstream")

    def __init__(self, pool: Pool, upstream: UpstreamAddress, address: str, *, limit: int) -> None:
        self._pool = pool
        self._limit = limit
        self.busy: set[UpstreamConnection] = set()
        self.upstream = upstream
        self.address = address
        self.idle: list[UpstreamConnection] = []
        self.failures = 0
        self.down_until = 0.0

    def take(self, now: float, *, safe: bool) -> UpstreamConnection | None:
        """Give the connection that was idle for the shortest time, if one may be used; `now`: the pool's clock."""
        idle = self.idle
        longest = self._pool.options.idle_seconds if safe else _UNSAFE_REUSE_SECONDS
        while idle:
            connection = idle[-1]
            if connection.transport.is_closing():
                idle.pop()
            elif now - connection.idle_since > longest:
                return None  # all below were idle for longer still; the sweep ends them
            else:
                idle.pop()
                self.busy.add(connection)
                return connection
        return None

    def give_back(self, connection: UpstreamConnection) -> None:
        """Keep a connection for the next request, or end it when enough are kept or the target is retired."""
        self.busy.discard(connection)
        if len(self.idle) >= self._limit:
            connection.transport.close()
            return
        connection.idle_since = self._pool.clock()
        self.idle.append(connection)

    def discard(self, connection: UpstreamConnection) -> None:
        """End an idle connection on which the upstream spoke out of turn."""
        self.forget(connection)
        connection.transport.abort()

    def forget(self, connection: UpstreamConnection) -> None:
        """Drop a connection that ended or became a tunnel."""
        self.busy.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)

    def adopt(self, connection: UpstreamConnection) -> None:
        """Count a new connection as in use."""
        self.busy.add(connection)

    def failed(self, now: float) -> None:
        """Note a failed connect."""
        self.failures += 1
        if self.failures >= self._pool.options.fail_after:
            self.down_until = now + self._pool.options.fail_for

    def works(self) -> None:
        """Note that the address could be connected or answered."""
        self.failures = 0
        self.down_until = 0.0

    def sweep(self, now: float) -> None:
        """End connections that were idle for too long (the oldest stand first)."""
        idle = self.idle
        count = 0
        for connection in idle:
            if now - connection.idle_since <= self._pool.options.idle_seconds:
                break
            count += 1
        expired = idle[:count]
        del idle[:count]
        for connection in expired:
            connection.transport.close()

    def retire(self) -> None:
        """The address is no longer configured or resolved: keep nothing; busy connections end with their request."""
        self._limit = 0
        for connection in self.idle:
            connection.transport.close()
        self.idle.clear()

    @property
    def connections(self) -> int:
        """Connections in use and idle."""
        return len(self.busy) + len(self.idle)


class Pool:
    """All targets of one worker. `clock` is the worker's coarse monotonic clock, `counters` its row."""

    def __init__(
        self,
        upstreams: tuple[UpstreamAddress, ...],
        options: PoolOptions,
        *,
        clock: Callable[[], float],
        counters: memoryview,
    ) -> None:
        self.upstreams = upstreams
        self.options = options
        self.clock = clock
        self.targets: list[Target] = []
        self.last_answer = -1e9  # when, by the clock, an upstream last answered a request
        self._counters = counters
        # Idle connections kept for each address; none when they may not be used again.
        self._idle_limit = options.idle_connections if options.idle_seconds else 0
        self._next = 0
        self._connecting: set[asyncio.Task[None]] = set()

    async def resolve(self) -> None:
        """Look the configured names up; new addresses join, vanished ones are retired.

        A name that cannot be resolved keeps its last addresses. Raises nothing: a pool without targets answers 502.
        """
        known = {(target.upstream, target.address): target for target in self.targets}
        targets: list[Target] = []
        for upstream in self.upstreams:
            for address in await self._addresses(upstream):
                target = known.pop((upstream, address), None)
                targets.append(target or Target(self, upstream, address, limit=self._idle_limit))
        self.targets = targets
        for target in known.values():
            target.retire()

    async def _addresses(self, upstream: UpstreamAddress) -> list[str]:
        address = upstream.address
        if address.is_unix:
            return [address.path]
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):  # UnicodeError: no name at all (IDNA)
            return [target.address for target in self.targets if target.upstream == upstream]
        return list(dict.fromkeys(cast("str", sockaddr[0]) for *_, sockaddr in found))

    def take(self, *, safe: bool) -> UpstreamConnection | None:
        """Give an idle connection of the next healthy target, or None when one must be made (see `connect`)."""
        targets = self.targets
        now = self.clock()
        if len(targets) == 1:
            return targets[0].take(now, safe=safe)
        if not targets:
            return None
        self._next += 1
        return self._in_turn(now)[0].take(now, safe=safe)

    def _in_turn(self, now: float) -> list[Target]:
        """Give the targets to try: from the one whose turn it is those that are up, then the others."""
        targets = self.targets
        turn = self._next % (len(targets) or 1)
        turned = targets[turn:] + targets[:turn]
        up = [target for target in turned if target.down_until <= now]
        return up + sorted(
            (target for target in turned if target.down_until > now), key=lambda t: t.down_until
        )

    def connect(self, exchange: Exchange, *, failed: Callable[[Exchange, UpstreamError], None]) -> None:
        """Connect for `exchange` and start it there; `failed` is called when no address could be connected."""
        task = asyncio.get_running_loop().create_task(self._connect(exchange, failed))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, exchange: Exchange, failed: Callable[[Exchange, UpstreamError], None]) -> None:
        error = UpstreamError(502, "no upstream address is known")
        for target in self._in_turn(self.clock()):
            try:
                connection = await self.open(target)
            except UpstreamError as reason:
                error = reason
                continue
            if exchange.client.exchange is exchange:
                connection.start(exchange)
            else:
                target.give_back(connection)  # the client left meanwhile
            return
        if exchange.client.exchange is exchange:
            failed(exchange, error)

    async def open(self, target: Target) -> UpstreamConnection:
        """Make one connection to `target`; raises UpstreamError and notes the failure."""
        loop = asyncio.get_running_loop()
        upstream = target.upstream
        options = self.options
        self._counters[Slot.UPSTREAM_CONNECTS] += 1
        server_name = (options.server_name or upstream.address.host) if options.tls else None
        shutdown = TLS_SHUTDOWN_SECONDS if options.tls else None

        def factory() -> UpstreamConnection:
            return UpstreamConnection(target)

        try:
            async with asyncio.timeout(options.connect_timeout):
                if upstream.address.is_unix:
                    _, connection = await loop.create_unix_connection(
                        factory,
                        target.address,
                        ssl=options.tls,
                        server_hostname=server_name,
                        ssl_shutdown_timeout=shutdown,
                    )
                else:
                    _, connection = await loop.create_connection(
                        factory,
                        target.address,
                        upstream.address.port,
                        ssl=options.tls,
                        server_hostname=server_name,
                        ssl_shutdown_timeout=shutdown,
                    )
        except TimeoutError as error:
            target.failed(self.clock())
            self._counters[Slot.UPSTREAM_TIMEOUTS] += 1
            raise UpstreamError(504, f"{upstream} did not accept a connection in time") from error
        except (
            OSError,
            ValueError,
        ) as error:  # ssl's errors are OSErrors; ValueError: a name that cannot be one
            target.failed(self.clock())
            self._counters[Slot.UPSTREAM_FAILURES] += 1
            raise UpstreamError(502, f"{upstream} cannot be connected: {error}") from error
        if connection.transport.is_closing():
            # Accepted and ended at once (an upstream out of connections): nothing was sent, the next one may be tried.
            target.failed(self.clock())
            self._counters[Slot.UPSTREAM_FAILURES] += 1
            raise UpstreamError(502, f"{upstream} ended the connection as soon as it stood")
        target.works()
        target.adopt(connection)
        return connection

    def sweep(self) -> None:
        """End connections idle for too long; called by the worker's tick."""
        now = self.clock()
        for target in self.targets:
            target.sweep(now)

    async def close(self) -> None:
        """End idle connections and connects under way."""
        for task in list(self._connecting):
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        for target in self.targets:
            target.retire()
