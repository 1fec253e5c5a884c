"""The supervisor: binds the sockets, starts the rest, restarts what dies, drains on SIGTERM, reloads on SIGHUP.

A plain process without an event loop and without threads, so that it may fork at any time. It holds every listening
socket open for as long as the service lives: connections that arrive while a worker is being replaced wait in the
kernel's queue and are refused by nobody.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import socket
import sys
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec

from proxy.admin.process import ControlTask, run_control
from proxy.children import Child, Pauses
from proxy.edge.build import build_server_tls, build_site
from proxy.edge.process import DRAIN, QUIT, RELOAD, WorkerTask, run_worker
from proxy.errors import SettingsError, StartError, StockadeError
from proxy.listening import (
    Binding,
    bind_admin,
    bind_listeners,
    descriptors_suffice,
    raise_descriptor_limit,
)
from proxy.observability.counters import CounterPage, Slot
from proxy.observability.logs import configure_logs, flush_logs, get_logger
from proxy.settings.derived import data_dir, worker_count
from proxy.store.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from proxy.settings import Settings

# A worker ticks twice a second; one that has not for this long is stuck, and its share of connections with it.
_STUCK_SECONDS: Final = 20.0
_LOOK_EVERY: Final = 1.0
# A gap in our own rounds that means we stood still ourselves (a paused container), and saw no heartbeat meanwhile.
_GAP_SECONDS: Final = 5.0
# What workers get beyond their own limit before they are killed, and what Ctrl-C gives them in all.
_SPARE_SECONDS: Final = 2.0
_QUIT_SECONDS: Final = 1.0
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
# Options that bind sockets or start processes: a reload cannot change them.
_NEED_RESTART: Final = ("listen", "workers", "store", "store_name", "data_dir", "admin")


@dataclass(slots=True)
class _Wishes:
    """What signals asked for."""

    stop: int = 0
    quick: bool = False
    reload: bool = False


class Supervisor:
    """Runs the service. `load` reads the settings anew for a reload."""

    def __init__(self, settings: Settings, load: Callable[[], Settings]) -> None:
        self._settings = settings
        self._load = load
        self._log = get_logger("supervisor")
        self._workers = worker_count(settings)
        self._page = CounterPage(self._workers)
        self._bindings: list[Binding] = []
        self._admin: Binding | None = None
        self._embedded: EmbeddedServer | None = None
        self._store_down = False
        self._store_pauses = Pauses()
        self._store_url = settings.store
        self._children: list[Child] = []
        self._wishes = _Wishes()

    def run(self, *, started: Callable[[list[Binding]], None] | None = None) -> None:
        """Serve until told to stop; raises StartError or SettingsError when it cannot begin.

        `started` is called once, when every worker accepts connections.
        """
        configure_logs(level=self._settings.log.level, form=self._settings.log.format)
        # Signals first: as process 1 of a container one without a handler would be ignored.
        with self._signals() as wakeup:
            try:
                self._prepare()
                self._start_children()
                self._watch(wakeup, started)
            finally:
                self._end()

    # -- start

    def _prepare(self) -> None:
        settings = self._settings
        raise_descriptor_limit(settings)
        build_site(settings)  # a template that does not compile is found before anything is bound
        self._bindings = bind_listeners(settings, self._workers)
        for binding in self._bindings:
            if binding.address.tls:
                build_server_tls(binding.address)
        self._admin = bind_admin(settings)
        directory = data_dir(settings, os.environ)
        if not settings.store:
            self._embedded = EmbeddedServer(directory)
            self._store_url = self._embedded.start()
            self._embedded.wait_ready()
            self._log.info(
                "embedded store started", pid=self._embedded.process.pid if self._embedded.process else 0
            )

    def _start_children(self) -> None:
        self._children = [
            Child(name=f"worker {row}", row=row, pauses=Pauses()) for row in range(self._workers)
        ]
        if self._admin is not None:
            self._children.append(Child(name="control", row=None, pauses=Pauses()))
        for child in self._children:
            self._fork(child)

    def _fork(self, child: Child) -> None:
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._become(child, theirs)
        theirs.close()
        child.begin(pid, ours, time.monotonic())

    def _become(self, child: Child, control: socket.socket) -> NoReturn:
        """Be the child: drop what belongs to others, run, end."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            for other in self._children:
                if other.control is not None:
                    other.control.close()
            if child.row is None:
                assert self._admin is not None  # noqa: S101 - there is a control child only with its socket
                for binding in self._bindings:
                    binding.close()
                run_control(
                    ControlTask(
                        sock=self._admin.keep(0), control=control, page=self._page, store_url=self._store_url
                    ),
                    self._settings,
                )
            else:
                if self._admin is not None:
                    self._admin.close()
                sockets = [(binding.keep(child.row), binding.address) for binding in self._bindings]
                run_worker(
                    WorkerTask(
                        row=child.row,
                        sockets=sockets,
                        control=control,
                        page=self._page,
                        store_url=self._store_url,
                    ),
                    self._settings,
                )
            code = 0
        except StockadeError as error:
            self._log.error("cannot run", process=child.name, error=str(error))
        except BaseException:  # noqa: BLE001 - a forked child must never return into the supervisor's code
            traceback.print_exc()
        finally:
            flush_logs()
            os._exit(code)

    # -- life

    @contextlib.contextmanager
    def _signals(self) -> Iterator[int]:
        """Note signals from here on; gives the descriptor that wakes up `select` when one comes."""
        read, write = os.pipe()
        os.set_blocking(read, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        before = {number: signal.signal(number, self._note_signal) for number in _SIGNALS}
        try:
            yield read
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(-1)
            os.close(read)
            os.close(write)

    def _watch(self, wakeup: int, started: Callable[[list[Binding]], None] | None) -> None:
        looked = time.monotonic()
        while not self._wishes.stop:
            self._wait(wakeup)
            now = time.monotonic()
            if now - looked > _GAP_SECONDS:
                for child in self._children:
                    child.excuse(now)
            looked = now
            if started is not None and all(child.ready for child in self._children):
                started(self._bindings)
                started = None
            if self._wishes.reload:
                self._wishes.reload = False
                self._reload()
            self._tend()
        self._drain()

    def _note_signal(self, number: int, _frame: object) -> None:
        if number == signal.SIGHUP:
            self._wishes.reload = True
        elif number != signal.SIGCHLD:
            self._wishes.stop += 1
            self._wishes.quick = number == signal.SIGINT
            if not self._children:
                # Nothing serves yet: no reason to wait for a store that is slow to start.
                raise KeyboardInterrupt if self._wishes.quick else SystemExit(0)

    def _wait(self, wakeup: int) -> None:
        """Sleep until a signal or a child's word comes, or it is time to look after things."""
        poll = select.poll()
        poll.register(wakeup, select.POLLIN)
        by_descriptor = {
            child.control.fileno(): child for child in self._children if child.control is not None
        }
        for descriptor in by_descriptor:
            poll.register(descriptor, select.POLLIN)
        for descriptor, _ in poll.poll(_LOOK_EVERY * 1000):
            if descriptor == wakeup:
                with contextlib.suppress(BlockingIOError):
                    os.read(wakeup, 4096)
            else:
                by_descriptor[descriptor].hear()

    def _tend(self) -> None:
        """Replace what died or is stuck."""
        now = time.monotonic()
        for child in self._children:
            if child.pid and child.has_ended():
                self._bury(child, now)
            if not child.pid and now >= child.pauses.start_at:
                self._fork(child)
            elif child.row is not None and child.pid:
                beat = self._page.row(child.row)[Slot.HEARTBEAT_MS]
                if child.is_stuck(beat, now, limit=_STUCK_SECONDS):
                    self._log.error("worker does not answer: killing it", process=child.name, pid=child.pid)
                    child.signal(signal.SIGKILL)
        if self._embedded is not None:
            self._tend_store(self._embedded, now)

    def _tend_store(self, store: EmbeddedServer, now: float) -> None:
        if not self._store_down and store.is_gone():
            self._store_down = True
            pause = self._store_pauses.end(now)
            self._log.error(
                "the embedded store ended: starting it again", last_words=store.last_words(), in_seconds=pause
            )
        if self._store_down and now >= self._store_pauses.start_at:
            self._store_down = False
            self._store_pauses.begin(now)
            try:
                store.start()
            except StartError as error:
                self._store_down = True
                pause = self._store_pauses.end(now)
                self._log.error(
                    "the embedded store cannot be started", error=str(error), again_in_seconds=pause
                )

    def _bury(self, child: Child, now: float) -> None:
        pid, replaced = child.pid, child.replaced
        pause = child.bury(now)
        if replaced:
            self._log.info("process replaced", process=child.name, pid=pid)
        else:
            self._log.error("process ended: starting it again", process=child.name, pid=pid, in_seconds=pause)
        if child.row is not None:
            row = self._page.row(child.row)
            for slot in (Slot.OPEN_CONNECTIONS, Slot.OPEN_TUNNELS, Slot.READY):
                row[slot] = 0

    def _reload(self) -> None:
        """Take new settings over when they are right, and say so; keep the old ones when they are wrong."""
        try:
            settings = self._load()
            build_site(settings)
        except SettingsError as error:
            self._log.error("the new settings are wrong: the old ones stay", mistakes=error.mistakes)
            return
        except Exception as error:  # noqa: BLE001 - whatever a file does to us, the service that runs goes on
            self._log.error("the new settings are wrong: the old ones stay", error=str(error) or repr(error))
            return
        old = self._settings
        changed = {
            name: getattr(old, name)
            for name in _NEED_RESTART
            if getattr(settings, name) != getattr(old, name)
        }
        if not descriptors_suffice(settings):
            changed["limits"] = old.limits
        if changed:
            self._log.warning("these settings take a restart, the old ones stay", settings=list(changed))
            settings = msgspec.structs.replace(settings, **changed)
        self._settings = settings
        configure_logs(level=settings.log.level, form=settings.log.format)
        data = pickle.dumps(settings)
        order = RELOAD + len(data).to_bytes(4) + data
        for child in self._children:
            if child.row is None:
                child.replaced = True  # it comes back with the new settings
                child.signal(signal.SIGTERM)
            else:
                child.tell(order)
        self._log.info("settings reloaded")

    # -- end

    def _drain(self) -> None:
        """Let the workers leave: not ready, then no new connections, then none in flight."""
        timeouts = self._settings.timeouts
        quick = self._wishes.quick
        self._log.info("draining", wait=0 if quick else timeouts.drain_wait)
        signals = self._wishes.stop
        for child in self._children:
            if child.row is not None:
                child.tell(QUIT if quick else DRAIN)
        now = time.monotonic()
        close_at = now + (0 if quick else timeouts.drain_wait)
        kill_at = close_at + (_QUIT_SECONDS if quick else timeouts.drain_limit) + _SPARE_SECONDS
        closed = False
        workers = [child for child in self._children if child.row is not None]
        while any(child.pid for child in workers):
            now = time.monotonic()
            if not closed and now >= close_at:
                closed = True
                for binding in self._bindings:
                    binding.close()
            if now >= kill_at or self._wishes.stop > signals:
                self._log.warning("not waiting any longer")
                return
            time.sleep(0.05)
            for child in workers:
                if child.pid and child.has_ended():
                    child.bury(now)
        self._log.info("drained")

    def _end(self) -> None:
        """Leave nothing behind: no process, no socket file, no server."""
        for child in self._children:
            child.signal(signal.SIGTERM if child.row is None else signal.SIGKILL)
        for child in self._children:
            if child.pid:
                child.end()
        for binding in [*self._bindings, *([self._admin] if self._admin is not None else [])]:
            binding.close(remove=True)
        if self._embedded is not None:
            self._embedded.stop()
