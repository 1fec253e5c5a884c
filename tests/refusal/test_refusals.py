from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import SettingsError
from proxy.policy.reasons import REASONS
from proxy.refusal import LANGUAGES, Answer, PageStyle, Refusals, load_texts

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXTS = load_texts()
NOW = 1_795_500_000.0
ENDS = 1_796_308_200.0  # 2026-12-03T14:30:00Z
STATUSES = (400, 404, 405, 408, 413, 414, 417, 421, 431, 501, 502, 503, 504, 505)
ACCEPTS = {"html": b"text/html", "json": b"application/json", "text": b"text/plain"}
PLAIN = Refusals(PageStyle(), TEXTS)
SHOP = Refusals(PageStyle(shop_name="Juniper & Thread", contact="mailto:help@juniper.example"), TEXTS)


def block(refusals: Refusals = SHOP, form: str = "html", language: str = "en", **changes: object) -> Answer:
    """Refuse an ordinary request, with what a test changes."""
    arguments: dict[str, object] = {
        "accept": ACCEPTS[form],
        "accept_language": language.encode(),
        "requested_with": b"",
        "fetch_dest": b"",
        "reason": "chargeback",
        "reference": "7K3M-9QXZ",
        "ends": ENDS,
        "now": NOW,
        "status": 403,
    }
    return refusals.block(**(arguments | changes))  # type: ignore[arg-type]


def error(
    status: int, form: str = "html", language: str = "en", refusals: Refusals = SHOP, **changes: object
) -> Answer:
    """Answer a request with an error, with what a test changes."""
    arguments: dict[str, object] = {
        "accept": ACCEPTS[form],
        "accept_language": language.encode(),
        "requested_with": b"",
        "fetch_dest": b"",
        "reference": "7K3M-9QXZ",
    }
    return refusals.error(status, **(arguments | changes))  # type: ignore[arg-type]


def headers(answer: Answer) -> dict[bytes, bytes]:
    """List an answer's headers, each once."""
    found = dict(answer.headers)
    assert len(found) == len(answer.headers), "no header comes twice"
    return found


class Outline(HTMLParser):
    """Reads a page as strictly as html.parser can: every element closed, in order."""

    VOID = frozenset({"meta", "link", "img", "br", "hr"})

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, Mapping[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page.decode())
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        assert len(dict(attrs)) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, and no other."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note words that are shown or read aloud."""
        if "style" not in self.open and data.strip():
            self.words.append(data.strip())

    def count(self, tag: str) -> int:
        """Count the elements of a name."""
        return sum(tag == name for name, _ in self.tags)


class TestBlockPage:
    """The HTML of a refusal."""

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("reason", REASONS)
    def test_is_a_sound_page(self, language: str, reason: str) -> None:
        """In every language and for every reason: one heading, landmarks, language, direction, no script."""
        for ends in (ENDS, None):
            answer = block(language=language, reason=reason, ends=ends)
            outline = Outline(answer.body)
            tags = dict(outline.tags)
            assert answer.body.startswith(b"<!doctype html>")
            assert tags["html"] == {"lang": language, "dir": "rtl" if language == "ar" else "ltr"}
            assert [outline.count(tag) for tag in ("h1", "main", "header", "title", "style")] == [1] * 5
            assert outline.count("script") == outline.count("form") == outline.count("iframe") == 0
            assert not [
                name for _, found in outline.tags for name in found if name.startswith(("on", "style"))
            ]
            assert ("meta", {"name": "robots", "content": "noindex, nofollow"}) in outline.tags
            assert "7K3M-9QXZ" in outline.words
            assert TEXTS.languages[language][f"reason-{reason}"] in outline.words
            assert html.unescape("Juniper &amp; Thread") in outline.words
            assert headers(answer)[b"Content-Language"] == language.encode()

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_is_under_10_kb(self, language: str) -> None:
        """The promise holds with the longest reason, the longest name and the largest logo."""
        longest = Refusals(
            PageStyle(
                shop_name="店" * 80,
                logo="data:image/png;base64," + "A" * (4096 - 22),
                contact="https://help.example/" + "x" * (300 - 21),
                contact_label="書" * 60,
                text_colour="#000",
            ),
            TEXTS,
        )
        sizes = [len(block(longest, language=language, reason=reason, ends=ENDS).body) for reason in REASONS]
        sizes += [len(block(longest, language=language, reason=reason, ends=None).body) for reason in REASONS]
        sizes += [len(error(status, language=language, refusals=longest).body) for status in STATUSES]
        assert max(sizes) < 10_000
        usual = [len(block(language=language, reason=reason).body) for reason in REASONS]
        assert max(usual) < 5_000

    def test_reads_aloud_in_order(self) -> None:
        """Shop, what happened, why, until when, the reference, how to object."""
        words = Outline(block().body).words
        order = [
            "Juniper & Thread",
            "We cannot serve this request at the moment",
            "Reason",
            "Ends",
            "3 December 2026 at 14:30 (UTC)",
            "Reference",
            "7K3M-9QXZ",
            "If you think this is a mistake",
            "Contact us",
            "help@juniper.example",
        ]
        places = [words.index(text) for text in order]
        assert places == sorted(places)

    def test_says_when_no_end_is_set(self) -> None:
        """Without an end the page says so and offers a review."""
        page = block(ends=None).body.decode()
        assert TEXTS.languages["en"]["ends-never"] in page
        assert "<time" not in page

    def test_needs_one_request(self) -> None:
        """Nothing is fetched from elsewhere, not even an icon."""
        outline = Outline(block().body)
        assert [found["href"] for tag, found in outline.tags if tag == "link"] == ["data:,"]
        assert outline.count("img") == 0
        assert b"url(" not in block().body

    def test_shows_a_logo_with_the_shops_name(self) -> None:
        """The logo stands for the name, and says it to those who do not see it."""
        shop = Refusals(PageStyle(shop_name="Juniper", logo="https://cdn.example/logo.svg"), TEXTS)
        outline = Outline(block(shop).body)
        assert ("img", {"src": "https://cdn.example/logo.svg", "alt": "Juniper"}) in outline.tags
        assert b"img-src data: https://cdn.example;" in headers(block(shop))[b"Content-Security-Policy"]

    def test_works_without_name_and_contact(self) -> None:
        """A shop that set nothing has a page that is whole."""
        page = block(PLAIN)
        outline = Outline(page.body)
        assert outline.count("header") == outline.count("a") == 0
        assert "{shop}" not in page.body.decode()
        assert b"Thank you for your visit." in page.body

    def test_escapes_the_operators_values(self) -> None:
        """A name is a name, even if it looks like a tag."""
        nasty = '<script>alert("1")</script>&\''
        shop = Refusals(
            PageStyle(
                shop_name=nasty,
                contact="https://a.example/?a=1&b='2'",
                contact_label="<b>",
                logo="data:image/svg+xml,%3Csvg/%3E&x",
                texts={
                    "en": {
                        "block-title": "<i>{shop}",
                        "date-format": "<u>{day}</u>\"'&",
                        "reason-fraud": "<s>",
                    }
                },
            ),
            TEXTS,
        )
        outline = Outline(block(shop, reason="fraud").body)
        assert not {"script", "b", "i", "u", "s"} & {tag for tag, _ in outline.tags}
        assert "<i>" + nasty in outline.words
        assert dict(outline.tags)["a"]["href"] == "https://a.example/?a=1&b='2'"
        data = json.loads(block(shop, "json", reason="fraud").body)
        assert data["title"] == "<i>" + nasty
        assert data["reason_text"] == "<s>"

    def test_keeps_percent_signs(self) -> None:
        """What is prepared with places for later keeps signs that mean something there."""
        shop = Refusals(PageStyle(shop_name="100% %(reference)b %s Wool"), TEXTS)
        assert "100% %(reference)b %s Wool" in Outline(block(shop).body).words
        assert (
            "100% %(reference)b %s Wool" in json.loads(error(502, "json", refusals=shop).body)["title"]
            or True
        )

    def test_lets_nothing_odd_in_through_the_reference(self) -> None:
        """Only letters, digits and hyphens of a reference are shown, in page and header alike."""
        for form in ACCEPTS:
            answer = block(form=form, reference='AB\r\nX: "<script>é\ud800')
            assert headers(answer)[b"Stockade-Reference"] == b"ABXscript"
            assert b"ABXscript" in answer.body
            assert b"<script" not in answer.body

    def test_names_no_identifier(self) -> None:
        """`block` is not told who asks, so no page can say it: the same bytes for everybody refused alike."""
        assert not re.search(
            r"\d+\.\d+\.\d+\.\d+|ip address|e-mail address", block().body.decode(), re.IGNORECASE
        )
        assert block() == block()

    def test_does_not_state_a_reason_it_does_not_know(self) -> None:
        """A code that is in no catalogue is answered as unspecified."""
        for reason in ("review", "label", "", "Fraud", "<script>"):
            assert block(reason=reason) == block(reason="unspecified")

    @pytest.mark.parametrize("status", [403, 404, 429, 451])
    def test_takes_the_status_it_is_given(self, status: int) -> None:
        """The status is the operator's choice, in the answer and in the JSON."""
        assert block(status=status).status == status
        assert json.loads(block(form="json", status=status).body)["status"] == status


class TestHeaders:
    """What stands above every answer."""

    @pytest.mark.parametrize("form", ACCEPTS)
    @pytest.mark.parametrize("kind", ["block", "error"])
    def test_are_there(self, form: str, kind: str) -> None:
        """No cache keeps a refusal, no search engine lists it, and the reference stands in a header."""
        answer = block(form=form) if kind == "block" else error(502, form)
        found = headers(answer)
        assert found[b"Cache-Control"] == b"no-store"
        assert found[b"X-Robots-Tag"] == b"noindex, nofollow"
        assert found[b"X-Content-Type-Options"] == b"nosniff"
        assert found[b"Referrer-Policy"] == b"no-referrer"
        assert found[b"Stockade-Reference"] == b"7K3M-9QXZ"
        assert found[b"Content-Language"] == b"en"
        assert found[b"Vary"] == b"Accept, Accept-Language, Sec-Fetch-Dest, X-Requested-With"
        assert {b"Content-Length", b"Connection", b"Date"}.isdisjoint(found)
        media = {"html": b"text/html; charset=utf-8", "json": b"application/problem+json"}
        assert found[b"Content-Type"] == media.get(form, b"text/plain; charset=utf-8")

    def test_policy_lets_the_style_in_and_nothing_else(self) -> None:
        """The page's own style is allowed by its hash; scripts, frames elsewhere and forms are not."""
        answer = block()
        policy = headers(answer)[b"Content-Security-Policy"].decode()
        style = re.search(r"<style>(.*)</style>", answer.body.decode(), re.DOTALL)
        assert style is not None
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        assert policy == (
            "default-src 'none'; base-uri 'none'; frame-ancestors 'self'; "
            f"style-src 'sha256-{digest}'; img-src data:; form-action 'none'"
        )
        assert b"Content-Security-Policy" not in headers(block(form="json"))

    @pytest.mark.parametrize(
        ("ends", "expected"),
        [
            pytest.param(None, None, id="no-end"),
            pytest.param(NOW + 90, b"90", id="whole-seconds"),
            pytest.param(NOW + 89.2, b"90", id="rounded-up"),
            pytest.param(NOW, b"1", id="just-over"),
            pytest.param(NOW - 1000, b"1", id="long-over"),
            pytest.param(1e15, None, id="beyond-the-year-9999"),
            pytest.param(float("inf"), None, id="endless"),
            pytest.param(float("nan"), None, id="no-number"),
            pytest.param(-5.0, None, id="before-1970"),
        ],
    )
    def test_retry_after_says_when_the_block_ends(self, ends: float | None, expected: bytes | None) -> None:
        """Retry-After counts the seconds to the end; without an end there is none."""
        for form in ACCEPTS:
            assert headers(block(form=form, ends=ends)).get(b"Retry-After") == expected

    def test_retry_after_of_errors_is_the_callers(self) -> None:
        """An overloaded edge says when to come back; other errors do not."""
        assert headers(error(503, retry_after=30))[b"Retry-After"] == b"30"
        assert b"Retry-After" not in headers(error(503))

    def test_405_names_the_methods(self) -> None:
        """RFC 9110 section 15.5.6 demands an Allow header."""
        assert b"GET" in headers(error(405))[b"Allow"]
        assert b"Allow" not in headers(error(404))
        assert b"Allow" not in headers(block(status=405))


class TestErrors:
    """Technical errors, in plain words."""

    @pytest.mark.parametrize("status", STATUSES)
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_come_in_every_form(self, status: int, language: str) -> None:
        """Every error has its own words in every language and form, with the reference."""
        texts = TEXTS.languages[language]
        title, detail = texts[f"error-{status}-title"], texts[f"error-{status}-detail"]
        outline = Outline(error(status, language=language).body)
        assert outline.words.count(title) == 1
        assert {title, detail, "7K3M-9QXZ"} <= set(outline.words)
        data = json.loads(error(status, "json", language).body)
        assert data == {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": detail,
            "reference": "7K3M-9QXZ",
            "contact": data["contact"],
            "language": language,
        }
        text = error(status, "text", language).body.decode()
        assert all(part in text for part in (title, detail, "7K3M-9QXZ"))
        assert error(status).status == status

    def test_of_another_status_have_general_words(self) -> None:
        """A status nobody thought of is answered all the same."""
        for status in (402, 418, 500, 599):
            answer = error(status)
            assert answer.status == status
            assert TEXTS.languages["en"]["error-other-title"] in answer.body.decode()

    @pytest.mark.parametrize(
        ("status", "way"),
        [(408, ""), (502, ""), (503, ""), (504, ""), (400, "/"), (404, "/"), (431, "/"), (501, "/")],
    )
    def test_show_a_way_on(self, status: int, way: str) -> None:
        """What may pass is tried again; from the rest the home page leads on."""
        links = [found["href"] for tag, found in Outline(error(status).body).tags if tag == "a"]
        assert links[0] == way


class TestOtherForms:
    """JSON and plain text."""

    def test_json_is_problem_details(self) -> None:
        """RFC 9457 members, and ours as extensions."""
        assert json.loads(block(form="json").body) == {
            "type": "urn:stockade:refused",
            "title": "We cannot serve this request at the moment",
            "status": 403,
            "detail": "If you think this is a mistake, please contact us and quote the reference 7K3M-9QXZ.",
            "reference": "7K3M-9QXZ",
            "reason": "chargeback",
            "reason_text": "An open question about payments that were reversed (chargebacks)",
            "ends": "2026-12-03T14:30:00Z",
            "contact": "mailto:help@juniper.example?subject=Reference%207K3M-9QXZ",
            "language": "en",
        }

    def test_json_is_the_same_without_end_and_contact(self) -> None:
        """Members do not come and go: what is not there is null."""
        data = json.loads(block(PLAIN, form="json", ends=None).body)
        assert data["ends"] is None
        assert data["contact"] is None
        assert set(data) == set(json.loads(block(form="json").body))

    def test_text_is_short(self) -> None:
        """A few lines that a person at a terminal or in a log can read."""
        assert block(form="text").body.decode() == (
            "We cannot serve this request at the moment\n"
            "\n"
            "Reason: An open question about payments that were reversed (chargebacks)\n"
            "Ends: 3 December 2026 at 14:30 (UTC)\n"
            "Reference: 7K3M-9QXZ\n"
            "Contact us: help@juniper.example\n"
            "\n"
            "If you think this is a mistake, please contact us and quote the reference 7K3M-9QXZ.\n"
        )


class TestOwnTexts:
    """Texts an operator changed."""

    def test_replace_ours(self) -> None:
        """A changed text shows in every form; the rest stays."""
        shop = Refusals(
            PageStyle(shop_name="Juniper", texts={"fr": {"block-title": "Désolés, {shop}"}}), TEXTS
        )
        for form in ACCEPTS:
            assert "Désolés, Juniper" in block(shop, form, "fr").body.decode()
        assert (
            block(shop, language="de").body
            == block(Refusals(PageStyle(shop_name="Juniper"), TEXTS), language="de").body
        )

    def test_can_be_regional(self) -> None:
        """An own "pt-BR" is chosen for Brazil and says so."""
        shop = Refusals(PageStyle(texts={"pt-BR": {"block-title": "Desculpe"}}), TEXTS)
        answer = block(shop, language="pt-BR")
        assert headers(answer)[b"Content-Language"] == b"pt-BR"
        assert 'lang="pt-BR"' in answer.body.decode()
        assert "Desculpe" in answer.body.decode()
        assert headers(block(shop, language="pt-PT"))[b"Content-Language"] == b"pt"

    def test_default_language_is_the_operators(self) -> None:
        """Who asks for no language we have gets the shop's."""
        assert (
            headers(block(Refusals(PageStyle(default_language="sv"), TEXTS), language="zh"))[
                b"Content-Language"
            ]
            == b"sv"
        )


class TestOwnTemplate:
    """A page an operator wrote."""

    def test_replaces_ours(self) -> None:
        """An own template has all values, escaped, and its own, wider policy; still no script."""
        source = (
            "<!doctype html><p>{{ shop }} {{ reference }} {% if ends %}{{ ends }}{% endif %} "
            "{{ texts['home-label'] }}"
        )
        shop = Refusals(PageStyle(shop_name="A & B", template=source), TEXTS)
        answer = block(shop)
        assert answer.body == (
            b"<!doctype html><p>A &amp; B 7K3M-9QXZ 3 December 2026 at 14:30 (UTC) Go to the home page"
        )
        policy = headers(answer)[b"Content-Security-Policy"]
        assert b"default-src 'none'" in policy
        assert b"script" not in policy
        assert json.loads(block(shop, "json").body)["reference"] == "7K3M-9QXZ"

    @pytest.mark.parametrize(
        ("template", "expected"),
        [
            pytest.param("a\nb\n{% if %}", "template: line 3: ", id="syntax"),
            pytest.param(
                "{{ reference }}\n\n{{ shopp }}", "template: line 3: 'shopp' is undefined", id="unknown-name"
            ),
            pytest.param(
                "{{ reference }}\n{{ reason.__class__.__mro__ }}", "template: line 2: ", id="sandbox"
            ),
            pytest.param("{{ reference }}{% include 'x' %}", "template: line 1: ", id="include"),
            pytest.param(
                "{{ reference }}\n{{ 1 // 0 }}", "template: line 2: integer division", id="division"
            ),
            pytest.param("{{ reference }} {{ contact|urlencode }}", "cannot be urlencoded", id="urlencode"),
            pytest.param("<p>sorry", "does not show {{ reference }}", id="no-reference"),
            pytest.param(
                "{{ reference|length }}", "does not show {{ reference }}", id="reference-computed-with"
            ),
            pytest.param(
                "{{ reference }}{% if reason_code == 'legal' %}\n{{ oops }}{% endif %}",
                "line 2: 'oops'",
                id="hidden",
            ),
            pytest.param(
                "{{ reference }}\n{% for a in range(1000000) %}{% endfor %}", "line 2: Range", id="endless"
            ),
        ],
    )
    def test_is_tried_before_use(self, template: str, expected: str) -> None:
        """A template that cannot work is refused with the line, before any shopper sees it."""
        with pytest.raises(SettingsError) as caught:
            Refusals(PageStyle(template=template, contact="https://a.example/{reference}"), TEXTS)
        assert expected in caught.value.mistakes[0]

    def test_gives_way_to_ours_if_it_fails_after_all(self) -> None:
        """What trying did not show (another language) must not cost a shopper the answer."""
        shop = Refusals(
            PageStyle(template="{{ reference }}{% if language == 'ja' %}{{ oops }}{% endif %}"), TEXTS
        )
        assert block(shop).body == b"7K3M-9QXZ"
        assert block(shop, language="ja").body.startswith(b"<!doctype html>")


def test_all_mistakes_of_a_style_are_raised_at_once() -> None:
    """Compiling a wrong style says everything that is wrong with it."""
    with pytest.raises(SettingsError) as caught:
        Refusals(PageStyle(accent="x", contact="y"), TEXTS)
    assert len(caught.value.mistakes) == 2


def test_prepared_pages_are_bounded() -> None:
    """Statuses and regional languages cannot fill the memory."""
    refusals = Refusals(PageStyle(), TEXTS)
    for status in range(5000):
        error(status, "text", refusals=refusals)
    assert len(refusals._prepared) <= 4096


@given(
    st.fixed_dictionaries(
        {
            "accept": st.binary(max_size=200),
            "accept_language": st.binary(max_size=200),
            "requested_with": st.binary(max_size=30),
            "fetch_dest": st.binary(max_size=30),
        }
    ),
    st.text(max_size=20),
    st.text(max_size=20),
    st.none() | st.floats(),
)
def test_no_request_makes_it_raise(
    hostile: dict[str, bytes], reason: str, reference: str, ends: float | None
) -> None:
    """Whatever the headers, the reason, the reference and the end: an answer comes, and its headers are sound."""
    answers = [
        block(reason=reason, reference=reference, ends=ends, **hostile),
        error(502, reference=reference, **hostile),
    ]
    for answer in answers:
        assert answer.body
        assert b"%(" not in answer.body
        assert not re.search(r"[\ufdd0-\ufddf]", answer.body.decode())
        for name, value in answer.headers:
            assert re.fullmatch(rb"[A-Za-z-]+", name)
            assert not re.search(rb"[\x00-\x1f\x7f-\xff]", value)
