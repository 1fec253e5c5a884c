from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import aiohttp
    from conftest import Browser


async def _post(http: aiohttp.ClientSession, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
    async with http.post(path, json=body) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_json_checkout_story(http: aiohttp.ClientSession, details: dict[str, str]) -> None:
    """Products, cart, items, checkout, status: an order without a page or a cookie."""
    async with http.get("/api/products?q=boston") as answer:
        (product,) = (await answer.json())["products"]
    status, cart = await _post(http, "/api/carts")
    assert status == 201
    path = f"/api/carts/{cart['id']}"
    status, cart = await _post(http, f"{path}/items", {"product": product["slug"], "quantity": 2})
    assert (status, cart["total"]) == (201, 2 * product["price"])
    status, cart = await _post(http, f"{path}/items", {"product": "mister"})
    assert [item["quantity"] for item in cart["items"]] == [2, 1]
    async with http.delete(f"{path}/items/mister") as answer:
        assert answer.status == 204
    address = {name: details.pop(name) for name in ("street", "postcode", "city", "country")}
    status, order = await _post(http, f"{path}/checkout", details | {"address": address})
    assert status == 201
    assert order["total"] == 2 * product["price"] + 495
    asked = {"number": order["number"], "email": details["email"]}
    assert await _post(http, "/api/orders/status", asked) == (200, order)
    async with http.get(path) as answer:
        assert answer.status == 404, "an ordered cart is gone"
    async with http.get(f"/api/products/{product['slug']}") as answer:
        assert (await answer.json())["stock"] == product["stock"] - 2


@pytest.mark.parametrize(
    ("path", "body", "status", "fields"),
    [
        pytest.param("/items", {"product": "rose"}, 422, ["product"], id="unknown-product"),
        pytest.param("/items", {"product": "pilea", "quantity": 0}, 422, ["quantity"], id="none-of-it"),
        pytest.param("/items", {"product": "pilea", "quantity": True}, 422, ["quantity"], id="quantity-true"),
        pytest.param("/items", {"product": ["pilea"], "quantity": "1"}, 422, ["product", "quantity"], id="types"),
        pytest.param("/items", [], 400, None, id="no-object"),
        pytest.param("/checkout", {"email": "sam"}, 422,
            ["email", "phone", "name", "street", "postcode", "city", "country", "shipping", "payment"],
            id="nearly-empty"),
        pytest.param("/checkout", {"email": ["sam@example.com"], "address": 7}, 422,
            ["email", "phone", "name", "street", "postcode", "city", "country", "shipping", "payment"],
            id="wrong-types"),
    ],
)  # fmt: skip
async def test_api_mistakes_are_problem_documents(
    http: aiohttp.ClientSession, path: str, body: Any, status: int, fields: list[str] | None
) -> None:
    """Every refusal is RFC 9457 JSON and names all fields at fault."""
    _, cart = await _post(http, "/api/carts")
    async with http.post(f"/api/carts/{cart['id']}{path}", json=body) as answer:
        assert answer.status == status
        assert answer.content_type == "application/problem+json"
        problem = await answer.json(content_type=None)
    assert problem["status"] == status
    assert [item["field"] for item in problem.get("errors", [])] == (fields or [])


async def test_api_refuses_empty_carts_and_too_many(
    http: aiohttp.ClientSession, details: dict[str, str]
) -> None:
    """An empty cart and one past the stock are conflicts; nothing is ordered."""
    _, cart = await _post(http, "/api/carts")
    path = f"/api/carts/{cart['id']}"
    assert (await _post(http, f"{path}/checkout", details))[0] == 409
    await _post(http, f"{path}/items", {"product": "pot-trio", "quantity": 10})
    status, problem = await _post(http, f"{path}/items", {"product": "pot-trio", "quantity": 1})
    assert status == 422
    assert (await _post(http, f"{path}/checkout", details))[0] == 201
    _, cart = await _post(http, "/api/carts")
    await _post(http, f"/api/carts/{cart['id']}/items", {"product": "pot-trio", "quantity": 10})
    status, problem = await _post(http, f"/api/carts/{cart['id']}/checkout", details)
    assert (status, problem["title"]) == (409, "Too few are left")


@pytest.mark.parametrize(
    ("data", "media_type", "status"),
    [
        pytest.param(b"{", "application/json", 400, id="cut-short"),
        pytest.param(b"\xff", "application/json", 400, id="no-utf8"),
        pytest.param(b"[" * 100_000, "application/json", 400, id="deep"),
        pytest.param(b"{}", "text/plain", 415, id="media-type"),
        pytest.param(b" " * 300_000, "application/json", 413, id="large"),
    ],
)
async def test_unreadable_bodies(
    http: aiohttp.ClientSession, data: bytes, media_type: str, status: int
) -> None:
    """What is no JSON object is refused as such, never with a 500."""
    _, cart = await _post(http, "/api/carts")
    url = f"/api/carts/{cart['id']}/items"
    async with http.post(url, data=data, headers={"Content-Type": media_type}) as answer:
        assert answer.status == status
        assert answer.content_type == "application/problem+json"


async def test_lone_surrogates_do_no_harm(
    http: aiohttp.ClientSession, browser: Browser, details: dict[str, str]
) -> None:
    """JSON can hold text that UTF-8 cannot; the order's page shows it all the same."""
    _, cart = await _post(http, "/api/carts")
    await _post(http, f"/api/carts/{cart['id']}/items", {"product": "pilea"})
    status, order = await _post(http, f"/api/carts/{cart['id']}/checkout", details | {"name": "S\ud800am"})
    assert status == 201
    await browser.open("/order-status")
    status, page = await browser.send("/order-status", number=order["number"], email=details["email"])
    assert (status, "S?am" in page) == (200, True)


async def test_unknown_api_paths_are_problems_too(http: aiohttp.ClientSession) -> None:
    """404 and 405 under /api are JSON."""
    for method, path, status in (
        ("GET", "/api/nothing", 404),
        ("GET", "/api/carts", 405),
        ("GET", "/api/carts/x", 404),
    ):
        async with http.request(method, path, headers={"Accept": "text/html"}) as answer:
            assert answer.status == status
            assert answer.content_type == "application/problem+json"
            if status == 405:
                assert "POST" in answer.headers["Allow"]
