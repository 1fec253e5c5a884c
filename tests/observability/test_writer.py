from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy.observability import writer as writer_module
from proxy.observability.writer import DirectWriter, LineWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

LINES = [b"line %d %s\n" % (number, b"x" * (number % 700)) for number in range(2000)]
FULL = Path("/dev/full")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe: the end to read, the end to write."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


@contextmanager
def opened(path: Path | None, *, capacity: int = 1 << 20, linger: float = 0.0) -> Iterator[LineWriter]:
    """A writer that has ended when the block is left."""
    writer = LineWriter(path, capacity=capacity, linger=linger)
    yield writer
    assert writer.close(5)


def drain(descriptor: int) -> bytes:
    """Read what is in a pipe now."""
    os.set_blocking(descriptor, False)
    found = b""
    try:
        while data := os.read(descriptor, 65536):
            found += data
    except BlockingIOError:
        pass
    return found


def fill(descriptor: int) -> None:
    """Fill a pipe, as a reader that stopped reading leaves it."""
    os.set_blocking(descriptor, False)
    try:
        while True:
            os.write(descriptor, b"x" * 512)
    except BlockingIOError:
        os.set_blocking(descriptor, True)


def test_lines_keep_their_order_and_stay_whole(tmp_path: Path) -> None:
    """What is written is what was given, in order."""
    with opened(tmp_path / "log") as writer:
        assert all(writer.write(line) for line in LINES)
        assert writer.flush(5)
        assert (tmp_path / "log").read_bytes() == b"".join(LINES)
        assert writer.dropped == 0


def test_lines_of_several_writers_do_not_mix_in_a_pipe(tmp_path: Path) -> None:
    """No write to a pipe is longer than what the system keeps together."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    found: list[bytes] = []
    ending = threading.Event()

    def read() -> None:
        while not ending.is_set():
            found.append(drain(reader))
            time.sleep(0.001)

    thread = threading.Thread(target=read)
    thread.start()
    with opened(fifo, capacity=1 << 22) as one, opened(fifo, capacity=1 << 22) as other:
        for line in LINES:
            one.write(line)
            other.write(line)
        assert one.flush(10)
        assert other.flush(10)
    ending.set()
    thread.join()
    found.append(drain(reader))
    os.close(reader)
    assert sorted(b"".join(found).splitlines(keepends=True)) == sorted(LINES * 2)


def test_a_line_that_comes_while_others_are_written_is_kept(tmp_path: Path) -> None:
    """A line queued during the very write that emptied the queue is written like any other."""
    with opened(tmp_path / "log", capacity=1 << 20) as writer:
        known = writer._write_batch
        late = [b"late\n"]

        def write_batch(lines: list[bytes], size: int) -> None:
            known(lines, size)
            if late:
                writer.write(late.pop())

        writer._write_batch = write_batch  # type: ignore[method-assign]
        writer.write(b"first\n")
        while late:
            time.sleep(0.001)
        assert writer.flush(5)
    assert (tmp_path / "log").read_bytes() == b"first\nlate\n"
    assert writer.dropped == 0


def test_nobody_waits_for_a_reader(tmp_path: Path) -> None:
    """Where nobody reads, writing and flushing return, the queue stays bounded, and the lost lines are counted."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with opened(fifo, capacity=10_000) as writer:
        began = time.monotonic()
        taken: list[bool] = []
        while writer.flush(0.05):
            taken += [writer.write(b"x" * 99 + b"\n") for _ in range(50)]
        taken += [writer.write(b"x" * 99 + b"\n") for _ in range(3000)]
        assert time.monotonic() - began < 2
        assert writer.dropped == taken.count(False) > 0
        # The reader comes back: what was taken comes, and new lines are taken again.
        found = b""
        while not writer.flush(0.02):
            found += drain(reader)
        assert writer.write(b"again\n")
        writer.flush(1)
        found += drain(reader)
        assert found.count(b"\n") == taken.count(True) + 1
        assert found.endswith(b"\nagain\n")
    os.close(reader)


def test_the_end_does_not_wait_for_a_reader(tmp_path: Path, pipe: tuple[int, int]) -> None:
    """Closing gives up after its time."""
    read, write = pipe
    fill(write)
    writer = LineWriter(Path(f"/dev/fd/{write}"), capacity=1000)
    writer.write(b"a\n")
    began = time.monotonic()
    assert not writer.close(0.1)
    assert time.monotonic() - began < 0.5
    assert not writer.write(b"b\n")
    drain(read)
    assert writer.close(5)


def test_opening_is_waited_for_by_nobody(tmp_path: Path) -> None:
    """A path whose opening hangs (a network disk; here a FIFO without a reader) holds up the thread alone."""
    os.mkfifo(tmp_path / "fifo")
    writer = LineWriter(tmp_path / "fifo", capacity=1000)
    began = time.monotonic()
    writer.start()
    assert writer.write(b"a\n")
    assert not writer.flush(0.05)
    assert time.monotonic() - began < 0.5
    reader = os.open(tmp_path / "fifo", os.O_RDONLY)
    assert writer.close(5)
    assert os.read(reader, 10) == b"a\n"
    os.close(reader)


def test_a_reader_that_is_gone_costs_lines_only(pipe: tuple[int, int]) -> None:
    """EPIPE is counted, never raised."""
    read, write = pipe
    with opened(Path(f"/dev/fd/{write}")) as writer:
        writer.write(b"a\n")
        assert writer.flush(5)
        os.close(read)
        for _ in range(3):
            writer.write(b"b\n")
            assert writer.flush(5)
        assert writer.dropped == 3


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")
def test_a_full_disk_costs_lines_only() -> None:
    """ENOSPC is counted, never raised."""
    with opened(FULL) as writer:
        for _ in range(3):
            writer.write(b"a\n")
        assert writer.flush(5)
        assert writer.dropped == 3


def test_a_line_after_a_torn_one_starts_afresh(tmp_path: Path) -> None:
    """A disk that filled up inside a line must not spoil the first line it has room for again."""
    with opened(tmp_path / "log") as writer:
        writer.write(b"one\n")
        writer.flush(5)
        os.truncate(tmp_path / "log", 2)
        writer._torn = True  # a full disk of an exact size needs a mount
        writer.write(b"two\n")
    assert (tmp_path / "log").read_bytes() == b"on\ntwo\n"


def test_a_path_that_cannot_be_opened_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is told once; lines are lost until the directory is there."""
    monkeypatch.setattr(writer_module, "_RETRY_SECONDS", 0.0)
    reasons: list[Exception] = []
    writer = LineWriter(tmp_path / "no" / "log", capacity=1000, on_failure=reasons.append)
    writer.write(b"a\n")
    assert writer.flush(5)
    assert writer.dropped == 1
    writer.write(b"a\n")
    assert writer.flush(5)
    assert writer.dropped == 2
    assert [type(reason) for reason in reasons] == [FileNotFoundError]
    (tmp_path / "no").mkdir()
    writer.write(b"b\n")
    assert writer.close(5)
    assert (tmp_path / "no" / "log").read_bytes() == b"b\n"


def test_reopening_cuts_between_two_lines(tmp_path: Path) -> None:
    """Lines before go to the old file, lines after to the new one, and to the old where the new cannot be opened."""
    with opened(tmp_path / "old") as writer:
        writer.write(b"1\n")
        writer.reopen(tmp_path / "new")
        writer.write(b"2\n")
        writer.reopen(tmp_path / "no" / "new")
        writer.write(b"3\n")
        assert writer.flush(5)
        assert (tmp_path / "old").read_bytes() == b"1\n"
        assert (tmp_path / "new").read_bytes() == b"2\n3\n"


def test_an_unused_writer_has_no_thread(tmp_path: Path) -> None:
    """A process that is going to fork may make one."""
    before = threading.active_count()
    writer = LineWriter(tmp_path / "log", capacity=1000)
    assert writer.flush(1)
    assert threading.active_count() == before
    assert writer.close(1)
    assert not writer.write(b"a\n")
    assert threading.active_count() == before


def test_lines_are_gathered(tmp_path: Path) -> None:
    """A writer that lingers writes later, and at once when asked."""
    with opened(tmp_path / "log", linger=30) as writer:
        writer.start()
        assert writer.flush(5)
        writer.write(b"1\n")
        time.sleep(0.05)
        assert (tmp_path / "log").read_bytes() == b""
        assert writer.flush(5)
        assert (tmp_path / "log").read_bytes() == b"1\n"
        writer.write(b"2\n")
    assert (tmp_path / "log").read_bytes() == b"1\n2\n"


@pytest.mark.parametrize("nowait", [True, False], ids=["pwritev2", "poll"])
class TestDirectWriter:
    """The writer of a process without threads, by either of its two ways to write."""

    @pytest.fixture(autouse=True)
    def _way(self, monkeypatch: pytest.MonkeyPatch, *, nowait: bool) -> None:
        if not nowait:
            monkeypatch.delattr(os, "RWF_NOWAIT", raising=False)

    def test_what_has_room_is_written(self, pipe: tuple[int, int], tmp_path: Path) -> None:
        """To a pipe or a file, lines longer than a pipe's page too."""
        read, write = pipe
        assert DirectWriter(write).write(b"a" * 9999 + b"\n")
        assert drain(read) == b"a" * 9999 + b"\n"
        file = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        assert DirectWriter(file).write(b"a" * 9999 + b"\n")
        os.close(file)
        assert (tmp_path / "log").stat().st_size == 10_000

    def test_nobody_waits_for_a_reader(self, pipe: tuple[int, int]) -> None:
        """A full pipe costs lines; the shared description stays as it was."""
        read, write = pipe
        fill(write)
        writer = DirectWriter(write)
        assert not writer.write(b"a\n")
        assert writer.dropped == 1
        assert os.get_blocking(write)
        drain(read)
        assert writer.write(b"b\n")
        assert drain(read) == b"b\n"

    def test_a_long_line_is_ended_before_the_next(self, pipe: tuple[int, int]) -> None:
        """Where the pipe took a part, the rest comes first."""
        read, write = pipe
        fill(write)
        os.read(read, 4096)
        writer = DirectWriter(write)
        assert writer.write(b"a" * 6000 + b"\n")
        assert not writer.flush(0)
        assert not writer.write(b"lost\n")
        before = drain(read)
        assert writer.write(b"c\n")
        assert writer.flush(0)
        assert (before + drain(read)).lstrip(b"x") == b"a" * 6000 + b"\nc\n"

    def test_faults_cost_lines_only(self, pipe: tuple[int, int]) -> None:
        """A reader that is gone, a closed descriptor, a full disk."""
        read, write = pipe
        os.close(read)
        writer = DirectWriter(write)
        assert not writer.write(b"a\n")
        os.close(write)
        assert not writer.write(b"b\n")
        assert writer.dropped == 2
        if FULL.exists():
            file = os.open(FULL, os.O_WRONLY)
            full = DirectWriter(file)
            assert not full.write(b"a\n")
            assert full.dropped == 1
            os.close(file)
