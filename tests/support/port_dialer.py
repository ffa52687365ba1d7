"""A dialer that connects to a port of this machine, in the place of an agent's tunnel."""

import asyncio
import socket

from config.dialing import DialFailed


class PortDialer:
    """The way to a cluster's API server while ``connected``."""

    def __init__(self, port: int, *, connected: bool = True) -> None:
        self.port = port
        self.connected = connected
        self.dials = 0

    suspended_at = 0.0

    @property
    def ways(self) -> int:
        return int(self.connected)

    async def dial(self, seconds: float) -> socket.socket:
        if not self.connected:
            raise DialFailed("no_agent", "no tunnel is open")
        sock = socket.socket()
        sock.setblocking(False)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        self.dials += 1
        return sock
