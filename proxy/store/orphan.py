"""A server left over in a data directory: its Stockade died, and it did not.

Where no PDEATHSIG exists (macOS), and where the server was stopped (SIGSTOP, a frozen container) when its
parent died. Whoever holds the directory's lock may end it: it is nobody's. It must be gone before another
server opens the same append-only file.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from proxy.errors import StartError

GENTLY, AT_ALL = 5.0, 10.0  # seconds for a server to end itself, and to be gone after a kill
_SERVERS = ("valkey", "redis")


def end_orphan(data_dir: Path, socket: Path) -> None:
    """End the server that `valkey.pid` names, if it runs and is one of this data directory.

    Asked to end first, so that it writes what it holds; continued, so that it hears that; killed if it does
    not. Raises StartError when even that does not end it.
    """
    pid = find_orphan(data_dir, socket)
    if not pid:
        return
    began = time.monotonic()
    _send(pid, signal.SIGTERM)
    _send(pid, signal.SIGCONT)
    killed = False
    while find_orphan(data_dir, socket) == pid:
        waited = time.monotonic() - began
        if waited > AT_ALL:
            raise StartError(
                f"an earlier store server still runs in {data_dir} and does not end: end process {pid}"
            )
        if waited > GENTLY and not killed:
            _send(pid, signal.SIGKILL)
            killed = True
        time.sleep(0.02)


def find_orphan(data_dir: Path, socket: Path) -> int:
    """Return the process of a server that was left over in `data_dir`, 0 if there is none.

    A number in a file may be another process's by now: it must be a server program that works in our directory.
    """
    try:
        pid = int((data_dir / "valkey.pid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
    if pid <= 1:
        return 0
    return (
        pid if (_is_server_here if sys.platform == "linux" else _names_socket)(pid, data_dir, socket) else 0
    )


def _is_server_here(pid: int, data_dir: Path, _socket: Path) -> bool:
    """Ask /proc (proc(5)); a process that is gone, a zombie or another user's has no links to read."""
    try:
        program = Path(f"/proc/{pid}/exe").readlink().name
        return program.startswith(_SERVERS) and Path(f"/proc/{pid}/cwd").samefile(data_dir)
    except OSError:
        return False


def _names_socket(pid: int, _data_dir: Path, socket: Path) -> bool:
    """Ask ps(1): servers show in their title where they listen."""
    answer = subprocess.run(  # noqa: S603 - a fixed program and a number
        ["/bin/ps", "-ww", "-o", "stat=,command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=10,
        check=False,
    )
    state, _, command = answer.stdout.strip().partition(" ")
    return not state.startswith("Z") and str(socket) in command and any(name in command for name in _SERVERS)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
