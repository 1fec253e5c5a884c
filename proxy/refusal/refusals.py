"""Compose the answers: negotiate, take the prepared page, fill in what differs from request to request."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from jinja2 import TemplateSyntaxError
from markupsafe import escape

from proxy.errors import SettingsError
from proxy.refusal.answer import Answer
from proxy.refusal.dates import LAST, DateWords, render_iso
from proxy.refusal.negotiation import Form, Negotiator
from proxy.refusal.page import Page, render_syntax_mistake
from proxy.refusal.style import find_mistakes
from proxy.refusal.texts import apply_overrides
from proxy.refusal.wording import ENDS, ENDS_ISO, REFERENCE, UNSPECIFIED, Wording, word_block, word_error

if TYPE_CHECKING:
    from proxy.refusal.style import PageStyle
    from proxy.refusal.texts import Texts

# One prepared page a (status, language, form, reason, with or without end): some 1,300 with the shipped
# languages, about 4 kB each, and no caller can make more kinds than that. The bound is for regional
# languages in large numbers.
_PREPARED: Final = 4096

_MEDIA_TYPES: Final[dict[Form, bytes]] = {
    "html": b"text/html; charset=utf-8",
    # RFC 9457 section 3; JSON has no charset parameter (RFC 8259 section 11).
    "json": b"application/problem+json",
    "text": b"text/plain; charset=utf-8",
}
_ALWAYS: Final = (
    (b"Cache-Control", b"no-store"),
    (b"Vary", b"Accept, Accept-Language, Sec-Fetch-Dest, X-Requested-With"),
    (b"X-Robots-Tag", b"noindex, nofollow"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Referrer-Policy", b"no-referrer"),
)
# "The origin server MUST generate an Allow header field in a 405" (RFC 9110 section 15.5.6). The relay
# refuses CONNECT and TRACE alone, so these are the methods that pass.
_ALLOW: Final = (b"Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")

_NOT_REFERENCE: Final = re.compile(r"[^0-9A-Za-z-]")


class _Prepared(NamedTuple):
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes  # %-format with the names reference, ends, ends_iso


class Refusals:
    """Every answer of one settings file, prepared as they are first asked for and kept.

    Compiling raises SettingsError with every mistake of the style. After that nothing raises, whatever the
    headers of a request hold; `accept` and the other header values are raw bytes, b"" when absent.
    """

    __slots__ = ("_dates", "_languages", "_negotiator", "_page", "_prepared", "_reasons", "_style")

    def __init__(self, style: PageStyle, texts: Texts) -> None:
        mistakes = find_mistakes(style, texts.languages)
        if mistakes:
            raise SettingsError("block page", mistakes)
        self._style = style
        self._languages = apply_overrides(texts.languages, style.texts)
        self._negotiator = Negotiator(self._languages, style.default_language)
        self._reasons = {
            key.removeprefix("reason-") for key in texts.languages["en"] if key.startswith("reason-")
        }
        self._reasons.discard("label")
        self._dates = {tag: DateWords(words) for tag, words in self._languages.items()}
        self._prepared: dict[tuple[object, ...], _Prepared] = {}
        try:
            self._page = Page(style, texts.page)
        except TemplateSyntaxError as error:
            raise SettingsError("block page", [render_syntax_mistake(error)]) from error
        mistakes = self._page.find_mistakes(self._samples())
        if mistakes:
            raise SettingsError("block page", mistakes)

    def block(
        self,
        *,
        accept: bytes,
        accept_language: bytes,
        requested_with: bytes,
        fetch_dest: bytes,
        reason: str,
        reference: str,
        ends: float | None,
        now: float,
        status: int,
    ) -> Answer:
        """Refuse one request politely, at `now` (unix seconds), until `ends` (None: no end).

        `reason` is a public reason code; one that is not in the catalogue is not stated. Nothing about the
        identifier that hit comes in here, so that none can get out.
        """
        form = self._negotiator.form(accept, requested_with, fetch_dest)
        language = self._negotiator.language(accept_language)
        has_end = ends is not None and 0 <= ends < LAST
        if reason not in self._reasons:
            reason = UNSPECIFIED
        key = (status, language, form, reason, has_end)
        prepared = self._prepared.get(key)
        if prepared is None:
            words = self._languages[language]
            wording = word_block(self._style, language, words, status=status, reason=reason, has_end=has_end)
            prepared = self._prepare(key, form, wording)
        if not has_end or ends is None:
            return _answer(status, prepared, reference, None)
        date = self._dates[language].render(ends)
        shown = escape(date) if form == "html" else date
        again = max(1, math.ceil(ends - now))
        return _answer(
            status, prepared, reference, again, ends=shown.encode(), ends_iso=render_iso(ends).encode()
        )

    def error(
        self,
        status: int,
        *,
        accept: bytes,
        accept_language: bytes,
        requested_with: bytes,
        fetch_dest: bytes,
        reference: str,
        retry_after: int | None = None,
    ) -> Answer:
        """Answer a request that cannot be served for a technical reason; `retry_after` is in seconds."""
        form = self._negotiator.form(accept, requested_with, fetch_dest)
        language = self._negotiator.language(accept_language)
        key = (status, language, form)
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = self._prepare(
                key, form, word_error(self._style, language, self._languages[language], status=status)
            )
        return _answer(status, prepared, reference, retry_after)

    def _prepare(self, key: tuple[object, ...], form: Form, wording: Wording) -> _Prepared:
        headers = [
            (b"Content-Type", _MEDIA_TYPES[form]),
            (b"Content-Language", wording.language.encode()),
            *_ALWAYS,
        ]
        if form == "html":
            body = self._page.render(wording.render_html_values(self._style.logo))
            headers.append((b"Content-Security-Policy", self._page.policy.encode()))
        else:
            body = wording.render_json() if form == "json" else wording.render_text()
        if wording.kind == "error" and wording.status == 405:
            headers.append(_ALLOW)
        body = body.replace("%", "%%")
        for place, name in ((REFERENCE, "reference"), (ENDS, "ends"), (ENDS_ISO, "ends_iso")):
            body = body.replace(place, f"%({name})b")
        prepared = _Prepared(tuple(headers), body.encode("utf-8", "replace"))
        if len(self._prepared) >= _PREPARED:
            self._prepared.clear()
        self._prepared[key] = prepared
        return prepared

    def _samples(self) -> list[dict[str, object]]:
        """List the pages a template is tried on: every reason, with and without an end, and every error."""
        language = self._style.default_language
        words = self._languages[language]
        statuses = sorted(int(key[6:9]) for key in words if key.startswith("error-") and key[6:9].isdecimal())
        wordings = [
            word_block(self._style, language, words, status=403, reason=reason, has_end=has_end)
            for reason in sorted(self._reasons)
            for has_end in (True, False)
        ]
        wordings += [word_error(self._style, language, words, status=status) for status in statuses]
        return [wording.render_html_values(self._style.logo) for wording in wordings]


def _answer(
    status: int,
    prepared: _Prepared,
    reference: str,
    again: int | None,
    *,
    ends: bytes = b"",
    ends_iso: bytes = b"",
) -> Answer:
    # Only letters, digits and hyphens can get into the page and the header, whoever made the reference.
    code = _NOT_REFERENCE.sub("", reference).encode()
    headers = (*prepared.headers, (b"Stockade-Reference", code))
    if again is not None:
        headers = (*headers, (b"Retry-After", b"%d" % again))
    body = prepared.body % {b"reference": code, b"ends": ends, b"ends_iso": ends_iso}
    return Answer(status=status, headers=headers, body=body)
