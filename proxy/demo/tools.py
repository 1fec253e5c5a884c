"""Pots and tools, as SVG fragments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.demo.shapes import CREAM, DARK, FRESH, GREEN, MUSTARD, PALE, SLATE, leaf, pot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _watering_can(colour: str) -> str:
    return (
        '<ellipse cx="196" cy="331" rx="104" ry="9" fill="#1c2b23" opacity=".16"/>'
        f'<path d="M246 190C318 170 322 276 254 284" fill="none" stroke="{colour}" stroke-width="13"/>'
        f'<path d="M158 286L84 196" stroke="{colour}" stroke-width="17" stroke-linecap="round"/>'
        f'<path d="M58 202L98 168L108 182L70 214Z" fill="{colour}"/>'
        f'<path d="M140 196Q140 184 152 184H250Q262 184 262 196L268 319Q268 331 256 331H146Q134 331 134 '
        f'319Z" fill="{colour}"/>'
        '<path d="M226 184H250Q262 184 262 196L268 319Q268 331 256 331H222Q232 260 226 184Z" '
        'fill="#1c2b23" opacity=".12"/>'
        f'<path d="M160 184Q200 128 244 184" fill="none" stroke="{colour}" stroke-width="11"/>'
        '<path d="M154 214V292" stroke="#fff" stroke-width="5" stroke-linecap="round" opacity=".4"/>'
        + leaf(200, 290, -14, 58, 28, CREAM)
        + leaf(200, 290, 30, 46, 24, CREAM)
    )


def _pot_trio(colour: str) -> str:
    def place(middle: float, scale: float, fill: str) -> str:
        x, y = middle - 200 * scale, 331 * (1 - scale)
        return f'<g transform="translate({x:.1f} {y:.1f}) scale({scale})">{pot(fill)}</g>'

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
        '<path d="M236 206Q258 222 260 262V300" fill="none" stroke="#fff" stroke-width="5" '
        'stroke-linecap="round" opacity=".4"/>'
        f'<rect x="180" y="146" width="52" height="22" rx="5" fill="{MUSTARD}"/>'
        f'<path d="M124 112H226Q246 112 246 132V148H172V140H124Q116 140 116 132V120Q116 112 124 112Z" '
        f'fill="{DARK}"/>'
        f'<path d="M160 142Q154 172 136 186" fill="none" stroke="{DARK}" stroke-width="9" '
        f'stroke-linecap="round"/>' + mist
    )


def _snips(colour: str) -> str:
    return (
        '<g transform="translate(14 -8) rotate(38 200 220)">'
        f'<path d="M194 214L182 78Q200 92 208 214Z" fill="{SLATE}"/>'
        '<path d="M206 214L222 82Q202 92 192 214Z" fill="#7b93a3"/>'
        f'<path d="M196 214C170 236 158 268 166 306C170 326 194 326 194 306C192 274 194 244 208 222Z" '
        f'fill="{colour}"/>'
        f'<path d="M204 214C230 236 242 268 234 306C230 326 206 326 206 306C208 274 206 244 192 222Z" '
        f'fill="{colour}"/>'
        f'<circle cx="200" cy="214" r="9" fill="{MUSTARD}"/></g>'
        + leaf(96, 332, 74, 92, 32, GREEN, PALE)
        + leaf(112, 330, 12, 66, 28, FRESH, PALE)
    )


TOOLS: Final[Mapping[str, Callable[[str], str]]] = {
    "can": _watering_can,
    "mister": _mister,
    "pots": _pot_trio,
    "snips": _snips,
}
