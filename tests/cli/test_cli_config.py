"""`stockade config check` and `stockade config show`, as a person meets them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from proxy.cli import main

MANUAL = Path(__file__).parents[2] / "docs" / "configuration.md"


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run where no settings file is found, with no variable of ours set."""
    monkeypatch.chdir(tmp_path)
    for name in ("STOCKADE_CONFIG", "STOCKADE_DEBUG"):
        monkeypatch.delenv(name, raising=False)


def write(text: str, name: str = "shop.toml") -> str:
    """Write a settings file and return its name."""
    Path(name).write_text(text, "utf-8")
    return name


def test_a_good_file_is_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    """What listens where, who is trusted, which store, which mode; exit code 0."""
    name = write(
        'listen = ["0.0.0.0:8080"]\ntrusted_proxies = ["10.1.0.0/8"]\nstore = "redis://:s3cret@h"\nmode = "monitor"\n'
        'client_address.single_value.X-Real-IP = ["192.0.2.0/24"]\nworkers = 3\nadmin = ""'
    )
    assert main(["config", "check", name]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "shop.toml: ok",
        "  listens on  0.0.0.0:8080",
        "  upstream    http://127.0.0.1:9001",
        "  trusts      10.0.0.0/8, 192.0.2.0/24 (X-Real-IP)",
        "  store       redis://:***@h",
        "  mode        monitor: records, refuses nobody",
        "  workers     3",
        "  health      /.stockade/livez, /.stockade/readyz",
        "  admin       off",
    ]
    assert err.startswith("stockade: warning: shop.toml:2: trusted_proxies[0]: ")


def test_a_bad_file_is_refused_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Every mistake, the count, nothing on standard output, exit code 2."""
    assert main(["config", "check", write("stroe = 1\nworkers = -1\n")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "shop.toml:1: stroe: unknown option; did you mean store?",
        "shop.toml:2: workers: -1 is not a whole number from 0 to 256",
        "stockade: shop.toml: 2 mistakes; nothing was done",
    ]


def test_the_manual_shows_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The transcript in docs/configuration.md is a real one."""
    transcript = re.search(r"```text\n\$ stockade (.*?)\n(.*?)```", MANUAL.read_text("utf-8"), re.DOTALL)
    assert transcript is not None
    write('workers = 2\nupstream = "127.0.0.1:9001"\n\n\n[limits]\nhead_byte = 1\n', "stockade.toml")
    assert main(transcript[1].split()) == 2
    assert capsys.readouterr().err == transcript[2]


@pytest.mark.parametrize("arguments", [["check", "-c", "shop.toml"], ["check", "--config", "shop.toml"]])
def test_the_file_may_be_named_either_way(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """As an argument, or as every other command takes it."""
    write("workers = 1")
    assert main(["config", *arguments]) == 0
    assert capsys.readouterr().out.startswith("shop.toml: ok\n")


def test_no_file_means_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    """And the summary says so."""
    if Path("/etc/stockade/stockade.toml").exists():
        pytest.skip("this machine has a settings file of its own")
    assert main(["config", "check"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("no settings file, defaults only: ok\n")
    assert "  trusts      nobody: forwarding headers are ignored\n" in out
    assert "  store       an embedded server in /" in out
    assert "  mode        enforce: refuses with 403\n" in out


def test_check_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    """For programs: what is ok and what is not, with the same exit codes."""
    assert main(["config", "check", "--json", write('workers = 1\nblock_page.contact = "tel:+3312"')]) == 0
    good = json.loads(capsys.readouterr().out)
    assert (good["ok"], good["file"], good["warnings"], good["workers"]) == (True, "shop.toml", [], 1)
    assert main(["config", "check", "--json", write("workers = -1")]) == 2
    bad = json.loads(capsys.readouterr().out)
    assert bad == {
        "ok": False,
        "file": "shop.toml",
        "mistakes": ["shop.toml:1: workers: -1 is not a whole number from 0 to 256"],
    }


def test_show_tells_where_each_option_is_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file with its line, the variable, or the default."""
    monkeypatch.setenv("STOCKADE_MODE", "monitor")
    assert main(["config", "show", "-c", write('trusted_proxies = ["10.0.0.1/8"]')]) == 0
    out, err = capsys.readouterr()
    lines = {line.partition(" = ")[0]: re.split(r" +# ", line)[-1] for line in out.splitlines()}
    assert lines["trusted_proxies"] == "shop.toml:1"
    assert lines["mode"] == "environment variable STOCKADE_MODE"
    assert lines["head_bytes"] == "default"
    assert "10.0.0.0/8" in err
    assert main(["config", "show", "--json", "-c", "shop.toml"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["file"] == "shop.toml"
    assert shown["options"]["mode"] == {"value": "monitor", "from": "environment variable STOCKADE_MODE"}
    assert shown["options"]["limits.head_bytes"] == {"value": 32768, "from": "default"}


def test_a_file_may_have_any_name(capsys: pytest.CaptureFixture[str]) -> None:
    """One that is no UTF-8, or holds a line feed, is shown escaped and breaks no output."""
    name = write('mode = "x"', "a\n\udcff.toml")
    assert main(["config", "check", "--json", name]) == 2
    shown = json.loads(capsys.readouterr().out)
    assert shown["file"] == "a\\n\\udcff.toml"
    assert shown["mistakes"][0].startswith("a\\n\\udcff.toml:1: mode: ")
    write("workers = 1", name)
    assert main(["config", "check", "--json", name]) == 0
    assert json.loads(capsys.readouterr().out)["file"] == "a\\n\\udcff.toml"
    assert main(["config", "show", "-c", name]) == 0
    assert "workers = 1" in capsys.readouterr().out


def test_a_file_that_is_missing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Never passed over for another."""
    assert main(["config", "show", "-c", "none.toml"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "none.toml: there is no such file",
        "stockade: none.toml: 1 mistake; nothing was done",
    ]
