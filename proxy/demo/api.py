"""The JSON API: products, carts, checkout, order status. Errors are RFC 9457 problem documents."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from aiohttp import web

from proxy.demo.catalogue import BY_SLUG, PRODUCTS, Product, find_products
from proxy.demo.checkout import describe_shortage
from proxy.demo.orders import (
    DETAIL_FIELDS,
    MAX_QUANTITY,
    Details,
    Line,
    Mistake,
    Order,
    derive_lines,
    parse_details,
)
from proxy.demo.problem import ProblemError
from proxy.demo.state import STATE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


async def list_products(request: web.Request) -> web.Response:
    """`GET /api/products?q=`."""
    query = request.query.get("q")
    products = PRODUCTS if query is None else find_products(query)
    return web.json_response({"products": [_describe_product(request, product) for product in products]})


async def show_product(request: web.Request) -> web.Response:
    """`GET /api/products/{slug}`."""
    product = BY_SLUG.get(request.match_info["slug"])
    if product is None:
        raise ProblemError(404, "No such product", "We sell nothing under this name.")
    return web.json_response(_describe_product(request, product))


async def open_cart(request: web.Request) -> web.Response:
    """`POST /api/carts`: a new, empty cart (201)."""
    key = secrets.token_urlsafe(18)
    request.app[STATE].carts[key] = {}
    return _answer(_describe_cart(key, {}), status=201, location=f"/api/carts/{key}")


async def show_cart(request: web.Request) -> web.Response:
    """`GET /api/carts/{id}`."""
    return _answer(_describe_cart(request.match_info["id"], _find_cart(request)))


async def add_item(request: web.Request) -> web.Response:
    """`POST /api/carts/{id}/items`: {"product": slug, "quantity": 1} adds to what is there (201)."""
    cart = _find_cart(request)
    given = await _read_object(request)
    slug, quantity = given.get("product"), given.get("quantity", 1)
    mistakes = []
    if not isinstance(slug, str) or slug not in BY_SLUG:
        mistakes.append(Mistake(field="product", message="Give the slug of a product, such as pilea."))
    # bool is an int to Python, not to a shopper
    if not isinstance(quantity, int) or isinstance(quantity, bool) or not 1 <= quantity <= MAX_QUANTITY:
        mistakes.append(Mistake(field="quantity", message=f"Give a whole number from 1 to {MAX_QUANTITY}."))
    elif not mistakes and cart.get(str(slug), 0) + quantity > MAX_QUANTITY:
        mistakes.append(
            Mistake(field="quantity", message=f"A cart holds at most {MAX_QUANTITY} of one product.")
        )
    if mistakes:
        raise ProblemError(422, "The item is not valid", "Nothing was added to the cart.", mistakes)
    cart[str(slug)] = cart.get(str(slug), 0) + int(str(quantity))
    return _answer(_describe_cart(request.match_info["id"], cart), status=201)


async def remove_item(request: web.Request) -> web.Response:
    """`DELETE /api/carts/{id}/items/{slug}`: 204, also when it was not there."""
    _find_cart(request).pop(request.match_info["slug"], None)
    return web.Response(status=204)


async def checkout(request: web.Request) -> web.Response:
    """`POST /api/carts/{id}/checkout`: the fields of the form as one JSON object; the order (201).

    email, name, phone, street, postcode, city, country, shipping, payment, note; the address fields may also
    stand in an object "address". 422 with `errors` for mistakes, 409 when the cart is empty or stock too low.
    """
    cart = _find_cart(request)
    given = await _read_object(request)
    address = given.get("address")
    flat = {**(address if isinstance(address, dict) else {}), **given}
    details = parse_details(
        {name: value for name in DETAIL_FIELDS if isinstance(value := flat.get(name), str)}
    )
    if not isinstance(details, Details):
        raise ProblemError(422, "The checkout is not complete", "Some fields are missing or wrong.", details)
    if not cart:
        raise ProblemError(409, "The cart is empty", "Add an item before checking out.")
    order = request.app[STATE].place_order(cart, details)
    if not isinstance(order, Order):
        shortage = describe_shortage(request, order)
        raise ProblemError(409, "Too few are left", "Nothing was ordered.", shortage)
    del request.app[STATE].carts[request.match_info["id"]]
    return _answer(_describe_order(order), status=201)


async def show_order(request: web.Request) -> web.Response:
    """`POST /api/orders/status`: {"number", "email"}; the e-mail travels in the body, away from logs."""
    given = await _read_object(request)
    order = request.app[STATE].find_order(str(given.get("number", "")), str(given.get("email", "")))
    if order is None:
        raise ProblemError(404, "No such order", "We know no order with this number and e-mail address.")
    return _answer(_describe_order(order))


def _find_cart(request: web.Request) -> dict[str, int]:
    cart = request.app[STATE].carts.get(request.match_info["id"])
    if cart is None:
        raise ProblemError(404, "No such cart", "The cart is unknown, ordered already, or too old.")
    return cart


async def _read_object(request: web.Request) -> dict[str, Any]:
    media_type = request.content_type
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise ProblemError(415, "Not JSON", "Send the body as application/json.")
    try:
        value = json.loads((await request.read()).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ProblemError(400, "Not readable", "The body is no JSON text in UTF-8.") from error
    if not isinstance(value, dict):
        raise ProblemError(400, "Not an object", "The body must be one JSON object.")
    return value


def _answer(value: Mapping[str, object], *, status: int = 200, location: str | None = None) -> web.Response:
    headers = {"Cache-Control": "no-store"} | ({"Location": location} if location else {})
    return web.json_response(value, status=status, headers=headers)


def _describe_product(request: web.Request, product: Product) -> dict[str, object]:
    return {
        "slug": product.slug,
        "name": product.name,
        "category": product.category,
        "blurb": product.blurb,
        "price": product.price,
        "currency": "EUR",
        "stock": request.app[STATE].stock.levels[product.slug],
        "image": f"/images/{product.slug}.svg",
    }


def _describe_lines(lines: Sequence[Line]) -> list[dict[str, object]]:
    return [
        {
            "product": line.product.slug,
            "quantity": line.quantity,
            "price": line.product.price,
            "total": line.total,
        }
        for line in lines
    ]


def _describe_cart(key: str, cart: Mapping[str, int]) -> dict[str, object]:
    lines = derive_lines(cart)
    total = sum(line.total for line in lines)
    return {"id": key, "items": _describe_lines(lines), "total": total, "currency": "EUR"}


def _describe_order(order: Order) -> dict[str, object]:
    return {
        "number": order.number,
        "status": "packing",
        "email": order.details.email,
        "items": _describe_lines(order.lines),
        "goods": order.goods,
        "delivery": order.delivery,
        "total": order.total,
        "currency": "EUR",
        "shipping": order.details.shipping,
        "payment": order.details.payment,
    }
