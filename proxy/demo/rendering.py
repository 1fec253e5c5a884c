"""Pages and assets as answers: Jinja2 with autoescape, ETag and 304, gzip, and a strict browser policy."""

from __future__ import annotations

import gzip
import hashlib
from importlib.resources import files
from typing import Any, Final

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from proxy.demo import drawings
from proxy.demo.catalogue import CATEGORIES, PRODUCTS, render_price
from proxy.demo.orders import FREE_FROM
from proxy.demo.sessions import read_session, write_token
from proxy.demo.state import STATE

_WORTH_GZIP = 1024  # below, gzip saves less than the packet it fits in anyway
# One answer, one origin: nothing inline, nothing from elsewhere, nobody may frame the shop.
PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}


def _load_assets() -> dict[str, tuple[str, bytes]]:
    """Load every file and draw every picture once: path to (media type, bytes)."""
    static = files("proxy.demo") / "static"
    assets = {
        "/static/shop.css": ("text/css", (static / "shop.css").read_bytes()),
        "/static/shop.js": ("text/javascript", (static / "shop.js").read_bytes()),
    }
    svg = {"/images/window.svg": drawings.draw_window(), "/images/mark.svg": drawings.draw_mark()}
    for product in PRODUCTS:
        svg[f"/images/{product.slug}.svg"] = drawings.draw_picture(*product.picture, product.name)
    return assets | {path: ("image/svg+xml", text.encode()) for path, text in svg.items()}


ASSETS: Final = _load_assets()
_VERSIONS: Final = {path: hashlib.sha256(body).hexdigest()[:12] for path, (_, body) in ASSETS.items()}


def asset_url(path: str) -> str:
    """Give an asset's path with its version, so that browsers may keep it for good."""
    return f"{path}?v={_VERSIONS[path]}"


def _build_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("proxy.demo", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["price"] = render_price
    environment.globals.update(asset=asset_url, categories=CATEGORIES, free_from=FREE_FROM)
    return environment


_ENVIRONMENT: Final = _build_environment()


def render_page(request: web.Request, template: str, *, status: int = 200, **context: Any) -> web.Response:
    """Render a template with what every page shows: cart count, who is signed in, a notice once."""
    session = read_session(request)
    notice, session.notice = session.notice, ""
    html = _ENVIRONMENT.get_template(template).render(
        context,
        csrf=lambda: write_token(request),
        cart_count=sum(session.cart.values()),
        signed_in=session.email,
        notice=notice,
        stock=request.app[STATE].stock.levels,
        here=request.path,
    )
    cache = "private, no-cache" if status == 200 and request.method in ("GET", "HEAD") else "no-store"
    headers = PAGE_HEADERS | {"Cache-Control": cache, "Vary": "Accept-Encoding, Cookie"}
    # A query or a JSON string may smuggle in lone surrogates, which UTF-8 cannot carry.
    body = html.encode("utf-8", "replace")
    return answer(request, body, "text/html", status=status, headers=headers)


async def show_asset(request: web.Request) -> web.Response:
    """`GET /static/…`, `GET /images/…`: kept for a year when asked for by version."""
    media_type, body = ASSETS[request.path]
    fresh = request.query.get("v") == _VERSIONS[request.path]
    cache = "public, max-age=31536000, immutable" if fresh else "public, no-cache"
    return answer(request, body, media_type, headers={"Cache-Control": cache, "Vary": "Accept-Encoding"})


def answer(
    request: web.Request, body: bytes, media_type: str, *, status: int = 200, headers: dict[str, str]
) -> web.Response:
    """Answer with a strong ETag a coding (RFC 9110, 8.8.3.3), gzip where it helps, 304 where it can."""
    zipped = len(body) >= _WORTH_GZIP and accepts_gzip(request.headers.get("Accept-Encoding", ""))
    if status == 200 and request.method in ("GET", "HEAD"):
        tag = hashlib.sha256(body).hexdigest()[:20]
        headers = headers | {"ETag": f'"{tag}-gz"' if zipped else f'"{tag}"'}
        if matches_etag(request.headers.get("If-None-Match", ""), headers["ETag"]):
            return web.Response(status=304, headers=headers)
    response = web.Response(status=status, headers=headers, content_type=media_type, charset="utf-8")
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, 6, mtime=0)
    response.body = body
    return response


def accepts_gzip(header: str) -> bool:
    """Tell whether an Accept-Encoding value takes gzip (RFC 9110, 12.5.3)."""
    weights: dict[str, bool] = {}
    for item in header.lower().split(","):
        coding, _, parameter = item.partition(";")
        weight = parameter.strip().removeprefix("q=").strip()
        weights[coding.strip()] = weight.rstrip("0").rstrip(".") not in ("", "0") if parameter else True
    return weights.get("gzip", weights.get("*", False))


def matches_etag(header: str, etag: str) -> bool:
    """Tell whether an If-None-Match value names `etag`, compared weakly (RFC 9110, 13.1.2)."""
    return header.strip() == "*" or etag in {item.strip().removeprefix("W/") for item in header.split(",")}


def see_other(location: str) -> web.Response:
    """Send the browser on with GET after a form (303), to a path of this store."""
    return web.Response(status=303, headers={"Location": location, "Cache-Control": "no-store"})
