from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from policy_entries import allow, block

from proxy.errors import InputError
from proxy.policy.entry import LAST_TIME, MAX_NAME, MAX_NOTE, MAX_TAGS, Entry


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(block("203.0.113.7"), id="address"),
        pytest.param(block("2001:db8::/48"), id="network"),
        pytest.param(block("203.0.113.7", scope=("login", "checkout")), id="areas"),
        pytest.param(block("203.0.113.7", starts=2000.0, expires=2000.5), id="short"),
        pytest.param(block("203.0.113.7", expires=LAST_TIME), id="long"),
        pytest.param(block("203.0.113.7", mode="monitor", note="first\nsecond\tcolumn"), id="note"),
        pytest.param(block("203.0.113.7", note="é" * MAX_NOTE, tags=("t",) * MAX_TAGS), id="at-the-bounds"),
        pytest.param(block("203.0.113.7", approver="second@shop.example"), id="approved"),
        pytest.param(allow("203.0.113.7"), id="allow-without-reason"),
        pytest.param(allow("203.0.113.7", reason="policy"), id="allow-with-reason"),
    ],
)
def test_a_good_entry_passes(entry: Entry) -> None:
    """`check` returns the entry itself."""
    assert entry.check() is entry


@pytest.mark.parametrize(
    ("fields", "mistake"),
    [
        pytest.param({"value": "203.0.113.07"}, "canonical", id="leading-zero"),
        pytest.param({"value": "2001:DB8::1"}, "canonical", id="upper-case"),
        pytest.param({"value": "::ffff:203.0.113.7"}, "canonical", id="mapped"),
        pytest.param({"value": "203.0.113.0/24"}, "canonical form of one ip", id="network-as-ip"),
        pytest.param({"kind": "network", "value": "203.0.113.7/24"}, "canonical", id="host-bits"),
        pytest.param(
            {"kind": "network", "value": "203.0.113.7/32"}, "canonical", id="network-of-one-address"
        ),
        pytest.param({"kind": "network", "value": "203.0.113.0/024"}, "canonical", id="prefix-zeros"),
        pytest.param({"kind": "network", "value": "203.0.113.7"}, "canonical", id="no-prefix"),
        pytest.param({"kind": "email", "value": "a@b.example"}, 'kind "email" is not one of', id="kind"),
        pytest.param({"list": "deny"}, 'list "deny" is not one of block, allow', id="list"),
        pytest.param({"mode": "log"}, 'mode "log" is not one of', id="mode"),
        pytest.param({"origin": "fax"}, 'origin "fax" is not one of', id="origin"),
        pytest.param({"list": "allow", "mode": "monitor"}, "nothing to monitor", id="monitored-allow"),
        pytest.param({"reason": ""}, "is no public reason", id="no-reason"),
        pytest.param({"reason": "review"}, "because of a review", id="review"),
        pytest.param({"list": "allow", "reason": "review"}, "because of a review", id="review-allow"),
        pytest.param({"scope": ()}, "the scope is empty", id="no-scope"),
        pytest.param({"scope": ("shop",)}, '"shop" is no area', id="unknown-area"),
        pytest.param({"scope": ("webhook",)}, "nothing is ever refused in the area webhook", id="webhook"),
        pytest.param({"scope": ("open", "cart")}, "nothing is ever refused in the area open", id="open"),
        pytest.param({"scope": ("site", "cart")}, "name it alone", id="site-and-more"),
        pytest.param({"scope": ("cart", "cart")}, "names an area twice", id="twice"),
        pytest.param({"expires": 1000.0}, "end before it starts", id="ends-at-creation"),
        pytest.param({"starts": 2000.0, "expires": 2000.0}, "end before it starts", id="ends-at-start"),
        pytest.param({"expires": math.nan}, "expires is nan", id="nan"),
        pytest.param({"created": math.inf}, "created is inf", id="infinite"),
        pytest.param({"created": 0.0}, "created is 0.0", id="zero"),
        pytest.param({"expires": 1.7e15}, "milliseconds?", id="not-in-seconds"),
        pytest.param({"review": 999.0}, "review date lies before", id="review-date"),
        pytest.param({"case": ""}, "names no case", id="no-case"),
        pytest.param({"author": " "}, "names no author", id="no-author"),
        pytest.param({"id": ""}, "names no id", id="no-id"),
        pytest.param({"approver": "ops@shop.example"}, "must be another person", id="self-approved"),
        pytest.param({"note": "x" * (MAX_NOTE + 1)}, "its note has 1001 characters", id="long-note"),
        pytest.param({"note": "a\x1b[31m"}, "its note holds characters", id="escape-in-note"),
        pytest.param({"author": "a\nb"}, "its author holds characters", id="newline-in-author"),
        pytest.param({"case": "x" * (MAX_NAME + 1)}, "its case has 255 characters", id="long-case"),
        pytest.param({"tags": ("",)}, "an empty tag", id="empty-tag"),
        pytest.param({"tags": ("a\x00b",)}, "its tag holds characters", id="nul-in-tag"),
        pytest.param({"tags": ("t",) * (MAX_TAGS + 1)}, "it has 21 tags", id="many-tags"),
    ],
)
def test_a_bad_entry_is_refused(fields: dict[str, Any], mistake: str) -> None:
    """Each rule has its own sentence, after the name of the thing."""
    entry = block("203.0.113.7", **fields)
    with pytest.raises(InputError) as error:
        entry.check()
    assert mistake in str(error.value)
    assert str(error.value).startswith(f"the entry for {entry.identifier}: ")


def test_all_mistakes_are_told_at_once() -> None:
    """Whoever corrects an entry needs one round, not one for each mistake."""
    with pytest.raises(InputError) as error:
        block("1.2.3", case="", scope=("shop",)).check()
    assert str(error.value).count(";") == 2


@pytest.mark.parametrize(
    ("now", "holds"),
    [
        pytest.param(999.999, False, id="before"),
        pytest.param(1000.0, True, id="at-start"),
        pytest.param(1999.999999, True, id="just-before-the-end"),
        pytest.param(2000.0, False, id="at-the-end"),
    ],
)
def test_an_entry_holds_from_its_start_until_just_before_its_end(now: float, *, holds: bool) -> None:
    """The start is inclusive and the end exclusive."""
    assert block("203.0.113.7", starts=1000.0, expires=2000.0).holds(now) is holds


def test_an_entry_travels_as_json_and_back() -> None:
    """Defaults are left out on the way and come back as they were."""
    entry = block("203.0.113.7", expires=5000.0, tags=("a", "b"))
    text = msgspec.json.encode(entry)
    assert b'"mode"' not in text
    assert msgspec.json.decode(text, type=Entry) == entry
