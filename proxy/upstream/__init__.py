"""A cluster's API servers: registry, connection pool, hosts, connections, health checks.

Main classes: ``UpstreamRegistry`` follows the store; ``ConnectionPool`` chooses a host and one of
its connections; ``UpstreamConnection`` implements HTTP/1.1 (RFC 9112) on it. May import:
``proxy.transport``, ``response``, ``request``, ``metrics``; store interfaces, ``impersonation``.
"""
