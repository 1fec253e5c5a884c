"""The cart: the rules for putting things in, and its pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.demo.catalogue import BY_SLUG
from proxy.demo.orders import MAX_QUANTITY, derive_delivery, derive_lines
from proxy.demo.rendering import render_page, see_other
from proxy.demo.sessions import keep_session, read_form, read_session

if TYPE_CHECKING:
    from aiohttp import web


def parse_quantity(text: str) -> int | None:
    """Give 0 to MAX_QUANTITY, or None when the text is no such number."""
    if text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= MAX_QUANTITY:
        return int(text)
    return None


def put(cart: dict[str, int], slug: str, quantity: int) -> None:
    """Set a product's quantity; 0 takes it out."""
    if quantity:
        cart[slug] = quantity
    else:
        cart.pop(slug, None)


async def show_cart(request: web.Request) -> web.Response:
    """`GET /cart`."""
    lines = derive_lines(read_session(request).cart)
    goods = sum(line.total for line in lines)
    return render_page(
        request,
        "cart.html",
        lines=lines,
        goods=goods,
        delivery=derive_delivery(goods, "standard"),
        max_quantity=MAX_QUANTITY,
    )


async def add_to_cart(request: web.Request) -> web.Response:
    """`POST /cart/add`: product, quantity."""
    form = await read_form(request)
    session = keep_session(request)
    product = BY_SLUG.get(form.get("product", ""))
    quantity = parse_quantity(form.get("quantity", "1"))
    if product is None or not quantity:
        session.notice = f"Please choose from 1 to {MAX_QUANTITY} of one of our products."
        return see_other("/cart")
    wanted = session.cart.get(product.slug, 0) + quantity
    put(session.cart, product.slug, min(wanted, MAX_QUANTITY))
    session.notice = (
        f"{product.name} is in your cart."
        if wanted <= MAX_QUANTITY
        else f"We send at most {MAX_QUANTITY} of one product: that is what your cart now holds."
    )
    return see_other("/cart")


async def update_cart(request: web.Request) -> web.Response:
    """`POST /cart/update`: product, quantity (0 removes it)."""
    form = await read_form(request)
    session = keep_session(request)
    product = BY_SLUG.get(form.get("product", ""))
    quantity = parse_quantity(form.get("quantity", ""))
    if product is None or quantity is None:
        session.notice = f"Please choose a quantity from 0 to {MAX_QUANTITY}."
    else:
        put(session.cart, product.slug, quantity)
        session.notice = "Your cart is up to date." if quantity else f"{product.name} is back on the shelf."
    return see_other("/cart")
