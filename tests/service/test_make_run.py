"""`stockade demo --with-proxy`, which is what `make run` starts."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from service_harness import STOCKADE, alive

if TYPE_CHECKING:
    from collections.abc import Iterator


class Demo:
    """A running `stockade demo --with-proxy`."""

    def __init__(self, directory: Path) -> None:
        self._output = directory / "output"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [*STOCKADE, "demo", "--with-proxy", "--directory", str(directory / "demo")],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What a person sees."""
        return self._output.read_text()

    def wait(self) -> str:
        """Wait until it says what to try, and give the proxy's URL."""
        end = time.monotonic() + 30
        while "Ctrl-C stops all of it" not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < end, self.output
            time.sleep(0.05)
        found = re.search(r"open (http://\S+)/ in a browser", self.output)
        assert found
        return found[1]

    def group(self) -> list[int]:
        """Every process of its session."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.process.pid:
                found.append(int(stat.parent.name))
        return found


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """The demo, stopped at the end whatever happened."""
    running = Demo(tmp_path)
    yield running
    if running.process.poll() is None:
        running.process.send_signal(signal.SIGINT)
    running.process.wait(15)


def visit(url: str, **headers: str) -> tuple[int, str]:
    """GET `url`; gives status and body."""
    request = urllib.request.Request(
        url, headers={key.replace("_", "-"): value for key, value in headers.items()}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_three_lines_show_what_they_say(demo: Demo) -> None:
    """An ordinary visit, a refused one and the health check answer as the printed lines promise."""
    url = demo.wait()
    lines = re.findall(r"^  curl .*$", demo.output, re.MULTILINE)[:3]
    assert lines[0] == f"  curl -i {url}/"
    assert "X-Forwarded-For: 203.0.113.7" in lines[1]
    assert lines[2] == f"  curl -i {url}/.stockade/readyz"
    status, page = visit(f"{url}/")
    assert (status, "Potting Lane" in page) == (200, True)
    status, page = visit(f"{url}/", X_Forwarded_For="203.0.113.7", Accept_Language="fr")
    assert (status, "Référence" in page) == (403, True)
    assert visit(f"{url}/.stockade/readyz")[0] == 200


def test_ctrl_c_leaves_no_process(demo: Demo) -> None:
    """Ctrl-C in the terminal stops shop, store, workers and supervisor, and says so."""
    demo.wait()
    everyone = demo.group()
    assert len(everyone) >= 5
    os.killpg(demo.process.pid, signal.SIGINT)
    assert demo.process.wait(10) == 0
    assert [pid for pid in everyone if alive(pid)] == []
    assert "nothing is left running" in demo.output


def test_busy_ports_are_named_and_others_taken(tmp_path: Path) -> None:
    """A port that somebody has is named together with the one taken instead."""
    try:
        busy = socket.create_server(("127.0.0.1", 8080))
    except OSError:
        busy = socket.socket()  # somebody else has it: as good
    with busy:
        running = Demo(tmp_path)
        try:
            url = running.wait()
            assert "Port 8080 is busy: the proxy takes " in running.output
            assert not url.endswith(":8080")
            assert visit(f"{url}/")[0] == 200
        finally:
            running.process.send_signal(signal.SIGINT)
            running.process.wait(15)


def test_a_directory_with_other_files_is_left_alone(tmp_path: Path) -> None:
    """The demo empties its own directory only; one that holds something else is refused and kept."""
    (tmp_path / "thesis.txt").write_text("years of work")
    done = subprocess.run(
        [*STOCKADE, "demo", "--with-proxy", "--directory", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_second_demo_leaves_the_first_alone(demo: Demo, tmp_path: Path) -> None:
    """A demo started beside a running one, in its directory, is refused: the first one's list stays within reach."""
    url = demo.wait()
    done = subprocess.run(
        [*STOCKADE, "demo", "--with-proxy", "--directory", str(tmp_path / "demo")],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 4
    assert "a demo runs in" in done.stderr
    assert visit(f"{url}/.stockade/readyz")[0] == 200
    listed = subprocess.run(
        [*STOCKADE, "list", "-c", str(tmp_path / "demo" / "stockade.toml")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "203.0.113.7" in listed.stdout
