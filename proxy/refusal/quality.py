"""Read the weighted lists of Accept and Accept-Language (RFC 9110 sections 12.4.2, 12.5.1, 12.5.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# These bytes come from anybody. Chromium's longest Accept is 135 bytes and an Accept-Language of ten
# languages some 100, so nobody honest is cut short, and the costliest list takes tens of microseconds.
MAX_BYTES: Final = 1024
MAX_ITEMS: Final = 32

# RFC 9110 section 12.4.2, and a little more that is met in practice: ".5", more than three digits, "1.2"
# (read as 1).
_WEIGHT: Final = re.compile(r"[01](?:\.[0-9]*)?|\.[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One element: its name in lower case, whether it has parameters of its own, and its weight."""

    name: str
    has_parameters: bool
    weight: float


def parse_weighted(value: bytes) -> list[Item]:
    """Read a list in the order it was written; what cannot be read is passed over, and nothing raises."""
    text = value[:MAX_BYTES].decode("latin-1").lower()
    if len(value) > MAX_BYTES:
        text = text.rpartition(",")[0]
    items = []
    for element in text.split(",", MAX_ITEMS)[:MAX_ITEMS]:
        name, *parameters = (part.strip() for part in element.split(";"))
        weight = 1.0
        own = 0
        for parameter in parameters:
            key, _, setting = parameter.partition("=")
            if key.strip() == "q":
                weight = _parse_weight(setting.strip())
            # A charset says how to write the form, not which form: `application/json; charset=utf-8` is met
            # a lot.
            elif parameter and key.strip() != "charset":
                own += 1
        if name and weight >= 0:
            items.append(Item(name=name, has_parameters=own > 0, weight=weight))
    return items


def _parse_weight(text: str) -> float:
    """Read a weight as 0 to 1, or -1 when it is none."""
    return min(1.0, float(text)) if _WEIGHT.fullmatch(text) else -1.0
