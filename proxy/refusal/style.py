"""What an operator may set about the pages: names, colours, logo, contact, language, template, texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class PageStyle:
    """The operator's part of every page. Colours are "#rrggbb" or "#rgb"; empty text means "choose for me"."""

    shop_name: str = "Our shop"
    accent: str = "#2f5d50"
    background: str = "#f6f2ea"
    text_colour: str = ""
    logo: str = ""
    contact: str = ""
    contact_label: str = ""
    default_language: str = "en"
    template: str | None = None
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
