"""Times and sizes as people write them: "30s", "1h30m", "32KiB"."""

from __future__ import annotations

import re

from proxy.errors import InputError

_TIME_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", re.ASCII)
_TIME = re.compile(rf"(?:{_TIME_PART.pattern}\s*)+", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
# 18 digits hold more than any disk, and Python refuses to read numbers of thousands of them.
_SIZE = re.compile(r"(\d{1,18})\s*(|B|k|KiB|m|MiB|g|GiB)", re.ASCII)
# nginx's k, m and g are powers of 1024 too. KB and MB are not taken: half of the world reads them as 1000.
_BYTES = {"": 1, "B": 1, "k": 1024, "KiB": 1024, "m": 1024**2, "MiB": 1024**2, "g": 1024**3, "GiB": 1024**3}


def parse_seconds(text: str) -> float:
    """Return the seconds of "500ms", "30s", "5m", "1h", "1h30m" or a bare number; InputError otherwise."""
    stripped = text.strip()
    if _TIME.fullmatch(stripped):
        return sum(float(number) * _SECONDS[unit] for number, unit in _TIME_PART.findall(stripped))
    if re.fullmatch(r"\d+(\.\d+)?", stripped, re.ASCII):
        return float(stripped)
    raise InputError('a time is a number of seconds or a text such as "500ms", "30s", "5m", "1h" or "1h30m"')


def parse_bytes(text: str) -> int:
    """Return the bytes of "32KiB", "10MiB", "32k" or a bare number; InputError otherwise."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise InputError('a size is a number of bytes or a text such as "32KiB", "10MiB" or "2GiB"')
    return int(match[1]) * _BYTES[match[2]]
