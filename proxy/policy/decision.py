"""The decision: what follows, for one address in one area at one time, from the entries that cover it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from proxy.policy.areas import areas_of
from proxy.policy.reasons import UNSPECIFIED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.policy.entry import Mode
    from proxy.policy.snapshot import Hit, Snapshot


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Allowed or refused, by what, and until when."""

    refused: bool = False
    would_refuse: bool = False
    hit: Hit | None = None
    hits: tuple[Hit, ...] = ()
    allowed_by: Hit | None = None
    reason: str = ""
    ends: float | None = None


ALLOWED = Decision()


def decide(snapshot: Snapshot, packed: bytes, area: str, now: float, *, mode: Mode) -> Decision:
    """Decide about one request of a client address in an area at a time."""
    found = snapshot.hits(packed)
    if not found:
        return ALLOWED
    return weigh(found, area, now, mode=mode)


def weigh(found: Sequence[Hit], area: str, now: float, *, mode: Mode) -> Decision:
    """Decide from the entries that cover an address, most specific first, then newest."""
    concerned = [hit for hit in found if area in areas_of(hit.entry.scope)]
    hits = tuple(hit for hit in concerned if hit.entry.holds(now))
    if not hits:
        return ALLOWED
    for hit in hits:
        if hit.entry.list == "allow":
            return Decision(hit=hit, hits=hits, allowed_by=hit)
    for hit in hits:
        if hit.entry.mode == "enforce":
            refused = mode == "enforce"
            ends = _end_of_refusal(concerned, now)
            break
    else:
        hit, refused, ends = hits[0], False, None
    reason = hit.entry.reason or UNSPECIFIED
    return Decision(refused=refused, would_refuse=not refused, hit=hit, hits=hits, reason=reason, ends=ends)


def _end_of_refusal(concerned: Sequence[Hit], now: float) -> float | None:
    """Return the first moment after `now` at which the request is not refused; None: there is none."""
    allows = [hit.entry for hit in concerned if hit.entry.list == "allow"]
    blocks = [hit.entry for hit in concerned if hit.entry.list == "block" and hit.entry.mode == "enforce"]
    moments = {entry.expires for entry in blocks} | {entry.starts for entry in allows}
    for moment in sorted(moment for moment in moments if moment is not None and moment > now):
        if any(entry.holds(moment) for entry in allows) or not any(entry.holds(moment) for entry in blocks):
            return moment
    return None
