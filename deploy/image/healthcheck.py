"""Exit with 0 if the server of this container is alive: the image's health check.

It asks the main listener, as clients do, with or without TLS. The certificate is for the external
name, so it is not verified: nothing is sent but the request.
"""

import http.client
import os
import ssl
import sys

SECONDS = 8.0
"""Less than the timeout of HEALTHCHECK in the Dockerfile."""


def alive(port: int, *, tls: bool) -> bool:
    """Return whether ``/healthz`` answers 200."""
    connection: http.client.HTTPConnection
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(
            "127.0.0.1", port, context=context, timeout=SECONDS
        )
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main() -> int:
    """Return the exit status."""
    listen = os.environ.get("SEKISHO_SERVER__LISTEN", ":8443")
    port = int(listen.rpartition(":")[2])
    return 0 if alive(port, tls=True) or alive(port, tls=False) else 1


if __name__ == "__main__":
    sys.exit(main())
