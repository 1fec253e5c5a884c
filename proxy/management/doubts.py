"""What makes an answer from the store less than the whole truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.store.entries import Held


@dataclass(slots=True)
class Doubts:
    """What was met while entries were read; `lines` says it to a person."""

    lost: Held | None = None  # the list that workers decide by, and this store has lost
    unreadable: int = 0  # entries left out because this version cannot read them

    def lines(self) -> list[str]:
        """Return a warning for each doubt; none when all is well."""
        found = []
        if self.lost is not None:
            found.append(f"{describe_loss(self.lost)}. What is told here is the store's, not theirs")
        if self.unreadable:
            found.append(describe_unreadable(self.unreadable))
        return found


def describe_loss(lost: Held) -> str:
    """Return one sentence on a list that the store has lost."""
    return (
        f"the store has lost its list: workers still decide by the {lost.entries:,} entries that they hold "
        f"(list version {lost.version:,})"
    )


def describe_unreadable(count: int) -> str:
    """Return one sentence on entries that this version cannot read."""
    entries, they = ("entry", "it is") if count == 1 else ("entries", "they are")
    return (
        f"{count:,} {entries} cannot be read by this version of Stockade (written by a newer one, or damaged): "
        f"{they} kept, and not shown or counted here"
    )
