"""Reserve an address for the workers that share it. Linux.

With ``SO_REUSEPORT``, every process of a user may listen on an address on which another process
listens, and the kernel distributes connections among them. A second Sekisho would silently take
half of the connections of the first. Therefore, the supervisor first listens on the address
exclusively, which fails if any other process listens there. Then it changes that socket so that
only sockets with ``SO_REUSEPORT`` may join, with no moment in between. The socket stays bound and
accepts no connections. While it exists, a process that listens exclusively gets "address in use".
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from config.listen import Listen
from proxy.transport.bind_errors import explain_bind_errors


@asynccontextmanager
async def reserve_port(key: str, listen: Listen) -> AsyncIterator[None]:
    """Reserve ``listen`` for the workers' sockets. Raises ConfigError if it cannot be used."""
    with explain_bind_errors(key, listen):
        server = await asyncio.get_running_loop().create_server(
            asyncio.Protocol, listen.host, listen.port, reuse_address=True
        )
    with ExitStack() as stack:
        for listening in server.sockets:
            kept = stack.enter_context(socket.socket(fileno=os.dup(listening.fileno())))
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            # The exclusive bind of another process must fail; with SO_REUSEADDR it would succeed.
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            kept.shutdown(socket.SHUT_RDWR)  # Linux: no longer listening, still bound
        server.close()
        yield
