"""HTTP/1.1 as a client: h11 on asyncio, for the agent and for the command line.

* :func:`~.proxies.proxy_for`: the HTTP proxy that the environment names for a server.
* :func:`~.connection.open_connection`: a connection to a server, through an HTTP proxy if needed.
* :mod:`~.messages`: read the head of a response.
* :func:`~.upgrade.upgrade`: a request whose response changes the protocol of the connection.
* :mod:`~.errors`: what may go wrong.

Imports nothing of Sekisho. Pure Python and few modules: the client's distribution contains this
package, and an agent must stay small.
"""
