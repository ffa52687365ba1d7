"""Sockets and TLS: keepalive, server and client contexts, session resumption, X.509, a local CA.

Knows neither HTTP nor clusters. May import: ``proxy.files``; ``config``, ``management.kubernetes``.
"""
