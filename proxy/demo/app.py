"""The demo store's application: routes and what every answer carries."""

from __future__ import annotations

from aiohttp import web

from proxy.demo import echo, live, streams


async def home(request: web.Request) -> web.Response:
    """`GET /`."""
    return web.Response(
        text="<!doctype html><html lang=en><title>Potting Lane</title><h1>Potting Lane</h1></html>\n",
        content_type="text/html",
    )


def create_app(*, seed: int = 0) -> web.Application:
    """Build a store of its own state; the same `seed` gives the same stock and simulated sales."""
    app = web.Application()
    app.router.add_get("/", home)
    app.router.add_get("/download/{bytes}", streams.download)
    app.router.add_get("/download/{bytes}/sha256", streams.checksum)
    app.router.add_post("/upload", streams.upload)
    app.router.add_put("/upload", streams.upload)
    app.router.add_get("/slow", streams.slow)
    app.router.add_get("/drip", streams.drip)
    app.router.add_route("*", "/debug/request", echo.show_request)
    app.router.add_route("*", "/status/{code}", echo.answer_status)
    app.router.add_route("*", "/redirect/{hops}", echo.redirect)
    app.router.add_get("/ws/echo", live.echo)
    return app
