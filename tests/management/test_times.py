from __future__ import annotations

import pytest

from proxy.errors import InputError
from proxy.management.times import format_end, format_time, parse_duration, parse_end, parse_moment

NOW = 1_800_000_000.0  # 2027-01-15 08:00 UTC


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("90s", 90, id="seconds"),
        pytest.param("15m", 900, id="minutes"),
        pytest.param("12h", 43_200, id="hours"),
        pytest.param("30d", 2_592_000, id="days"),
        pytest.param("2w", 1_209_600, id="weeks"),
        pytest.param("1w2d", 777_600, id="two-units"),
        pytest.param(" 1D ", 86_400, id="capital-and-spaces"),
        pytest.param("000000000000030d", 2_592_000, id="leading-zeros"),
        pytest.param("ever", None, id="ever"),
    ],
)
def test_durations_as_people_say_them(text: str, seconds: float | None) -> None:
    """Numbers with units, and ever."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", "30", "d", "3x", "-1d", "1.5h", "0d", "99999999d", "٣d"),
        pytest.param("9" * 400 + "d", id="more-than-a-float-holds"),
        pytest.param("9" * 5000 + "d", id="more-than-int-reads"),
    ],
)
def test_other_durations_are_refused(text: str) -> None:
    """A number without a unit is a question, not an answer."""
    with pytest.raises(InputError, match="duration") as caught:
        parse_duration(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("2027-01-31", "2027-02-01 00:00 UTC", id="the-whole-day"),
        pytest.param("20270131", "2027-02-01 00:00 UTC", id="the-whole-day-without-hyphens"),
        pytest.param("2027-W04-7", "2027-02-01 00:00 UTC", id="the-whole-day-of-a-week"),
        pytest.param("9999-12-30", "9999-12-31 00:00 UTC", id="the-last-whole-day"),
        pytest.param("2027-01-31T18:00", "2027-01-31 18:00 UTC", id="utc"),
        pytest.param("20270131T1800", "2027-01-31 18:00 UTC", id="utc-without-hyphens"),
        pytest.param("2027-01-31T18:00+02:00", "2027-01-31 16:00 UTC", id="offset"),
        pytest.param("2027-01-31T18:00Z", "2027-01-31 18:00 UTC", id="zulu"),
    ],
)
def test_moments(text: str, shown: str) -> None:
    """A date means all of that day."""
    assert format_time(parse_moment(text)) == shown


@pytest.mark.parametrize("text", ["tomorrow", "31.12.2026", "2026-13-01", ""])
def test_other_moments_are_refused(text: str) -> None:
    """The message shows the form."""
    with pytest.raises(InputError, match="2026-12-31"):
        parse_moment(text)


def test_a_day_past_the_calendar_is_refused() -> None:
    """The end of the last day is no time that can be told."""
    with pytest.raises(InputError, match="--for ever"):
        parse_moment("9999-12-31")


def test_one_end_at_a_time() -> None:
    """--for and --until exclude each other, and a past end is a mistake."""
    assert parse_end(lasting=None, until=None, now=NOW) == (None, False)
    assert parse_end(lasting="ever", until=None, now=NOW) == (None, True)
    assert parse_end(lasting="1d", until=None, now=NOW) == (NOW + 86_400, True)
    with pytest.raises(InputError, match="one of them"):
        parse_end(lasting="1d", until="2030-01-01", now=NOW)
    with pytest.raises(InputError, match="over already"):
        parse_end(lasting=None, until="2020-01-01", now=NOW)


def test_ends_in_words() -> None:
    """No end, an end, and an end beyond the calendar."""
    assert format_end(None) == "with no end"
    assert format_end(NOW) == "until 2027-01-15 08:00 UTC"
    assert format_end(1e300) == "until a time no calendar has"
