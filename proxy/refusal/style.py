"""What an operator may set about the pages: name, colours, logo, contact, language, template, texts."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlsplit

from proxy.refusal.colours import AA, Palette, contrast, derive_palettes, derive_sheet, parse_colour
from proxy.refusal.texts import find_text_mistakes

if TYPE_CHECKING:
    from collections.abc import Mapping

# A page is to stay under 10 kB. What is longest in it by far is a logo written into it.
MAX_NAME: Final = 80
MAX_LABEL: Final = 60
MAX_URL: Final = 300
MAX_DATA_LOGO: Final = 4096

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# RFC 3986's characters and no others; an operator's URL lands in an attribute and its origin in a header.
_URL: Final = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?")
_MAIL: Final = re.compile(r"mailto:[^@?]+@[A-Za-z0-9.-]+(?:\?.*)?")
_PHONE: Final = re.compile(r"tel:\+?[0-9().\-]{3,30}")
_DATA_LOGO: Final = re.compile(
    r"data:image/(?:avif|gif|jpeg|png|svg\+xml|webp)(?:;charset=utf-8)?(?:;base64)?,[^\s\"'<>]+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageStyle:
    """The operator's part of every page. Whatever is empty is left out or chosen for them.

    Colours are "#rgb" or "#rrggbb". `logo` is an https: URL or a data: URL of an image; `contact` an https:,
    mailto: or tel: URL in which "{reference}" stands for the reference. `template` is a Jinja2 source, `texts`
    hold changes to the shipped texts by language tag and key. Nothing is checked here: `find_mistakes` says
    all that is wrong.
    """

    shop_name: str = ""
    accent: str = "#2f5d50"
    background: str = "#f6f2ea"
    text_colour: str = ""
    logo: str = ""
    contact: str = ""
    contact_label: str = ""
    default_language: str = "en"
    template: str | None = None
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def find_mistakes(style: PageStyle, shipped: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Find every mistake but the template's; each starts with the field's name and says the way out."""
    return [
        *_find_name_mistakes(style),
        *_find_colour_mistakes(style),
        *_find_logo_mistakes(style.logo),
        *_find_contact_mistakes(style.contact),
        *_find_language_mistakes(style, shipped),
        *find_text_mistakes(shipped, style.texts),
    ]


def derive_colours(style: PageStyle) -> tuple[Palette, Palette]:
    """Derive the light and the dark palette of a style without mistakes."""
    accent, background = parse_colour(style.accent), parse_colour(style.background)
    if accent is None or background is None:
        raise ValueError("the style has mistakes")
    return derive_palettes(accent, background, parse_colour(style.text_colour))


def derive_logo_source(style: PageStyle) -> str:
    """Derive the CSP source that lets the logo load, "" when none is needed beyond data:."""
    return f"https://{urlsplit(style.logo).netloc}" if style.logo.startswith("https:") else ""


def render_contact(style: PageStyle, subject: str, reference: str) -> tuple[str, str]:
    """Write the contact link with the reference in it, and what to show of it: an address, a number, else "".

    A mail gets a subject, so that the reference reaches support even if the shopper forgets it.
    """
    href = style.contact.replace("{reference}", reference)
    bare = style.contact.partition("?")[0]
    if href.startswith("mailto:"):
        if "subject=" not in href.lower():
            href += f"{'&' if '?' in href else '?'}subject={quote(subject)}%20{reference}"
        return href, unquote(bare.removeprefix("mailto:"))
    return href, bare.removeprefix("tel:") if bare.startswith("tel:") else ""


def _find_name_mistakes(style: PageStyle) -> list[str]:
    mistakes = []
    for name, text, most in (
        ("shop_name", style.shop_name, MAX_NAME),
        ("contact_label", style.contact_label, MAX_LABEL),
    ):
        if _CONTROL.search(text):
            mistakes.append(f"{name}: must be one line of text without control characters")
        if len(text) > most:
            mistakes.append(f"{name}: has {len(text)} characters; {most} at most fit the page")
    return mistakes


def _find_colour_mistakes(style: PageStyle) -> list[str]:
    mistakes = [
        f'{name}: "{text}" is no colour; write it as "#2f5d50" or "#253"'
        for name, text in (
            ("accent", style.accent),
            ("background", style.background),
            ("text_colour", style.text_colour),
        )
        if parse_colour(text) is None and (text or name != "text_colour")
    ]
    text, background = parse_colour(style.text_colour), parse_colour(style.background)
    if text is not None and background is not None:
        sheet = derive_sheet(background)
        ratio = contrast(text, sheet)
        if ratio < AA:
            mistakes.append(
                f"text_colour: {text} on the page's {sheet} has a contrast of {ratio:.1f}:1, and WCAG 2.2 AA "
                f"asks for {AA}:1; leave it empty and a readable one is chosen"
            )
    return mistakes


def _find_logo_mistakes(logo: str) -> list[str]:
    if not logo:
        return []
    if logo.lower().startswith("data:"):
        if len(logo) > MAX_DATA_LOGO:
            wrong = (
                f"logo: the data: URL has {len(logo)} characters; at most {MAX_DATA_LOGO} keep the page under "
                "10 kB. Make the picture smaller (an SVG often helps) or give an https: URL"
            )
            return [wrong]
        if not _DATA_LOGO.fullmatch(logo):
            wrong = (
                "logo: is no data: URL of an avif, gif, jpeg, png, svg+xml or webp picture; "
                'quotes, spaces, "<" and ">" in it are written as %22, %20, %3C, %3E, or use ;base64'
            )
            return [wrong]
        return []
    if not logo.startswith("https://"):
        return [f'logo: "{logo[:60]}" is neither an https: URL nor a data: URL']
    return [f"logo: {wrong}" for wrong in _find_url_mistakes(logo)]


def _find_contact_mistakes(contact: str) -> list[str]:
    if not contact:
        return []
    contact = contact.replace("{reference}", "REFERENCE")
    if contact.startswith("https://"):
        return [f"contact: {wrong}" for wrong in _find_url_mistakes(contact)]
    if len(contact) > MAX_URL or not _URL.fullmatch(contact):
        return [
            f"contact: a URL has at most {MAX_URL} characters, all of them ASCII and none a space or quote"
        ]
    if _MAIL.fullmatch(contact) or _PHONE.fullmatch(contact):
        return []
    example = f'mailto:{contact}"' if "@" in contact and ":" not in contact else 'mailto:help@shop.example"'
    wrong = (
        f'contact: "{contact[:60]}" is no contact link; write "https://…", "{example} or "tel:+31201234567" '
        "(a path of the shop itself would be refused like everything else)"
    )
    return [wrong]


def _find_url_mistakes(url: str) -> list[str]:
    if len(url) > MAX_URL or not _URL.fullmatch(url):
        return [f"a URL has at most {MAX_URL} characters, all of them ASCII and none a space or quote"]
    # The host is looked at as text: urlsplit raises on odd brackets.
    host = re.split(r"[/?#]", url.removeprefix("https://"), maxsplit=1)[0]
    return [] if _HOST.fullmatch(host) else [f'"{host}" is no host name']


def _find_language_mistakes(style: PageStyle, shipped: Mapping[str, Mapping[str, str]]) -> list[str]:
    known = [*shipped, *style.texts]
    if style.default_language in known:
        return []
    near = difflib.get_close_matches(style.default_language, known, n=1)
    hint = f' (did you mean "{near[0]}"?)' if near else ""
    return [
        f'default_language: there are no texts in "{style.default_language}"{hint}. Known: {", ".join(known)}'
    ]
