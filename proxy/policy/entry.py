"""One identifier on a list, as it is written to the store and travels to the workers."""

from __future__ import annotations

from typing import Literal

import msgspec

from proxy.errors import InputError
from proxy.identity.identifiers import Identifier, is_canonical
from proxy.policy.areas import AREAS, DEFAULT_SCOPE, SITE
from proxy.policy.reasons import check_reason

ListName = Literal["block", "allow"]
Mode = Literal["enforce", "monitor"]
Origin = Literal["cli", "api", "ui", "import", "feed", "rule"]


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One identifier on a list. Times are seconds of the Unix epoch; `expires` is exclusive."""

    id: str
    list: ListName
    kind: str
    value: str
    mode: Mode = "enforce"
    scope: tuple[str, ...] = DEFAULT_SCOPE
    reason: str = ""
    note: str = ""
    case: str
    origin: Origin
    author: str
    approver: str = ""
    created: float
    starts: float | None = None
    expires: float | None = None
    review: float | None = None
    tags: tuple[str, ...] = ()
    shop: str = ""

    @property
    def identifier(self) -> Identifier:
        """What the entry is about."""
        return Identifier(self.kind, self.value)

    def holds(self, now: float) -> bool:
        """Tell whether the entry is in force: from `starts` on, and no longer at `expires`."""
        return (self.starts is None or now >= self.starts) and (self.expires is None or now < self.expires)

    def check(self) -> Entry:
        """Return the entry itself, or raise InputError that says which rule it breaks."""
        if not is_canonical(self.identifier):
            raise InputError(f"{self.identifier} is not in its canonical form")
        if self.list == "block":
            check_reason(self.reason)
        unknown = [area for area in self.scope if area not in AREAS and area != SITE]
        if unknown or not self.scope:
            raise InputError(
                f"{', '.join(unknown) or 'nothing'} is no scope: use site, or areas of {', '.join(AREAS)}"
            )
        if self.expires is not None and self.expires <= (
            self.created if self.starts is None else self.starts
        ):
            raise InputError(f"the entry for {self.identifier} would end before it starts")
        for name in ("id", "case", "author"):
            if not getattr(self, name):
                raise InputError(f"the entry for {self.identifier} names no {name}")
        return self
