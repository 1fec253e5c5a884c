"""`stockade demo --with-proxy` (`make run`): shop, store and proxy on free ports, a sample list, three lines to try."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy.cli.output import print_text
from proxy.errors import InputError, StartError
from proxy.settings.addresses import parse_socket_address
from proxy.settings.load import load, reload
from proxy.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy.listening import Binding

_SETTINGS: Final = """\
# Written by `stockade demo --with-proxy`; every option is explained in docs/configuration.md.
listen = "127.0.0.1:{listen}"
upstream = "http://{upstream}"
admin = "127.0.0.1:{admin}"
data_dir = "{data}"
# So that this machine can play a load balancer and name any shopper's address.
trusted_proxies = ["127.0.0.0/8", "::1/128"]
workers = 2

[block_page]
shop_name = "Potting Lane"
contact = "mailto:hello@pottinglane.example"

[log]
level = "warning"
"""
_MARK: Final = "# Written by `stockade demo --with-proxy`"
# Seconds the shop may take to begin; it takes one.
_SHOP_WAIT: Final = 20


def run(shop: str, directory: Path) -> None:
    """Run all of it until Ctrl-C or SIGTERM; raises StartError when a part cannot begin."""
    ports = _Ports()
    wanted = parse_socket_address(shop)
    with _only_one(directory):
        upstream = f"{wanted.host}:{ports.take(wanted.port, 'the demo store')}"
        config = _prepare(directory, upstream, ports)
        _serve(upstream, config)
    print_text("Stopped; nothing is left running.")


def _serve(upstream: str, config: Path) -> None:
    loaded = load(config, os.environ)
    with _shop(upstream):

        def started(bindings: list[Binding]) -> None:
            _load_sample(config)
            _say_what_to_try(f"http://{bindings[0].bound}", config, loaded.settings.admin)

        Supervisor(loaded.settings, lambda: reload(loaded, os.environ).settings).run(started=started)


@contextlib.contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    """Keep a second demo from making the directory of a running one anew; the lock ends with us, however we end."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    lock = directory.with_name(f".{directory.name}.lock")
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StartError(
                f"a demo runs in {directory} already: stop it (Ctrl-C), or name another --directory"
            ) from None
        yield
        lock.unlink(missing_ok=True)


class _Ports:
    """Ports for the demo: the usual ones, or others when somebody has them."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take(self, usual: int, what: str) -> int:
        for port in (usual, *range(usual + 1, usual + 20), 0):
            if port in self._taken:
                continue
            with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)) as sock:
                found: int = sock.getsockname()[1]
                if usual and found != usual:
                    print_text(f"Port {usual} is busy: {what} takes {found}.")
                self._taken.add(found)
                return found
        raise StartError(f"no free port for {what}: all are taken on 127.0.0.1")


def _prepare(directory: Path, upstream: str, ports: _Ports) -> Path:
    """Begin with an empty directory; one that holds anything but an earlier demo is left alone."""
    directory = directory.absolute()
    config = directory / "stockade.toml"
    if directory.exists() and any(directory.iterdir()):
        if not config.is_file() or not config.read_text(errors="replace").startswith(_MARK):
            raise InputError(f"--directory {directory} holds other files: name an empty or a new one")
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    config.write_text(
        _SETTINGS.format(
            listen=ports.take(8080, "the proxy"),
            admin=ports.take(9180, "the status page"),
            upstream=upstream,
            data=directory / "data",
        )
    )
    return config


@contextlib.contextmanager
def _shop(listen: str) -> Iterator[None]:
    """Run the demo store as a process of its own, as a storefront is."""
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-m", "proxy", "demo", "--listen", listen], stdout=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + _SHOP_WAIT
        while not _answers(listen):
            if process.poll() is not None or time.monotonic() > end:
                raise StartError(
                    f"the demo store did not start on {listen}: try `stockade demo` alone to see why"
                )
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


def _answers(listen: str) -> bool:
    address = parse_socket_address(listen)
    with contextlib.suppress(OSError), socket.create_connection((address.host, address.port), timeout=1):
        return True
    return False


def _load_sample(config: Path) -> None:
    with as_file(files("proxy.demo") / "sample-list.txt") as sample:
        subprocess.run(  # noqa: S603 - our own interpreter and program
            [sys.executable, "-m", "proxy", "block", "--from-file", str(sample), "--reason", "abuse", "--for", "30d",
             "--note", "sample list of the demo", "--config", str(config)],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip


def _say_what_to_try(url: str, config: Path, admin: str) -> None:
    command = os.path.relpath(Path(sys.executable).with_name("stockade"))
    file = os.path.relpath(config)
    print_text(
        "",
        f"Stockade stands in front of the demo store: open {url}/ in a browser, or try these three lines:",
        "",
        f"  curl -i {url}/",
        "      an ordinary visit: 200 and the shop's home page",
        "",
        f"  curl -i -H 'X-Forwarded-For: 203.0.113.7' -H 'Accept-Language: fr' {url}/",
        "      a refused one, as a load balancer would bring it: 403, in French, with a reference",
        "",
        f"  curl -i {url}/.stockade/readyz",
        "      the health check of a load balancer: 200 and what readiness rests on",
        "",
        "And, from a second terminal, what operators do:",
        f"  {command} explain 203.0.113.7 -c {file}",
        f"  {command} unblock 203.0.113.7 -c {file}",
        f"  {command} block 192.0.2.44 --reason chargeback --for 30d --note 'order 1042' -c {file}",
        f"  {command} list -c {file}",
        f"  curl http://{admin}/statusz",
        "",
        "Ctrl-C stops all of it.",
    )
    sys.stdout.flush()
