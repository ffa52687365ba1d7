"""A request that its client sends on a connection for it alone."""

GET = b"GET /x HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n"
