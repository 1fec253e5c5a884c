"""Whole settings files: the good ones load, the bad ones name every mistake with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.errors import SettingsError
from proxy.settings import load, load_settings
from proxy.settings.schema import Settings

HERE = Path(__file__).parent
GOOD = sorted((HERE / "good").glob("*.toml"))
BAD = sorted((HERE / "bad").glob("*.toml"))


def expected_mistakes(path: Path) -> list[str]:
    """Read the comments `# expected: …` of a bad file."""
    lines = path.read_text("utf-8").splitlines()
    marked = [line.partition("# expected: ")[2] for line in lines if "# expected: " in line]
    return [f"{path}{text}".replace("{here}", str(path.parent)) for text in marked]


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in GOOD])
def test_a_good_file_loads(path: Path) -> None:
    """What an operator may write is taken, without a warning once there is a way to object."""
    assert load(path, {"STOCKADE_BLOCK_PAGE__CONTACT": "mailto:help@shop.example"}).warnings == ()


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in BAD])
def test_a_bad_file_names_every_mistake(path: Path) -> None:
    """All mistakes come at once, in the order of the file, each with its line, its meaning and the way out."""
    with pytest.raises(SettingsError) as refused:
        load_settings(path, {})
    assert refused.value.mistakes == expected_mistakes(path)
    assert refused.value.source == str(path)


def test_every_bad_file_expects_something() -> None:
    """A bad file without an expectation would test nothing."""
    assert BAD
    assert all(expected_mistakes(path) for path in BAD)


def test_an_empty_file_is_the_defaults() -> None:
    """Everything has a default that runs."""
    assert load_settings(HERE / "good" / "empty.toml", {}) == Settings()


def test_values_arrive_as_meant() -> None:
    """Times become seconds, sizes bytes, lists tuples; the rest is as written."""
    settings = load_settings(HERE / "good" / "everything.toml", {})
    assert settings.timeouts.drain_wait == 0.5
    assert settings.timeouts.tunnel_idle == 43_200.0
    assert settings.relay.fail_for == 90.0
    assert settings.limits.head_bytes == 65_536
    assert settings.limits.url_bytes == 16_384
    assert settings.limits.body_bytes == 2 * 1024**3
    assert settings.limits.connections == 20_000
    assert settings.trusted_proxies == ("10.0.0.0/8", "fd00::/8")
    assert settings.block_page.shop_name == "Café Zoë"
    assert settings.client_address.single_value["True-Client-IP"] == ("23.32.0.0/11",)
