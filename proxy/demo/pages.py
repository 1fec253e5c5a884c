"""The pages one reads: home, shelves, products, search, contact, privacy."""

from __future__ import annotations

from aiohttp import web

from proxy.demo.catalogue import BY_SLUG, CATEGORIES, PRODUCTS, find_products
from proxy.demo.orders import MAX_QUANTITY, Mistake, parse_email
from proxy.demo.rendering import render_page, see_other
from proxy.demo.sessions import keep_session, read_form

_FAVOURITES = ("pilea", "string-of-pearls", "boston-fern", "snake-plant")
_MAX_QUERY = 80  # characters: longer than any name in the shop
_MAX_MESSAGE = 4000


async def home(request: web.Request) -> web.Response:
    """`GET /`."""
    return render_page(request, "home.html", favourites=[BY_SLUG[slug] for slug in _FAVOURITES])


async def shop(request: web.Request) -> web.Response:
    """`GET /shop` and `GET /shop/{category}`: everything, or one shelf."""
    slug = request.match_info.get("category")
    shelf = next((category for category in CATEGORIES if category.slug == slug), None)
    if slug is not None and shelf is None:
        raise web.HTTPNotFound
    products = [product for product in PRODUCTS if shelf is None or product.category == shelf.slug]
    return render_page(request, "shop.html", shelf=shelf, products=products)


async def product(request: web.Request) -> web.Response:
    """`GET /products/{slug}`."""
    item = BY_SLUG.get(request.match_info["slug"])
    if item is None:
        raise web.HTTPNotFound
    shelf = next(category for category in CATEGORIES if category.slug == item.category)
    at = PRODUCTS.index(item)
    others = [PRODUCTS[(at + step) % len(PRODUCTS)] for step in (3, 6, 9, 11)]
    return render_page(
        request, "product.html", product=item, shelf=shelf, others=others, max_quantity=MAX_QUANTITY
    )


async def search(request: web.Request) -> web.Response:
    """`GET /search?q=`."""
    query = " ".join(request.query.get("q", "").split())[:_MAX_QUERY]
    return render_page(request, "search.html", query=query, products=find_products(query))


async def contact(request: web.Request) -> web.Response:
    """`GET` and `POST /contact`: a message form; what is sent is checked and then forgotten."""
    if request.method != "POST":
        return render_page(request, "contact.html", form={}, mistakes=[])
    form = await read_form(request)
    mistakes: list[Mistake] = []
    if parse_email(form.get("email", "")) is None:
        mistakes.append(
            Mistake(field="email", message="Please enter an e-mail address, such as sam@example.com.")
        )
    if not 1 <= len(form.get("message", "").strip()) <= _MAX_MESSAGE:
        mistakes.append(Mistake(field="message", message="Please write a message of up to 4,000 characters."))
    if mistakes:
        return render_page(request, "contact.html", status=422, form=form, mistakes=mistakes)
    keep_session(request).notice = "Thank you, your message has arrived. We answer within one working day."
    return see_other("/contact")


async def privacy(request: web.Request) -> web.Response:
    """`GET /privacy`."""
    return render_page(request, "privacy.html")


async def robots(_request: web.Request) -> web.Response:
    """`GET /robots.txt`: a demo belongs in no search engine."""
    return web.Response(text="User-agent: *\nDisallow: /\n")
