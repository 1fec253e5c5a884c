"""What is wrong with a text that is no address or network, told to whoever typed it, with the nearest right form.

Nothing here decides what is accepted; `addresses` and `networks` do. A suggestion is only made when it is
itself an address or network, and it is never taken unasked.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import Final

_SHOWN: Final = 80  # characters of the input that a message repeats
_LONGEST: Final = 200  # longer than any spelling of an address, a range of two or a URL with one
_GROUP: Final = re.compile(r"[0-9A-Fa-f]{1,4}")
_DOTTED: Final = re.compile(r"[0-9.]+")
# Control characters, spaces other than the plain one, and what has no width (soft hyphen, joiners, byte order mark).
_INVISIBLE: Final = re.compile(r"[\x00-\x1f\x7f-\xa0\xad\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]")
_HOST_NAME: Final = re.compile(r"(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_][\w-]*\.?")
_LOOKALIKES: Final = str.maketrans({"O": "0", "o": "0", "l": "1", "I": "1", ",": ".", ";": "."})


def show(text: str) -> str:
    """Return a text in quotation marks as a message repeats it: printable, and cut where it is long."""
    shown = text if text.isprintable() else ascii(text)[1:-1]
    return f'"{shown[:_SHOWN]}…"' if len(shown) > _SHOWN else f'"{shown}"'


def describe_mistake(text: str) -> str:
    """Return a sentence that names the mistake in `text`, which neither `pack` nor a prefix made sense of."""
    text = text.strip()
    if len(text) > _LONGEST:
        return f"{show(text)} is no IP address or network: it has {len(text)} characters"
    if not text:
        return "there is no address: write one like 203.0.113.7, or a network like 203.0.113.0/24"
    why, nearest = _diagnose(text)
    sentence = f"{show(text)} is no IP address or network: {why}"
    return f"{sentence}; did you mean {nearest}?" if nearest else sentence


def describe_address_mistake(text: str) -> str:
    """Return a sentence that names the mistake in `text` where one address is wanted."""
    address, slash, _ = text.strip().partition("/")
    if slash and _address(address):
        return f"{show(text.strip())} has a prefix length, but one address is wanted here; did you mean {address}?"
    return describe_mistake(text)


def describe_prefix_mistake(address: str, length: str, bits: int) -> str:
    """Return a sentence that names the mistake in `address`/`length`, an address of `bits` bits."""
    whole = show(f"{address}/{length}")
    if not length:
        return f"{whole} ends before the prefix length: write {address} for the address alone, or one from 0 to {bits}"
    if length.isascii() and length.isdigit():
        digits = length.lstrip("0") or "0"
        nearest = _try(f"{address}/{digits}")
        if digits != length and nearest:
            return f"{whole} has leading zeros in the prefix length; did you mean {nearest}?"
        return f"{whole} has more bits in the prefix length than an {'IPv4' if bits == 32 else 'IPv6'} address, {bits}"
    mask = _address(length)
    if bits == 32 and isinstance(mask, ipaddress.IPv4Address):
        ones = int(mask).bit_length()
        if int(mask) == (1 << ones) - 1:
            return (
                f"{whole} ends with a wildcard mask, as routers write it; did you mean {address}/{32 - ones}?"
            )
        return f"{whole} ends with {length}, which is no netmask: its one bits do not all come first"
    return f"{whole} has no number of bits after the slash; write one from 0 to {bits}"


def _diagnose(text: str) -> tuple[str, str | None]:
    """Return the reason and the nearest right form; the more telling signs come first."""
    if hidden := _INVISIBLE.search(text):
        name = unicodedata.name(hidden[0], "a control character").lower()
        why = f"it holds an invisible character (U+{ord(hidden[0]):04X}, {name})"
        return why, _try(text.replace(hidden[0], ""))
    if "://" in text:
        host = re.split(r"[/?#]", text.partition("://")[2])[0].rpartition("@")[2]
        return "it is a URL", _try(host) or _try(_without_port(host))
    if "@" in text:
        return "it looks like an e-mail address, and e-mail entries come with the Checkout release", None
    parts = re.split(r"[\s,;]+", text)
    if text[-1] in ",;" and (nearest := _try(text.rstrip(",; "))):
        return "it ends with a comma: addresses stand apart by spaces alone", nearest
    if len(parts) > 1 and all(_try(part) for part in parts):
        return "it holds several; give each on its own", None
    if "%" in text:
        without_zone = re.sub(r"%[^/\]]*", "", text)
        return "a zone id (after the %) means something on one machine only", _try(without_zone)
    if text.startswith("[") or text.endswith("]"):
        return "brackets and a port belong into a URL", _try(_without_port(text))
    if bounds := re.fullmatch(r"([0-9A-Fa-f.:]+)\s*[-–]\s*([0-9A-Fa-f.:]+)", text):  # noqa: RUF001 - as typed
        return _diagnose_range(*bounds.groups())
    if "*" in text or re.search(r"\.[xX](?=\.|$)", text):
        return "wildcards are written as a network", _from_wildcard(text)
    if " " in text:
        return "it holds a space", _try(text.replace(" ", "")) or _try(parts[0])
    return _diagnose_spelling(text)


def _diagnose_spelling(text: str) -> tuple[str, str | None]:
    """Diagnose what is meant to be a plain address or network."""
    address, slash, rest = text.partition("/")
    if text.count("/") > 1:
        return "it has more than one slash", None
    if address.count(":") > 1 or re.fullmatch(f"{_GROUP.pattern}:{_GROUP.pattern}", address):
        return _diagnose_ipv6(address, slash + rest)
    without_port = _without_port(text)
    if without_port != text and _try(without_port):
        return "a port is no part of an address", without_port
    if address.isascii() and address.isdigit():
        number = int(address)
        # Below 2**24 it is rather the first part of an address than a whole one.
        if 1 << 24 <= number < 1 << 32 and not slash:
            return "it is a single number", str(ipaddress.IPv4Address(number))
    if _DOTTED.fullmatch(address):
        return _diagnose_ipv4(address, slash + rest)
    digits = (
        str(unicodedata.digit(character, character)) for character in unicodedata.normalize("NFKC", text)
    )
    normal = "".join(digits).translate(_LOOKALIKES)
    if normal != text and (nearest := _try(normal)):
        return "a character only looks like the right one", nearest
    if _HOST_NAME.fullmatch(text):
        return "it is a host name, and entries are about addresses", None
    return "an address reads like 203.0.113.7 or 2001:db8::7, a network like 203.0.113.0/24", None


def _diagnose_ipv4(address: str, suffix: str) -> tuple[str, str | None]:
    parts = address.rstrip(".").split(".")
    if "" in parts:
        single = re.sub(r"\.+", ".", address).strip(".")
        return "it has two dots in a row or begins with one", _try(single + suffix)
    if len(parts) > 4:
        return f"it has {len(parts)} parts, an IPv4 address has 4", None
    high = next((part for part in parts if int(part) > 255), None)
    if high:
        return f"{high} is more than 255", None
    if any(part != str(int(part)) for part in parts):
        decimal = ".".join(str(int(part)) for part in parts)
        return "leading zeros mean octal to some programs and nothing to others", _try(decimal + suffix)
    if len(parts) < 4:
        full = ".".join(parts + ["0"] * (4 - len(parts)))
        return f"it has {len(parts)} of 4 parts", _try(full + (suffix or f"/{8 * len(parts)}"))
    return "it ends with a dot", _try(".".join(parts) + suffix)


def _diagnose_ipv6(address: str, suffix: str) -> tuple[str, str | None]:
    if ":::" in address:
        return "it has three colons in a row", _try(re.sub(":{3,}", "::", address) + suffix)
    if address.count("::") > 1:
        return "it has :: twice, so nobody can tell how many zeros each stands for", None
    groups = [group for group in address.split(":") if group]
    wrong = next((group for group in groups if not _GROUP.fullmatch(group) and "." not in group), None)
    if wrong:
        return f"{show(wrong)} is no group of one to four hexadecimal digits", None
    if "." in groups[-1]:
        return f"it ends with {show(groups[-1])}, which is no IPv4 address", None
    if "::" not in address and len(groups) < 8:
        ends = address.rstrip(":")
        return f"it has {len(groups)} of 8 groups", _try(f"{ends}::{suffix or f'/{16 * len(groups)}'}")
    if len(groups) == 9 and groups[-1].isdigit():
        return "a port is no part of an address", _try(address.rpartition(":")[0])
    if len(groups) > 8 or (len(groups) == 8 and "::" in address):
        shortened = " and ::" if "::" in address else ""
        return f"it has {len(groups)} groups{shortened}, an IPv6 address has 8", None
    return "its colons and groups make no IPv6 address", None


def _diagnose_range(first: str, last: str) -> tuple[str, str | None]:
    low, high = _address(first), _address(last)
    if low is None or high is None or low.version != high.version or int(low) > int(high):
        return "it is no range from a lower to a higher address, and ranges are written as networks", None
    networks = [str(network) for network in ipaddress.summarize_address_range(low, high)]
    if len(networks) == 1:
        return "a range is written as a network", networks[0].removesuffix(f"/{low.max_prefixlen}")
    shown = ", ".join(networks[:4]) + (f", … ({len(networks)} in all)" if len(networks) > 4 else "")
    return f"a range is written as networks: {shown}", None


def _from_wildcard(text: str) -> str | None:
    parts = re.split(r"\.", text.partition("/")[0].rstrip("."))
    fixed = [part for part in parts if part not in {"*", "x", "X"}]
    if not fixed or parts[: len(fixed)] != fixed or len(parts) > 4:
        return None
    return _try(".".join(fixed + ["0"] * (4 - len(fixed))) + f"/{8 * len(fixed)}")


def _without_port(text: str) -> str:
    if match := re.fullmatch(r"\[([^\]]*)\]?(?::\d*)?(/\d+)?|([^:\[\]]+):\d+(/\d+)?|([^\[\]]+)\]", text):
        bracketed, prefix, plain, plain_prefix, closed = match.groups()
        return (bracketed or plain or closed or "") + (prefix or plain_prefix or "")
    return text


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _try(text: str) -> str | None:
    """Return the canonical form of a suggestion, None when it is no address or network either."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    return str(network) if "/" in text else str(network.network_address)
