from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from proxy.observability import decision_log
from proxy.observability.decision_log import DecisionLog
from proxy.policy.decision import Decision
from proxy.policy.entry import Entry
from proxy.policy.snapshot import Hit

if TYPE_CHECKING:
    from collections.abc import Callable

ENTRY = Entry(
    id="e1",
    list="block",
    kind="ip",
    value="203.0.113.7",
    reason="abuse",
    case="c1",
    origin="cli",
    author="ann",
    created=1.0,
)
REFUSED = Decision(refused=True, hit=Hit(ENTRY, 32), hits=(Hit(ENTRY, 32),), reason="abuse")


def note(log: DecisionLog, **changes: Any) -> None:
    """Record one refusal."""
    values = {
        "reference": "7K3M-9QXZ",
        "client": "203.0.113.7",
        "method": b"GET",
        "target": b"/checkout?email=sam%40example.com",
        "decision": REFUSED,
        "version": 12,
        **changes,
    }
    log.record(**values)


def lines(path: Path) -> list[dict[str, Any]]:
    """Read the log back."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_says_what_support_needs(tmp_path: Path) -> None:
    """A line holds the reference, client address, entry, case, reason and list version; its query is left out."""
    log = DecisionLog(tmp_path / "decisions.jsonl")
    note(log)
    log.close()
    (line,) = lines(tmp_path / "decisions.jsonl")
    assert line.pop("time") > 1e9
    assert line == {
        "event": "refused",
        "reference": "7K3M-9QXZ",
        "client": "203.0.113.7",
        "method": "GET",
        "path": "/checkout",
        "entry": "e1",
        "case": "c1",
        "reason": "abuse",
        "hits": ["e1"],
        "list_version": 12,
    }


def test_monitor_is_told_from_refusal(tmp_path: Path) -> None:
    """A decision that only would have refused says so."""
    log = DecisionLog(tmp_path / "d")
    note(
        log, decision=Decision(would_refuse=True, hit=Hit(ENTRY, 32), hits=(Hit(ENTRY, 32),), reason="abuse")
    )
    log.close()
    assert lines(tmp_path / "d")[0]["event"] == "would refuse"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        pytest.param(b"/a?b@c.d", "/a", id="query"),
        pytest.param(b"/caf\xc3\xa9", "/café", id="UTF-8"),
        pytest.param(b"/\xff\xfe", "/\\xff\\xfe", id="no UTF-8"),
        pytest.param(b"/" + b"x" * 999, "/" + "x" * 255, id="long"),
        pytest.param(b"/\n{}", "/\n{}", id="line feed stays inside the JSON string"),
    ],
)
def test_paths_of_any_bytes(tmp_path: Path, target: bytes, path: str) -> None:
    """Whatever a client sends for a path makes one line, of bounded length."""
    log = DecisionLog(tmp_path / "d")
    note(log, target=target)
    log.close()
    assert lines(tmp_path / "d")[0]["path"] == path


def test_only_owner_and_group_may_read(tmp_path: Path) -> None:
    """The log holds client addresses: it is not for everybody."""
    DecisionLog(tmp_path / "d").close()
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) & 0o007 == 0


def test_reopens_after_rotation(tmp_path: Path) -> None:
    """After a rotation moved the file, lines go to a new one and none is lost."""
    path = tmp_path / "d"
    log = DecisionLog(path)
    note(log, reference="A")
    assert log.flush()
    path.rename(tmp_path / "d.1")
    log.reopen(path)
    note(log, reference="B")
    log.close()
    assert [line["reference"] for line in lines(tmp_path / "d.1")] == ["A"]
    assert [line["reference"] for line in lines(path)] == ["B"]


def test_settings_may_name_another_file(tmp_path: Path) -> None:
    """After a reload with another path, lines go there."""
    log = DecisionLog(tmp_path / "a")
    note(log, reference="A")
    log.reopen(tmp_path / "b")
    note(log, reference="B")
    assert log.flush()
    assert [line["reference"] for line in lines(tmp_path / "a")] == ["A"]
    assert [line["reference"] for line in lines(tmp_path / "b")] == ["B"]
    log.close()


def test_a_flood_drops_lines_not_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written in time is dropped and counted."""
    monkeypatch.setattr(decision_log, "_CAPACITY", 1000)
    log = DecisionLog(tmp_path / "d")
    for _ in range(50):
        note(log)
    log.close()
    assert log.dropped > 0
    assert len(lines(tmp_path / "d")) + log.dropped == 50


def test_a_full_disk_costs_lines_only() -> None:
    """Where nothing can be written, lines are counted as dropped and nothing is raised; each is told of once."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    log = DecisionLog(Path("/dev/full"))
    note(log)
    assert log.flush()
    assert (log.dropped, log.take_dropped(), log.take_dropped()) == (1, 1, 0)
    log.close()


def test_a_stalled_reader_holds_up_nobody(tmp_path: Path) -> None:
    """A decision log that nobody reads costs its lines, and neither a request nor the end of the process."""
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    log = DecisionLog(tmp_path / "fifo")
    began = time.monotonic()
    for _ in range(40_000):
        note(log)
    assert not log.flush(0.1)
    log.close(0.1)
    assert time.monotonic() - began < 5
    assert log.dropped > 0
    os.close(reader)


def test_to_record_is_cheap(tmp_path: Path) -> None:
    """A refusal is recorded in some microseconds: no lock, no thread woken, no write."""
    log = DecisionLog(tmp_path / "d")
    best = 1.0
    for _ in range(8):
        best = min(best, _seconds_of(lambda: note(log), 1000))
        assert log.flush(5)  # the memory of written lines is used again, as it is in a worker
    log.close()
    print(f"record(): {best * 1e6:.2f} us")
    assert best < 30e-6  # 3 us on a quiet machine; the limit is for a busy one


def _seconds_of(work: Callable[[], None], times: int) -> float:
    """Return the seconds one call takes."""
    began = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - began) / times


def test_an_error_answer_is_found_by_its_reference(tmp_path: Path) -> None:
    """An answer that says why we could not serve leaves a line with its status and the reason, and no query."""
    log = DecisionLog(tmp_path / "d")
    log.record_error(
        reference="HG0B-31KR",
        client="203.0.113.7",
        method=b"GET",
        target=b"/pay?email=a%40b.example",
        status=502,
        detail="the upstream closed the connection without an answer",
    )
    log.close()
    (line,) = lines(tmp_path / "d")
    assert line.pop("time") > 1e9
    assert line == {
        "event": "error",
        "reference": "HG0B-31KR",
        "client": "203.0.113.7",
        "method": "GET",
        "path": "/pay",
        "status": 502,
        "detail": "the upstream closed the connection without an answer",
    }
