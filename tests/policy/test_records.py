from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from policy_entries import allow, block

from proxy.policy.records import RecordPool

if TYPE_CHECKING:
    from proxy.policy.entry import Entry


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(block("203.0.113.7"), id="plain"),
        pytest.param(allow("2001:db8::/32"), id="allow"),
        pytest.param(
            block(
                "203.0.113.7",
                mode="monitor",
                scope=("login", "cart"),
                note="naïve\nnote",
                approver="b",
                starts=1.5,
                expires=2.25,
                review=9.125,
                tags=("x", "y"),
                shop="fr",
                origin="import",
            ),
            id="everything",
        ),
    ],
)
def test_an_entry_comes_back_as_it_was(entry: Entry) -> None:
    """Nothing an operator wrote is lost in a worker's memory."""
    pool = RecordPool()
    assert pool.decode(pool.encode(entry), entry.identifier) == entry


def test_what_entries_share_is_kept_once() -> None:
    """A thousand entries of one import share one set of author, reason, scope, ..."""
    pool = RecordPool()
    for number in range(1000):
        pool.encode(block("203.0.113.7", id=f"e{number}", created=1000.0 + number))
    assert len(pool) == 1


def test_what_nobody_uses_is_given_up() -> None:
    """The pool holds what records in use share, and a number that became free serves the next."""
    pool = RecordPool()
    first = pool.encode(block("203.0.113.7", author="a"))
    second = pool.encode(allow("203.0.113.7", author="a"))
    third = pool.encode(block("203.0.113.8", author="a"))
    assert len(pool) == 2
    assert pool.release(second) == "allow"
    assert pool.release(first) == "block"
    assert len(pool) == 1
    entry = block("203.0.113.9", author="b")
    assert pool.decode(pool.encode(entry), entry.identifier) == entry
    assert pool.decode(third, entry.identifier).author == "a"
    assert len(pool) == 2
