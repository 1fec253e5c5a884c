"""The rules of checkout: what a shopper must fill in, what delivery costs, what an order is. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from proxy.demo.catalogue import BY_SLUG, Product

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_QUANTITY = 10  # of one product in one cart
FREE_FROM = 5000  # euro cents of goods from which standard delivery is free

COUNTRIES: Final = {
    "NL": "Netherlands",
    "BE": "Belgium",
    "DE": "Germany",
    "FR": "France",
    "IE": "Ireland",
    "LU": "Luxembourg",
}
SHIPPING: Final = {
    "standard": ("Standard, 2 to 3 days", 495),
    "express": ("Express, next working day", 995),
    "pickup": ("Collect from our nursery", 0),
}
PAYMENT: Final = {
    "on-delivery": "Pay on delivery, cash or card",
    "invoice": "Pay by invoice within 14 days",
}

# RFC 5321, 4.5.3.1: 64 octets before the @, 254 in all. Anything finer is for the mail server to say.
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
_PHONE = re.compile(r"\+?[0-9 ().\-/]+")
_POSTCODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 \-]{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """What is wrong with one field, in words for the shopper."""

    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """Who ordered, where it goes and how; field names are those of the form and of the JSON API."""

    email: str
    name: str
    phone: str
    street: str
    postcode: str
    city: str
    country: str
    shipping: str
    payment: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A product and how many of it."""

    product: Product
    quantity: int

    @property
    def total(self) -> int:
        """Euro cents."""
        return self.product.price * self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A placed order. `placed` is in unix seconds, amounts in euro cents, `account` empty for a guest."""

    number: str
    details: Details
    lines: tuple[Line, ...]
    goods: int
    delivery: int
    placed: float
    account: str

    @property
    def total(self) -> int:
        """Euro cents, delivery and VAT included."""
        return self.goods + self.delivery


DETAIL_FIELDS: Final = tuple(field.name for field in fields(Details))


def parse_email(text: str) -> str | None:
    """Give the trimmed address, or None when it cannot be one."""
    text = text.strip()
    return text if len(text) <= 254 and _EMAIL.fullmatch(text) else None


def parse_details(given: Mapping[str, str]) -> Details | list[Mistake]:
    """Check what a shopper filled in; every mistake at once, in the order of the form."""
    values = {name: " ".join(given.get(name, "").split()) for name in DETAIL_FIELDS}
    mistakes: list[Mistake] = []

    def require(field: str, *, holds: bool, message: str) -> None:
        if not holds:
            mistakes.append(Mistake(field=field, message=message))

    phone_digits = sum(character.isdigit() for character in values["phone"])
    require(
        "email",
        holds=parse_email(values["email"]) is not None,
        message="Please enter an e-mail address, such as sam@example.com.",
    )
    # E.164: at most 15 digits; shorter than 7 is no number a courier could call.
    require(
        "phone",
        holds=bool(_PHONE.fullmatch(values["phone"])) and 7 <= phone_digits <= 15,
        message="Please enter a phone number of 7 to 15 digits, for the courier.",
    )
    require("name", holds=1 <= len(values["name"]) <= 100, message="Please enter the name for the parcel.")
    require(
        "street", holds=3 <= len(values["street"]) <= 120, message="Please enter street and house number."
    )
    require(
        "postcode",
        holds=bool(_POSTCODE.fullmatch(values["postcode"])),
        message="Please enter a postcode, such as 1012 AB.",
    )
    require("city", holds=1 <= len(values["city"]) <= 80, message="Please enter the town or city.")
    require("country", holds=values["country"] in COUNTRIES, message="Please choose a country we deliver to.")
    require("shipping", holds=values["shipping"] in SHIPPING, message="Please choose how we deliver.")
    require("payment", holds=values["payment"] in PAYMENT, message="Please choose how you pay.")
    require("note", holds=len(values["note"]) <= 500, message="Please keep the note under 500 characters.")
    return mistakes or Details(**values)


def derive_delivery(goods: int, shipping: str) -> int:
    """Give the delivery cost in euro cents for `goods` euro cents of goods."""
    if shipping == "standard" and goods >= FREE_FROM:
        return 0
    return SHIPPING[shipping][1]


def derive_lines(cart: Mapping[str, int]) -> tuple[Line, ...]:
    """Turn a cart (slug to quantity) into lines, in the order things were added."""
    return tuple(Line(product=BY_SLUG[slug], quantity=quantity) for slug, quantity in cart.items())
