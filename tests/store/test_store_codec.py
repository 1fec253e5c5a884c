from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from store_entries import entry

from proxy.store.codec import parse_entries, render_entries

FIRST = entry("203.0.113.7", note='quotes " and \\ and é')
SECOND = entry("203.0.113.7", id="E2", list="allow", reason="", expires=1.9e9, tags=("vip",))


@pytest.mark.parametrize("entries", [(FIRST,), (SECOND,), (FIRST, SECOND)], ids=["one", "other", "both"])
def test_what_was_written_is_read(entries: tuple) -> None:
    """Entries survive the way to text and back."""
    assert parse_entries(render_entries(entries, None)).entries == entries


@pytest.mark.parametrize(
    ("stored", "count", "unreadable"),
    [
        pytest.param(None, 0, 0, id="nothing"),
        pytest.param(b"[]", 0, 0, id="empty"),
        pytest.param(b"\xff", 0, 1, id="no-json"),
        pytest.param(b'{"id": 1}', 0, 1, id="no-array"),
        pytest.param(b"[17]", 0, 1, id="no-entry"),
        pytest.param(b'[{"id":"x","list":"grey"}]', 0, 1, id="unknown-list"),
    ],
)
def test_damaged_text_is_counted(stored: bytes | None, count: int, unreadable: int) -> None:
    """What cannot be read is counted, never raised."""
    decoded = parse_entries(stored)
    assert (len(decoded.entries), decoded.unreadable) == (count, unreadable)


@given(st.binary(max_size=200))
def test_any_bytes_are_survived(stored: bytes) -> None:
    """No stored text makes the reader raise."""
    parse_entries(stored)


def with_members(stored: bytes, **members: object) -> bytes:
    """Return stored text whose first entry has more members, as a newer version would write them."""
    first, *rest = msgspec.json.decode(stored)
    return msgspec.json.encode([{**first, **members}, *rest])


def test_members_of_a_newer_version_are_ignored() -> None:
    """An entry with members we do not know is read as the entry it is."""
    stored = with_members(render_entries((FIRST,), None), colour="red")
    assert parse_entries(stored).entries == (FIRST,)


def test_members_of_a_newer_version_are_kept() -> None:
    """Neither changing an entry nor adding beside it loses what a newer version wrote."""
    stored = with_members(render_entries((FIRST,), None), colour="red")
    written = render_entries((replace(FIRST, note="new"), SECOND), stored)
    first, _ = msgspec.json.decode(written)
    assert first["colour"] == "red"
    assert first["note"] == "new"
    assert parse_entries(written).entries == (replace(FIRST, note="new"), SECOND)


def test_a_member_set_back_to_its_default_is_gone() -> None:
    """Known members come from the entry alone."""
    stored = with_members(render_entries((FIRST,), None), colour="red")
    assert parse_entries(render_entries((replace(FIRST, note=""),), stored)).entries[0].note == ""


def test_unreadable_entries_stay() -> None:
    """An entry of a kind this version cannot read is no reason to throw it away."""
    stored = b'[{"id":"new","list":"challenge"}]'
    written = render_entries((FIRST,), stored)
    assert msgspec.json.decode(written)[0] == {"id": "new", "list": "challenge"}
    assert msgspec.json.decode(render_entries((), written)) == [{"id": "new", "list": "challenge"}]


def test_removing_the_last_entry_leaves_nothing() -> None:
    """No entries is no text, so that the record goes."""
    assert render_entries((), render_entries((FIRST,), None)) is None
