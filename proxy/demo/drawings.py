"""The shop's pictures as whole SVG documents: drawn from a few shapes, so nothing is fetched or stored."""

from __future__ import annotations

from proxy.demo.plants import HANGING, PLANTS, draw_pearl_strands
from proxy.demo.shapes import BLUSH, CREAM, FRESH, GREEN, MUSTARD, TERRACOTTA, leaf, pot
from proxy.demo.tools import TOOLS


def draw_item(kind: str, colour: str) -> str:
    """Draw a plant in its pot, or a tool, without background: an SVG fragment."""
    if kind in TOOLS:
        return TOOLS[kind](colour)
    hangs = kind in HANGING
    return PLANTS[kind]() + pot(colour, hangs=hangs) + (draw_pearl_strands() if hangs else "")


def draw_picture(kind: str, colour: str, tint: str, title: str) -> str:
    """Draw a product's picture: the item on a shelf before a pale sun. A whole SVG document."""
    lift = -50 if kind in HANGING else 0
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
        ("pilea", CREAM, 146, 1.0),
        ("cactus", BLUSH, 384, 0.72),
        ("fern", TERRACOTTA, 508, 1.0),
    )
    items = "".join(
        f'<g transform="translate({x} {470 - 331 * scale:.1f}) scale({scale})">{draw_item(kind, colour)}</g>'
        for kind, colour, x, scale in sill
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
        f'<circle cx="690" cy="150" r="58" fill="#fbd98a"/><circle cx="690" cy="150" r="84" '
        f'fill="#fbd98a" opacity=".35"/>{hills}</g>'
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
