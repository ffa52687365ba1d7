"""Read a directory's messages from the socket, in place of ldap3's own reader.

ldap3 reads without a limit until a message ends at the end of its buffer. This reader validates
each message before ldap3 decodes it, limits the size of a response, and detects bytes after a
response.
"""

from typing import Any

from providers.ldap.ber import MalformedMessage, check_message, message_size

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
"""The limit for the response to one request."""

RECEIVE_BYTES = 64 * 1024


class MessageReader:
    """A replacement for ldap3's ``receiving`` that returns complete, valid messages."""

    def __init__(self, ldap: Any) -> None:
        self._ldap = ldap
        self._rest = b""
        self._received = 0

    def __call__(self) -> list[bytes]:
        """Return the next message; none if the server closed the connection.

        Raises:
            MalformedMessage: a message is invalid, or a response too large.
            OSError: reading failed.
        """
        buffer = bytearray(self._rest)
        while True:
            size = message_size(bytes(buffer[:6]))
            if size is not None and len(buffer) >= size:
                self._rest = bytes(buffer[size:])
                return [check_message(bytes(buffer[:size]))]
            if self._received + max(size or 0, len(buffer)) > MAX_RESPONSE_BYTES:
                raise MalformedMessage("a response is too large")
            data = self._ldap.socket.recv(RECEIVE_BYTES)
            if not data:
                return []
            self._received += len(data)
            buffer += data

    def begin(self) -> None:
        """Begin a request: reset the size of the response."""
        self._received = 0

    def end(self) -> None:
        """Check that nothing follows the complete response. Raises MalformedMessage.

        Before a TLS handshake, further bytes could come from an attacker in between.
        """
        if self._rest:
            raise MalformedMessage("data after a response")
