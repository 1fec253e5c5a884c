"""Bodies of any size pass through one worker in constant memory, whole."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from service_harness import STOCKADE, Service

from proxy.demo.content import derive_checksum, render_content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIB = 1024 * 1024
SIZES = [
    pytest.param(192 * MIB, id="192 MiB"),
    pytest.param(2048 * MIB, id="2 GiB", marks=pytest.mark.long),
]


@pytest.fixture
def shop() -> Iterator[str]:
    """The demo store as a process of its own: large bodies in our own would share an interpreter with the client."""
    with subprocess.Popen(
        [*STOCKADE, "demo", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1].rstrip("/")
        process.terminate()


def resident(pid: int) -> tuple[int, int]:
    """Memory of a process in bytes: now, and the most it ever had."""
    status = Path(f"/proc/{pid}/status").read_text()
    now, most = (int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) * 1024 for name in ("VmRSS", "VmHWM"))  # type: ignore[index]
    return now, most


@pytest.mark.timeout(300)
@pytest.mark.parametrize("size", SIZES)
def test_bodies_pass_in_constant_memory(start_service: Callable[..., Service], shop: str, size: int) -> None:
    """A body up and one down arrive whole, while the worker's memory grows by less than 32 MiB."""
    service = start_service(upstream=shop, workers="1")
    (worker,) = service.children()["workers"]
    assert service.ask("/download/1000000").status == 200
    before, _ = resident(worker)

    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    connection.request("GET", f"/download/{size}")
    response = connection.getresponse()
    checksum = hashlib.sha256()
    received = 0
    while data := response.read(MIB):
        checksum.update(data)
        received += len(data)
    assert (received, checksum.hexdigest()) == (size, derive_checksum(size))

    connection.putrequest("POST", "/upload")
    connection.putheader("Content-Length", str(size))
    connection.endheaders()
    for piece in render_content(0, size):
        connection.send(piece)
    seen = json.loads(connection.getresponse().read())
    connection.close()
    assert (seen["bytes"], seen["sha256"]) == (size, derive_checksum(size))

    _, most = resident(worker)
    grown = (most - before) / MIB
    print(f"{size // MIB} MiB each way: the worker grew by {grown:.1f} MiB (from {before / MIB:.1f})")
    assert grown < 32
