"""Relay of one response from an API server to a client, written as it is read.

The parser of the upstream connection drives a relay. The bytes of one read go out in one write, and
nothing is stored. While the client's buffer is full, the relay pauses reading from the API server,
so a response of any size needs the memory of two buffers.

The file is longer than 300 lines because a relay is one state machine: flow control, a response
that is held back, a watch that ends between two events and a response that breaks off all share
its fields, and native attributes of one class are the cheapest way to share them on the hot path.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from proxy.response.headers import (
    BodyFraming,
    on_refusal,
    response_headers,
    trailer_lines,
    upgrade_response_headers,
)
from proxy.response.pages import PageTooDense, RewrittenPage, page_of
from proxy.response.references import NO_UPSTREAMS, Upstreams, rewrite_link
from proxy.response.status import ServiceUnavailable, StatusError
from proxy.response.watch_frames import Frames, frames_of

Headers = Sequence[tuple[bytes, bytes]]

EVENT_SECONDS = 1.0
"""Time that a watch has to complete its current event once Sekisho ends the watch."""


class Readable(Protocol):
    """The upstream connection, as a relay uses it."""

    def pause_reading(self) -> None:
        """Stop reading from the API server for now."""

    def resume_reading(self) -> None:
        """Continue to read from the API server."""

    def abort(self) -> None:
        """Close the connection without reuse."""


class Client(Protocol):
    """The client connection, as a relay uses it. ``flow_source`` fills its buffer."""

    flow_source: Any


class RelayOptions:
    """Facts about a request that decide how its response is relayed.

    ``to_head`` is true for a HEAD request. ``prefix`` is the proxy's path of the cluster, ``extra``
    are header lines to add; ``user_agent`` and ``request_id`` decide about more for a 403.
    ``target`` is the request target that the cluster at ``upstreams`` receives. ``proxied`` is true
    if a service or a pod responds there, so that a 401 is its own; ``watch`` if the body is a
    stream of events.
    """

    # Not a dataclass: mypyc does not compile the constructor of one, which would cost 1 µs here.
    __slots__ = (
        "extra",
        "http_1_1",
        "keep_alive",
        "prefix",
        "proxied",
        "request_id",
        "target",
        "to_head",
        "upstreams",
        "user_agent",
        "wants_upgrade",
        "watch",
    )

    def __init__(
        self,
        *,
        prefix: bytes = b"",
        extra: bytes = b"",
        user_agent: str = "",
        request_id: bytes = b"",
        target: bytes = b"/",
        upstreams: Upstreams = NO_UPSTREAMS,
        to_head: bool = False,
        http_1_1: bool = True,
        keep_alive: bool = True,
        wants_upgrade: bool = False,
        proxied: bool = False,
        watch: bool = False,
    ) -> None:
        self.prefix = prefix
        self.extra = extra
        self.user_agent = user_agent
        self.request_id = request_id
        self.target = target
        self.upstreams = upstreams
        self.to_head = to_head
        self.http_1_1 = http_1_1
        self.keep_alive = keep_alive
        self.wants_upgrade = wants_upgrade
        self.proxied = proxied
        self.watch = watch


class ResponseRelay:
    """The response to one request. Subclasses define :meth:`on_complete`.

    ``on_head`` is called with the status once it is known. ``status`` is 0 until the header block
    has been written; ``sent`` counts relayed body bytes. ``truncated`` is true if the response
    ended early, and ``note`` gives the reason if Sekisho ended it.
    """

    __slots__ = (
        "_chunked_out",
        "_client",
        "_deadline",
        "_ending",
        "_frames",
        "_held",
        "_on_head",
        "_options",
        "_out",
        "_page",
        "_transport",
        "_upstream",
        "framing",
        "keep_alive",
        "note",
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
        options: RelayOptions,
        on_head: Callable[[int], None] | None = None,
    ) -> None:
        self._client = client
        self._transport = transport
        self._options = options
        self._on_head = on_head
        self._upstream: Readable | None = None
        self._out: list[bytes] = []
        self._chunked_out = False
        self._page: RewrittenPage | None = None
        self._frames: Frames | None = None
        self._ending = False
        self._held = 0
        self._deadline: asyncio.TimerHandle | None = None
        self.note = ""
        self.wants_upgrade = options.wants_upgrade
        self.keep_alive = options.keep_alive and not options.wants_upgrade
        self.over = False
        self.framing: BodyFraming | None = None
        self.status = 0
        self.sent = 0
        self.switched: bytes | None = None
        self.truncated = False

    # Flow control. The client connection calls these.

    def pause(self) -> None:
        """Stop reading from the API server: the client's buffer is full."""
        if self._upstream is not None:
            self._upstream.pause_reading()

    def resume(self) -> None:
        """Continue to read from the API server: the client's buffer has drained."""
        if self._upstream is not None and not self._held:
            self._upstream.resume_reading()

    # The response. The upstream connection calls these.

    def attach(self, upstream: Readable) -> None:
        """Take the response from ``upstream``, until :meth:`finish` or :meth:`fail`."""
        self._upstream = upstream
        self._client.flow_source = self

    def head(self, status: int, reason: bytes, headers: Headers) -> None:
        """Relay the final header block.

        Raises:
            CredentialRejected: a 401 rejects Sekisho's credential and is not for the client.

        """
        options = self._options
        if status == 401 and not options.proxied:
            # The challenge is for Sekisho: the cluster never receives the client's credential.
            headers = [one for one in headers if one[0].lower() != b"www-authenticate"]
            if self.holds_unauthorized():
                self._held = status
        if options.watch and status == 200:
            self._frames = frames_of(headers)
        if options.proxied:
            self._page = page_of(status, headers, self._link)
        extra = options.extra
        if status == 403 and not options.proxied:
            extra += on_refusal(options.user_agent, options.request_id)
        framing, head = response_headers(
            status,
            reason,
            headers,
            to_head=options.to_head,
            http_1_1=options.http_1_1,
            keep_alive=self.keep_alive,
            prefix=options.prefix,
            extra=extra,
            target=options.target,
            upstreams=options.upstreams,
            rewritten=self._page is not None,
        )
        self.framing = framing
        if (framing.length is None or self._page is not None) and not framing.empty:
            self._chunked_out = options.http_1_1
            self.keep_alive = self.keep_alive and options.http_1_1
        self._out.append(head)
        if self._held:
            if self._upstream is not None:
                self._upstream.pause_reading()
            return
        self.status = status
        if self._on_head is not None:
            self._on_head(status)

    def forward(self, pieces: list[bytes], *, complete: bool, trailers: Headers = ()) -> None:
        """Write what one read brought: pieces of the body, and its end if ``complete``.

        May end the response and abort the upstream connection.
        """
        if self._page is not None:
            pieces = self._rewritten(self._page, pieces, last=complete)
        elif self._frames is not None and not complete:
            pieces = self._followed(self._frames, pieces)
        if self.over:
            return
        out = self._out
        if pieces:
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
        if out and not self._held:
            self._transport.write(b"".join(out) if len(out) > 1 else out[0])
            out.clear()
        if self._ending and not complete:
            self._end_between_events()

    # A 401 either rejects Sekisho's credential or is meant for the client.

    @property
    def held(self) -> bool:
        """Whether the response is held back until the meaning of its 401 is known."""
        return self._held != 0

    def holds_unauthorized(self) -> bool:
        """Return whether to hold a 401 back until :meth:`release` or :meth:`reject`.

        False if it is meant for the client. Subclasses find out; this class assumes that the API
        server rejected Sekisho's credential.

        Raises:
            CredentialRejected, UpstreamError: the response is not for the client.

        """
        raise CredentialRejected

    def release(self) -> None:
        """Relay a response that was held back."""
        status, self._held = self._held, 0
        if self.over or not status:
            return
        self.status = status
        if self._on_head is not None:
            self._on_head(status)
        self._transport.write(b"".join(self._out))
        self._out.clear()
        if self._upstream is None:
            self._resolve()
        else:
            self._upstream.resume_reading()

    def refuse(self, error: StatusError) -> bool:
        """Respond with ``error`` instead of the cluster. Return False if a response has begun."""
        if self.status:
            return False
        self.reject(error)
        return True

    def reject(self, error: Exception) -> None:
        """Drop what has come of a response without a byte written; complete with ``error``."""
        self._held = 0
        if self.over:
            return
        upstream = self._upstream
        self._detach()
        self._out.clear()
        self._resolve(error)
        if upstream is not None:
            upstream.abort()

    def _rewritten(self, page: RewrittenPage, pieces: list[bytes], *, last: bool) -> list[bytes]:
        """Return the next bytes of a rewritten page. Break off a page that cannot be parsed."""
        try:
            data = page.feed(pieces, last=last)
        except PageTooDense as exc:
            self.note = str(exc)
            self._break_off()
            return []
        return [data] if data else []

    def _followed(self, frames: Frames, pieces: list[bytes]) -> list[bytes]:
        """Track the events of a watch. While the watch ends, return its current event only."""
        if not self._ending:
            for piece in pieces:
                frames.feed(piece)
            return pieces
        kept: list[bytes] = []
        if frames.between:
            return kept
        for piece in pieces:
            end = frames.advance(piece, to_edge=True)
            kept.append(piece[:end])
            if frames.between:
                break
        return kept

    def _link(self, link: bytes) -> bytes:
        options = self._options
        return rewrite_link(link, options.target, options.prefix, options.upstreams)

    def switch(self, headers: Headers, tail: bytes) -> None:
        """Relay the header block of a ``101``. ``tail`` and all later bytes are the tunnel's."""
        self.status = 101
        if self._on_head is not None:
            self._on_head(101)
        self.keep_alive = False
        self.switched = tail
        self._transport.write(upgrade_response_headers(headers, extra=self._options.extra))
        self._detach()
        self._resolve()

    def finish(self) -> None:
        """Complete: the whole response has been written, or is held back."""
        self._detach()
        if not self._held:
            self._resolve()

    def fail(self, error: Exception) -> None:
        """Complete after the upstream connection broke.

        A response that has begun is cut off, so that the client cannot take it for complete.
        """
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
        if self._end_is_explicit:
            self._transport.close()
        else:
            # Without a length, the client takes the end of the connection for the end of the body.
            self._transport.abort()
        self._resolve()

    @property
    def _end_is_explicit(self) -> bool:
        """Whether chunks or a length show the client where the body ends."""
        if self._chunked_out:
            return True
        return self._page is None and self.framing is not None and self.framing.length is not None

    def end_watch(self, *, going_on: bool = True) -> None:
        """End a watch as an API server does when it stops: after an event, and cleanly.

        The client starts a new watch from the last version that it received; ``going_on`` is
        whether it may do so on this connection. An incomplete event has EVENT_SECONDS to complete.
        Then the watch is broken off, so that the client cannot take the fragment for an event.
        """
        self.keep_alive = self.keep_alive and going_on
        if self._ending:
            return
        self._ending = True
        if self.over:
            return
        self._end_between_events()
        if not self.over:
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(EVENT_SECONDS, self._cut)

    def end_stream(self) -> bool:
        """End a watch as :meth:`end_watch` does. Return False if the response is no watch."""
        if self._options.watch:
            self.end_watch()
        return self._options.watch

    def _end_between_events(self) -> None:
        """End a watch if it is between two events and can end cleanly."""
        upstream, frames = self._upstream, self._frames
        if upstream is None or frames is None or not frames.between or self._out:
            return
        if not self._chunked_out and self._end_is_explicit:
            return
        if self._transport.get_write_buffer_size():
            self.keep_alive = False  # Do not keep the connection for a client that does not read.
        if self._chunked_out:
            self._transport.write(b"0\r\n\r\n")
        self.finish()
        upstream.abort()

    def _cut(self) -> None:
        """Break off a watch whose event did not complete in time, or that has no response yet."""
        if self.over:
            return
        if not self.refuse(ended_early()):
            self.note = "Sekisho ended the watch inside an event"
            self._break_off()

    def _break_off(self) -> None:
        """End a response early, so that the client cannot take it for complete."""
        upstream = self._upstream
        if self._out:
            self._transport.write(b"".join(self._out))
            self._out.clear()
        self.keep_alive = False
        self._detach()
        if self._end_is_explicit and not self._transport.get_write_buffer_size():
            self._transport.close()
        else:
            self._transport.abort()
        self._resolve()
        if upstream is not None:
            upstream.abort()

    def on_complete(self, error: Exception | None) -> None:
        """Handle the end of the response. Subclasses must implement this.

        ``error`` is set only if nothing was written to the client, so that another response can
        follow.
        """
        raise NotImplementedError

    def _detach(self) -> None:
        self._upstream = None
        if self._client.flow_source is self:
            self._client.flow_source = None

    def _resolve(self, error: Exception | None = None) -> None:
        if not self.over:
            self.over = True
            self._on_head = None  # It may reference this relay.
            self._held = 0
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None
            self.on_complete(error)


def ended_early() -> StatusError:
    """Return the response to a watch that Sekisho ends before the cluster has responded."""
    message = "the watch ended before the cluster responded; start it again"
    return ServiceUnavailable(message, retry_after=1)


class CredentialRejected(Exception):
    """The API server responded 401: to the service account's token, not to the client's."""
