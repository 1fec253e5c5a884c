"""Which form and which language an answer takes: proactive negotiation, with the hints browsers add.

Form: the weights in Accept decide first (RFC 9110 section 12.5.1). Among equals a type that is named beats
a wildcard; then the kind of request decides (Sec-Fetch-Dest, X-Requested-With), and where nothing tells the
kind, the order in which the caller wrote the types. docs/block-page.md has the rules with examples.
Language: the lookup of RFC 4647 section 3.4, weighted as RFC 9110 section 12.5.4 says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeVar

from proxy.refusal.quality import MAX_BYTES, Item, parse_weighted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Found = TypeVar("Found")
Form = Literal["html", "json", "text"]
Kind = Literal["page", "fetch", "part", "unknown"]

# What each kind of request likes best when Accept leaves it open. `*/*` alone and no hint is curl, a
# monitor, an old script: a person or a log reads it, so plain text.
_ORDER: Final[Mapping[Kind, tuple[Form, ...]]] = {
    "page": ("html", "text", "json"),
    "fetch": ("json", "text", "html"),
    "part": ("text", "json", "html"),
    "unknown": ("text", "json", "html"),
}
# Fetch Standard, "destination". What is neither a page nor a script's own request is a part of a page
# (image, style, script, font, …), where no person reads the answer.
_PAGE_DESTINATIONS: Final = frozenset(
    {b"document", b"iframe", b"frame", b"embed", b"object", b"fencedframe", b"nested-navigate"}
)
_FETCH_DESTINATIONS: Final = frozenset({b"empty", b"json"})

# Attackers choose the keys of the two caches, so both count and length are bounded; a full cache starts
# afresh, which costs honest callers one parse each and cannot be held full by anybody.
_CACHED: Final = 1024

# RFC 5646 section 4.4.1: no registered tag needs more than 35 characters.
_LONGEST_TAG: Final = 35


class Negotiator:
    """Answers "which form?" and "which language?" for one set of languages, remembering what it was asked."""

    __slots__ = ("_available", "_default", "_forms", "_languages")

    def __init__(self, languages: Iterable[str], default: str) -> None:
        self._available = {tag.lower(): tag for tag in languages}
        self._default = default
        self._forms: dict[Kind, dict[bytes, Form]] = {kind: {} for kind in _ORDER}
        self._languages: dict[bytes, str] = {}

    def form(self, accept: bytes, requested_with: bytes, fetch_dest: bytes) -> Form:
        """Choose the form for a request's Accept, X-Requested-With and Sec-Fetch-Dest (b"" when absent)."""
        kind = derive_kind(requested_with, fetch_dest)
        known = self._forms[kind]
        form = known.get(accept)
        if form is None:
            form = match_form(accept, kind)
            _remember(known, accept, form)
        return form

    def language(self, accept_language: bytes) -> str:
        """Choose the language tag for a request's Accept-Language (b"" when absent)."""
        tag = self._languages.get(accept_language)
        if tag is None:
            tag = match_language(accept_language, self._available) or self._default
            _remember(self._languages, accept_language, tag)
        return tag


def derive_kind(requested_with: bytes, fetch_dest: bytes) -> Kind:
    """Say what a request is for; Sec-Fetch-Dest counts first, because scripts cannot set it."""
    if fetch_dest:
        destination = fetch_dest.lower()
        if destination in _PAGE_DESTINATIONS:
            return "page"
        return "fetch" if destination in _FETCH_DESTINATIONS else "part"
    # Android's WebView puts its package name here, so the header's mere presence says nothing.
    return "fetch" if requested_with.lower() == b"xmlhttprequest" else "unknown"


def match_form(accept: bytes, kind: Kind) -> Form:
    """Find the form that suits an Accept header best; there always is one (RFC 9110 section 12.5.1 allows)."""
    order = _ORDER[kind]
    items = parse_weighted(accept)
    if not items:
        return order[0]
    refused = set()
    best: tuple[tuple[float, int, int], Form] | None = None
    for rank, form in enumerate(order):
        precision, weight, place = _judge(form, items)
        if precision and not weight:
            refused.add(form)
        if weight:
            tie = place if kind == "unknown" else rank
            score = (weight, precision, -tie)
            if best is None or score > best[0]:
                best = (score, form)
    if best is not None:
        return best[1]
    return next((form for form in order if form not in refused), order[0])


def _judge(form: Form, items: list[Item]) -> tuple[int, float, int]:
    """Weigh one form: (how precisely it is named, 0 for not at all; its weight; its place in the list).

    "The most specific reference has precedence" (RFC 9110 section 12.5.1).
    """
    found = (0, 0.0, 0)
    for place, item in enumerate(items):
        precision = _precision(form, item)
        if precision > found[0] or (precision and precision == found[0] and item.weight > found[1]):
            found = (precision, item.weight, place)
    return found


def _precision(form: Form, item: Item) -> int:
    """Rate how a media range names a form: 4 exactly, 3 with parameters, 2 its type, 1 any, 0 not at all."""
    family, _, subtype = item.name.partition("/")
    if subtype == "*":
        if family == "*":
            return 1
        return 2 if family == ("application" if form == "json" else "text") else 0
    if form == "json":
        named = subtype == "json" or (family == "application" and subtype.endswith("+json"))
    else:
        named = item.name == ("text/html" if form == "html" else "text/plain")
    if not named:
        return 0
    return 3 if item.has_parameters else 4


def match_language(accept_language: bytes, available: Mapping[str, str]) -> str | None:
    """Look a language up among `available` (lower-case tag to tag); None when nothing asked for is there.

    Nothing is guessed from kinship: Norwegian gets no Danish, Ukrainian no Polish. "*" asks for nothing in
    particular and is skipped, as RFC 4647 section 3.4 says, which leaves the default.
    """
    items = parse_weighted(accept_language.replace(b"_", b"-"))
    refused = {item.name for item in items if not item.weight}
    for item in sorted(items, key=lambda item: -item.weight):
        tag = item.name if item.weight and len(item.name) <= _LONGEST_TAG else ""
        while tag:
            if tag in available and tag not in refused:
                return available[tag]
            tag = tag.rpartition("-")[0]
            # "Single letter or digit subtags … are removed as well" (RFC 4647 section 3.4).
            if tag[-2:-1] == "-":
                tag = tag[:-2]
    return None


def _remember(known: dict[bytes, Found], key: bytes, found: Found) -> None:
    if len(key) > MAX_BYTES:
        return
    if len(known) >= _CACHED:
        known.clear()
    known[key] = found
