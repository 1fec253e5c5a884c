"""The use cases: what an operator can do, whichever way he asks. The only writer of the lists.

`entries` adds and removes, `listing` shows, `explain` says what would happen to an address with the code
that decides it. Around them: `list_file` (a file with one address a line), `guard_rails` (what is refused
without force), `times` (how long), `ids`, `wording` (entries in plain words) and `opening` (which store).
"""
