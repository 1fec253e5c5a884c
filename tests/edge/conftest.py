"""Fixtures around the harness: a scripted storefront, and workers in front of it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from edge_harness import Relay, Upstream

from proxy.edge import worker as worker_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time limits are looked at twenty times a second, so that tests of them are short."""
    monkeypatch.setattr(worker_module, "TICK_SECONDS", 0.05)


@pytest.fixture
def start_upstream() -> Iterator[Callable[..., Upstream]]:
    """Start further storefronts; the test fails when one of their handlers did."""
    started: list[Upstream] = []

    def start(**options: Any) -> Upstream:
        started.append(Upstream(**options))
        return started[-1]

    yield start
    for upstream in started:
        upstream.close()


@pytest.fixture
def upstream(start_upstream: Callable[..., Upstream]) -> Upstream:
    """A scripted storefront that says 200 until told otherwise."""
    return start_upstream()


@pytest.fixture
def start_relay(upstream: Upstream, tmp_path: Path) -> Iterator[Callable[..., Relay]]:
    """Start a worker in front of the scripted storefront (or others), with settings of the test's own."""
    relays: list[Relay] = []

    def start(settings: str = "", *, upstreams: list[str] | None = None, **options: Any) -> Relay:
        relay = Relay(settings, upstreams or [upstream.url], tmp_path / "decisions.jsonl", **options)
        relay.start()
        relays.append(relay)
        return relay

    yield start
    for relay in relays:
        relay.stop()


@pytest.fixture
def relay(start_relay: Callable[..., Relay]) -> Relay:
    """A worker with default settings."""
    return start_relay()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[str, str, str]]:
    """Make certificates of a private authority: (its own, a host's, the host's key), as PEM files."""
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        "req",
        "-x509",
        *key,
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-subj",
        "/CN=Test authority",
        "-days",
        "2",
    )

    def issue(names: str) -> tuple[str, str, str]:
        """Issue for subject alternative names like `DNS:shop.example,IP:127.0.0.1`."""
        stem = "".join(letter if letter.isalnum() else "-" for letter in names)
        openssl("req", *key, "-keyout", f"{stem}.key", "-out", f"{stem}.csr", "-subj", "/CN=host")
        (folder / f"{stem}.ext").write_text(f"subjectAltName={names}\n")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
        openssl(
            "x509", "-req", "-in", f"{stem}.csr", *signing, "-extfile", f"{stem}.ext", "-out", f"{stem}.pem"
        )
        return str(folder / "ca.pem"), str(folder / f"{stem}.pem"), str(folder / f"{stem}.key")

    return issue
