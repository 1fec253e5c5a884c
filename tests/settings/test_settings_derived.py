"""What follows from the settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxy.errors import SettingsError
from proxy.identity.addresses import pack
from proxy.settings import Settings, derived, parse_settings


def test_forwarding_follows_the_client_address_table() -> None:
    """Names are lower-cased bytes, networks are sets; nobody is trusted unless named."""
    text = """
trusted_proxies = ["10.0.0.0/8"]
[client_address]
header = "Forwarded"
unreadable = "refuse"
single_value = { "CF-Connecting-IP" = ["192.0.2.0/24"] }
"""
    forwarding = derived.forwarding(parse_settings(text, {}, "s"))
    assert forwarding.header == b"forwarded"
    assert forwarding.unreadable == "refuse"
    assert pack("10.1.2.3") in forwarding.trusted
    assert pack("192.0.2.1") not in forwarding.trusted
    assert list(forwarding.single_value) == [b"cf-connecting-ip"]
    assert pack("192.0.2.1") in forwarding.single_value[b"cf-connecting-ip"]
    assert not derived.forwarding(Settings()).trusted


def test_addresses_follow_the_settings() -> None:
    """Listeners, upstreams and the admin address are parsed as typed."""
    settings = parse_settings('upstream = ["http://a", "http://b:8"]\nadmin = ""', {}, "s")
    assert [str(upstream) for upstream in derived.upstreams(settings)] == ["http://a:80", "http://b:8"]
    assert [str(listener) for listener in derived.listeners(settings)] == ["127.0.0.1:8080"]
    assert derived.admin_address(settings) is None
    assert str(derived.admin_address(Settings())) == "127.0.0.1:9180"


def test_workers_are_one_a_core_unless_set() -> None:
    """Only cores that this process may use count."""
    assert derived.worker_count(parse_settings("workers = 3", {}, "s")) == 3
    assert 1 <= derived.worker_count(Settings()) <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        pytest.param('data_dir = "/srv/s"', {"STATE_DIRECTORY": "/x"}, "/srv/s", id="set"),
        pytest.param("", {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, "/var/lib/a", id="systemd"),
        pytest.param("", {"XDG_STATE_HOME": "/h/state"}, "/h/state/stockade", id="xdg"),
        pytest.param("", {"XDG_STATE_HOME": "state"}, "~/.local/state/stockade", id="relative-xdg"),
        pytest.param("", {}, "~/.local/state/stockade", id="home"),
    ],
)
def test_the_data_directory_is_found(
    text: str, environ: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting, systemd's, and for an ordinary user the XDG one."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    settings = parse_settings(text, {}, "s")
    assert derived.data_dir(settings, environ) == Path(expected).expanduser()


def test_root_has_the_system_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """/var/lib is where services of the machine keep their state."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert derived.data_dir(Settings(), {"XDG_STATE_HOME": "/h"}) == Path("/var/lib/stockade")


def test_the_page_style_reads_template_and_texts(tmp_path: Path) -> None:
    """Files are read here, so that pages are rendered without any."""
    (tmp_path / "page.html").write_text("<p>{{ reference }}", "utf-8")
    (tmp_path / "texts.toml").write_text('[en]\na = "b"\n', "utf-8")
    text = (
        f'[block_page]\nshop_name = "S"\ntemplate = "{tmp_path}/page.html"\ntexts = "{tmp_path}/texts.toml"'
    )
    style = derived.page_style(parse_settings(text, {}, "s"))
    assert (style.shop_name, style.template, style.texts) == ("S", "<p>{{ reference }}", {"en": {"a": "b"}})
    assert derived.page_style(Settings()).template is None


@pytest.mark.parametrize(
    ("option", "content", "message"),
    [
        pytest.param("template", None, "cannot be read: no such file", id="gone"),
        pytest.param("template", b"\xff", "is not UTF-8 text", id="latin"),
        pytest.param("texts", b"a = ", "is no valid TOML", id="no-toml"),
        pytest.param("texts", b"a = 1", "stands outside a table", id="loose"),
    ],
)
def test_a_page_file_that_changed_since_is_named(
    tmp_path: Path, option: str, content: bytes | None, message: str
) -> None:
    """A reload must be able to say what is wrong and keep the old page."""
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    settings = parse_settings(f'[block_page]\n{option} = "{path}"', {}, "s")
    with pytest.raises(SettingsError, match=message):
        derived.page_style(settings)
