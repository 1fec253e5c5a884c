from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAD = """
import logging, os, sys, threading, warnings
from proxy.observability.logs import configure_logs, flush_logs, get_logger
configure_logs(level="info", form="json", threaded={threaded})
log = get_logger("test", pid=1)
"""
BOTH = pytest.mark.parametrize("threaded", [True, False], ids=["thread", "direct"])


def run(code: str, *, threaded: bool, **options: object) -> subprocess.Popen[bytes]:
    """Start a process that logs: the service log belongs to a whole process."""
    script = HEAD.format(threaded=threaded) + code
    return subprocess.Popen([sys.executable, "-W", "error", "-c", script], **options)  # type: ignore[call-overload, no-any-return]


def said(code: str, *, threaded: bool) -> list[dict[str, object]]:
    """Return the events that code logs."""
    with run(code + "\nflush_logs(5)", threaded=threaded, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        events = [json.loads(line) for line in process.stderr]
    assert process.returncode == 0
    return events


@BOTH
def test_an_event_is_a_line(*, threaded: bool) -> None:
    """It says when, how serious, by whom, what, and a failure with its traceback."""
    code = """
log.info("one", value="two words")
log.debug("not told")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("broken \\udcff")
"""
    one, broken = said(code, threaded=threaded)
    assert str(one.pop("timestamp")).endswith("Z")
    assert one == {"event": "one", "level": "info", "process": "test", "pid": 1, "value": "two words"}
    assert "ZeroDivisionError" in str(broken["exception"])


@BOTH
def test_what_others_say_becomes_events(*, threaded: bool) -> None:
    """Libraries that use `logging` are heard from warnings on; nothing goes past the writer to the descriptor."""
    code = """
logging.getLogger("asyncio").error("task %s", "failed")
logging.getLogger("asyncio").error("task %s %s", "unfit")
logging.getLogger("aiohttp").info("noise")
logging.getLogger("own").log(35, "between")
sys.stderr.write('{"event": ')
sys.stderr.write('"bare"}\\n')
"""
    events = [
        (event["event"], event.get("source"), event.get("level")) for event in said(code, threaded=threaded)
    ]
    assert events == [
        ("task failed", "asyncio", "error"),
        ("task %s %s", "asyncio", "error"),
        ("between", "own", "warning"),
        ("bare", None, None),
    ]


@BOTH
def test_text_for_people_shows_failures_without_a_warning(*, threaded: bool) -> None:
    """The text form is plain, whatever is installed."""
    code = """
configure_logs(level="info", form="text", threaded={threaded})
try:
    1 / 0
except ZeroDivisionError:
    log.exception("broken")
flush_logs(5)
""".replace("{threaded}", str(threaded))
    with run(code, threaded=threaded, stderr=subprocess.PIPE) as process:
        text = process.communicate()[1].decode()
    assert process.returncode == 0
    assert "broken" in text
    assert "ZeroDivisionError: division by zero" in text
    assert "\x1b" not in text


@BOTH
def test_a_logger_follows_new_settings(*, threaded: bool) -> None:
    """After a reload the level holds for loggers that were there before."""
    code = f"""
log.info("one")
configure_logs(level="error", form="json", threaded={threaded})
log.info("two")
log.error("three")
"""
    assert [event["event"] for event in said(code, threaded=threaded)] == ["one", "three"]


@BOTH
def test_a_reader_that_is_gone_stops_nobody(*, threaded: bool) -> None:
    """Neither logging nor a print to standard error raises."""
    read, write = os.pipe()
    os.close(read)
    code = "for _ in range(100): log.error('x')\nprint('x', file=sys.stderr)\nflush_logs(5)\nprint('alive')"
    with run(code, threaded=threaded, stderr=write, stdout=subprocess.PIPE) as process:
        os.close(write)
        assert process.communicate()[0] == b"alive\n"
    assert process.returncode == 0


@BOTH
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_stops_nobody(*, threaded: bool) -> None:
    """Nor does ENOSPC."""
    with (
        Path("/dev/full").open("wb") as full,
        run(
            "log.error('x')\nflush_logs(5)\nprint('alive')",
            threaded=threaded,
            stderr=full,
            stdout=subprocess.PIPE,
        ) as process,
    ):
        assert process.communicate()[0] == b"alive\n"
    assert process.returncode == 0


@BOTH
def test_a_reader_that_stalls_stops_nobody(*, threaded: bool) -> None:
    """Logging and the end of the process go on; when the reader is back, a line tells how many were lost."""
    read, write = os.pipe()
    code = """
for _ in range(5000): log.error("x" * 100)
sys.stdin.readline()
log.error("back")
flush_logs(5)
"""
    with run(code, threaded=threaded, stderr=write, stdin=subprocess.PIPE) as process:
        os.close(write)
        time.sleep(1.5)  # longer than 5000 lines take
        assert process.stdin is not None
        os.set_blocking(read, False)
        try:
            while os.read(read, 65536):
                time.sleep(0.01)  # the thread writes what it holds as room comes
        except BlockingIOError:
            pass
        os.set_blocking(read, True)
        process.stdin.write(b"\n")
        process.stdin.close()
        with os.fdopen(read, "rb") as reader:
            last = json.loads(reader.read().splitlines()[-1])
    assert process.returncode == 0
    assert last["event"] == "back"
    assert 0 < last["log_lines_lost"] < 5000


def test_the_end_waits_a_bounded_time() -> None:
    """A process whose last lines nobody reads ends all the same."""
    read, write = os.pipe()
    code = (
        'for _ in range(5000): log.error("x" * 100)\nprint(flush_logs(0.2))\nsys.stdout.flush()\nos._exit(0)'
    )
    began = time.monotonic()
    with run(code, threaded=True, stderr=write, stdout=subprocess.PIPE) as process:
        os.close(write)
        assert process.communicate()[0] == b"False\n"
    os.close(read)
    assert time.monotonic() - began < 5


@BOTH
def test_a_closed_standard_error_is_no_socket_of_ours(*, threaded: bool) -> None:
    """Where descriptor 2 is closed at the start, the next file to be opened must not get the log."""
    code = """
with open("/proc/self/comm") as first: assert first.fileno() > 2
log.error("x")
print("x", file=sys.stderr)
sys.stderr.flush()
flush_logs(5)
print("alive")
"""
    script = HEAD.format(threaded=threaded) + code
    shell = ["sh", "-c", 'exec "$0" -c "$1" 0<&- 2>&-', sys.executable, script]
    assert subprocess.run(shell, stdout=subprocess.PIPE, check=True).stdout == b"alive\n"


def test_an_unthreaded_log_may_fork() -> None:
    """The supervisor has no thread; its child starts one of its own after the fork."""
    code = """
log.info("before")
assert threading.active_count() == 1
if os.fork() == 0:
    configure_logs(level="info", form="json", threaded=True)
    log.info("child")
    assert threading.active_count() == 2
    flush_logs(5)
    os._exit(0)
assert os.wait()[1] == 0
log.info("after")
"""
    assert [event["event"] for event in said(code, threaded=False)] == ["before", "child", "after"]
