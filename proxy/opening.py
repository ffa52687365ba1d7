"""What the header lines of a request say, remembered on the connection that it came by.

A client sends the same lines with every request of a connection; what differs is in the request
line. So what they say is found out once, by aiohttp's own parser, and found again by comparing
bytes: the same bytes mean the same. An opening goes with its connection; it holds a credential, as
the connection's own buffers do.
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


MAX_TOLD = 32
"""Request lines for which a connection keeps what logs say of them."""


class Opening:
    """The header lines of a request that asks for nothing out of the ordinary.

    ``length`` is that of the body, in bytes; ``digest`` the bearer's. ``stamp`` are the lines for
    ``downstream``, down to the identity of ``resolved``: everything but the request id.
    """

    __slots__ = (
        "digest",
        "downstream",
        "head",
        "keep_alive",
        "length",
        "lines",
        "remote",
        "resolved",
        "stamp",
        "told",
        "user_agent",
    )

    def __init__(self, lines: bytes, head: InboundHead, digest: bytes, length: int) -> None:
        self.lines = lines
        self.head = head
        self.digest = digest
        self.length = length
        self.keep_alive = True
        self.remote = ""
        self.user_agent = ""
        self.resolved: Resolved | None = None
        self.downstream: Downstream | None = None
        self.stamp = b""
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

    def read(self, lines: bytes, remote: str) -> Opening | None:
        """What ``lines`` (down to the empty one) say; ``remote`` is the connection's address.

        None for what is malformed, or needs more than a look: upgrades, chunked bodies, cookies,
        impersonation, and bodies that are large or waited for.
        """
        parser = HttpRequestParser(self._protocol, self._loop, 2**16, **self._limits)
        try:
            messages, upgraded, _ = parser.feed_data(b"GET / HTTP/1.1\r\n" + lines)
            if upgraded or len(messages) != 1:
                return None
            message = messages[0][0]
            head = read_head(message.raw_headers)
            if not _is_plain(head) or message.upgrade or message.chunked:
                return None
            bearer = bearer_from(head.authorization or b"")
        except (HttpProcessingError, BadHead, BadCredential):
            return None
        length = int(head.length or 0)
        if length > MAX_INLINE_BODY or message.version != HttpVersion11:
            return None
        opening = Opening(lines, head, hashlib.sha256(bearer).digest(), length)
        opening.keep_alive = not message.should_close
        opening.user_agent = message.headers.get("User-Agent", "")
        forwarded = message.headers.getall("X-Forwarded-For", ())
        opening.remote = self._addresses.of(remote, forwarded)
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
