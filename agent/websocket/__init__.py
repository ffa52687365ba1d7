"""WebSocket frames (RFC 6455) for one continuous stream of bytes, without I/O.

A tunnel uses binary messages only, and their borders mean nothing: the payloads together are one
stream. So no message is collected, and a frame of any size costs no memory.

* :mod:`~agent.websocket.codec`: encode and decode frames, with ping, pong, and close.
"""
