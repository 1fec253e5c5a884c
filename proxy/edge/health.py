"""Health for load balancers, answered by the worker on the traffic port, so that it proves the path shoppers use."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from proxy.edge.caller import find_caller
from proxy.refusal.answer import Answer

if TYPE_CHECKING:
    from proxy.edge.pool import Pool, Target
    from proxy.http1.request import RequestHead

_COMMON: Final = ((b"Cache-Control", b"no-store"), (b"X-Robots-Tag", b"noindex"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What readiness rests on; `snapshot` and `upstream` say in words what is there or missing."""

    snapshot_loaded: bool
    snapshot: str
    upstream_answers: bool
    upstream: str
    draining: bool

    @property
    def ready(self) -> bool:
        """Settings are loaded or nothing would answer; the rest must hold as well."""
        return self.snapshot_loaded and self.upstream_answers and not self.draining


def answer_live(head: RequestHead) -> Answer:
    """Say that the worker runs; it fails only by not answering."""
    return _answer(head, 200, "alive", {"alive": True})


def answer_ready(head: RequestHead, readiness: Readiness) -> Answer:
    """Say whether the worker should get traffic (200) or not (503), and why."""
    ready = readiness.ready
    text = "\n".join(
        (
            "ready" if ready else "not ready",
            f"snapshot: {readiness.snapshot}",
            f"upstream: {readiness.upstream}",
            f"draining: {'yes' if readiness.draining else 'no'}",
        )
    )
    body = {
        "ready": ready,
        "snapshot": {"loaded": readiness.snapshot_loaded, "detail": readiness.snapshot},
        "upstream": {"answers": readiness.upstream_answers, "detail": readiness.upstream},
        "draining": readiness.draining,
    }
    return _answer(head, 200 if ready else 503, text, body)


def answer_unknown(head: RequestHead, known: tuple[str, ...]) -> Answer:
    """Say which paths there are: everything else below the health path is kept free, and never relayed."""
    return _answer(head, 404, "no such page; there are " + " and ".join(known), {"paths": list(known)})


def answer_method() -> Answer:
    """Refuse a method that health does not have (RFC 9110 §15.5.6)."""
    headers = (*_COMMON, (b"Allow", b"GET, HEAD"), (b"Content-Type", b"text/plain; charset=utf-8"))
    return Answer(status=405, headers=headers, body=b"use GET or HEAD\n")


def _answer(head: RequestHead, status: int, text: str, body: dict[str, object]) -> Answer:
    if b"json" in find_caller(head.raw)["accept"]:
        headers = (*_COMMON, (b"Content-Type", b"application/json"))
        return Answer(status=status, headers=headers, body=orjson.dumps(body) + b"\n")
    headers = (*_COMMON, (b"Content-Type", b"text/plain; charset=utf-8"))
    return Answer(status=status, headers=headers, body=text.encode() + b"\n")


class UpstreamMonitor:
    """Knows whether the storefront answers: by the traffic itself, and by asking when there is none.

    Any HTTP answer counts, an error page too: readiness asks whether the path works, not whether the shop is well;
    a shop in maintenance shows its own page, not the load balancer's.
    """

    def __init__(self, pool: Pool, *, path: bytes, host: bytes, every: float, timeout: float) -> None:
        self.answers = False
        self.detail = "not asked yet"
        self._pool = pool
        self._request = (
            b"GET %b HTTP/1.1\r\nHost: %b\r\nUser-Agent: stockade-health\r\nConnection: close\r\n\r\n"
            % (
                path,
                host,
            )
        )
        self._every = every
        self._timeout = timeout

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            if self._pool.clock() - self._pool.last_answer <= self._every:
                self.answers, self.detail = True, "answers"
            else:
                await self.probe()
            await asyncio.sleep(self._every)

    async def probe(self) -> None:
        """Ask every address once, until one answers."""
        self.detail = "no address is known"
        for target in list(self._pool.targets):
            try:
                async with asyncio.timeout(self._timeout):
                    await self._ask(target)
            except TimeoutError:
                self.detail = f"{target.upstream} does not answer within {self._timeout:g} s"
            except (OSError, ValueError) as error:
                self.detail = f"{target.upstream} cannot be reached: {error}"
            else:
                self.answers, self.detail = True, "answers"
                target.works()
                return
        self.answers = False

    async def _ask(self, target: Target) -> None:
        upstream = target.upstream
        tls = self._pool.options.tls
        name = (self._pool.options.server_name or upstream.address.host) if tls else None
        if upstream.address.is_unix:
            reader, writer = await asyncio.open_unix_connection(target.address, ssl=tls, server_hostname=name)
        else:
            reader, writer = await asyncio.open_connection(
                target.address, upstream.address.port, ssl=tls, server_hostname=name
            )
        try:
            writer.write(self._request)
            try:
                start = await reader.readexactly(7)
            except asyncio.IncompleteReadError as error:
                raise OSError("it ends the connection without an answer") from error
            if start != b"HTTP/1.":
                raise OSError("it does not speak HTTP/1.1")
        finally:
            writer.transport.abort()
