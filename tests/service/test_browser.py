"""A real browser shops through the proxy, and meets the block page. Set SCREENSHOTS=DIR to keep what it saw."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from chromium_driver import PROGRAM, open_browser

if TYPE_CHECKING:
    from collections.abc import Callable

    from service_harness import Service

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium here (Debian: apt-get install chromium)")

# Images further down load when they are scrolled to; here all of them at once.
_LOAD_IMAGES = """Promise.all([...document.images].map(image => {
    image.loading = "eager";
    return image.decode().then(() => true, () => false);
}))"""
ADDRESS = {
    "email": "sam@example.com",
    "phone": "+31 6 1234 5678",
    "name": "Sam Green",
    "street": "Wilgenlaan 7",
    "postcode": "3512 AB",
    "city": "Utrecht",
}


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where screenshots go."""
    directory = Path(os.environ.get("SCREENSHOTS") or tmp_path / "shots")
    directory.mkdir(parents=True, exist_ok=True)
    return directory


async def test_shops_from_home_page_to_order(start_service: Callable[..., Service], shots: Path) -> None:
    """From home page to order through the proxy: pages, images, form posts and the live stock all work."""
    service = start_service()
    async with open_browser() as page:
        await page.open(f"http://127.0.0.1:{service.port}/")
        images = await page.run(_LOAD_IMAGES)
        assert images
        assert all(images)
        (shots / "1-home.png").write_bytes(await page.screenshot())
        await page.open(f"http://127.0.0.1:{service.port}/products/monstera")
        for _ in range(50):
            if not await page.run("document.querySelector('[data-live]').hidden"):
                break
            await asyncio.sleep(0.1)
        assert not await page.run("document.querySelector('[data-live]').hidden"), (
            "no word came through the WebSocket"
        )
        await page.run("document.querySelector('form.buy').requestSubmit()", leads_on=True)
        assert await page.run("location.pathname") == "/cart"
        (shots / "2-cart.png").write_bytes(await page.screenshot())
        await page.open(f"http://127.0.0.1:{service.port}/checkout")
        await page.run(
            f"for (const [k, v] of Object.entries({ADDRESS})) document.getElementById(k).value = v"
        )
        await page.run("document.querySelector('form.till').requestSubmit()", leads_on=True)
        assert str(await page.run("document.querySelector('#order-number').textContent")).startswith("PL-")
        (shots / "3-order.png").write_bytes(await page.screenshot())
        assert page.complaints == []


async def test_sees_the_block_page_in_french(start_service: Callable[..., Service], shots: Path) -> None:
    """A refused shopper with a French browser reads, in French, why, until when, how to object and the reference."""
    service = start_service(
        '[block_page]\nshop_name = "Potting Lane"\ncontact = "mailto:hello@pottinglane.example"'
    )
    listed = service.command(
        "block", "203.0.113.7", "--reason", "chargeback", "--for", "30d", "--note", "order 1042"
    )
    assert listed.returncode == 0
    async with open_browser() as page:
        headers = {"X-Forwarded-For": "203.0.113.7", "Accept-Language": "fr-FR,fr;q=0.9,en;q=0.5"}
        await page.command("Network.setExtraHTTPHeaders", headers=headers)
        for _ in range(50):
            await page.open(f"http://127.0.0.1:{service.port}/")
            if await page.run("document.documentElement.lang") == "fr":
                break
        assert await page.run("document.documentElement.lang") == "fr"
        text = str(await page.run("document.body.innerText"))
        assert "203.0.113.7" not in text
        assert await page.run("document.querySelectorAll('h1').length") == 1
        assert str(await page.run("document.querySelector('a[href^=mailto]').href")).startswith(
            "mailto:hello@"
        )
        assert await page.run("performance.getEntriesByType('resource').length") == 0
        (shots / "4-block-page-fr.png").write_bytes(await page.screenshot())
        await page.command(
            "Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True
        )
        (shots / "5-block-page-fr-phone.png").write_bytes(await page.screenshot())
