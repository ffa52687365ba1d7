"""One answer on its way from an API server to a client: written on as it is read.

An exchange is driven by its upstream connection's parser. What arrives in one read goes out in one
write; nothing is kept. When the client's buffer is full, reading from the API server pauses, so an
answer of any size takes the memory of two buffers.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from proxy.response_head import Framing, client_head, switching_head, trailer_lines

Headers = Sequence[tuple[bytes, bytes]]


class Readable(Protocol):
    """The upstream connection, as far as an exchange needs it."""

    def pause_reading(self) -> None:
        """Read no more for now."""

    def resume_reading(self) -> None:
        """Read on."""

    def abort(self) -> None:
        """Throw the connection away."""


class Client(Protocol):
    """The client's connection, as far as an answer needs it: ``source`` is what fills it."""

    source: Any


class Answer:
    """One request's answer. What happens at its end is a subclass's to say, in :meth:`ended`.

    ``on_head`` is told the status as soon as it is known. ``status`` is 0 until the head has gone
    out; ``sent`` counts body bytes relayed. ``truncated`` is an answer that broke off.
    """

    __slots__ = (
        "_between_lines",
        "_chunked_out",
        "_client",
        "_extra",
        "_http_1_1",
        "_on_head",
        "_out",
        "_pass_401",
        "_prefix",
        "_to_head",
        "_transport",
        "_upstream",
        "framing",
        "keep_alive",
        "over",
        "sent",
        "status",
        "switched",
        "truncated",
        "wants_upgrade",
    )

    def __init__(
        self,
        client: Client,
        transport: asyncio.Transport,
        *,
        to_head: bool,
        http_1_1: bool,
        keep_alive: bool,
        prefix: bytes,
        extra: bytes,
        wants_upgrade: bool = False,
        pass_401: bool = False,
        on_head: Callable[[int], None] | None = None,
    ) -> None:
        self._client = client
        self._transport = transport
        self._to_head = to_head
        self._http_1_1 = http_1_1
        self._prefix = prefix
        self._extra = extra
        self._pass_401 = pass_401
        self._on_head = on_head
        self._upstream: Readable | None = None
        self._out: list[bytes] = []
        self._chunked_out = False
        self._between_lines = True
        self.wants_upgrade = wants_upgrade
        self.keep_alive = keep_alive and not wants_upgrade
        self.over = False
        self.framing: Framing | None = None
        self.status = 0
        self.sent = 0
        self.switched: bytes | None = None
        self.truncated = False

    # Flow control, called by the client's connection.

    def pause(self) -> None:
        """The client's buffer is full."""
        if self._upstream is not None:
            self._upstream.pause_reading()

    def resume(self) -> None:
        """The client's buffer has drained."""
        if self._upstream is not None:
            self._upstream.resume_reading()

    # The answer, called by the upstream connection.

    def attach(self, upstream: Readable) -> None:
        """The answer will come from ``upstream``; until :meth:`finish` or :meth:`fail`."""
        self._upstream = upstream
        self._client.source = self

    def head(self, status: int, reason: bytes, headers: Headers) -> None:
        """The final head is there. Raises RejectedCredential where it isn't for the client."""
        if status == 401 and not self._pass_401:
            raise RejectedCredential
        framing, head = client_head(
            status,
            reason,
            headers,
            to_head=self._to_head,
            http_1_1=self._http_1_1,
            keep_alive=self.keep_alive,
            prefix=self._prefix,
            extra=self._extra,
        )
        self.framing = framing
        if framing.length is None and not framing.empty:
            self._chunked_out = self._http_1_1
            self.keep_alive = self.keep_alive and self._http_1_1
        self.status = status
        if self._on_head is not None:
            self._on_head(status)
        self._out.append(head)

    def forward(self, pieces: list[bytes], *, complete: bool, trailers: Headers = ()) -> None:
        """Write what one read brought: body pieces, and the end of the body if it is there."""
        out = self._out
        if pieces:
            self._between_lines = pieces[-1].endswith(b"\n")
            size = sum(map(len, pieces)) if len(pieces) > 1 else len(pieces[0])
            self.sent += size
            if self._chunked_out:
                out.append(b"%x\r\n" % size)
                out += pieces
                out.append(b"\r\n")
            else:
                out += pieces
        if complete and self._chunked_out:
            out.append(b"0\r\n%b\r\n" % (trailer_lines(trailers) if trailers else b""))
        if out:
            self._transport.write(b"".join(out) if len(out) > 1 else out[0])
            out.clear()

    def switch(self, headers: Headers, tail: bytes) -> None:
        """A ``101`` is there: the head goes to the client, the rest is a pipe's to carry."""
        self.status = 101
        if self._on_head is not None:
            self._on_head(101)
        self.keep_alive = False
        self.switched = tail
        self._transport.write(switching_head(headers, extra=self._extra))
        self._detach()
        self._resolve()

    def finish(self) -> None:
        """The whole answer has been written."""
        self._detach()
        self._resolve()

    def fail(self, error: Exception) -> None:
        """The upstream connection broke. A begun answer is cut off so that it can't look whole."""
        self._detach()
        if self.over:
            return
        if not self.status or self._out:
            self.status = 0
            self._out.clear()
            self._resolve(error)
            return
        self.truncated = True
        self.keep_alive = False
        if self._chunked_out or (self.framing is not None and self.framing.length is not None):
            self._transport.close()
        else:
            # Without a length the client takes the end of the connection for the end of the body.
            self._transport.abort()
        self._resolve()

    def end_watch(self) -> None:
        """End a watch as an API server does when it stops: after an event, and cleanly.

        The client watches on elsewhere from the last version it saw. A watch that can't be ended so
        is left alone.
        """
        upstream = self._upstream
        if upstream is None or not self.status or not self._between_lines or not self._chunked_out:
            return
        if self._transport.get_write_buffer_size():
            self.keep_alive = False  # Nobody waits for a client that doesn't read.
        self._transport.write(b"0\r\n\r\n")
        self.finish()
        upstream.abort()

    def ended(self, error: Exception | None) -> None:
        """The answer has been relayed in full, or as far as it came.

        ``error`` is there only where nothing has been written to the client, so that another answer
        can be. To be said by subclasses.
        """
        raise NotImplementedError

    def _detach(self) -> None:
        self._upstream = None
        if self._client.source is self:
            self._client.source = None

    def _resolve(self, error: Exception | None = None) -> None:
        if not self.over:
            self.over = True
            self._on_head = None  # It may hold us.
            self.ended(error)


class Exchange(Answer):
    """An answer that somebody awaits: ``done`` ends, or fails, with it."""

    __slots__ = ("done",)

    def __init__(
        self,
        client: Client,
        transport: asyncio.Transport,
        *,
        loop: asyncio.AbstractEventLoop,
        to_head: bool,
        http_1_1: bool,
        keep_alive: bool,
        prefix: bytes,
        extra: bytes,
        wants_upgrade: bool = False,
        pass_401: bool = False,
        on_head: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__(
            client,
            transport,
            to_head=to_head,
            http_1_1=http_1_1,
            keep_alive=keep_alive,
            prefix=prefix,
            extra=extra,
            wants_upgrade=wants_upgrade,
            pass_401=pass_401,
            on_head=on_head,
        )
        self.done: asyncio.Future[None] = loop.create_future()

    def ended(self, error: Exception | None) -> None:
        """Tell whoever awaits it."""
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)

    def renew(self) -> None:
        """Wait for an answer again, after a failure before any of one had come."""
        self.over = False
        self.done = self.done.get_loop().create_future()


class RejectedCredential(Exception):
    """The API server answered 401: to the service account's token, not to the client's."""
