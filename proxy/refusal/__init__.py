"""Polite answers: the block page and every error Stockade answers by itself, in the shopper's language.

Use: `refusals = Refusals(PageStyle(shop_name="…"), load_texts())` once per settings file, then
`refusals.block(…)` and `refusals.error(…)` per request. Both are pure: the clock and the reference come in as
arguments, and no header bytes whatsoever make them raise.

    quality ─ negotiation ─┐                          answer
    texts ── dates         ├─ wording ── page ─ refusals
    colours ─ css, style ──┘
"""

from __future__ import annotations

from proxy.refusal.answer import Answer
from proxy.refusal.reference import make_reference, parse_reference
from proxy.refusal.refusals import Refusals
from proxy.refusal.style import PageStyle, find_mistakes
from proxy.refusal.texts import LANGUAGES, Texts, load_texts

__all__ = [
    "LANGUAGES",
    "Answer",
    "PageStyle",
    "Refusals",
    "Texts",
    "find_mistakes",
    "load_texts",
    "make_reference",
    "parse_reference",
]
