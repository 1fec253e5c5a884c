"""The public reasons: the few codes that may stand on a block page, each translated by `refusal`."""

from __future__ import annotations

from types import MappingProxyType

from proxy.errors import InputError

UNSPECIFIED = "unspecified"

REASONS = MappingProxyType(
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


def check_reason(code: str) -> None:
    """Raise InputError unless `code` is a public reason."""
    if code in REASONS:
        return
    if code.lower() in {"review", "reviews"}:
        raise InputError(
            f'"{code}" is no reason for a block: a shop must never refuse a customer because of a review, '
            "nor demand that one be changed. Block only what stands documented besides it, under its own reason."
        )
    raise InputError(f'"{code}" is no public reason. Choose one of: {", ".join(REASONS)}')
