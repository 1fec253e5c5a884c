"""The public reasons: the few codes that may stand on a block page, each translated by `refusal`."""

from __future__ import annotations

import difflib
from types import MappingProxyType
from typing import Final

from proxy.errors import InputError

UNSPECIFIED: Final = "unspecified"

# Code and meaning, in the terms of a shop's policy. The behaviour is named, never the person.
REASONS: Final = MappingProxyType(
    {
        "abuse": "attacks on the shop or other misuse of it",
        "abusive-language": "abusive language towards the shop's staff",
        "automated-traffic": "automated requests that load or scrape the shop",
        "chargeback": "repeated chargebacks",
        "fraud": "orders or payments that were fraudulent",
        "legal": "a legal obligation, such as sanctions",
        "order-pattern": "a pattern of orders that the shop's terms do not allow",
        "policy": "use of the shop's policies against their purpose",
        "security": "a danger to the security of the shop or its customers",
        UNSPECIFIED: "no reason is stated publicly",
    }
)


def describe_reason_mistake(code: str) -> str | None:
    """Return what is wrong with a public reason code and the way out; None when it is a known one."""
    if code in REASONS:
        return None
    plain = code.strip().lower().replace("_", "-").replace(" ", "-")
    if "review" in plain:
        # A trust mark's rule: to refuse a customer who wrote a review is to punish the review.
        return (
            f'"{code}" is no reason for a block: a shop must neither refuse a customer because of a review '
            "nor demand that one be changed (if something else happened, document that and name it)"
        )
    near = difflib.get_close_matches(plain, REASONS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(REASONS)}"
    return f'"{code}" is no public reason: {hint}'


def check_reason(code: str) -> None:
    """Raise InputError unless `code` is a public reason."""
    if mistake := describe_reason_mistake(code):
        raise InputError(mistake)
