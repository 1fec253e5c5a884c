"""Which addresses and networks of one family have records, found in a time that does not grow with the list.

An exact address is a key of one dict. Networks are keys of one dict for each prefix length. To probe all
lengths that occur anywhere (25 and more on real lists) would cost over a microsecond, so each slot, the
addresses with the same leading bits, knows the lengths that occur in it: mostly none, seldom more than three.
"""

from __future__ import annotations

from typing import Final

# One record, or several of one identifier, newest first.
Records = bytes | tuple[bytes, ...]
_Plan = tuple[tuple[int, dict[int, Records]], ...]

# Leading bits of a slot. IPv4: 65,536 slots, three networks in each on a list of 200,000. IPv6: a /32 is the
# least that a registry allocates to a provider, so that a list's networks spread over many slots, too.
_SLOT_BITS: Final = {32: 16, 128: 32}


class AddressIndex:
    """Records by address and by network, for addresses of `bits` bits (32 or 128)."""

    __slots__ = ("_plans", "_slot_shift", "_slots", "_tables", "_wide", "bits", "exact")

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.exact: dict[int, Records] = {}
        self._slot_shift = bits - _SLOT_BITS[bits]
        self._tables: dict[int, dict[int, Records]] = {}
        self._slots: dict[int, _Plan] = {}
        self._wide: _Plan = ()  # the lengths shorter than a slot, which concern every slot
        self._plans: dict[tuple[int, ...], _Plan] = {}  # one tuple for all slots with the same lengths

    def find(self, address: int) -> list[tuple[int | None, Records]] | None:
        """Return (prefix length, records) of all that covers an address, the most specific first.

        The length is None for the address itself. None, and nothing allocated, when nothing covers it.
        """
        found: list[tuple[int | None, Records]] | None = None
        records = self.exact.get(address)
        if records is not None:
            found = [(None, records)]
        for shift, table in self._slots.get(address >> self._slot_shift, self._wide):
            records = table.get(address >> shift)
            if records is not None:
                if found is None:
                    found = []
                found.append((self.bits - shift, records))
        return found

    def table(self, prefix: int, address: int) -> tuple[dict[int, Records], int]:
        """Return the dict and the key that hold the records of the network `address`/`prefix`."""
        shift = self.bits - prefix
        table = self._tables.get(shift)
        if table is None:
            table = self._tables[shift] = {}
        return table, address >> shift

    def announce(self, prefix: int, address: int) -> None:
        """Make `find` look for networks of this length around this address.

        Never taken back: a length that is gone costs one fruitless probe until the next full load.
        """
        shift = self.bits - prefix
        if shift <= self._slot_shift:
            slot = address >> self._slot_shift
            plan = self._slots.get(slot, self._wide)
            if not _probes(plan, shift):
                self._slots[slot] = self._extend(plan, shift)
        elif not _probes(self._wide, shift):
            self._wide = self._extend(self._wide, shift)
            for slot, plan in self._slots.items():
                self._slots[slot] = self._extend(plan, shift)

    def _extend(self, plan: _Plan, shift: int) -> _Plan:
        shifts = tuple(sorted({shift, *(known for known, _ in plan)}))
        extended = self._plans.get(shifts)
        if extended is None:
            extended = self._plans[shifts] = tuple((known, self._tables[known]) for known in shifts)
        return extended


def _probes(plan: _Plan, shift: int) -> bool:
    return any(known == shift for known, _ in plan)
