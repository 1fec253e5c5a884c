"""Times and sizes as people write them."""

from __future__ import annotations

import pytest

from proxy.errors import InputError
from proxy.settings.quantity import parse_bytes, parse_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("500ms", 0.5, id="milliseconds"),
        pytest.param("30s", 30.0, id="seconds"),
        pytest.param("5m", 300.0, id="minutes"),
        pytest.param("1h", 3600.0, id="hours"),
        pytest.param("1d", 86_400.0, id="days"),
        pytest.param("1h30m", 5400.0, id="joined"),
        pytest.param(" 1.5 h ", 5400.0, id="fraction-and-spaces"),
        pytest.param("20", 20.0, id="bare"),
    ],
)
def test_a_time_is_read(text: str, seconds: float) -> None:
    """Units are those of systemd, nginx and HAProxy; a bare number is seconds."""
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1w", "1 week", "1e3", "٣s", "1s2", "nan"])
def test_a_wrong_time_is_refused(text: str) -> None:
    """What cannot be read is not guessed."""
    with pytest.raises(InputError, match="a time is"):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        pytest.param("512", 512, id="bare"),
        pytest.param("512B", 512, id="bytes"),
        pytest.param("32KiB", 32_768, id="kibibytes"),
        pytest.param("8k", 8192, id="nginx-k"),
        pytest.param("10 MiB", 10 * 1024**2, id="mebibytes"),
        pytest.param("2GiB", 2 * 1024**3, id="gibibytes"),
    ],
)
def test_a_size_is_read(text: str, size: int) -> None:
    """Every unit is a power of 1024."""
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "k", "1KB", "1MB", "1.5MiB", "-1", "1T"])
def test_a_wrong_size_is_refused(text: str) -> None:
    """KB and MB are not taken: half of the world reads them as 1000."""
    with pytest.raises(InputError, match="a size is"):
        parse_bytes(text)
