"""What reached the store, and answers by number: for tests and for trying out forwarding headers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from aiohttp import web

from proxy.demo.streams import read_digest

_BODILESS = frozenset({204, 205, 304})


async def show_request(request: web.Request) -> web.Response:
    """`* /debug/request`: the request as the store received it, header lines in their order and case."""
    total, digest = await read_digest(request)
    return web.json_response(describe_request(request, total, digest), headers={"Cache-Control": "no-store"})


def describe_request(request: web.Request, total: int, digest: str) -> dict[str, Any]:
    """Give the request line, headers, peer and body digest as JSON-ready values (8-bit bytes as Latin-1)."""
    version = f"HTTP/{request.version.major}.{request.version.minor}"
    headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.raw_headers]
    forwarded_for = [
        entry.strip()
        for name, value in headers
        if name.lower() == "x-forwarded-for"
        for entry in value.split(",")
    ]
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return {
        "request_line": f"{request.method} {request.raw_path} {version}",
        "method": request.method,
        "target": request.raw_path,
        "version": version,
        "headers": headers,
        # The nearest hop, and what shops usually believe: the first address of X-Forwarded-For.
        "peer": peer[0] if isinstance(peer, tuple) else "",
        "forwarded_for": forwarded_for,
        "client_address": forwarded_for[0] if forwarded_for else (peer[0] if isinstance(peer, tuple) else ""),
        "body": {"bytes": total, "sha256": digest},
    }


async def answer_status(request: web.Request) -> web.Response:
    """`* /status/{code}`: an answer of that status, 200 to 599."""
    text = request.match_info["code"]
    if not (text.isascii() and text.isdigit() and len(text) == 3 and 200 <= int(text) <= 599):
        raise web.HTTPBadRequest(text="the code must be a number from 200 to 599\n")
    code = int(text)
    phrase = HTTPStatus(code).phrase if code in HTTPStatus._value2member_map_ else "Demo"
    headers = {"Retry-After": "120"} if code in (429, 503) else {}
    if code in _BODILESS:
        return web.Response(status=code, reason=phrase, headers=headers)
    return web.Response(status=code, reason=phrase, headers=headers, text=f"{code} {phrase}\n")


async def redirect(request: web.Request) -> web.Response:
    """`* /redirect/{hops}?status=302`: that many redirects, then home; never leaves the store."""
    hops = request.match_info["hops"]
    status = request.query.get("status", "302")
    if hops not in {str(number) for number in range(1, 21)} or status not in {
        "301",
        "302",
        "303",
        "307",
        "308",
    }:
        raise web.HTTPBadRequest(text="hops must be 1 to 20, status one of 301 302 303 307 308\n")
    location = f"/redirect/{int(hops) - 1}?status={status}" if hops != "1" else "/"
    return web.Response(status=int(status), headers={"Location": location}, text=f"See {location}\n")
