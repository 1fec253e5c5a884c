from __future__ import annotations

import asyncio
import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy.cli import main
from proxy.policy.entry import Entry
from proxy.store.entries import Change, EntryStore, Held

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

X = "203.0.113.7"


class Command:
    """The `stockade` command on the test's own store."""

    def __init__(self, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.config = config
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Run one command; return exit code, output and messages."""
        code = main([*arguments, "--config", str(self.config)])
        told = self._capsys.readouterr()
        return code, told.out, told.err

    def json(self, *arguments: str) -> dict:
        """Run one command with --json and read what it prints."""
        return json.loads(self(*arguments, "--json")[1])


@pytest.fixture
def stockade(settings_for_store: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> Command:
    """The command, with a trusted proxy network in its settings."""
    return Command(settings_for_store('trusted_proxies = ["10.0.0.0/8"]'), capsys)


def test_block_explain_list_unblock(stockade: Command) -> None:
    """The whole life of a block, with the exit codes a script goes by."""
    assert stockade("explain", X)[0] == 0
    code, out, _ = stockade("block", X, "--reason", "chargeback", "--for", "30d", "--note", "order 1042")
    assert code == 0
    assert f"{X} is now blocked until " in out
    assert "chargeback" in out
    code, out, _ = stockade("explain", X)
    assert code == 1
    assert 'public reason "chargeback"' in out
    code, out, _ = stockade("list")
    assert code == 0
    assert all(text in out for text in (X, "chargeback", "order 1042"))
    code, out, _ = stockade("unblock", X)
    assert (code, "is no longer blocked" in out) == (0, True)
    assert stockade("explain", X)[0] == 0
    assert stockade("unblock", X)[:2] == (1, f"{X} is not blocked\n")
    assert stockade("list")[:2] == (1, "No entries.\n")


def test_blocking_again_says_what_changed(stockade: Command) -> None:
    """Already blocked until then; now until then."""
    stockade("block", X, "--until", "2999-12-31", "--reason", "fraud", "--author", "ann")
    code, out, _ = stockade("block", X, "--for", "ever", "--reason", "abuse")
    assert code == 0
    assert out == (
        f"{X} was already blocked until 3000-01-01 00:00 UTC; now with no end, reason fraud -> abuse\n"
    )
    assert stockade("block", X)[1] == f"{X} is already blocked with no end; nothing changed\n"
    [entry] = stockade.json("list")
    assert (entry["author"], entry["reason"]) == ("ann", "abuse")
    out = stockade("block", X, "--note", "n")[1]
    assert out == f"{X} is already blocked with no end; changed: note none -> n\n"


def test_a_wider_network_is_named_when_unblocking(stockade: Command) -> None:
    """The agent learns what still refuses the caller, and what to type."""
    stockade("block", "203.0.113.0/24")
    code, out, err = stockade("unblock", X)
    assert (code, out) == (1, f"{X} is not blocked\n")
    assert "203.0.113.0/24 is blocked until" in err
    assert "`stockade unblock 203.0.113.0/24`" in err
    assert f"`stockade allow {X}`" in err


def test_allow_beats_block_and_is_taken_back(stockade: Command) -> None:
    """An allow entry lets in at once, a block beneath it warns, --remove ends it."""
    stockade("block", "203.0.113.0/24")
    code, _, err = stockade("allow", X, "--note", "office")
    assert code == 0
    assert "was refused until now" in err
    assert stockade("explain", X)[0] == 0
    assert "allow beats block" in stockade("block", X)[2]
    code, _, err = stockade("unblock", X)
    assert (code, err) == (0, "")
    assert stockade("allow", X, "--remove")[0] == 0
    assert stockade("explain", X)[0] == 1
    assert stockade("allow", X, "--remove", "--note", "x")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["1.2.3"], "did you mean", id="no-address"),
        pytest.param(["1.2.3.4", "1.2.3", "300.1.1.1"], "more than 255", id="one-of-several"),
        pytest.param([], "--from-file", id="nothing-named"),
        pytest.param(["0.0.0.0/0"], "everybody", id="everybody"),
        pytest.param(["127.0.0.1"], "loopback", id="loopback"),
        pytest.param(["10.1.2.3"], "trusted proxies", id="own-proxy"),
        pytest.param([X, "--reason", "review"], "review", id="review"),
        pytest.param([X, "--for", "soon"], "duration", id="duration"),
        pytest.param([X, "--for", "1d", "--until", "2999-01-01"], "one of them", id="two-ends"),
        pytest.param([X, "--until", "2001-01-01"], "over already", id="past"),
        pytest.param(["--from-file", "/nonexistent"], "cannot be read", id="no-file"),
    ],
)
def test_wrong_input_is_exit_2_and_writes_nothing(arguments: list[str], told: str, stockade: Command) -> None:
    """Names the problem on standard error."""
    code, out, err = stockade("block", *arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert stockade("list")[0] == 1


def test_force_and_exact(stockade: Command) -> None:
    """What the guard rails refuse is done when forced; a single IPv6 address is its /64 unless exact."""
    assert stockade("block", "127.0.0.1", "--force")[0] == 0
    _, out, err = stockade("block", "2001:db8::7")
    assert "2001:db8::/64 is now blocked" in out
    assert "--exact" in err
    assert "2001:db8:1::7 is now blocked" in stockade("block", "2001:db8:1::7", "--exact")[1]
    assert "198.51.100.0/24 is now blocked" in stockade("block", "198.51.100.9/24")[1]


def test_a_file(stockade: Command, tmp_path: Path) -> None:
    """Many at once are counted; the same file again changes nothing; it can be taken back."""
    file = tmp_path / "list.txt"
    file.write_text(
        "# ours\n" + "".join(f"198.18.{n // 250}.{n % 250} # x\r\n" for n in range(3000)) + "198.18.0.1\n"
    )
    code, out, err = stockade("block", "--from-file", str(file), "--reason", "abuse")
    assert (code, out.splitlines()[0]) == (0, "3,000 added")
    assert "1 lines repeat" in err
    assert stockade("block", "--from-file", str(file), "--reason", "abuse")[1] == "3,000 unchanged\n"
    entries = stockade.json("list")
    assert len(entries) == 3000
    assert len({entry["case"] for entry in entries}) == 1
    assert len(stockade("list")[1].splitlines()) == 3001
    assert len(stockade.json("list", "--limit", "7")) == 7
    assert stockade("unblock", "--from-file", str(file))[1] == "3,000 removed\n"
    assert stockade.json("list") == []


def test_a_bad_file_writes_nothing(stockade: Command, tmp_path: Path) -> None:
    """Every bad line with its number, and no entry."""
    file = tmp_path / "bad.txt"
    file.write_text("198.51.100.1\nhello\n1.2.3\n")
    code, _, err = stockade("block", "--from-file", str(file))
    assert code == 2
    assert "2 lines are wrong, so nothing was written" in err
    assert "line 2:" in err
    assert "line 3:" in err
    assert stockade("list")[0] == 1


def test_standard_input(stockade: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dash reads the list from a pipe."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbf198.51.100.1\r\n")))
    code, out, _ = stockade("block", "--from-file", "-")
    assert (code, "198.51.100.1 is now blocked" in out) == (0, True)


def test_monitor_blocks_refuse_nobody(stockade: Command) -> None:
    """They are marked in the table, and explain says so."""
    assert "(monitor only)" in stockade("block", X, "--monitor")[1]
    assert "block*" in stockade("list")[1]
    code, out, _ = stockade("explain", X)
    assert (code, "only monitors" in out) == (0, True)
    assert stockade.json("explain", X)["would_refuse"]


def test_explain_with_peer_and_headers(stockade: Command) -> None:
    """Trusted proxies of the settings are believed, others are not."""
    stockade("block", X)
    assert stockade("explain", X, "--peer", "10.0.0.1")[0] == 1
    assert stockade("explain", X, "--peer", "192.0.2.1")[0] == 0
    header = f"X-Forwarded-For: 9.9.9.9, {X}"
    assert stockade("explain", "9.9.9.9", "--peer", "10.0.0.1", "--header", header)[0] == 1
    assert stockade("explain", "1.2.3")[0] == 2


def test_list_filters(stockade: Command) -> None:
    """Each option narrows the table."""
    stockade("block", X, "203.0.113.0/24", "--reason", "fraud")
    stockade("allow", "192.0.2.1")
    assert {e["value"] for e in stockade.json("list", "--list", "block")} == {X, "203.0.113.0/24"}
    assert {e["value"] for e in stockade.json("list", "--kind", "network")} == {"203.0.113.0/24"}
    assert {e["value"] for e in stockade.json("list", "--contains", X)} == {X, "203.0.113.0/24"}
    assert stockade.json("list", "--expired") == []
    assert stockade("list", "--limit", "-1")[0] == 2
    assert stockade("list", "--list", "grey")[0] == 2


def test_json_tells_what_became_of_each(stockade: Command) -> None:
    """Programs get the entry as it is and as it was."""
    told = stockade.json("block", X, "--case", "C-17", "--author", "ann")
    assert (told["case"], told["added"]) == ("C-17", 1)
    assert told["outcomes"][0]["identifier"] == f"ip:{X}"
    assert told["outcomes"][0]["entry"]["author"] == "ann"
    assert stockade.json("block", X, "--note", "n")["outcomes"][0]["before"]["author"] == "ann"


def test_a_mistake_elsewhere_keeps_nobody_out(stockade: Command) -> None:
    """At night a wrong colour must not keep a shopper out: the lists are changed, with one warning."""
    stockade("block", X)
    stockade.config.write_text(stockade.config.read_text() + '[block_page]\naccent = "teal"\n[limitz]\n')
    for command, code in (("explain", 1), ("unblock", 0), ("allow", 0), ("block", 0)):
        done, _, told = stockade(command, X)
        assert done == code, told
        assert told.startswith("stockade: warning: settings: 2 mistakes that do not matter here: ")
    assert stockade("list")[0] == 0
    assert stockade("config", "check")[0] == 2


def test_the_codes_of_reasons_are_checked_when_listing(stockade: Command) -> None:
    """No entries with a reason that does not exist is no answer."""
    code, out, told = stockade("list", "--reason", "abuze")
    assert (code, out) == (2, "")
    assert "did you mean abuse?" in told


@pytest.mark.parametrize(
    ("more", "place"),
    [
        pytest.param("", "journalctl -u stockade | grep 7K3M-9QXZ", id="service-log"),
        pytest.param('[log]\ndecisions = "decisions.log"\n', "/decisions.log", id="file"),
    ],
)
def test_a_reference_is_no_address(more: str, place: str, stockade: Command) -> None:
    """Who asks about the reference of a page is told where to look for it."""
    stockade.config.write_text(stockade.config.read_text() + more)
    code, _, told = stockade("explain", "7k3m9qxz")
    assert code == 2
    assert "is the reference of a page" in told
    assert place in told


def test_a_forgotten_settings_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who finds no store may have left out -c; who gave it is not told so."""
    if Path("/etc/stockade/stockade.toml").exists():
        pytest.skip("this machine has a settings file of its own")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STOCKADE_CONFIG", raising=False)
    monkeypatch.setenv("STOCKADE_DATA_DIR", str(tmp_path / "data"))
    assert main(["list"]) == 3
    hint = "no settings file was given or found: name it with -c FILE"
    assert hint in capsys.readouterr().err
    (tmp_path / "stockade.toml").write_text("workers = 1\n")
    assert main(["list"]) == 3
    assert hint not in capsys.readouterr().err


def test_no_store_is_exit_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With nothing configured and nothing running, the message says what to start or set."""
    config = tmp_path / "c.toml"
    config.write_text(f'data_dir = "{tmp_path / "data"}"\n')
    assert main(["block", X, "-c", str(config)]) == 3
    assert "start `stockade serve`, or set `store`" in capsys.readouterr().err
    config.write_text('store = "redis://:secret@127.0.0.1:1/0"\n')
    assert main(["list", "-c", str(config)]) == 3
    told = capsys.readouterr().err
    assert "cannot be reached" in told
    assert "secret" not in told


def test_who_is_at_the_keyboard(stockade: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind sudo it is the person, not root; without any name it is the uid's."""
    monkeypatch.setenv("SUDO_USER", "carol")
    stockade("block", X)
    monkeypatch.delenv("SUDO_USER")
    monkeypatch.delenv("USER", raising=False)
    stockade("block", "192.0.2.1")
    authors = {entry["value"]: entry["author"] for entry in stockade.json("list")}
    assert authors[X] == "carol"
    assert authors["192.0.2.1"]


def test_ctrl_c_in_the_middle_says_what_stands(stockade: Command, tmp_path: Path) -> None:
    """A stopped import names how many are written; the next run finishes it."""
    file = tmp_path / "list.txt"
    file.write_text("".join(f"198.18.{n // 250}.{n % 250}\n" for n in range(40_000)))
    code = (
        "import os, signal, sys\n"
        "import proxy.management.writing as w\n"
        "whole = w._write_window\n"
        "calls = []\n"
        "async def window(*given):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 4: os.kill(os.getpid(), signal.SIGINT)\n"
        "    return await whole(*given)\n"
        "w._write_window = window\n"
        "from proxy.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = ["block", "--from-file", str(file), "--config", str(stockade.config)]
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    # Which of the two depends on where in the fourth window the cancellation arrives.
    assert re.search(r"stopped: [68],000 of 40,000 are written \(another 2,000 may be\)", done.stderr)
    assert stockade(*command[:3])[1].splitlines()[0] in {
        "34,000 added, 6,000 unchanged",
        "32,000 added, 8,000 unchanged",
    }


def run(stockade: Command, *arguments: str, shell: str = "", **environ: str) -> subprocess.CompletedProcess:
    """Run one command as a process of its own, with what a shell adds behind it."""
    command = shlex.join([sys.executable, "-m", "proxy", *arguments, "--config", str(stockade.config)])
    return subprocess.run(
        ["/bin/sh", "-c", f"{command} {shell}"],
        capture_output=True,
        check=False,
        env={**os.environ, **environ},
    )


@pytest.mark.parametrize("way", ["alone", "whole"])
def test_an_ipv6_address_is_unblocked_however_it_was_blocked(way: str, stockade: Command) -> None:
    """Who is told that it is not blocked must not be refused all the same."""
    stockade("block", "2001:db8::1", *(["--exact"] if way == "alone" else []))
    code, out, _ = stockade("unblock", "2001:db8::1")
    assert code == 0
    assert "is no longer blocked" in out
    assert "is not blocked" not in out
    assert stockade("explain", "2001:db8::1")[0] == 0
    code, out, _ = stockade("unblock", "2001:db8::1")
    assert (code, out) == (1, "2001:db8::/64 is not blocked\n")


def test_lines_of_a_file_are_unblocked_likewise(stockade: Command, tmp_path: Path) -> None:
    """One that was on the list and one that was not: the exit code says so."""
    stockade("block", "2001:db8::1", "--exact")
    file = tmp_path / "list.txt"
    file.write_text("2001:db8::1\n")
    assert stockade("unblock", "--from-file", str(file))[0] == 0
    stockade("block", "2001:db8::1", "--exact")
    file.write_text("2001:db8::1\n2001:db8::2\n")
    assert stockade("unblock", "--from-file", str(file))[0] == 1
    assert stockade("explain", "2001:db8::1")[0] == 0


def test_advice_can_be_typed(stockade: Command) -> None:
    """What is proposed for a single IPv6 address is about that address."""
    stockade("block", "2001:db8::/48")
    told = stockade("unblock", "2001:db8::1", "--exact")[2]
    assert "`stockade allow 2001:db8::1 --exact`" in told
    stockade("allow", "2001:db8::1", "--exact")
    assert stockade("explain", "2001:db8::1")[0] == 0
    assert stockade("explain", "2001:db8::2")[0] == 1


EVIL = "\x1b[2J\x1b]0;owned\x07 sent\nAnswer: let in\u202e"


async def plant(store: EntryStore) -> None:
    """Write what another client of the same Redis could write."""
    entry = Entry(
        id="E1",
        list="block",
        kind="ip",
        value=X,
        reason="fraud",
        note=EVIL,
        case="C1",
        origin="cli",
        author=EVIL,
        created=1.8e9,
    )
    [record] = await store.read([entry.identifier])
    await store.apply([Change(record, (entry,))], b"{}")


@pytest.mark.parametrize("command", ["list", "explain", "unblock", "block"])
async def test_stored_text_does_nothing_to_a_terminal(
    command: str, stockade: Command, store: EntryStore
) -> None:
    """Control characters are shown, and a line end begins no line of the command's."""
    await plant(store)
    arguments = {"list": [], "block": [X, "--note", "other"]}.get(command, [X])
    done = await asyncio.to_thread(run, stockade, command, *arguments)
    shown = (done.stdout + done.stderr).decode()
    assert all(one.isprintable() for one in shown.replace("\n", ""))
    assert not any(line.startswith("Answer: let in") for line in shown.splitlines())
    if command in ("list", "explain"):
        assert r"\x1b[2J\x1b]0;owned\x07 sent⏎Answer: let in\u202e" in shown
        assert json.loads(run(stockade, "list", "--json").stdout)[0]["note"] == EVIL


async def test_entries_that_cannot_be_read_are_counted(
    stockade: Command, store: EntryStore, redis_client: Redis
) -> None:
    """To say "No entries" is not the whole truth when a newer version wrote one."""
    await redis_client.hset(store.keys.entries, f"ip:{X}", '[{"id":"x","list":"watch"}]')
    for command, answer in (
        (["list"], "No entries."),
        (["list", "--contains", X], "No entries."),
        (["explain", X], "no entry covers"),
        (["unblock", X], "is not blocked"),
    ):
        done = await asyncio.to_thread(run, stockade, *command)
        assert answer in done.stdout.decode()
        assert b"1 entry cannot be read by this version" in done.stderr
    assert await redis_client.hget(store.keys.entries, f"ip:{X}")


async def test_a_lost_list_is_told_by_every_command(stockade: Command, store: EntryStore) -> None:
    """What workers hold and the store has lost: reading warns, writing is refused, force begins anew."""
    await store.hold(Held("before", 77, 1234))
    for command in (["list"], ["explain", X]):
        done = await asyncio.to_thread(run, stockade, *command)
        assert b"workers still decide by the 1,234 entries" in done.stderr
    for command in (["block", X], ["unblock", X], ["allow", X], ["allow", "--remove", X]):
        done = await asyncio.to_thread(run, stockade, *command)
        assert (done.returncode, done.stdout) == (3, b"")
        assert b"--force" in done.stderr
    assert (await asyncio.to_thread(run, stockade, "block", X, "--force")).returncode == 0
    assert (await asyncio.to_thread(run, stockade, "unblock", X)).returncode == 0


def test_explain_takes_the_address_from_peer_and_header(stockade: Command) -> None:
    """What a log line or a load balancer says is enough."""
    stockade("block", X)
    given = ["--peer", "10.0.0.1", "--header", f"X-Forwarded-For: {X}"]
    code, out, _ = stockade("explain", *given)
    assert code == 1
    assert f"Client address: {X}" in out
    assert stockade("explain")[0] == 2


@pytest.mark.parametrize(
    ("given", "code"),
    [
        pytest.param(["--until", "9999-12-31"], 2, id="past-the-calendar"),
        pytest.param(["--for", "9" * 400 + "d"], 2, id="more-than-a-float-holds"),
        pytest.param(["--for", "9" * 5000 + "d"], 2, id="more-than-int-reads"),
    ],
)
def test_absurd_ends_are_wrong_input(given: list[str], code: int, stockade: Command) -> None:
    """Not a mistake of ours."""
    found, _, told = stockade("block", X, *given)
    assert found == code
    assert "internal error" not in told


@pytest.mark.parametrize(
    ("shell", "environ", "code", "told"),
    [
        pytest.param(">/dev/full", {}, 2, "cannot be written (no space left on device)", id="full-disk"),
        pytest.param(">&-", {}, 2, "cannot be written (it is closed)", id="closed"),
        pytest.param("2>&-", {}, 0, "", id="messages-closed"),
        pytest.param("", {"PYTHONIOENCODING": "ascii"}, 0, "", id="ascii"),
        pytest.param("--json >/dev/full", {}, 2, "no space left", id="json-on-a-full-disk"),
    ],
)
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux's")  # noqa: PTH110 - a device
def test_an_output_that_cannot_be_written(
    shell: str, environ: dict[str, str], code: int, told: str, stockade: Command
) -> None:
    """A message and an exit code of the manual, and nothing from Python behind it."""
    stockade("block", X, "--note", "Müller 🙂")
    done = run(stockade, "list", shell=shell, **environ)
    assert (done.returncode, done.stderr.decode().count("\n")) == (code, 1 if told else 0)
    assert told in done.stderr.decode()


def test_json_is_json_in_any_encoding(stockade: Command) -> None:
    """Programs read the same text whatever the terminal takes."""
    stockade("block", X, "--note", "Müller 🙂")
    for command in (["list", "--json"], ["explain", X, "--json"]):
        printed = run(stockade, *command, PYTHONIOENCODING="ascii").stdout
        assert json.loads(printed) == json.loads(run(stockade, *command, PYTHONIOENCODING="utf-8").stdout)
        assert printed.isascii()
