from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from policy_entries import allow, block, load, packed

from proxy.policy.decision import ALLOWED, Decision, decide

if TYPE_CHECKING:
    from proxy.policy.entry import Entry, Mode

NOW = 5000.0
CLIENT = "203.0.113.7"
BLOCK = block(CLIENT, id="b")


def decide_by(
    *entries: Entry, client: str = CLIENT, area: str = "browse", now: float = NOW, mode: Mode = "enforce"
) -> Decision:
    """Decide about a client by a list of just these entries."""
    return decide(load(entries), packed(client), area, now, mode=mode)


@pytest.mark.parametrize(
    ("entries", "decider", "refused"),
    [
        pytest.param([BLOCK], "b", True, id="block"),
        pytest.param([block("203.0.113.0/24", id="n")], "n", True, id="network"),
        pytest.param([BLOCK, allow(CLIENT, id="a")], "a", False, id="allow-beats-block"),
        pytest.param([BLOCK, allow("203.0.0.0/16", id="a")], "a", False, id="wide-allow-beats-narrow-block"),
        pytest.param(
            [block("203.0.113.0/24", id="n"), allow(CLIENT, id="a")], "a", False, id="hole-in-a-network"
        ),
        pytest.param([BLOCK, allow("203.0.113.8", id="a")], "b", True, id="allow-for-somebody-else"),
        pytest.param([BLOCK, allow(CLIENT, id="a", expires=NOW)], "b", True, id="ended-allow"),
        pytest.param([BLOCK, allow(CLIENT, id="a", starts=NOW + 1)], "b", True, id="coming-allow"),
        pytest.param([BLOCK, allow(CLIENT, id="a", scope=("cart",))], "b", True, id="allow-elsewhere"),
        pytest.param(
            [block("203.0.112.0/23", id="n"), block("203.0.113.0/24", id="m")], "m", True, id="most-specific"
        ),
        pytest.param(
            [block("203.0.113.0/24", id="n", created=2000.0), BLOCK], "b", True, id="specific-before-new"
        ),
        pytest.param([BLOCK, block(CLIENT, id="c", created=2000.0)], "c", True, id="newest"),
        pytest.param(
            [block(CLIENT, id="m", mode="monitor"), block("203.0.113.0/24", id="n")],
            "n",
            True,
            id="monitor-shields-not",
        ),
        pytest.param([block(CLIENT, id="m", mode="monitor")], "m", False, id="monitor-refuses-not"),
    ],
)
def test_precedence(entries: list[Entry], decider: str, *, refused: bool) -> None:
    """Allow beats block; then the most specific enforced block decides, then the newest."""
    decision = decide_by(*entries)
    assert decision.refused is refused
    assert decision.hit is not None
    assert decision.hit.entry.id == decider
    assert (decision.allowed_by is not None) is (decision.hit.entry.list == "allow")


@pytest.mark.parametrize(
    ("entry", "area", "now", "client"),
    [
        pytest.param(BLOCK, "browse", NOW, "203.0.113.8", id="other-address"),
        pytest.param(block("203.0.113.0/24"), "browse", NOW, "203.0.114.7", id="other-network"),
        pytest.param(block("::/1"), "browse", NOW, CLIENT, id="other-family"),
        pytest.param(BLOCK, "webhook", NOW, CLIENT, id="webhook"),
        pytest.param(BLOCK, "open", NOW, CLIENT, id="open"),
        pytest.param(block(CLIENT, scope=("checkout",)), "browse", NOW, CLIENT, id="other-area"),
        pytest.param(block(CLIENT, starts=NOW + 0.001), "browse", NOW, CLIENT, id="not-yet"),
        pytest.param(block(CLIENT, expires=NOW), "browse", NOW, CLIENT, id="ended-this-moment"),
    ],
)
def test_nothing_that_holds_is_allowed(entry: Entry, area: str, now: float, client: str) -> None:
    """When nothing holds here and now the decision is the shared one."""
    assert decide_by(entry, client=client, area=area, now=now) is ALLOWED


def test_expiry_is_exact() -> None:
    """An entry refuses in the last microsecond before its end and not at its end."""
    entry = block(CLIENT, expires=NOW)
    assert decide_by(entry, now=NOW - 0.000001).refused
    assert not decide_by(entry, now=NOW).refused


def test_global_monitor_refuses_nobody_and_says_who_would_be() -> None:
    """In mode monitor the decision is made and recorded, never acted on."""
    decision = decide_by(block(CLIENT, reason="fraud", expires=6000.0), mode="monitor")
    assert (decision.refused, decision.would_refuse, decision.reason, decision.ends) == (
        False,
        True,
        "fraud",
        6000.0,
    )


def test_an_entry_in_monitor_refuses_nobody_and_says_who_would_be() -> None:
    """The same holds for one entry."""
    decision = decide_by(block(CLIENT, mode="monitor"))
    assert (decision.refused, decision.would_refuse) == (False, True)


def test_in_global_monitor_an_enforced_entry_is_the_one_that_would_decide() -> None:
    """What is recorded in monitor is what enforcing would do."""
    decision = decide_by(
        block(CLIENT, id="m", mode="monitor"), block("203.0.113.0/24", id="n"), mode="monitor"
    )
    assert decision.hit is not None
    assert decision.hit.entry.id == "n"


def test_an_allowed_client_would_not_be_refused() -> None:
    """An allow entry wins in monitor too."""
    decision = decide_by(BLOCK, allow(CLIENT), mode="monitor")
    assert (decision.refused, decision.would_refuse) == (False, False)


def test_all_hits_are_recorded_most_specific_first_then_newest() -> None:
    """`hits` holds everything that holds, in the order of precedence, whatever its list or mode."""
    decision = decide_by(
        block("203.0.0.0/16", id="wide"),
        block("203.0.113.0/24", id="old", created=1.0),
        block("203.0.113.0/24", id="new", created=2.0),
        block("203.0.113.0/24", id="gone", expires=NOW),
        allow("203.0.113.0/28", id="allow"),
        block(CLIENT, id="exact", mode="monitor"),
    )
    assert [hit.entry.id for hit in decision.hits] == ["exact", "allow", "new", "old", "wide"]
    assert [hit.prefix for hit in decision.hits] == [32, 28, 24, 24, 16]


@pytest.mark.parametrize(
    ("reason", "public"),
    [pytest.param("legal", "legal", id="stated"), pytest.param("", "unspecified", id="not-stated")],
)
def test_the_public_reason_is_the_deciding_blocks(reason: str, public: str) -> None:
    """The page shows the reason of the entry that refuses; one without a reason shows that none is stated."""
    assert decide_by(block(CLIENT, reason=reason), block("203.0.113.0/24", reason="fraud")).reason == public


@pytest.mark.parametrize(
    ("entries", "ends"),
    [
        pytest.param([block(CLIENT)], None, id="for-good"),
        pytest.param([block(CLIENT, expires=6000.0)], 6000.0, id="one"),
        pytest.param(
            [block(CLIENT, expires=6000.0), block("203.0.113.0/24", expires=7000.0)], 7000.0, id="latest"
        ),
        pytest.param(
            [block(CLIENT, expires=6000.0), block("203.0.113.0/24")], None, id="one-of-two-for-good"
        ),
        pytest.param(
            [block(CLIENT, expires=6000.0), block("203.0.113.0/24", mode="monitor")],
            6000.0,
            id="monitor-counts-not",
        ),
        pytest.param(
            [block(CLIENT, expires=6000.0), block("203.0.113.0/24", scope=("cart",))],
            6000.0,
            id="area-counts",
        ),
        pytest.param(
            [block(CLIENT, expires=6000.0), block("203.0.113.0/24", starts=6000.0, expires=7000.0)],
            7000.0,
            id="seamless-successor",
        ),
        pytest.param(
            [block(CLIENT, expires=6000.0), block("203.0.113.0/24", starts=6001.0)],
            6000.0,
            id="gap-before-the-next",
        ),
        pytest.param([block(CLIENT), allow(CLIENT, starts=6500.0)], 6500.0, id="coming-allow"),
        pytest.param(
            [block(CLIENT, expires=6000.0), allow(CLIENT, starts=6500.0)], 6000.0, id="ends-before-the-allow"
        ),
        pytest.param(
            [block(CLIENT, expires=7000.0), allow(CLIENT, starts=6500.0, expires=6600.0)],
            6500.0,
            id="passing-allow",
        ),
    ],
)
def test_the_end_of_a_refusal_is_honest(entries: list[Entry], ends: float | None) -> None:
    """`ends` is the first moment at which the same request is let through, by all entries known now."""
    decision = decide_by(*entries)
    assert decision.refused
    assert decision.ends == ends


def test_what_explain_needs_stands_in_the_hit() -> None:
    """A hit carries the whole entry as the operator wrote it."""
    entry = block("203.0.113.0/24", id="x", case="c", note="n", starts=1.0, expires=9000.0, reason="fraud")
    decision = decide_by(entry)
    assert decision.hit is not None
    assert decision.hit.entry == entry
