from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from proxy.errors import StartError
from proxy.listening import bind_admin, bind_listeners
from proxy.settings.load import parse_settings

if TYPE_CHECKING:
    from pathlib import Path

    from proxy.settings import Settings


def settings(listen: str) -> Settings:
    """Settings that listen there."""
    return parse_settings(f"listen = {listen}", {}, "test.toml")


def test_a_socket_a_worker_on_one_port() -> None:
    """Each worker gets a socket of its own on the same port, so that the kernel spreads connections."""
    (binding,) = bind_listeners(settings('"127.0.0.1:0"'), 3)
    ports = {sock.getsockname()[1] for sock in binding.sockets}
    assert len(binding.sockets) == 3
    assert ports == {binding.bound.port}
    assert binding.bound.port != 0
    binding.close()


def test_connections_wait_while_no_worker_accepts() -> None:
    """A connection is taken by the kernel while nobody accepts: none is refused while a worker is replaced."""
    (binding,) = bind_listeners(settings('"127.0.0.1:0"'), 1)
    with socket.create_connection(("127.0.0.1", binding.bound.port), timeout=2) as waiting:
        waiting.sendall(b"x")
        accepted, _ = binding.sockets[0].accept()
        accepted.setblocking(True)
        assert accepted.recv(1) == b"x"
        accepted.close()
    binding.close()


def test_a_worker_keeps_its_own_socket_only() -> None:
    """After the fork a worker closes the sockets of the others."""
    (binding,) = bind_listeners(settings('"127.0.0.1:0"'), 2)
    own = binding.keep(1)
    assert own is binding.sockets[1]
    assert binding.sockets[0].fileno() == -1
    binding.close()


def test_ipv6_wildcard_takes_ipv4_too() -> None:
    """[::] serves both families, whatever the system's default for V6ONLY."""
    (binding,) = bind_listeners(settings('"[::]:0"'), 1)
    socket.create_connection(("127.0.0.1", binding.bound.port), timeout=2).close()
    socket.create_connection(("::1", binding.bound.port), timeout=2).close()
    binding.close()


def test_unix_socket_comes_and_goes(tmp_path: Path) -> None:
    """A unix socket is for all workers, open to owner and group, removed at the end; a stale one is replaced."""
    path = tmp_path / "shop.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    (binding,) = bind_listeners(settings(f'"unix:{path}"'), 2)
    assert len(binding.sockets) == 1
    assert path.stat().st_mode & 0o777 == 0o660
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    binding.close(remove=True)
    assert not path.exists()


@pytest.mark.parametrize("kind", ["tcp", "unix", "file"])
def test_what_is_in_the_way_is_named(tmp_path: Path, kind: str) -> None:
    """A taken port, a living unix socket and a file in the way are refused by name, and nothing stays bound."""
    path = tmp_path / "shop.sock"
    taken = socket.socket(socket.AF_INET if kind == "tcp" else socket.AF_UNIX)
    with taken:
        if kind == "file":
            path.write_text("mine")
            listen, named = f"unix:{path}", str(path)
        elif kind == "unix":
            taken.bind(str(path))
            taken.listen()
            listen, named = f"unix:{path}", str(path)
        else:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            listen = named = f"127.0.0.1:{taken.getsockname()[1]}"
        with socket.create_server(("127.0.0.1", 0)) as probe:
            free = probe.getsockname()[1]
        with pytest.raises(StartError, match="listen: ") as caught:
            bind_listeners(settings(f'["127.0.0.1:{free}", "{listen}"]'), 2)
        assert named in str(caught.value)
        socket.create_server(("127.0.0.1", free)).close()
    if kind == "file":
        assert path.read_text() == "mine"


def test_low_ports_say_how(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the right to a low port, the message names the capability."""

    def deny(*_args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", deny)
    with pytest.raises(StartError, match="CAP_NET_BIND_SERVICE"):
        bind_listeners(settings('"127.0.0.1:443"'), 1)


def test_both_wildcards_on_one_port() -> None:
    """0.0.0.0 and [::] on the same port are two listeners, not one in the other's way."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    bindings = bind_listeners(settings(f'["0.0.0.0:{port}", "[::]:{port}"]'), 2)
    assert len(bindings) == 2
    for host in ("127.0.0.1", "::1"):
        socket.create_connection((host, port), timeout=2).close()
    for binding in bindings:
        binding.close()


def test_a_successors_socket_file_is_left_alone(tmp_path: Path) -> None:
    """A service that ends after another took its path over does not remove that one's socket."""
    path = tmp_path / "shop.sock"
    (old,) = bind_listeners(settings(f'"unix:{path}"'), 1)
    path.unlink()
    (new,) = bind_listeners(settings(f'"unix:{path}"'), 1)
    old.close(remove=True)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    new.close(remove=True)
    assert not path.exists()


def test_the_admin_socket_goes_too(tmp_path: Path) -> None:
    """The control process's unix socket is removed at the end; off means none."""
    path = tmp_path / "admin.sock"
    binding = bind_admin(parse_settings(f'admin = "unix:{path}"', {}, "test.toml"))
    assert binding is not None
    assert path.is_socket()
    binding.close(remove=True)
    assert not path.exists()
    assert bind_admin(parse_settings('admin = ""', {}, "test.toml")) is None
