"""The style sheet of the page: small enough to travel inside it, the same in both directions of writing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from proxy.refusal.colours import Palette

# Written to be read; `render_css` takes the blanks out. Sizes are in rem and nothing has a fixed width or
# height, so that 400 % zoom and larger letter spacing reflow (WCAG 2.2, 1.4.4, 1.4.10, 1.4.12). Margins are
# logical (inline, start), which mirrors the page for Arabic. Nothing moves, so there is no motion to
# reduce.
_RULES: Final = """
* { box-sizing: border-box; margin: 0 }
body { background: var(--paper); color: var(--ink); padding: 0 0 3rem; overflow-wrap: anywhere;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; line-height: 1.6 }
.sheet { background: var(--sheet); max-width: 38rem; margin: 0 auto; padding: 0 1.5rem 2.5rem;
  border-radius: 0 0 1rem 1rem; box-shadow: 0 1px 2px #0002, 0 1rem 3rem #0001 }
.sheet::before { content: ""; display: block; height: 2rem; margin: 0 -1.5rem 2rem;
  background: linear-gradient(90deg, var(--accent) 50%, var(--stripe) 0) 0 0 / 4rem 100% round;
  --cut: radial-gradient(25% 50% at 25% 50%, #000 97%, #0000) 0 0 / 4rem 100% round,
    radial-gradient(25% 50% at 75% 50%, #000 97%, #0000) 0 0 / 4rem 100% round,
    linear-gradient(#000 0 0) 0 0 / 100% 50% no-repeat;
  -webkit-mask: var(--cut); mask: var(--cut) }
header { margin-bottom: 1.75rem }
img { display: block; max-width: 100%; max-height: 4rem }
.shop, h1, h2 { line-height: 1.25;
  font-family: "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, "Noto Serif", serif }
:is(.shop, h1, h2):is(:lang(ar), :lang(ja)) { font-family: inherit; line-height: 1.4 }
.shop { font-size: 1.125rem; font-weight: 600; color: var(--link) }
h1 { font-size: 1.75rem; margin-bottom: .75rem }
h1, h2 { text-wrap: balance }
h2 { font-size: 1.2rem; margin-bottom: .25rem }
p, small { text-wrap: pretty }
p + p { margin-top: 1rem }
h1 + p { font-size: 1.0625rem }
dl { margin: 1.75rem 0; border-top: 1px solid var(--line) }
dl div { padding: .7rem 0; border-bottom: 1px solid var(--line) }
dt, small { color: var(--muted); font-size: .875rem }
dd { margin: 0 }
small { display: block }
strong { font: 600 1.25rem/1.5 ui-monospace, "SF Mono", Consolas, monospace; letter-spacing: .06em }
a { color: var(--link) }
.button { display: inline-block; margin: .5rem 0; margin-inline-end: .75rem; padding: .6rem 1.4rem;
  background: var(--accent); color: var(--on-accent); border: 2px solid var(--link); border-radius: .6rem;
  font-weight: 600; text-decoration: none }
.button:hover { text-decoration: underline }
:focus-visible { outline: 3px solid var(--ink); outline-offset: 3px }
@media (max-width: 20rem) { h1, h2 { hyphens: auto } }
@media (min-width: 40rem) {
  .sheet { padding: 0 3rem 3rem }
  .sheet::before { margin: 0 -3rem 2.5rem }
  h1 { font-size: 2rem }
  dl div { display: grid; grid-template-columns: 9rem 1fr; align-items: baseline; gap: 1rem }
}
"""
_COMMENT_FREE_BLANKS: Final = re.compile(r"\s*([{};,])\s*|:\s+|\s+")


def render_css(light: Palette, dark: Palette) -> str:
    """Write the whole sheet for two palettes; holds nothing but our own rules and colours."""
    schemes = f":root {{ {_variables(light)} }}"
    if dark != light:
        schemes += f"@media (prefers-color-scheme: dark) {{ :root {{ {_variables(dark)} }} "
        # A logo drawn for the light page keeps its light ground.
        schemes += f"img {{ background: {light.sheet}; padding: .5rem; border-radius: .5rem }} }}"
    return _shrink(_RULES + schemes)


def _variables(palette: Palette) -> str:
    return ";".join(f"--{name.replace('_', '-')}:{colour}" for name, colour in palette._asdict().items())


def _shrink(rules: str) -> str:
    return _COMMENT_FREE_BLANKS.sub(
        lambda blank: blank[1] or (":" if blank[0][0] == ":" else " "), rules
    ).strip()
