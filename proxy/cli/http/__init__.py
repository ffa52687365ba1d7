"""HTTP/1.1 for the command line: h11 on asyncio's streams, without aiohttp.

* :func:`~.connection.open_connection`: a connection to a server, through an HTTP proxy if needed.
* :func:`~.exchange.exchange`: one request and its response, whose body is bounded.
* :mod:`~.server`: responds to the one request of a browser on loopback.
* :mod:`~.errors`: what may go wrong.

May import: ``config``. Pure Python and few modules, because a user's machine starts it often and
may have nothing else installed (docs/decisions/0038-client-distribution.md).
"""
