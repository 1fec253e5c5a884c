"""`stockade serve` as a process, and what tests ask of it."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

STOCKADE = [sys.executable, "-m", "proxy"]


class Service:
    """`stockade serve` with settings of its own; `log` is what it wrote."""

    def __init__(self, directory: Path, settings: str, *, stderr: int | None = None) -> None:
        self.config = directory / "stockade.toml"
        self.config.write_text(settings)
        self._has_control = 'admin = ""' not in settings
        self._log = directory / "serve.log"
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*STOCKADE, "serve", "-c", str(self.config)],
                stderr=log if stderr is None else stderr,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C of a test goes to this group alone
            )
        self.port = 0

    @property
    def log(self) -> str:
        """Everything written to standard error so far, without colours."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self._log.read_text())

    def wait_until_serving(self, seconds: float = 15) -> None:
        """Wait for the line that says where it listens, and note the port."""
        self.wait_for_log(r"serving +listen=127\.0\.0\.1:(\d+)", seconds)
        found = re.search(r"serving +listen=127\.0\.0\.1:(\d+)", self.log)
        assert found
        self.port = int(found[1])

    def wait_for_log(self, pattern: str, seconds: float = 15) -> None:
        """Wait until the log holds `pattern`."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.log):
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log}"
            assert time.monotonic() < end, f"{pattern!r} did not come:\n{self.log}"
            time.sleep(0.02)

    def ask(self, path: str = "/", **headers: str) -> http.client.HTTPResponse:
        """Send one GET; the response's body has been read (as `.body`)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(
                "GET", path, headers={key.replace("_", "-"): value for key, value in headers.items()}
            )
            response = connection.getresponse()
            response.body = response.read().decode(errors="replace")  # type: ignore[attr-defined]
            return response
        finally:
            connection.close()

    def command(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run another `stockade` command on the same settings."""
        return subprocess.run(
            [*STOCKADE, *arguments, "-c", str(self.config)],
            capture_output=True,
            text=True,
            input=text,
            check=False,
        )

    def children(self) -> dict[str, list[int]]:
        """Process ids below the supervisor: `workers` (in order of start), `control`, `store`."""
        found: dict[str, list[int]] = {"workers": [], "control": [], "store": []}
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        pids = [int(pid) for pid in path.read_text().split()]
        status = {
            pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids if Path(f"/proc/{pid}").exists()
        }
        ours = []
        for pid, line in status.items():
            if b"valkey" in line or b"redis" in line:
                found["store"].append(pid)
            else:
                ours.append(pid)
        found["workers"] = ours[:-1] if self._has_control else ours
        found["control"] = ours[-1:] if self._has_control else []
        return found

    def stop(self, number: int = signal.SIGTERM, *, seconds: float = 20) -> int:
        """Send a signal to the supervisor and give its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition: Callable[[], bool], *, seconds: float = 10) -> None:
    """Wait until `condition` holds; fails the test when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
