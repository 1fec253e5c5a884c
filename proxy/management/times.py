"""How long an entry is to stand, as people say it. Times are seconds of the Unix epoch, UTC in text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from proxy.errors import InputError

# A block ends by itself unless somebody renews it with a fresh reason; who means for good has to say so.
DEFAULT_BLOCK_DAYS = 90
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(?:\d+[smhdw])+", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
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
        raise InputError(f'{text!r} is no duration: write 30d, 12h, 90m, 2w or 1w2d, or "ever" for no end')
    seconds = float(sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)([smhdw])", stripped)))
    if not 0 < seconds <= _LONGEST:
        raise InputError(f'{text!r}: a duration is longer than nothing and at most 100 years; or "ever"')
    return seconds


def parse_moment(text: str) -> float:
    """Return the time of "2026-12-31" (the end of that day), "2026-12-31T18:00" or an RFC 3339 time."""
    stripped = text.strip()
    try:
        moment = datetime.fromisoformat(stripped)
    except ValueError:
        raise InputError(f"{text!r} is no date: write 2026-12-31 or 2026-12-31T18:00 (UTC)") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if _DATE.fullmatch(stripped):
        moment += timedelta(days=1)
    return moment.timestamp()


def format_time(moment: float) -> str:
    """Return a time as "2026-12-31 18:00 UTC"."""
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return "a time no calendar has"


def format_end(expires: float | None) -> str:
    """Return "until 2026-12-31 18:00 UTC" or "with no end"."""
    return "with no end" if expires is None else f"until {format_time(expires)}"
