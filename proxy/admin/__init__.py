"""The control plane: status and metrics now; the admin API and web UI will live here.

Workers need none of it to answer a request.
"""
