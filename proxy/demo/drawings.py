"""The shop's pictures: plants, pots and tools drawn as SVG from a few shapes, so nothing is fetched or stored.

All coordinates are in a 400 x 400 square; a pot stands on the shelf at y = 330 and its plant grows from y = 240.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DARK, GREEN, FRESH, PALE = "#1f4d3a", "#2f6b4a", "#5b9a62", "#a9cf9a"
TERRACOTTA, CREAM, BLUSH, SLATE, MUSTARD = "#c2693f", "#f3e7d3", "#e3a58f", "#50687a", "#d9a441"
_ROOT = (200.0, 240.0)


def leaf(x: float, y: float, angle: float, length: float, width: float, fill: str, vein: str = "") -> str:
    """Draw one pointed leaf from its foot at (x, y); `angle` in degrees clockwise from straight up."""
    half = width * 0.66
    shape = (
        f"M0 0C{half:.1f} {-length * 0.28:.1f} {half:.1f} {-length * 0.72:.1f} 0 {-length:.1f}"
        f"C{-half:.1f} {-length * 0.72:.1f} {-half:.1f} {-length * 0.28:.1f} 0 0Z"
    )
    rib = f'<path d="M0 0V{-length * 0.86:.1f}" stroke="{vein}" stroke-width="1.6"/>' if vein else ""
    return f'<g transform="translate({x:.1f} {y:.1f}) rotate({angle:.1f})"><path d="{shape}" fill="{fill}"/>{rib}</g>'


def stem(x: float, y: float, *, bend: float = 0.5, width: float = 4, colour: str = GREEN) -> str:
    """Draw a curved stem from the root to (x, y)."""
    x0, y0 = _ROOT
    return (
        f'<path d="M{x0} {y0 + 10}Q{x0 + (x - x0) * (1 - bend):.1f} {y + (y0 - y) * bend:.1f} {x:.1f} {y:.1f}" '
        f'fill="none" stroke="{colour}" stroke-width="{width}" stroke-linecap="round"/>'
    )


def _polar(angle: float, distance: float) -> tuple[float, float]:
    turn = math.radians(angle)
    return _ROOT[0] + distance * math.sin(turn), _ROOT[1] - distance * math.cos(turn)


def _monstera() -> str:
    parts: list[str] = []
    for angle, distance, size, fill in (
        (-58, 120, 0.86, GREEN),
        (60, 122, 0.9, GREEN),
        (-24, 158, 1.0, DARK),
        (30, 150, 0.95, DARK),
        (2, 105, 0.82, FRESH),
    ):
        x, y = _polar(angle, distance)
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
        f'<path d="M172 196h-20q-20 0-20-20v-26" fill="none" stroke="{GREEN}" stroke-width="27" stroke-linecap="round"/>'
        f'<path d="M228 172h18q20 0 20-20v-18" fill="none" stroke="{GREEN}" stroke-width="25" stroke-linecap="round"/>'
    )
    ribs = "".join(
        f'<path d="M{x} {top}V236" stroke="{PALE}" stroke-width="2" stroke-dasharray="2 11" stroke-linecap="round"/>'
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
        x, y = _polar(angle, distance)
        fill = (GREEN, FRESH, DARK)[number % 3]
        parts.append(
            stem(x, y, width=2.6, colour=FRESH)
            + f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}"/>'
            + f'<circle cx="{x:.1f}" cy="{y + radius * 0.25:.1f}" r="2.6" fill="{PALE}"/>'
        )
    return "".join(parts)


def _frond(angle: float, reach: float, *, leaflets: int, fill: str) -> str:
    """Draw one arching fern frond with leaflets on both sides."""
    x0, y0 = _ROOT
    tip_x, tip_y = _polar(angle, reach)
    tip_y += abs(angle) * 0.62
    mid_x, mid_y = x0 + (tip_x - x0) * 0.45, y0 - reach * 0.92
    parts = [
        f'<path d="M{x0} {y0}Q{mid_x:.1f} {mid_y:.1f} {tip_x:.1f} {tip_y:.1f}" fill="none" stroke="{fill}" stroke-width="2.6"/>'
    ]
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


def _aloe() -> str:
    blades = (
        (-74, 104),
        (74, 104),
        (-52, 132),
        (54, 130),
        (-30, 150),
        (32, 152),
        (-10, 164),
        (12, 158),
        (0, 110),
    )
    return "".join(
        leaf(200, 252, angle, length, 30, (FRESH, GREEN)[number % 2], PALE)
        for number, (angle, length) in enumerate(blades)
    )


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
        x, y = _polar(angle, distance)
        bloom = (
            leaf(0, 12, angle * 0.4 - 10, 62 * size, 38 * size, "#fffdf7")
            + f'<rect x="-3.5" y="{-26 * size:.1f}" width="7" height="{30 * size:.1f}" rx="3.5" fill="{MUSTARD}"/>'
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


def _pearl_strands() -> str:
    parts: list[str] = []
    for number, (x, length) in enumerate(
        ((141, 92), (156, 128), (173, 74), (229, 84), (245, 134), (260, 104))
    ):
        for bead in range(length // 12):
            wobble = math.sin(bead * 0.9 + number) * 3.4
            fill = (FRESH, PALE, GREEN)[(bead + number) % 3]
            parts.append(
                f'<circle cx="{x + wobble:.1f}" cy="{244 + bead * 12}" r="{7 - bead * 0.22:.1f}" fill="{fill}"/>'
            )
    return "".join(parts)


def _pot(colour: str) -> str:
    return (
        '<ellipse cx="200" cy="331" rx="72" ry="9" fill="#1c2b23" opacity=".16"/>'
        f'<path d="M140 240H260L247 322Q246 331 236 331H164Q154 331 153 322Z" fill="{colour}"/>'
        '<path d="M228 240H260L247 322Q246 331 236 331H214Q224 290 228 240Z" fill="#1c2b23" opacity=".1"/>'
        f'<rect x="132" y="230" width="136" height="24" rx="7" fill="{colour}"/>'
        '<rect x="132" y="248" width="136" height="6" rx="3" fill="#1c2b23" opacity=".14"/>'
        '<path d="M153 268L158 306" stroke="#fff" stroke-width="5" stroke-linecap="round" opacity=".35"/>'
    )


def _watering_can(colour: str) -> str:
    return (
        '<ellipse cx="196" cy="331" rx="104" ry="9" fill="#1c2b23" opacity=".16"/>'
        f'<path d="M246 190C318 170 322 276 254 284" fill="none" stroke="{colour}" stroke-width="13"/>'
        f'<path d="M158 286L84 196" stroke="{colour}" stroke-width="17" stroke-linecap="round"/>'
        f'<path d="M58 202L98 168L108 182L70 214Z" fill="{colour}"/>'
        f'<path d="M140 196Q140 184 152 184H250Q262 184 262 196L268 319Q268 331 256 331H146Q134 331 134 319Z" fill="{colour}"/>'
        '<path d="M226 184H250Q262 184 262 196L268 319Q268 331 256 331H222Q232 260 226 184Z" fill="#1c2b23" opacity=".12"/>'
        f'<path d="M160 184Q200 128 244 184" fill="none" stroke="{colour}" stroke-width="11"/>'
        '<path d="M154 214V292" stroke="#fff" stroke-width="5" stroke-linecap="round" opacity=".4"/>'
        + leaf(200, 290, -14, 58, 28, CREAM)
        + leaf(200, 290, 30, 46, 24, CREAM)
    )


def _pot_trio(colour: str) -> str:
    def place(middle: float, scale: float, fill: str) -> str:
        x, y = middle - 200 * scale, 331 * (1 - scale)
        return f'<g transform="translate({x:.1f} {y:.1f}) scale({scale})">{_pot(fill)}</g>'

    return place(194, 1.42, colour) + place(96, 0.78, CREAM) + place(306, 0.98, SLATE)


def _mister(colour: str) -> str:
    mist = "".join(
        f'<circle cx="{x}" cy="{y}" r="{r}" fill="#fff" opacity=".85"/>'
        for x, y, r in (
            (98, 128, 4),
            (82, 116, 3),
            (80, 138, 3),
            (64, 126, 4),
            (62, 106, 2.5),
            (58, 148, 2.5),
            (44, 118, 3),
        )
    )
    return (
        '<ellipse cx="205" cy="331" rx="72" ry="9" fill="#1c2b23" opacity=".16"/>'
        f'<path d="M186 162H226L230 196C266 214 270 240 270 262V315Q270 331 254 331H158Q142 331 142 315V262'
        f'C142 240 146 214 182 196Z" fill="{colour}"/>'
        '<path d="M150 268H262V314Q262 323 253 323H159Q150 323 150 314Z" fill="#fff" opacity=".24"/>'
        '<path d="M236 206Q258 222 260 262V300" fill="none" stroke="#fff" stroke-width="5" stroke-linecap="round" opacity=".4"/>'
        f'<rect x="180" y="146" width="52" height="22" rx="5" fill="{MUSTARD}"/>'
        f'<path d="M124 112H226Q246 112 246 132V148H172V140H124Q116 140 116 132V120Q116 112 124 112Z" fill="{DARK}"/>'
        f'<path d="M160 142Q154 172 136 186" fill="none" stroke="{DARK}" stroke-width="9" stroke-linecap="round"/>'
        + mist
    )


def _snips(colour: str) -> str:
    return (
        '<g transform="translate(14 -8) rotate(38 200 220)">'
        f'<path d="M194 214L182 78Q200 92 208 214Z" fill="{SLATE}"/>'
        '<path d="M206 214L222 82Q202 92 192 214Z" fill="#7b93a3"/>'
        f'<path d="M196 214C170 236 158 268 166 306C170 326 194 326 194 306C192 274 194 244 208 222Z" fill="{colour}"/>'
        f'<path d="M204 214C230 236 242 268 234 306C230 326 206 326 206 306C208 274 206 244 192 222Z" fill="{colour}"/>'
        f'<circle cx="200" cy="214" r="9" fill="{MUSTARD}"/></g>'
        + leaf(96, 332, 74, 92, 32, GREEN, PALE)
        + leaf(112, 330, 12, 66, 28, FRESH, PALE)
    )


_PLANTS: Final[Mapping[str, Callable[[], str]]] = {
    "aloe": _aloe,
    "cactus": _cactus,
    "fern": _fern,
    "monstera": _monstera,
    "pearls": _string_of_pearls,
    "lily": _peace_lily,
    "pilea": _pilea,
    "rubber": _rubber_plant,
    "snake": _snake_plant,
}
_TOOLS: Final[Mapping[str, Callable[[str], str]]] = {
    "can": _watering_can,
    "mister": _mister,
    "pots": _pot_trio,
    "snips": _snips,
}


def draw_item(kind: str, colour: str) -> str:
    """Draw a plant in its pot, or a tool, without background: an SVG fragment."""
    if kind in _TOOLS:
        return _TOOLS[kind](colour)
    return _PLANTS[kind]() + _pot(colour) + (_pearl_strands() if kind == "pearls" else "")


def draw_picture(kind: str, colour: str, tint: str, title: str) -> str:
    """Draw a product's picture: the item on a shelf before a pale sun. A whole SVG document."""
    lift = -50 if kind == "pearls" else 0  # it hangs above the shelf
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" role="img">'
        f'<title>{title}</title><rect width="400" height="400" fill="{tint}"/>'
        '<circle cx="200" cy="186" r="150" fill="#fff" opacity=".5"/>'
        '<rect y="330" width="400" height="70" fill="#fff" opacity=".42"/>'
        f'<g transform="translate(0 {lift})">{draw_item(kind, colour)}</g></svg>'
    )


def draw_window() -> str:
    """Draw the home page's picture: a sill full of plants before a morning window."""
    sill = (
        ("snake", MUSTARD, -20, 0.94),
        ("pilea", CREAM, 150, 1.0),
        ("cactus", BLUSH, 372, 0.72),
        ("fern", TERRACOTTA, 508, 1.0),
    )
    items = "".join(
        f'<g transform="translate({x} {470 - 331 * scale:.1f}) scale({scale})">{draw_item(kind, pot)}</g>'
        for kind, pot, x, scale in sill
    )
    hills = (
        '<path d="M60 330Q200 230 360 310T660 270T860 320V470H60Z" fill="#bfd8b4"/>'
        '<path d="M60 390Q260 300 460 370T860 360V470H60Z" fill="#9cc096"/>'
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 920 560" role="img">'
        "<title>House plants on a sunny window sill</title>"
        '<rect width="920" height="560" fill="#f6dfc4"/>'
        '<rect x="52" y="34" width="816" height="436" rx="12" fill="#fffaf0"/>'
        '<clipPath id="w"><rect x="66" y="48" width="788" height="422" rx="6"/></clipPath>'
        '<g clip-path="url(#w)"><rect x="66" y="48" width="788" height="422" fill="#dcecf0"/>'
        f'<circle cx="690" cy="150" r="58" fill="#fbd98a"/><circle cx="690" cy="150" r="84" fill="#fbd98a" opacity=".35"/>{hills}</g>'
        '<path d="M460 48V470M66 220H854" stroke="#fffaf0" stroke-width="14"/>'
        f'{items}<rect x="20" y="468" width="880" height="26" rx="6" fill="#fffaf0"/>'
        '<rect x="20" y="488" width="880" height="10" rx="5" fill="#1c2b23" opacity=".1"/></svg>'
    )


def draw_mark() -> str:
    """Draw the shop's mark, used as favicon: a sprout in a pot."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><title>Potting Lane</title>'
        f'<path d="M32 40V22" stroke="{FRESH}" stroke-width="4"/>'
        f"{leaf(32, 28, -52, 26, 17, FRESH)}{leaf(32, 24, 46, 24, 16, GREEN)}"
        f'<path d="M14 36H50V43H47L44 60H20L17 43H14Z" fill="{TERRACOTTA}"/></svg>'
    )
