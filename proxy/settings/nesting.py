"""How deep values may stand in one another. Pure."""

from __future__ import annotations

from typing import Any, Final

# Options need four: a table, a mapping in it, a list in that, a text. Readers that call themselves would run out
# of stack at some hundreds.
DEEPEST: Final = 16


def is_too_deep(value: Any) -> bool:
    """Tell whether lists and tables stand more than DEEPEST deep in one another."""
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            item
            for each in level
            if isinstance(each, (dict, list))
            for item in (each.values() if isinstance(each, dict) else each)
        ]
    return bool(level)
