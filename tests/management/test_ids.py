from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from proxy.management.ids import make_id, make_ids


def test_ids_are_short_and_can_be_read_out() -> None:
    """16 characters without those that sound or look alike."""
    one = make_id(1.8e9)
    assert len(one) == 16
    assert set(one) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


@given(st.floats(0, 4e9), st.floats(0.002, 1e6))
def test_later_ids_sort_later(now: float, later: float) -> None:
    """Text order is order of time, within a batch and between."""
    batch = list(islice(make_ids(now), 50))
    assert batch == sorted(set(batch))
    assert make_id(now + later) > batch[0]


def test_ids_of_one_moment_differ() -> None:
    """Two commands in the same millisecond do not meet."""
    assert len({make_id(1.8e9) for _ in range(200)}) == 200
