"""The README as a newcomer follows it: every command line it shows is run, and prints what it shows."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from redis import Redis
from service_harness import STOCKADE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from service_harness import Service

    from proxy.store.embedded import EmbeddedServer

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")


def shown_commands(page: str) -> Iterator[tuple[str, list[str]]]:
    """Give each command of the console examples and the lines shown below it."""
    for fence in re.findall(r"^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", fence, flags=re.MULTILINE)[1:]:
            command, *output = part.splitlines()
            yield command, output


def settled(lines: list[str]) -> list[str]:
    """Give lines without what no two runs share: times and ids; and without the paper they are set on."""
    text = "\n".join(line.rstrip() for line in lines)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "TIME", text)
    text = re.sub(r"\b06[0-9A-HJKMNP-TV-Z]{14}\b", "ID", text)
    text = re.sub(r"─+", "─", text)
    return [re.sub(r" {2,}", "  ", line) for line in text.splitlines()]


def run(service: Service, command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command line as it is shown, with the service's settings as those of the machine."""
    clean = {name: value for name, value in os.environ.items() if name != "SUDO_USER"}
    return subprocess.run(
        [*STOCKADE, *shlex.split(command)[1:]],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**clean, "STOCKADE_CONFIG": str(service.config), "USER": "sam", "COLUMNS": "200", **environ},
    )


def test_the_readme_tells_the_truth(start_service: Callable[..., Service], tmp_path: Path) -> None:
    """The README's commands, typed one after the other, print what the README says."""
    service = start_service(trusted_proxies='["10.0.0.0/8"]')
    typed = list(shown_commands(README))
    assert len(typed) >= 8
    for command, output in typed:
        # A file that names no store means the machine's own: here, this service's.
        done = run(service, command, STOCKADE_DATA_DIR=str(tmp_path / "data"))
        assert settled(done.stdout.splitlines()) == settled(output), (command, done.stderr)


def test_the_rights_shown_for_the_store_are_enough(
    start_service: Callable[..., Service], own_server: EmbeddedServer
) -> None:
    """With the ACL of the operations manual and no other right, the service and every list command work."""
    rule = next(line for line in OPERATIONS.splitlines() if line.startswith("ACL SETUSER"))
    with Redis.from_url(own_server.url, protocol=2) as admin:
        admin.execute_command(*rule.split())
        admin.execute_command("ACL", "SETUSER", "default", "off")
    try:
        url = own_server.url.replace("unix://", "unix://stockade:PASSWORD@")
        service = start_service(store=f'"{url}"', trusted_proxies='["127.0.0.1/32"]')
        for command, code in (
            ("stockade block 203.0.113.7 --reason abuse", 0),
            ("stockade block 203.0.113.7 --reason fraud", 0),
            ("stockade explain 203.0.113.7", 1),
            ("stockade list", 0),
        ):
            done = run(service, command)
            assert done.returncode == code, done.stderr
        wait_until(lambda: service.ask(X_Forwarded_For="203.0.113.7").status == 403)
        assert run(service, "stockade unblock 203.0.113.7").returncode == 0
        wait_until(lambda: service.ask(X_Forwarded_For="203.0.113.7").status == 200)
    finally:
        with Redis.from_url(url, protocol=2) as user:
            assert user.ping()
