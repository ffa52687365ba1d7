"""Keeping an address for workers that share it.

With ``SO_REUSEPORT`` every process of a user may listen where another one does, and the kernel
deals connections out to all of them: a second Sekisho would take half of the first one's without a
word. So the supervisor listens there alone first, which fails where anybody else does, and then
turns that socket into one that lets only sharers in: nobody can come in between. It stays bound
and takes no connections; while it is there, whoever comes to listen alone is told that the port is
in use. Linux.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from config.listen import Listen
from proxy.listening import said_in_words


@asynccontextmanager
async def reserved(key: str, listen: Listen) -> AsyncIterator[None]:
    """Keep ``listen`` for the sockets of this user's workers. Raises ConfigError."""
    with said_in_words(key, listen):
        server = await asyncio.get_running_loop().create_server(
            asyncio.Protocol, listen.host, listen.port, reuse_address=True
        )
    with ExitStack() as stack:
        for listening in server.sockets:
            kept = stack.enter_context(socket.socket(fileno=os.dup(listening.fileno())))
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            # Somebody else's check must fail; a socket that may be reused doesn't make it fail.
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            kept.shutdown(socket.SHUT_RDWR)  # Linux: no longer listening, still bound
        server.close()
        yield
