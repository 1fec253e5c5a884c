"""Shapes that every picture is made of: colours, leaves, stems and the pot, as SVG fragments.

All coordinates are in a 400 x 400 square; a pot stands on the shelf at y = 330, its plant grows from ROOT.
"""

from __future__ import annotations

import math

DARK, GREEN, FRESH, PALE = "#1f4d3a", "#2f6b4a", "#5b9a62", "#a9cf9a"
TERRACOTTA, CREAM, BLUSH, SLATE, MUSTARD = "#c2693f", "#f3e7d3", "#e3a58f", "#50687a", "#d9a441"
ROOT = (200.0, 240.0)


def leaf(  # noqa: PLR0917 - drawn by the dozen: the order of place, size and colour is the notation
    x: float, y: float, angle: float, length: float, width: float, fill: str, vein: str = ""
) -> str:
    """Draw one pointed leaf from its foot at (x, y); `angle` in degrees clockwise from straight up."""
    half = width * 0.66
    shape = (
        f"M0 0C{half:.1f} {-length * 0.28:.1f} {half:.1f} {-length * 0.72:.1f} 0 {-length:.1f}"
        f"C{-half:.1f} {-length * 0.72:.1f} {-half:.1f} {-length * 0.28:.1f} 0 0Z"
    )
    rib = f'<path d="M0 0V{-length * 0.86:.1f}" stroke="{vein}" stroke-width="1.6"/>' if vein else ""
    place = f"translate({x:.1f} {y:.1f}) rotate({angle:.1f})"
    return f'<g transform="{place}"><path d="{shape}" fill="{fill}"/>{rib}</g>'


def stem(x: float, y: float, *, bend: float = 0.5, width: float = 4, colour: str = GREEN) -> str:
    """Draw a curved stem from the root to (x, y)."""
    x0, y0 = ROOT
    via_x, via_y = x0 + (x - x0) * (1 - bend), y + (y0 - y) * bend
    return (
        f'<path d="M{x0} {y0 + 10}Q{via_x:.1f} {via_y:.1f} {x:.1f} {y:.1f}" '
        f'fill="none" stroke="{colour}" stroke-width="{width}" stroke-linecap="round"/>'
    )


def polar(angle: float, distance: float) -> tuple[float, float]:
    """Give the point at `distance` from the root, `angle` degrees clockwise from straight up."""
    turn = math.radians(angle)
    return ROOT[0] + distance * math.sin(turn), ROOT[1] - distance * math.cos(turn)


def pot(colour: str, *, hangs: bool = False) -> str:
    """Draw a pot, with its shadow on the shelf unless it hangs."""
    shadow = '<ellipse cx="200" cy="331" rx="72" ry="9" fill="#1c2b23" opacity=".16"/>'
    return ("" if hangs else shadow) + (
        f'<path d="M140 240H260L247 322Q246 331 236 331H164Q154 331 153 322Z" fill="{colour}"/>'
        '<path d="M228 240H260L247 322Q246 331 236 331H214Q224 290 228 240Z" fill="#1c2b23" opacity=".1"/>'
        f'<rect x="132" y="230" width="136" height="24" rx="7" fill="{colour}"/>'
        '<rect x="132" y="248" width="136" height="6" rx="3" fill="#1c2b23" opacity=".14"/>'
        '<path d="M153 268L158 306" stroke="#fff" stroke-width="5" stroke-linecap="round" opacity=".35"/>'
    )
