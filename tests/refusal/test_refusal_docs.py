"""Everything docs/block-page.md shows is run: its examples, its table of forms, its lists of names."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from proxy.policy.reasons import REASONS
from proxy.refusal import PageStyle, Refusals, find_mistakes, load_texts
from proxy.refusal.negotiation import Negotiator
from proxy.refusal.texts import LANGUAGES
from proxy.refusal.wording import word_error

PAGE = (Path(__file__).parents[2] / "docs" / "block-page.md").read_text("utf-8")
TEXTS = load_texts()
STYLE = PageStyle(shop_name="Juniper & Thread", contact="mailto:help@juniper.example")
CALLER = {"accept_language": b"en", "requested_with": b"", "fetch_dest": b"", "reference": "7K3M-9QXZ"}


def examples(language: str) -> list[str]:
    """List the fenced examples in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def block(refusals: Refusals, accept: bytes) -> bytes:
    """Refuse the request that the examples are about."""
    return refusals.block(
        **CALLER, accept=accept, reason="chargeback", ends=1796308200.0, now=1795500000.0, status=403
    ).body


def test_the_table_of_reasons_is_what_shoppers_read() -> None:
    """Every public reason code, in order, with its English sentence."""
    section = PAGE.partition("### Reasons")[2].partition("\n### ")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", section, re.MULTILINE)
    assert rows[1:] == [(code, TEXTS.languages["en"][f"reason-{code}"]) for code in REASONS]


def test_the_json_examples_are_what_is_sent() -> None:
    """The shapes that a frontend is written against are exact, to the order of the members."""
    refused, broken = (json.loads(example, object_pairs_hook=list) for example in examples("json"))
    refusals = Refusals(STYLE, TEXTS)
    assert json.loads(block(refusals, b"application/json"), object_pairs_hook=list) == refused
    answer = refusals.error(502, **CALLER, accept=b"application/json")
    assert json.loads(answer.body, object_pairs_hook=list) == broken


def test_the_text_example_is_what_is_sent() -> None:
    """The plain text is exact as well."""
    assert [block(Refusals(STYLE, TEXTS), b"text/plain").decode()] == examples("text")


def test_the_template_example_works() -> None:
    """The template can be copied and used."""
    [template] = examples("html")
    page = block(Refusals(PageStyle(template=template), TEXTS), b"text/html").decode()
    assert "<p>Reference: 7K3M-9QXZ</p>" in page


def test_the_settings_examples_are_right() -> None:
    """The settings and the texts shown are taken without a mistake."""
    settings, texts = (tomllib.loads(example) for example in examples("toml"))
    style = PageStyle(**settings["block_page"], texts=texts)
    assert find_mistakes(style, TEXTS.languages) == []
    assert "Juniper & Thread cannot serve" in block(Refusals(style, TEXTS), b"text/plain").decode()


def test_every_text_is_listed() -> None:
    """The table of keys is complete and shows the English text."""
    for key, text in TEXTS.languages["en"].items():
        assert key.startswith("month-") or f"| `{key}` | {text} |" in PAGE, key


def test_every_name_of_a_template_is_listed() -> None:
    """The names a template can use are all there."""
    listed = set(re.findall(r"`([a-z_]+)`", PAGE.partition("| name | what it is |")[2].partition("\n\n")[0]))
    values = word_error(STYLE, "en", TEXTS.languages["en"], status=502).render_html_values("")
    assert listed == {*values, "css"}


def test_every_language_is_listed() -> None:
    """All languages are named with their tags."""
    assert all(f"`{tag}`" in PAGE for tag in LANGUAGES)


ROWS = re.findall(r"^\| ([^|]+) \| `([^|]+)` \| ([^|]*) ?\| (html|json|text) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("accept", "hint", "form"), [pytest.param(*row[1:], id=row[0]) for row in ROWS])
def test_the_table_of_forms_is_true(accept: str, hint: str, form: str) -> None:
    """Each row of the table is what is decided."""
    name, _, value = hint.strip(" `").partition(": ")
    hints = {name.lower(): value.encode()}
    negotiator = Negotiator(LANGUAGES, "en")
    found = negotiator.form(
        accept.encode(), hints.get("x-requested-with", b""), hints.get("sec-fetch-dest", b"")
    )
    assert found == form


def test_the_table_of_forms_was_found() -> None:
    """An empty table would hold nothing."""
    assert len(ROWS) == 9
