from __future__ import annotations

import re

import pytest

from proxy.policy.reasons import REASONS
from proxy.refusal.texts import LANGUAGES, apply_overrides, fill, find_text_mistakes, load_texts, places

TEXTS = load_texts().languages
ENGLISH = TEXTS["en"]
STATUSES = (400, 404, 405, 408, 413, 414, 417, 421, 431, 501, 502, 503, 504, 505)


@pytest.mark.parametrize("language", LANGUAGES)
class TestLanguage:
    """What holds for the file of every language."""

    def test_is_complete(self, language: str) -> None:
        """Every language has the keys of English, in its order, and no text is empty."""
        assert list(TEXTS[language]) == list(ENGLISH)
        assert all(text.strip() == text and text for text in TEXTS[language].values())

    def test_has_the_same_places(self, language: str) -> None:
        """A text has the places of its English original, so that nothing is lost in translation."""
        assert {key: places(text) for key, text in TEXTS[language].items()} == {
            key: places(text) for key, text in ENGLISH.items()
        }

    def test_is_translated(self, language: str) -> None:
        """No sentence was left in English."""
        if language != "en":
            same = {key for key, text in TEXTS[language].items() if text == ENGLISH[key] and len(text) > 12}
            assert same <= {"label-join"}

    def test_words_every_public_reason(self, language: str) -> None:
        """The catalogue covers exactly the codes that an entry can bear."""
        codes = {key.removeprefix("reason-") for key in TEXTS[language] if key.startswith("reason-")}
        assert codes - {"label"} == set(REASONS)

    def test_words_every_error(self, language: str) -> None:
        """Every status we answer with has a title and a sentence, and so has any other."""
        for name in (*STATUSES, "other"):
            assert f"error-{name}-title" in TEXTS[language]
            assert f"error-{name}-detail" in TEXTS[language]

    def test_reads_in_its_direction(self, language: str) -> None:
        """Arabic runs right to left, the others left to right."""
        assert TEXTS[language]["direction"] == ("rtl" if language == "ar" else "ltr")

    def test_uses_no_straight_apostrophe(self, language: str) -> None:
        """Typographic quotes throughout, and no double blanks."""
        for text in TEXTS[language].values():
            assert not re.search(r"'|  |\.\.\.", text)

    def test_puts_blanks_that_do_not_break_where_french_wants_them(self, language: str) -> None:
        """In French no line may begin with a colon or a question mark."""
        if language == "fr":
            assert not any(re.search(r"(?:^|[^\u00a0])[:;?!](?:\s|$)", text) for text in TEXTS["fr"].values())


# The identifier that hit must not show through the words either: no text of a refusal may speak of an address, a
# network, a connection, an account or a mail, in any language.
HINTS = re.compile(
    r"\bIP\b|addres|adress|adres|indirizz|direcci|endere|アドレス|عنوان"
    r"|network|netz|netwerk|réseau|rete\b|nätverk|netværk|sieci|ネットワーク|شبكة"
    r"|connection|verbindung|verbinding|connexion|conexión|ligação|połączeni|anslutning|forbindelse|接続|اتصال"
    r"|account|konto|compte\b|cuenta|アカウント|حساب"
    r"|e-?mail|mejl|courriel|correo|メール|بريد",
    re.IGNORECASE,
)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_refusal_hints_at_the_identifier(language: str) -> None:
    """Neither the page's words nor a reason say what was recognised."""
    for key, text in TEXTS[language].items():
        if not key.startswith("error-"):
            assert not HINTS.search(text), key


def test_no_refusal_accuses() -> None:
    """The words blame nobody and do not speak of blocking people."""
    for key, text in ENGLISH.items():
        if not key.startswith("error-"):
            blame = re.search(
                r"\b(you (are|were|have)|block|ban|suspicious|fraud|abuse|attack)", text, re.IGNORECASE
            )
            assert not blame, key


def test_places_are_filled_as_text() -> None:
    """Only plain names are places; a template trick in a text stays what it is."""
    assert fill("{shop} {shop.__class__} {0} {unknown} {}", {"shop": "{reference}", "reference": "no"}) == (
        "{reference} {shop.__class__} {0} {unknown} {}"
    )


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        pytest.param({}, [], id="none"),
        pytest.param({"fr": {"block-title": "Désolés"}}, [], id="fine"),
        pytest.param({"pt-BR": {"contact-label": "Fale conosco"}}, [], id="regional"),
        pytest.param({"en": {"block-title": "{shop} is sorry: {reference}"}}, [], id="places-anywhere"),
        pytest.param(
            {"fr": {"blok-title": "x"}}, ['texts.fr.blok-title: there is no text "blok-title"'], id="key"
        ),
        pytest.param({"fr": {"blok-title": "x"}}, ['did you mean "block-title"?'], id="nearest-key"),
        pytest.param({"no": {"block-title": "x"}}, ['texts.no: there is no language "no"'], id="language"),
        pytest.param({"nd": {"block-title": "x"}}, ["Known: en, fr, nl"], id="known-languages"),
        pytest.param({"EN": {"block-title": "x"}}, ["texts.EN: there is no language"], id="capital-language"),
        pytest.param({"en": {"block-title": " "}}, ["must not be empty"], id="empty"),
        pytest.param({"en": {"block-title": 3}}, ["in quotes"], id="number"),
        pytest.param({"en": {"direction": "up"}}, ['"ltr"'], id="direction"),
        pytest.param({"en": {"block-title": "{ip}"}}, ['"{ip}" has no meaning here'], id="unknown-place"),
        pytest.param({"en": {"month-01": "{day}"}}, ["allowed: none"], id="place-in-a-month"),
        pytest.param({"en": {"date-format": "{date}"}}, ["{day}, {hour}, {minute}"], id="place-in-a-date"),
        pytest.param(
            {"en": {"a": "x", "b": "y"}, "zz": {}}, ["texts.en.a", "texts.en.b", "texts.zz"], id="all-at-once"
        ),
    ],
)
def test_mistakes_in_texts(overrides: dict[str, dict[str, str]], expected: list[str]) -> None:
    """Every mistake is found at once and names language, key and way out."""
    mistakes = find_text_mistakes(TEXTS, overrides)
    assert bool(mistakes) == bool(expected)
    for part in expected:
        assert any(part in mistake for mistake in mistakes), mistakes


def test_overrides_lie_over_ours_key_by_key() -> None:
    """What an operator leaves out stays ours; a regional language stands on its kin as changed."""
    texts = apply_overrides(
        TEXTS,
        {
            "pt-BR": {"contact-label": "Fale conosco"},
            "pt": {"again-label": "De novo", "home-label": "Início"},
        },
    )
    assert texts["pt"]["again-label"] == texts["pt-BR"]["again-label"] == "De novo"
    assert texts["pt-BR"]["contact-label"] == "Fale conosco"
    assert texts["pt"]["contact-label"] == TEXTS["pt"]["contact-label"]
    assert texts["en"] == ENGLISH
    assert apply_overrides(TEXTS, {"zz": {"block-title": "x"}}) == dict(TEXTS)
