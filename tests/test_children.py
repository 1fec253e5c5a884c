from __future__ import annotations

import os
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

from proxy.children import Child, Pauses

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pair() -> Iterator[tuple[Child, socket.socket]]:
    """A child (this very process stands in, for it is never signalled) and its end of the line."""
    ours, theirs = socket.socketpair()
    child = Child(name="worker 0", row=0, pauses=Pauses())
    child.begin(0, ours, 100.0)
    yield child, theirs
    theirs.close()
    if child.control is not None:
        child.control.close()


def test_it_says_when_it_is_ready(pair: tuple[Child, socket.socket]) -> None:
    """A child is ready once it said so, and not before."""
    child, theirs = pair
    child.hear()
    assert not child.ready
    theirs.send(b"R")
    child.hear()
    assert child.ready


def test_the_end_of_the_line_is_no_word(pair: tuple[Child, socket.socket]) -> None:
    """A child that hung up is not ready, and is listened to no more."""
    child, theirs = pair
    theirs.close()
    child.hear()
    assert child.control is None
    assert not child.ready


def test_dying_with_an_order_unread_is_an_end_like_any_other(pair: tuple[Child, socket.socket]) -> None:
    """A child that dies before it read its order resets the line; that costs the child, not the supervisor."""
    child, theirs = pair
    child.tell(b"L")
    theirs.close()
    child.hear()
    assert child.control is None


def test_a_child_that_reads_no_orders_is_killed() -> None:
    """When a child's line is full of orders it does not read, it is killed rather than waited for."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    child = Child(name="worker 0", row=0, pauses=Pauses())
    child.begin(pid, ours, 0.0)
    for _ in range(10_000):
        child.tell(b"L" * 4096)
        if child.has_ended():
            break
    else:
        pytest.fail("it was never killed")
    child.bury(1.0)
    theirs.close()


def test_a_heartbeat_that_stands_still_is_noticed() -> None:
    """Stuck is who shows the same heartbeat for longer than the limit, by our own clock."""
    child = Child(name="worker 0", row=0, pauses=Pauses())
    ours, theirs = socket.socketpair()
    child.begin(1, ours, 100.0)
    assert not child.is_stuck(5, 101.0, limit=20)
    assert not child.is_stuck(5, 120.9, limit=20)
    assert child.is_stuck(5, 121.1, limit=20)
    assert not child.is_stuck(6, 121.2, limit=20)
    ours.close()
    theirs.close()


def test_a_successor_is_not_judged_by_its_predecessor() -> None:
    """A new child has the whole limit, whatever heartbeat its row still shows."""
    child = Child(name="worker 0", row=0, pauses=Pauses())
    for start in (100.0, 200.0):
        ours, theirs = socket.socketpair()
        child.begin(1, ours, start)
        assert not child.is_stuck(5, start + 0.1, limit=20)
        assert not child.is_stuck(5, start + 19, limit=20)
        ours.close()
        theirs.close()


def test_who_could_not_look_excuses() -> None:
    """After a pause of the supervisor itself every child begins anew."""
    child = Child(name="worker 0", row=0, pauses=Pauses())
    ours, theirs = socket.socketpair()
    child.begin(1, ours, 100.0)
    child.is_stuck(5, 100.5, limit=20)
    child.excuse(500.0)
    assert not child.is_stuck(5, 510.0, limit=20)
    ours.close()
    theirs.close()


def test_pauses_grow_for_what_dies_young_and_only_then() -> None:
    """What dies at once is started again after growing pauses up to five seconds; what lived is started at once."""
    pauses = Pauses()
    seen = []
    for _ in range(9):
        pauses.begin(10.0)
        seen.append(pauses.end(10.5))
    assert seen[:4] == [0.1, 0.2, 0.4, 0.8]
    assert max(seen) == 5.0
    pauses.begin(100.0)
    assert pauses.end(200.0) == 0.0
    assert pauses.start_at == 200.0


def test_a_child_that_will_not_end_is_made_to() -> None:
    """At the end a child that ignores SIGTERM is killed, and reaped."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        theirs.send(b"R")
        while True:
            time.sleep(1)
    child = Child(name="worker 0", row=0, pauses=Pauses())
    child.begin(pid, ours, 0.0)
    while not child.ready:
        child.hear()
    child.signal(signal.SIGTERM)
    child.end(seconds=0.2)
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    theirs.close()
