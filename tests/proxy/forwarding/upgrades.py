"""A request for an upgrade, and the response that opens the tunnel."""

UPGRADE = b"POST /exec HTTP/1.1\r\nHost: g\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n"
