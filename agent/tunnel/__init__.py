"""A tunnel: many streams on one connection, joined with sockets on asyncio.

Both ends use it: the agent, and the server.

* :class:`~agent.tunnel.connection.TunnelConnection`: yamux inside WebSocket frames.
* :class:`~agent.tunnel.stream_end.StreamEnd`: joins a stream with a socket, with flow control.
* :class:`~agent.tunnel.frame_rate.FrameRate`: how many frames a peer may send.
* :mod:`~agent.tunnel.status`: the first bytes that the agent sends on a stream.
* :mod:`~agent.tunnel.control`: the messages of the control stream.
"""
