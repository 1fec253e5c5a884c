from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.refusal.colours import AA, Colour, contrast, derive_palettes, derive_text, luminance, parse_colour
from proxy.refusal.css import render_css

COLOURS = st.builds(Colour, *[st.integers(0, 255)] * 3)


def wcag_contrast(one: str, other: str) -> float:
    """The formula of WCAG 2.2 written out a second time, from "#rrggbb" text."""
    values = []
    for text in (one, other):
        parts = []
        for start in (1, 3, 5):
            part = int(text[start : start + 2], 16) / 255
            parts.append(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)
        values.append(0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2])
    return (max(values) + 0.05) / (min(values) + 0.05)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("#2f5d50", Colour(0x2F, 0x5D, 0x50), id="six-digits"),
        pytest.param("#2F5D50", Colour(0x2F, 0x5D, 0x50), id="capitals"),
        pytest.param("#25a", Colour(0x22, 0x55, 0xAA), id="three-digits"),
        pytest.param("2f5d50", None, id="no-hash"),
        pytest.param("#2f5d5", None, id="five-digits"),
        pytest.param("#2f5d5080", None, id="alpha"),
        pytest.param("green", None, id="name"),
        pytest.param("#2f5d50;}", None, id="css"),
        pytest.param("#2f5d50\n", None, id="newline"),
        pytest.param("", None, id="empty"),
    ],
)
def test_a_colour_is_written_in_hex(text: str, expected: Colour | None) -> None:
    """Only "#rgb" and "#rrggbb" are colours: nothing else can reach the style sheet."""
    assert parse_colour(text) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param("#000000", "#ffffff", 21.0, id="black-on-white"),
        pytest.param("#ffffff", "#ffffff", 1.0, id="same"),
        pytest.param("#777777", "#ffffff", 4.48, id="just-below-aa"),
        pytest.param("#767676", "#ffffff", 4.54, id="just-above-aa"),
        pytest.param("#0000ff", "#ffffff", 8.59, id="blue"),
    ],
)
def test_contrast_is_what_wcag_says(one: str, other: str, expected: float) -> None:
    """Known ratios come out, and agree with the formula written a second time."""
    a, b = parse_colour(one), parse_colour(other)
    assert a is not None
    assert b is not None
    assert contrast(a, b) == pytest.approx(expected, abs=0.01)
    assert contrast(a, b) == pytest.approx(wcag_contrast(one, other))


def test_luminance_ends() -> None:
    """Black is 0 and white is 1."""
    assert luminance(Colour(0, 0, 0)) == 0
    assert luminance(Colour(255, 255, 255)) == pytest.approx(1)


@given(COLOURS)
def test_every_background_has_a_readable_text(background: Colour) -> None:
    """Black or white always reaches AA; the soft inks are used where they do better."""
    assert contrast(derive_text(background), background) >= AA


@given(COLOURS, COLOURS)
def test_every_palette_is_readable(accent: Colour, background: Colour) -> None:
    """Whatever two colours an operator picks, every text on the page holds AA, by day and by night."""
    for palette in derive_palettes(accent, background, None):
        sheet = str(palette.sheet)
        for text in (palette.ink, palette.muted, palette.link):
            assert wcag_contrast(str(text), sheet) >= AA
        assert wcag_contrast(str(palette.on_accent), str(palette.accent)) >= AA
        # WCAG 2.2, 1.4.11: the button's rim (the link colour) and the focus ring (the ink) stand out from the sheet.
        assert min(wcag_contrast(str(edge), sheet) for edge in (palette.link, palette.ink)) >= 3


@given(COLOURS, COLOURS)
def test_the_style_sheet_holds_nothing_odd(accent: Colour, background: Colour) -> None:
    """The sheet asks for nothing from outside, moves nothing, and closes every brace."""
    css = render_css(*derive_palettes(accent, background, None))
    assert css.count("{") == css.count("}")
    assert not re.search(r"url\(|@import|animation|transition|<|\n", css)


def test_dark_shops_look_the_same_by_night() -> None:
    """A dark background is its own dark scheme."""
    accent, background = Colour(194, 24, 91), Colour(20, 18, 26)
    light, dark = derive_palettes(accent, background, None)
    assert light == dark
    assert "prefers-color-scheme" not in render_css(light, dark)


def test_bright_shops_get_a_dark_scheme() -> None:
    """A bright background gets a dark one beside it, for those who ask for dark."""
    light, dark = derive_palettes(Colour(47, 93, 80), Colour(246, 242, 234), None)
    assert luminance(dark.sheet) < 0.05 < luminance(light.sheet)
    assert "prefers-color-scheme:dark" in render_css(light, dark)
