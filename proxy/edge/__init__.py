"""The data plane: one worker's connections, its upstream pool, its health answers.

`worker` runs the process; `listener` accepts; `connection` is the client's side of the relay, `upstream_connection`
the storefront's, and `exchange` the one request that joins them; `pool` chooses and keeps upstream connections;
`tunnel` is what an upgrade becomes; `site` holds everything a request needs, compiled once from the settings.
"""
