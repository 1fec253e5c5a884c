from __future__ import annotations

import pytest

from proxy.errors import InputError
from proxy.policy.reasons import REASONS, check_reason


@pytest.mark.parametrize("code", REASONS)
def test_every_code_of_the_catalogue_is_taken(code: str) -> None:
    """A code in the catalogue is a public reason, written in lower case with hyphens, with a meaning."""
    check_reason(code)
    assert code == code.lower().replace("_", "-").replace(" ", "-")
    assert REASONS[code]


@pytest.mark.parametrize("code", ["review", "Review", "bad review", "negative-reviews", "REVIEW_BOMB"])
def test_a_review_is_no_reason(code: str) -> None:
    """A shop must never refuse a customer because of a review; the message says so and names the way out."""
    with pytest.raises(InputError, match="must neither refuse a customer because of a review"):
        check_reason(code)


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        pytest.param("chargebacks", "did you mean chargeback?", id="plural"),
        pytest.param("Order_Pattern", "did you mean order-pattern?", id="spelling"),
        pytest.param("abusive language", "did you mean abusive-language?", id="space"),
        pytest.param("he-was-rude", "choose one of abuse, ", id="far-from-all"),
        pytest.param("", "choose one of abuse, ", id="empty"),
    ],
)
def test_an_unknown_code_is_refused_with_the_nearest(code: str, hint: str) -> None:
    """An unknown code names the one that was probably meant, or all."""
    with pytest.raises(InputError) as error:
        check_reason(code)
    assert hint in str(error.value)
