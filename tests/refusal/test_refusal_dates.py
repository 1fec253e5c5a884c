from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.refusal.dates import LAST, DateWords, render_iso
from proxy.refusal.texts import LANGUAGES, load_texts

DECEMBER = 1796308200.0  # 2026-12-03T14:30:00Z
FIRST_OF_MARCH = 1803863100.0  # 2027-03-01T01:05:00Z
TEXTS = load_texts().languages


@pytest.mark.parametrize(
    ("language", "december", "march"),
    [
        pytest.param("en", "3 December 2026 at 14:30 (UTC)", "1 March 2027 at 01:05 (UTC)", id="en"),
        pytest.param("fr", "3 décembre 2026 à 14 h 30 (UTC)", "1er mars 2027 à 01 h 05 (UTC)", id="fr"),
        pytest.param("nl", "3 december 2026 om 14.30 uur (UTC)", "1 maart 2027 om 01.05 uur (UTC)", id="nl"),
        pytest.param("de", "3. Dezember 2026 um 14:30 Uhr (UTC)", "1. März 2027 um 01:05 Uhr (UTC)", id="de"),
        pytest.param(
            "es", "3 de diciembre de 2026, 14:30 h (UTC)", "1 de marzo de 2027, 01:05 h (UTC)", id="es"
        ),
        pytest.param("it", "3 dicembre 2026, ore 14:30 (UTC)", "1º marzo 2027, ore 01:05 (UTC)", id="it"),
        pytest.param("pt", "3 de dezembro de 2026, 14:30 (UTC)", "1 de março de 2027, 01:05 (UTC)", id="pt"),
        pytest.param(
            "pl", "3 grudnia 2026 r., godz. 14:30 (UTC)", "1 marca 2027 r., godz. 01:05 (UTC)", id="pl"
        ),
        pytest.param("sv", "3 december 2026 kl. 14.30 (UTC)", "1 mars 2027 kl. 01.05 (UTC)", id="sv"),
        pytest.param("da", "3. december 2026 kl. 14.30 (UTC)", "1. marts 2027 kl. 01.05 (UTC)", id="da"),
        pytest.param(
            "ja",
            "2026年12月3日 14:30\uff08協定世界時 UTC\uff09",
            "2027年3月1日 01:05\uff08協定世界時 UTC\uff09",
            id="ja",
        ),
        pytest.param(
            "ar",
            "3 ديسمبر 2026، الساعة 14:30 (بالتوقيت العالمي UTC)",
            "1 مارس 2027، الساعة 01:05 (بالتوقيت العالمي UTC)",
            id="ar",
        ),
    ],
)
def test_a_date_reads_naturally(language: str, december: str, march: str) -> None:
    """Each language writes day, month and time its own way, and all say UTC."""
    words = DateWords(TEXTS[language])
    assert words.render(DECEMBER).replace("\u00a0", " ") == december
    assert words.render(FIRST_OF_MARCH).replace("\u00a0", " ") == march


def test_a_date_is_rounded_up() -> None:
    """The page never says a block ends before it does."""
    words = DateWords(TEXTS["en"])
    assert words.render(DECEMBER + 0.001) == "3 December 2026 at 14:31 (UTC)"
    assert words.render(DECEMBER + 60) == "3 December 2026 at 14:31 (UTC)"
    assert render_iso(DECEMBER) == "2026-12-03T14:30:00Z"
    assert render_iso(DECEMBER + 0.001) == "2026-12-03T14:30:01Z"


@given(st.floats(min_value=0, max_value=LAST, exclude_max=True), st.sampled_from(LANGUAGES))
def test_every_moment_has_a_date(moment: float, language: str) -> None:
    """From 1970 to the end of year 9999 nothing raises."""
    assert "UTC" in DateWords(TEXTS[language]).render(moment)
    assert render_iso(moment).endswith("Z")


def test_a_percent_sign_in_a_date_is_text() -> None:
    """An operator's own date form cannot break the formatting."""
    words = DateWords({**TEXTS["en"], "date-format": "100% {day}.{month} %s"})
    assert words.render(DECEMBER) == "100% 3.December %s"
