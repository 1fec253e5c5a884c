"""PURE. Entries, the index of them, and the decision.

`areas` and `reasons` are the catalogues; `entry` is one identifier on a list; `snapshot` holds all entries in
memory and finds those that cover an address; `decision` says what follows from them. The time is always an
argument, never read from a clock.
"""
