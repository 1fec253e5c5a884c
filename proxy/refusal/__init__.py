"""Polite answers: the block page and every error Stockade answers by itself, in the shopper's language and form.

Use: `refusals = Refusals(PageStyle(shop_name="…"), load_texts())` once per settings file, then `refusals.block(…)` and
`refusals.error(…)` per request. Both are pure: the clock and the reference come in as arguments, and no header
bytes whatsoever make them raise.
"""

from __future__ import annotations

from proxy.refusal.answer import Answer
from proxy.refusal.reference import make_reference
from proxy.refusal.refusals import Refusals
from proxy.refusal.style import PageStyle
from proxy.refusal.texts import Texts, load_texts

__all__ = ["Answer", "PageStyle", "Refusals", "Texts", "load_texts", "make_reference"]
