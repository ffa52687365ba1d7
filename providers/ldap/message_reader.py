"""Reading a directory's answers from the socket, in place of ldap3's own way.

ldap3 reads until the messages end where its buffer does, however much that is. Here each message is
looked at before ldap3 decodes it, an answer has a size at which it is nonsense, and bytes behind an
answer are noticed.
"""

from typing import Any

from providers.ldap_ber import Malformed, check_message, message_size

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""What a server may say to one question."""

RECEIVE_BYTES = 64 * 1024


class Receiver:
    """Takes the place of ldap3's ``receiving``: whole messages, looked at, and not without end."""

    def __init__(self, ldap: Any) -> None:
        self._ldap = ldap
        self._rest = b""
        self._received = 0

    def __call__(self) -> list[bytes]:
        """The next message; none where the server hung up. Raises Malformed, OSError."""
        buffer = bytearray(self._rest)
        while True:
            size = message_size(bytes(buffer[:6]))
            if size is not None and len(buffer) >= size:
                self._rest = bytes(buffer[size:])
                return [check_message(bytes(buffer[:size]))]
            if self._received + max(size or 0, len(buffer)) > MAX_ANSWER_BYTES:
                raise Malformed("an answer is too large")
            data = self._ldap.socket.recv(RECEIVE_BYTES)
            if not data:
                return []
            self._received += len(data)
            buffer += data

    def begin(self) -> None:
        """The next question."""
        self._received = 0

    def end(self) -> None:
        """The answer is complete: what follows nobody asked for. Raises Malformed.

        In front of a TLS handshake it would be somebody in between who says it.
        """
        if self._rest:
            raise Malformed("more than an answer")
