"""The classic checkout: one urlencoded form, every mistake shown beside its field, an order at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from proxy.demo.catalogue import BY_SLUG
from proxy.demo.orders import (
    COUNTRIES,
    PAYMENT,
    SHIPPING,
    Details,
    Mistake,
    Order,
    derive_delivery,
    derive_lines,
    parse_details,
)
from proxy.demo.rendering import render_page, see_other
from proxy.demo.sessions import keep_session, read_form, read_session
from proxy.demo.state import STATE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ORDERS_KEPT = 20  # that one browser may still look at
_DEFAULTS = {"country": "NL", "shipping": "standard", "payment": "on-delivery"}


async def show_checkout(request: web.Request) -> web.Response:
    """`GET /checkout`: the form, with the e-mail and name of whoever is signed in."""
    session = read_session(request)
    if not session.cart:
        return see_other("/cart")
    form = dict(_DEFAULTS)
    account = request.app[STATE].accounts.get(session.email)
    if account is not None:
        form |= {"email": account.email, "name": account.name}
    return _render_form(request, form, ())


async def submit_checkout(request: web.Request) -> web.Response:
    """`POST /checkout`: place the order, or show the form with what is wrong (422; 409 out of stock)."""
    form = await read_form(request)
    session = keep_session(request)
    if not session.cart:
        return see_other("/cart")
    details = parse_details(form)
    if not isinstance(details, Details):
        return _render_form(request, form, details, status=422)
    order = request.app[STATE].place_order(session.cart, details, account=session.email)
    if not isinstance(order, Order):
        return _render_form(request, form, describe_shortage(request, order), status=409)
    session.cart.clear()
    session.orders = [order.number, *session.orders[: _ORDERS_KEPT - 1]]
    return see_other(f"/checkout/thanks/{order.number}")


async def show_thanks(request: web.Request) -> web.Response:
    """`GET /checkout/thanks/{number}`: the confirmation, for the browser that ordered."""
    number = request.match_info["number"]
    order = request.app[STATE].orders.get(number)
    if order is None or number not in read_session(request).orders:
        raise web.HTTPNotFound
    return render_page(request, "thanks.html", order=order, **_choices())


async def show_order_status(request: web.Request) -> web.Response:
    """`GET` and `POST /order-status`: an order by number and e-mail; one answer for every wrong pair."""
    if request.method != "POST":
        return render_page(request, "order_status.html", form={}, order=None, mistakes=[], **_choices())
    form = await read_form(request)
    order = request.app[STATE].find_order(form.get("number", ""), form.get("email", ""))
    mistakes = []
    if order is None:
        message = "We know no order with this number and e-mail address. Both are in your confirmation."
        mistakes.append(Mistake(field="number", message=message))
    return render_page(
        request,
        "order_status.html",
        status=200 if order else 404,
        form=form,
        order=order,
        mistakes=mistakes,
        **_choices(),
    )


def describe_shortage(request: web.Request, slugs: Sequence[str]) -> list[Mistake]:
    """Say of which products too few are left."""
    levels = request.app[STATE].stock.levels
    return [
        Mistake(
            field="cart",
            message=f"Only {levels[slug]} of {BY_SLUG[slug].name} left: please change your cart.",
        )
        for slug in slugs
    ]


def _choices() -> dict[str, Any]:
    return {"countries": COUNTRIES, "shipping": SHIPPING, "payment": PAYMENT}


def _render_form(
    request: web.Request, form: Mapping[str, str], mistakes: Sequence[Mistake], *, status: int = 200
) -> web.Response:
    lines = derive_lines(read_session(request).cart)
    goods = sum(line.total for line in lines)
    chosen = form.get("shipping", "")
    costs = {name: derive_delivery(goods, name) for name in SHIPPING}
    return render_page(
        request,
        "checkout.html",
        status=status,
        form=form,
        mistakes=mistakes,
        lines=lines,
        goods=goods,
        costs=costs,
        delivery=costs.get(chosen, costs["standard"]),
        **_choices(),
    )
