"""What the header lines of a request say, remembered for the requests that say the same.

A client sends the same lines with every request; what differs is in the request line. So what they
say is found out once, by aiohttp's own parser, and found again by comparing bytes: the same bytes
mean the same. On a connection the bytes themselves are compared, beyond it their SHA-256, so that
no credential is kept for longer than its connection.
"""

import asyncio
import hashlib
from typing import Any

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser, HttpVersion11
from aiohttp.http_exceptions import HttpProcessingError

from management.client_address import ClientAddresses
from management.credentials import BadCredential, bearer_from
from management.resolver import Resolved
from proxy.access import Told
from proxy.asked import Asked
from proxy.clusters import Downstream
from proxy.inbound_head import BadHead, InboundHead, read_head

MAX_INLINE_BODY = 64 * 1024
"""Bytes of a body that may come with the head and be dealt with at once, as leases do."""

MAX_TOLD = 16
"""Request lines for which an opening keeps what logs say of them."""

MAX_REMEMBERED = 1024
"""Openings that are remembered beyond their connections."""

MAX_REMEMBERED_BYTES = 4096
"""Longer lines aren't: what is remembered takes a few megabytes at most."""


class Opening:
    """The header lines of a request that asks for nothing out of the ordinary.

    ``digest`` is the bearer's; ``length`` the body's, in bytes; ``remote`` the client's address.
    ``stamp`` and ``identity`` are the lines for ``downstream`` as ``resolved``, but for the request
    id; see :func:`proxy.upstream_head.request_lines`.
    """

    __slots__ = (
        "digest",
        "downstream",
        "head",
        "identity",
        "keep_alive",
        "length",
        "remote",
        "resolved",
        "stamp",
        "told",
        "user_agent",
    )

    def __init__(self, head: InboundHead, digest: bytes, length: int, remote: str) -> None:
        self.head = head
        self.digest = digest
        self.length = length
        self.remote = remote
        self.keep_alive = True
        self.user_agent = ""
        self.resolved: Resolved | None = None
        self.downstream: Downstream | None = None
        self.stamp = b""
        self.identity = b""
        self.told: dict[Asked, Told] = {}

    def telling(self, asked: Asked) -> Told:
        """What is kept of what logs say of ``asked``, by this caller."""
        told = self.told.get(asked)
        if told is None:
            if len(self.told) >= MAX_TOLD:
                self.told.clear()
            told = self.told[asked] = Told()
        return told


class OpeningReader:
    """Reads header lines as aiohttp does; ``limits`` are what its parser is given."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, addresses: ClientAddresses, **limits: Any
    ) -> None:
        self._protocol = BaseProtocol(loop)
        self._loop = loop
        self._addresses = addresses
        self._limits = limits
        self._remembered: dict[tuple[bytes, str], Opening] = {}

    def read(self, lines: bytes, remote: str) -> Opening | None:
        """What ``lines`` (down to the empty one) say; ``remote`` is the connection's address.

        None for what is malformed, or needs more than a look: upgrades, chunked bodies, cookies,
        impersonation, and bodies that are large or waited for.
        """
        if len(lines) > MAX_REMEMBERED_BYTES:
            return self._read(lines, remote)
        key = (hashlib.sha256(lines).digest(), remote)
        opening = self._remembered.get(key)
        if opening is None:
            opening = self._read(lines, remote)
            # Lines with a request id of the client's own won't come again.
            if opening is not None and opening.head.request_id is None:
                if len(self._remembered) >= MAX_REMEMBERED:
                    del self._remembered[next(iter(self._remembered))]
                self._remembered[key] = opening
        return opening

    def _read(self, lines: bytes, remote: str) -> Opening | None:
        parser = HttpRequestParser(self._protocol, self._loop, 2**16, **self._limits)
        try:
            messages: Any
            messages, upgraded, _ = parser.feed_data(b"GET / HTTP/1.1\r\n" + lines)
            if upgraded or len(messages) != 1:
                return None
            message: Any = messages[0][0]  # in C it isn't the tuple that it is in Python
            head = read_head(message.raw_headers)
            bearer = bearer_from(head.authorization or b"")
        except (HttpProcessingError, BadHead, BadCredential):
            return None
        length = int(head.length or 0)
        plain = _is_plain(head) and not (message.upgrade or message.chunked)
        if not plain or length > MAX_INLINE_BODY or message.version != HttpVersion11:
            return None
        head.authorization = None
        forwarded = message.headers.getall("X-Forwarded-For", ())
        address = self._addresses.of(remote, forwarded)
        opening = Opening(head, hashlib.sha256(bearer).digest(), length, address)
        opening.keep_alive = not message.should_close
        opening.user_agent = message.headers.get("User-Agent", "")
        return opening


def _is_plain(head: InboundHead) -> bool:
    return not (
        head.chunked
        or head.cookie is not None
        or head.websocket_bearer is not None
        or head.offered_upgrade is not None
        or head.expects_continue
        or head.impersonates
    )
