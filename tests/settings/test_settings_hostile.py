"""Whatever stands in a settings file or its environment: a mistake with a way out, never another exception."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import SettingsError
from proxy.settings import load, load_settings
from proxy.settings.catalogue import options, repr_toml
from proxy.settings.derived import page_style
from proxy.settings.load import reload
from proxy.settings.nesting import DEEPEST
from proxy.settings.text_file import LONGEST_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

# Texts at which parsers, paths and numbers have stumbled.
STRANGE = (
    *(
        "\0",
        "a\0b",
        "~nobody-of-this-name/x",
        "~",
        "x" * 300,
        "x/" * 3000,
        "é" * 200,
        "\u202e",
        "{",
        "{{",
        "\n",
    ),
    *(
        "http://[::1",
        "http://user:p@ss@h:1",
        "http://h:99999",
        "unix:",
        "unix:/a\0b",
        "unix:/" + "a" * 300,
        ":0",
    ),
    *(
        "[fe80::1%eth0]:80",
        "redis://[::1",
        "redis://h:abc",
        "redis://:pa/ss@h:6379/0",
        "redis://h?db=x",
        "rediss://",
    ),
    *(
        "1e400",
        "9" * 5000,
        "9" * 5000 + "s",
        "9" * 5000 + "KiB",
        "9" * 400 + "h",
        "nan",
        "-1",
        "1h1h",
        "10.0.0.0/99",
    ),
)
RAW = (
    *(
        "nan",
        "inf",
        "-inf",
        "1e400",
        "9" * 4000,
        "9" * 5000,
        "0x" + "f" * 5000,
        "-0",
        "2026-01-01",
        "12:00:00",
    ),
    *(
        "2026-13-45",
        "[" * 3000,
        "[" * 3000 + "]" * 3000,
        "[" * 400 + "]" * 400,
        "{a=" * 300 + "1" + "}" * 300,
    ),
    *("[[]]", "[{}]", '{ "\\u0000" = ["10.0.0.0/8"] }', '{ "" = [] }', "[1, [2, {}]]", '"\\uD800"', "'''"),
)
OPTIONS = [option.name for option in options()]

texts = st.sampled_from(STRANGE) | st.text(max_size=20)
scalars = texts | st.integers(-(2**80), 2**80) | st.floats() | st.booleans()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
written = st.sampled_from(RAW) | values.map(repr_toml)


def outcome(read: Callable[[], object]) -> list[str]:
    """Return the mistakes that reading found; anything but SettingsError comes through."""
    try:
        read()
    except SettingsError as error:
        found = error.mistakes
    else:
        return []
    assert found
    assert all(mistake and mistake.isprintable() for mistake in found)
    return found


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for all examples."""
    return tmp_path_factory.mktemp("settings") / "s.toml"


@given(st.dictionaries(st.sampled_from(OPTIONS), written, max_size=3))
def test_a_file_is_taken_or_refused(file: Path, given_values: dict[str, str]) -> None:
    """Any values of any options: settings, or SettingsError with each mistake on one line."""
    file.write_text("".join(f"{name} = {value}\n" for name, value in given_values.items()), "utf-8")
    outcome(lambda: page_style(load_settings(file, {})))


@given(
    st.dictionaries(st.sampled_from([option.variable for option in options()]), written | texts, max_size=3)
)
def test_variables_are_taken_or_refused(given_values: dict[str, str]) -> None:
    """The same holds for the environment, whatever bytes it has."""
    outcome(lambda: load_settings(Path(__file__).parent / "good" / "empty.toml", given_values))


@given(st.binary(max_size=200) | st.text(alphabet="[]{}=\"'\\.,#a1\n", max_size=60).map(str.encode))
def test_any_bytes_are_taken_or_refused(file: Path, data: bytes) -> None:
    """A file need not be TOML, nor text."""
    file.write_bytes(data)
    outcome(lambda: load_settings(file, {}))


@pytest.mark.parametrize("value", [*RAW, *map(repr_toml, STRANGE)])
@pytest.mark.parametrize(
    "name", ["data_dir", "block_page.template", "relay.tls_ca", "limits.body_bytes", "listen"]
)
def test_what_is_strange_is_taken_or_refused(tmp_path: Path, name: str, value: str) -> None:
    """What made it stumble once, for each sort of option, from file and environment."""
    path = tmp_path / "s.toml"
    path.write_text(f"{name} = {value}\n", "utf-8")
    outcome(lambda: page_style(load_settings(path, {})))
    variable = f"STOCKADE_{name.replace('.', '__').upper()}"
    path.write_text("", "utf-8")
    outcome(lambda: load_settings(path, {variable: value}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            'block_page.template = "~nobody-of-this-name/page.html"',
            ":1: block_page.template: '~nobody-of-this-name/page.html': ~nobody-of-this-name is the home of no user of "
            "this machine; write the full path",
            id="home-of-nobody",
        ),
        pytest.param(
            'data_dir = "a\\u0000b"',
            ":1: data_dir: 'a\\x00b' holds a NUL character, which no path can; take it away",
            id="nul",
        ),
        pytest.param(
            'upstream = "unix:/a\\u0000b"', ":1: upstream: 'unix:/a\\x00b': a unix socket is", id="nul-socket"
        ),
        pytest.param(
            "data_dir = " + "[" * 3000 + "]" * 3000, f": lists or tables stand more than {DEEPEST}", id="deep"
        ),
        pytest.param("\nworkers = " + "9" * 5000, ":2: a number has far too many digits", id="digits"),
        pytest.param("workers = 0x" + "f" * 5000, ":1: workers: 0xfff", id="hex-digits"),
    ],
)
def test_the_way_out_is_named(tmp_path: Path, text: str, expected: str) -> None:
    """Place, option, problem and what to do."""
    path = tmp_path / "s.toml"
    path.write_text(text, "utf-8")
    (mistake,) = outcome(lambda: load_settings(path, {}))
    assert mistake.startswith(f"{path}{expected}")


@pytest.mark.parametrize("name", ["data_dir", "log.decisions", "block_page.template", "relay.tls_ca"])
def test_a_name_that_is_too_long_is_said(tmp_path: Path, name: str) -> None:
    """The message is not as long as the name."""
    path = tmp_path / "s.toml"
    path.write_text(f'{name} = "{"x" * 5000}"', "utf-8")
    (mistake,) = outcome(lambda: load_settings(path, {}))
    assert mistake.endswith(" cannot be used: file name too long")
    assert f":1: {name}: " in mistake
    assert len(mistake) < 400


def test_a_variable_that_is_no_text_is_said() -> None:
    """The environment may hold any bytes."""
    empty = Path(__file__).parent / "good" / "empty.toml"
    assert outcome(lambda: load_settings(empty, {"STOCKADE_DATA_DIR": "/a\udcff"})) == [
        "environment variable STOCKADE_DATA_DIR: holds bytes that are no UTF-8 text"
    ]


def in_time(work: Callable[[], Any]) -> list[str]:
    """Return the outcome of something that must not wait for anybody."""
    found: list[list[str]] = []
    thread = threading.Thread(target=lambda: found.append(outcome(work)), daemon=True)
    thread.start()
    thread.join(10)
    assert found, "it hangs"
    return found[0]


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no /dev/zero here")
@pytest.mark.parametrize("kind", ["fifo", "device", "huge"])
def test_only_files_of_a_sane_size_are_read(tmp_path: Path, kind: str) -> None:
    """A FIFO makes nobody wait, a device or a huge file fills no memory; each is a mistake that says so."""
    strange = tmp_path / "strange"
    if kind == "fifo":
        os.mkfifo(strange)
    elif kind == "device":
        strange.symlink_to("/dev/zero")
    else:
        strange.touch()
        os.truncate(strange, 1 << 34)
    large = f"is too large: at most {LONGEST_TEXT} bytes are read; is it the right file?"
    (mistake,) = in_time(lambda: load_settings(strange, {}))
    assert (
        mistake == f"{strange}: {large if kind == 'huge' else 'is a pipe or a device; name a regular file'}"
    )
    path = tmp_path / "s.toml"
    for name in ("block_page.template", "block_page.texts"):
        path.write_text(f'{name} = "strange"', "utf-8")
        (mistake,) = in_time(lambda: load_settings(path, {}))
        assert mistake == f"{path}:1: {name}: {strange} {large if kind == 'huge' else 'is no file'}"
    path.write_text('relay.tls_ca = "strange"', "utf-8")
    assert f":1: relay.tls_ca: {strange} is " in in_time(lambda: load_settings(path, {}))[0]
    path.write_text(
        'listen = [{ address = "127.0.0.1:1", certificate = "strange", key = "strange" }]', "utf-8"
    )
    assert [mistake.split(": ")[1] for mistake in in_time(lambda: load_settings(path, {}))] == [
        "listen[0].certificate",
        "listen[0].key",
    ]


def test_a_template_that_became_a_fifo_is_said(tmp_path: Path) -> None:
    """What workers read again at a reload does not make them wait either."""
    page = tmp_path / "page.html"
    page.write_text("{{ reference }}", "utf-8")
    path = tmp_path / "s.toml"
    path.write_text('block_page.template = "page.html"', "utf-8")
    settings = load_settings(path, {})
    page.unlink()
    os.mkfifo(page)
    assert in_time(lambda: page_style(settings)) == [
        f"template: {page} is a pipe or a device; name a regular file"
    ]


def test_a_working_directory_that_is_gone_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths cannot be taken from a directory that is not there."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    (mistake,) = outcome(lambda: load_settings(None, {}))
    assert "the working directory cannot be used" in mistake or "/etc/stockade" in mistake


def test_what_is_there_is_never_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ./stockade.toml that cannot be read is a mistake, not a reason to run with the defaults."""
    monkeypatch.chdir(tmp_path)
    Path("stockade.toml").mkdir()  # what a container gets for a file that was not there to be mounted
    assert outcome(lambda: load_settings(None, {})) == ["stockade.toml: cannot be read: is a directory"]
    Path("stockade.toml").rmdir()
    Path("stockade.toml").symlink_to("nowhere")
    assert outcome(lambda: load_settings(None, {})) == ["stockade.toml: there is no such file"]


@pytest.mark.parametrize(
    ("text", "empty"),
    [
        pytest.param("", True, id="nothing"),
        pytest.param("# comment\n[limits]\n\n[log]\n", True, id="tables-alone"),
        pytest.param("mode = 'monitor'", False, id="option"),
        pytest.param("[limits]\nbody_bytes = 0", False, id="in-a-table"),
        pytest.param("limits.body_bytes = 0", False, id="dotted"),
        pytest.param('[[listen]]\naddress = "127.0.0.1:1"', False, id="listener"),
    ],
)
def test_an_empty_file_is_told_from_one_that_says_something(
    tmp_path: Path, text: str, *, empty: bool
) -> None:
    """A start may be without options; a reload from a file that was cut off must be seen."""
    path = tmp_path / "s.toml"
    path.write_text(text, "utf-8")
    assert load(path, {"STOCKADE_MODE": "monitor"}).empty is empty


def test_a_reload_keeps_to_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that vanished, or was cut off, must not turn into the defaults."""
    monkeypatch.chdir(tmp_path)
    path = Path("stockade.toml")
    path.write_text("", "utf-8")
    before = load(None, {})
    assert before.path == path
    assert reload(before, {}).settings == before.settings  # it was empty before
    path.write_text("workers = 2", "utf-8")
    before = reload(before, {})
    path.write_text("workers = 3", "utf-8")
    assert reload(before, {}).settings.workers == 3
    path.write_text("# workers = 3", "utf-8")
    assert outcome(lambda: reload(before, {})) == [
        "stockade.toml: sets nothing any more; if that is meant, restart with it"
    ]
    path.unlink()
    assert outcome(lambda: reload(before, {})) == ["stockade.toml: there is no such file"]
