from __future__ import annotations

import os

from proxy.observability.counters import PROCESS_GAUGES, SLOTS, CounterPage, Slot


def test_every_slot_has_its_own_place() -> None:
    """No two counters share a slot, and together they fill the row."""
    places = [value for name, value in vars(Slot).items() if name.isupper()]
    assert sorted(places) == list(range(SLOTS))


def test_rows_are_apart() -> None:
    """What one worker counts does not show in another's row, and the total adds both."""
    page = CounterPage(3)
    page.row(0)[Slot.REQUESTS] += 2
    page.row(2)[Slot.REQUESTS] += 5
    assert [page.row(index)[Slot.REQUESTS] for index in range(3)] == [2, 0, 5]
    assert page.total(Slot.REQUESTS) == 7
    assert page.total(Slot.REFUSED) == 0


def test_the_page_is_shared_with_a_forked_process() -> None:
    """A child made by fork counts where the parent reads."""
    page = CounterPage(1)
    pid = os.fork()
    if pid == 0:
        page.row(0)[Slot.REFUSED] += 3
        os._exit(0)
    os.waitpid(pid, 0)
    assert page.row(0)[Slot.REFUSED] == 3


def test_process_gauges_are_no_counters() -> None:
    """What is cleared when a worker is replaced leaves the counters alone, so that they only grow."""
    assert Slot.OPEN_CONNECTIONS in PROCESS_GAUGES
    assert Slot.READY in PROCESS_GAUGES
    assert Slot.DECISIONS_DROPPED not in PROCESS_GAUGES
    assert not {Slot.REQUESTS, Slot.REFUSED, Slot.STARTS, Slot.CONNECTIONS} & set(PROCESS_GAUGES)
