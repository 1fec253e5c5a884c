"""What Potting Lane sells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy.demo.shapes import BLUSH, CREAM, FRESH, SLATE, TERRACOTTA

if TYPE_CHECKING:
    from collections.abc import Mapping

_MINT, _PEACH, _LILAC, _SKY, _BUTTER = "#e3eee0", "#f7e6d6", "#e8e4f0", "#dcebee", "#f8ecc9"


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A shelf of the shop."""

    slug: str
    name: str
    intro: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One thing on sale. `price` is in euro cents, VAT included; `stock` what a fresh store starts with."""

    slug: str
    name: str
    latin: str
    category: str
    price: int
    blurb: str
    story: str
    facts: tuple[tuple[str, str], ...]
    picture: tuple[str, str, str]  # kind of drawing, colour of pot or tool, background
    stock: int


def _plant_facts(light: str, water: str, size: str, pets: str) -> tuple[tuple[str, str], ...]:
    return (("Light", light), ("Water", water), ("Height", size), ("Pets", pets))


def _tool_facts(made_of: str, size: str, care: str) -> tuple[tuple[str, str], ...]:
    return (("Made of", made_of), ("Size", size), ("Care", care))


CATEGORIES: Final = (
    Category(
        slug="easy-plants",
        name="Easy plants",
        intro="Forgiving company for forgetful people. Every plant here survives a missed week.",
    ),
    Category(
        slug="lush-plants",
        name="Lush plants",
        intro="Bigger leaves and bolder shapes, for those who like to fuss a little.",
    ),
    Category(
        slug="pots-and-tools",
        name="Pots & tools",
        intro="The few good things you need, made to be used for years.",
    ),
)

PRODUCTS: Final = (
    Product(
        slug="pilea",
        name="Pilea",
        latin="Pilea peperomioides",
        category="easy-plants",
        price=1650,
        blurb="Round leaves on thin stalks, and a new baby plant every few weeks.",
        story="Gardeners used to hand pilea cuttings over the fence, which is how it got the name "
        "friendship plant. Turn the pot a quarter each week and it grows into an even dome.",
        facts=_plant_facts("Bright, no midday sun", "When the top is dry", "25 cm", "Safe for cats and dogs"),
        picture=("pilea", BLUSH, _SKY),
        stock=38,
    ),
    Product(
        slug="snake-plant",
        name="Snake plant",
        latin="Dracaena trifasciata",
        category="easy-plants",
        price=2450,
        blurb="Upright, striped and all but impossible to kill.",
        story="Put it in a dim hallway, forget it for three weeks, and it will look just as it did. The one "
        "thing it dislikes is standing in water.",
        facts=_plant_facts("Any, even shade", "Every three weeks", "60 cm", "Keep out of reach"),
        picture=("snake", SLATE, _PEACH),
        stock=44,
    ),
    Product(
        slug="little-cactus",
        name="Little cactus",
        latin="Cereus repandus",
        category="easy-plants",
        price=1195,
        blurb="Three arms, one pink flower, endless patience.",
        story="Give it your sunniest sill. With a cool, dry winter rest it opens a flower in June, usually "
        "on the one night you are away.",
        facts=_plant_facts("Full sun", "Once a month", "20 cm", "Safe, if prickly"),
        picture=("cactus", CREAM, _LILAC),
        stock=52,
    ),
    Product(
        slug="string-of-pearls",
        name="String of pearls",
        latin="Curio rowleyanus",
        category="easy-plants",
        price=1895,
        blurb="Strands of green beads for a high shelf or a hook by the window.",
        story="Each pearl is a leaf with a tiny window that lets the light in. Hang it where you can reach "
        "it, and water from below.",
        facts=_plant_facts("Bright", "Every two weeks", "Trails to 60 cm", "Keep out of reach"),
        picture=("pearls", TERRACOTTA, _SKY),
        stock=17,
    ),
    Product(
        slug="monstera",
        name="Monstera",
        latin="Monstera deliciosa",
        category="lush-plants",
        price=3495,
        blurb="The generous one: big split leaves that open one after another.",
        story="A happy monstera unrolls a new leaf every month in summer. Give it a stake to climb and wipe "
        "the leaves now and then: they shine.",
        facts=_plant_facts("Bright, no midday sun", "Once a week", "70 cm", "Keep out of reach"),
        picture=("monstera", TERRACOTTA, _MINT),
        stock=23,
    ),
    Product(
        slug="boston-fern",
        name="Boston fern",
        latin="Nephrolepis exaltata",
        category="lush-plants",
        price=1995,
        blurb="A fountain of soft fronds that loves your bathroom.",
        story="Ferns were growing before there were flowers. This one asks for moist air and soil that "
        "never quite dries, and pays in green.",
        facts=_plant_facts("Half shade", "Twice a week", "45 cm", "Safe for cats and dogs"),
        picture=("fern", TERRACOTTA, _BUTTER),
        stock=29,
    ),
    Product(
        slug="rubber-plant",
        name="Rubber plant",
        latin="Ficus elastica",
        category="lush-plants",
        price=2995,
        blurb="Glossy leaves in deep green and burgundy on a slim red stem.",
        story="It grows straight for the ceiling. Pinch out the tip once and it becomes a small tree, with "
        "branches to match.",
        facts=_plant_facts("Bright", "Once a week", "65 cm", "Keep out of reach"),
        picture=("rubber", CREAM, _PEACH),
        stock=19,
    ),
    Product(
        slug="peace-lily",
        name="Peace lily",
        latin="Spathiphyllum wallisii",
        category="lush-plants",
        price=2250,
        blurb="White sails above dark leaves, in flower for weeks.",
        story="It tells you when it is thirsty: the leaves sink, and stand up again an hour after watering. "
        "Flowers return twice a year.",
        facts=_plant_facts("Half shade", "When it droops", "50 cm", "Keep out of reach"),
        picture=("lily", SLATE, _LILAC),
        stock=26,
    ),
    Product(
        slug="watering-can",
        name="Watering can",
        latin="Holds 1.5 litres",
        category="pots-and-tools",
        price=3250,
        blurb="A long spout that pours where you point it and nowhere else.",
        story="Balanced for one hand, with a spout thin enough to reach under low leaves. Powder-coated "
        "steel, in the blue of a rainy afternoon.",
        facts=_tool_facts("Powder-coated steel", "1.5 l, 24 cm high", "Rinse, dry upside down"),
        picture=("can", SLATE, _BUTTER),
        stock=21,
    ),
    Product(
        slug="mister",
        name="Plant mister",
        latin="Holds 300 ml",
        category="pots-and-tools",
        price=1750,
        blurb="A fine cloud for ferns on dry winter days.",
        story="One pull gives one soft cloud. The bottle is recycled glass, so each has a slightly "
        "different green.",
        facts=_tool_facts("Recycled glass, brass", "300 ml, 18 cm high", "Fill with rain water"),
        picture=("mister", FRESH, _MINT),
        stock=34,
    ),
    Product(
        slug="pot-trio",
        name="Pot trio",
        latin="Three sizes, one saucer each",
        category="pots-and-tools",
        price=2695,
        blurb="Terracotta, cream and slate: room for the next three sizes up.",
        story="Fired in small batches and left unglazed inside, so that roots can breathe. All three have a "
        "hole where it matters.",
        facts=_tool_facts("Earthenware", "9, 12 and 17 cm", "Soak before first use"),
        picture=("pots", TERRACOTTA, _PEACH),
        stock=16,
    ),
    Product(
        slug="snips",
        name="Pruning snips",
        latin="For stems up to 8 mm",
        category="pots-and-tools",
        price=1495,
        blurb="Small, sharp and easy on the hand.",
        story="For cuttings, dead leaves and the odd parcel string. The blades come apart for sharpening.",
        facts=_tool_facts("Carbon steel, beech", "17 cm long", "Wipe dry, oil yearly"),
        picture=("snips", TERRACOTTA, _LILAC),
        stock=40,
    ),
)

BY_SLUG: Final[Mapping[str, Product]] = {product.slug: product for product in PRODUCTS}


def find_products(query: str) -> list[Product]:
    """Find products in which every word of `query` occurs, names first. An empty query finds nothing."""
    words = query.casefold().split()[:10]
    if not words:
        return []

    def text(product: Product) -> str:
        facts = " ".join(f"{name} {value}" for name, value in product.facts)
        return f"{product.name} {product.latin} {product.blurb} {product.story} {facts}".casefold()

    found = [product for product in PRODUCTS if all(word in text(product) for word in words)]
    return sorted(found, key=lambda product: not all(word in product.name.casefold() for word in words))


def render_price(cents: int) -> str:
    """Write an amount of euro cents as shoppers read it."""
    return f"€{cents // 100}.{cents % 100:02d}"
