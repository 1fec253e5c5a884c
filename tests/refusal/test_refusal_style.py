from __future__ import annotations

import pytest

from proxy.refusal.style import PageStyle, derive_colours, derive_logo_source, find_mistakes, render_contact
from proxy.refusal.texts import load_texts

SHIPPED = load_texts().languages


@pytest.mark.parametrize(
    "style",
    [
        pytest.param(PageStyle(), id="defaults"),
        pytest.param(PageStyle(shop_name="Bäckerei & Söhne <3"), id="name"),
        pytest.param(PageStyle(accent="#fff", background="#000", text_colour="#ffffff"), id="colours"),
        pytest.param(PageStyle(logo="https://cdn.shop.example/logo.svg?v=2"), id="logo-url"),
        pytest.param(PageStyle(logo="data:image/png;base64,iVBORw0KGgo="), id="logo-data"),
        pytest.param(PageStyle(logo="data:image/svg+xml,%3Csvg%3E%3C/svg%3E"), id="logo-svg"),
        pytest.param(PageStyle(contact="https://help.example/contact?ref={reference}"), id="contact-url"),
        pytest.param(PageStyle(contact="mailto:help@shop.example?cc=team@shop.example"), id="contact-mail"),
        pytest.param(PageStyle(contact="tel:+31-20-123.45.67"), id="contact-phone"),
        pytest.param(PageStyle(default_language="ar"), id="language"),
        pytest.param(PageStyle(default_language="pt-BR", texts={"pt-BR": {}}), id="own-language"),
    ],
)
def test_what_is_right_passes(style: PageStyle) -> None:
    """A style that can be shown has no mistakes."""
    assert find_mistakes(style, SHIPPED) == []


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        pytest.param(PageStyle(shop_name="a\nb"), "shop_name: must be one line", id="name-of-two-lines"),
        pytest.param(
            PageStyle(shop_name="a\u2028b"), "shop_name: must be one line", id="name-with-separator"
        ),
        pytest.param(PageStyle(shop_name="x" * 81), "shop_name: has 81 characters; 80", id="long-name"),
        pytest.param(PageStyle(contact_label="x" * 61), "contact_label: has 61", id="long-label"),
        pytest.param(PageStyle(accent="green"), 'accent: "green" is no colour', id="accent-by-name"),
        pytest.param(PageStyle(accent=""), "accent: ", id="no-accent"),
        pytest.param(PageStyle(background="#12345"), "background: ", id="background"),
        pytest.param(PageStyle(text_colour="#xyz"), "text_colour: ", id="text-colour"),
        pytest.param(PageStyle(text_colour="#999"), "contrast of 2.", id="faint-text"),
        pytest.param(PageStyle(background="#111", text_colour="#333"), "4.5:1", id="dark-on-dark"),
        pytest.param(PageStyle(logo="/logo.png"), "neither an https: URL", id="logo-path"),
        pytest.param(PageStyle(logo="http://shop.example/logo.png"), "neither an https: URL", id="logo-http"),
        pytest.param(PageStyle(logo="https://"), "is no host name", id="logo-without-host"),
        pytest.param(PageStyle(logo="https://a.example;script-src/x"), "is no host name", id="logo-into-csp"),
        pytest.param(PageStyle(logo="https://[::1"), "is no host name", id="logo-odd-brackets"),
        pytest.param(PageStyle(logo="https://a.example/a b"), "none a space", id="logo-with-blank"),
        pytest.param(PageStyle(logo="data:text/html,<script>"), "is no data: URL", id="logo-html"),
        pytest.param(
            PageStyle(logo="data:image/png;base64,AA\nAA"), "is no data: URL", id="logo-with-newline"
        ),
        pytest.param(PageStyle(logo="data:image/png," + "x" * 5000), "under 10 kB", id="logo-too-big"),
        pytest.param(PageStyle(contact="help@shop.example"), '"mailto:help@shop.example"', id="bare-mail"),
        pytest.param(PageStyle(contact="/contact"), "would be refused like everything else", id="path"),
        pytest.param(PageStyle(contact="javascript:alert(1)"), "is no contact link", id="script"),
        pytest.param(PageStyle(contact="http://help.example/"), "is no contact link", id="plain-http"),
        pytest.param(PageStyle(contact="tel:help"), "is no contact link", id="phone-without-number"),
        pytest.param(PageStyle(contact="mailto:help"), "is no contact link", id="mail-without-host"),
        pytest.param(PageStyle(contact='https://a.example/"'), "none a space or quote", id="contact-quote"),
        pytest.param(
            PageStyle(contact="mailto:a b@c.example"), "none a space or quote", id="mail-with-blank"
        ),
        pytest.param(PageStyle(contact="https://a.example/{ref}"), "ASCII", id="contact-unknown-place"),
        pytest.param(PageStyle(default_language="eng"), 'did you mean "en"', id="language"),
        pytest.param(PageStyle(texts={"en": {"x": "y"}}), "texts.en.x", id="texts"),
    ],
)
def test_what_is_wrong_is_named(style: PageStyle, expected: str) -> None:
    """A mistake names its field, the rule and the way out, and one thing is one mistake."""
    mistakes = find_mistakes(style, SHIPPED)
    assert len(mistakes) == 1
    assert expected in mistakes[0]


def test_all_mistakes_come_at_once() -> None:
    """An operator mends a file in one go."""
    style = PageStyle(
        shop_name="x" * 99, accent="red", background="blue", logo="x", contact="y", default_language="z"
    )
    fields = [mistake.partition(":")[0] for mistake in find_mistakes(style, SHIPPED)]
    assert fields == ["shop_name", "accent", "background", "logo", "contact", "default_language"]


@pytest.mark.parametrize(
    ("contact", "href", "shown"),
    [
        pytest.param("", "", "", id="none"),
        pytest.param("https://help.example/?r={reference}", "https://help.example/?r=AB-CD", "", id="url"),
        pytest.param(
            "mailto:help@shop.example",
            "mailto:help@shop.example?subject=R%C3%A9f%C3%A9rence%20AB-CD",
            "help@shop.example",
            id="mail-gets-a-subject",
        ),
        pytest.param(
            "mailto:a@b.example?cc=c@d.example",
            "mailto:a@b.example?cc=c@d.example&subject=R%C3%A9f%C3%A9rence%20AB-CD",
            "a@b.example",
            id="mail-with-more",
        ),
        pytest.param(
            "mailto:a@b.example?subject={reference}",
            "mailto:a@b.example?subject=AB-CD",
            "a@b.example",
            id="own-subject",
        ),
        pytest.param("tel:+31201234567", "tel:+31201234567", "+31201234567", id="phone"),
    ],
)
def test_the_contact_link_carries_the_reference(contact: str, href: str, shown: str) -> None:
    """Support gets the reference even if the shopper forgets it."""
    assert render_contact(PageStyle(contact=contact), "Référence", "AB-CD") == (href, shown)


def test_colours_are_derived_from_a_checked_style_only() -> None:
    """A style with mistakes has no colours; who compiles it has looked for mistakes first."""
    with pytest.raises(ValueError, match="mistakes"):
        derive_colours(PageStyle(accent="red"))


def test_only_the_logos_host_is_let_in() -> None:
    """The policy names the logo's origin, nothing wider."""
    assert derive_logo_source(PageStyle(logo="https://cdn.shop.example:8443/a/b.png")) == (
        "https://cdn.shop.example:8443"
    )
    assert derive_logo_source(PageStyle(logo="data:image/png,x")) == ""
