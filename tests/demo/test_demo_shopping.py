from __future__ import annotations

import re
from typing import TYPE_CHECKING

import aiohttp
import pytest

from proxy.demo.catalogue import CATEGORIES, PRODUCTS

if TYPE_CHECKING:
    from conftest import Browser


async def test_a_guest_buys_from_home_page_to_order_status(browser: Browser, details: dict[str, str]) -> None:
    """The whole story of the classic form: look, add, change, mistype, order, look up."""
    status, page = await browser.open("/")
    assert status == 200
    assert "/products/pilea" in page
    await browser.open("/products/pilea")
    status, page = await browser.send("/cart/add", product="pilea", quantity="2")
    assert "Pilea is in your cart." in page
    assert "€33.00" in page
    status, page = await browser.send("/cart/update", product="pilea", quantity="3")
    assert "€49.50" in page
    assert "€0.50 more and delivery is free." in page

    status, page = await browser.open("/checkout")
    status, page = await browser.send("/checkout", **details | {"email": "sam@nowhere", "phone": "12"})
    assert status == 422
    assert "2 things need another look" in page
    assert 'id="email-wrong"' in page
    assert 'value="Wilgenlaan 7"' in page, "what was typed is kept"

    status, page = await browser.send("/checkout", **details)
    assert status == 200
    assert "Thank you, Sam" in page
    assert "€54.45" in page, "3 x 16.50 and 4.95 for delivery"
    number = re.search(r"PL-\d{6}", page)
    assert number is not None

    status, page = await browser.open("/cart")
    assert "Still empty" in page
    await browser.open("/order-status")
    status, page = await browser.send("/order-status", number=number.group().lower(), email="SAM@example.com")
    assert status == 200
    assert "Being packed" in page
    await browser.open("/order-status")
    status, page = await browser.send("/order-status", number=number.group(), email="eve@example.com")
    assert status == 404
    assert "We know no order" in page
    assert "Wilgenlaan" not in page


async def test_account_story(browser: Browser, details: dict[str, str]) -> None:
    """Register, sign out, sign in, order, and find the order under my orders."""
    fields = {"email": "Sam@example.com", "password": "correct horse"}
    await browser.open("/account/register")
    status, page = await browser.send("/account/register", name="Sam Green", **fields)
    assert "Hello, Sam Green" in page
    status, page = await browser.send("/account/logout")
    assert "You are signed out" in page
    status, page = await browser.open("/account")
    assert "<h1>Sign in</h1>" in page
    status, page = await browser.send("/account/login", email="sam@example.com", password="wrong horse")
    assert status == 422
    assert "do not belong together" in page
    status, page = await browser.send("/account/login", email="sam@example.com", password="correct horse")
    assert "Welcome back, Sam Green" in page
    await browser.fill_cart("snake-plant")
    status, page = await browser.open("/checkout")
    assert 'value="Sam@example.com"' in page
    await browser.send("/checkout", **details)
    status, page = await browser.open("/account")
    assert "PL-100001" in page


async def test_an_account_shows_no_orders_of_strangers(
    store: str, browser: Browser, details: dict[str, str]
) -> None:
    """Registering with somebody's e-mail address, which nobody checks, opens none of their orders."""
    await browser.fill_cart()
    await browser.open("/checkout")
    await browser.send("/checkout", **details)
    async with aiohttp.ClientSession(store, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        other = type(browser)(session)
        await other.open("/account/register")
        _, page = await other.send("/account/register", name="Eve", email=details["email"], password="x" * 8)
        assert "Hello, Eve" in page
        assert "PL-" not in page
        status, _ = await other.open("/checkout/thanks/PL-100001")
        assert status == 404


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"name": ""}, "Please enter your name", id="no-name"),
        pytest.param({"email": "sam"}, "Please enter an e-mail address", id="no-email"),
        pytest.param({"password": "short"}, "Please choose a password", id="short-password"),
    ],
)
async def test_registration_mistakes(browser: Browser, fields: dict[str, str], message: str) -> None:
    """Each mistake is named, and the password is never sent back."""
    given = {"name": "Sam", "email": "sam@example.com", "password": "correct horse"} | fields
    await browser.open("/account/register")
    status, page = await browser.send("/account/register", **given)
    assert status == 422
    assert message in page
    assert given["password"] not in page


async def test_an_email_registers_once(browser: Browser) -> None:
    """A second account for the same e-mail, in any case, is refused."""
    for email, expected in (("sam@example.com", 200), ("SAM@example.com", 422)):
        await browser.open("/account/register")
        status, _ = await browser.send("/account/register", name="S", email=email, password="12345678")
        assert status == expected


@pytest.mark.parametrize(
    "path",
    ["/cart/add", "/cart/update", "/checkout", "/contact", "/order-status", "/account/login", "/account/register",
     "/account/logout"],
)  # fmt: skip
@pytest.mark.parametrize("token", ["", "0" * 64, "\udce9"], ids=["missing", "wrong", "odd"])
async def test_forms_without_their_token_do_nothing(browser: Browser, path: str, token: str) -> None:
    """A form from elsewhere gets 403 and words that help."""
    await browser.fill_cart()
    status, page = await browser.send(path, token=token.encode("utf-8", "replace").decode(), product="aloe")
    assert status == 403
    assert "Please send that once more" in page


async def test_a_session_key_changes_at_login(store: str) -> None:
    """A cookie planted before signing in is worth nothing after it."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(store, cookie_jar=jar) as session:
        page = await (await session.get("/account/register")).text()
        before = {cookie.key: cookie.value for cookie in jar}
        token = re.search(r'name="csrf" value="(\w+)"', page)
        assert token is not None
        form = {"csrf": token.group(1), "name": "S", "email": "s@example.com", "password": "12345678"}
        async with session.post("/account/register", data=form, allow_redirects=False) as answer:
            assert answer.status == 303
            cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert {cookie.key: cookie.value for cookie in jar} != before


async def test_the_cart_is_bounded(browser: Browser) -> None:
    """At most ten of one product, however often they are added."""
    await browser.fill_cart("pilea", 9)
    await browser.open("/products/pilea")
    _, page = await browser.send("/cart/add", product="pilea", quantity="9")
    assert "at most 10" in page
    assert "€165.00" in page


@pytest.mark.parametrize("quantity", ["-1", "11", "x", "", "1e3", "٣"])
async def test_odd_quantities_change_nothing(browser: Browser, quantity: str) -> None:
    """What is no quantity leaves the cart as it was."""
    await browser.fill_cart()
    _, page = await browser.send("/cart/update", product="pilea", quantity=quantity)
    assert "Please choose a quantity" in page
    assert "€16.50" in page


async def test_stock_runs_out_politely(store: str, browser: Browser, details: dict[str, str]) -> None:
    """An order for more than is left says how many are, and takes nothing."""
    for _ in range(1):
        await browser.fill_cart("pot-trio", 10)
        await browser.open("/checkout")
        await browser.send("/checkout", **details)
    await browser.fill_cart("pot-trio", 10)
    await browser.open("/checkout")
    status, page = await browser.send("/checkout", **details)
    assert status == 409
    assert "Only 6 of Pot trio left" in page


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        pytest.param(b"{}", "application/json", 415, id="json"),
        pytest.param(b"a=1&" * 300, "application/x-www-form-urlencoded", 400, id="many-fields"),
        pytest.param(b"a" * 300_000, "application/x-www-form-urlencoded", 413, id="large"),
        pytest.param(b"csrf=%FF%ED%A0%80", "application/x-www-form-urlencoded", 403, id="no-utf8"),
    ],
)
async def test_unreadable_forms(store: str, body: bytes, media_type: str, status: int) -> None:
    """What is no form of ours is refused with words, never with a 500."""
    async with aiohttp.ClientSession(store) as session:
        headers = {"Content-Type": media_type, "Accept": "text/html"}
        async with session.post("/checkout", data=body, headers=headers) as answer:
            assert answer.status == status
            assert "<h1>" in await answer.text()


async def test_checkout_of_nothing_leads_to_the_cart(browser: Browser) -> None:
    """There is no order without goods, nor a form for one."""
    _, page = await browser.open("/checkout")
    assert "Still empty" in page
    await browser.open("/contact")
    _, page = await browser.send("/checkout", email="sam@example.com")
    assert "Still empty" in page


async def test_what_is_not_sold_cannot_be_added(browser: Browser) -> None:
    """An unknown product or none of it: a notice, and an empty cart."""
    for fields in ({"product": "rose"}, {"product": "pilea", "quantity": "0"}):
        await browser.open("/products/pilea")
        _, page = await browser.send("/cart/add", **fields)
        assert "Please choose from 1 to 10" in page
        assert "Still empty" in page


async def test_a_product_goes_back_on_the_shelf(browser: Browser) -> None:
    """Quantity 0 takes it out of the cart."""
    await browser.fill_cart()
    _, page = await browser.send("/cart/update", product="pilea", quantity="0")
    assert "Pilea is back on the shelf." in page
    assert "Still empty" in page


async def test_contact_form(browser: Browser) -> None:
    """A message needs an e-mail and words; then it is acknowledged."""
    await browser.open("/contact")
    status, page = await browser.send("/contact", email="", message="<script>x</script>")
    assert status == 422
    assert "&lt;script&gt;" in page
    status, page = await browser.send("/contact", email="sam@example.com", message="Yellow leaves?")
    assert status == 200
    assert "your message has arrived" in page


@pytest.mark.parametrize(
    "path",
    ["/", "/shop", "/cart", "/contact", "/privacy", "/search", "/search?q=cats", "/order-status", "/account/login",
     "/account/register", *(f"/shop/{category.slug}" for category in CATEGORIES),
     *(f"/products/{product.slug}" for product in PRODUCTS)],
)  # fmt: skip
async def test_every_page_stands_on_its_own(store: str, browser: Browser, path: str) -> None:
    """Each page renders, has one h1, and every link, picture, style and script it names exists on this store."""
    status, page = await browser.open(path)
    assert status == 200
    assert page.count("<h1") == 1
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    for target in set(re.findall(r'(?:href|src)="(/[^"]*)"', page)):
        status, _ = await browser.open(target)
        assert status == 200, target


@pytest.mark.parametrize(
    ("query", "first"),
    [
        pytest.param("PILEA", "Pilea", id="name-in-any-case"),
        pytest.param("sun prickly", "Little cactus", id="every-word"),
        pytest.param("zebra", None, id="nothing"),
        pytest.param('"><script>', None, id="markup"),
    ],
)
async def test_search(browser: Browser, query: str, first: str | None) -> None:
    """Search finds by every word, and says so kindly when it finds nothing."""
    status, page = await browser.open("/search", params={"q": query})
    assert status == 200
    assert "<script>" not in page
    if first is None:
        assert "Nothing for" in page
    else:
        found = re.search(r'<h3><a href="[^"]+">([^<]+)', page)
        assert found is not None
        assert found.group(1) == first


async def test_unknown_pages_offer_a_way_on(browser: Browser) -> None:
    """404 is a page of the shop."""
    for path in ("/nowhere", "/products/rose", "/shop/garden"):
        status, page = await browser.open(path)
        assert status == 404
        assert "Nothing grows here" in page
