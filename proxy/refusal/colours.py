"""Colours that everybody can read: contrast as WCAG 2.2 defines it, palettes derived from two colours."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

# WCAG 2.2 success criteria 1.4.3 (text, AA) and 1.4.6 (text, AAA).
AA: Final = 4.5
AAA: Final = 7.0

_HEX: Final = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
# The luminance at which black and white read equally well: (1 + .05) / (L + .05) = (L + .05) / .05.
_MIDDLE: Final = 0.179


class Colour(NamedTuple):
    """An sRGB colour, each part 0 to 255."""

    red: int
    green: int
    blue: int

    def __str__(self) -> str:
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"


BLACK: Final = Colour(0, 0, 0)
WHITE: Final = Colour(255, 255, 255)
# Softer than black and white, and used wherever they still reach AAA.
INK: Final = Colour(36, 32, 28)
CHALK: Final = Colour(243, 239, 232)


class Palette(NamedTuple):
    """The colours of one scheme. Every text colour holds AA against what it stands on."""

    paper: Colour  # behind everything
    sheet: Colour  # what the text stands on
    ink: Colour  # text
    muted: Colour  # less important text
    line: Colour  # hairlines, decoration only
    accent: Colour  # the operator's colour as given: button, awning
    on_accent: Colour  # text on the button
    link: Colour  # the accent, moved until it reads as text
    stripe: Colour  # the awning's other colour, decoration only


def parse_colour(text: str) -> Colour | None:
    """Read "#rgb" or "#rrggbb"; None when it is neither."""
    if not _HEX.fullmatch(text):
        return None
    digits = text[1:] if len(text) == 7 else "".join(2 * digit for digit in text[1:])
    return Colour(int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16))


def luminance(colour: Colour) -> float:
    """Relative luminance, 0 (black) to 1 (white): WCAG 2.2, "relative luminance"."""
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (part / 255 for part in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Colour, other: Colour) -> float:
    """Contrast ratio, 1 to 21: WCAG 2.2, "contrast ratio"."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Blend `share` (0 to 1) of the other colour into the one."""
    return Colour(*(round(a + (b - a) * share) for a, b in zip(one, other, strict=True)))


def is_dark(colour: Colour) -> bool:
    """Say whether white reads better than black on this colour."""
    return luminance(colour) < _MIDDLE


def derive_text(background: Colour) -> Colour:
    """Choose the text for any background: soft where that keeps AAA, else black or white (4.58:1 or more)."""
    soft, hard = (CHALK, WHITE) if is_dark(background) else (INK, BLACK)
    return soft if contrast(soft, background) >= AAA else hard


def derive_palettes(accent: Colour, background: Colour, text: Colour | None) -> tuple[Palette, Palette]:
    """Derive the light and the dark palette; a dark background makes both the same."""
    if is_dark(background):
        sheet = derive_sheet(background)
        palette = _derive_palette(accent, background, sheet, text or derive_text(sheet))
        return palette, palette
    sheet = derive_sheet(background)
    light = _derive_palette(accent, background, sheet, text or derive_text(sheet))
    night = mix(background, Colour(20, 19, 17), 0.95)
    dark_sheet = derive_sheet(night)
    return light, _derive_palette(accent, night, dark_sheet, derive_text(dark_sheet))


def derive_sheet(background: Colour) -> Colour:
    """Derive what the text stands on: the background, lighter."""
    return mix(background, WHITE, 0.06 if is_dark(background) else 0.8)


def _derive_palette(accent: Colour, paper: Colour, sheet: Colour, ink: Colour) -> Palette:
    link = _strengthen(accent, sheet)
    return Palette(
        paper=paper,
        sheet=sheet,
        ink=ink,
        muted=_soften(ink, sheet),
        line=mix(sheet, ink, 0.16),
        accent=accent,
        on_accent=derive_text(accent),
        link=link,
        stripe=mix(sheet, link, 0.15),
    )


def _soften(ink: Colour, sheet: Colour) -> Colour:
    """Move text towards its background as far as it still reads well (a little above AA)."""
    steps = (mix(ink, sheet, share / 20) for share in range(8, 0, -1))
    return next((colour for colour in steps if contrast(colour, sheet) >= AA + 0.5), ink)


def _strengthen(colour: Colour, sheet: Colour) -> Colour:
    """Move a colour away from its background until it reads as text."""
    pole = WHITE if is_dark(sheet) else BLACK
    steps = (mix(colour, pole, share / 20) for share in range(21))
    return next(step for step in steps if contrast(step, sheet) >= AA or step == pole)
