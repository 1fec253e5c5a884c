from __future__ import annotations

import pytest

from proxy.errors import InputError
from proxy.identity.identifiers import Identifier
from proxy.store.keys import Keys, field_of, identifier_of


def test_all_keys_share_a_hash_tag_and_name_the_schema() -> None:
    """One script may touch them all on a Cluster, and another layout has other names."""
    keys = Keys.of("shop-1")
    names = [keys.entries, keys.version, keys.epoch, keys.changes, keys.audit]
    assert all(name.startswith("{shop-1}:1:") for name in names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["", "a b", "a{b", "}", "é", "a\n"])
def test_a_name_that_breaks_the_hash_tag_is_refused(name: str) -> None:
    """Braces, spaces and control characters are no part of a store's name."""
    with pytest.raises(InputError, match="store name"):
        Keys.of(name)


@pytest.mark.parametrize("value", ["203.0.113.7", "2001:db8::/48", "::"])
def test_a_field_leads_back_to_its_identifier(value: str) -> None:
    """Colons in the value do not matter."""
    one = Identifier("network", value)
    assert identifier_of(field_of(one).encode()) == one
