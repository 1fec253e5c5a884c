"""The demo store, Potting Lane: a small shop to put Stockade in front of, and upstream of end-to-end tests.

Everything lives in memory, is bounded, and is gone when the process ends. Modules, from pure to I/O:

    catalogue content orders            what is sold, download content, checkout rules (pure)
    shapes plants tools drawings        the pictures (pure)
    stock state sessions                   carts, accounts, orders, stock; the cookie that finds them
    rendering                           Jinja2 pages with ETag, gzip and sensible headers
    pages cart checkout account         what shoppers click
    api problem                         the JSON checkout and its RFC 9457 errors
    live                                WebSockets and server-sent events
    streams wire echo                   downloads, uploads, odd framings, what reached the store
    app serve                           the application and the process that listens
"""
