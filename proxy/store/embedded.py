"""A Valkey or Redis server of our own, for installations that configure no store.

It is a real server process: it listens only on a unix socket that nobody else may open, and keeps an
append-only file in the data directory, so that a kill loses at most the last second of changes
(https://valkey.io/topics/persistence/, "appendfsync everysec"). It dies with the process that started it.

Synchronous on purpose: the supervisor runs no event loop.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, unquote, urlsplit

from proxy.errors import NoStoreError, StartError, StoreError
from proxy.store.data_dir import make_socket_dir, open_data_dir, write_private
from proxy.store.orphan import end_orphan
from proxy.store.server_binary import find_server

if TYPE_CHECKING:
    from collections.abc import Callable

# sun_path holds 108 bytes on Linux and 104 on macOS, the closing NUL included (unix(7), unix(4)).
SOCKET_PATH_MAX = 103
STOP_TIMEOUT = 10.0  # seconds for a last fsync and exit
LOG_MAX = 1_000_000  # bytes; a longer log is started afresh
_PR_SET_PDEATHSIG = 1  # prctl(2)


class EmbeddedServer:
    """The server of one data directory. Start it from the main thread: it dies with the thread (prctl(2))."""

    def __init__(self, data_dir: Path, *, program: Path | None = None) -> None:
        self.data_dir = data_dir.absolute()
        self.process: subprocess.Popen[bytes] | None = None
        self._program = program
        self._lock: int | None = None
        self._socket = socket_path(self.data_dir)
        self._listened = False  # the socket of the running process was seen

    @property
    def url(self) -> str:
        """The URL clients use; the same for every start on this data directory."""
        return f"unix://{quote(str(self._socket))}"

    @property
    def _log(self) -> Path:
        return self.data_dir / "valkey.log"

    @property
    def pid_file(self) -> Path:
        """The file that names the server's process while it runs."""
        return self.data_dir / "valkey.pid"

    def start(self) -> str:
        """Start the server, or start it again after it died, and return its URL; does not wait for it.

        Raises StartError when another Stockade uses the data directory, no server program is at hand, or
        the directory cannot be used.
        """
        if not self.is_gone():
            return self.url
        try:
            self._end_process()
            self._spawn()
        except (StartError, OSError) as error:
            if self.process is None:
                self.stop()  # frees the data directory
            if isinstance(error, StartError):
                raise
            raise StartError(
                f"the data directory {self.data_dir} cannot be used ({error.strerror})"
            ) from None
        return self.url

    def is_gone(self) -> bool:
        """Tell whether nobody can reach the server any more: it ended, or its socket is no longer there."""
        if self.process is None or self.process.poll() is not None:
            return True
        if self._socket.exists():
            self._listened = True
            return False
        return self._listened  # a moment after its start it has no socket yet

    def last_words(self) -> str:
        """Return the last line of the server's log, which says why it ended; its exit status if there is none."""
        lines = [line.strip() for line in _read_end(self._log).splitlines() if line.strip()]
        return lines[-1] if lines else f"exit status {self.process.poll() if self.process else '?'}"

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until the server answers, its entries loaded.

        Raises StartError with the server's own last words when it ends instead, or after `timeout` seconds.
        """
        if self.process is None:
            raise StartError("the embedded store was not started")
        deadline = time.monotonic() + timeout
        while (answer := ask(self._socket, "PING")) != "+PONG":
            if self.process.poll() is not None:
                raise StartError(f"the embedded store ended at once: {self.last_words()}")
            if time.monotonic() > deadline:
                raise StartError(
                    f"the embedded store is not ready after {timeout:g} s ({answer or 'no answer'}); "
                    f"see {self._log}"
                )
            time.sleep(0.01)
        self._listened = True

    def stop(self) -> None:
        """End the server, its changes written to disk, and free the data directory; harmless when stopped."""
        if self.process is not None:
            self._end_process()
            self.process = None
            for leftover in (self._socket, self.pid_file, self.data_dir / "store.url"):
                leftover.unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_ready()
        except StartError:
            self.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _end_process(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _spawn(self) -> None:
        program = self._program or find_server()
        self._prepare()
        command = [str(program), *self._options()]
        try:
            self.process = subprocess.Popen(  # noqa: S603 - our own program and options
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=self.data_dir,
                start_new_session=True,  # Ctrl-C reaches the supervisor only, which stops us last
                umask=0o077,
                preexec_fn=_die_with_parent(),  # noqa: PLW1509 - the supervisor has no threads
            )
        except OSError as error:
            raise StartError(f"{program} cannot be started: {error.strerror}") from None
        write_private(self.pid_file, f"{self.process.pid}\n")
        write_private(self.data_dir / "store.url", f"{self.url}\n")

    def _prepare(self) -> None:
        if self._lock is None:
            self._lock = open_data_dir(self.data_dir)
        if self._socket.parent != self.data_dir:
            make_socket_dir(self._socket.parent)
        # The server opens its log itself, and through a link.
        if self._log.is_symlink() or (self._log.exists() and self._log.stat().st_size > LOG_MAX):
            self._log.unlink()
        self._listened = False
        self._end_orphan()

    def _end_orphan(self) -> None:
        """End a server that outlived its Stockade: we hold the lock, so it is nobody's."""
        end_orphan(self.data_dir, self._socket)
        if ask(self._socket, "PING"):  # one that no pid file names
            ask(self._socket, "SHUTDOWN")
            deadline = time.monotonic() + STOP_TIMEOUT
            while ask(self._socket, "PING"):
                if time.monotonic() > deadline:
                    raise StartError(
                        f"an earlier store server still runs in {self.data_dir} and does not end: end it"
                    )
                time.sleep(0.02)
        self._socket.unlink(missing_ok=True)

    def _options(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "600",
            "dir": str(self.data_dir),
            "logfile": str(self.data_dir / "valkey.log"),
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": "everysec",
            # A kill or power cut leaves half a record at the end of the file: drop that, keep the rest.
            "aof-load-truncated": "yes",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        return [word for name, value in options.items() for word in (f"--{name}", value)]


def socket_path(data_dir: Path) -> Path:
    """Return where the server of this data directory listens: in it, or elsewhere if its path is too long."""
    path = data_dir / "valkey.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_MAX:
        return path
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"{tempfile.gettempdir()}/stockade-{os.getuid()}"
    return Path(runtime) / f"stockade-{digest}.sock"


def locate(data_dir: Path) -> str:
    """Return the URL of the server that runs in `data_dir`, for commands beside `stockade serve`.

    Raises StoreError when none runs there or we may not talk to it.
    """
    known = data_dir / "store.url"
    try:
        url = known.read_text(encoding="utf-8").strip()
    except PermissionError:
        raise StoreError(
            f"the store in {data_dir} belongs to another user: run this as the one that runs `stockade serve`"
        ) from None
    except OSError:
        url = ""
    try:
        if url:
            _call(Path(unquote(urlsplit(url).path)), "PING")
            return url
    except TimeoutError:
        raise StoreError(
            f"the store in {data_dir} runs and does not answer: see whether its process "
            f"({_read_end(data_dir / 'valkey.pid').strip() or 'valkey.pid'}) is stopped, or its disk is stuck"
        ) from None
    except PermissionError:
        raise StoreError(
            f"the store in {data_dir} belongs to another user: run this as the one that runs `stockade serve`"
        ) from None
    except OSError:
        pass
    raise NoStoreError(f"no store is running in {data_dir}: start `stockade serve`, or set `store`")


def ask(path: Path, command: str, timeout: float = 2.0) -> str:
    """Send one inline command to a server's socket and return the first line of its answer; "" if none."""
    try:
        return _call(path, command, timeout)
    except OSError:
        return ""


def _call(path: Path, command: str, timeout: float = 2.0) -> str:
    """As `ask`; raises TimeoutError when the server does not answer, another OSError when it is not there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        connection.sendall(command.encode() + b"\r\n")
        answer = connection.recv(512)
    if not answer:
        raise ConnectionResetError(str(path))
    return answer.decode(errors="replace").partition("\r\n")[0]


def _die_with_parent() -> Callable[[], None] | None:
    """Return what the child does between fork and exec so that it ends when we do (Linux only)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # loaded now: after fork only the call itself is safe
    parent = os.getpid()

    def prepare() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the line above: no signal will come
            os._exit(0)

    return prepare


def _read_end(path: Path) -> str:
    """Return the end of a log, enough for its last line; "" when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
