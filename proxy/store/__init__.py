"""The lists at rest and on the way: the only package that talks to Redis or Valkey.

`keys` names what is stored, `codec` turns entries into stored text and back, `connection` opens clients and
translates the library's errors in one place, `entries` reads and changes entries (one script call a change),
`replication` keeps a worker's snapshot in step, `embedded` runs a server of our own when none is configured.
"""
