"""yamux: many streams on one connection (hashicorp/yamux, ``spec.md``), without I/O.

* :mod:`~agent.yamux.frames`: headers, and a reader that splits bytes into frames.
* :mod:`~agent.yamux.events`: what a session reports.
* :mod:`~agent.yamux.stream`: the windows and the queue of one stream.
* :mod:`~agent.yamux.control_queue`: frames without payload that wait to be sent.
* :mod:`~agent.yamux.session`: the state of one connection: bytes in, events and bytes out.

Every error of the peer is a :class:`~agent.yamux.frames.ProtocolError`, which ends the session.
"""
