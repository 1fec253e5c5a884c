"""HTTP/1.1 as a relay needs it: bytes in, bytes and plain values out, no I/O.

`judge` lets llhttp accept or refuse a head; `request` and `response` splice the accepted head; `chunked` reads
chunked bodies; `answer` puts an answer of our own on the wire; `errors` says what was wrong and with which status.
"""
