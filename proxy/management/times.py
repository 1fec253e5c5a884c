"""How long an entry is to stand, as people say it. Times are seconds of the Unix epoch, UTC in text."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from proxy.errors import InputError

# A block ends by itself unless somebody renews it with a fresh reason; who means for good has to say so.
DEFAULT_BLOCK_DAYS = 90
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(?:\d+[smhdw])+", re.ASCII)
_MOST_DIGITS = 10  # of one number: 100 years are 3,162,240,000 seconds
_LONGEST = 100 * 366 * 86_400


def parse_end(*, lasting: str | None, until: str | None, now: float) -> tuple[float | None, bool]:
    """Return when an entry ends (None: never) and whether the caller said anything about it.

    `lasting` is a duration such as "30d", "12h", "1w2d", or "ever"; `until` a date (its whole day counts) or
    a date and time, UTC unless it says otherwise. Raises InputError on anything else and on a past end.
    """
    if lasting is not None and until is not None:
        raise InputError("--for and --until both say when it ends: give one of them")
    if lasting is not None:
        duration = parse_duration(lasting)
        return None if duration is None else now + duration, True
    if until is not None:
        end = parse_moment(until)
        if end <= now:
            raise InputError(f"--until {until} is over already: give a later date, or use `stockade unblock`")
        return end, True
    return None, False


def parse_duration(text: str) -> float | None:
    """Return the seconds of "30d", "12h", "90m" or "1w2d"; None for "ever". InputError otherwise."""
    stripped = text.strip().lower()
    if stripped in {"ever", "forever"}:
        return None
    if not _DURATION.fullmatch(stripped):
        raise InputError(
            f'{_cut(text)} is no duration: write 30d, 12h, 90m, 2w or 1w2d, or "ever" for no end'
        )
    parts = [(number.lstrip("0") or "0", unit) for number, unit in re.findall(r"(\d+)([smhdw])", stripped)]
    longest = max(len(number) for number, _ in parts)
    seconds = sum(int(number) * _UNITS[unit] for number, unit in parts) if longest <= _MOST_DIGITS else 0
    if not 0 < seconds <= _LONGEST:
        raise InputError(f'{_cut(text)}: a duration is longer than nothing and at most 100 years; or "ever"')
    return float(seconds)


def parse_moment(text: str) -> float:
    """Return the time of "2026-12-31" (the end of that day), "2026-12-31T18:00" or an RFC 3339 time.

    A day may be written in any form of ISO 8601 that has no time: 20261231 and 2026-W53-4 are the same day.
    """
    stripped = text.strip()
    try:
        day = _parse_day(stripped)
        if day is None:
            moment = datetime.fromisoformat(stripped)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        return (datetime.combine(day, time(), UTC) + timedelta(days=1)).timestamp()
    except ValueError:
        raise InputError(f"{_cut(text)} is no date: write 2026-12-31 or 2026-12-31T18:00 (UTC)") from None
    except OverflowError:
        raise InputError(f"{_cut(text)} is past every calendar: for no end, use --for ever") from None


def _parse_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _cut(text: str) -> str:
    """Quote what was typed, the beginning of it when it is long."""
    return repr(text) if len(text) <= 40 else f"{text[:30]!r}… ({len(text)} characters)"


def format_time(moment: float) -> str:
    """Return a time as "2026-12-31 18:00 UTC"."""
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return "a time no calendar has"


def format_end(expires: float | None) -> str:
    """Return "until 2026-12-31 18:00 UTC" or "with no end"."""
    return "with no end" if expires is None else f"until {format_time(expires)}"
