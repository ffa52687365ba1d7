"""The agent's half of a tunnel, and what both ends of a tunnel share.

A cluster that Sekisho cannot reach dials out: an agent in the cluster opens a tunnel, and
Sekisho opens streams in it. The agent relays the bytes of each stream to its API server. TLS
between Sekisho and the API server is inside the streams, so the agent sees no plaintext.

* :mod:`agent.run`: the agent as a program (``sekisho agent``): which tunnels are open, and health.
* :mod:`agent.relay`: joins each stream with a connection to one address (the agent's end).
* :mod:`agent.dialer`: opens a stream and returns it as a connected socket (the server's end).
* :mod:`agent.dial`: opens the connection of a tunnel, through an HTTP proxy if needed.
* :mod:`agent.http`: HTTP/1.1 as a client, which the command line also uses.
* :mod:`agent.tunnel`: the streams of one connection, joined with sockets.
* :mod:`agent.websocket`: the frames of the connection (pure).
* :mod:`agent.yamux`: many streams on one connection, with flow control for each (pure).

This package imports nothing of Sekisho except ``config``. The server's end of the control stream is
:mod:`management.tunnels`, and its endpoint :mod:`proxy.tunnels`.
"""
