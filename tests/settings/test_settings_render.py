"""The default file, the manual and what is in effect."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from proxy.settings import Settings, load, parse_settings
from proxy.settings.__main__ import MARKER, render_manual, save_made_files
from proxy.settings.catalogue import options, options_of
from proxy.settings.masking import hide_passwords
from proxy.settings.render import effective_values, render_default_file, render_effective, render_reference
from proxy.settings.schema import Listener

ROOT = Path(__file__).parents[2]
DEFAULT_FILE = ROOT / "config" / "stockade.toml"
MANUAL = ROOT / "docs" / "configuration.md"
OPTIONS = re.compile(r"^#([a-z_]+ = )", re.MULTILINE)


def manual_blocks(kind: str) -> list[Any]:
    """Return the code blocks of one kind in the hand-written part of the manual."""
    head = MANUAL.read_text("utf-8").partition(MARKER)[0]
    found = re.findall(rf"^```{kind}\n(.*?)^```", head, re.MULTILINE | re.DOTALL)
    return [pytest.param(text, id=f"{kind}-{number}") for number, text in enumerate(found)]


def test_the_default_file_is_made_from_the_schema() -> None:
    """If this fails: python -m proxy.settings."""
    assert DEFAULT_FILE.read_text("utf-8") == render_default_file()


def test_the_manual_is_made_from_the_schema() -> None:
    """If this fails: python -m proxy.settings."""
    text = MANUAL.read_text("utf-8")
    assert text == render_manual(text)


def test_the_default_file_is_the_defaults() -> None:
    """As it is, and with every option's # taken away."""
    text = DEFAULT_FILE.read_text("utf-8")
    assert parse_settings(text, {}, "s") == Settings()
    bare, count = OPTIONS.subn(r"\1", text)
    assert count == len(options())
    assert parse_settings(bare, {}, "s") == Settings()
    assert (
        sum(len(v) if isinstance(v, dict) and k != "x" else 1 for k, v in tomllib.loads(bare).items())
        == count
    )


def test_every_option_stands_in_the_manual() -> None:
    """With its meaning, default and variable; listeners' options too."""
    reference = render_reference()
    for option in (*options(), *options_of(Listener)):
        assert option.meaning.endswith("."), option.name
        assert f"#### `{option.name}`\n\n{option.meaning}" in reference
    for option in options():
        assert f"- Environment: `{option.variable}`" in reference


@pytest.mark.parametrize("text", manual_blocks("toml"))
def test_examples_of_the_manual_are_right(text: str) -> None:
    """Whoever copies one gets no mistake."""
    assert parse_settings(text, {}, "manual") != Settings()


@pytest.mark.parametrize("text", manual_blocks("sh"))
def test_variables_of_the_manual_are_right(text: str) -> None:
    """Whoever copies one gets no mistake."""
    environ = dict(line.split("=", 1) for line in text.splitlines())
    assert parse_settings("", environ, "manual").timeouts.drain_wait == 10.0


def test_the_made_files_are_written(tmp_path: Path) -> None:
    """What the test above holds equal is what the command writes."""
    (tmp_path / "config").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "configuration.md").write_text(f"hand\n{MARKER}old", "utf-8")
    save_made_files(tmp_path)
    assert (tmp_path / "config" / "stockade.toml").read_text("utf-8") == render_default_file()
    made = (tmp_path / "docs" / "configuration.md").read_text("utf-8")
    assert made == f"hand\n{MARKER}\n{render_reference()}"
    with pytest.raises(ValueError, match="must hold the line"):
        render_manual("hand")


def test_what_is_in_effect_can_be_loaded_again(tmp_path: Path) -> None:
    """`config show` prints a settings file; each option says where it is from."""
    path = tmp_path / "s.toml"
    path.write_text(
        'listen = ["a:1", { address = "b:2" }]\n[client_address]\nsingle_value."A B-C" = []\n'.replace(
            '"A B-C" = []', 'X-A = ["10.0.0.0/8"]'
        ),
        "utf-8",
    )
    loaded = load(path, {"STOCKADE_WORKERS": "7"})
    text = render_effective(loaded.settings, loaded.origins)
    assert parse_settings(text, {}, "s") == loaded.settings
    lines = {
        line.partition(" = ")[0]: line.rpartition("# ")[2] for line in text.splitlines() if " = " in line
    }
    assert lines["listen"] == f"{path}:1"
    assert lines["single_value"] == f"{path}:3"
    assert lines["workers"] == "environment variable STOCKADE_WORKERS"
    assert lines["mode"] == "default"


def test_what_is_in_effect_hides_passwords(tmp_path: Path) -> None:
    """Output of `config show` ends up in tickets."""
    path = tmp_path / "s.toml"
    path.write_text('store = "redis://stockade:s3cret@h/0?password=t0ken"\n', "utf-8")
    loaded = load(path, {})
    text = render_effective(loaded.settings, loaded.origins)
    values = effective_values(loaded.settings, loaded.origins)
    assert "s3cret" not in text + str(values)
    assert "t0ken" not in text + str(values)
    assert values["store"] == {"value": "redis://stockade:***@h/0?password=***", "from": f"{path}:1"}
    assert values["workers"] == {"value": 0, "from": "default"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("redis://h:6379/0", "redis://h:6379/0", id="none"),
        pytest.param("redis://u:p@h", "redis://u:***@h", id="user"),
        pytest.param("redis://:p@h", "redis://:***@h", id="password-alone"),
        pytest.param("redis://u:p@ss/w:rd@h", "redis://u:***@h", id="not-encoded"),
        pytest.param("unix:///s?db=0&password=p&x=1", "unix:///s?db=0&password=***&x=1", id="query"),
        pytest.param("redis://h?ssl_password=p&db=1", "redis://h?ssl_password=***&db=1", id="ssl_password"),
        pytest.param("redis://h?a=1&API_TOKEN=p", "redis://h?a=1&API_TOKEN=***", id="token"),
        pytest.param("redis://h?api_%54oken=p", "redis://h?api_%54oken=***", id="encoded-name"),
        pytest.param("redis://h?client_secret=p@q", "redis://h?client_secret=***", id="at-in-a-secret"),
        pytest.param("redis://u:x@h?password=p@q", "redis://u:***@h?password=***", id="user-and-query"),
        pytest.param("redis://:p?q@h/0", "redis://:***@h/0", id="question-mark"),
        pytest.param("redis://:p?a=1@h/0", "redis://:***", id="looks-like-a-query"),
        pytest.param("redis://:p/w", "redis://:***", id="cut-off"),
        pytest.param("http://127.0.0.1:9001; go on", "http://127.0.0.1:9001; go on", id="port"),
        pytest.param("http://[::1]", "http://[::1]", id="IPv6"),
        pytest.param("rediss://h:1?ssl_ca_certs=/a", "rediss://h:1?ssl_ca_certs=/a", id="no-secret"),
        pytest.param('["redis://:a@h", "redis://:b@h"]', '["redis://:***@h", "redis://:***@h"]', id="two"),
    ],
)
def test_passwords_are_hidden(text: str, expected: str) -> None:
    """Whatever form the address has."""
    assert hide_passwords(text) == expected
