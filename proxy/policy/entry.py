"""One identifier on a list, as it is written to the store and travels to the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

import msgspec

from proxy.errors import InputError
from proxy.identity.identifiers import KINDS, Identifier, is_canonical
from proxy.policy.areas import DEFAULT_SCOPE, EXEMPT, REFUSABLE, SITE
from proxy.policy.reasons import describe_reason_mistake

if TYPE_CHECKING:
    from collections.abc import Iterator

ListName = Literal["block", "allow"]
Mode = Literal["enforce", "monitor"]
Origin = Literal["cli", "api", "ui", "import", "feed", "rule"]

# Every worker holds every entry in memory, so texts are bounded: a note is a sentence, a file belongs to the
# case. 1,000 characters are two screens of a terminal; names fit an e-mail address (254, erratum 1690 of RFC 3696).
MAX_NOTE: Final = 1000
MAX_NAME: Final = 254
MAX_TAGS: Final = 20
LAST_TIME: Final = 253_402_300_799.0  # 9999-12-31T23:59:59Z, the last second that calendars in use can print


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One identifier on a list.

    Times are seconds of the Unix epoch. It holds from `starts` (None: at once) until just before `expires`
    (None: for good). `reason` is the public code, `note` what staff wrote for themselves. What is read back
    from the store is taken as it is; who writes calls `check` first.
    """

    id: str
    list: ListName
    kind: str
    value: str
    mode: Mode = "enforce"
    scope: tuple[str, ...] = DEFAULT_SCOPE
    reason: str = ""
    note: str = ""
    case: str
    origin: Origin
    author: str
    approver: str = ""
    created: float
    starts: float | None = None
    expires: float | None = None
    review: float | None = None
    tags: tuple[str, ...] = ()
    shop: str = ""

    @property
    def identifier(self) -> Identifier:
        """What the entry is about."""
        return Identifier(self.kind, self.value)

    def holds(self, now: float) -> bool:
        """Tell whether the entry is in force: from `starts` on, and no longer at `expires`."""
        return (self.starts is None or now >= self.starts) and (self.expires is None or now < self.expires)

    def check(self) -> Entry:
        """Return the entry itself, or raise InputError with everything that is wrong with it."""
        mistakes = list_mistakes(self)
        if mistakes:
            raise InputError(f"the entry for {self.identifier}: " + "; ".join(mistakes))
        return self


def list_mistakes(entry: Entry) -> tuple[str, ...]:
    """Return every rule that an entry breaks, each as a clause that says the way out."""
    return (
        *_find_mistakes_of_subject(entry),
        *_find_mistakes_of_scope(entry.scope),
        *_find_mistakes_of_times(entry),
        *_find_mistakes_of_texts(entry),
    )


def _find_mistakes_of_subject(entry: Entry) -> Iterator[str]:
    for name, given, known in (
        ("list", entry.list, get_args(ListName)),
        ("mode", entry.mode, get_args(Mode)),
        ("origin", entry.origin, get_args(Origin)),
        ("kind", entry.kind, KINDS),
    ):
        if given not in known:
            yield f'{name} "{given}" is not one of {", ".join(known)}'
    if entry.kind in KINDS and not is_canonical(entry.identifier):
        yield f'"{entry.value}" is not the canonical form of one {entry.kind}'
    if entry.list == "allow" and entry.mode == "monitor":
        yield "an allow entry refuses nobody, so there is nothing to monitor: use mode enforce"
    # An allow entry needs no public reason, for nobody is shown one.
    if entry.list == "block" or entry.reason:
        mistake = describe_reason_mistake(entry.reason)
        if mistake:
            yield mistake
    if entry.approver and entry.approver == entry.author:
        yield "the approver must be another person than the author"


def _find_mistakes_of_scope(scope: tuple[str, ...]) -> Iterator[str]:
    if not scope:
        yield f"the scope is empty: use {SITE}, or areas out of {', '.join(REFUSABLE)}"
    for area in scope:
        if area in EXEMPT:
            yield f"nothing is ever refused in the area {area}: leave it out of the scope"
        elif area != SITE and area not in REFUSABLE:
            yield f'"{area}" is no area: use {SITE}, or areas out of {", ".join(REFUSABLE)}'
    if SITE in scope and len(scope) > 1:
        yield f"{SITE} is every area: name it alone"
    elif len(set(scope)) < len(scope):
        yield "the scope names an area twice"


def _find_mistakes_of_times(entry: Entry) -> Iterator[str]:
    for name in ("created", "starts", "expires", "review"):
        time = getattr(entry, name)
        if time is not None and not 0 < time <= LAST_TIME:  # also catches NaN
            yield f"{name} is {time}, not a time in seconds since 1970 (milliseconds?)"
    begins = entry.created if entry.starts is None else entry.starts
    if entry.expires is not None and entry.expires <= begins:
        yield "it would end before it starts"
    if entry.review is not None and entry.review < entry.created:
        yield "its review date lies before its creation"


def _find_mistakes_of_texts(entry: Entry) -> Iterator[str]:
    for name in ("id", "case", "author"):
        if not getattr(entry, name).strip():
            yield f"it names no {name}"
    names = [(name, getattr(entry, name)) for name in ("id", "case", "author", "approver", "shop")]
    names += [("tag", tag) for tag in entry.tags]
    for name, text in names:
        if len(text) > MAX_NAME:
            yield f"its {name} has {len(text)} characters, {MAX_NAME} at most are kept"
        if not text.isprintable():
            yield f"its {name} holds characters that cannot be printed"
    if len(entry.tags) > MAX_TAGS:
        yield f"it has {len(entry.tags)} tags, {MAX_TAGS} at most are kept"
    if not all(tag.strip() for tag in entry.tags):
        yield "it has an empty tag"
    if len(entry.note) > MAX_NOTE:
        yield f"its note has {len(entry.note)} characters, {MAX_NOTE} at most are kept: the case takes more"
    if not all(character.isprintable() or character in "\n\t" for character in entry.note):
        yield "its note holds characters that cannot be printed"
