"""The worker process: from inherited sockets to a drained end.

It talks with the supervisor over a socket pair, a letter a message: the supervisor says to drain, to quit
(drain without waiting for the load balancer) or to reload (with the settings), the worker says that it is ready. When
the pair closes, the supervisor is gone, and the worker quits.
"""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import signal
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvloop

from proxy.edge.build import build_pool, build_server_tls, build_site
from proxy.edge.health import UpstreamMonitor
from proxy.edge.listener import Acceptor, Listener
from proxy.edge.site import Inlet, Site
from proxy.edge.worker import Worker
from proxy.observability.counters import PROCESS_GAUGES, REPLICATION_STATES, CounterPage, Slot
from proxy.observability.decision_log import DecisionLog
from proxy.observability.logs import configure_logs, get_logger
from proxy.store.replication import Replica

if TYPE_CHECKING:
    import socket
    from collections.abc import Coroutine, Sequence

    from proxy.edge.pool import Pool
    from proxy.policy.snapshot import Snapshot
    from proxy.settings import Settings
    from proxy.settings.addresses import ListenerAddress

_READY: Final = b"R"
DRAIN: Final = b"D"
QUIT: Final = b"Q"
# Seconds that requests in flight get when a person pressed Ctrl-C.
_QUIT_LIMIT: Final = 1.0
# A snapshot that was not in step for so many seconds is called old; a second or so is usual.
_OLD_SECONDS: Final = 5.0
RELOAD: Final = b"L"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTask:
    """What the supervisor hands a worker: its row of counters, its own sockets, where the store is."""

    row: int
    sockets: Sequence[tuple[socket.socket, ListenerAddress]]
    control: socket.socket
    page: CounterPage
    store_url: str


def run_worker(task: WorkerTask, settings: Settings) -> None:
    """Run until drained; the process ends behind it."""
    # Ctrl-C reaches the whole process group; the supervisor decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    configure_logs(level=settings.log.level, form=settings.log.format, threaded=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_WorkerProcess(task, settings).run())


class _WorkerProcess:
    """One worker's life."""

    def __init__(self, task: WorkerTask, settings: Settings) -> None:
        self._task = task
        self._settings = settings
        self._log = get_logger("worker", worker=task.row, pid=os.getpid())
        self._ending = asyncio.Event()
        self._in_no_hurry = False
        self._contexts: list[tuple[ssl.SSLContext, ListenerAddress]] = []
        self._background: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        task, settings = self._task, self._settings
        counters = task.page.row(task.row)
        for slot in PROCESS_GAUGES:
            counters[slot] = 0
        counters[Slot.PID] = os.getpid()
        counters[Slot.STARTS] += 1
        counters[Slot.HEARTBEAT_MS] = int(time.time() * 1000)
        site = build_site(settings)
        decisions = DecisionLog(_decision_file(settings))
        worker: Worker  # made from the pool, whose clock it is
        pool = build_pool(settings, clock=lambda: worker.clock, counters=counters)
        self._pool = pool
        self._worker = worker = Worker(site, pool, decisions, task.page, task.row)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._ending.set)
        self._replica = replica = Replica(
            task.store_url,
            settings.store_name,
            on_swap=self._swap,
            on_state=self._replication_state,
        )
        worker.describe_snapshot = self._describe_snapshot
        self._follower = self._spawn(replica.run())
        self._spawn(worker.tick_forever())
        await pool.resolve()
        self._watch_upstream()
        self._listen_for_orders()
        self._spawn(self._resolve_forever())
        self._spawn(self._note_age_forever())
        await self._wait_for_list()
        acceptors = [Acceptor(worker, listener) for listener in self._listeners()]
        for acceptor in acceptors:
            await acceptor.start()
        gc.collect()
        gc.freeze()  # what is there now stays: never walk it again
        os.write(task.control.fileno(), _READY)
        await self._ending.wait()
        await self._drain(acceptors)
        for each in list(self._background):
            each.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await replica.close()
        await pool.close()
        decisions.close()

    # -- parts

    async def _wait_for_list(self) -> None:
        """Wait for the first snapshot, within limits.

        A worker that starts without its list would let pass whom the others refuse: connections wait in the kernel's
        queue meanwhile, but not for ever.
        """
        wait = self._settings.store_options.start_wait
        loaded = asyncio.ensure_future(self._replica.loaded.wait())
        ending = asyncio.ensure_future(self._ending.wait())
        await asyncio.wait((loaded, ending), timeout=wait, return_when=asyncio.FIRST_COMPLETED)
        for each in (loaded, ending):
            each.cancel()
        if not self._replica.loaded.is_set() and not self._ending.is_set():
            self._log.error(
                "serving without a list: the store could not be read in time", store=self._replica.message
            )

    def _listeners(self) -> list[Listener]:
        listeners = []
        for sock, address in self._task.sockets:
            context = build_server_tls(address) if address.tls else None
            if context is not None:
                self._contexts.append((context, address))
            listeners.append(
                Listener(
                    sock=sock,
                    inlet=Inlet(tls=context is not None, port=address.address.port),
                    tls=context,
                    proxy_protocol=address.proxy_protocol,
                )
            )
        return listeners

    def _swap(self, snapshot: Snapshot) -> None:
        worker = self._worker
        worker.snapshot = snapshot
        worker.snapshot_loaded = True
        worker.counters[Slot.SNAPSHOT_LOADS] += 1

    def _replication_state(self, state: str, message: str) -> None:
        self._worker.counters[Slot.REPLICATION] = REPLICATION_STATES.index(state)
        log = self._log.info if state in ("loading", "following") else self._log.error
        log("replication: " + state, detail=message)

    def _describe_snapshot(self) -> str:
        """Say in words what the worker decides from."""
        snapshot, replica = self._worker.snapshot, self._replica
        age = replica.age(time.monotonic())
        if age is None:
            return f"not loaded: {replica.message or 'reading the store'}"
        old = "" if age < _OLD_SECONDS else f", {age:.0f} s old ({replica.state})"
        unread = replica.unreadable + sum(snapshot.unindexed.values())
        strange = f", {unread} of them not understood by this version" if unread else ""
        return f"{len(snapshot) + unread} entries at list version {snapshot.version}{strange}{old}"

    async def _note_age_forever(self) -> None:
        """Put the time when the snapshot was last in step where metrics read it."""
        while True:
            age = self._replica.age(time.monotonic())
            if age is not None:
                self._worker.counters[Slot.SNAPSHOT_SEEN_MS] = int((time.time() - age) * 1000)
            await asyncio.sleep(0.5)

    async def _resolve_forever(self) -> None:
        while True:
            # A name that was not known at the start may be in a moment: containers start in any order.
            await asyncio.sleep(self._settings.relay.resolve_every if self._pool.targets else 1)
            await self._pool.resolve()

    def _watch_upstream(self) -> None:
        settings = self._settings
        monitor = UpstreamMonitor(
            self._pool,
            path=settings.health.upstream_path.encode(),
            host=self._worker.site.upstream_host,
            every=settings.health.upstream_every,
            timeout=settings.health.upstream_timeout,
        )
        if self._worker.monitor is not None:
            # After a reload: ready until something else is known, or every load balancer would see a gap.
            monitor.answers, monitor.detail = self._worker.monitor.answers, self._worker.monitor.detail
        self._worker.monitor = monitor
        self._monitor_task = self._spawn(monitor.run())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        spawned = asyncio.get_running_loop().create_task(work)
        self._background.add(spawned)
        spawned.add_done_callback(self._ended)
        return spawned

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A background task ended: none does so by itself, and a worker without its follower must not go on."""
        self._background.discard(task)
        if task.cancelled() or self._ending.is_set():
            return
        error = task.exception()
        if error is not None or task is self._follower:
            self._log.error("a part of the worker ended: leaving for another to take over", error=repr(error))
            self._ending.set()

    # -- orders of the supervisor

    def _listen_for_orders(self) -> None:
        control = self._task.control
        control.setblocking(False)
        asyncio.get_running_loop().add_reader(control.fileno(), self._order)
        self._orders = b""

    def _order(self) -> None:
        try:
            data = self._task.control.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._task.control.fileno())
            self._ending.set()
            return
        self._orders += data
        while self._orders:
            if self._orders[:1] in (DRAIN, QUIT):
                self._in_no_hurry = self._orders[:1] == DRAIN
                self._ending.set()
                self._orders = self._orders[1:]
            else:
                size = int.from_bytes(self._orders[1:5])
                if len(self._orders) < 5 + size:
                    return
                settings = pickle.loads(self._orders[5 : 5 + size])  # noqa: S301 - from our own parent process
                self._orders = self._orders[5 + size :]
                self._reload(settings)

    def _reload(self, settings: Settings) -> None:
        """Swap in new settings whole, or keep the old ones whole."""
        worker = self._worker
        try:
            site = build_site(settings)
            pool = build_pool(settings, clock=lambda: worker.clock, counters=worker.counters)
            contexts = [(context, address.certificate, address.key) for context, address in self._contexts]
            for _, certificate, key in contexts:
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with them, the old ones go on
            self._log.error("the new settings are not used", error=str(error) or repr(error))
            return
        for context, certificate, key in contexts:
            context.load_cert_chain(certificate, key)
        self._settings = settings
        self._spawn(self._swap_site(settings, site, pool))

    async def _swap_site(self, settings: Settings, site: Site, pool: Pool) -> None:
        await pool.resolve()
        if settings is not self._settings:
            return  # later settings came while names were looked up
        old, self._pool = self._pool, pool
        worker = self._worker
        worker.pool = pool
        worker.site = site
        for target in old.targets:
            target.retire()
        self._monitor_task.cancel()
        self._watch_upstream()
        configure_logs(level=settings.log.level, form=settings.log.format, threaded=True)
        worker.decisions.reopen(_decision_file(settings))
        self._log.info("settings reloaded")

    # -- the end

    async def _drain(self, acceptors: list[Acceptor]) -> None:
        """Leave without losing a request: not ready at once, then no new connections, then none in flight."""
        worker, timeouts = self._worker, self._settings.timeouts
        worker.draining = True
        worker.tick()
        await asyncio.sleep(timeouts.drain_wait if self._in_no_hurry else 0)
        for acceptor in acceptors:
            acceptor.close()
        for sock, _ in self._task.sockets:
            sock.close()
        end = time.monotonic() + (timeouts.drain_limit if self._in_no_hurry else _QUIT_LIMIT)
        while worker.connections and time.monotonic() < end:
            for connection in list(worker.connections):
                connection.drain()
            await asyncio.sleep(0.05)
        for connection in list(worker.connections):
            connection.abort()
        await asyncio.sleep(0)


def _decision_file(settings: Settings) -> Path | None:
    """Give the decision log's file; None: among the other log lines."""
    return Path(settings.log.decisions) if settings.log.decisions else None
