"""PURE. What an identifier is, and who a request comes from.

`addresses` and `networks` read and print IP addresses and networks; `identifiers` names what an entry is
about; `forwarding` derives the client address from peer and headers; `proxy_protocol` reads the header that
a load balancer may put before the first request.

On the request path an address is *packed*: the 4 or 16 bytes of `inet_pton`, an IPv4-mapped IPv6 address
always folded to its 4. Operators' input goes through the `parse_` functions, whose errors name the nearest
right form.
"""
