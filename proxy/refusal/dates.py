"""When a block ends, in words and as ISO 8601, always in UTC (the server cannot know the shopper's clock)."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# 9999-12-31T00:00:00Z: later dates cannot be written in ISO 8601's four digits, and mean "no end" anyway.
LAST: Final = 253_402_214_400


class DateWords:
    """How one language writes a date; compiled from its texts."""

    __slots__ = ("_days", "_months", "_pattern")

    def __init__(self, texts: Mapping[str, str]) -> None:
        pattern = texts["date-format"].replace("%", "%%")
        for place in ("day", "month", "year", "hour", "minute"):
            pattern = pattern.replace(f"{{{place}}}", f"%({place})s")
        self._pattern = pattern
        self._days = ("", texts["day-first"], *map(str, range(2, 32)))
        self._months = ("", *(texts[f"month-{number:02}"] for number in range(1, 13)))

    def render(self, moment: float) -> str:
        """Write a time (unix seconds, below LAST), rounded up to the minute: the page must not promise too soon."""
        date = datetime.fromtimestamp(math.ceil(moment / 60) * 60, UTC)
        return self._pattern % {
            "day": self._days[date.day],
            "month": self._months[date.month],
            "year": date.year,
            "hour": f"{date.hour:02}",
            "minute": f"{date.minute:02}",
        }


def render_iso(moment: float) -> str:
    """Write a time (unix seconds, below LAST) as "2026-12-03T14:30:00Z", rounded up to the second."""
    return datetime.fromtimestamp(math.ceil(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
