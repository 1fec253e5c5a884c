"""The command's frame: help, exit codes, and one message for each error."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cyclopts import App

import proxy.cli
import proxy.cli.app
from proxy.cli import main
from proxy.cli.app import COMMANDS, build_app, read_settings
from proxy.cli.output import print_json, print_table
from proxy.errors import ConflictError, InputError, SettingsError, StartError, StockadeError, StoreError
from proxy.policy.reasons import REASONS
from proxy.settings.addresses import SocketAddress

ROOT = Path(__file__).parents[2]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """Put a command `fail` in place of all others; it raises what the list holds."""
    raised: list[BaseException] = []

    def fail() -> None:
        raise raised[0]

    def build(_: list[str]) -> App:
        app = App(name="stockade", result_action="return_value", suppress_keyboard_interrupt=False)
        app.command(fail)
        return app

    monkeypatch.setattr(proxy.cli.app, "build_app", build)
    monkeypatch.delenv("STOCKADE_DEBUG", raising=False)
    return raised


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        pytest.param(InputError("no address"), 2, "stockade: no address\n", id="input"),
        pytest.param(
            SettingsError("s.toml", ["s.toml:1: a: b"]),
            2,
            "s.toml:1: a: b\nstockade: s.toml: 1 mistake; nothing was done\n",
            id="settings",
        ),
        pytest.param(ConflictError("changed meanwhile"), 1, "stockade: changed meanwhile\n", id="conflict"),
        pytest.param(StoreError("away"), 3, "stockade: away\n", id="store"),
        pytest.param(StartError("port taken"), 4, "stockade: port taken\n", id="start"),
        pytest.param(StockadeError("no"), 1, "stockade: no\n", id="other"),
        pytest.param(
            ZeroDivisionError("by zero"),
            70,
            "stockade: internal error: ZeroDivisionError: by zero; STOCKADE_DEBUG=1 shows where\n",
            id="ours",
        ),
        pytest.param(KeyboardInterrupt(), 130, "", id="interrupt"),
    ],
)
def test_each_error_has_its_exit_code(
    failing: list[BaseException],
    error: BaseException,
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One message on standard error, no traceback."""
    failing.append(error)
    assert main(["fail"]) == code
    assert capsys.readouterr().err == message


def test_a_traceback_is_shown_on_request(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """STOCKADE_DEBUG is for those who look for our mistakes."""
    failing.append(StoreError("away"))
    monkeypatch.setenv("STOCKADE_DEBUG", "1")
    assert main(["fail"]) == 3
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["blok"], "there is no command 'blok'; did you mean block?", id="near"),
        pytest.param(["config", "shw"], "there is no command 'shw'; did you mean show?", id="nested"),
        pytest.param(
            ["serve", "f.toml"], "serve takes no FILE by itself: write -c FILE; f.toml is", id="serve-file"
        ),
        pytest.param(
            ["explain", "a", "b"], "explain takes one ADDRESS: ask about each on its own; b is", id="explain"
        ),
        pytest.param(
            ["config", "check", "a", "b"], "config check takes one FILE: check each on its own", id="check"
        ),
        pytest.param(["list", "x"], "list takes no address by itself: write --contains ADDRESS", id="list"),
        pytest.param(
            ["demo", "x y"], "demo takes options only; 'x y' is left over; try stockade demo", id="options"
        ),
        pytest.param(
            ["list", "--limit", "x"], '--limit takes a whole number, and "x" is none; try', id="number"
        ),
        pytest.param(["list", "--json=3"], "--json takes no value: write --json alone", id="flag"),
        pytest.param(["explain", "--peer"], "--peer takes a value, and none stands behind it", id="no-value"),
        pytest.param(
            ["explain", "--address"], "ADDRESS is missing: write it behind stockade explain", id="no-address"
        ),
        pytest.param(
            ["-c", "f", "list"], "-c FILE stands behind the command: stockade list -c f", id="file-first"
        ),
        pytest.param(["--config=f"], "behind the command: stockade COMMAND --config=f", id="file-alone"),
        pytest.param(["version", "--jsn"], "try stockade version --help", id="option"),
        pytest.param(["version", "extra"], "try stockade version --help", id="argument"),
        pytest.param(["config", "show", "-c"], "try stockade config show --help", id="value-missing"),
    ],
)
def test_wrong_arguments_are_wrong_input(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and where help is."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("stockade: ")
    assert message in err


def test_help_names_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """And loads none of them."""
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for name, _, _ in COMMANDS:
        assert f" {name.partition(' ')[0]} " in out
    assert "2: wrong input or settings" in out
    assert main([]) == 0
    assert capsys.readouterr().out == out


def test_help_may_be_asked_for_as_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`stockade help`, `stockade help block`."""
    assert main(["help"]) == 0
    assert "Commands" in capsys.readouterr().out
    assert main(["help", "block"]) == 0
    assert "--reason" in capsys.readouterr().out


def test_block_help_names_every_public_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """Who blocks chooses among the codes there are."""
    assert main(["block", "--help"]) == 0
    words = re.split(r"[^a-z-]+", capsys.readouterr().out)
    assert set(REASONS) <= set(words)


def test_a_command_explains_itself_at_length(capsys: pytest.CaptureFixture[str]) -> None:
    """Its own help is its docstring; the list of commands has one line each."""
    assert main(["config", "check", "--help"]) == 0
    assert "Names every mistake at once" in capsys.readouterr().out
    assert main(["config", "--help"]) == 0
    out = capsys.readouterr().out
    assert "Check a settings file; name every mistake." in out
    assert "Names every mistake at once" not in out


def test_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """As a command, as a flag, as JSON."""
    assert main(["version"]) == 0
    assert main(["--version"]) == 0
    assert main(["version", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("stockade ")
    assert lines[1] in lines[0]
    assert lines[2] == "{"


def test_every_command_that_exists_can_be_loaded() -> None:
    """Each import path leads to a function, and every command takes --config but version."""
    app = build_app()
    for name, target, _ in COMMANDS:
        module, _, _ = target.partition(":")
        if not (ROOT / f"{module.replace('.', '/')}.py").exists():
            continue
        command = app
        for word in name.split():
            command = command[word]
        assert command.default_command is not None
        if name != "version":
            names = {flag for argument in command.assemble_argument_collection() for flag in argument.names}
            assert {"--config", "-c"} <= names, name


def test_help_is_quick() -> None:
    """Nothing that takes long to load is loaded for help: no server, no store, no templates."""
    code = "import sys; from proxy.cli import main; main(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for heavy in ("aiohttp", "redis", "jinja2", "uvloop", "asyncio.base_events", "proxy.settings.load"):
        assert f"'{heavy}'" not in done.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`stockade config show | head -1` says nothing on standard error."""
    command = [sys.executable, "-m", "proxy", "config", "show"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("STOCKADE_")}
    environ["STOCKADE_BLOCK_PAGE__CONTACT"] = "mailto:help@shop.example"  # or there is a warning
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, cwd="/", env=environ, check=False)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_table_in_a_pipe_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is cut to a width, nothing is read as markup, no colours."""
    long = "2001:db8::/48 [bold]not markup[/bold] " + "x" * 300
    print_table(("identifier", "note"), [(long, "a"), ("203.0.113.7", "b")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["identifier", "note"]
    assert lines[2].split() == [*long.split(), "a"]
    assert lines[3].split() == ["203.0.113.7", "b"]
    assert len(lines) == 4


def test_json_takes_our_own_values(capsys: pytest.CaptureFixture[str]) -> None:
    """Structs and dataclasses print as objects."""
    print_json({"address": SocketAddress(host="::1", port=80), "texts": ("é",)})
    assert json.loads(capsys.readouterr().out) == {
        "address": {"host": "::1", "port": 80, "path": ""},
        "texts": ["é"],
    }


def test_settings_are_read_with_their_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command begins with this; what is odd goes to standard error."""
    path = tmp_path / "s.toml"
    path.write_text('admin = "0.0.0.0:9180"\nworkers = 2\n', "utf-8")
    assert read_settings(path).workers == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"stockade: warning: {path}:1: admin: status and metrics can be read")


def test_a_closed_standard_error_changes_no_exit_code() -> None:
    """Who closes standard error hears nothing, and still gets the right exit code."""
    command = f"{sys.executable} -m proxy block 1.2.3 --reason abuse 2>&-"
    assert subprocess.run(command, shell=True, check=False).returncode == 2
