"""Requests of the end-to-end tests."""

import json
import socket
import ssl

from tests.support.sekisho import Sekisho

PODS = "/k8s/clusters/test/api/v1/namespaces/default/pods"


WHOAMI = "/k8s/clusters/test/apis/authentication.k8s.io/v1/selfsubjectreviews"


REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


def raw(proxy: Sekisho, request: bytes) -> bytes:
    """Send ``request`` and return all received bytes until the connection ends."""
    context = ssl.create_default_context(cafile=str(proxy.folder / "data" / "tls" / "ca.crt"))
    with (
        socket.create_connection(("127.0.0.1", proxy.port), 120) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def whoami(proxy: Sekisho, token: str, *lines: bytes) -> tuple[int, dict[str, object]]:
    """Send a SelfSubjectReview with header ``lines``; return the status and the user info."""
    body = json.dumps(REVIEW).encode()
    head = [
        f"POST {WHOAMI} HTTP/1.1".encode(),
        b"Host: proxy",
        b"Authorization: Bearer " + token.encode(),
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        b"Connection: close",
        *lines,
    ]
    response = raw(proxy, b"\r\n".join(head) + b"\r\n\r\n" + body)
    status = int(response.split(b" ", 2)[1])
    parsed = json.loads(response.partition(b"\r\n\r\n")[2]) if status == 201 else {}
    return status, parsed.get("status", {}).get("userInfo", {})
