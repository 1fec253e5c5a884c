"""The names of everything Stockade keeps in Redis.

All names of one store share a hash tag, so that one script may touch all of them on a Redis Cluster too
(https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/, "Hash tags").
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.errors import InputError
from proxy.identity.identifiers import Identifier

# Stands in every name: a later layout uses other names, so two versions never misread each other.
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The key names of one store."""

    entries: str  # HASH: field "ip:203.0.113.7" -> JSON array of the entries of that identifier
    version: str  # integer, one higher with every change: the list version
    epoch: str  # random text, set with the first change: tells a rebuilt store from the one we knew
    changes: str  # STREAM: one item a change (v version, e epoch, c JSON [[field, entries or null], ...])
    audit: str  # STREAM: who did what and when, one item a change
    held: str  # JSON, for seconds: the list that workers decide by because the store has lost it
    accepted: str  # the epoch of a list that an operator began after the one before was lost

    @classmethod
    def of(cls, name: str) -> Keys:
        """Return the keys of the store called `name`; raise InputError when no such name can be."""
        if not name or not name.isascii() or not name.isprintable() or any(c in name for c in "{} "):
            raise InputError(
                f"store name {name!r}: use letters, digits, '-', '_' or '.' (no space and no braces)"
            )
        prefix = f"{{{name}}}:{SCHEMA}:"
        return cls(
            entries=prefix + "entries",
            version=prefix + "version",
            epoch=prefix + "epoch",
            changes=prefix + "changes",
            audit=prefix + "audit",
            held=prefix + "held",
            accepted=prefix + "accepted",
        )


def field_of(identifier: Identifier) -> str:
    """Return the hash field that holds the entries of `identifier`, e.g. "network:203.0.113.0/24"."""
    return str(identifier)


def identifier_of(field: bytes) -> Identifier:
    """Return the identifier a hash field stands for (the inverse of `field_of`); never raises."""
    kind, _, value = field.decode(errors="replace").partition(":")
    return Identifier(kind, value)
