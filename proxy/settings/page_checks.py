"""What must hold for the block page: colours, logo and contact that a page can really show. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from proxy.settings.mistake import Mistake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy.settings.schema import Settings

_COLOUR = re.compile(r"#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})")
_MAILTO = re.compile(r"mailto:[^\s@<>\"]+@[^\s@<>\"]+\.[^\s@<>\"]+")
_TEL = re.compile(r"tel:\+?[0-9().-]+(;[!-~]*)?")  # RFC 3966 section 3


def check_block_page(settings: Settings) -> Iterator[Mistake]:
    """Yield what is wrong with the options of the block page."""
    page = settings.block_page
    if not _COLOUR.fullmatch(page.accent):
        yield _mistake("accent", f'{page.accent!r} is no colour; write one such as "#2f5d50"')
    if page.logo and (text := explain_logo(page.logo)):
        yield _mistake("logo", text)
    if page.contact and (text := explain_contact(page.contact)):
        yield _mistake("contact", text)
    if page.contact_label and not page.contact:
        yield _mistake(
            "contact_label", "has no effect without block_page.contact, which says where the link goes"
        )


def explain_logo(logo: str) -> str:
    """Return what is wrong with the address of a logo, "" if nothing is."""
    if logo.startswith("data:image/") and "," in logo:
        return ""
    if logo.startswith("https://") and _has_host(logo):
        return ""
    if logo.startswith("/"):
        return (
            f"{logo!r} is a path of the shop, which the refused shopper cannot load either; use a data: URL"
        )
    if logo.startswith("http://"):
        return f"{logo!r} would not load in a page that came by https; use https:// or a data: URL"
    return 'must be a "data:image/…" URL (the page stays one request) or an "https://…" URL'


def explain_contact(contact: str) -> str:
    """Return what is wrong with the address of a contact, "" if nothing is."""
    if contact.startswith("mailto:"):
        return (
            ""
            if _MAILTO.fullmatch(contact)
            else f"{contact!r} is no e-mail link; write mailto:help@shop.example"
        )
    if contact.startswith("tel:"):
        return "" if _TEL.fullmatch(contact) else f"{contact!r} is no telephone link; write tel:+31201234567"
    if contact.startswith("https://"):
        return "" if _has_host(contact) else f"{contact!r} names no host"
    if "@" in contact and "://" not in contact:
        return f'{contact!r} is no link; did you mean "mailto:{contact}"?'
    return f"{contact!r} is no link we put on the page; write mailto:…, https://… or tel:…"


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname) and " " not in url
    except ValueError:
        return False


def _mistake(key: str, text: str) -> Mistake:
    return Mistake(path=("block_page", key), text=text)
