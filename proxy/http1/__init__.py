"""HTTP/1.1 as a relay needs it: bytes in, bytes and plain values out, no I/O.

`judge` lets llhttp accept or refuse a head; `request` and `response` splice the accepted head with `field_lines`;
`chunked` reads and frames chunked bodies; `errors` says what was wrong and with which status. Nothing here raises
anything but a MessageError, whatever the bytes.
"""
