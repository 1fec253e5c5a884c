"""The short code on a page by which support finds the decision."""

from __future__ import annotations

from typing import Final

# Crockford's base 32 (crockford.com/base32.html) has no I, L, O (read as 1, 1, 0) and no U. A and E are
# left out as well: without vowels a random code spells no word, rude or otherwise, in any of our languages.
# What is left is a subset of Crockford's symbols, so his forgiving way of reading codes still holds.
SYMBOLS: Final = "0123456789BCDFGHJKMNPQRSTVWXYZ"
_MISREAD: Final = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})


def make_reference(random: int) -> str:
    """Write `random` as a code such as "7K3M-9QXZ": 8 of 30 symbols (39 bits), easy to read aloud.

    Pass at least 64 random bits, so that the remainder taken here favours no code (bias below 1 in 10
    million). At 1,000 refusals a day, a code is as likely as not to have come twice after 2.6 years; the times
    of the two decisions tell them apart.
    """
    letters = []
    for _ in range(8):
        random, digit = divmod(random, len(SYMBOLS))
        letters.append(SYMBOLS[digit])
    code = "".join(letters)
    return f"{code[:4]}-{code[4:]}"


def parse_reference(text: str) -> str | None:
    """Read a code as a person types or dictates it; None when it cannot be one.

    Case, spaces and hyphens do not matter; O is read as 0, I and L as 1 (Crockford's decoding rule).
    """
    code = text.upper().translate(_MISREAD)
    if len(code) != 8 or any(letter not in SYMBOLS for letter in code):
        return None
    return f"{code[:4]}-{code[4:]}"
