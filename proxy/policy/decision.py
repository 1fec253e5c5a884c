"""The decision: what follows, for one address in one area at one time, from the entries that cover it.

Precedence, in this order:

1. Only entries that hold count: begun, not ended (`expires` is exclusive), and with the area in their scope.
2. An allow entry wins over every block, however specific either is.
3. Among the blocks that are enforced, the most specific decides, then the newest.
4. A block in mode `monitor` refuses nobody. It also shields nobody: a wider block that is enforced still
   refuses, or to watch one address of a blocked network would be to let it in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from proxy.policy.areas import covers
from proxy.policy.reasons import UNSPECIFIED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.policy.entry import Mode
    from proxy.policy.snapshot import Hit, Snapshot


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Allowed or refused, by what, and until when.

    `hit` is the entry that decided: the block that refuses or would refuse, or the allow entry (then
    `allowed_by` too). `hits` are all that hold here and now, most specific first, then newest.
    `would_refuse`: let through only because of mode `monitor`, be it the entry's or everywhere.
    `reason` is the deciding block's public reason, for the page. `ends` is the first moment (Unix seconds) at
    which the same request would not be refused, by all entries known now; None when there is none.
    """

    refused: bool = False
    would_refuse: bool = False
    hit: Hit | None = None
    hits: tuple[Hit, ...] = ()
    allowed_by: Hit | None = None
    reason: str = ""
    ends: float | None = None


ALLOWED: Final = Decision()  # shared: nothing matched


def decide(snapshot: Snapshot, packed: bytes, area: str, now: float, *, mode: Mode) -> Decision:
    """Decide about a request of a client address (4 or 16 packed bytes) in an area at a time (Unix seconds).

    `mode` is the mode of the whole installation.
    """
    found = snapshot.hits(packed)
    if not found:
        return ALLOWED
    return weigh(found, area, now, mode=mode)


def weigh(found: Sequence[Hit], area: str, now: float, *, mode: Mode) -> Decision:
    """Decide from the entries that cover an address, given most specific first, then newest."""
    concerned = [hit for hit in found if covers(hit.entry.scope, area)]
    hits = tuple([hit for hit in concerned if hit.entry.holds(now)])
    if not hits:
        return ALLOWED
    for hit in hits:
        if hit.entry.list == "allow":
            return Decision(hit=hit, hits=hits, allowed_by=hit)
    for hit in hits:
        if hit.entry.mode == "enforce":
            refused = mode == "enforce"
            return Decision(
                refused=refused,
                would_refuse=not refused,
                hit=hit,
                hits=hits,
                reason=hit.entry.reason or UNSPECIFIED,
                ends=_end_of_refusal(concerned, now),
            )
    watched = hits[0]
    return Decision(would_refuse=True, hit=watched, hits=hits, reason=watched.entry.reason or UNSPECIFIED)


def _end_of_refusal(concerned: Sequence[Hit], now: float) -> float | None:
    """Return the first moment after `now` at which the request is not refused; None when there is none.

    A refusal can only end when a block ends or an allow entry begins, and not even then if another block
    holds or has begun by that time.
    """
    allows = [hit.entry for hit in concerned if hit.entry.list == "allow"]
    blocks = [hit.entry for hit in concerned if hit.entry.list == "block" and hit.entry.mode == "enforce"]
    moments = {entry.expires for entry in blocks} | {entry.starts for entry in allows}
    for moment in sorted(moment for moment in moments if moment is not None and moment > now):
        if any(allow.holds(moment) for allow in allows) or not any(block.holds(moment) for block in blocks):
            return moment
    return None
