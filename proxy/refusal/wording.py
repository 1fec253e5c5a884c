"""What one answer says, in one language, before it takes a form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from proxy.refusal.style import render_contact
from proxy.refusal.texts import fill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.refusal.style import PageStyle

# Stand where the values of one request go, in pages prepared once for all requests. Unicode keeps these
# code points from ever meaning anything ("noncharacters"), and neither HTML nor JSON escapes them.
REFERENCE: Final = "\ufdd0"
ENDS: Final = "\ufdd1"
ENDS_ISO: Final = "\ufdd2"

UNSPECIFIED: Final = "unspecified"
# Where asking again may well succeed: the same address is offered, else the home page.
_WORTH_RETRYING: Final = frozenset({408, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """Everything an answer says. `reason` is empty for errors; `ends` is empty without an end."""

    kind: str  # "block" or "error"
    status: int
    language: str
    texts: Mapping[str, str]
    shop: str
    title: str
    lead: str
    reason_code: str
    reason: str
    has_end: bool
    contact: str
    contact_label: str
    contact_text: str

    def render_html_values(self, logo: str) -> dict[str, object]:
        """List what a template can use; docs/block-page.md promises these names."""
        retry = self.status in _WORTH_RETRYING
        return {
            "kind": self.kind,
            "status": self.status,
            "language": self.language,
            "direction": self.texts["direction"],
            "shop": self.shop,
            "logo": logo,
            "title": self.title,
            "lead": self.lead,
            "reason": self.reason,
            "reason_code": self.reason_code,
            "ends": ENDS if self.has_end else "",
            "ends_iso": ENDS_ISO if self.has_end else "",
            "reference": REFERENCE,
            "contact": self.contact,
            "contact_label": self.contact_label,
            "contact_text": self.contact_text,
            "way_on": "" if retry else "/",
            "way_on_label": self.texts["again-label" if retry else "home-label"],
            "texts": self.texts,
        }

    def render_json(self) -> str:
        """Write problem details (RFC 9457); "about:blank" means that the status says it all (section 4.2.1)."""
        problem: dict[str, object] = {
            "type": "urn:stockade:refused" if self.kind == "block" else "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.texts["block-help"] if self.kind == "block" else self.lead,
            "reference": REFERENCE,
        }
        if self.kind == "block":
            problem["reason"] = self.reason_code
            problem["reason_text"] = self.reason
            problem["ends"] = ENDS_ISO if self.has_end else None
        problem["contact"] = self.contact or None
        problem["language"] = self.language
        return msgspec.json.encode(problem).decode() + "\n"

    def render_text(self) -> str:
        """Write plain text, a handful of lines."""
        texts = self.texts
        facts = [(texts["reference-label"], REFERENCE)]
        if self.kind == "block":
            facts.insert(0, (texts["reason-label"], self.reason))
            facts.insert(1, (texts["ends-label"], ENDS if self.has_end else texts["ends-never"]))
        if self.contact:
            facts.append((self.contact_label, self.contact_text or self.contact))
        lines = [fill(texts["label-join"], {"label": label, "text": text}) for label, text in facts]
        last = texts["block-help"] if self.kind == "block" else self.lead
        return "\n".join([self.title, "", *lines, "", last, ""])


def word_block(
    style: PageStyle, language: str, texts: Mapping[str, str], *, status: int, reason: str, has_end: bool
) -> Wording:
    """Word a refusal; `reason` must be a code of the catalogue."""
    return _word(
        style,
        language,
        texts,
        kind="block",
        status=status,
        title="block-title",
        lead="block-lead" if style.shop_name else "block-lead-unnamed",
        reason=reason,
        has_end=has_end,
    )


def word_error(style: PageStyle, language: str, texts: Mapping[str, str], *, status: int) -> Wording:
    """Word an error; a status without words of its own gets general ones."""
    name = f"error-{status}" if f"error-{status}-title" in texts else "error-other"
    return _word(
        style,
        language,
        texts,
        kind="error",
        status=status,
        title=f"{name}-title",
        lead=f"{name}-detail",
        reason="",
        has_end=False,
    )


def _word(
    style: PageStyle,
    language: str,
    texts: Mapping[str, str],
    *,
    kind: str,
    status: int,
    title: str,
    lead: str,
    reason: str,
    has_end: bool,
) -> Wording:
    values = {"shop": style.shop_name, "reference": REFERENCE}
    filled = {key: fill(text, values) for key, text in texts.items()}
    contact, contact_text = render_contact(style, filled["reference-label"], REFERENCE)
    return Wording(
        kind=kind,
        status=status,
        language=language,
        texts=filled,
        shop=style.shop_name,
        title=filled[title],
        lead=filled[lead],
        reason_code=reason,
        reason=filled[f"reason-{reason}"] if reason else "",
        has_end=has_end,
        contact=contact,
        contact_label=style.contact_label or filled["contact-label"],
        contact_text=contact_text,
    )
