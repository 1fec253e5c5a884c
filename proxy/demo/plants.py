"""The plants, each a few leaves and stems over the pot, as SVG fragments."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from proxy.demo.shapes import (
    BLUSH,
    DARK,
    FRESH,
    GREEN,
    MUSTARD,
    PALE,
    ROOT,
    SLATE,
    TERRACOTTA,
    leaf,
    polar,
    stem,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _monstera() -> str:
    parts: list[str] = []
    for angle, distance, size, fill in (
        (-58, 120, 0.86, GREEN),
        (60, 122, 0.9, GREEN),
        (-24, 158, 1.0, DARK),
        (30, 150, 0.95, DARK),
        (2, 105, 0.82, FRESH),
    ):
        x, y = polar(angle, distance)
        parts.append(stem(x, y))
        lobes = [
            leaf(0, -rise, side * lean, reach, 25, fill)
            for side in (-1, 1)
            for rise, lean, reach in ((2, 122, 40), (10, 92, 50), (24, 66, 49), (40, 42, 42))
        ]
        body = "".join(lobes) + leaf(0, 6, 0, 92, 42, fill, PALE)
        parts.append(
            f'<g transform="translate({x:.1f} {y:.1f}) rotate({angle * 0.8:.1f}) scale({size})">{body}</g>'
        )
    return "".join(parts)


def _snake_plant() -> str:
    blades = ((-30, 120, 30), (28, 128, 30), (-14, 168, 34), (15, 186, 34), (0, 150, 36))
    return "".join(
        leaf(200 + angle, 250, angle * 0.55, length, width, MUSTARD)
        + leaf(
            200 + angle, 250, angle * 0.55, length - 5, width * 0.72, DARK if length > 140 else GREEN, PALE
        )
        for angle, length, width in blades
    )


def _cactus() -> str:
    column = f'<rect x="166" y="92" width="68" height="170" rx="34" fill="{GREEN}"/>'
    arms = (
        f'<path d="M172 196h-20q-20 0-20-20v-26" fill="none" stroke="{GREEN}" stroke-width="27" '
        f'stroke-linecap="round"/>'
        f'<path d="M228 172h18q20 0 20-20v-18" fill="none" stroke="{GREEN}" stroke-width="25" '
        f'stroke-linecap="round"/>'
    )
    ribs = "".join(
        f'<path d="M{x} {top}V236" stroke="{PALE}" stroke-width="2" stroke-dasharray="2 11" '
        f'stroke-linecap="round"/>'
        for x, top in ((183, 118), (200, 106), (217, 118))
    )
    flower = "".join(leaf(200, 98, angle, 26, 15, BLUSH) for angle in (-72, -36, 36, 72, 0))
    return arms + column + ribs + flower + f'<circle cx="200" cy="95" r="5" fill="{MUSTARD}"/>'


def _pilea() -> str:
    parts: list[str] = []
    coins = (
        (-78, 96, 21), (-56, 126, 24), (-34, 104, 24), (-22, 152, 26), (-5, 122, 25), (12, 164, 25),
        (24, 112, 24), (40, 146, 25), (58, 112, 23), (78, 100, 20), (4, 78, 22), (-46, 74, 19), (46, 76, 19),
    )  # fmt: skip
    for number, (angle, distance, radius) in enumerate(coins):
        x, y = polar(angle, distance)
        fill = (GREEN, FRESH, DARK)[number % 3]
        parts.append(
            stem(x, y, width=2.6, colour=FRESH)
            + f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}"/>'
            + f'<circle cx="{x:.1f}" cy="{y + radius * 0.25:.1f}" r="2.6" fill="{PALE}"/>'
        )
    return "".join(parts)


def _frond(angle: float, reach: float, *, leaflets: int, fill: str) -> str:
    """Draw one arching fern frond with leaflets on both sides."""
    x0, y0 = ROOT
    tip_x, tip_y = polar(angle, reach)
    tip_y += abs(angle) * 0.62
    mid_x, mid_y = x0 + (tip_x - x0) * 0.45, y0 - reach * 0.92
    rib = f"M{x0} {y0}Q{mid_x:.1f} {mid_y:.1f} {tip_x:.1f} {tip_y:.1f}"
    parts = [f'<path d="{rib}" fill="none" stroke="{fill}" stroke-width="2.6"/>']
    for number in range(2, leaflets + 1):
        t = number / leaflets
        x = (1 - t) ** 2 * x0 + 2 * (1 - t) * t * mid_x + t**2 * tip_x
        y = (1 - t) ** 2 * y0 + 2 * (1 - t) * t * mid_y + t**2 * tip_y
        dx = 2 * (1 - t) * (mid_x - x0) + 2 * t * (tip_x - mid_x)
        dy = 2 * (1 - t) * (mid_y - y0) + 2 * t * (tip_y - mid_y)
        heading = math.degrees(math.atan2(dx, -dy))
        length = 30 * (1 - t) + 9
        parts.append(leaf(x, y, heading - 66, length, 9, fill) + leaf(x, y, heading + 66, length, 9, fill))
    return "".join(parts)


def _fern() -> str:
    fronds = ((-88, 118, GREEN), (88, 118, GREEN), (-60, 150, DARK), (62, 150, DARK), (-34, 160, GREEN))
    more = ((36, 162, GREEN), (-12, 168, FRESH), (14, 172, FRESH))
    return "".join(_frond(angle, reach, leaflets=15, fill=fill) for angle, reach, fill in fronds + more)


def _rubber_plant() -> str:
    parts = [f'<path d="M200 250V96" stroke="{TERRACOTTA}" stroke-width="5" stroke-linecap="round"/>']
    for number, y in enumerate((226, 206, 182, 158, 136, 116)):
        side = -1 if number % 2 else 1
        fill = DARK if number % 3 else "#5a3440"
        parts.append(leaf(200, y, side * (66 - number * 5), 92 - number * 5, 50, fill, BLUSH))
    parts.append(leaf(200, 104, 4, 54, 20, TERRACOTTA))
    return "".join(parts)


def _peace_lily() -> str:
    blades = ((-66, 118), (66, 120), (-42, 138), (44, 136), (-20, 140), (22, 138), (0, 118))
    leaves = "".join(
        leaf(200, 250, angle, length, 40, (GREEN, DARK)[number % 2], PALE)
        for number, (angle, length) in enumerate(blades)
    )
    flowers = ""
    for angle, distance, size in ((-16, 140, 1.0), (18, 164, 1.1), (44, 118, 0.85)):
        x, y = polar(angle, distance)
        bloom = (
            leaf(0, 12, angle * 0.4 - 10, 62 * size, 38 * size, "#fffdf7")
            + f'<rect x="-3.5" y="{-26 * size:.1f}" width="7" height="{30 * size:.1f}" rx="3.5" '
            f'fill="{MUSTARD}"/>'
        )
        flowers += (
            stem(x, y, width=3.4, colour=FRESH) + f'<g transform="translate({x:.1f} {y:.1f})">{bloom}</g>'
        )
    return leaves + flowers


def _string_of_pearls() -> str:
    parts = [
        f'<path d="M138 236L200 40L262 236" fill="none" stroke="{SLATE}" stroke-width="2.5"/>',
        f'<circle cx="200" cy="38" r="6" fill="none" stroke="{SLATE}" stroke-width="3"/>',
        f'<ellipse cx="200" cy="236" rx="62" ry="20" fill="{GREEN}"/>',
    ]
    for number in range(46):  # the crown of the pot
        turn = number * 2.399963  # the golden angle spreads points evenly
        spread = math.sqrt(number / 46)
        x, y = 200 + 62 * spread * math.cos(turn), 228 + 17 * spread * math.sin(turn)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="8" fill="{(FRESH, GREEN, PALE)[number % 3]}"/>')
    return "".join(parts)


def draw_pearl_strands() -> str:
    """Draw the strands of the string of pearls that hang before its pot."""
    parts: list[str] = []
    for number, (x, length) in enumerate(
        ((141, 92), (156, 128), (173, 74), (229, 84), (245, 134), (260, 104))
    ):
        for bead in range(length // 12):
            wobble = math.sin(bead * 0.9 + number) * 3.4
            fill = (FRESH, PALE, GREEN)[(bead + number) % 3]
            parts.append(
                f'<circle cx="{x + wobble:.1f}" cy="{244 + bead * 12}" r="{7 - bead * 0.22:.1f}" '
                f'fill="{fill}"/>'
            )
    return "".join(parts)


PLANTS: Final[Mapping[str, Callable[[], str]]] = {
    "cactus": _cactus,
    "fern": _fern,
    "monstera": _monstera,
    "pearls": _string_of_pearls,
    "lily": _peace_lily,
    "pilea": _pilea,
    "rubber": _rubber_plant,
    "snake": _snake_plant,
}
HANGING: Final = frozenset({"pearls"})
