"""The opening handshake of a tunnel (RFC 6455 §4), without I/O."""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping

SUBPROTOCOL = "sekisho.tunnel.1"
"""Agent and server speak the version that both name (§1.9)."""

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION = "13"


class HandshakeError(Exception):
    """The other side does not open a tunnel. The message is for its operator."""


def accept_value(key: str) -> str:
    """Return ``Sec-WebSocket-Accept`` for a key (§4.2.2)."""
    digest = hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def request_headers() -> dict[str, str]:
    """Return the headers with which an agent asks for a tunnel, with a fresh key."""
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": _VERSION,
        "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
        "Sec-WebSocket-Protocol": SUBPROTOCOL,
    }


def response_headers(request: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of the ``101`` for a request; names are case-insensitive.

    Raises:
        HandshakeError: the request does not ask for a tunnel in this version.
    """
    headers = {name.lower(): value for name, value in request.items()}
    if "upgrade" not in _tokens(headers.get("connection", "")) or "websocket" not in _tokens(
        headers.get("upgrade", "")
    ):
        raise HandshakeError("this is for agents: the request must upgrade to websocket")
    if headers.get("sec-websocket-version") != _VERSION:
        raise HandshakeError("Sec-WebSocket-Version must be 13")
    key = headers.get("sec-websocket-key", "")
    if not _is_key(key):
        raise HandshakeError("Sec-WebSocket-Key must be 16 bytes in base64")
    if SUBPROTOCOL not in _tokens(headers.get("sec-websocket-protocol", "")):
        raise HandshakeError(
            f"Sec-WebSocket-Protocol must contain {SUBPROTOCOL}: agent and server have versions "
            "that do not work together"
        )
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Accept": accept_value(key),
        "Sec-WebSocket-Protocol": SUBPROTOCOL,
    }


def check_response(sent: Mapping[str, str], status: int, received: Mapping[str, str]) -> None:
    """Raise HandshakeError unless a response opens the tunnel that was asked for (§4.1)."""
    headers = {name.lower(): value for name, value in received.items()}
    if status != 101:
        raise HandshakeError(f"the server responded {status} instead of opening a tunnel")
    if headers.get("sec-websocket-accept") != accept_value(sent["Sec-WebSocket-Key"]):
        raise HandshakeError("the response is not for this request: a proxy may have stored it")
    if headers.get("sec-websocket-protocol") != SUBPROTOCOL:
        raise HandshakeError(f"the server does not speak {SUBPROTOCOL}; it is older, or no Sekisho")
    if "sec-websocket-extensions" in headers:
        raise HandshakeError("the server uses an extension that was not asked for")


def _tokens(value: str) -> set[str]:
    return {one.strip().lower() for one in value.split(",")}


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
