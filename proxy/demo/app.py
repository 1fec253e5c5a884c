"""The demo store's application: routes, and what every answer carries."""

from __future__ import annotations

from aiohttp import web

from proxy.demo import account, api, cart, checkout, echo, live, pages, streams, wire
from proxy.demo.problem import answer_errors
from proxy.demo.rendering import ASSETS, asset_url, see_other, show_asset
from proxy.demo.sessions import carry_session
from proxy.demo.state import STATE, State

_MAX_FORM = 256 * 1024  # bytes of a form or JSON body; uploads are streamed and not counted


def create_app(*, seed: int = 0) -> web.Application:
    """Build a store of its own state; the same `seed` gives the same simulated sales."""
    app = web.Application(middlewares=[answer_errors, carry_session], client_max_size=_MAX_FORM)
    app[STATE] = State(seed=seed)
    live.set_up(app)
    app.on_response_prepare.append(_add_headers)
    _add_shop(app.router)
    _add_api(app.router)
    _add_tests(app.router)
    for path in ASSETS:
        app.router.add_get(path, show_asset)
    app.router.add_get("/favicon.ico", _show_favicon)
    app.router.add_get("/robots.txt", pages.robots)
    return app


def _add_shop(router: web.UrlDispatcher) -> None:
    router.add_get("/", pages.home)
    router.add_get("/shop", pages.shop)
    router.add_get("/shop/{category}", pages.shop)
    router.add_get("/products/{slug}", pages.product)
    router.add_get("/search", pages.search)
    router.add_get("/privacy", pages.privacy)
    router.add_get("/cart", cart.show_cart)
    router.add_post("/cart/add", cart.add_to_cart)
    router.add_post("/cart/update", cart.update_cart)
    router.add_get("/checkout", checkout.show_checkout)
    router.add_post("/checkout", checkout.submit_checkout)
    router.add_get("/checkout/thanks/{number}", checkout.show_thanks)
    router.add_get("/account", account.show_account)
    router.add_post("/account/logout", account.logout)
    for path, handler in (
        ("/contact", pages.contact),
        ("/order-status", checkout.show_order_status),
        ("/account/login", account.login),
        ("/account/register", account.register),
    ):
        router.add_get(path, handler)
        router.add_post(path, handler)


def _add_api(router: web.UrlDispatcher) -> None:
    router.add_get("/api/products", api.list_products)
    router.add_get("/api/products/{slug}", api.show_product)
    router.add_post("/api/carts", api.open_cart)
    router.add_get("/api/carts/{id}", api.show_cart)
    router.add_post("/api/carts/{id}/items", api.add_item)
    router.add_delete("/api/carts/{id}/items/{slug}", api.remove_item)
    router.add_post("/api/carts/{id}/checkout", api.checkout)
    router.add_post("/api/orders/status", api.show_order)


def _add_tests(router: web.UrlDispatcher) -> None:
    router.add_get("/ws/stock", live.stock_ticker, allow_head=False)
    router.add_get("/ws/echo", live.echo, allow_head=False)
    router.add_get("/events", live.events, allow_head=False)
    router.add_get("/download/{bytes}", streams.download)
    router.add_get("/download/{bytes}/sha256", streams.checksum)
    router.add_post("/upload", streams.upload)
    router.add_put("/upload", streams.upload)
    router.add_route("*", "/slow", streams.slow)
    router.add_get("/drip", streams.drip, allow_head=False)
    router.add_get("/chunked/{bytes}", wire.chunked)
    router.add_get("/close-delimited/{bytes}", wire.close_delimited, allow_head=False)
    router.add_get("/trailers", wire.trailers, allow_head=False)
    router.add_get("/early-hints", wire.early_hints)
    router.add_get("/broken/{how}", wire.broken, allow_head=False)
    router.add_route("*", "/debug/request", echo.show_request)
    router.add_route("*", "/status/{code}", echo.answer_status)
    router.add_route("*", "/redirect/{hops}", echo.redirect)


async def _show_favicon(_request: web.Request) -> web.Response:
    return see_other(asset_url("/images/mark.svg"))


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "potting-lane"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
