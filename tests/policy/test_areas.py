from __future__ import annotations

import pytest

from proxy.policy.areas import AREAS, covers


@pytest.mark.parametrize("area", AREAS)
def test_site_is_every_area_but_webhook_and_open(area: str) -> None:
    """A site-wide block never holds up a payment notice nor hides how to object."""
    assert covers(("site",), area) is (area not in {"webhook", "open"})


@pytest.mark.parametrize(
    ("scope", "area", "covered"),
    [
        pytest.param(("checkout",), "checkout", True, id="named"),
        pytest.param(("checkout",), "browse", False, id="not-named"),
        pytest.param(("login", "checkout"), "checkout", True, id="one-of-several"),
        pytest.param(("webhook",), "webhook", False, id="webhook-even-when-named"),
        pytest.param(("open",), "open", False, id="open-even-when-named"),
        pytest.param(("site",), "chekcout", True, id="misspelt-area-is-no-way-round"),
        pytest.param(("checkout",), "chekcout", False, id="misspelt-area-outside-a-set"),
    ],
)
def test_a_scope_covers_what_it_names(scope: tuple[str, ...], area: str, *, covered: bool) -> None:
    """A set of areas covers its members, and nothing covers the exempt areas."""
    assert covers(scope, area) is covered
