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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec

from proxy.admin.process import ControlTask, run_control
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
from proxy.observability.logs import configure_logs, get_logger
from proxy.settings.derived import data_dir, worker_count
from proxy.store.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from proxy.settings import Settings

# A process that dies this soon after its start is restarted with growing pauses.
_YOUNG_SECONDS: Final = 2.0
_LONGEST_PAUSE: Final = 5.0
# A worker ticks twice a second; one that has not for this long is stuck, and its share of connections with it.
_STUCK_SECONDS: Final = 20.0
_LOOK_EVERY: Final = 1.0
# What workers get beyond their own limit before they are killed, and what Ctrl-C gives them in all.
_SPARE_SECONDS: Final = 2.0
_QUIT_SECONDS: Final = 1.0
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
# Options that bind sockets or start processes: a reload cannot change them.
_NEED_RESTART: Final = ("listen", "workers", "store", "store_name", "data_dir", "admin")


@dataclass(slots=True, kw_only=True)
class _Child:
    """A forked process: `row` of its counters, or None for the control process."""

    name: str
    row: int | None
    pid: int = 0
    control: socket.socket | None = None
    started: float = 0.0
    failures: int = 0
    start_at: float = 0.0
    ready: bool = False


@dataclass(slots=True)
class _Wishes:
    """What signals asked for."""

    stop: int = 0
    quick: bool = False
    reload: bool = False
    seen: list[int] = field(default_factory=list)


class Supervisor:
    """Runs the service. `load` reads the settings anew for a reload."""

    def __init__(self, settings: Settings, load: Callable[[], Settings]) -> None:
        self._settings = settings
        self._load = load
        self._log = get_logger("supervisor")
        self._workers = worker_count(settings)
        self._page = CounterPage(self._workers)
        self._bindings: list[Binding] = []
        self._admin_socket: socket.socket | None = None
        self._embedded: EmbeddedServer | None = None
        self._store_url = settings.store
        self._children: list[_Child] = []
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
        self._admin_socket = bind_admin(settings)
        directory = data_dir(settings, os.environ)
        if not settings.store:
            self._embedded = EmbeddedServer(directory)
            self._store_url = self._embedded.start()
            self._embedded.wait_ready()
            self._log.info(
                "embedded store started", pid=self._embedded.process.pid if self._embedded.process else 0
            )

    def _start_children(self) -> None:
        self._children = [_Child(name=f"worker {row}", row=row) for row in range(self._workers)]
        if self._admin_socket is not None:
            self._children.append(_Child(name="control", row=None))
        for child in self._children:
            self._fork(child)

    def _fork(self, child: _Child) -> None:
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._become(child, theirs)
        theirs.close()
        child.pid, child.control, child.started, child.ready = pid, ours, time.monotonic(), False

    def _become(self, child: _Child, control: socket.socket) -> NoReturn:
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
                assert self._admin_socket is not None  # noqa: S101 - there is a control child only with its socket
                for binding in self._bindings:
                    binding.close()
                run_control(
                    ControlTask(
                        sock=self._admin_socket, control=control, page=self._page, store_url=self._store_url
                    ),
                    self._settings,
                )
            else:
                if self._admin_socket is not None:
                    self._admin_socket.close()
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
            sys.stdout.flush()
            sys.stderr.flush()
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
        while not self._wishes.stop:
            self._wait(wakeup)
            if started is not None and all(child.ready for child in self._children):
                started(self._bindings)
                started = None
            if self._wishes.reload:
                self._wishes.reload = False
                self._reload()
            self._tend()
        self._drain(wakeup)

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
        controls = {
            child.control: child for child in self._children if child.control is not None and not child.ready
        }
        listened: list[int | socket.socket] = [wakeup, *controls]
        readable, _, _ = select.select(listened, [], [], _LOOK_EVERY)
        for each in readable:
            if isinstance(each, int):
                with contextlib.suppress(BlockingIOError):
                    os.read(wakeup, 4096)
            elif each.recv(64):
                controls[each].ready = True
            else:
                controls[each].control = None  # it is ending; the reaping that follows restarts it
                each.close()

    def _tend(self) -> None:
        """Replace what died or is stuck."""
        now = time.monotonic()
        for child in self._children:
            if child.pid and self._has_ended(child.pid):
                self._bury(child, now)
            if not child.pid and now >= child.start_at:
                self._fork(child)
            if child.pid and child.row is not None and self._is_stuck(child.row):
                self._log.error("worker does not answer: killing it", process=child.name, pid=child.pid)
                os.kill(child.pid, signal.SIGKILL)
        embedded = self._embedded
        if embedded is not None and embedded.process is not None and embedded.process.poll() is not None:
            self._log.error("the embedded store ended: starting it again", status=embedded.process.returncode)
            try:
                embedded.start()
            except StartError as error:
                self._log.error("the embedded store cannot be started", error=str(error))

    def _is_stuck(self, row: int) -> bool:
        beat: int = self._page.row(row)[Slot.HEARTBEAT_MS]
        return beat != 0 and time.time() - beat / 1000 > _STUCK_SECONDS

    def _has_ended(self, pid: int) -> bool:
        try:
            return os.waitpid(pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            return True

    def _bury(self, child: _Child, now: float) -> None:
        young = now - child.started < _YOUNG_SECONDS
        child.failures = child.failures + 1 if young else 0
        pause = min(0.1 * 2 ** (child.failures - 1), _LONGEST_PAUSE) if child.failures else 0.0
        child.start_at = now + pause
        self._log.error(
            "process ended: starting it again", process=child.name, pid=child.pid, in_seconds=pause
        )
        if child.control is not None:
            child.control.close()
            child.control = None
        child.pid = 0
        child.ready = False
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
        except StockadeError as error:
            self._log.error("the new settings are wrong: the old ones stay", error=str(error))
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
            if child.row is None and child.pid:
                os.kill(child.pid, signal.SIGTERM)  # it comes back with the new settings
            elif child.control is not None:
                with contextlib.suppress(OSError):
                    child.control.sendall(order)
        self._log.info("settings reloaded")

    # -- end

    def _drain(self, wakeup: int) -> None:
        """Let the workers leave: not ready, then no new connections, then none in flight."""
        timeouts = self._settings.timeouts
        quick = self._wishes.quick
        self._log.info("draining", wait=0 if quick else timeouts.drain_wait)
        signals = self._wishes.stop
        for child in self._children:
            if child.row is not None and child.control is not None:
                with contextlib.suppress(OSError):
                    child.control.sendall(QUIT if quick else DRAIN)
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
            select.select([wakeup], [], [], 0.1)
            with contextlib.suppress(BlockingIOError):
                os.read(wakeup, 4096)
            for child in workers:
                if child.pid and self._has_ended(child.pid):
                    child.pid = 0
        self._log.info("drained")

    def _end(self) -> None:
        """Leave nothing behind: no process, no socket file, no server."""
        for child in self._children:
            if child.pid:
                number = signal.SIGTERM if child.row is None else signal.SIGKILL
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, number)
        for child in self._children:
            if child.pid:
                _reap(child.pid)
        for binding in self._bindings:
            binding.close(remove=True)
        if self._admin_socket is not None:
            self._admin_socket.close()
        if self._embedded is not None:
            self._embedded.stop()


def _reap(pid: int) -> None:
    """Wait for a child to end, and make it end when it takes too long."""
    end = time.monotonic() + 3
    while time.monotonic() < end:
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return
        except ChildProcessError:
            return
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
