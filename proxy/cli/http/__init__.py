"""HTTP/1.1 for the command line: h11 on asyncio's streams, without aiohttp.

* :func:`~.exchange.exchange`: one request and its response, whose body is bounded.
* :mod:`~.server`: responds to the one request of a browser on loopback.

May import: ``agent.http``, ``config``. Pure Python and few modules, because a user's machine starts
it often and may have nothing else installed (docs/decisions/0038-client-distribution.md).
"""
