from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.refusal.reference import SYMBOLS, make_reference, parse_reference


@given(st.integers())
def test_a_reference_is_two_groups_of_four(random: int) -> None:
    """Any number gives eight symbols of the alphabet, and reads back as itself."""
    reference = make_reference(random)
    assert re.fullmatch(f"[{SYMBOLS}]{{4}}-[{SYMBOLS}]{{4}}", reference)
    assert parse_reference(reference) == reference


def test_the_alphabet_is_safe_to_read_aloud() -> None:
    """No letter that looks like a digit, and no vowel, so that no word can come up."""
    assert len(SYMBOLS) == len(set(SYMBOLS)) == 30
    assert not set(SYMBOLS) & set("AEIOUL")


def test_all_codes_come_up() -> None:
    """Neighbouring numbers give different codes, over the whole range."""
    assert make_reference(0) == "0000-0000"
    assert make_reference(30**8 - 1) == "ZZZZ-ZZZZ"
    assert make_reference(30**8) == make_reference(0)
    assert len({make_reference(number) for number in range(10_000)}) == 10_000


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        pytest.param("7K3M-9QXZ", "7K3M-9QXZ", id="as-shown"),
        pytest.param(" 7k3m9qxz ", "7K3M-9QXZ", id="sloppy"),
        pytest.param("7K3M 9QXZ", "7K3M-9QXZ", id="blank"),
        pytest.param("OiL0-1111", "0110-1111", id="misread-letters"),
        pytest.param("7K3M-9QX", None, id="too-short"),
        pytest.param("7K3M-9QXZ2", None, id="too-long"),
        pytest.param("7K3M-9QXA", None, id="vowel"),
        pytest.param("", None, id="empty"),
        pytest.param("ééééЖЖЖЖ", None, id="other-script"),
    ],
)
def test_a_reference_is_read_as_people_type_it(typed: str, expected: str | None) -> None:
    """Case, blanks and look-alikes do not matter; anything else is no reference."""
    assert parse_reference(typed) == expected


@given(st.text(max_size=30))
def test_reading_never_raises(typed: str) -> None:
    """What reads as a reference is in the form that is shown."""
    reference = parse_reference(typed)
    assert reference is None or parse_reference(reference) == reference
