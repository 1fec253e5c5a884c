from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.refusal.negotiation import _CACHED, Negotiator, derive_kind, match_form, match_language
from proxy.refusal.quality import MAX_BYTES, MAX_ITEMS, parse_weighted
from proxy.refusal.texts import LANGUAGES

CHROMIUM = (
    b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    b"application/signed-exchange;v=b3;q=0.7"
)
SAFARI = b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
AVAILABLE = {tag: tag for tag in LANGUAGES}


@pytest.mark.parametrize(
    ("requested_with", "fetch_dest", "expected"),
    [
        pytest.param(b"", b"document", "page", id="navigation"),
        pytest.param(b"", b"Iframe", "page", id="frame-in-any-case"),
        pytest.param(b"", b"empty", "fetch", id="fetch"),
        pytest.param(b"XMLHttpRequest", b"", "fetch", id="jquery"),
        pytest.param(b"xmlhttprequest", b"", "fetch", id="jquery-in-any-case"),
        pytest.param(b"com.shop.android", b"", "unknown", id="android-webview-names-its-package"),
        pytest.param(b"XMLHttpRequest", b"document", "page", id="browser-knows-better-than-script"),
        pytest.param(b"", b"image", "part", id="image"),
        pytest.param(b"", b"style", "part", id="style"),
        pytest.param(b"", b"script", "part", id="script"),
        pytest.param(b"", b"font", "part", id="font"),
        pytest.param(b"", b"something-new", "part", id="destination-of-the-future"),
        pytest.param(b"", b"", "unknown", id="curl"),
    ],
)
def test_the_kind_of_request(requested_with: bytes, fetch_dest: bytes, expected: str) -> None:
    """Sec-Fetch-Dest tells what a request is for; without it only XMLHttpRequest does."""
    assert derive_kind(requested_with, fetch_dest) == expected


@pytest.mark.parametrize(
    ("accept", "kind", "expected"),
    [
        pytest.param(CHROMIUM, "page", "html", id="chromium-navigation"),
        pytest.param(SAFARI, "unknown", "html", id="old-safari-navigation-without-hints"),
        pytest.param(b"text/html, application/xhtml+xml, */*", "unknown", "html", id="internet-explorer"),
        pytest.param(b"text/html, text/plain, text/sgml, */*;q=0.01", "unknown", "html", id="lynx"),
        pytest.param(b"*/*", "unknown", "text", id="curl"),
        pytest.param(b"", "unknown", "text", id="no-accept"),
        pytest.param(b"*/*", "page", "html", id="navigation-that-takes-anything"),
        pytest.param(b"", "page", "html", id="navigation-without-accept"),
        pytest.param(b"*/*", "fetch", "json", id="fetch-default"),
        pytest.param(b"", "fetch", "json", id="fetch-without-accept"),
        pytest.param(b"application/json, text/plain, */*", "unknown", "json", id="axios-in-node"),
        pytest.param(b"application/json, text/plain, */*", "fetch", "json", id="axios-in-a-browser"),
        pytest.param(b"application/json, text/javascript, */*; q=0.01", "fetch", "json", id="jquery-json"),
        pytest.param(b"text/html, */*; q=0.01", "fetch", "html", id="jquery-html"),
        pytest.param(b"text/html, application/xhtml+xml", "fetch", "html", id="turbo"),
        pytest.param(b"text/event-stream", "fetch", "json", id="event-source"),
        pytest.param(b"image/avif,image/webp,image/*,*/*;q=0.8", "part", "text", id="image"),
        pytest.param(b"text/css,*/*;q=0.1", "part", "text", id="style-sheet"),
        pytest.param(b"image/webp", "part", "text", id="nothing-we-have-for-a-part"),
        pytest.param(b"application/pdf", "unknown", "text", id="nothing-we-have"),
        pytest.param(b"application/problem+json", "unknown", "json", id="problem-json"),
        pytest.param(b"application/vnd.api+json", "unknown", "json", id="json-by-suffix"),
        pytest.param(b"application/*", "unknown", "json", id="application-wildcard"),
        pytest.param(b"text/*", "unknown", "text", id="text-wildcard"),
        pytest.param(b"text/*", "page", "html", id="text-wildcard-for-a-page"),
        pytest.param(b"text/plain", "page", "text", id="plain-asked-for-by-name"),
        pytest.param(b"text/html;q=0.5, application/json;q=0.9", "page", "json", id="weights-beat-hints"),
        pytest.param(b"text/html;q=0.8,*/*;q=0.9", "unknown", "text", id="wildcard-outweighs"),
        pytest.param(b"text/html,application/json", "unknown", "html", id="equals-html-first"),
        pytest.param(b"application/json,text/html", "unknown", "json", id="equals-json-first"),
        pytest.param(b"application/json,text/html", "page", "html", id="equals-and-a-page"),
        pytest.param(b"text/html;q=0, */*", "page", "text", id="html-refused"),
        pytest.param(b"text/html;q=0", "page", "text", id="html-refused-and-nothing-else"),
        pytest.param(b"text/*;q=0, */*;q=0.1", "unknown", "json", id="text-refused"),
        pytest.param(b"*/*;q=0", "page", "html", id="everything-refused"),
        pytest.param(b"text/html;q=0.000", "fetch", "json", id="zero-in-full"),
        pytest.param(b"text/html ; Q=0.9 , text/plain;q=.5", "unknown", "html", id="blanks-and-case"),
        pytest.param(b"TEXT/HTML", "unknown", "html", id="type-in-capitals"),
        pytest.param(b"text/html;charset=utf-8", "unknown", "html", id="charset-does-not-matter"),
        pytest.param(
            b"text/html;level=1;q=0.3, text/html;q=0.7, text/plain;q=0.5",
            "unknown",
            "html",
            id="rfc-9110-level",
        ),
        pytest.param(b"text/html;q=high, text/plain;q=0.1", "unknown", "text", id="unreadable-weight"),
        pytest.param(b"text/html;q=1.7, text/plain;q=1", "unknown", "html", id="weight-above-one"),
        pytest.param(b",,;;,text/html", "unknown", "html", id="empty-elements"),
        pytest.param(b"\xff\xfe, text/html", "unknown", "html", id="bytes-beyond-ascii"),
        pytest.param(b"text/html" + b"," * MAX_ITEMS + b"text/plain", "unknown", "html", id="too-many"),
    ],
)
def test_the_form(accept: bytes, kind: str, expected: str) -> None:
    """Accept's weights decide, then precision, then the kind of request, then the order written."""
    assert match_form(accept, kind) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("accept_language", "expected"),
    [
        pytest.param(b"", None, id="absent"),
        pytest.param(b"fr", "fr", id="plain"),
        pytest.param(b"fr-CA", "fr", id="region-falls-back-to-language"),
        pytest.param(b"FR-ca", "fr", id="any-case"),
        pytest.param(b"fr_CA", "fr", id="underscore"),
        pytest.param(b"de-Latn-DE-1996-x-private", "de", id="long-tag"),
        pytest.param(b"en;q=0.5, fr-CA;q=0.8", "fr", id="weights"),
        pytest.param(b"it, es", "it", id="equals-first-one"),
        pytest.param(b"zh-Hant-TW, ja;q=0.3", "ja", id="next-best"),
        pytest.param(b"*", None, id="anything"),
        pytest.param(b"*, pl;q=0.1", "pl", id="anything-then-polish"),
        pytest.param(b"no", None, id="norwegian-is-not-danish"),
        pytest.param(b"nb-NO, nn", None, id="bokmal-is-not-danish"),
        pytest.param(b"nb, en;q=0.5", "en", id="norwegian-who-reads-english"),
        pytest.param(b"uk", None, id="ukrainian-is-not-polish"),
        pytest.param(b"fr;q=0, de;q=0.1", "de", id="refused"),
        pytest.param(b"fr-FR, fr;q=0", None, id="fallback-refused"),
        pytest.param(b"ar-EG,ar;q=0.9,en;q=0.8", "ar", id="arabic"),
        pytest.param(b"pt-BR,pt;q=0.9", "pt", id="brazil"),
        pytest.param(b"xx-" + b"a-" * 40 + b"b", None, id="absurdly-long-tag"),
        pytest.param(b"; q=1", None, id="no-tag"),
        pytest.param(b"--fr", None, id="hyphens"),
    ],
)
def test_the_language(accept_language: bytes, expected: str | None) -> None:
    """A language is looked up as RFC 4647 says, by weight, and never guessed."""
    assert match_language(accept_language, AVAILABLE) == expected


def test_a_regional_language_is_found_before_its_kin() -> None:
    """An operator's "pt-BR" serves Brazil, "pt" everybody else."""
    available = {"pt": "pt", "pt-br": "pt-BR"}
    assert match_language(b"pt-BR", available) == "pt-BR"
    assert match_language(b"pt-PT", available) == "pt"


def test_single_letter_subtags_go_with_what_follows_them() -> None:
    """RFC 4647's own example: zh-Hant-CN-x-private1-private2 is next looked up as zh-Hant-CN."""
    assert match_language(b"zh-Hant-CN-x-private1-private2", {"zh-hant-cn-x": "wrong", "zh": "zh"}) == "zh"


def test_the_default_language_serves_all_others() -> None:
    """What cannot be looked up gets the operator's default."""
    negotiator = Negotiator(LANGUAGES, "nl")
    assert negotiator.language(b"zh-CN") == "nl"
    assert negotiator.language(b"en") == "en"


def test_what_is_remembered_is_bounded() -> None:
    """Attackers choose the keys, so neither their number nor their length can grow."""
    negotiator = Negotiator(LANGUAGES, "en")
    for number in range(3 * _CACHED):
        negotiator.form(b"a/%d" % number, b"", b"")
        negotiator.language(b"x%d" % number)
    assert max(len(known) for known in negotiator._forms.values()) <= _CACHED
    assert len(negotiator._languages) <= _CACHED
    negotiator = Negotiator(LANGUAGES, "en")
    negotiator.form(b"x" * (MAX_BYTES + 1), b"", b"")
    negotiator.language(b"x" * (MAX_BYTES + 1))
    assert not any(negotiator._forms.values())
    assert not negotiator._languages


def test_a_long_list_is_read_up_to_the_last_whole_element() -> None:
    """A header cut at its limit must not turn half a name into another one."""
    value = b"text/plain;q=0.1," + b"x" * (MAX_BYTES - 26) + b",text/html"
    assert [item.name for item in parse_weighted(value)] == ["text/plain", "x" * (MAX_BYTES - 26)]
    assert len(parse_weighted(b"a/b," * 200)) == MAX_ITEMS


@given(st.binary(max_size=3000), st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=3000))
def test_no_bytes_make_it_raise(
    accept: bytes, requested: bytes, destination: bytes, languages: bytes
) -> None:
    """Whatever a caller sends, a form and a language that exist come out, the same ones each time."""
    negotiator = Negotiator(LANGUAGES, "en")
    form = negotiator.form(accept, requested, destination)
    language = negotiator.language(languages)
    assert form in {"html", "json", "text"}
    assert language in LANGUAGES
    assert negotiator.form(accept, requested, destination) == form
    assert negotiator.language(languages) == language


@given(
    st.lists(
        st.sampled_from(
            [b"text/html", b"*/*", b"q=0", b";", b",", b"q=1", b"text/*", b"-", b"fr", b" ", b"="]
        )
    )
)
def test_no_scrambled_header_makes_it_raise(parts: list[bytes]) -> None:
    """Nor do headers that are nearly right."""
    assert match_form(b"".join(parts), "unknown") in {"html", "json", "text"}
    assert match_language(b"".join(parts), AVAILABLE) in {None, "fr"}
