"""Entries as stored text: a JSON array of entry objects for each identifier.

A newer version of Stockade may run beside this one and write members this one does not know. They are
ignored when reading, and kept when this version changes another entry of the same identifier, or another
member of the same entry. An entry this version cannot read at all is counted and kept, never dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from proxy.policy.entry import Entry

_ENTRIES = msgspec.json.Decoder(list[Entry])
_RAW_ENTRIES = msgspec.json.Decoder(list[msgspec.Raw])
_ENTRY = msgspec.json.Decoder(Entry)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENCODE = msgspec.json.Encoder().encode
_KNOWN = frozenset(Entry.__struct_encode_fields__)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one identifier's stored text says."""

    entries: tuple[Entry, ...]
    unreadable: int = 0  # entries of a newer version or damaged ones, left out of `entries`


NOTHING = Decoded(())


def parse_entries(stored: bytes | str | None) -> Decoded:
    """Read one identifier's entries; never raises: what cannot be read is counted in `unreadable`."""
    if stored is None:
        return NOTHING
    try:
        return Decoded(tuple(_ENTRIES.decode(stored)))
    except msgspec.MsgspecError:
        pass
    try:
        raws = _RAW_ENTRIES.decode(stored)
    except msgspec.MsgspecError:
        return Decoded((), 1)
    read = [entry for raw in raws if (entry := _parse_entry(raw)) is not None]
    return Decoded(tuple(read), len(raws) - len(read))


def _parse_entry(raw: msgspec.Raw) -> Entry | None:
    try:
        return _ENTRY.decode(raw)
    except msgspec.MsgspecError:
        return None


def render_entries(entries: tuple[Entry, ...], before: bytes | None) -> bytes | None:
    """Return the text to store for these entries, or None when nothing is left to store.

    `before` is the text they were read from. Entries are matched with it by id: an unchanged one keeps its
    text, a changed one keeps the members we do not know, one we could not read stays as it is.
    """
    if before is None:
        return _ENCODE(entries) if entries else None
    try:
        raws = _RAW_ENTRIES.decode(before)
    except msgspec.MsgspecError:
        raws = []
    wanted = {entry.id: entry for entry in entries}
    parts: list[msgspec.Raw] = []
    for raw in raws:
        old = _parse_entry(raw)
        if old is None:
            parts.append(raw)
        elif (new := wanted.pop(old.id, None)) is not None:
            parts.append(raw if new == old else _merged(raw, new))
    parts.extend(msgspec.Raw(_ENCODE(entry)) for entry in wanted.values())
    return _ENCODE(parts) if parts else None


def _merged(raw: msgspec.Raw, entry: Entry) -> msgspec.Raw:
    text = _ENCODE(entry)
    unknown = {key: value for key, value in _OBJECT.decode(raw).items() if key not in _KNOWN}
    return msgspec.Raw(_ENCODE(_OBJECT.decode(text) | unknown) if unknown else text)
